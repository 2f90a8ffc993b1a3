//! [`Secrets`]: what lets a worker read from an object store.

use std::collections::BTreeMap;
use std::fmt;

/// Credentials by their names. They go from the driver to a worker and nowhere else: not into plans, records or logs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// These credentials.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }

    /// No credentials: a store that everybody may read.
    pub fn none() -> Self {
        Self::default()
    }

    /// Hands them out, to be sent.
    pub fn expose(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    pub(super) fn get(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_them_is_their_number() {
        let secrets = Secrets::new(BTreeMap::from([("token".to_string(), "s3cr3t".to_string())]));
        assert_eq!(format!("{secrets:?}"), "Secrets(1 values)");
    }
}
