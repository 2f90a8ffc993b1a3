//! [`ScoringSpec`]: which rows are scored, and what of them is handed back.

use rookery_data::schema::ColumnType;
use rookery_data::scored::{PREDICTION, PROVENANCE, probability};
use rookery_data::spec::{ByteSize, SourceSpec};
use rookery_ml::{ColumnKind, Model};
use rookery_proto::{ErrorClass, Failure};
use serde::{Deserialize, Serialize};

/// What a scoring job reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringSpec {
    /// The files.
    pub source: SourceSpec,
    /// The columns to hand back beside the predictions; all without it.
    pub columns: Option<Vec<String>>,
    /// Size at which files are cut; each piece is a part of what comes out.
    pub partition_bytes: ByteSize,
}

impl ScoringSpec {
    /// The columns of the rows that are handed back, in the order of the files.
    ///
    /// # Errors
    /// Class config: one has the name of a column that is added.
    pub(super) fn kept(&self, columns: &[String], classes: usize) -> Result<Vec<String>, Failure> {
        let is_kept = |name: &&String| self.columns.as_ref().is_none_or(|keep| keep.contains(name));
        let kept: Vec<String> = columns.iter().filter(is_kept).cloned().collect();
        let mut added: Vec<String> = (0..classes).map(probability).collect();
        added.extend([PREDICTION].into_iter().chain(PROVENANCE).map(str::to_string));
        match kept.iter().find(|name| added.contains(name)) {
            None => Ok(kept),
            Some(name) => Err(Failure::new(
                ErrorClass::Config,
                format!("the input has a column \"{name}\", which is the name of a column that is added"),
            )
            .at("--input")
            .hint("leave it out: name the columns to carry along with --columns")),
        }
    }
}

/// The columns a model reads, with the types they had in training.
pub(super) fn input_columns(model: &Model) -> Vec<(String, ColumnType)> {
    let column_type = |kind: ColumnKind| match kind {
        ColumnKind::Boolean => ColumnType::Boolean,
        ColumnKind::Integer => ColumnType::Long,
        ColumnKind::Float => ColumnType::Float,
        // No model reads a vector from a file.
        ColumnKind::Double | ColumnKind::Vector => ColumnType::Double,
        ColumnKind::Text => ColumnType::String,
    };
    let inputs = model.inputs.iter();
    inputs
        .map(|input| (input.name.clone(), column_type(input.kind)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_are_added_must_not_be_there_already() {
        let mut spec: ScoringSpec =
            serde_json::from_str(r#"{"source": {"path": "a.csv"}, "columns": null, "partition_bytes": 8}"#)
                .unwrap();
        let columns = ["mass", "probability_1", "run_id"].map(str::to_string);
        for (kept, classes, expected) in [
            (None, 2, Err("probability_1")),
            (None, 1, Err("run_id")),
            (Some(vec!["mass"]), 2, Ok(vec!["mass"])),
        ] {
            spec.columns = kept.map(|kept| kept.into_iter().map(str::to_string).collect());
            let kept = spec.kept(&columns, classes);
            match (kept, expected) {
                (Ok(kept), Ok(expected)) => assert_eq!(kept, expected),
                (Err(failure), Err(name)) => assert!(failure.message.contains(name), "{failure}"),
                (kept, _) => panic!("unexpected {kept:?}"),
            }
        }
    }
}
