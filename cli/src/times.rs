//! Times as people read and write them: in this machine's time zone.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime};
use rookery_proto::Failure;

use crate::diagnostic::config;

/// Forms of a time without a zone.
const FORMS: [&str; 4] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
];

/// A time in milliseconds since the Unix epoch, as the clock on the wall showed it.
pub(crate) fn local(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => ms.to_string(),
    }
}

/// How long something took, `-` while it goes on.
pub(crate) fn duration(start_ms: i64, end_ms: Option<i64>) -> String {
    match end_ms {
        Some(end) => format!("{:.1} s", (end - start_ms) as f64 / 1000.0),
        None => "-".to_string(),
    }
}

/// Reads a date (its first moment), a local time, or a time with a zone, as milliseconds since the Unix epoch.
///
/// # Errors
/// Class config.
pub(crate) fn parse(text: &str, flag: &str) -> Result<i64, Failure> {
    let unreadable = || {
        config(format!("\"{text}\" is no time"))
            .at(flag)
            .hint("expected 2026-05-01, 2026-05-01T14:30:00 or 2026-05-01T14:30:00Z")
    };
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    let naive = FORMS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)))
        .ok_or_else(unreadable)?;
    let time = naive
        .and_local_timezone(Local)
        .earliest()
        .ok_or_else(unreadable)?;
    Ok(time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_shown() {
        let ms = parse("2026-05-01T14:30:05", "--as-of").unwrap();
        assert_eq!(local(ms), "2026-05-01 14:30:05");
        assert_eq!(parse("2026-05-01 14:30:05", "--as-of").unwrap(), ms);
        assert_eq!(
            local(parse("2026-05-01", "--as-of").unwrap()),
            "2026-05-01 00:00:00"
        );
        assert_eq!(
            parse("2026-05-01T00:00:00+02:00", "--as-of").unwrap(),
            1_777_586_400_000
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-05-01T25:00"] {
            let failure = parse(text, "--as-of").unwrap_err();
            assert_eq!(failure.location.as_deref(), Some("--as-of"), "{text}");
        }
    }
}
