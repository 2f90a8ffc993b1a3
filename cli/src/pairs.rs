//! `KEY=VALUE` on the command line.

use rookery_proto::Failure;
use rookery_tracking::Tag;

use crate::diagnostic::config;

/// Reads tags; a value may hold `=`.
///
/// # Errors
/// Class config: no `=`, or nothing before it.
pub(crate) fn tags(words: &[String]) -> Result<Vec<Tag>, Failure> {
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Tag::new(key, value)),
            _ => Err(config(format!("\"{word}\" is no tag")).hint("expected KEY=VALUE")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_key_and_a_value() {
        let words = ["a=1".to_string(), "b=x=y".to_string(), "c=".to_string()];
        let expected = [Tag::new("a", 1), Tag::new("b", "x=y"), Tag::new("c", "")];
        assert_eq!(tags(&words).unwrap(), expected);
        for word in ["a", "=1", ""] {
            assert!(tags(&[word.to_string()]).is_err(), "{word}");
        }
    }
}
