//! What a cluster may be called: its name is also that of a folder.

use rookery_proto::Failure;

use crate::diagnostic::config;

/// Longest name, in characters, and in bytes, which a file system counts.
const CHARACTERS_MAX: usize = 64;
const BYTES_MAX: usize = 200;

/// Letters and digits of any script, with `-`, `_`, `.` and spaces between them.
///
/// # Errors
/// Class config, with what is wrong.
pub(crate) fn check(name: &str) -> Result<(), Failure> {
    let wrong = match () {
        () if name.is_empty() => Some("it is empty".to_string()),
        () if name.chars().count() > CHARACTERS_MAX || name.len() > BYTES_MAX => Some(format!(
            "it is longer than {CHARACTERS_MAX} characters or {BYTES_MAX} bytes"
        )),
        () if !name.starts_with(char::is_alphanumeric) => {
            Some("it does not begin with a letter or a digit".to_string())
        }
        () if name.ends_with([' ', '.']) => Some("it ends with a space or a dot".to_string()),
        () => name
            .chars()
            .find(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | ' '))
            .map(|c| format!("it holds {c:?}")),
    };
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(config(format!(
            "\"{}\" is no name for a cluster: {wrong}",
            name.escape_debug()
        ))
        .hint("letters and digits, and between them `-`, `_`, `.` and spaces")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_folders() {
        for name in ["lab", "Pronóstico 2026", "ペンギン", "a", "v1.2_b-c"] {
            check(name).unwrap();
        }
        let long = "a".repeat(65);
        for name in [
            "", ".", "..", "../x", "a/b", ".hidden", " a", "a ", "a.", "-a", "a\nb", "a\0", &long,
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }
}
