//! What a batch reads, from the flags: a source as in a job file.

use rookery_data::spec::{ByteSize, SourceSpec};
use rookery_driver::{ScoringSpec, job_file};
use rookery_proto::Failure;
use serde::Deserialize;

use super::PredictArgs;
use crate::diagnostic::config;

/// As jobs cut their files.
const PARTITION_BYTES: ByteSize = ByteSize(8 << 20);

/// The flags as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    input: SourceSpec,
    #[serde(default)]
    partition_bytes: Option<ByteSize>,
}

/// # Errors
/// Class config: a key that sources do not have, a value of the wrong type.
pub(super) fn of(args: &PredictArgs, input: &str) -> Result<ScoringSpec, Failure> {
    let assignments: Vec<String> = args
        .set
        .iter()
        .map(|assignment| match assignment.starts_with("partition_bytes") {
            true => assignment.clone(),
            false => format!("input.{assignment}"),
        })
        .collect();
    let path = toml_text(input);
    let text = job_file::apply_overrides(&format!("[input]\npath = {path}\n"), &assignments)?;
    let table: Table = toml::from_str(&text).map_err(|e| {
        config(e.message().trim().replace('\n', ", "))
            .at("--set")
            .hint("the keys are those of a source in docs/job-file.md, and partition_bytes")
    })?;
    Ok(ScoringSpec {
        source: table.input,
        columns: args.columns.clone(),
        partition_bytes: table.partition_bytes.unwrap_or(PARTITION_BYTES),
    })
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}
