//! The token of a driver: made once, kept in the state directory where only its owner can read it.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use rookery_proto::{Failure, Token};
use rookery_tls::private_file;

use crate::diagnostic::internal;
use crate::state_dir::StateDir;

/// The variable that says what the token is, whatever the file holds.
pub(crate) const TOKEN_VARIABLE: &str = "ROOKERY_TOKEN";
const TOKEN_BYTES: usize = 32;

/// A token, and where the user finds it.
#[derive(Debug, Clone)]
pub(crate) struct KnownToken {
    pub(crate) token: Token,
    /// `None` when it came from the environment.
    pub(crate) file: Option<PathBuf>,
}

impl KnownToken {
    /// How a shell gets at it.
    pub(crate) fn in_shell(&self) -> String {
        match &self.file {
            None => format!("\"${TOKEN_VARIABLE}\""),
            Some(file) => format!("\"$(cat '{}')\"", file.display()),
        }
    }
}

/// The token that a driver asks for: the environment's, the file's, or a new one.
pub(crate) fn of_driver(state: &StateDir) -> Result<KnownToken, Failure> {
    if let Some(known) = known(state)? {
        return Ok(known);
    }
    make(state)?;
    known(state)?
        .ok_or_else(|| internal("the token is gone again").at(state.token_file().display().to_string()))
}

/// The token that a client sends, if it knows one.
pub(crate) fn of_client(state: &StateDir) -> Result<Option<Token>, Failure> {
    known(state).map(|known| known.map(|known| known.token))
}

/// The token that the environment names.
pub(crate) fn of_environment() -> Result<Option<Token>, Failure> {
    let variable = std::env::var(TOKEN_VARIABLE).ok();
    let text = variable.filter(|text| !text.trim().is_empty());
    text.map(|text| Token::new(&text).map_err(|failure| failure.at(TOKEN_VARIABLE)))
        .transpose()
}

fn known(state: &StateDir) -> Result<Option<KnownToken>, Failure> {
    if let Some(token) = of_environment()? {
        return Ok(Some(KnownToken { token, file: None }));
    }
    let file = state.token_file();
    let place = file.display().to_string();
    match fs::read_to_string(&file) {
        Ok(text) => {
            let token = Token::new(&text).map_err(|failure| {
                failure
                    .at(place)
                    .hint("remove the file: the next driver makes a new token")
            })?;
            Ok(Some(KnownToken {
                token,
                file: Some(file),
            }))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(internal(format!("the token can't be read: {e}")).at(place)),
    }
}

/// Of two drivers that start at once, one makes the token and both use it: the file appears whole, and once.
fn make(state: &StateDir) -> Result<(), Failure> {
    let file = state.token_file();
    let secret: String = rand::random::<[u8; TOKEN_BYTES]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    private_file::create(&file, &format!("{secret}\n"))
        .map(|_| ())
        .map_err(|e| internal(format!("the token can't be written: {e}")).at(file.display().to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(folder.path())).unwrap();
        assert!(of_client(&state).unwrap().is_none());
        let (first, second) = (of_driver(&state).unwrap(), of_driver(&state).unwrap());
        assert_eq!(first.token, second.token);
        assert_eq!(first.token.expose().len(), 2 * TOKEN_BYTES);
        assert_eq!(of_client(&state).unwrap(), Some(first.token));
        let mode = fs::metadata(state.token_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft stays behind"
        );
    }
}
