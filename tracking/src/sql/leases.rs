//! Who is alive, and what happens to the runs of those who are not.

use super::fault::Sql;
use super::session::{Session, values};
use super::{logging, rules, runs};
use crate::entities::{RunInfo, RunStatus, TAG_END_REASON, Tag};
use crate::store::UpdateRun;
use crate::time::utc;

pub(super) fn renew(session: &dyn Session, owner: &str, until_ms: i64) -> Sql<()> {
    session.execute(
        "INSERT INTO leases (owner, until_ms) VALUES (?1, ?2)
         ON CONFLICT (owner) DO UPDATE SET until_ms = excluded.until_ms",
        values![owner, until_ms],
    )?;
    Ok(())
}

pub(super) fn close_orphans(session: &dyn Session, now_ms: i64) -> Sql<Vec<String>> {
    // Sorted below and not in SQL, which would then walk all runs in order instead of the open ones.
    let sql = format!(
        "SELECT {}, l.until_ms FROM runs AS r LEFT JOIN leases AS l ON l.owner = r.owner
         WHERE r.status IN ('RUNNING', 'SCHEDULED') AND r.owner IS NOT NULL
             AND (l.until_ms IS NULL OR l.until_ms < ?1)",
        runs::COLUMNS
    );
    let orphans = session.all(&sql, values![now_ms], |row| {
        Ok((runs::from_row(row)?, row.opt_int(10)?))
    })?;
    let mut closed = Vec::new();
    for (info, until_ms) in orphans {
        closed.push(close(session, info, until_ms, now_ms)?);
    }
    // An owner without a lease counts as dead just as well: the row has nothing more to say.
    session.execute("DELETE FROM leases WHERE until_ms < ?1", values![now_ms])?;
    closed.sort();
    Ok(closed)
}

fn close(session: &dyn Session, mut info: RunInfo, until_ms: Option<i64>, now_ms: i64) -> Sql<String> {
    let owner = info.owner.as_deref().unwrap_or_default();
    let since = until_ms.map_or_else(String::new, |until_ms| format!(" since {}", utc(until_ms)));
    let reason = Tag::new(
        TAG_END_REASON,
        format!("its driver {owner} gave no sign of life{since}"),
    );
    rules::update(&mut info, UpdateRun::end(RunStatus::Failed, now_ms));
    runs::write_info(session, &info)?;
    logging::set_tags(session, &info.run_id, &[reason])?;
    Ok(info.run_id)
}
