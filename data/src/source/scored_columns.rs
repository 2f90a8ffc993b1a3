//! Which columns of a source are read to be scored, and as what: those of the model as it was trained, the others as the
//! files say.

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Schema};

use super::{check_cast, declared_columns};
use crate::error::{DataError, Result};
use crate::schema::ColumnType;
use crate::spec::SourceSpec;

/// The columns that a model reads, and those that are carried along.
#[derive(Debug, Clone)]
pub struct ScoredColumns {
    /// The model's inputs.
    pub inputs: Vec<(String, ColumnType)>,
    /// Those of them that files may leave out.
    pub optional: Vec<String>,
    /// The columns to carry along; all without it.
    pub keep: Option<Vec<String>>,
}

impl ScoredColumns {
    /// The columns to read, in the order of the files.
    pub(super) fn choose(
        &self,
        name: &str,
        spec: &SourceSpec,
        schema: &Schema,
    ) -> Result<Vec<(String, ColumnType)>> {
        let there: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        self.check_names(&there)?;
        let declared = match &spec.columns {
            Some(_) => declared_columns(name, spec, schema)?,
            None => Vec::new(),
        };
        let mut columns = Vec::new();
        for field in schema.fields() {
            let of = |columns: &[(String, ColumnType)]| {
                columns
                    .iter()
                    .find(|(other, _)| other == field.name())
                    .map(|(_, target)| *target)
            };
            let input = of(&self.inputs);
            let is_kept = self.keep.as_ref().is_none_or(|keep| keep.contains(field.name()));
            if input.is_none() && !is_kept {
                continue;
            }
            let target = match input.or_else(|| of(&declared)) {
                Some(target) => target,
                None => carried(field.name(), field.data_type())?,
            };
            check_cast(name, field.name(), target, schema)?;
            columns.push((field.name().clone(), target));
        }
        Ok(columns)
    }

    fn check_names(&self, there: &[String]) -> Result<()> {
        if let Some((missing, _)) = self
            .inputs
            .iter()
            .find(|(name, _)| !there.contains(name) && !self.optional.contains(name))
        {
            let reads: Vec<String> = self
                .inputs
                .iter()
                .map(|(name, target)| format!("{name} ({})", target.name()))
                .collect();
            return Err(DataError::data(format!(
                "column \"{missing}\" is missing; the columns are {}",
                there.join(", ")
            ))
            .at("--input")
            .hint(format!("the model reads {}", reads.join(", "))));
        }
        let mut kept = self.keep.iter().flatten();
        match kept.find(|name| !there.contains(name)) {
            Some(unknown) => Err(crate::split::unknown_column("--columns", unknown, there)),
            None => Ok(()),
        }
    }
}

/// What a column becomes that the model does not read: dates and the like become text.
fn carried(name: &str, found: &DataType) -> Result<ColumnType> {
    if let Some(target) = ColumnType::of_arrow(found) {
        return Ok(target);
    }
    let is_flat = !found.is_nested() && !matches!(found, DataType::Null);
    match is_flat && can_cast_types(found, &DataType::Utf8) {
        true => Ok(ColumnType::String),
        false => Err(DataError::spec(format!(
            "column \"{name}\" has type {found}, which can't be carried along"
        ))
        .at("--input")
        .hint("name the columns to carry along with --columns")),
    }
}
