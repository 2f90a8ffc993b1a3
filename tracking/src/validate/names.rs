//! Keys, lengths, and how MLflow speaks about them.

use super::{MAX_KEY_CHARS, Result};
use crate::error::TrackingError;

/// MLflow's rule for keys: words, slashes, dots, dashes, spaces and colons, and the same after the path in it is made
/// plain. A key may become a file's path, so it must not climb out of anywhere. `path` names the field in the request,
/// `length_name` is what MLflow calls it when it is too long.
pub(super) fn check_key(path: &str, length_name: &str, key: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_alphanumeric() || "_/.- :".contains(c);
    if !key.chars().all(is_allowed) {
        return Err(invalid_value(
            path,
            key,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and \
             slashes (/).",
        ));
    }
    let resolved = resolve(key);
    if resolved != key || resolved == "." || resolved.starts_with("..") || resolved.starts_with('/') {
        let message = format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. \
             This name would resolve to {}",
            quoted(&resolved)
        );
        return Err(invalid_value(path, key, &message));
    }
    check_length(length_name, key, MAX_KEY_CHARS)
}

pub(super) fn check_length(name: &str, text: &str, max_chars: usize) -> Result<()> {
    // A text has no more characters than bytes: most are short and need no counting.
    if text.len() <= max_chars || text.chars().count() <= max_chars {
        return Ok(());
    }
    Err(TrackingError::rejected(format!(
        "'{name}' exceeds the maximum length of {max_chars} characters"
    )))
}

/// For fields that MLflow has no words for.
pub(super) fn check_text(field: &'static str, text: &str, max_chars: usize) -> Result<()> {
    if text.is_empty() {
        return Err(TrackingError::invalid(field, "it is empty"));
    }
    check_length(field, text, max_chars)
}

pub(super) fn invalid_value(path: &str, value: &str, message: &str) -> TrackingError {
    // The start of the value is enough to recognise it; the whole would flood a log.
    let start: String = value.chars().take(MAX_KEY_CHARS).collect();
    let value = serde_json::Value::from(start);
    TrackingError::rejected(format!(
        "Invalid value {value} for parameter '{path}' supplied: {message}"
    ))
}

pub(super) fn cut(key: &str, value: String, max_chars: usize) -> String {
    match value.char_indices().nth(max_chars) {
        None => value,
        Some((end, _)) => {
            tracing::warn!(key, max_chars, "value cut to its maximum length");
            value[..end].to_owned()
        }
    }
}

/// The text as Python prints it, because MLflow's messages do.
pub(super) fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    match (text.contains('\''), text.contains('"')) {
        (false, _) => format!("'{text}'"),
        (true, false) => format!("\"{text}\""),
        (true, true) => format!("'{}'", text.replace('\'', "\\'")),
    }
}

/// The path without empty segments, `.` and `..`, as far as they can be resolved.
fn resolve(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            ".." if is_absolute => {}
            segment => segments.push(segment),
        }
    }
    let joined = segments.join("/");
    match (is_absolute, joined.as_str()) {
        (true, _) => format!("/{joined}"),
        (false, "") => ".".to_owned(),
        (false, _) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::{quoted, resolve};

    #[test]
    fn paths_resolve_as_in_a_file_system() {
        for (path, resolved) in [
            ("a/b", "a/b"),
            ("", "."),
            ("a//b/", "a/b"),
            ("./a/../b", "b"),
            ("../../a", "../../a"),
            ("/../a", "/a"),
            ("a/..", "."),
        ] {
            assert_eq!(resolve(path), resolved, "{path:?}");
        }
    }

    #[test]
    fn texts_are_quoted_as_in_python() {
        assert_eq!(quoted("a"), "'a'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("\"it's\""), "'\"it\\'s\"'");
    }
}
