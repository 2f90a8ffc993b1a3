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
    /// What is known about it as a number, if a stage reads it as one.
    pub(crate) number: Option<Number>,
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
    /// The default, else the mean of training.
    pub(crate) reference: Option<f64>,
}

impl Plan {
    pub(crate) fn of(model: &Model) -> Self {
        let needed = model.pipeline.needed_for(&model.features).stages;
        let is_input = |name: &str| model.inputs.iter().any(|input| input.name == name);
        let (indexers, stages): (Vec<FittedStage>, Vec<FittedStage>) = needed.into_iter().partition(
            |stage| matches!(stage, FittedStage::StringIndexer(indexer) if is_input(&indexer.params.input)),
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
        let inputs = model.inputs.iter().map(|input| Input {
            name: input.name.clone(),
            kind: input.kind,
            default: model.defaults.get(&input.name).cloned(),
            categories: indexers
                .iter()
                .filter(|indexer| indexer.params.input == input.name)
                .map(|indexer| Categories::of(indexer, profile, category_of(input).as_deref()))
                .collect(),
            number: Number::of(&input.name, &stages, profile, model.defaults.get(&input.name)),
        });
        let names = model.inputs.iter().map(|input| input.name.clone());
        Self {
            columns: model.inputs.clone(),
            positions: names.zip(0..).collect(),
            inputs: inputs.collect(),
            feature_names: feature_names(&stages, model),
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

impl Categories {
    fn of(indexer: &FittedStringIndexer, profile: Option<&Profile>, default: Option<&str>) -> Self {
        let labels = &indexer.labels;
        let numbered = labels.iter().enumerate();
        let index_of: HashMap<String, f64> = numbered.map(|(i, label)| (label.clone(), i as f64)).collect();
        let counted = match values(profile, &indexer.params.input) {
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
            output: indexer.params.output.clone(),
            reference,
            null_reference: default.or(reference),
            index_of,
            handle_invalid: indexer.params.handle_invalid,
            allowed: labels.iter().take(MOST_ALLOWED).cloned().collect(),
        }
    }
}

impl Number {
    fn of(
        name: &str,
        stages: &[FittedStage],
        profile: Option<&Profile>,
        default: Option<&DefaultValue>,
    ) -> Option<Self> {
        let mut readers = stages
            .iter()
            .map(FittedStage::spec)
            .filter(|stage| stage.inputs().contains(&name))
            .peekable();
        readers.peek()?;
        let is_skipped = readers.any(|stage| match stage {
            StageSpec::VectorAssembler(assembler) => assembler.handle_invalid == HandleInvalid::Skip,
            StageSpec::StringIndexer(_) | StageSpec::MinMaxScaler(_) => false,
        });
        let reference = match values(profile, name) {
            Some(ValueProfile::Numbers { mean, .. }) => Some(*mean).filter(|mean| mean.is_finite()),
            _ => None,
        };
        Some(Self {
            is_skipped,
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

/// The column that each feature comes from, as it was assembled: a category's number has its own column's name. Where
/// that can't be told, features are numbered.
fn feature_names(stages: &[FittedStage], model: &Model) -> Vec<String> {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for stage in stages {
        let spec = stage.spec();
        let elements = spec.inputs().into_iter().flat_map(|input| {
            let known = names.get(input).cloned();
            known.unwrap_or_else(|| vec![input.to_string()])
        });
        let elements = match spec {
            StageSpec::StringIndexer(_) => vec![spec.output().to_string()],
            StageSpec::VectorAssembler(_) | StageSpec::MinMaxScaler(_) => elements.collect(),
        };
        names.insert(spec.output().to_string(), elements);
    }
    let width = model.classifier.num_features;
    let found = names.remove(&model.features).filter(|found| found.len() == width);
    let mut found = found.unwrap_or_else(|| (0..width).map(|i| format!("{}[{i}]", model.features)).collect());
    for position in 1..found.len() {
        // A column that is assembled twice must not look like one.
        if found[..position].contains(&found[position]) {
            found[position] = format!("{} ({})", found[position], position + 1);
        }
    }
    found
}
