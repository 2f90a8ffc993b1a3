//! FeatureHasher: columns of any kind become a vector of fixed width by hashing (`org.apache.spark.ml.feature.FeatureHasher`).
//!
//! A number adds its value to the element that its column's name hashes to. A text, a truth value, and a number in
//! `categorical_cols`, adds 1 to the element that `column=value` hashes to, the value as Java writes it. A null adds
//! nothing. The hash is MurmurHash3, taken as a whole number with sign, modulo the width.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::murmur3;
use super::stage::{Fitting, Stage, Transform};
use super::{Attributes, FittedStage, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};

/// Parameters of a FeatureHasher; there is nothing to fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureHasher {
    /// The columns to hash.
    pub inputs: Vec<String>,
    /// The vector column to add.
    pub output: String,
    /// Elements of the vector.
    #[serde(default = "two_to_the_18th")]
    pub num_features: u32,
    /// The number columns whose values are categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categorical_cols: Vec<String>,
}

fn two_to_the_18th() -> u32 {
    1 << 18
}

impl FeatureHasher {
    fn is_number(&self, input: &str, kind: ColumnKind) -> bool {
        kind.is_numeric() && !self.categorical_cols.iter().any(|column| column == input)
    }

    /// The element that a text hashes to.
    fn element(&self, text: &str) -> u32 {
        let hash = murmur3::hash(text.as_bytes()) as i32;
        let width = i64::from(self.num_features.max(1));
        i64::from(hash).rem_euclid(width) as u32
    }

    /// What a column's values add: element and value, row by row.
    fn hash(&self, name: &str, column: &Column, rows: &mut [BTreeMap<u32, f64>]) {
        let is_number = self.is_number(name, column.kind());
        let own_element = self.element(name);
        let mut term = format!("{name}=");
        for (row, elements) in rows
            .iter_mut()
            .enumerate()
            .filter(|(row, _)| !column.is_null(*row))
        {
            let (element, value) = match (is_number, column.number(row), column.text(row)) {
                (true, Some(number), _) => (own_element, number),
                (false, _, Some(text)) => {
                    term.truncate(name.len() + 1);
                    term.push_str(&text);
                    (self.element(&term), 1.0)
                }
                _ => continue,
            };
            elements
                .entry(element)
                .and_modify(|sum| *sum += value)
                .or_insert(value);
        }
    }
}

impl Stage for FeatureHasher {
    fn inputs(&self) -> Vec<&str> {
        self.inputs.iter().map(String::as_str).collect()
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        let invalid = |parameter, value: String| MlError::InvalidParameter {
            component: "FeatureHasher",
            parameter,
            value,
        };
        if self.num_features == 0 || self.num_features > i32::MAX as u32 {
            return Err(invalid("numFeatures", self.num_features.to_string()));
        }
        if inputs.is_empty() {
            return Err(invalid("inputs", "[]".to_owned()));
        }
        if let Some(stranger) = self
            .categorical_cols
            .iter()
            .find(|column| !self.inputs.contains(column))
        {
            return Err(invalid(
                "categoricalCols",
                format!("[{stranger}], which is no input"),
            ));
        }
        match inputs.iter().find(|(_, kind)| *kind == ColumnKind::Vector) {
            Some((column, kind)) => Err(MlError::WrongKind {
                column: (*column).to_owned(),
                expected: "numeric, boolean or string".to_owned(),
                actual: *kind,
            }),
            None => Ok(vec![ColumnKind::Vector]),
        }
    }

    fn as_transformer(&self) -> Option<FittedStage> {
        Some(FittedStage::FeatureHasher(self.clone()))
    }

    fn fit(&self, _: StageStatistics, _: &Attributes) -> Result<Fitting, MlError> {
        Ok(Fitting::Done(FittedStage::FeatureHasher(self.clone())))
    }
}

impl Transform for FeatureHasher {
    fn spec(&self) -> StageSpec {
        StageSpec::FeatureHasher(self.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        let mut rows = vec![BTreeMap::new(); frame.rows()];
        for input in &self.inputs {
            let column = frame.column(input)?;
            self.check(&[(input, column.kind())])?;
            self.hash(input, column, &mut rows);
        }
        let mut vectors = SparseVectors::empty(self.num_features as usize);
        for row in rows {
            vectors.push(row)?;
        }
        frame.with_column(&self.output, Column::new(ColumnData::Sparse(vectors)))
    }

    fn describe(&self, known: &mut Attributes) {
        known.put_vector(&self.output, self.num_features as usize, None);
    }
}
