//! Puts the headers of runs together with what was logged to them: one query per table, for any number of runs.

use super::fault::Sql;
use super::logging;
use super::session::{Columns, Session, json, values};
use crate::entities::{Dataset, DatasetId, DatasetInput, ModelInput, ModelOutput, Param, Run, RunInfo, Tag};

pub(super) fn with_data(session: &dyn Session, infos: Vec<RunInfo>) -> Sql<Vec<Run>> {
    let ids = json(infos.iter().map(|info| info.run_id.as_str()));
    let mut runs: Vec<Run> = infos.into_iter().map(without_data).collect();

    for_each_of(
        session,
        "curves AS data",
        logging::LATEST_COLUMNS,
        "data.key",
        &ids,
        |place, row| {
            runs[place].metrics.push(logging::metric_from_row(row, 1)?);
            Ok(())
        },
    )?;
    for_each_of(
        session,
        "params AS data",
        "data.key, data.value",
        "data.key",
        &ids,
        |place, row| {
            runs[place].params.push(Param {
                key: row.text(1)?,
                value: row.text(2)?,
            });
            Ok(())
        },
    )?;
    for_each_of(
        session,
        "tags AS data",
        "data.key, data.value",
        "data.key",
        &ids,
        |place, row| {
            runs[place].tags.push(tag_from_row(row, 1)?);
            Ok(())
        },
    )?;
    add_inputs(session, &ids, &mut runs)?;
    for_each_of(
        session,
        "model_outputs AS data",
        "data.model_id, data.step",
        "data.model_id",
        &ids,
        |place, row| {
            runs[place].model_outputs.push(ModelOutput {
                model_id: row.text(1)?,
                step: row.int(2)?,
            });
            Ok(())
        },
    )?;
    Ok(runs)
}

fn add_inputs(session: &dyn Session, ids: &str, runs: &mut [Run]) -> Sql<()> {
    let datasets = "dataset_inputs AS data ON data.run_id = ids.value
         JOIN datasets AS d ON d.dataset_id = data.dataset_id
         LEFT JOIN dataset_input_tags AS t ON t.run_id = data.run_id AND t.dataset_id = data.dataset_id";
    let columns = "d.name, d.digest, d.source_type, d.source, d.schema, d.profile, t.key, t.value";
    for_each_joined(
        session,
        datasets,
        columns,
        "d.name, d.digest, t.key",
        ids,
        |place, row| {
            let id = DatasetId {
                name: row.text(1)?,
                digest: row.text(2)?,
            };
            let inputs = &mut runs[place].dataset_inputs;
            // One row for each tag: the rows of one dataset follow each other.
            if inputs.last().is_none_or(|input| input.dataset.id != id) {
                inputs.push(DatasetInput {
                    dataset: Dataset {
                        id,
                        source_type: row.text(3)?,
                        source: row.text(4)?,
                        schema: row.opt_text(5)?,
                        profile: row.opt_text(6)?,
                    },
                    tags: Vec::new(),
                });
            }
            if let (Some(input), Some(key)) = (inputs.last_mut(), row.opt_text(7)?) {
                input.tags.push(Tag {
                    key,
                    value: row.text(8)?,
                });
            }
            Ok(())
        },
    )?;
    for_each_of(
        session,
        "model_inputs AS data",
        "data.model_id",
        "data.model_id",
        ids,
        |place, row| {
            runs[place].model_inputs.push(ModelInput {
                model_id: row.text(1)?,
            });
            Ok(())
        },
    )
}

fn without_data(info: RunInfo) -> Run {
    Run {
        info,
        metrics: Vec::new(),
        params: Vec::new(),
        tags: Vec::new(),
        dataset_inputs: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    }
}

pub(super) fn tag_from_row(row: &dyn Columns, first: usize) -> Sql<Tag> {
    Ok(Tag {
        key: row.text(first)?,
        value: row.text(first + 1)?,
    })
}

/// Calls `visit` with every row of the table that belongs to one of the runs, and that run's place in `ids`. The
/// row's columns start at 1.
fn for_each_of(
    session: &dyn Session,
    table: &str,
    columns: &str,
    order: &str,
    ids: &str,
    visit: impl FnMut(usize, &dyn Columns) -> Sql<()>,
) -> Sql<()> {
    let joined = format!("{table} ON data.run_id = ids.value");
    for_each_joined(session, &joined, columns, order, ids, visit)
}

fn for_each_joined(
    session: &dyn Session,
    joined: &str,
    columns: &str,
    order: &str,
    ids: &str,
    mut visit: impl FnMut(usize, &dyn Columns) -> Sql<()>,
) -> Sql<()> {
    let (list, join) = (session.dialect().list("?1", "ids"), session.dialect().list_join());
    let sql = format!("SELECT ids.key, {columns} FROM {list} {join} {joined} ORDER BY ids.key, {order}");
    session.for_each(&sql, values![ids], &mut |row| visit(row.place(0)?, row))
}
