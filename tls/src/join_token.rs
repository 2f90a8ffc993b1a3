//! [`JoinToken`]: what a worker needs to become a member.

use std::fmt;

use rookery_proto::Failure;

use crate::Fingerprint;
use crate::failing::config;

const PREFIX: &str = "rookery_join_v1";
/// Hexadecimal digits of an id and of a secret.
pub(crate) const ID_DIGITS: usize = 12;
pub(crate) const SECRET_DIGITS: usize = 64;

/// Lets workers join, and tells them which authority their driver has: `rookery_join_v1.ID.SECRET.FINGERPRINT`. It
/// never appears in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    id: String,
    secret: String,
    authority: Fingerprint,
}

impl JoinToken {
    pub(crate) fn new(id: String, secret: String, authority: Fingerprint) -> Self {
        Self {
            id,
            secret,
            authority,
        }
    }

    /// Reads a token as it was given out; white space around it does not count.
    ///
    /// # Errors
    /// Class config: it is none. The message does not repeat it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            config(format!("the join token is not usable: {what}"))
                .hint("`rookery token create` makes one and prints the whole command; copy all of it")
        };
        let mut parts = text.trim().split('.');
        if parts.next() != Some(PREFIX) {
            return Err(wrong(&format!("it does not begin with {PREFIX}.")));
        }
        let (Some(id), Some(secret), Some(authority), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("expected four parts with dots between them"));
        };
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let authority = authority.parse().ok();
        match authority {
            Some(authority) if is_hex(id, ID_DIGITS) && is_hex(secret, SECRET_DIGITS) => {
                Ok(Self::new(id.to_string(), secret.to_string(), authority))
            }
            _ => Err(wrong("a part is damaged or cut off")),
        }
    }

    /// Its name, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What its owner shows the driver.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The authority of the cluster that it is for.
    pub fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// The token itself.
    pub fn expose(&self) -> String {
        format!("{PREFIX}.{}.{}.{}", self.id, self.secret, self.authority)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({}, …)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_never_shown() {
        let secret = "5e".repeat(SECRET_DIGITS / 2);
        let token = JoinToken::new(
            "0123456789ab".to_string(),
            secret.clone(),
            Fingerprint::of(b"an authority"),
        );
        assert_eq!(
            JoinToken::parse(&format!(" {}\n", token.expose())),
            Ok(token.clone())
        );
        assert!(!format!("{token:?}").contains(&secret));
        let whole = token.expose();
        for text in [
            "",
            "something",
            &whole[..whole.len() - 1],
            &whole.replace("_v1", "_v2"),
            &whole.replace("5e", "5."),
        ] {
            let failure = JoinToken::parse(text).unwrap_err();
            assert!(
                failure.message.starts_with("the join token is not usable"),
                "{failure}"
            );
            assert!(!failure.to_string().contains("5e5e"), "{failure}");
        }
    }
}
