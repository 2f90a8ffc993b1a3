//! The journal: who changed what, when and why. Each change writes its line in its own transaction.

use super::lives::Lives;
use super::{Change, rows};
use crate::entities::{JournalAction, JournalEntry};
use crate::error::TrackingError;
use crate::page::Page;
use crate::sql::fault::Sql;
use crate::sql::session::{Columns, Session, values};

/// The columns that [`entry`] reads.
pub(super) const COLUMNS: &str =
    "sequence, timestamp_ms, user_id, reason, model, version, action, subject, from_value, to_value";

/// What a change says about itself; time, user and reason come with the [`Change`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) model: &'a str,
    pub(super) version: Option<u32>,
    pub(super) action: JournalAction,
    pub(super) subject: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(super) fn of_model(model: &'a str, action: JournalAction) -> Self {
        Line {
            model,
            version: None,
            action,
            subject: "",
            from: None,
            to: None,
        }
    }

    pub(super) fn of_version(model: &'a str, version: u32, action: JournalAction) -> Self {
        Line {
            version: Some(version),
            ..Line::of_model(model, action)
        }
    }
}

impl Change<'_> {
    /// Adds a line to the journal.
    pub(super) fn note(&self, line: Line<'_>) -> Sql<()> {
        self.session.execute(
            "INSERT INTO journal
             (timestamp_ms, user_id, reason, model, version, action, subject, from_value, to_value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            values![
                self.now_ms,
                &self.by.user,
                &self.by.reason,
                line.model,
                line.version,
                line.action.as_str(),
                line.subject,
                line.from,
                line.to,
            ],
        )?;
        Ok(())
    }
}

pub(super) fn entry(row: &dyn Columns) -> Sql<JournalEntry> {
    Ok(JournalEntry {
        sequence: row.int(0)?,
        timestamp_ms: row.int(1)?,
        user: row.text(2)?,
        reason: row.text(3)?,
        model: row.text(4)?,
        version: row.opt_int(5)?.map(rows::number).transpose()?,
        action: row.word(6)?,
        subject: row.text(7)?,
        from: row.opt_text(8)?,
        to: row.opt_text(9)?,
    })
}

/// Returns the number that a page's token names: the page goes on before this line.
pub(super) fn parse_token(token: Option<&str>) -> Result<i64, TrackingError> {
    token.map_or(Ok(i64::MAX), |token| {
        token.parse().map_err(|_| {
            TrackingError::rejected(format!(
                "Invalid page token: {token:?} was not made by this listing"
            ))
        })
    })
}

/// Returns the lines before one, newest first: of the whole registry, or of the models [known](Lives::known_as) by a
/// name.
pub(super) fn page(
    session: &dyn Session,
    name: Option<&str>,
    before: i64,
    max_results: usize,
) -> Sql<Page<JournalEntry>> {
    let limit = i64::try_from(max_results).unwrap_or(i64::MAX).saturating_add(1);
    let mut entries = Vec::new();
    match name {
        None => {
            let sql =
                format!("SELECT {COLUMNS} FROM journal WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2");
            entries = session.all(&sql, values![before, limit], entry)?;
        }
        Some(name) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM journal WHERE model = ?1 AND sequence >= ?2 AND sequence <= ?3 AND sequence < ?4
                 ORDER BY sequence DESC LIMIT ?5"
            );
            let stretches = Lives::read(session, i64::MAX)?.known_as(name);
            if stretches.is_empty() {
                return Err(rows::model_not_found(name).into());
            }
            for stretch in stretches {
                let bounds = values![&stretch.name, stretch.first, stretch.last, before, limit];
                entries.extend(session.all(&sql, bounds, entry)?);
            }
            // Two models that had the name one after the other may have lived side by side before.
            entries.sort_by_key(|entry| -entry.sequence);
        }
    }
    let token_after = |entry: &JournalEntry| entry.sequence.to_string();
    Ok(Page::from_lookahead(entries, max_results, token_after))
}
