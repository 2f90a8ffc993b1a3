//! Which artifact paths are taken. The object store refuses some of the others by itself; this refuses them all, on
//! every system alike, and says why.

use crate::error::TrackingError;

/// The longest path, in bytes.
const MAX_PATH_BYTES: usize = 1024;
/// The longest part between two slashes, in bytes: what common file systems allow.
const MAX_SEGMENT_BYTES: usize = 255;
/// Escapes that some layer in front might turn into `.`, `/` or `\` after this check.
const ESCAPES: [&str; 3] = ["%2e", "%2f", "%5c"];

/// Refuses a path that could leave the run's directory, or that some file system could not hold.
pub(crate) fn check_path(path: &str) -> Result<(), TrackingError> {
    if path.len() > MAX_PATH_BYTES {
        let start: String = path.chars().take(40).collect();
        return Err(invalid(
            &format!("{start}..."),
            format!(
                "it has {} bytes, at most {MAX_PATH_BYTES} are possible",
                path.len()
            ),
        ));
    }
    if path.starts_with('/') {
        return Err(invalid(
            path,
            "it must be relative to the run's artifact directory",
        ));
    }
    path.split('/')
        .try_for_each(|segment| check_segment(segment, path))
}

/// Refuses one part of a path; `path` is the whole, for the message.
pub(super) fn check_segment(segment: &str, path: &str) -> Result<(), TrackingError> {
    if segment.is_empty() {
        return Err(invalid(path, "no part of it may be empty"));
    }
    if segment.len() > MAX_SEGMENT_BYTES {
        return Err(invalid(
            path,
            format!(
                "a part has {} bytes, at most {MAX_SEGMENT_BYTES} are possible",
                segment.len()
            ),
        ));
    }
    if segment == "." || segment == ".." {
        return Err(invalid(path, format!("no part of it may be {segment:?}")));
    }
    if let Some(bad) = segment.chars().find(|&c| c.is_control() || c == '/' || c == '\\') {
        return Err(invalid(path, format!("it contains {bad:?}")));
    }
    let lower = segment.to_ascii_lowercase();
    if let Some(escape) = ESCAPES.into_iter().find(|escape| lower.contains(escape)) {
        return Err(invalid(path, format!("it contains the escape {escape}")));
    }
    if let [drive, b':', ..] = segment.as_bytes()
        && drive.is_ascii_alphabetic()
        && path.starts_with(segment)
    {
        return Err(invalid(path, "it begins with the letter of a drive"));
    }
    // The local object store writes to `<name>#<number>` first and hides such files.
    if let Some((_, suffix)) = segment.split_once('#')
        && !suffix.is_empty()
        && suffix.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(invalid(
            path,
            format!("the ending \"#{suffix}\" is kept for files being written"),
        ));
    }
    Ok(())
}

fn invalid(path: &str, why: impl std::fmt::Display) -> TrackingError {
    TrackingError::invalid("artifact path", format!("{path:?} is refused: {why}"))
}
