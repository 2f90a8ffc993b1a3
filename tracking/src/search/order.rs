//! An order as a list of terms, complete enough that no two records tie.

use std::fmt;

use crate::error::TrackingError;

use super::column::{Column, MetricValue, NumberColumn, TextColumn};
use super::lexer::{self, Kind};
use super::name::{self, Place};
use super::target::{Attribute, NumberAttribute, Target, TextAttribute};
use super::{MAX_ORDER_TERM_BYTES, MAX_ORDER_TERMS, excerpt};

type Result<T> = std::result::Result<T, TrackingError>;

/// What records are sorted by: the first term, then, among equals, the second, and so on.
///
/// The order is total. Behind the terms asked for come, unless they are among them:
///
/// | target            | nothing asked for                                         | else, behind it            |
/// |-------------------|-----------------------------------------------------------|----------------------------|
/// | runs              | start_time DESC, run_id ASC                               | the same                   |
/// | experiments       | creation_time DESC, experiment_id ASC                     | experiment_id DESC         |
/// | registered models | name ASC                                                  | the same                   |
/// | model versions    | last_updated_timestamp DESC, name ASC, version_number DESC | name ASC, version_number DESC |
/// | logged models     | creation_timestamp_ms DESC, model_id ASC                  | the same                   |
///
/// Whichever the direction, records that lack a term's value come last, and before them those whose metric is NaN.
/// Ids of experiments sort as numbers, all other text by its bytes.
///
/// Prints as its terms, separated by commas; [`OrderBy::to_strings`] gives one string for each, as requests have
/// them, which parse to an equal order if no term names a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// What is searched.
    pub target: Target,
    /// The terms; never none, and no column twice.
    pub terms: Vec<OrderTerm>,
}

/// One column to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderTerm {
    /// The column.
    pub column: Column,
    /// Whether the smallest comes first.
    pub ascending: bool,
    /// Of a logged model's metric: only values on datasets with this name count.
    pub dataset_name: Option<String>,
    /// Of a logged model's metric: only values on datasets with this digest count.
    pub dataset_digest: Option<String>,
}

/// A term as the search for logged models has it in its requests: in fields instead of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderField {
    /// An attribute, or `metrics.` and a metric's key, which needs no quotes here.
    pub field_name: String,
    /// Whether the smallest comes first; requests that do not say want `true`.
    pub ascending: bool,
    /// Which dataset's metric, by name.
    pub dataset_name: Option<String>,
    /// Which dataset's metric, by digest.
    pub dataset_digest: Option<String>,
}

impl OrderField {
    /// Returns a term that leaves open which dataset a metric is of.
    pub fn of(field_name: impl Into<String>, ascending: bool) -> Self {
        OrderField {
            field_name: field_name.into(),
            ascending,
            dataset_name: None,
            dataset_digest: None,
        }
    }
}

impl OrderBy {
    /// Parses the terms of a request, such as ``metrics.`my loss` DESC``.
    pub fn parse(target: Target, terms: &[String]) -> Result<Self> {
        let terms = terms.iter().map(|term| parse_term(target, term));
        OrderBy::complete(target, terms)
    }

    /// Understands the terms of a search for logged models.
    pub fn of_logged_models(fields: &[OrderField]) -> Result<Self> {
        OrderBy::complete(Target::LoggedModels, fields.iter().map(parse_field))
    }

    /// Returns the terms as a request has them. They do not say which dataset a metric is of.
    pub fn to_strings(&self) -> Vec<String> {
        let target = self.target;
        let terms = self.terms.iter();
        terms.map(|term| TermText { target, term }.to_string()).collect()
    }

    fn complete(target: Target, terms: impl ExactSizeIterator<Item = Result<OrderTerm>>) -> Result<Self> {
        if terms.len() > MAX_ORDER_TERMS {
            return Err(TrackingError::rejected(format!(
                "Invalid order_by: it has {} terms, at most {MAX_ORDER_TERMS} are allowed",
                terms.len()
            )));
        }
        let mut order = OrderBy {
            target,
            terms: Vec::new(),
        };
        for term in terms {
            let term = term?;
            if order.terms.iter().any(|other| is_duplicate(other, &term)) {
                if target == Target::LoggedModels {
                    // MLflow takes it here: the second time it changes nothing.
                    continue;
                }
                return Err(TrackingError::rejected(format!(
                    "`order_by` contains duplicate fields: {}",
                    excerpt(&TermText { target, term: &term }.to_string())
                )));
            }
            order.terms.push(term);
        }
        for &(attribute, ascending) in closing_terms(target, order.terms.is_empty()) {
            let column = Column::attribute(attribute);
            if !order.terms.iter().any(|term| term.column == column) {
                order.terms.push(OrderTerm::new(column, ascending));
            }
        }
        Ok(order)
    }
}

impl OrderTerm {
    fn new(column: Column, ascending: bool) -> Self {
        OrderTerm {
            column,
            ascending,
            dataset_name: None,
            dataset_digest: None,
        }
    }
}

fn is_duplicate(one: &OrderTerm, other: &OrderTerm) -> bool {
    one.column == other.column
        && one.dataset_name == other.dataset_name
        && one.dataset_digest == other.dataset_digest
}

fn closing_terms(target: Target, is_alone: bool) -> &'static [(Attribute, bool)] {
    const NAME: Attribute = Attribute::Text(TextAttribute::Name);
    const CREATED: Attribute = Attribute::Number(NumberAttribute::Created);
    const LAST_UPDATED: Attribute = Attribute::Number(NumberAttribute::LastUpdated);
    const VERSION: Attribute = Attribute::Number(NumberAttribute::VersionNumber);
    const START_TIME: Attribute = Attribute::Number(NumberAttribute::StartTime);
    const RUN_ID: Attribute = Attribute::Text(TextAttribute::RunId);
    const EXPERIMENT_ID: Attribute = Attribute::Text(TextAttribute::ExperimentId);
    const MODEL_ID: Attribute = Attribute::Text(TextAttribute::ModelId);
    match (target, is_alone) {
        (Target::Runs, _) => &[(START_TIME, false), (RUN_ID, true)],
        (Target::Experiments, true) => &[(CREATED, false), (EXPERIMENT_ID, true)],
        (Target::Experiments, false) => &[(EXPERIMENT_ID, false)],
        (Target::RegisteredModels, _) => &[(NAME, true)],
        (Target::ModelVersions, true) => &[(LAST_UPDATED, false), (NAME, true), (VERSION, false)],
        (Target::ModelVersions, false) => &[(NAME, true), (VERSION, false)],
        (Target::LoggedModels, _) => &[(CREATED, false), (MODEL_ID, true)],
    }
}

fn parse_term(target: Target, text: &str) -> Result<OrderTerm> {
    let unparsable = || {
        TrackingError::rejected(format!(
            "Invalid order_by clause '{}'. Could not be parsed.",
            excerpt(text)
        ))
    };
    if text.len() > MAX_ORDER_TERM_BYTES {
        return Err(unparsable());
    }
    let tokens = lexer::tokens(text);
    let (first, direction) = match tokens.as_slice() {
        [first] => (first, None),
        [first, direction] => (first, Some(direction)),
        _ => return Err(unparsable()),
    };
    let Kind::Name(name) = first.kind else {
        return Err(unparsable());
    };
    if first.is_keyword("asc") || first.is_keyword("desc") {
        return Err(unparsable());
    }
    let ascending = match direction {
        None => true,
        Some(word) if word.is_keyword("asc") => true,
        Some(word) if word.is_keyword("desc") => false,
        Some(word) if matches!(word.kind, Kind::Name(_)) => {
            return Err(TrackingError::rejected(format!(
                "Invalid ordering key in order_by clause '{}'.",
                excerpt(text)
            )));
        }
        Some(_) => return Err(unparsable()),
    };
    let column = name::column(target, Place::Order, name)?;
    check_sortable(target, &column, text)?;
    Ok(OrderTerm::new(column, ascending))
}

fn check_sortable(target: Target, column: &Column, text: &str) -> Result<()> {
    let entity = match column {
        Column::Number(_) | Column::Text(TextColumn::Attribute(_)) => return Ok(()),
        Column::Text(TextColumn::Param(_) | TextColumn::Tag(_)) if target == Target::Runs => return Ok(()),
        Column::Text(TextColumn::Tag(_)) if target == Target::RegisteredModels => {
            return Err(name::unknown_attribute(target, Place::Order, text));
        }
        Column::Text(TextColumn::Param(_)) => "parameter",
        Column::Text(TextColumn::Tag(_)) => "tag",
        Column::Text(TextColumn::Dataset(_)) => {
            return Err(TrackingError::rejected(format!(
                "Invalid identifier type 'dataset', in '{}'",
                excerpt(text)
            )));
        }
    };
    Err(TrackingError::rejected(format!(
        "Invalid order_by entity: {entity}, in '{}'",
        excerpt(text)
    )))
}

fn parse_field(field: &OrderField) -> Result<OrderTerm> {
    let text = field.field_name.as_str();
    if text.len() > MAX_ORDER_TERM_BYTES {
        return Err(invalid_field(text));
    }
    let Some((entity, key)) = text.split_once('.') else {
        let name = lexer::Name {
            entity: None,
            key: text,
            quote: None,
        };
        let column =
            name::column(Target::LoggedModels, Place::Order, name).map_err(|_| invalid_field(text))?;
        return Ok(OrderTerm::new(column, field.ascending));
    };
    if entity != "metrics" || key.is_empty() {
        return Err(TrackingError::rejected(format!(
            "Invalid order by field name: {}. Only metrics are supported.",
            excerpt(text)
        )));
    }
    let column = Column::Number(NumberColumn::Metric {
        key: key.to_owned(),
        value: MetricValue::Latest,
    });
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    Ok(OrderTerm {
        column,
        ascending: field.ascending,
        dataset_name: given(&field.dataset_name),
        dataset_digest: given(&field.dataset_digest),
    })
}

fn invalid_field(name: &str) -> TrackingError {
    TrackingError::rejected(format!("Invalid order by field name: {}", excerpt(name)))
}

struct TermText<'a> {
    target: Target,
    term: &'a OrderTerm,
}

impl fmt::Display for TermText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.term.column.write(f, self.target)?;
        f.write_str(if self.term.ascending { " ASC" } else { " DESC" })
    }
}

impl fmt::Display for OrderBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_strings().join(", "))
    }
}
