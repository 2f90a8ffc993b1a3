//! SQLTransformer: columns computed from others, row by row (`org.apache.spark.ml.feature.SQLTransformer`).
//!
//! Of Spark's statements the ones that add columns: `SELECT *, expression AS name, … FROM __THIS__`. Whatever mixes rows,
//! drops rows or columns, or is not known here is refused with its place, when the job is checked.

use serde::{Deserialize, Serialize};

use super::stage::{Fitting, Stage, Transform};
use super::{Attributes, FittedStage, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};
use crate::sql::{Added, Row, Scope, SqlType, Statement, Value, typed};

/// Parameters of a SQLTransformer; there is nothing to fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct SqlTransformer {
    text: String,
    statement: Statement,
}

/// A SQLTransformer in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    statement: String,
}

impl TryFrom<Text> for SqlTransformer {
    type Error = MlError;

    fn try_from(text: Text) -> Result<Self, MlError> {
        Self::new(text.statement)
    }
}

impl From<SqlTransformer> for Text {
    fn from(stage: SqlTransformer) -> Self {
        Text {
            statement: stage.text,
        }
    }
}

impl SqlTransformer {
    /// Reads a statement.
    ///
    /// # Errors
    /// [`MlError::Requirement`] for one that does more than add columns, row by row.
    pub fn new(statement: impl Into<String>) -> Result<Self, MlError> {
        let text = statement.into();
        let statement = Statement::parse(&text).map_err(|problem| in_statement(&problem))?;
        Ok(Self { text, statement })
    }

    /// The statement as it was written.
    pub fn statement(&self) -> &str {
        &self.text
    }
}

fn in_statement(problem: &str) -> MlError {
    MlError::Requirement(format!("statement: {problem}"))
}

/// The type of a column, if SQL can name it.
fn sql_type(name: &str, kind: ColumnKind) -> Result<SqlType, MlError> {
    SqlType::of(kind).ok_or_else(|| MlError::UnsupportedKind {
        column: name.to_owned(),
        kind,
    })
}

impl Stage for SqlTransformer {
    fn inputs(&self) -> Vec<&str> {
        self.statement.inputs.iter().map(String::as_str).collect()
    }

    fn outputs(&self) -> Vec<&str> {
        self.statement
            .added
            .iter()
            .map(|added| added.name.as_str())
            .collect()
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        let mut scope = Scope::default();
        for (name, kind) in inputs {
            scope.columns.push(((*name).to_owned(), sql_type(name, *kind)?));
        }
        let mut kinds = Vec::new();
        for Added { name, expression } in &self.statement.added {
            let (_, kind) = typed(expression, &scope).map_err(|problem| in_statement(&problem))?;
            scope.columns.push((name.clone(), kind));
            let nothing = || in_statement(&format!("{expression} AS {name} is nothing but nulls"));
            kinds.push(kind.kind().ok_or_else(nothing)?);
        }
        Ok(kinds)
    }

    fn as_transformer(&self) -> Option<FittedStage> {
        Some(FittedStage::SqlTransformer(self.clone()))
    }

    fn fit(&self, _: StageStatistics, _: &Attributes) -> Result<Fitting, MlError> {
        Ok(Fitting::Done(FittedStage::SqlTransformer(self.clone())))
    }
}

impl Transform for SqlTransformer {
    fn spec(&self) -> StageSpec {
        StageSpec::SqlTransformer(self.clone())
    }

    fn transform(&self, mut frame: Frame) -> Result<Frame, MlError> {
        let mut scope = Scope::default();
        for name in &self.statement.inputs {
            let kind = frame.column(name)?.kind();
            scope.columns.push((name.clone(), sql_type(name, kind)?));
        }
        for Added { name, expression } in &self.statement.added {
            let (node, kind) = typed(expression, &scope).map_err(|problem| in_statement(&problem))?;
            let column = {
                let columns = scope.columns.iter().map(|(name, _)| frame.column(name));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                let value = |row: usize| {
                    let columns = columns.as_slice();
                    node.value(Row { columns, row }).map_err(|text| MlError::Value {
                        column: name.clone(),
                        row: frame.origin(row),
                        text,
                    })
                };
                column_of((0..frame.rows()).map(value).collect::<Result<_, _>>()?, kind)
            };
            frame = frame.with_column(name, column)?;
            scope.columns.push((name.clone(), kind));
        }
        Ok(frame)
    }

    fn describe(&self, known: &mut Attributes) {
        for added in &self.statement.added {
            known.put_scalar(&added.name, None);
        }
    }
}

/// Values of one type as a column.
fn column_of(values: Vec<Value>, kind: SqlType) -> Column {
    let there: Vec<bool> = values.iter().map(|value| *value != Value::Null).collect();
    let values = values.into_iter();
    let data = match kind.kind() {
        Some(ColumnKind::Boolean) => ColumnData::Boolean(values.map(|v| v == Value::Boolean(true)).collect()),
        Some(ColumnKind::Integer) => {
            let whole = |value| if let Value::Whole(value) = value { value } else { 0 };
            ColumnData::Integer(values.map(whole).collect())
        }
        Some(ColumnKind::Float) => {
            let float = |value| {
                if let Value::Float(value) = value {
                    value
                } else {
                    0.0
                }
            };
            ColumnData::Float(values.map(float).collect())
        }
        Some(ColumnKind::Text) => {
            let text = |value| {
                if let Value::Text(text) = value {
                    text
                } else {
                    String::new()
                }
            };
            ColumnData::Text(values.map(text).collect())
        }
        _ => {
            let double = |value| {
                if let Value::Double(value) = value {
                    value
                } else {
                    0.0
                }
            };
            ColumnData::Double(values.map(double).collect())
        }
    };
    Column {
        data,
        validity: there.contains(&false).then_some(there),
    }
}
