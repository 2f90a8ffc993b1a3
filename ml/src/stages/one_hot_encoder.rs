//! OneHotEncoder: a vector with one element for each category, 1 at the row's category and 0 elsewhere
//! (`org.apache.spark.ml.feature.OneHotEncoder`).
//!
//! The number of categories is what is known of the column (the labels of a StringIndexer, the intervals of a Bucketizer);
//! of a column of which nothing is known it is the largest index in the training rows and one more. With `drop_last` the
//! last category has no element of its own: all are 0. With `handle_invalid = "keep"` an index that is too large, negative
//! or NaN is one more category, after the others. A null gives a null.

use serde::{Deserialize, Serialize};

use super::attributes::{MAX_NAMED, Slot};
use super::columns::has_columns;
use super::stage::{Fitting, Stage, Transform, foreign};
use super::vectors::require_numbers;
use super::{Attributes, FittedStage, HandleInvalid, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};
use crate::java_text;

/// Parameters of a OneHotEncoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHotEncoder {
    /// The column of indices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The vector column to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The columns of indices, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The vector columns to add, one for each of `inputs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Whether the last category has no element of its own.
    #[serde(default = "yes")]
    pub drop_last: bool,
    /// What to do with indices beyond the categories: `error` or `keep`.
    #[serde(default)]
    pub handle_invalid: HandleInvalid,
}

fn yes() -> bool {
    true
}

has_columns!(OneHotEncoder);

/// A OneHotEncoder that knows how many categories each column has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOneHotEncoder {
    /// The parameters it was fitted with.
    pub params: OneHotEncoder,
    /// Spark's `categorySizes`: the categories of each column, before any is dropped or added.
    pub category_sizes: Vec<usize>,
}

impl OneHotEncoder {
    fn fitted(&self, category_sizes: Vec<usize>) -> FittedStage {
        FittedStage::OneHotEncoder(FittedOneHotEncoder {
            params: self.clone(),
            category_sizes,
        })
    }
}

impl Stage for OneHotEncoder {
    fn inputs(&self) -> Vec<&str> {
        self.columns().read()
    }

    fn outputs(&self) -> Vec<&str> {
        self.columns().added()
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.columns().check("OneHotEncoder")?;
        if self.handle_invalid == HandleInvalid::Skip {
            return Err(MlError::InvalidParameter {
                component: "OneHotEncoder",
                parameter: "handleInvalid",
                value: "skip".to_owned(),
            });
        }
        require_numbers(inputs)?;
        Ok(vec![ColumnKind::Vector; inputs.len()])
    }

    fn without_rows(&self, known: &Attributes) -> Option<FittedStage> {
        let sizes = self.columns().read().into_iter();
        let sizes = sizes.map(|input| known.categories(input).map(<[String]>::len));
        Some(self.fitted(sizes.collect::<Option<_>>()?))
    }

    fn no_statistics(&self) -> StageStatistics {
        StageStatistics::LargestIndices(vec![0.0; self.columns().read().len()])
    }

    fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        let StageStatistics::LargestIndices(largest) = statistics else {
            return Err(foreign());
        };
        for (input, largest) in self.columns().read().into_iter().zip(largest) {
            let column = frame.column(input)?;
            for row in 0..frame.rows() {
                let refuse = |got: &str| MlError::Value {
                    column: input.to_owned(),
                    row: frame.origin(row),
                    text: format!("Values from column {input} must be indices, but got {got}."),
                };
                let index = column.number(row).filter(|_| !column.is_null(row));
                let index = index.ok_or_else(|| refuse("null"))?;
                let is_index = (0.0..=f64::from(i32::MAX)).contains(&index) && index.fract() == 0.0;
                if !is_index {
                    return Err(refuse(&java_text::double_text(index)));
                }
                *largest = largest.max(index);
            }
        }
        Ok(())
    }

    fn fit(&self, statistics: StageStatistics, known: &Attributes) -> Result<Fitting, MlError> {
        let inputs = self.columns().read();
        match statistics {
            StageStatistics::LargestIndices(largest) if largest.len() == inputs.len() => {
                let size = |(input, largest): (&str, f64)| match known.categories(input) {
                    Some(values) => values.len(),
                    None => largest as usize + 1,
                };
                let sizes = inputs.into_iter().zip(largest).map(size);
                Ok(Fitting::Done(self.fitted(sizes.collect())))
            }
            _ => Err(foreign()),
        }
    }
}

impl FittedOneHotEncoder {
    /// Returns the elements of each vector column that is added.
    pub fn widths(&self) -> impl Iterator<Item = usize> {
        self.category_sizes.iter().map(|size| self.width(*size))
    }

    fn width(&self, categories: usize) -> usize {
        match (self.params.drop_last, self.params.handle_invalid) {
            (false, HandleInvalid::Keep) => categories + 1,
            (true, HandleInvalid::Error | HandleInvalid::Skip) => categories.saturating_sub(1),
            _ => categories,
        }
    }

    /// The position of an index' category.
    fn position(&self, index: f64, categories: usize) -> Result<u32, String> {
        if index >= 0.0 && index < categories as f64 {
            return Ok(index as u32);
        }
        let text = java_text::double_text(index);
        match self.params.handle_invalid {
            HandleInvalid::Keep => Ok(categories as u32),
            _ if index < 0.0 => Err(format!(
                "Negative value: {text}. Input can't be negative. To handle invalid values, set Param \
                 handleInvalid to keep"
            )),
            _ => Err(format!(
                "Unseen value: {text}. To handle unseen values, set Param handleInvalid to keep."
            )),
        }
    }

    fn encode(&self, frame: &Frame, input: &str, categories: usize) -> Result<Column, MlError> {
        let column = frame.column(input)?;
        require_numbers(&[(input, column.kind())])?;
        let width = self.width(categories);
        let mut vectors = SparseVectors::empty(width);
        for row in 0..frame.rows() {
            let index = column.number(row).filter(|_| !column.is_null(row));
            let position = index.map(|index| self.position(index, categories)).transpose();
            let position = position.map_err(|text| MlError::Value {
                column: input.to_owned(),
                row: frame.origin(row),
                text,
            })?;
            let active = position.filter(|position| (*position as usize) < width);
            vectors.push(active.map(|position| (position, 1.0)))?;
        }
        let (data, validity) = (ColumnData::Sparse(vectors), column.validity.clone());
        Ok(Column { data, validity })
    }

    /// What Spark calls the elements, if it knows the categories' names.
    fn element_names(&self, known: &Attributes, input: &str, categories: usize) -> Vec<String> {
        let values = known
            .categories(input)
            .filter(|values| values.len() == categories);
        let mut names: Vec<String> = match values {
            Some(values) => values.to_vec(),
            None => (0..categories).map(|index| index.to_string()).collect(),
        };
        names.push("invalidValues".to_owned());
        names.truncate(self.width(categories));
        names
    }
}

impl Transform for FittedOneHotEncoder {
    fn spec(&self) -> StageSpec {
        StageSpec::OneHotEncoder(self.params.clone())
    }

    fn transform(&self, mut frame: Frame) -> Result<Frame, MlError> {
        for ((input, output), categories) in self.params.columns().pairs().zip(&self.category_sizes) {
            let column = self.encode(&frame, input, *categories)?;
            frame = frame.with_column(output, column)?;
        }
        Ok(frame)
    }

    fn describe(&self, known: &mut Attributes) {
        for ((input, output), categories) in self.params.columns().pairs().zip(&self.category_sizes) {
            let width = self.width(*categories);
            if width > MAX_NAMED {
                known.put_vector(output, width, None);
                continue;
            }
            let names = self.element_names(known, input, *categories);
            let slots: Vec<Slot> = names
                .into_iter()
                .map(|name| Slot::named(format!("{output}_{name}")))
                .collect();
            known.put_vector(output, slots.len(), Some(slots));
        }
    }
}
