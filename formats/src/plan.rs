//! [`Plan`]: what a writer needs to know of a model: the stages that make the features, and what each column holds.

use std::collections::BTreeSet;

use rookery_ml::{
    ColumnKind, FittedInteraction, FittedStage, HandleInvalid, InputColumn, Model, SqlTransformer,
};

use crate::{Format, FormatError};

/// Most features of a model in ONNX or PMML. The one has tensors of all elements, zeros included, and the other an element
/// of text for each: readers take as much memory for every row, or minutes to begin.
const MOST_FEATURES: usize = 1 << 16;

/// A model as its writers see it.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) model: &'a Model,
    /// The stages that the features depend on, in order.
    pub(crate) stages: Vec<FittedStage>,
}

impl<'a> Plan<'a> {
    /// Looks at a model that is to be written in `format`.
    pub(crate) fn new(model: &'a Model, format: Format) -> Result<Self, FormatError> {
        model.classifier.check_shape()?;
        if let Some(input) = model.inputs.iter().find(|input| input.kind == ColumnKind::Vector) {
            let what = format!("column {} holds vectors", input.name);
            return Err(format.unsupported(what));
        }
        let features = model.classifier.num_features;
        if format != Format::Spark && features > MOST_FEATURES {
            let what =
                format!("the model has {features} features, of which at most {MOST_FEATURES} are written");
            return Err(format.unsupported(what));
        }
        let stages = model.pipeline.needed_for(&model.features).stages;
        Ok(Self { model, stages })
    }

    /// Whether some stage leaves rows out.
    pub(crate) fn drops_rows(&self) -> bool {
        self.stages.iter().any(|stage| stage.spec().drops_rows())
    }

    /// What is done with a null of an input by the stages that read it.
    pub(crate) fn null_handling<'b>(
        &'b self,
        input: &'b InputColumn,
    ) -> impl Iterator<Item = HandleInvalid> + 'b {
        self.stages
            .iter()
            .filter(|stage| stage.spec().inputs().contains(&input.name.as_str()))
            .filter_map(handle_null)
    }

    /// The columns that the stages from `from` on read, and the features.
    pub(crate) fn needed_from(&self, from: usize) -> BTreeSet<String> {
        let mut needed = BTreeSet::from([self.model.features.clone()]);
        for stage in &self.stages[from..] {
            needed.extend(stage.spec().inputs().into_iter().map(str::to_owned));
        }
        needed
    }
}

/// What a stage does with nulls in a column that it reads; none if it reads vectors.
fn handle_null(stage: &FittedStage) -> Option<HandleInvalid> {
    match stage {
        FittedStage::StringIndexer(stage) => Some(stage.params.handle_invalid),
        FittedStage::VectorAssembler(stage) => Some(stage.handle_invalid),
        FittedStage::Bucketizer(stage) => Some(stage.handle_invalid),
        FittedStage::QuantileDiscretizer(stage) => Some(stage.params.handle_invalid),
        FittedStage::Imputer(_) | FittedStage::FeatureHasher(_) | FittedStage::SqlTransformer(_) => {
            Some(HandleInvalid::Keep)
        }
        FittedStage::OneHotEncoder(_) | FittedStage::Interaction(_) => Some(HandleInvalid::Error),
        FittedStage::MinMaxScaler(_) | FittedStage::StandardScaler(_) => None,
    }
}

/// Most elements of an interaction in a format that says each of them.
const MAX_INTERACTION: usize = 1 << 14;

/// The width of an interaction that a format is to write element by element.
pub(crate) fn interaction_width(format: Format, stage: &FittedInteraction) -> Result<usize, FormatError> {
    match stage.width()? {
        width if width <= MAX_INTERACTION => Ok(width),
        width => {
            let output = &stage.params.output;
            Err(format.unsupported(format!(
                "the interaction {output} of {width} elements, more than {MAX_INTERACTION}"
            )))
        }
    }
}

pub(crate) fn unsupported_hasher(format: Format, output: &str) -> FormatError {
    format.unsupported(format!(
        "the FeatureHasher that makes {output}: there is no such hash"
    ))
}

pub(crate) fn unsupported_sql(format: Format, stage: &SqlTransformer) -> FormatError {
    format.unsupported(format!("the SQLTransformer {:?}", stage.statement()))
}

/// An intercept as a number that every reader takes: a class that training never saw has −∞, and this is just as far.
pub(crate) fn finite(value: f64) -> f64 {
    value.clamp(-1e300, 1e300)
}
