//! `rookery runs tag`, `delete` and `restore`.

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::{LogBatch, Run};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::diagnostic::of_tracking;
use crate::output::Output;
use crate::records::{self, OpenRecords};
use crate::{pairs, table};

/// Set tags of a run, replacing their values, or remove them
#[derive(Debug, Args)]
pub(super) struct TagArgs {
    /// The run: its id, the start of it, or its name
    run: String,

    /// Tags to set
    #[arg(value_name = "KEY=VALUE", required_unless_present = "remove")]
    tags: Vec<String>,

    /// Remove this tag; can be repeated
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// Delete runs; they can be restored
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The runs: their ids, the starts of them, or their names
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// Restore deleted runs
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The runs: their ids, the starts of them, or their names
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Serialize)]
struct Changed<'a> {
    event: &'static str,
    run_id: &'a str,
    run_name: &'a str,
}

fn tell(event: &'static str, run: &Run, output: &Output) {
    let (run_id, run_name) = (run.info.run_id.as_str(), run.info.run_name.as_str());
    if output.is_json() {
        output.object(&Changed {
            event,
            run_id,
            run_name,
        });
        return;
    }
    let did = event.trim_start_matches("run_");
    output.line(&format!("{did} run {} ({run_id})", table::printable(run_name)));
}

pub(super) async fn tag(args: &TagArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let tags = pairs::tags(&args.tags)?;
    let store = records.store.as_ref();
    let run = records::find_run(store, &args.run).await?;
    let run_id = &run.info.run_id;
    if !tags.is_empty() {
        let batch = LogBatch {
            tags,
            ..LogBatch::default()
        };
        store
            .log_batch(run_id, batch)
            .await
            .map_err(|e| of_tracking(&e))?;
    }
    for key in &args.remove {
        store.delete_tag(run_id, key).await.map_err(|e| of_tracking(&e))?;
    }
    tell("run_tagged", &run, output);
    Ok(())
}

pub(super) async fn delete(args: &DeleteArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let store = records.store.as_ref();
    for run in records::find_runs(store, &args.runs).await? {
        store
            .delete_run(&run.info.run_id)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell("run_deleted", &run, output);
    }
    Ok(())
}

pub(super) async fn restore(
    args: &RestoreArgs,
    records: &OpenRecords,
    output: &Output,
) -> Result<(), Failure> {
    let store = records.store.as_ref();
    for run in records::find_runs(store, &args.runs).await? {
        store
            .restore_run(&run.info.run_id)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell("run_restored", &run, output);
    }
    Ok(())
}
