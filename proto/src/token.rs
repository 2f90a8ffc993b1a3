//! [`Token`]: the secret that a driver asks for, over gRPC and over HTTP alike: `authorization: Bearer TOKEN`.

use std::fmt;
use std::sync::Arc;

use tonic::codegen::http::HeaderMap;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::{ErrorClass, Failure};

const SCHEME: &str = "Bearer ";

/// A secret; it never appears in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A token as it is in a file or a variable; white space around it does not count.
    ///
    /// # Errors
    /// Class config: it is empty, or could not be sent in a header.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        match text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Err(Failure::new(
                ErrorClass::Config,
                "the token is not usable, expected visible ASCII characters without spaces",
            )),
            false => Ok(Self(text.into())),
        }
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value of an `authorization` header.
    pub fn authorization(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }

    /// Whether the value of an `authorization` header is this token. How long it takes tells nothing about where the
    /// two differ.
    pub fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let given = authorization.and_then(|value| value.strip_prefix(SCHEME.as_bytes()));
        given.is_some_and(|given| is_same_secret(given, self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whether two secrets are the same. How long it takes tells nothing about where they differ.
pub fn is_same_secret(given: &[u8], known: &[u8]) -> bool {
    let differing = given.iter().zip(known).fold(0, |bits, (a, b)| bits | (a ^ b));
    given.len() == known.len() && std::hint::black_box(differing) == 0
}

/// Whether a request with these headers is let in by a server that asks for `token`, or for none.
pub fn is_admitted(token: Option<&Token>, headers: &HeaderMap) -> bool {
    let given = headers.get("authorization").map(|value| value.as_bytes());
    token.is_none_or(|token| token.admits(given))
}

/// Sends a token with every call of a client, if there is one to send.
#[derive(Debug, Clone)]
pub struct SendToken(Option<MetadataValue<Ascii>>);

impl SendToken {
    /// An interceptor for a client.
    pub fn new(token: Option<&Token>) -> Self {
        let header = token.map(|token| {
            let mut value = MetadataValue::try_from(token.authorization()).expect("a token is visible ASCII");
            value.set_sensitive(true);
            value
        });
        Self(header)
    }
}

impl Interceptor for SendToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// What a driver or a worker answers to a call without its token, or with another one.
pub fn refusal(who: &str) -> Failure {
    Failure::new(ErrorClass::Config, format!("the {who} asks for another token, or for one at all")).hint(
        "set ROOKERY_TOKEN to what is in the file `token` of the driver's state directory, or use that directory",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_let_in() {
        let token = Token::new(" s3cret\n").unwrap();
        assert!(token.admits(Some(b"Bearer s3cret")));
        for other in [
            &b"Bearer s3cre"[..],
            b"Bearer s3cret!",
            b"Bearer S3cret",
            b"s3cret",
            b"Basic s3cret",
            b"",
        ] {
            assert!(!token.admits(Some(other)), "{}", String::from_utf8_lossy(other));
        }
        assert!(!token.admits(None));
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new("s3cret").unwrap();
        assert!(!format!("{token:?} {:?}", SendToken::new(Some(&token))).contains("s3cret"));
        for text in ["", " \n", "two words", "schlüssel"] {
            assert!(Token::new(text).is_err(), "{text:?}");
        }
    }
}
