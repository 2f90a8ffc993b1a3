//! `rookery runs reproduce`: the recorded job once more, and whether the same came out.

use std::path::{Path, PathBuf};

use clap::Args;
use rookery_driver::{JOB_ARTIFACT, MODEL_ARTIFACT, TAG_BASE_DIR};
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::{Param, Run, RunStatus, Tag, TrackingError};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::cluster::ClusterArgs;
use crate::commands::run;
use crate::diagnostic::{config, internal, of_tracking};
use crate::job_event::JobOutcome;
use crate::job_file::JobFile;
use crate::output::Output;
use crate::records::{self, OpenRecords, RecordsAt};
use crate::report;
use crate::state_dir::StateDir;
use crate::table;

/// The tag that names the run which another one repeats.
const TAG_REPRODUCES: &str = "rookery.reproduces";
const TAG_FINGERPRINT: &str = "rookery.data_fingerprint";
const TAG_COEFFICIENTS: &str = "rookery.coefficients_sha256";
/// Parameters with this start describe what was in the data.
const DATA_PARAMS: &str = "data.";

/// Run a run's job again on this machine, and check that data and model are the same
///
/// The job is the recorded one, all its runs included; the run with the same parameters is compared, down to the bytes
/// of the model. The exit code is 6 if anything differs.
#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    /// The run: its id, the start of it, or its name
    run: String,

    /// Folder that relative paths in the job start from [default: the recorded one]
    #[arg(long, value_name = "DIR")]
    base_dir: Option<PathBuf>,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// One thing that should be equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    what: &'static str,
    recorded: Option<String>,
    reproduced: Option<String>,
    equal: bool,
}

impl Check {
    fn new(what: &'static str, recorded: Option<&str>, reproduced: Option<&str>) -> Self {
        Self {
            what,
            recorded: recorded.map(str::to_string),
            reproduced: reproduced.map(str::to_string),
            // What neither has says nothing.
            equal: recorded.is_some() && recorded == reproduced,
        }
    }

    fn sentence(&self) -> String {
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_string());
        format!(
            "the {} differs: recorded {}, now {}",
            self.what,
            text(&self.recorded),
            text(&self.reproduced)
        )
    }
}

#[derive(Debug, Serialize)]
struct Reproduced<'a> {
    event: &'static str,
    run_id: &'a str,
    reproduction: &'a str,
    equal: bool,
    checks: &'a [Check],
}

pub(super) async fn reproduce(
    args: &ReproduceArgs,
    records: &OpenRecords,
    state: &StateDir,
    output: &mut Output,
) -> Result<(), Failure> {
    let original = records::find_run(records.store.as_ref(), &args.run).await?;
    let model = recorded_model(records, &original).await?;
    let job = recorded_job(args, records, &original).await?;
    let outcome = run::on_own_cluster(&job, &args.cluster, state, output)
        .await
        .unwrap_or_else(|failure| JobOutcome::lost(None, Vec::new(), failure));
    let runs: Vec<String> = outcome.runs.iter().map(|run| run.run_id.clone()).collect();
    report::conclude(outcome, state, output)?;

    // The runs of the new cluster are in the state directory, wherever the original is.
    let here = RecordsAt::StateDir(state.clone()).open().await?;
    let again = counterpart(&here, &original, &runs).await?;
    let tag = Tag::new(TAG_REPRODUCES, &original.info.run_id);
    here.store
        .set_tag(&again.info.run_id, tag)
        .await
        .map_err(|e| of_tracking(&e))?;
    let model_again = recorded_model(&here, &again).await?;
    conclude(
        &original,
        &again,
        &checks(&original, &again, &model, &model_again),
        output,
    )
}

async fn recorded_model(records: &OpenRecords, run: &Run) -> Result<Vec<u8>, Failure> {
    let (name, status) = (&run.info.run_name, run.info.status);
    let nothing = |why: String| config(format!("run {name} can't be reproduced: {why}"));
    if status != RunStatus::Finished {
        return Err(nothing(format!("it is {status}"))
            .hint("only what finished can come out equal; `rookery run` repeats a job"));
    }
    records
        .artifacts
        .get(&run.info, MODEL_ARTIFACT)
        .await
        .map_err(|e| match e {
            TrackingError::ArtifactNotFound { .. } => nothing("it has no model".into())
                .hint("the own run of a job with several trainings has none: reproduce a run nested in it"),
            error => of_tracking(&error),
        })
}

async fn recorded_job(args: &ReproduceArgs, records: &OpenRecords, run: &Run) -> Result<JobFile, Failure> {
    let name = format!("{}/{JOB_ARTIFACT}", run.info.artifact_uri);
    let bytes = records
        .artifacts
        .get(&run.info, JOB_ARTIFACT)
        .await
        .map_err(|e| of_tracking(&e))?;
    let text =
        String::from_utf8(bytes).map_err(|e| internal(format!("the job can't be read: {e}")).at(&name))?;
    let recorded = run.tag(TAG_BASE_DIR).map(PathBuf::from);
    let base_dir = args.base_dir.clone().or(recorded).ok_or_else(|| {
        config("the run does not say from which folder its job's paths start")
            .at(format!("run {}", run.info.run_id))
            .hint("name it with --base-dir DIR")
    })?;
    let base_dir = std::path::absolute(&base_dir)
        .map_err(|e| config(format!("not a usable folder: {e}")).at(base_dir.display().to_string()))?;
    check_folder(&base_dir)?;
    let job = JobFile::of_text(name, text, base_dir)?;
    match &job.spec.tracking_uri {
        None => Ok(job),
        Some(uri) => Err(elsewhere().at(uri.to_string())),
    }
}

fn elsewhere() -> Failure {
    config("the job's new runs are recorded by another server, where they can't be compared")
        .hint("only jobs without tracking.uri, and without MLFLOW_TRACKING_URI, are reproduced")
}

fn check_folder(base_dir: &Path) -> Result<(), Failure> {
    match base_dir.is_dir() {
        true => Ok(()),
        false => Err(config("the folder that the job's paths start from is not there")
            .at(base_dir.display().to_string())
            .hint("name another with --base-dir DIR")),
    }
}

/// The new run with the parameters of the original: one of the same name if there are several.
async fn counterpart(records: &OpenRecords, original: &Run, runs: &[String]) -> Result<Run, Failure> {
    let mut equal = Vec::new();
    for run_id in runs {
        let run = records.store.get_run(run_id).await.map_err(|e| of_tracking(&e))?;
        if same_params(original, &run) {
            equal.push(run);
        }
    }
    let named = equal
        .iter()
        .position(|run| run.info.run_name == original.info.run_name)
        .unwrap_or(0);
    match named < equal.len() {
        true => Ok(equal.swap_remove(named)),
        false => Err(Failure::new(
            ErrorClass::Data,
            format!(
                "none of the job's runs has the parameters of run {}",
                original.info.run_name
            ),
        )),
    }
}

/// Whether two runs had the same settings, whatever their data were.
fn same_params(one: &Run, other: &Run) -> bool {
    let settings = |run: &Run| -> Vec<Param> {
        let params = run.params.iter();
        params
            .filter(|param| !param.key.starts_with(DATA_PARAMS))
            .cloned()
            .collect()
    };
    settings(one) == settings(other)
}

/// Causes before their effects.
fn checks(original: &Run, again: &Run, model: &[u8], model_again: &[u8]) -> [Check; 3] {
    let digest = rookery_tracking::artifacts::sha256_hex;
    let tag = |what, key| Check::new(what, original.tag(key), again.tag(key));
    [
        tag("data fingerprint", TAG_FINGERPRINT),
        tag("coefficients' sha256", TAG_COEFFICIENTS),
        Check::new(
            "model file's sha256",
            Some(&digest(model)),
            Some(&digest(model_again)),
        ),
    ]
}

fn conclude(original: &Run, again: &Run, checks: &[Check], output: &mut Output) -> Result<(), Failure> {
    let different = checks.iter().find(|check| !check.equal);
    if output.is_json() {
        output.object(&Reproduced {
            event: "reproduced",
            run_id: &original.info.run_id,
            reproduction: &again.info.run_id,
            equal: different.is_none(),
            checks,
        });
    } else {
        let rows = checks.iter().map(|check| {
            let verdict = if check.equal { "equal" } else { "DIFFERENT" };
            let recorded = check.recorded.clone().unwrap_or_default();
            vec![check.what.to_string(), verdict.to_string(), recorded]
        });
        output.line("");
        output.line(&table::table(&["REPRODUCED", "", "RECORDED"], rows));
    }
    let Some(different) = different else { return Ok(()) };
    let failure = Failure::new(ErrorClass::Data, different.sentence()).at(format!(
        "run {}, repeated as run {}",
        original.info.run_id, again.info.run_id
    ));
    Err(match different.what {
        "data fingerprint" => failure.hint("the files are not those the run has read"),
        _ => failure.hint("the same data gave another model: compare rookery.version of both runs"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::object::samples::run;
    use super::*;

    fn tagged(run_id: &str, fingerprint: &str, coefficients: &str) -> Run {
        let mut run = run(run_id, run_id);
        run.tags = vec![
            Tag::new(TAG_COEFFICIENTS, coefficients),
            Tag::new(TAG_FINGERPRINT, fingerprint),
        ];
        run
    }

    #[test]
    fn what_differs_first_is_the_reason() {
        let original = tagged("a", "f1", "c1");
        let mut output = Output::new(false);
        let mut failure = |again: &Run, model: &[u8]| {
            let checks = checks(&original, again, b"m", model);
            conclude(&original, again, &checks, &mut output).err()
        };
        assert_eq!(failure(&tagged("b", "f1", "c1"), b"m"), None);
        let data = failure(&tagged("b", "f2", "c2"), b"n").unwrap();
        assert_eq!(data.class, ErrorClass::Data);
        assert_eq!(data.message, "the data fingerprint differs: recorded f1, now f2");
        let model = failure(&tagged("b", "f1", "c1"), b"n").unwrap();
        assert!(
            model.message.starts_with("the model file's sha256 differs"),
            "{model}"
        );
    }

    #[test]
    fn a_run_without_a_fingerprint_is_not_called_equal() {
        let bare = run("a", "a");
        assert!(!checks(&bare, &bare, b"", b"")[0].equal);
    }

    #[test]
    fn other_rows_do_not_make_other_settings() {
        let (one, mut other) = (run("a", "a"), run("b", "b"));
        other.params.push(Param::new("data.rows_read", 7));
        assert!(same_params(&one, &other));
        other.params[0] = Param::new("maxIter", 6);
        assert!(!same_params(&one, &other));
    }
}
