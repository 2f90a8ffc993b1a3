//! [`Scored`]: what a model says of some rows.

use std::borrow::Cow;

use rookery_ml::{ColumnData, Predictions, SparseVectors};

/// What a model says of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Rows that were asked.
    pub rows: usize,
    /// The answers, and which rows they belong to. A row that is left out has none.
    pub predictions: Predictions,
    /// Values in columns of categories that training has not seen.
    pub unseen: u64,
    /// Values that are null, or no finite number.
    pub nulls: u64,
    /// The features of the rows that have an answer.
    pub(crate) features: Features,
}

/// What the classifier saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Features {
    /// Elements of each row, row by row.
    Dense { width: usize, values: Vec<f64> },
    /// Rows whose zeros are left out.
    Sparse(SparseVectors),
}

impl Features {
    /// The vectors of a column; the column itself if it holds something else.
    pub(crate) fn of(data: ColumnData) -> Result<Self, ColumnData> {
        match data {
            ColumnData::Vector { width, values } => Ok(Self::Dense { width, values }),
            ColumnData::Sparse(vectors) => Ok(Self::Sparse(vectors)),
            other => Err(other),
        }
    }

    fn retain(&mut self, kept: &[bool]) {
        match self {
            Self::Dense { width, values } => retain(values, kept, *width),
            Self::Sparse(vectors) => {
                let all = std::mem::replace(vectors, SparseVectors::empty(0));
                *vectors = all.retain(kept);
            }
        }
    }
}

impl Scored {
    /// For each row the position of its answer in `predictions`; `None` for a row that is left out.
    pub fn positions(&self) -> Vec<Option<usize>> {
        let mut positions = vec![None; self.rows];
        for (position, row) in self.predictions.rows.iter().enumerate() {
            positions[*row] = Some(position);
        }
        positions
    }

    /// The predicted class of each row; `None` for a row that is left out.
    pub fn by_row(&self) -> Vec<Option<f64>> {
        let prediction = &self.predictions.prediction;
        let of = |position: Option<usize>| position.map(|position| prediction[position]);
        self.positions().into_iter().map(of).collect()
    }

    /// The probability of each class for the answer at `position`.
    pub fn probabilities(&self, position: usize) -> &[f64] {
        let classes = self.predictions.classes;
        &self.predictions.probability[position * classes..(position + 1) * classes]
    }

    /// The features of the answer at `position`: what the classifier saw.
    pub fn features(&self, position: usize) -> Cow<'_, [f64]> {
        match &self.features {
            Features::Dense { width, values } => (&values[position * width..(position + 1) * width]).into(),
            Features::Sparse(vectors) => {
                let mut row = vec![0.0; vectors.width()];
                for (index, value) in vectors.row(position) {
                    row[index as usize] = value;
                }
                row.into()
            }
        }
    }

    /// Leaves out rows whose margin is no number: values so large that they overflow say nothing about a class.
    pub(crate) fn leave_out_nan(&mut self) {
        let classes = self.predictions.classes.max(1);
        let is_nan = |margins: &[f64]| margins.iter().any(|margin| margin.is_nan());
        if !is_nan(&self.predictions.raw) {
            return;
        }
        let kept: Vec<bool> = self
            .predictions
            .raw
            .chunks_exact(classes)
            .map(|raw| !is_nan(raw))
            .collect();
        let predictions = &mut self.predictions;
        retain(&mut predictions.raw, &kept, classes);
        retain(&mut predictions.probability, &kept, classes);
        retain(&mut predictions.prediction, &kept, 1);
        retain(&mut predictions.rows, &kept, 1);
        self.features.retain(&kept);
    }
}

fn retain<T>(values: &mut Vec<T>, kept: &[bool], each: usize) {
    let mut position = 0;
    values.retain(|_| {
        let row = position / each.max(1);
        position += 1;
        kept[row]
    });
}
