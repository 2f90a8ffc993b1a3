//! `rookery experiments`: the groups that runs belong to.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use rookery_proto::Failure;
use rookery_tracking::{CreateExperiment, Experiment, TrackingStore};
use serde::Serialize;

use crate::args::{JsonFlag, Places, ViewArgs};
use crate::diagnostic::of_tracking;
use crate::output::Output;
use crate::records::{self, RecordsAt};
use crate::{pairs, table, times};

/// Look at experiments, make, rename and delete them
///
/// NAME is an experiment's name, or its id.
#[derive(Debug, Args)]
pub(crate) struct ExperimentsArgs {
    #[command(subcommand)]
    command: ExperimentsCommand,
}

#[derive(Debug, Subcommand)]
enum ExperimentsCommand {
    /// List experiments, newest first
    List(ListArgs),
    /// Make an experiment
    Create(CreateArgs),
    /// Give an experiment another name
    Rename(RenameArgs),
    /// Delete experiments and their runs; they can be restored
    Delete(NamesArgs),
    /// Restore deleted experiments and their runs
    Restore(NamesArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    view: ViewArgs,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Its name; unique among all experiments, deleted ones included
    name: String,

    /// Set a tag; can be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct RenameArgs {
    /// The experiment: its name or its id
    name: String,

    /// Its new name
    new_name: String,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct NamesArgs {
    /// The experiments: their names or their ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    json: JsonFlag,
}

impl ExperimentsArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            ExperimentsCommand::List(args) => &args.json,
            ExperimentsCommand::Create(args) => &args.json,
            ExperimentsCommand::Rename(args) => &args.json,
            ExperimentsCommand::Delete(args) | ExperimentsCommand::Restore(args) => &args.json,
        }
    }
}

pub(crate) async fn experiments(
    args: ExperimentsArgs,
    places: &Places,
    output: &mut Output,
) -> Result<(), Failure> {
    let at = RecordsAt::of(places)?;
    if let ExperimentsCommand::List(args) = &args.command {
        return list(args, &at, output).await;
    }
    let records = match &args.command {
        ExperimentsCommand::Create(_) => at.open().await?,
        _ => at.open_for_lookup().await?,
    };
    let store = records.store.as_ref();
    match args.command {
        ExperimentsCommand::List(_) => Ok(()),
        ExperimentsCommand::Create(args) => create(args, store, output).await,
        ExperimentsCommand::Rename(args) => rename(&args, store, output).await,
        ExperimentsCommand::Delete(args) => delete(&args.names, store, output).await,
        ExperimentsCommand::Restore(args) => restore(&args.names, store, output).await,
    }
}

async fn list(args: &ListArgs, at: &RecordsAt, output: &Output) -> Result<(), Failure> {
    let Some(records) = at.open_existing().await? else {
        output.note(&format!("no experiments yet in {}", at.place()));
        return Ok(());
    };
    let experiments = records::every_experiment(records.store.as_ref(), args.view.view_type()).await?;
    if output.is_json() {
        for experiment in &experiments {
            output.object(&object(experiment));
        }
        return Ok(());
    }
    let rows = experiments.iter().map(|experiment| {
        vec![
            experiment.experiment_id.clone(),
            experiment.name.clone(),
            experiment.lifecycle_stage.to_string(),
            times::local(experiment.creation_time_ms),
            times::local(experiment.last_update_time_ms),
        ]
    });
    output.line(&table::table(
        &["ID", "NAME", "STAGE", "CREATED", "CHANGED"],
        rows,
    ));
    Ok(())
}

async fn create(args: CreateArgs, store: &dyn TrackingStore, output: &Output) -> Result<(), Failure> {
    let request = CreateExperiment {
        tags: pairs::tags(&args.tags)?,
        ..CreateExperiment::named(args.name)
    };
    let created = store
        .create_experiment(request)
        .await
        .map_err(|e| of_tracking(&e))?;
    tell("experiment_created", &created, output);
    Ok(())
}

async fn rename(args: &RenameArgs, store: &dyn TrackingStore, output: &Output) -> Result<(), Failure> {
    let mut experiment = records::find_experiment(store, &args.name).await?;
    store
        .rename_experiment(&experiment.experiment_id, &args.new_name)
        .await
        .map_err(|e| of_tracking(&e))?;
    experiment.name.clone_from(&args.new_name);
    tell("experiment_renamed", &experiment, output);
    Ok(())
}

async fn delete(names: &[String], store: &dyn TrackingStore, output: &Output) -> Result<(), Failure> {
    for experiment in find(names, store).await? {
        store
            .delete_experiment(&experiment.experiment_id)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell("experiment_deleted", &experiment, output);
    }
    Ok(())
}

async fn restore(names: &[String], store: &dyn TrackingStore, output: &Output) -> Result<(), Failure> {
    for experiment in find(names, store).await? {
        store
            .restore_experiment(&experiment.experiment_id)
            .await
            .map_err(|e| of_tracking(&e))?;
        tell("experiment_restored", &experiment, output);
    }
    Ok(())
}

/// All of them, before any is changed.
async fn find(names: &[String], store: &dyn TrackingStore) -> Result<Vec<Experiment>, Failure> {
    let mut found = Vec::new();
    for name in names {
        found.push(records::find_experiment(store, name).await?);
    }
    Ok(found)
}

/// An experiment as programs read it.
#[derive(Debug, Serialize)]
struct ExperimentObject<'a> {
    event: &'static str,
    experiment_id: &'a str,
    name: &'a str,
    lifecycle_stage: &'static str,
    artifact_location: &'a str,
    creation_time_ms: i64,
    last_update_time_ms: i64,
    tags: BTreeMap<&'a str, &'a str>,
}

/// What a change was done to.
#[derive(Debug, Serialize)]
struct Changed<'a> {
    event: &'static str,
    experiment_id: &'a str,
    name: &'a str,
}

fn object(experiment: &Experiment) -> ExperimentObject<'_> {
    let tags = experiment.tags.iter();
    ExperimentObject {
        event: "experiment",
        experiment_id: &experiment.experiment_id,
        name: &experiment.name,
        lifecycle_stage: experiment.lifecycle_stage.as_str(),
        artifact_location: &experiment.artifact_location,
        creation_time_ms: experiment.creation_time_ms,
        last_update_time_ms: experiment.last_update_time_ms,
        tags: tags.map(|tag| (tag.key.as_str(), tag.value.as_str())).collect(),
    }
}

fn tell(event: &'static str, experiment: &Experiment, output: &Output) {
    let (experiment_id, name) = (experiment.experiment_id.as_str(), experiment.name.as_str());
    if output.is_json() {
        output.object(&Changed {
            event,
            experiment_id,
            name,
        });
        return;
    }
    let did = event.trim_start_matches("experiment_");
    let name = table::printable(name);
    output.line(&format!("{did} experiment {name} (id {experiment_id})"));
}
