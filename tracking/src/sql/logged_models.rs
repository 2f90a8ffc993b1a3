//! Logged models in SQL.

use super::experiments;
use super::fault::Sql;
use super::model_metrics;
use super::rules;
use super::run_data::tag_from_row;
use super::session::{Columns, Session, json, values};
use crate::entities::{LoggedModel, LoggedModelStatus, Param, Tag};
use crate::error::TrackingError;
use crate::store::CreateLoggedModel;

/// As [`from_row`] reads them.
pub(super) const COLUMNS: &str = "m.model_id, m.experiment_id, m.name, m.artifact_uri, m.creation_timestamp_ms, m.last_updated_timestamp_ms, \
     m.status, m.status_message, m.model_type, m.source_run_id";

pub(super) fn create(
    session: &dyn Session,
    identity: rules::ModelIdentity,
    request: CreateLoggedModel,
    now_ms: i64,
) -> Sql<LoggedModel> {
    let experiment = experiments::get(session, &request.experiment_id)?;
    rules::check_experiment_is_active(&experiment)?;
    let model = rules::new_logged_model(identity, request, &experiment, now_ms);
    session.execute(
        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_uri, creation_timestamp_ms,
             last_updated_timestamp_ms, status, status_message, model_type, source_run_id, lifecycle_stage)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'active')",
        values![
            &model.model_id,
            rules::experiment_number(&model.experiment_id)?,
            &model.name,
            &model.artifact_uri,
            model.creation_timestamp_ms,
            model.last_updated_timestamp_ms,
            model.status.as_str(),
            &model.status_message,
            &model.model_type,
            model.source_run_id.as_deref(),
        ],
    )?;
    write_tags(session, &model.model_id, &model.tags)?;
    add_params(session, &model.model_id, &model.params)?;
    Ok(model)
}

pub(super) fn get(session: &dyn Session, model_id: &str) -> Sql<LoggedModel> {
    let sql = format!(
        "SELECT {COLUMNS} FROM logged_models AS m WHERE m.model_id = ?1 AND m.lifecycle_stage = 'active'"
    );
    let found = session.first(&sql, values![model_id], from_row)?;
    let mut models = Vec::from_iter(found);
    add_data(session, &mut models)?;
    models.pop().ok_or_else(|| not_found(model_id).into())
}

pub(super) fn check_exists(session: &dyn Session, model_id: &str) -> Sql<()> {
    let found = session.first(
        "SELECT 1 FROM logged_models WHERE model_id = ?1 AND lifecycle_stage = 'active'",
        values![model_id],
        |row| row.int(0),
    )?;
    found.map(|_| ()).ok_or_else(|| not_found(model_id).into())
}

pub(super) fn finalize(
    session: &dyn Session,
    model_id: &str,
    status: LoggedModelStatus,
    now_ms: i64,
) -> Sql<LoggedModel> {
    check_exists(session, model_id)?;
    session.execute(
        "UPDATE logged_models SET status = ?2, last_updated_timestamp_ms = ?3 WHERE model_id = ?1",
        values![model_id, status.as_str(), now_ms],
    )?;
    get(session, model_id)
}

pub(super) fn delete(session: &dyn Session, model_id: &str, now_ms: i64) -> Sql<()> {
    let changed = session.execute(
        "UPDATE logged_models SET lifecycle_stage = 'deleted', last_updated_timestamp_ms = ?2 WHERE model_id = ?1",
        values![model_id, now_ms],
    )?;
    if changed == 0 {
        return Err(not_found(model_id).into());
    }
    Ok(())
}

pub(super) fn set_tags(session: &dyn Session, model_id: &str, tags: &[Tag], now_ms: i64) -> Sql<()> {
    check_exists(session, model_id)?;
    write_tags(session, model_id, tags)?;
    touch(session, model_id, now_ms)
}

pub(super) fn delete_tag(session: &dyn Session, model_id: &str, key: &str, now_ms: i64) -> Sql<()> {
    check_exists(session, model_id)?;
    let deleted = session.execute(
        "DELETE FROM logged_model_tags WHERE model_id = ?1 AND key = ?2",
        values![model_id, key],
    )?;
    if deleted == 0 {
        return Err(TrackingError::not_found(format!(
            "No tag with key '{key}' found for model with ID '{model_id}'."
        ))
        .into());
    }
    touch(session, model_id, now_ms)
}

pub(super) fn log_params(session: &dyn Session, model_id: &str, params: &[Param], now_ms: i64) -> Sql<()> {
    check_exists(session, model_id)?;
    add_params(session, model_id, params)?;
    touch(session, model_id, now_ms)
}

/// Reads [`COLUMNS`]; what hangs on the model is missing.
pub(super) fn from_row(row: &dyn Columns) -> Sql<LoggedModel> {
    Ok(LoggedModel {
        model_id: row.text(0)?,
        experiment_id: row.int(1)?.to_string(),
        name: row.text(2)?,
        artifact_uri: row.text(3)?,
        creation_timestamp_ms: row.int(4)?,
        last_updated_timestamp_ms: row.int(5)?,
        status: row.word(6)?,
        status_message: row.text(7)?,
        model_type: row.text(8)?,
        source_run_id: row.opt_text(9)?,
        tags: Vec::new(),
        params: Vec::new(),
        metrics: Vec::new(),
    })
}

/// Reads tags, parameters and metrics: three queries for any number of models.
pub(super) fn add_data(session: &dyn Session, models: &mut [LoggedModel]) -> Sql<()> {
    let ids = json(models.iter().map(|model| model.model_id.as_str()));
    let select = |table: &str, columns: &str, order: &str| {
        let (list, join) = (session.dialect().list("?1", "ids"), session.dialect().list_join());
        format!(
            "SELECT ids.key, {columns} FROM {list} {join} {table} AS data ON data.model_id = ids.value
             ORDER BY ids.key, {order}"
        )
    };
    let tags = select("logged_model_tags", "data.key, data.value", "data.key");
    session.for_each(&tags, values![&ids], &mut |row| {
        models[row.place(0)?].tags.push(tag_from_row(row, 1)?);
        Ok(())
    })?;
    let params = select("logged_model_params", "data.key, data.value", "data.key");
    session.for_each(&params, values![&ids], &mut |row| {
        models[row.place(0)?].params.push(Param {
            key: row.text(1)?,
            value: row.text(2)?,
        });
        Ok(())
    })?;
    let metrics = select(
        "logged_model_metrics",
        model_metrics::COLUMNS,
        model_metrics::ORDER,
    );
    session.for_each(&metrics, values![&ids], &mut |row| {
        models[row.place(0)?]
            .metrics
            .push(model_metrics::from_row(row, 1)?);
        Ok(())
    })
}

fn write_tags(session: &dyn Session, model_id: &str, tags: &[Tag]) -> Sql<()> {
    for tag in tags {
        session.execute(
            "INSERT INTO logged_model_tags (model_id, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
            values![model_id, &tag.key, &tag.value],
        )?;
    }
    Ok(())
}

fn add_params(session: &dyn Session, model_id: &str, params: &[Param]) -> Sql<()> {
    for param in params {
        let stored = session.first(
            "SELECT value FROM logged_model_params WHERE model_id = ?1 AND key = ?2",
            values![model_id, &param.key],
            |row| row.text(0),
        )?;
        match stored {
            None => {
                session.execute(
                    "INSERT INTO logged_model_params (model_id, key, value) VALUES (?1, ?2, ?3)",
                    values![model_id, &param.key, &param.value],
                )?;
            }
            Some(stored) if stored == param.value => {}
            Some(stored) => return Err(rules::model_param_changed(model_id, param, &stored).into()),
        }
    }
    Ok(())
}

fn touch(session: &dyn Session, model_id: &str, now_ms: i64) -> Sql<()> {
    session.execute(
        "UPDATE logged_models SET last_updated_timestamp_ms = ?2 WHERE model_id = ?1",
        values![model_id, now_ms],
    )?;
    Ok(())
}

fn not_found(model_id: &str) -> TrackingError {
    TrackingError::not_found(format!("Logged model with ID '{model_id}' not found."))
}
