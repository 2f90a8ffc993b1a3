//! Training in one process, through linfa's traits: the same objective, kernel and optimiser without a cluster.
//!
//! ```
//! use linfa::prelude::*;
//! use ndarray::array;
//! use rookery_ml::LogisticRegression;
//!
//! # fn main() -> Result<(), rookery_ml::MlError> {
//! let records = array![[1.0, 0.2], [1.2, 0.1], [3.0, 0.9], [3.3, 1.1], [2.9, 0.8], [0.8, 0.3]];
//! let targets = array![0_usize, 0, 1, 1, 1, 0];
//! let dataset = linfa::Dataset::new(records, targets);
//!
//! let model = LogisticRegression::default().reg_param(0.01).max_iter(50).fit(&dataset)?;
//! let predicted = model.predict(&dataset);
//! assert_eq!(predicted, *dataset.targets());
//! assert_eq!(model.predict_probabilities(dataset.records())?.dim(), (6, 2));
//! # Ok(())
//! # }
//! ```

use std::marker::PhantomData;

use linfa::ParamGuard;
use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::{Fit as LinfaFit, PredictInplace};
use ndarray::{Array1, Array2, ArrayBase, Data, Ix2};

use crate::block::{Block, BlockBuilder};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, Frame};
use crate::kernel;
use crate::logistic_regression::{
    Ask, FamilyParam, Fit, LogisticRegressionModel, LogisticRegressionParams, Scores, Solver, Training,
    ValidLogisticRegressionParams,
};
use crate::summary::Summary;

/// Parameters of a logistic regression in linfa's style: set some, then `fit`.
///
/// `linfa-logistic` penalises α/2·‖β‖² on the *sum* of losses over raw features; Spark λ/2·‖β‖² on the *mean* loss, by
/// default over standardised features. With `standardization(false)` and α = λ·rows the two have the same optimum; see
/// [`LogisticRegressionParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegression {
    unchecked: ValidLogisticRegressionParams,
}

/// A class number as linfa's targets hold it.
pub trait ClassLabel: Copy {
    /// Returns the class as a double.
    fn to_class(self) -> f64;
    /// Returns the label of a class.
    fn from_class(class: f64) -> Self;
}

impl ClassLabel for usize {
    fn to_class(self) -> f64 {
        self as f64
    }

    fn from_class(class: f64) -> Self {
        class as usize
    }
}

impl ClassLabel for f64 {
    fn to_class(self) -> f64 {
        self
    }

    fn from_class(class: f64) -> Self {
        class
    }
}

/// A logistic regression fitted on a linfa dataset with targets of type `C`.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedLogisticRegression<C> {
    model: LogisticRegressionModel,
    fit: Fit,
    label: PhantomData<C>,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        LogisticRegression::new(LogisticRegressionParams::default())
    }
}

impl LogisticRegression {
    /// Starts from given parameters.
    pub fn new(params: LogisticRegressionParams) -> Self {
        LogisticRegression {
            unchecked: ValidLogisticRegressionParams(params),
        }
    }

    /// Sets the most iterations of the optimiser.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.unchecked.0.max_iter = max_iter;
        self
    }

    /// Sets λ, the strength of the penalty.
    #[must_use]
    pub fn reg_param(mut self, reg_param: f64) -> Self {
        self.unchecked.0.reg_param = reg_param;
        self
    }

    /// Sets α, the share of the L1 penalty.
    #[must_use]
    pub fn elastic_net_param(mut self, elastic_net_param: f64) -> Self {
        self.unchecked.0.elastic_net_param = elastic_net_param;
        self
    }

    /// Sets the tolerance of the stop tests.
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.unchecked.0.tol = tol;
        self
    }

    /// Sets whether there are intercepts.
    #[must_use]
    pub fn fit_intercept(mut self, fit_intercept: bool) -> Self {
        self.unchecked.0.fit_intercept = fit_intercept;
        self
    }

    /// Sets whether the penalty applies to standardised coefficients.
    #[must_use]
    pub fn standardization(mut self, standardization: bool) -> Self {
        self.unchecked.0.standardization = standardization;
        self
    }

    /// Sets the likelihood.
    #[must_use]
    pub fn family(mut self, family: FamilyParam) -> Self {
        self.unchecked.0.family = family;
        self
    }

    /// Sets the optimiser.
    #[must_use]
    pub fn solver(mut self, solver: Solver) -> Self {
        self.unchecked.0.solver = solver;
        self
    }
}

impl ParamGuard for LogisticRegression {
    type Checked = ValidLogisticRegressionParams;
    type Error = MlError;

    fn check_ref(&self) -> Result<&ValidLogisticRegressionParams, MlError> {
        self.unchecked.check_all()?;
        Ok(&self.unchecked)
    }

    fn check(self) -> Result<ValidLogisticRegressionParams, MlError> {
        self.unchecked.0.check()
    }
}

impl<D, T> LinfaFit<ArrayBase<D, Ix2>, T, MlError> for ValidLogisticRegressionParams
where
    D: Data<Elem = f64>,
    T: AsSingleTargets,
    T::Elem: ClassLabel,
{
    type Object = FittedLogisticRegression<T::Elem>;

    /// Fits on the dataset's records, targets (class numbers from 0) and weights.
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Self::Object, MlError> {
        let labels = dataset
            .as_single_targets()
            .iter()
            .map(|label| label.to_class())
            .collect();
        let weights = dataset.weights().map(<[f32]>::to_vec);
        let blocks = blocks(dataset.records(), labels, weights)?;
        let fit = fit_blocks(self, &blocks)?;
        let model = LogisticRegressionModel::new(&fit, self)?;
        Ok(FittedLogisticRegression {
            model,
            fit,
            label: PhantomData,
        })
    }
}

fn blocks(
    records: &ArrayBase<impl Data<Elem = f64>, Ix2>,
    labels: Vec<f64>,
    weights: Option<Vec<f32>>,
) -> Result<Vec<Block>, MlError> {
    // `iter` is in logical order, whatever the memory layout.
    let features = ColumnData::Vector {
        width: records.ncols(),
        values: records.iter().copied().collect(),
    };
    let mut frame = Frame::new(records.nrows())
        .with_column("records", Column::new(features))?
        .with_column("targets", Column::new(ColumnData::Double(labels)))?;
    let weight = weights.as_ref().map(|_| "weights");
    if let Some(weights) = weights {
        frame = frame.with_column("weights", Column::new(ColumnData::Float(weights)))?;
    }
    let mut builder = BlockBuilder::new(records.ncols());
    builder.push_frame(&frame, "records", "targets", weight)?;
    Ok(builder.finish())
}

/// Runs a whole training over `blocks`, in order, in this process.
///
/// # Errors
/// As [`Training::new`], and for labels that cannot be class numbers.
pub fn fit_blocks(params: &ValidLogisticRegressionParams, blocks: &[Block]) -> Result<Fit, MlError> {
    let mut summary = Summary::of_blocks(blocks)?;
    if let Some(class_weight) = &params.class_weight {
        let factors = class_weight.resolve(&summary.label_weights)?;
        summary = Summary::of_weighted_blocks(blocks, &factors)?;
    }
    let mut training = Training::new(params, &summary)?;
    while let Ask::Evaluate(coefficients) = training.ask() {
        let mut partial = coefficients.zero_partial();
        for block in blocks {
            kernel::accumulate(&mut partial, block, &coefficients)?;
        }
        training.tell(&partial)?;
    }
    training.into_fit()
}

impl<C> FittedLogisticRegression<C> {
    /// Returns coefficients and intercepts.
    pub fn model(&self) -> &LogisticRegressionModel {
        &self.model
    }

    /// Returns how the training went.
    pub fn summary(&self) -> &Fit {
        &self.fit
    }

    /// Returns the probability of each class (columns) for each row of `records`.
    ///
    /// # Errors
    /// [`MlError::Shape`] if the records have another number of features.
    pub fn predict_probabilities(
        &self,
        records: &ArrayBase<impl Data<Elem = f64>, Ix2>,
    ) -> Result<Array2<f64>, MlError> {
        let scores = self.score(records)?;
        Array2::from_shape_vec((records.nrows(), scores.classes), scores.probability)
            .map_err(|error| MlError::Linfa(error.to_string()))
    }

    fn score(&self, records: &ArrayBase<impl Data<Elem = f64>, Ix2>) -> Result<Scores, MlError> {
        let values: Vec<f64> = records.iter().copied().collect();
        self.model.score(records.ncols(), &values)
    }
}

impl<C, D> PredictInplace<ArrayBase<D, Ix2>, Array1<C>> for FittedLogisticRegression<C>
where
    C: ClassLabel,
    D: Data<Elem = f64>,
{
    /// Writes the class of each row of `x` into `y`.
    ///
    /// # Panics
    /// As linfa's trait has no error: if `x` has another number of features, or `y` another number of rows.
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<C>) {
        assert_eq!(
            x.nrows(),
            y.len(),
            "The number of data points must match the number of output targets."
        );
        let scores = self.score(x);
        let scores = scores.unwrap_or_else(|error| panic!("{error}"));
        for (label, class) in y.iter_mut().zip(scores.prediction) {
            *label = C::from_class(class);
        }
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<C> {
        Array1::from_elem(x.nrows(), C::from_class(0.0))
    }
}
