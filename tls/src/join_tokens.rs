//! [`JoinTokens`]: the join tokens that a driver made, one file each. Of a secret only its digest is kept.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_proto::Failure;
use rookery_proto::token::is_same_secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failing::{config, of_file};
use crate::join_token::{ID_DIGITS, SECRET_DIGITS};
use crate::{Fingerprint, JoinToken, private_file};

/// How long a token that has expired is remembered, so that whoever comes with it is told so.
const REMEMBERED_MS: i64 = 30 * 24 * 3600 * 1000;

/// What a driver keeps of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptToken {
    /// Its name.
    pub id: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; `None` for one that never expires.
    pub expires_ms: Option<i64>,
    secret_sha256: String,
}

/// The tokens of one authority. Time is an argument.
#[derive(Debug, Clone)]
pub struct JoinTokens {
    folder: PathBuf,
    authority: Fingerprint,
}

impl JoinTokens {
    /// The tokens in a folder, which need not exist yet.
    pub fn new(folder: PathBuf, authority: Fingerprint) -> Self {
        Self { folder, authority }
    }

    /// Makes a token that lets workers in for `lifetime`, or for ever.
    ///
    /// # Errors
    /// Class internal: it can't be written down.
    pub fn create(&self, lifetime: Option<Duration>, now_ms: i64) -> Result<JoinToken, Failure> {
        let id = random_hex(ID_DIGITS);
        let secret = random_hex(SECRET_DIGITS);
        let lifetime_ms = lifetime.map(|lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX));
        let kept = KeptToken {
            id: id.clone(),
            created_ms: now_ms,
            expires_ms: lifetime_ms.map(|lifetime_ms| now_ms.saturating_add(lifetime_ms)),
            secret_sha256: digest(&secret),
        };
        let file = self.file(&id);
        let text = serde_json::to_string(&kept).expect("a record of texts and numbers is JSON");
        private_file::make_folder(&self.folder)
            .and_then(|()| private_file::replace(&file, &text))
            .map_err(|e| of_file("the join token can't be written", &e, &file))?;
        Ok(JoinToken::new(id, secret, self.authority))
    }

    /// The tokens that were not revoked, the oldest first. Those that expired long ago are forgotten.
    ///
    /// # Errors
    /// Class internal: a file can't be read.
    pub fn list(&self, now_ms: i64) -> Result<Vec<KeptToken>, Failure> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(of_file("the join tokens can't be read", &e, &self.folder)),
        };
        let mut tokens = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let Some(kept) = read(&path)? else { continue };
            match kept.expires_ms {
                Some(expires) if now_ms.saturating_sub(expires) > REMEMBERED_MS => {
                    let _ = fs::remove_file(&path);
                }
                _ => tokens.push(kept),
            }
        }
        tokens.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        Ok(tokens)
    }

    /// Makes a token worthless.
    ///
    /// # Errors
    /// Class config: there is no such token.
    pub fn revoke(&self, id: &str) -> Result<(), Failure> {
        let unknown = || config("there is no such join token").hint("`rookery token list` shows them");
        if !is_id(id) {
            return Err(unknown());
        }
        let file = self.file(id);
        fs::remove_file(&file).map_err(|e| match e.kind() {
            ErrorKind::NotFound => unknown(),
            _ => of_file("the join token can't be removed", &e, &file),
        })
    }

    /// Sees whether somebody may join who shows this secret of a token.
    ///
    /// # Errors
    /// Class config, with the reason.
    pub fn admit(&self, id: &str, secret: &str, now_ms: i64) -> Result<(), Failure> {
        let hint = "`rookery token create` on the driver's machine makes another one";
        // What was revoked, what was never made and a wrong secret are one answer: nobody learns which ids there are.
        let unknown = || config("the join token is unknown to this driver, or was revoked").hint(hint);
        if !is_id(id) {
            return Err(unknown());
        }
        let kept = read(&self.file(id))?.ok_or_else(unknown)?;
        if !is_same_secret(digest(secret).as_bytes(), kept.secret_sha256.as_bytes()) {
            return Err(unknown());
        }
        match kept.expires_ms {
            Some(expires) if now_ms >= expires => {
                let minutes = (now_ms - expires) / 60_000;
                Err(config(format!("the join token expired {minutes} minutes ago")).hint(hint))
            }
            _ => Ok(()),
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn read(file: &Path) -> Result<Option<KeptToken>, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(of_file("the join token can't be read", &e, file)),
    };
    let kept = serde_json::from_str(&text).map_err(|e| of_file("it is no join token", &e, file))?;
    Ok(Some(kept))
}

/// What a caller names becomes part of a file's name: nothing but digits may.
fn is_id(id: &str) -> bool {
    id.len() == ID_DIGITS
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn digest(secret: &str) -> String {
    format!("{:x}", Sha256::digest(secret))
}

fn random_hex(digits: usize) -> String {
    let bytes = rand::random::<[u8; SECRET_DIGITS / 2]>();
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text[..digits].to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const HOUR_MS: i64 = 3_600_000;

    fn tokens(folder: &Path) -> JoinTokens {
        JoinTokens::new(folder.join("join-tokens"), Fingerprint::of(b"an authority"))
    }

    #[test]
    fn a_token_lets_in_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let token = tokens(folder.path()).create(Some(HOUR), 1000).unwrap();
        let forever = tokens(folder.path()).create(None, 1000).unwrap();
        // Another driver on the same folder, after a restart.
        let tokens = tokens(folder.path());
        let admit = |token: &JoinToken, now| tokens.admit(token.id(), token.secret(), now);
        admit(&token, 1000 + HOUR_MS - 1).unwrap();
        let late = admit(&token, 1000 + HOUR_MS + 120_000).unwrap_err();
        assert_eq!(late.message, "the join token expired 2 minutes ago");
        admit(&forever, i64::MAX).unwrap();
    }

    #[test]
    fn unknown_revoked_and_wrong_are_one_answer() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path());
        let (token, revoked) = (tokens.create(None, 0).unwrap(), tokens.create(None, 0).unwrap());
        tokens.revoke(revoked.id()).unwrap();
        assert!(tokens.revoke(revoked.id()).is_err());
        assert!(tokens.revoke("../token").is_err());
        let refusals = [
            tokens.admit(revoked.id(), revoked.secret(), 1),
            tokens.admit("000000000000", token.secret(), 1),
            tokens.admit("../../etc/passwd", token.secret(), 1),
            tokens.admit(token.id(), revoked.secret(), 1),
            tokens.admit(token.id(), "", 1),
        ];
        let messages: Vec<_> = refusals.into_iter().map(|r| r.unwrap_err().message).collect();
        assert!(
            messages.iter().all(|message| *message == messages[0]),
            "{messages:?}"
        );
    }

    #[test]
    fn no_secret_is_on_the_disk_and_old_tokens_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(folder.path());
        let token = tokens.create(Some(HOUR), 0).unwrap();
        let file = tokens.file(token.id());
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains(token.secret()));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(tokens.list(HOUR_MS + 1).unwrap().len(), 1);
        assert!(tokens.list(HOUR_MS + REMEMBERED_MS + 1).unwrap().is_empty());
        assert!(!file.exists());
    }
}
