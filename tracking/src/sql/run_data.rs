//! Puts the headers of runs together with what was logged to them: one query per table, for any number of runs. What is
//! known from an earlier read is not read again.

use std::sync::Arc;

use super::fault::Sql;
use super::logging;
use super::run_cache::RunCache;
use super::runs::Header;
use super::session::{Columns, Session, json, values};
use crate::entities::{
    Dataset, DatasetId, DatasetInput, Metric, ModelInput, ModelOutput, Param, Run, RunInfo, Tag,
};

/// What was logged to one run, but for the history of its metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Logged {
    pub(super) metrics: Vec<Metric>,
    pub(super) params: Vec<Param>,
    pub(super) tags: Vec<Tag>,
    pub(super) dataset_inputs: Vec<DatasetInput>,
    pub(super) model_inputs: Vec<ModelInput>,
    pub(super) model_outputs: Vec<ModelOutput>,
}

pub(super) fn with_data(session: &dyn Session, cache: &RunCache, headers: Vec<Header>) -> Sql<Vec<Run>> {
    let mut known: Vec<Option<Arc<Logged>>> = headers.iter().map(|header| cache.get(header)).collect();
    let unknown: Vec<&Header> = headers
        .iter()
        .zip(&known)
        .filter(|(_, logged)| logged.is_none())
        .map(|(header, _)| header)
        .collect();
    let read = read(session, unknown.iter().map(|header| header.info.run_id.as_str()))?;
    let added = unknown.iter().zip(read).map(|(header, logged)| {
        let logged = Arc::new(logged);
        cache.put(header, Arc::clone(&logged));
        logged
    });
    for (place, logged) in known.iter_mut().filter(|known| known.is_none()).zip(added) {
        *place = Some(logged);
    }
    let logged = known.into_iter().flatten();
    Ok(headers
        .into_iter()
        .zip(logged)
        .map(|(header, logged)| with(header.info, &logged))
        .collect())
}

/// Returns what was logged to each of the runs.
fn read<'a>(session: &dyn Session, run_ids: impl ExactSizeIterator<Item = &'a str>) -> Sql<Vec<Logged>> {
    let mut runs = vec![Logged::default(); run_ids.len()];
    if runs.is_empty() {
        return Ok(runs);
    }
    let ids = json(run_ids);
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

fn add_inputs(session: &dyn Session, ids: &str, runs: &mut [Logged]) -> Sql<()> {
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

fn with(info: RunInfo, logged: &Logged) -> Run {
    let Logged {
        metrics,
        params,
        tags,
        dataset_inputs,
        model_inputs,
        model_outputs,
    } = logged.clone();
    Run {
        info,
        metrics,
        params,
        tags,
        dataset_inputs,
        model_inputs,
        model_outputs,
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
