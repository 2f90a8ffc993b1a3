//! `rookery runs`: what the state directory remembers.

use clap::{Args, Subcommand};
use rookery_driver::{LOSS_METRIC, Records};
use rookery_proto::Failure;
use rookery_tracking::{ListRuns, Metric, MetricHistory, Run, TrackingStore};

use crate::args::{JsonFlag, Places};
use crate::diagnostic::{config, of_tracking};
use crate::output::Output;
use crate::records;

mod render;

use render::RunDetails;

const DEFAULT_MAX: usize = 100;
/// The most runs the store gives at a time.
const MOST_RUNS: usize = 50_000;

/// Look at recorded runs
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// List runs, newest first
    List(ListArgs),
    /// Show one run: parameters, metrics, tags, loss curve and files
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only runs of this experiment
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,

    /// At most this many [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The run: its id, the start of it, or its name
    run: String,

    #[command(flatten)]
    json: JsonFlag,
}

impl RunsArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            RunsCommand::List(args) => &args.json,
            RunsCommand::Show(args) => &args.json,
        }
    }
}

pub(crate) async fn runs(args: RunsArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = places.state_dir()?;
    let records = records::open_existing(&state).await?;
    match (args.command, records) {
        (RunsCommand::List(args), Some(records)) => list(&args, records.store.as_ref(), output).await,
        (RunsCommand::Show(args), Some(records)) => show(&args.run, &records, output).await,
        (RunsCommand::List(_), None) => {
            output.note(&format!("no runs yet in {}", state.path().display()));
            Ok(())
        }
        (RunsCommand::Show(_), None) => Err(config("there are no runs yet")
            .at(state.path().display().to_string())
            .hint("`rookery run JOB` makes some")),
    }
}

async fn list(args: &ListArgs, store: &dyn TrackingStore, output: &Output) -> Result<(), Failure> {
    let names = records::experiment_names(store).await?;
    let experiment_ids = match &args.experiment {
        None => Vec::new(),
        Some(wanted) => {
            let id = names
                .iter()
                .find(|(_, name)| *name == wanted)
                .map(|(id, _)| id.clone());
            vec![id.ok_or_else(|| unknown_experiment(wanted, names.values()))?]
        }
    };
    let max_results = args.max.map_or(DEFAULT_MAX, |max| (max as usize).min(MOST_RUNS));
    let request = ListRuns {
        experiment_ids,
        max_results,
        ..ListRuns::default()
    };
    let page = store.list_runs(request).await.map_err(|e| of_tracking(&e))?;
    if output.is_json() {
        for run in &page.items {
            output.object(&render::object(run, &names, None));
        }
        return Ok(());
    }
    output.line(&render::table(&page.items, &names));
    if page.next_page_token.is_some() {
        output.note(&format!("the newest {max_results} runs; --max N shows more"));
    }
    Ok(())
}

fn unknown_experiment<'a>(wanted: &str, names: impl Iterator<Item = &'a String>) -> Failure {
    let names: Vec<&str> = names.map(String::as_str).collect();
    config(format!("there is no experiment \"{wanted}\""))
        .at("--experiment")
        .hint(format!("experiments: {}", names.join(", ")))
}

async fn show(wanted: &str, records: &Records, output: &Output) -> Result<(), Failure> {
    let store = records.store.as_ref();
    let run = records::find_run(store, wanted).await?;
    let names = records::experiment_names(store).await?;
    let artifacts = records
        .artifacts
        .list_all(&run.info)
        .await
        .map_err(|e| of_tracking(&e))?;
    let details = RunDetails {
        loss_curve: loss_curve(store, &run).await?,
        artifacts,
    };
    if output.is_json() {
        output.object(&render::object(&run, &names, Some(&details)));
        return Ok(());
    }
    for line in render::page(&run, &names, &details) {
        output.line(&line);
    }
    Ok(())
}

async fn loss_curve(store: &dyn TrackingStore, run: &Run) -> Result<Vec<Metric>, Failure> {
    let mut points = Vec::new();
    let mut request = MetricHistory::of(run.info.run_id.clone(), LOSS_METRIC);
    loop {
        let page = store
            .metric_history(request.clone())
            .await
            .map_err(|e| of_tracking(&e))?;
        points.extend(page.items);
        request.page_token = page.next_page_token;
        if request.page_token.is_none() {
            break;
        }
    }
    points.sort_by_key(|point| point.step);
    Ok(points)
}
