//! `rookery runs sync`: brings records to the servers they are meant for.

use std::time::Duration;

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::listen;
use crate::output::Output;
use crate::spool::{self, Spool};
use crate::state_dir::StateDir;

/// How long each server is tried, unless told otherwise.
const DEFAULT_WITHIN_S: u64 = 60;

/// Deliver records that other tracking servers could not take yet
///
/// Jobs with `tracking.uri` (or drivers with MLFLOW_TRACKING_URI) write their records to the state directory first; what
/// their server could not take waits there.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// How long to try each server [default: 60]
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Serialize)]
struct SyncObject {
    event: &'static str,
    server: String,
    folder: String,
    waiting: usize,
    rejected: usize,
    reason: Option<String>,
}

pub(super) async fn sync(args: &SyncArgs, state: &StateDir, output: &Output) -> Result<(), Failure> {
    let within = Duration::from_secs(args.within.unwrap_or(DEFAULT_WITHIN_S));
    let mut left_over = Vec::new();
    let mut jobs = 0;
    for server in Spool::new(state).deliver(within).await? {
        for (folder, pending) in server.jobs {
            jobs += 1;
            if output.is_json() {
                output.object(&SyncObject {
                    event: "spool",
                    server: listen::display(&server.uri).to_string(),
                    folder: folder.display().to_string(),
                    waiting: pending.operations,
                    rejected: pending.rejected,
                    reason: pending.last_error.clone(),
                });
            }
            left_over.extend(spool::left(&server.uri, &folder, &pending));
        }
    }
    match left_over.is_empty() {
        true if output.is_json() => Ok(()),
        true if jobs == 0 => {
            output.line("nothing waits");
            Ok(())
        }
        true => {
            output.line(&format!(
                "delivered what was left of {jobs} job{}",
                if jobs == 1 { "" } else { "s" }
            ));
            Ok(())
        }
        false => Err(Failure::new(ErrorClass::Unreachable, left_over.join("; "))),
    }
}
