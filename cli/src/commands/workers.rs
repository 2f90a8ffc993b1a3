//! `rookery workers`: who belongs to a cluster.

use clap::{Args, Subcommand};
use rookery_proto::Failure;

use crate::args::{JsonFlag, Places};
use crate::client::DriverClient;
use crate::cluster_rows::WorkerRow;
use crate::output::Output;
use crate::table;

/// Look at the workers of a cluster, and let them go
#[derive(Debug, Args)]
pub(crate) struct WorkersArgs {
    #[command(subcommand)]
    command: WorkersCommand,
}

#[derive(Debug, Subcommand)]
enum WorkersCommand {
    /// List workers, those that are gone included, each with the reason for its state
    List(ListArgs),
    /// Let workers go when no job needs them any more; what they hold is handed over to the others
    Drain(IdsArgs),
    /// Let workers go at once, and forget those that are lost
    Remove(IdsArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct IdsArgs {
    /// The workers, as `workers list` names them
    #[arg(required = true, value_name = "WORKER")]
    ids: Vec<String>,

    #[command(flatten)]
    json: JsonFlag,
}

impl WorkersArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            WorkersCommand::List(args) => &args.json,
            WorkersCommand::Drain(args) | WorkersCommand::Remove(args) => &args.json,
        }
    }
}

pub(crate) async fn workers(args: WorkersArgs, places: &Places, output: &Output) -> Result<(), Failure> {
    let mut client = DriverClient::of(places)?;
    match args.command {
        WorkersCommand::List(_) => list(&client.cluster().await?.workers, output),
        WorkersCommand::Drain(args) => dismiss(&mut client, &args.ids, false).await?,
        WorkersCommand::Remove(args) => dismiss(&mut client, &args.ids, true).await?,
    }
    Ok(())
}

async fn dismiss(client: &mut DriverClient, ids: &[String], force: bool) -> Result<(), Failure> {
    for id in ids {
        client.dismiss(id, force).await?;
    }
    Ok(())
}

fn list(workers: &[WorkerRow], output: &Output) {
    if output.is_json() {
        return workers.iter().for_each(|worker| output.object(worker));
    }
    if workers.is_empty() {
        return output.note("no worker has joined");
    }
    let rows = workers.iter().map(|worker| {
        vec![
            worker.worker_id.clone(),
            worker.state.to_string(),
            worker.url.clone(),
            worker.threads.to_string(),
            format!("{:.1}", worker.memory_bytes as f64 / 1e6),
            format!("{:.1}", worker.disk_bytes as f64 / 1e6),
            worker.reason.clone(),
        ]
    });
    output.line(&table::table(
        &[
            "WORKER",
            "STATE",
            "URL",
            "THREADS",
            "MEMORY, MB",
            "DISK, MB",
            "REASON",
        ],
        rows,
    ));
}
