//! Bucketizer: the number of the interval that a value lies in (`org.apache.spark.ml.feature.Bucketizer`).
//!
//! With splits s₀ < s₁ < … < sₙ the bucket i holds [sᵢ, sᵢ₊₁), the last one its upper end too. Values outside are refused
//! whatever `handle_invalid` says, which is about NaN: `keep` gives it a bucket of its own, after the others; `skip` drops
//! the row, and those with nulls; otherwise a null stays a null. As Java compares, −0.0 is below a split at 0.0.

use serde::{Deserialize, Serialize};

use super::columns::has_columns;
use super::stage::{Fitting, Stage, Transform};
use super::vectors::require_numbers;
use super::{Attributes, FittedStage, HandleInvalid, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};
use crate::java_text::{double_text, vector_text};

/// Parameters of a Bucketizer; there is nothing to fit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucketizer {
    /// The number column to sort into buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The column of buckets' numbers (doubles) to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The columns to sort into buckets, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The columns to add, one for each of `inputs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// The ends of the buckets of `input`, ascending.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::float_serde::vector"
    )]
    pub splits: Vec<f64>,
    /// The ends of the buckets of each of `inputs`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "crate::float_serde::vectors"
    )]
    pub splits_array: Vec<Vec<f64>>,
    /// What to do with NaN; for `skip` with null, too.
    #[serde(default)]
    pub handle_invalid: HandleInvalid,
}

has_columns!(Bucketizer);

/// Refuses splits that make no buckets (Spark's words).
pub(super) fn check_splits(component: &'static str, splits: &[f64]) -> Result<(), MlError> {
    let do_ascend = splits.windows(2).all(|pair| pair[0] < pair[1]);
    match splits.len() >= 3 && do_ascend {
        true => Ok(()),
        false => Err(MlError::InvalidParameter {
            component,
            parameter: "splits",
            value: vector_text(splits),
        }),
    }
}

impl Bucketizer {
    /// Returns input, output and splits of each column.
    pub fn bucketed(&self) -> Vec<(&str, &str, &[f64])> {
        let splits: Vec<&[f64]> = match self.splits_array.is_empty() {
            true => vec![&self.splits],
            false => self.splits_array.iter().map(Vec::as_slice).collect(),
        };
        let pairs = self.columns().pairs().zip(splits);
        pairs
            .map(|((input, output), splits)| (input, output, splits))
            .collect()
    }
}

impl Stage for Bucketizer {
    fn inputs(&self) -> Vec<&str> {
        self.columns().read()
    }

    fn outputs(&self) -> Vec<&str> {
        self.columns().added()
    }

    fn drops_rows(&self) -> bool {
        self.handle_invalid == HandleInvalid::Skip
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.columns().check("Bucketizer")?;
        let refuse = |text: String| Err(MlError::Requirement(text));
        if self.is_of_several() && (self.splits_array.len() != inputs.len() || !self.splits.is_empty()) {
            let (columns, splits) = (inputs.len(), self.splits_array.len());
            return refuse(format!(
                "Bucketizer with {columns} inputs needs as many splits in splits_array, and no splits; \
                 there are {splits}"
            ));
        }
        if !self.is_of_several() && !self.splits_array.is_empty() {
            return refuse("Bucketizer with one input takes splits, not splits_array".to_owned());
        }
        for (_, _, splits) in self.bucketed() {
            check_splits("Bucketizer", splits)?;
        }
        require_numbers(inputs)?;
        Ok(vec![ColumnKind::Double; inputs.len()])
    }

    fn as_transformer(&self) -> Option<FittedStage> {
        Some(FittedStage::Bucketizer(self.clone()))
    }

    fn fit(&self, _: StageStatistics, _: &Attributes) -> Result<Fitting, MlError> {
        Ok(Fitting::Done(FittedStage::Bucketizer(self.clone())))
    }
}

/// Adds the bucket of each value of some columns (input, output, splits), and drops rows where that is asked for.
pub(super) fn bucketize(
    mut frame: Frame,
    columns: &[(&str, &str, &[f64])],
    handle_invalid: HandleInvalid,
) -> Result<Frame, MlError> {
    if handle_invalid == HandleInvalid::Skip {
        // As Spark, before anything else: a value out of bounds in such a row is not looked at.
        let mut kept = vec![true; frame.rows()];
        for (input, ..) in columns {
            let column = frame.column(input)?;
            for (row, kept) in kept.iter_mut().enumerate() {
                *kept &= !column.is_null(row) && column.number(row).is_some_and(|value| !value.is_nan());
            }
        }
        if kept.contains(&false) {
            frame = frame.retain(&kept)?;
        }
    }
    for (input, output, splits) in columns {
        let column = frame.column(input)?;
        require_numbers(&[(input, column.kind())])?;
        check_splits("Bucketizer", splits)?;
        let bucket = |row: usize| {
            let value = column.number(row).filter(|_| !column.is_null(row));
            let Some(value) = value else { return Ok(0.0) };
            bucket_of(value, splits, handle_invalid).map_err(|text| MlError::Value {
                column: (*input).to_owned(),
                row: frame.origin(row),
                text,
            })
        };
        let buckets = (0..frame.rows()).map(bucket).collect::<Result<_, _>>()?;
        let (data, validity) = (ColumnData::Double(buckets), column.validity.clone());
        frame = frame.with_column(*output, Column { data, validity })?;
    }
    Ok(frame)
}

/// Spark's `Bucketizer.binarySearchForBuckets`.
fn bucket_of(value: f64, splits: &[f64], handle_invalid: HandleInvalid) -> Result<f64, String> {
    let last = splits.len() - 1;
    if value.is_nan() {
        return match handle_invalid {
            HandleInvalid::Keep => Ok(last as f64),
            _ => Err(
                "Bucketizer encountered NaN value. To handle or skip NaNs, try setting \
                      Bucketizer.handleInvalid."
                    .to_owned(),
            ),
        };
    }
    if value == splits[last] {
        return Ok((last - 1) as f64);
    }
    // Java's total order, in which −0.0 is below 0.0.
    match splits.partition_point(|split| split.total_cmp(&value).is_le()) {
        above if (1..=last).contains(&above) => Ok((above - 1) as f64),
        _ => Err(format!(
            "Feature value {} out of Bucketizer bounds [{}, {}]. Check your features, or loosen the lower/upper \
             bound constraints.",
            double_text(value),
            double_text(splits[0]),
            double_text(splits[last]),
        )),
    }
}

/// What Spark calls the buckets: their ends.
pub(super) fn bucket_names(splits: &[f64]) -> Vec<String> {
    let name = |pair: &[f64]| format!("{}, {}", double_text(pair[0]), double_text(pair[1]));
    splits.windows(2).map(name).collect()
}

impl Transform for Bucketizer {
    fn spec(&self) -> StageSpec {
        StageSpec::Bucketizer(self.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        bucketize(frame, &self.bucketed(), self.handle_invalid)
    }

    fn describe(&self, known: &mut Attributes) {
        for (_, output, splits) in self.bucketed() {
            known.put_scalar(output, Some(bucket_names(splits)));
        }
    }
}
