//! [`Plan`]: what follows from a model once, so that no request has to find it out again.

use std::borrow::Cow;
use std::collections::HashMap;

use rookery_ml::{
    ColumnKind, DefaultValue, FittedPipeline, FittedStage, FittedStringIndexer, HandleInvalid, InputColumn,
    Model, Profile, StageSpec, StringOrder, ValueProfile,
};

/// Most categories that a message lists.
const MOST_ALLOWED: usize = 20;

/// How a model's rows become features.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The columns it reads, as the model names them.
    pub(crate) columns: Vec<InputColumn>,
    /// Where each of them stands.
    positions: HashMap<String, usize>,
    /// What each of them is for.
    pub(crate) inputs: Vec<Input>,
    /// The stages that are left when the categories have their numbers.
    pub(crate) stages: FittedPipeline,
    /// What each feature is.
    pub(crate) feature_names: Vec<String>,
}

/// A column that a model reads, and what for.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    /// What stands in for it where it is left out.
    pub(crate) default: Option<DefaultValue>,
    /// The stages that number its values.
    pub(crate) categories: Vec<Categories>,
    /// What is known about it as a number, if a stage reads it that needs one in every row.
    pub(crate) number: Option<Number>,
    /// Whether only stages read it that take every value as it is: an imputer, a hasher, an expression.
    pub(crate) is_taken_as_it_is: bool,
}

/// A StringIndexer of an input, with a faster way to find a label.
#[derive(Debug)]
pub(crate) struct Categories {
    /// The column it makes.
    pub(crate) output: String,
    pub(crate) index_of: HashMap<String, f64>,
    /// What it does with values it can't use.
    pub(crate) handle_invalid: HandleInvalid,
    /// The index of the most frequent category.
    pub(crate) reference: Option<f64>,
    /// The index of what takes a null's place: the default, else the most frequent category.
    pub(crate) null_reference: Option<f64>,
    /// The first labels, for messages.
    pub(crate) allowed: Vec<String>,
}

/// An input that is read as a number.
#[derive(Debug)]
pub(crate) struct Number {
    /// Whether the stage that reads it leaves rows out that have none.
    pub(crate) is_skipped: bool,
    /// Whether the stages take infinities, as those do that sort into buckets.
    pub(crate) takes_infinities: bool,
    /// The default, else the mean of training.
    pub(crate) reference: Option<f64>,
}

/// How a stage takes the values of a column that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It needs a finite number; whether it leaves rows out that have none.
    FiniteNumber { is_skipped: bool },
    /// It needs a number that may be infinite.
    AnyNumber { is_skipped: bool },
    /// It has an answer for whatever there is.
    AsItIs,
}

impl Reading {
    fn of(stage: &StageSpec) -> Self {
        let bucketed = |handle_invalid| match handle_invalid {
            HandleInvalid::Keep => Self::AsItIs,
            handling => Self::AnyNumber {
                is_skipped: handling == HandleInvalid::Skip,
            },
        };
        match stage {
            StageSpec::VectorAssembler(assembler) => Self::FiniteNumber {
                is_skipped: assembler.handle_invalid == HandleInvalid::Skip,
            },
            StageSpec::Bucketizer(stage) => bucketed(stage.handle_invalid),
            StageSpec::QuantileDiscretizer(stage) => bucketed(stage.handle_invalid),
            StageSpec::Imputer(_)
            | StageSpec::FeatureHasher(_)
            | StageSpec::SqlTransformer(_)
            | StageSpec::StringIndexer(_) => Self::AsItIs,
            StageSpec::MinMaxScaler(_)
            | StageSpec::StandardScaler(_)
            | StageSpec::OneHotEncoder(_)
            | StageSpec::Interaction(_) => Self::FiniteNumber { is_skipped: false },
        }
    }
}

impl Plan {
    pub(crate) fn of(model: &Model) -> Self {
        let needed = model.pipeline.needed_for(&model.features).stages;
        let is_input = |name: &str| model.inputs.iter().any(|input| input.name == name);
        let (indexers, stages): (Vec<FittedStage>, Vec<FittedStage>) = needed.into_iter().partition(
            |stage| matches!(stage, FittedStage::StringIndexer(indexer) if indexer.columns().all(|(input, ..)| is_input(input))),
        );
        let indexers: Vec<FittedStringIndexer> = indexers
            .into_iter()
            .filter_map(|stage| match stage {
                FittedStage::StringIndexer(indexer) => Some(indexer),
                _ => None,
            })
            .collect();
        let profile = model.profile.as_ref();
        let category_of = |input: &InputColumn| {
            let default = model.defaults.get(&input.name)?.column(input.kind, 1)?;
            default.text(0).map(Cow::into_owned)
        };
        let inputs = model.inputs.iter().map(|input| {
            let readings = readings(&input.name, &stages);
            let default = model.defaults.get(&input.name);
            let category = category_of(input);
            let category = category.as_deref();
            let categories = indexers.iter().flat_map(|indexer| {
                let own = indexer
                    .columns()
                    .filter(move |(column, ..)| *column == input.name);
                own.map(move |(_, output, labels)| {
                    let known = Known {
                        profile,
                        default: category,
                    };
                    Categories::of(indexer, input, output, labels, known)
                })
            });
            Input {
                name: input.name.clone(),
                kind: input.kind,
                default: default.cloned(),
                categories: categories.collect(),
                number: Number::of(&input.name, &readings, profile, default),
                is_taken_as_it_is: !readings.is_empty()
                    && readings.iter().all(|reading| *reading == Reading::AsItIs),
            }
        });
        let names = model.inputs.iter().map(|input| input.name.clone());
        Self {
            columns: model.inputs.clone(),
            positions: names.zip(0..).collect(),
            inputs: inputs.collect(),
            feature_names: model
                .pipeline
                .slot_names(&model.features, model.classifier.num_features),
            stages: FittedPipeline { stages },
        }
    }

    /// Where the model's column `name` stands. Most clients keep to the model's order, so `guess` is tried first.
    pub(crate) fn position(&self, name: &str, guess: usize) -> Option<usize> {
        match self.columns.get(guess) {
            Some(column) if column.name == name => Some(guess),
            _ => self.positions.get(name).copied(),
        }
    }
}

/// What is known of the values of a column of categories.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    profile: Option<&'a Profile>,
    /// The category that takes a missing one's place.
    default: Option<&'a str>,
}

impl Categories {
    fn of(
        indexer: &FittedStringIndexer,
        input: &InputColumn,
        output: &str,
        labels: &[String],
        Known { profile, default }: Known<'_>,
    ) -> Self {
        let numbered = labels.iter().enumerate();
        let index_of: HashMap<String, f64> = numbered.map(|(i, label)| (label.clone(), i as f64)).collect();
        let counted = match values(profile, &input.name) {
            Some(ValueProfile::Categories { counts, .. }) => counts.first().map(|(label, _)| label),
            _ => None,
        };
        // Without a profile the order of the labels tells.
        let most_frequent = counted.or(match indexer.params.order {
            StringOrder::FrequencyDesc => labels.first(),
            StringOrder::FrequencyAsc => labels.last(),
            StringOrder::AlphabetDesc | StringOrder::AlphabetAsc => None,
        });
        let reference = most_frequent.and_then(|label| index_of.get(label).copied());
        let default = default.and_then(|category| index_of.get(category).copied());
        Self {
            output: output.to_string(),
            reference,
            null_reference: default.or(reference),
            index_of,
            handle_invalid: indexer.params.handle_invalid,
            allowed: labels.iter().take(MOST_ALLOWED).cloned().collect(),
        }
    }
}

/// How the stages that are left take the values of an input.
fn readings(name: &str, stages: &[FittedStage]) -> Vec<Reading> {
    let specs = stages.iter().map(FittedStage::spec);
    specs
        .filter(|stage| stage.inputs().contains(&name))
        .map(|stage| Reading::of(&stage))
        .collect()
}

impl Number {
    fn of(
        name: &str,
        readings: &[Reading],
        profile: Option<&Profile>,
        default: Option<&DefaultValue>,
    ) -> Option<Self> {
        let skipped = readings.iter().filter_map(|reading| match reading {
            Reading::FiniteNumber { is_skipped } | Reading::AnyNumber { is_skipped } => Some(*is_skipped),
            Reading::AsItIs => None,
        });
        let skipped: Vec<bool> = skipped.collect();
        if skipped.is_empty() {
            return None;
        }
        let is_finite = |reading: &Reading| matches!(reading, Reading::FiniteNumber { .. });
        let reference = match values(profile, name) {
            Some(ValueProfile::Numbers { mean, .. }) => Some(*mean).filter(|mean| mean.is_finite()),
            _ => None,
        };
        Some(Self {
            is_skipped: skipped.contains(&true),
            takes_infinities: !readings.iter().any(is_finite),
            reference: default.and_then(DefaultValue::number).or(reference),
        })
    }
}

/// The training's values of a column.
pub(crate) fn values<'a>(profile: Option<&'a Profile>, column: &str) -> Option<&'a ValueProfile> {
    let columns = &profile?.columns;
    let found = columns.iter().find(|profile| profile.name == column)?;
    Some(&found.values)
}
