//! `rookery models register`: a run's model becomes a version of a registered model.

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::{CreateModelVersion, CreateRegisteredModel, ModelVersion, Run, Tag, TrackingError};
use serde::Serialize;

use super::ReasonArgs;
use crate::args::JsonFlag;
use crate::diagnostic::{config, of_tracking};
use crate::output::Output;
use crate::records::{self, ModelUri, OpenRecords};
use crate::{pairs, table};

/// The folder of a run's model among its artifacts.
const MODEL_FOLDER: &str = "model";

/// Register a run's model: it becomes the next version of NAME
///
/// NAME is made if there is none.
#[derive(Debug, Args)]
#[command(override_usage = "rookery models register [OPTIONS] <RUN> <NAME>\n       \
                            rookery models register [OPTIONS] --model <URI> <NAME>")]
pub(super) struct RegisterArgs {
    /// The run (its id, the start of it, or its name) and the name to register its model under
    #[arg(required = true, num_args = 1..=2, value_names = ["RUN", "NAME"])]
    words: Vec<String>,

    /// The model, instead of the run: runs:/RUN/model
    #[arg(long, value_name = "URI")]
    model: Option<String>,

    /// What the version is about
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Set a tag of the version; can be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    #[command(flatten)]
    reason: ReasonArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

impl RegisterArgs {
    /// The run and the name.
    fn what(&self) -> Result<(String, &str), Failure> {
        match (&self.model, &self.words[..]) {
            (None, [run, name]) if run.starts_with("runs:/") => Ok((run_of(run)?, name)),
            (None, [run, name]) => Ok((run.clone(), name)),
            (Some(uri), [name]) => Ok((run_of(uri)?, name)),
            (None, _) => Err(config("a run or --model is missing")
                .hint("rookery models register RUN NAME, or --model runs:/RUN/model NAME")),
            (Some(_), _) => Err(config("both a run and --model name a model").hint("leave one of them out")),
        }
    }
}

fn run_of(uri: &str) -> Result<String, Failure> {
    match ModelUri::parse(uri)? {
        ModelUri::Run(run) => Ok(run),
        ModelUri::Version { .. } | ModelUri::Alias { .. } => {
            Err(config(format!("\"{uri}\" is registered already"))
                .at("--model")
                .hint("expected runs:/RUN/model"))
        }
    }
}

#[derive(Debug, Serialize)]
struct Registered<'a> {
    event: &'static str,
    name: &'a str,
    version: u32,
    source: &'a str,
    run_id: &'a str,
    model_id: Option<&'a str>,
}

pub(super) async fn register(
    args: &RegisterArgs,
    records: &OpenRecords,
    output: &Output,
) -> Result<(), Failure> {
    let (wanted, name) = args.what()?;
    let tags = pairs::tags(&args.tags)?;
    let run = records::find_run(records.store.as_ref(), &wanted).await?;
    check_model(records, &run).await?;
    let version = add(args, records, &run, name, tags).await?;
    if output.is_json() {
        output.object(&Registered {
            event: "model_registered",
            name: &version.name,
            version: version.version,
            source: &version.source,
            run_id: &version.run_id,
            model_id: version.model_id.as_deref(),
        });
        return Ok(());
    }
    let (name, version) = (table::printable(&version.name), version.version);
    output.line(&format!(
        "registered version {version} of {name}: models:/{name}/{version}"
    ));
    Ok(())
}

async fn check_model(records: &OpenRecords, run: &Run) -> Result<(), Failure> {
    let files = records
        .artifacts
        .list(&run.info, MODEL_FOLDER)
        .await
        .map_err(|e| of_tracking(&e))?;
    match files.is_empty() {
        false => Ok(()),
        true => Err(config(format!(
            "run {} ({}) has no model",
            run.info.run_name, run.info.status
        ))
        .at(format!("{}/{MODEL_FOLDER}", run.info.artifact_uri))),
    }
}

async fn add(
    args: &RegisterArgs,
    records: &OpenRecords,
    run: &Run,
    name: &str,
    tags: Vec<Tag>,
) -> Result<ModelVersion, Failure> {
    let by = args.reason.actor();
    let model = CreateRegisteredModel {
        name: name.to_string(),
        ..CreateRegisteredModel::default()
    };
    match records.registry.create_registered_model(model, &by).await {
        Ok(_) | Err(TrackingError::Exists { .. }) => {}
        Err(error) => return Err(of_tracking(&error)),
    }
    // A version of a logged model must be made from that model's own files.
    let (source, model_id) = match &run.model_outputs[..] {
        [only] => (format!("models:/{}", only.model_id), Some(only.model_id.clone())),
        _ => (format!("{}/{MODEL_FOLDER}", run.info.artifact_uri), None),
    };
    let version = CreateModelVersion {
        name: name.to_string(),
        source,
        run_id: run.info.run_id.clone(),
        model_id,
        run_link: String::new(),
        description: args.description.clone().unwrap_or_default(),
        tags,
    };
    records
        .registry
        .create_model_version(version, &by)
        .await
        .map_err(|e| of_tracking(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str], model: Option<&str>) -> RegisterArgs {
        RegisterArgs {
            words: words.iter().map(ToString::to_string).collect(),
            model: model.map(str::to_string),
            description: None,
            tags: Vec::new(),
            reason: ReasonArgs { reason: None },
            json: JsonFlag::default(),
        }
    }

    #[test]
    fn a_model_is_named_by_its_run_or_by_a_uri() {
        for args in [
            args(&["abc", "birds"], None),
            args(&["runs:/abc/model", "birds"], None),
            args(&["birds"], Some("runs:/abc")),
        ] {
            assert_eq!(args.what().unwrap(), ("abc".to_string(), "birds"), "{args:?}");
        }
        for args in [
            args(&["birds"], None),
            args(&["abc", "birds"], Some("runs:/abc")),
            args(&["birds"], Some("models:/birds/1")),
        ] {
            assert!(args.what().is_err(), "{args:?}");
        }
    }
}
