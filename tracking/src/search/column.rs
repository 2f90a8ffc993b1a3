//! What a clause compares and an order sorts by.

use std::fmt;

use super::target::{Attribute, NumberAttribute, Target, TextAttribute};

/// The tag that tells prompts from models in the registry.
const TAG_IS_PROMPT: &str = "mlflow.prompt.is_prompt";

/// A column of either type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Column {
    /// Compares as a number.
    Number(NumberColumn),
    /// Compares as text.
    Text(TextColumn),
}

/// A column that holds numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NumberColumn {
    /// A metric; not every record has it, and it can be NaN.
    Metric {
        /// The metric's key.
        key: String,
        /// Which of its values.
        value: MetricValue,
    },
    /// An attribute; of a run, `end_time` can be missing.
    Attribute(NumberAttribute),
}

/// Which of the values logged under one key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricValue {
    /// The latest: `metrics.loss`. Of a run, that of the highest step, then timestamp, then value. In the order of
    /// logged models, that of the highest timestamp, then step, then the lowest run id.
    Latest,
    /// The smallest ever logged by a run: `metrics_min.loss`. An extension of MLflow's grammar.
    Min,
    /// The largest ever logged by a run: `metrics_max.loss`. An extension of MLflow's grammar.
    Max,
    /// Any: one that satisfies the comparison is enough. What `metrics.loss` means in filters of logged models,
    /// where the search's datasets, if it names any, restrict which values are looked at.
    Any,
}

/// A column that holds text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextColumn {
    /// The parameter with this key.
    Param(String),
    /// The tag with this key.
    Tag(String),
    /// An attribute; it can be missing (a run without a user, a model version without a run).
    Attribute(TextAttribute),
    /// A field of the datasets a run used: one dataset that satisfies the comparison is enough, and two clauses may
    /// be satisfied by two datasets.
    Dataset(DatasetField),
}

/// What a dataset can be searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetField {
    /// The dataset's name.
    Name,
    /// The dataset's digest.
    Digest,
    /// What the run used it for: the tag `mlflow.data.context` of the input.
    Context,
}

impl TextColumn {
    /// Returns the value that a record without this key counts as having; `None` if the record has none, and so
    /// satisfies no comparison.
    ///
    /// There is one such key: in the registry, what is not marked as a prompt is a model, so that the clause
    /// ``tag.`mlflow.prompt.is_prompt` != 'true'`` of the stock client finds models.
    pub fn value_when_missing(&self, target: Target) -> Option<&'static str> {
        match (target, self) {
            (Target::RegisteredModels | Target::ModelVersions, TextColumn::Tag(key))
                if key == TAG_IS_PROMPT =>
            {
                Some("false")
            }
            _ => None,
        }
    }
}

impl Column {
    pub(super) fn attribute(attribute: Attribute) -> Self {
        match attribute {
            Attribute::Text(text) => Column::Text(TextColumn::Attribute(text)),
            Attribute::Number(number) => Column::Number(NumberColumn::Attribute(number)),
        }
    }

    /// Writes the column as `target` names it, quoted where it has to be.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, target: Target) -> fmt::Result {
        match self {
            Column::Number(column) => column.write(f, target),
            Column::Text(column) => column.write(f, target),
        }
    }
}

impl NumberColumn {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, target: Target) -> fmt::Result {
        match self {
            NumberColumn::Metric { key, value } => {
                let entity = match value {
                    MetricValue::Latest | MetricValue::Any => "metrics",
                    MetricValue::Min => "metrics_min",
                    MetricValue::Max => "metrics_max",
                };
                write_key(f, entity, key)
            }
            NumberColumn::Attribute(attribute) => write_attribute(f, target, Attribute::Number(*attribute)),
        }
    }
}

impl TextColumn {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, target: Target) -> fmt::Result {
        match self {
            TextColumn::Param(key) => write_key(f, "params", key),
            TextColumn::Tag(key) => write_key(f, "tags", key),
            TextColumn::Attribute(attribute) => write_attribute(f, target, Attribute::Text(*attribute)),
            TextColumn::Dataset(field) => write!(f, "datasets.{}", field.as_str()),
        }
    }
}

impl DatasetField {
    pub(super) const ALL: [DatasetField; 3] =
        [DatasetField::Name, DatasetField::Digest, DatasetField::Context];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            DatasetField::Name => "name",
            DatasetField::Digest => "digest",
            DatasetField::Context => "context",
        }
    }
}

fn write_attribute(f: &mut fmt::Formatter<'_>, target: Target, attribute: Attribute) -> fmt::Result {
    match target.key_of(attribute) {
        Some(key) => f.write_str(key.names[0]),
        None => write!(f, "{attribute:?}"),
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, entity: &str, key: &str) -> fmt::Result {
    let is_plain =
        key.starts_with(char::is_alphabetic) && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    let quote = if is_plain {
        ""
    } else if !key.contains('`') {
        "`"
    } else if !key.contains('"') {
        "\""
    } else {
        "'"
    };
    write!(f, "{entity}.{quote}{key}{quote}")
}
