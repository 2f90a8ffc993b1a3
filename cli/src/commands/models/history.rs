//! `rookery models history`: who changed what, when and why; and how things stood at a time.

use std::collections::BTreeMap;

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::entities::{JournalEntry, RegistrySnapshot};
use rookery_tracking::{JournalQuery, ModelRegistry};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::diagnostic::{config, of_tracking};
use crate::output::Output;
use crate::records::OpenRecords;
use crate::table::{self, shortened};
use crate::times;

const DEFAULT_MAX: usize = 100;
/// Entries read at a time.
const PAGE: usize = 1000;
/// Longest value in the table; JSON has it all.
const CELL_LENGTH: usize = 60;

/// Show who changed a model, when and why, newest first; or how it stood at a time
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The registered model, by its name now or then
    name: String,

    /// Show versions and aliases as they were at this time: 2026-05-01 (its first moment), 2026-05-01T14:30:00, or
    /// with a zone
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,

    /// At most this many changes [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "as_of", value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

pub(super) async fn history(
    args: &HistoryArgs,
    records: &OpenRecords,
    output: &Output,
) -> Result<(), Failure> {
    let registry = records.registry.as_ref();
    match &args.as_of {
        Some(time) => snapshot(&args.name, time, registry, output).await,
        None => journal(args, registry, output).await,
    }
}

async fn journal(args: &HistoryArgs, registry: &dyn ModelRegistry, output: &Output) -> Result<(), Failure> {
    let max = args.max.map_or(DEFAULT_MAX, |max| max as usize);
    let mut entries: Vec<JournalEntry> = Vec::new();
    let mut page_token = None;
    loop {
        let query = JournalQuery {
            name: Some(args.name.clone()),
            max_results: (max - entries.len()).min(PAGE),
            page_token,
        };
        let page = registry.journal(query).await.map_err(|e| of_tracking(&e))?;
        entries.extend(page.items);
        page_token = page.next_page_token;
        if page_token.is_none() || entries.len() >= max {
            break;
        }
    }
    if entries.is_empty() {
        return Err(config(format!("there never was a model \"{}\"", args.name))
            .hint("`rookery models list` shows what there is"));
    }
    if output.is_json() {
        for entry in &entries {
            output.object(&object(entry));
        }
        return Ok(());
    }
    output.line(&as_table(&entries));
    if page_token.is_some() {
        output.note(&format!("the newest {max} changes; --max N shows more"));
    }
    Ok(())
}

fn as_table(entries: &[JournalEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let text = |value: &Option<String>| value.as_deref().unwrap_or_default().to_string();
        let change = match (&entry.from, &entry.to) {
            (None, None) => String::new(),
            (None, Some(to)) => to.clone(),
            (from, to) => format!("{} → {}", text(from), text(to)).trim_end().to_string(),
        };
        vec![
            times::local(entry.timestamp_ms),
            entry.user.clone(),
            entry.action.as_str().replace('_', " "),
            entry
                .version
                .map_or_else(String::new, |version| version.to_string()),
            entry.subject.clone(),
            shortened(&change, CELL_LENGTH),
            shortened(&entry.reason, CELL_LENGTH),
        ]
    });
    table::table(
        &["WHEN", "WHO", "ACTION", "VERSION", "OF", "CHANGE", "REASON"],
        rows,
    )
}

#[derive(Debug, Serialize)]
struct EntryObject<'a> {
    event: &'static str,
    sequence: i64,
    timestamp_ms: i64,
    user: &'a str,
    reason: &'a str,
    model: &'a str,
    version: Option<u32>,
    action: &'static str,
    subject: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
}

fn object(entry: &JournalEntry) -> EntryObject<'_> {
    EntryObject {
        event: "model_changed",
        sequence: entry.sequence,
        timestamp_ms: entry.timestamp_ms,
        user: &entry.user,
        reason: &entry.reason,
        model: &entry.model,
        version: entry.version,
        action: entry.action.as_str(),
        subject: &entry.subject,
        from: entry.from.as_deref(),
        to: entry.to.as_deref(),
    }
}

#[derive(Debug, Serialize)]
struct SnapshotObject<'a> {
    event: &'static str,
    name: &'a str,
    as_of_ms: i64,
    /// Stages by version.
    versions: BTreeMap<u32, &'static str>,
    aliases: BTreeMap<&'a str, u32>,
}

async fn snapshot(
    name: &str,
    time: &str,
    registry: &dyn ModelRegistry,
    output: &Output,
) -> Result<(), Failure> {
    let as_of_ms = times::parse(time, "--as-of")?;
    let snapshots = registry
        .as_of(Some(name), as_of_ms)
        .await
        .map_err(|e| of_tracking(&e))?;
    let Some(snapshot) = snapshots.first() else {
        let then = times::local(as_of_ms);
        return Err(config(format!("there was no model \"{name}\" at {then}"))
            .at("--as-of")
            .hint(format!("`rookery models history {name}` shows all changes")));
    };
    if output.is_json() {
        let (versions, aliases) = (snapshot.versions.iter(), snapshot.aliases.iter());
        output.object(&SnapshotObject {
            event: "model_as_of",
            name: &snapshot.name,
            as_of_ms,
            versions: versions
                .map(|(version, stage)| (*version, stage.as_str()))
                .collect(),
            aliases: aliases
                .map(|alias| (alias.alias.as_str(), alias.version))
                .collect(),
        });
        return Ok(());
    }
    output.line(&snapshot_page(snapshot, as_of_ms));
    Ok(())
}

fn snapshot_page(snapshot: &RegistrySnapshot, as_of_ms: i64) -> String {
    let title = format!(
        "model {} at {}",
        table::printable(&snapshot.name),
        times::local(as_of_ms)
    );
    if snapshot.versions.is_empty() {
        return format!("{title}: no versions");
    }
    let rows = snapshot.versions.iter().map(|(version, stage)| {
        let here = snapshot.aliases.iter().filter(|alias| alias.version == *version);
        let aliases: Vec<&str> = here.map(|alias| alias.alias.as_str()).collect();
        vec![version.to_string(), stage.to_string(), aliases.join(" ")]
    });
    format!(
        "{title}\n\n{}",
        table::table(&["VERSION", "STAGE", "ALIASES"], rows)
    )
}

#[cfg(test)]
mod tests {
    use rookery_tracking::entities::{Alias, JournalAction, Stage};

    use super::*;

    fn entry(action: JournalAction, subject: &str, from: Option<&str>, to: Option<&str>) -> JournalEntry {
        JournalEntry {
            sequence: 1,
            timestamp_ms: 0,
            user: "ada".into(),
            reason: "better on the ペンギン".into(),
            model: "birds".into(),
            version: Some(2),
            action,
            subject: subject.into(),
            from: from.map(str::to_string),
            to: to.map(str::to_string),
        }
    }

    #[test]
    fn a_change_reads_from_to() {
        let entries = [
            entry(JournalAction::AliasSet, "champion", Some("1"), Some("2")),
            entry(JournalAction::AliasDeleted, "champion", Some("1"), None),
            entry(
                JournalAction::GateSet,
                "champion",
                None,
                Some("accuracy >= champion"),
            ),
            entry(JournalAction::VersionCreated, "", None, None),
        ];
        insta::assert_snapshot!(as_table(&entries).replace(&times::local(0), "SOME-DAY"), @r"
        WHEN                 WHO  ACTION           VERSION  OF        CHANGE                REASON
        SOME-DAY  ada  alias set        2        champion  1 → 2                 better on the ペンギン
        SOME-DAY  ada  alias deleted    2        champion  1 →                   better on the ペンギン
        SOME-DAY  ada  gate set         2        champion  accuracy >= champion  better on the ペンギン
        SOME-DAY  ada  version created  2                                        better on the ペンギン
        ");
    }

    #[test]
    fn a_snapshot_shows_where_aliases_pointed() {
        let snapshot = RegistrySnapshot {
            name: "birds".into(),
            versions: vec![(1, Stage::Production), (2, Stage::None)],
            aliases: vec![Alias {
                alias: "champion".into(),
                version: 1,
            }],
        };
        insta::assert_snapshot!(snapshot_page(&snapshot, 0).replace(&times::local(0), "SOME-DAY"), @r"
        model birds at SOME-DAY

        VERSION  STAGE       ALIASES
        1        Production  champion
        2        None
        ");
    }
}
