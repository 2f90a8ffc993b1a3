//! Which of the server's ids stands for which local one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::TrackingError;
use crate::store::Result;

/// The table of ids. Local ids are random and long, so wherever one occurs in a text, it is meant.
#[derive(Debug, Default)]
pub(super) struct Ids {
    known: BTreeMap<String, String>,
    /// Local ids that will never get one, because the server refused to make the thing.
    dead: BTreeSet<String>,
}

impl Ids {
    pub(super) fn learn(&mut self, learned: impl IntoIterator<Item = (String, String)>) {
        self.known.extend(learned);
    }

    pub(super) fn bury(&mut self, local_id: &str) {
        self.dead.insert(local_id.to_owned());
    }

    pub(super) fn get(&self, local_id: &str) -> Option<String> {
        self.known.get(local_id).cloned()
    }

    /// Puts the server's ids into a text. Longer local ids go first: an artifact URI contains the id of its run.
    pub(super) fn substitute(&self, text: &str) -> String {
        let mut by_length: Vec<_> = self
            .known
            .iter()
            .filter(|(local, _)| text.contains(local.as_str()))
            .collect();
        by_length.sort_by_key(|(local, _)| std::cmp::Reverse(local.len()));
        by_length
            .into_iter()
            .fold(text.to_owned(), |text, (local, server)| {
                text.replace(local, server)
            })
    }

    /// Puts the server's ids into every text of a value. Fails if it speaks of something the server refused to make.
    pub(super) fn resolve<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T> {
        let unreadable = |error| TrackingError::storage("reading a spooled operation", error);
        let mut json = serde_json::to_value(value).map_err(unreadable)?;
        self.walk(&mut json)?;
        serde_json::from_value(json).map_err(unreadable)
    }

    fn walk(&self, json: &mut Value) -> Result<()> {
        match json {
            Value::String(text) => {
                if let Some(dead) = self.dead.iter().find(|dead| text.contains(dead.as_str())) {
                    return Err(TrackingError::rejected(format!(
                        "it needs {dead}, which the server refused to make"
                    )));
                }
                *text = self.substitute(text);
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Object(fields) => fields.values_mut().try_for_each(|field| self.walk(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_replaced_in_every_text_longest_first() {
        let mut ids = Ids::default();
        ids.learn([
            ("aaaa".to_owned(), "1".to_owned()),
            ("spool:/aaaa/artifacts".to_owned(), "s3://b/\"1\"".to_owned()),
        ]);
        let value = json!({"run": "aaaa", "deep": [{"uri": "spool:/aaaa/artifacts/model"}, 4]});
        assert_eq!(
            ids.resolve(&value).unwrap(),
            json!({"run": "1", "deep": [{"uri": "s3://b/\"1\"/model"}, 4]})
        );
        ids.bury("bbbb");
        assert!(
            ids.resolve(&json!(["bbbb"]))
                .unwrap_err()
                .to_string()
                .contains("bbbb")
        );
    }
}
