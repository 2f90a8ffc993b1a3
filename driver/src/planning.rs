//! Before anything is read: the sources are opened, and every column that the job names is looked up.

use std::path::Path;

use rookery_data::IngestPlan;
use rookery_data::frame::kind_of;
use rookery_data::schema::ColumnType;
use rookery_data::stores::Environment;
use rookery_ml::{ColumnKind, check_defaults};
use rookery_proto::{ErrorClass, Failure};

use crate::error::{of_data, of_ml};
use crate::job_spec::ValidJobSpec;

/// Opens the sources of a job, as the operator's `environment` allows, and checks its names against their columns.
///
/// # Errors
/// Class config or data; the location is the key of the job file or the file that is wrong.
pub async fn plan(
    spec: &ValidJobSpec,
    base_dir: &Path,
    environment: &Environment,
) -> Result<IngestPlan, Failure> {
    let plan = IngestPlan::open(&spec.data, &spec.split, base_dir, environment)
        .await
        .map_err(of_data)?;
    let inputs = column_kinds(&plan.columns);
    let columns = spec
        .pipeline
        .output_schema(&inputs)
        .map_err(|e| of_ml(&e).at("stages"))?;
    check_features(&spec.features, &columns)?;
    check_number("label", &spec.label, &columns)?;
    if let Some(weight) = &spec.weight {
        check_number("weight", weight, &columns)?;
    }
    let read = spec
        .pipeline
        .profiled_columns(&inputs, &spec.features, &spec.label);
    let is_read = |name: &String| read.iter().any(|column| column.name == *name);
    let read: Vec<(String, ColumnKind)> = inputs.iter().filter(|(name, _)| is_read(name)).cloned().collect();
    check_defaults(&spec.defaults, &read).map_err(|e| of_ml(&e).at("serving.defaults"))?;
    Ok(plan)
}

/// Columns as feature stages see them.
pub(crate) fn column_kinds(columns: &[(String, ColumnType)]) -> Vec<(String, ColumnKind)> {
    columns
        .iter()
        .map(|(name, column_type)| (name.clone(), kind_of(*column_type)))
        .collect()
}

fn check_features(name: &str, columns: &[(String, ColumnKind)]) -> Result<(), Failure> {
    match find("features", name, columns)? {
        ColumnKind::Vector => Ok(()),
        kind => Err(Failure::new(
            ErrorClass::Config,
            format!("column \"{name}\" is of type {kind}, expected vector"),
        )
        .at("training.features")
        .hint("assemble the features with a VectorAssembler stage")),
    }
}

fn check_number(key: &str, name: &str, columns: &[(String, ColumnKind)]) -> Result<(), Failure> {
    let kind = find(key, name, columns)?;
    if kind.is_numeric() {
        return Ok(());
    }
    // Spark's words.
    let message =
        format!("requirement failed: Column {name} must be of type numeric but was actually of type {kind}.");
    Err(Failure::new(ErrorClass::Config, message)
        .at(format!("training.{key}"))
        .hint("index it with a StringIndexer stage"))
}

fn find(key: &str, name: &str, columns: &[(String, ColumnKind)]) -> Result<ColumnKind, Failure> {
    columns
        .iter()
        .find(|(column, _)| column == name)
        .map(|(_, kind)| *kind)
        .ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
            Failure::new(ErrorClass::Config, format!("there is no column \"{name}\""))
                .at(format!("training.{key}"))
                .hint(format!("columns: {}", names.join(", ")))
        })
}
