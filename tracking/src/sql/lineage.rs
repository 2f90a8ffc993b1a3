//! What went into a run and what came out of it, in SQL.

use super::fault::Sql;
use super::session::{Session, values};
use super::{rules, runs};
use crate::entities::{Dataset, DatasetInput};
use crate::error::TrackingError;
use crate::store::{LogInputs, LogOutputs};

pub(super) fn log_inputs(session: &dyn Session, run_id: &str, inputs: &LogInputs) -> Sql<()> {
    let info = runs::start_change(session, run_id)?;
    let experiment = rules::experiment_number(&info.experiment_id)?;
    for input in &inputs.datasets {
        add_dataset_input(session, run_id, experiment, input)?;
    }
    for model in &inputs.models {
        session.execute(
            "INSERT INTO model_inputs (run_id, model_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            values![run_id, &model.model_id],
        )?;
    }
    Ok(())
}

pub(super) fn log_outputs(session: &dyn Session, run_id: &str, outputs: &LogOutputs) -> Sql<()> {
    runs::start_change(session, run_id)?;
    for model in &outputs.models {
        session.execute(
            "INSERT INTO model_outputs (run_id, model_id, step) VALUES (?1, ?2, ?3)
             ON CONFLICT (run_id, model_id) DO UPDATE SET step = excluded.step",
            values![run_id, &model.model_id, model.step],
        )?;
    }
    Ok(())
}

fn add_dataset_input(session: &dyn Session, run_id: &str, experiment: i64, input: &DatasetInput) -> Sql<()> {
    let dataset_id = find_or_add(session, experiment, &input.dataset)?;
    session.execute(
        "INSERT INTO dataset_inputs (run_id, dataset_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        values![run_id, dataset_id],
    )?;
    for tag in &input.tags {
        session.execute(
            "INSERT INTO dataset_input_tags (run_id, dataset_id, key, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            values![run_id, dataset_id, &tag.key, &tag.value],
        )?;
    }
    Ok(())
}

/// The first description of a dataset stays: name and digest say that the content is the same.
fn find_or_add(session: &dyn Session, experiment: i64, dataset: &Dataset) -> Sql<i64> {
    session.execute(
        "INSERT INTO datasets (experiment_id, name, digest, source_type, source, schema, profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        values![
            experiment,
            &dataset.id.name,
            &dataset.id.digest,
            &dataset.source_type,
            &dataset.source,
            dataset.schema.as_deref(),
            dataset.profile.as_deref(),
        ],
    )?;
    let found = session.first(
        "SELECT dataset_id FROM datasets WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3",
        values![experiment, &dataset.id.name, &dataset.id.digest],
        |row| row.int(0),
    )?;
    found.ok_or_else(|| TrackingError::invalid("dataset", "the database did not keep it").into())
}
