//! `rookery models alias`: movable names of versions, and what a version must show to get one.

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::entities::MetricGate;
use serde::Serialize;

use super::ReasonArgs;
use crate::args::JsonFlag;
use crate::diagnostic::{config, of_tracking};
use crate::output::Output;
use crate::records::OpenRecords;
use crate::table;

/// Point an alias at a version, remove it, or guard it with a gate
///
/// With a gate, an alias moves only to versions whose metric passes it. In "accuracy >= champion", champion stands for
/// the version that this alias points at now.
#[derive(Debug, Args)]
pub(super) struct AliasArgs {
    /// The registered model
    name: String,

    /// The alias, such as champion
    alias: String,

    /// The version it shall point at
    #[arg(
        required_unless_present_any = ["remove", "gate", "no_gate"],
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    version: Option<u32>,

    /// Remove the alias; the version stays
    #[arg(long, conflicts_with_all = ["version", "gate"])]
    remove: bool,

    /// Let the alias move only to versions that pass this, for example "accuracy >= 0.95", "accuracy >= champion" or
    /// "loss <= champion + 0.01"
    #[arg(long, value_name = "CONDITION")]
    gate: Option<String>,

    /// Take the alias' gate away
    #[arg(long, conflicts_with = "gate")]
    no_gate: bool,

    #[command(flatten)]
    reason: ReasonArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Default, Serialize)]
struct AliasChanged<'a> {
    event: &'static str,
    name: &'a str,
    alias: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
}

pub(super) async fn alias(args: &AliasArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let gate = args.gate.as_deref().map(str::parse::<MetricGate>).transpose();
    let gate = gate.map_err(|e| of_tracking(&e).at("--gate"))?;
    let registry = records.registry.as_ref();
    let (name, alias, by) = (args.name.as_str(), args.alias.as_str(), args.reason.actor());
    let changed = |event| AliasChanged {
        event,
        name,
        alias,
        ..AliasChanged::default()
    };
    // Removing what is not there is harmless to the store, but a slip of the finger here.
    let model = registry
        .get_registered_model(name)
        .await
        .map_err(|e| of_tracking(&e))?;
    if args.remove && !model.aliases.iter().any(|known| known.alias == alias) {
        return Err(config(format!("{name} has no alias \"{alias}\""))
            .hint(format!("`rookery models show {name}` shows what it has")));
    }
    // A gate that is set together with a version guards this move already.
    if args.no_gate || gate.is_some() {
        registry
            .set_alias_gate(name, alias, gate.clone(), &by)
            .await
            .map_err(|e| of_tracking(&e))?;
        let gate = gate.map(|gate| gate.to_string());
        let text = match &gate {
            Some(gate) => format!("{alias} of {name} moves only where {gate}"),
            None => format!("{alias} of {name} moves freely"),
        };
        let event = if gate.is_some() {
            "gate_set"
        } else {
            "gate_deleted"
        };
        tell(
            &AliasChanged {
                gate,
                ..changed(event)
            },
            &text,
            output,
        );
    }
    if let Some(version) = args.version {
        registry
            .set_alias(name, alias, version, &by)
            .await
            .map_err(|e| of_tracking(&e))?;
        let event = AliasChanged {
            version: Some(version),
            ..changed("alias_set")
        };
        tell(
            &event,
            &format!("{alias} of {name} points at version {version}"),
            output,
        );
    }
    if args.remove {
        registry
            .delete_alias(name, alias, &by)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell(
            &changed("alias_deleted"),
            &format!("{name} has no alias {alias} any more"),
            output,
        );
    }
    Ok(())
}

fn tell(object: &AliasChanged<'_>, text: &str, output: &Output) {
    match output.is_json() {
        true => output.object(object),
        false => output.line(&table::printable(text)),
    }
}
