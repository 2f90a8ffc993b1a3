//! The names of endpoints and of what they serve. They go into paths and headers, so they are Databricks': ASCII letters
//! and digits, dashes and underscores. Models keep their names in any script.

use std::collections::BTreeSet;

use super::error::EndpointError;

/// The most characters of a name.
pub(super) const MAX_CHARS: usize = 63;

/// Checks a name; `what` it is the name of begins the message.
pub(super) fn check(what: &str, name: &str) -> Result<(), EndpointError> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > MAX_CHARS || !name.chars().all(is_fine) {
        return Err(EndpointError::invalid(format!(
            "{what} name {name:?} is not usable: expected 1 to {MAX_CHARS} letters (a-z, A-Z), digits, '-' and '_'"
        )));
    }
    Ok(())
}

/// The name of a served entity that was given none: model and version as far as they can be spelled, and another one
/// than those that are `taken`.
pub(super) fn of_entity(model: &str, version: &str, taken: &BTreeSet<String>) -> String {
    let version = spelled(version);
    let model = spelled(model);
    let model = if model.is_empty() { "model" } else { &model };
    let named = |suffix: &str| {
        let room = MAX_CHARS.saturating_sub(version.len() + 1 + suffix.len());
        let model: String = model.chars().take(room).collect();
        format!("{}-{version}{suffix}", model.trim_end_matches('-'))
    };
    let first = named("");
    let others = (2..).map(|n| named(&format!("-{n}")));
    std::iter::once(first)
        .chain(others)
        .find(|name| !taken.contains(name))
        .expect("numbers do not end")
}

/// What can't be spelled becomes a dash.
fn spelled(text: &str) -> String {
    let mut spelled = String::new();
    for c in text.chars().take(MAX_CHARS) {
        match c.is_ascii_alphanumeric() || c == '_' {
            true => spelled.push(c),
            false if spelled.is_empty() || spelled.ends_with('-') => {}
            false => spelled.push('-'),
        }
    }
    spelled.trim_end_matches('-').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_databricks() {
        let longest = "n".repeat(MAX_CHARS);
        for name in ["predict-penguin", "a", "A_1-b", &longest] {
            assert!(check("endpoint", name).is_ok(), "{name}");
        }
        let too_long = "n".repeat(MAX_CHARS + 1);
        for name in ["", "a b", "a/b", "pingüinos", "a.b", &too_long] {
            let error = check("endpoint", name).unwrap_err();
            assert!(error.message.starts_with("endpoint name"), "{error}");
        }
    }

    #[test]
    fn what_has_no_name_gets_one_that_can_be_spelled_and_is_free() {
        let none = BTreeSet::new();
        let name = |model: &str, version: &str| of_entity(model, version, &none);
        assert_eq!(
            name("Pronosticador de pingüinos", "1"),
            "Pronosticador-de-ping-inos-1"
        );
        assert_eq!(name("ペンギン", "12"), "model-12");
        assert_eq!(name("birds", "champion"), "birds-champion");
        assert_eq!(name("a.b:c", "1"), "a-b-c-1");
        let long = name(&"m".repeat(200), "7");
        assert!(long.len() == MAX_CHARS && long.ends_with("m-7"), "{long}");
        let taken = BTreeSet::from(["model-1".to_string(), "model-1-2".to_string()]);
        assert_eq!(of_entity("鳥", "1", &taken), "model-1-3");
        for made in [long, name("--", "@@")] {
            assert!(check("x", &made).is_ok(), "{made}");
        }
    }
}
