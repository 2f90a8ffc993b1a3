//! `rookery models delete`: a registered model, or some of its versions.

use clap::Args;
use rookery_proto::Failure;
use serde::Serialize;

use super::ReasonArgs;
use crate::args::JsonFlag;
use crate::diagnostic::of_tracking;
use crate::output::Output;
use crate::records::OpenRecords;
use crate::table;

/// Delete a registered model with all its versions, or single versions of it
///
/// Runs and their files stay, and so does the model's history.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The registered model
    name: String,

    /// Delete only this version, and the aliases that point at it; can be repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Vec<u32>,

    #[command(flatten)]
    reason: ReasonArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Serialize)]
struct Deleted<'a> {
    event: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

pub(super) async fn delete(args: &DeleteArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let (name, by) = (args.name.as_str(), args.reason.actor());
    if args.version.is_empty() {
        records
            .registry
            .delete_registered_model(name, &by)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell(name, None, output);
    }
    for version in &args.version {
        records
            .registry
            .delete_model_version(name, *version, &by)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell(name, Some(*version), output);
    }
    Ok(())
}

fn tell(name: &str, version: Option<u32>, output: &Output) {
    if output.is_json() {
        let event = match version {
            Some(_) => "version_deleted",
            None => "model_deleted",
        };
        output.object(&Deleted { event, name, version });
        return;
    }
    let name = table::printable(name);
    output.line(&match version {
        Some(version) => format!("deleted version {version} of {name}"),
        None => format!("deleted model {name}"),
    });
}
