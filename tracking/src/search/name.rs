//! From a column's name to the column, or to why there is none.

use crate::error::TrackingError;

use super::column::{Column, DatasetField, MetricValue, NumberColumn, TextColumn};
use super::lexer::Name;
use super::target::{AttributeKey, Target};
use super::{excerpt, quoted_list};

type Result<T> = std::result::Result<T, TrackingError>;

/// Where the name stands: not everything that can be compared can be sorted by, and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Filter,
    Order,
}

#[derive(Debug, Clone, Copy)]
enum Entity {
    Metric(MetricValue),
    Param,
    Tag,
    Attribute,
    Dataset,
}

pub(super) fn column(target: Target, place: Place, name: Name<'_>) -> Result<Column> {
    let key = name.key;
    let entity = match name.entity {
        None => Entity::Attribute,
        Some(entity) => parse_entity(target, place, entity)?,
    };
    if key.is_empty() {
        return Err(TrackingError::rejected(
            "Invalid identifier: the key is empty. Columns should be specified as '<entity>.<key>'",
        ));
    }
    Ok(match entity {
        Entity::Metric(value) => Column::Number(NumberColumn::Metric {
            key: key.to_owned(),
            value,
        }),
        Entity::Param => Column::Text(TextColumn::Param(key.to_owned())),
        Entity::Tag => Column::Text(TextColumn::Tag(key.to_owned())),
        Entity::Attribute => parse_attribute(target, place, key)?,
        Entity::Dataset => Column::Text(TextColumn::Dataset(parse_dataset_field(key)?)),
    })
}

fn parse_entity(target: Target, place: Place, entity: &str) -> Result<Entity> {
    let found = match target {
        Target::Runs => run_entity(entity),
        Target::Experiments | Target::RegisteredModels | Target::ModelVersions => match entity {
            "attribute" => Some(Entity::Attribute),
            "tag" | "tags" => Some(Entity::Tag),
            _ => None,
        },
        Target::LoggedModels => match (entity, place) {
            ("attributes", _) => Some(Entity::Attribute),
            ("metrics", Place::Filter) => Some(Entity::Metric(MetricValue::Any)),
            ("metrics", Place::Order) => Some(Entity::Metric(MetricValue::Latest)),
            ("params", _) => Some(Entity::Param),
            ("tags", _) => Some(Entity::Tag),
            _ => None,
        },
    };
    found.ok_or_else(|| invalid_entity(target, entity))
}

fn run_entity(entity: &str) -> Option<Entity> {
    Some(match entity {
        "metric" | "metrics" => Entity::Metric(MetricValue::Latest),
        "metric_min" | "metrics_min" => Entity::Metric(MetricValue::Min),
        "metric_max" | "metrics_max" => Entity::Metric(MetricValue::Max),
        "parameter" | "parameters" | "param" | "params" => Entity::Param,
        "tag" | "tags" => Entity::Tag,
        "attribute" | "attributes" | "attr" | "run" => Entity::Attribute,
        "dataset" | "datasets" => Entity::Dataset,
        _ => return None,
    })
}

fn invalid_entity(target: Target, entity: &str) -> TrackingError {
    let entity = excerpt(entity);
    TrackingError::rejected(match target {
        Target::Runs => format!(
            "Invalid entity type '{entity}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset', \
             'metrics_min', 'metrics_max']"
        ),
        Target::Experiments | Target::RegisteredModels | Target::ModelVersions => {
            format!("Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', 'tags')")
        }
        Target::LoggedModels => format!(
            "Invalid entity type: '{entity}'. Expected one of ['attributes', 'metrics', 'params', 'tags']."
        ),
    })
}

fn parse_attribute(target: Target, place: Place, name: &str) -> Result<Column> {
    let found = usable(target, place).find(|(_, names)| names.contains(&name));
    match found {
        Some((key, _)) => Ok(Column::attribute(key.attribute)),
        None => Err(unknown_attribute(target, place, name)),
    }
}

/// The attributes that may stand there, and their names.
fn usable(target: Target, place: Place) -> impl Iterator<Item = (&'static AttributeKey, Vec<&'static str>)> {
    target.attributes().iter().filter_map(move |key| match place {
        Place::Filter => key
            .in_filters
            .then(|| (key, [key.names, key.filter_names].concat())),
        Place::Order => key.in_orders.then(|| (key, key.names.to_vec())),
    })
}

pub(super) fn unknown_attribute(target: Target, place: Place, name: &str) -> TrackingError {
    let kind = match (target, place) {
        (Target::RegisteredModels, Place::Order) => "order by key",
        _ => "attribute key",
    };
    TrackingError::rejected(format!(
        "Invalid {kind} '{}' specified. Valid keys are '{{{}}}'",
        excerpt(name),
        quoted_list(usable(target, place).flat_map(|(_, names)| names))
    ))
}

fn parse_dataset_field(key: &str) -> Result<DatasetField> {
    DatasetField::ALL
        .into_iter()
        .find(|field| field.as_str() == key)
        .ok_or_else(|| {
            TrackingError::rejected(format!(
                "Invalid dataset key '{}' specified. Valid keys are '{{{}}}'",
                excerpt(key),
                quoted_list(DatasetField::ALL.map(DatasetField::as_str))
            ))
        })
}
