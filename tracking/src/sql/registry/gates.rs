//! Gates: what a version must show before an alias may point at it.

use super::journal::Line;
use super::{Change, aliases, rows};
use crate::entities::{Bound, JournalAction, MetricGate, ModelVersion};
use crate::error::TrackingError;
use crate::sql::fault::Sql;
use crate::sql::session::{Columns, Session, values};

pub(super) fn set(change: &Change<'_>, name: &str, alias: &str, gate: Option<&MetricGate>) -> Sql<()> {
    rows::model(change.session, name)?;
    let before = get(change.session, name, alias)?.map(|gate| gate.to_string());
    let after = gate.map(MetricGate::to_string);
    if before == after {
        return Ok(());
    }
    match &after {
        Some(gate) => change.session.execute(
            "INSERT INTO alias_gates (name, alias, gate) VALUES (?1, ?2, ?3)
             ON CONFLICT (name, alias) DO UPDATE SET gate = excluded.gate",
            values![name, alias, gate],
        )?,
        None => change.session.execute(
            "DELETE FROM alias_gates WHERE name = ?1 AND alias = ?2",
            values![name, alias],
        )?,
    };
    let action = match after {
        Some(_) => JournalAction::GateSet,
        None => JournalAction::GateDeleted,
    };
    change.note(Line {
        subject: alias,
        from: before.as_deref(),
        to: after.as_deref(),
        ..Line::of_model(name, action)
    })
}

pub(super) fn list(session: &dyn Session, name: &str) -> Sql<Vec<(String, MetricGate)>> {
    rows::model(session, name)?;
    let mut gates = session.all(
        "SELECT alias, gate FROM alias_gates WHERE name = ?1",
        values![name],
        |row| Ok((row.text(0)?, row.word::<MetricGate>(1)?)),
    )?;
    gates.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(gates)
}

fn get(session: &dyn Session, name: &str, alias: &str) -> Sql<Option<MetricGate>> {
    session.first(
        "SELECT gate FROM alias_gates WHERE name = ?1 AND alias = ?2",
        values![name, alias],
        |row| row.word(0),
    )
}

/// Refuses the candidate unless its metric passes the alias' gate.
///
/// A bound that is an alias which points nowhere is no bound: somebody has to be the first. A bound whose version lacks
/// the metric lets nobody pass, because nothing can be shown to be better than it.
pub(super) fn check(session: &dyn Session, alias: &str, candidate: &ModelVersion) -> Sql<()> {
    let name = candidate.name.as_str();
    let Some(gate) = get(session, name, alias)? else {
        return Ok(());
    };
    let (bound, held) = match &gate.bound {
        Bound::Value(value) => (Some(*value), None),
        Bound::Alias { alias, offset } => {
            let Some(version) = aliases::target(session, name, alias)? else {
                return Ok(());
            };
            let held = metric(session, &rows::version(session, name, version)?, &gate.metric)?;
            (held.map(|value| value + offset), Some((version, held)))
        }
    };
    let shown = metric(session, candidate, &gate.metric)?;
    if let (Some(value), Some(bound)) = (shown, bound)
        && gate.admits(value, bound)
    {
        return Ok(());
    }
    let has = |version: u32, value: Option<f64>| match value {
        Some(value) => format!("version {version} has {value}"),
        None => format!("version {version} has no {}", gate.metric),
    };
    let mut message = format!(
        "alias '{alias}' of model '{name}' needs {gate}: {}",
        has(candidate.version, shown)
    );
    if let Some((version, held)) = held {
        message.push_str(&format!(", {}", has(version, held)));
    }
    Err(TrackingError::WrongState { message }.into())
}

/// Returns the version's metric: the latest value logged to its logged model, whatever the dataset; without one, the
/// latest in its run.
fn metric(session: &dyn Session, version: &ModelVersion, key: &str) -> Sql<Option<f64>> {
    if let Some(model_id) = &version.model_id {
        let logged = session.first(
            "SELECT is_nan, value FROM logged_model_metrics WHERE model_id = ?1 AND key = ?2
             ORDER BY timestamp_ms DESC, step DESC, run_id, dataset_name, dataset_digest, is_nan DESC, value DESC LIMIT 1",
            values![model_id, key],
            double,
        )?;
        if logged.is_some() {
            return Ok(logged);
        }
    }
    session.first(
        "SELECT latest_is_nan, latest_value FROM curves WHERE run_id = ?1 AND key = ?2",
        values![&version.run_id, key],
        double,
    )
}

/// NaN is stored as a mark and any number.
fn double(row: &dyn Columns) -> Sql<f64> {
    Ok(if row.bool(0)? { f64::NAN } else { row.real(1)? })
}
