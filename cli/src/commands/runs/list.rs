//! `rookery runs list` and `rookery runs search`: many runs, a line each.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use rookery_driver::LOSS_METRIC;
use rookery_proto::Failure;
use rookery_tracking::{MetricSummary, Run, Search, SearchRuns, TrackingStore};

use super::nesting;
use super::object::{self, Names};
use crate::args::{JsonFlag, ViewArgs};
use crate::diagnostic::of_tracking;
use crate::output::Output;
use crate::records::{self, RecordsAt};
use crate::{table, times};

const DEFAULT_MAX: usize = 100;
/// The most runs the store gives at a time.
const MOST_RUNS: usize = 50_000;

/// List runs, newest first; nested runs stand below their parent
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    shown: ShownArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// Search runs by parameters, metrics, tags and attributes
///
/// The filter is MLflow's: conditions such as "metrics.accuracy > 0.9 and params.maxIter = '5'", joined by AND.
/// Attributes stand alone: "status = 'FINISHED'". `metrics_min.loss` and `metrics_max.loss` are a metric's smallest
/// and largest value.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Which runs, for example "metrics.accuracy > 0.9 and params.maxIter = '5'"
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    /// In which order, for example "metrics.accuracy DESC"; can be repeated
    #[arg(long, value_name = "COLUMN [ASC|DESC]")]
    order_by: Vec<String>,

    #[command(flatten)]
    shown: ShownArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Args)]
struct ShownArgs {
    /// Only runs of this experiment (name or id); can be repeated
    #[arg(long, value_name = "NAME")]
    experiment: Vec<String>,

    /// At most this many [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,

    #[command(flatten)]
    view: ViewArgs,

    /// Show these metrics, a column each
    #[arg(long, value_name = "NAME", num_args = 1..)]
    metric: Vec<String>,

    /// Which value of the metrics to show [default: latest]
    #[arg(long, value_name = "VALUE", requires = "metric")]
    of: Option<Of>,
}

/// One value of a metric's curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    Latest,
    Min,
    Max,
}

impl Of {
    fn value(self, summary: &MetricSummary) -> Option<f64> {
        match self {
            Self::Latest => Some(summary.latest.value),
            Self::Min => summary.min.map(|extreme| extreme.value),
            Self::Max => summary.max.map(|extreme| extreme.value),
        }
    }
}

pub(super) async fn list(args: ListArgs, at: &RecordsAt, output: &Output) -> Result<(), Failure> {
    runs(&args.shown, Search::default(), at, output).await
}

pub(super) async fn search(args: SearchArgs, at: &RecordsAt, output: &Output) -> Result<(), Failure> {
    let search = Search {
        filter: args.filter.unwrap_or_default(),
        order_by: args.order_by,
        ..Search::default()
    };
    runs(&args.shown, search, at, output).await
}

async fn runs(shown: &ShownArgs, mut search: Search, at: &RecordsAt, output: &Output) -> Result<(), Failure> {
    let Some(records) = at.open_existing().await? else {
        output.note(&format!("no runs yet in {}", at.place()));
        return Ok(());
    };
    let store = records.store.as_ref();
    let mut experiments = Vec::new();
    for wanted in &shown.experiment {
        let experiment = records::find_experiment(store, wanted).await;
        experiments.push(
            experiment
                .map_err(|failure| failure.at("--experiment"))?
                .experiment_id,
        );
    }
    // Nesting would tear apart the order that was asked for.
    let nested = search.order_by.is_empty();
    search.max_results = shown.max.map_or(DEFAULT_MAX, |max| (max as usize).min(MOST_RUNS));
    let max_results = search.max_results;
    let request = SearchRuns {
        experiment_ids: (!experiments.is_empty()).then_some(experiments),
        view: shown.view.view_type(),
        search,
    };
    let page = store.search_runs(request).await.map_err(|e| of_tracking(&e))?;
    let chosen = choose(store, &page.items, shown).await?;
    let names = records::experiment_names(store).await?;
    if output.is_json() {
        for run in &page.items {
            let mut object = object::run(run, &names);
            if let Some(metrics) = chosen.get(run.info.run_id.as_str()) {
                object.choose_metrics(&shown.metric, metrics);
            }
            output.object(&object);
        }
        return Ok(());
    }
    let placed = match nested {
        true => nesting::nest(&page.items),
        false => page.items.iter().map(|run| (0, run)).collect(),
    };
    output.line(&as_table(&placed, &names, &shown.metric, &chosen));
    if page.next_page_token.is_some() {
        output.note(&format!("the first {max_results} runs; --max N shows more"));
    }
    Ok(())
}

/// Values of the metrics that were asked for, in their order, by run.
type Chosen = BTreeMap<String, Vec<Option<f64>>>;

async fn choose(store: &dyn TrackingStore, runs: &[Run], shown: &ShownArgs) -> Result<Chosen, Failure> {
    let of = shown.of.unwrap_or(Of::Latest);
    let mut chosen = Chosen::new();
    if shown.metric.is_empty() {
        return Ok(chosen);
    }
    for run in runs {
        let id = &run.info.run_id;
        let values = match of {
            Of::Latest => shown.metric.iter().map(|key| run.metric(key)).collect(),
            Of::Min | Of::Max => {
                let summaries = store.metric_summaries(id).await.map_err(|e| of_tracking(&e))?;
                let value = |key: &String| {
                    let summary = summaries.iter().find(|summary| summary.key == *key)?;
                    of.value(summary)
                };
                shown.metric.iter().map(value).collect()
            }
        };
        chosen.insert(id.clone(), values);
    }
    Ok(chosen)
}

fn as_table(runs: &[(usize, &Run)], names: &Names, metrics: &[String], chosen: &Chosen) -> String {
    let mut header = vec!["RUN ID", "NAME", "EXPERIMENT", "STATUS", "STARTED", "DURATION"];
    match metrics.is_empty() {
        true => header.push("METRICS"),
        false => header.extend(metrics.iter().map(String::as_str)),
    }
    let rows = runs.iter().map(|(depth, run)| {
        let info = &run.info;
        let mut row = vec![
            info.run_id.clone(),
            nesting::indented(*depth, &info.run_name),
            object::experiment(run, names).to_string(),
            object::status(run),
            times::local(info.start_time_ms),
            times::duration(info.start_time_ms, info.end_time_ms),
        ];
        match chosen.get(&info.run_id) {
            None => row.push(metrics_in_short(run)),
            Some(values) => row.extend(
                values
                    .iter()
                    .map(|value| value.map_or_else(|| "-".to_string(), table::number)),
            ),
        }
        row
    });
    table::table(&header, rows)
}

/// What the run was judged by; how the training went is on the run's page.
fn metrics_in_short(run: &Run) -> String {
    let judged = run
        .metrics
        .iter()
        .filter(|metric| metric.key != LOSS_METRIC && metric.key != "gradient_norm");
    judged
        .map(|metric| format!("{}={:.4}", metric.key, metric.value))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::object::samples::{metric, names, run};
    use super::*;

    fn text(runs: &[Run], metrics: &[String], chosen: &Chosen) -> String {
        let text = as_table(&nesting::nest(runs), &names(), metrics, chosen);
        text.replace(&times::local(1_700_000_000_000), "STARTED-AT")
    }

    #[test]
    fn the_table_shows_what_the_run_was_judged_by() {
        let mut child = run("b", "ペンギン");
        child.info.status = rookery_tracking::RunStatus::Failed;
        child.info.lifecycle_stage = rookery_tracking::LifecycleStage::Deleted;
        child.info.end_time_ms = None;
        child.metrics = vec![metric("loss", 0.5, 0)];
        child.tags = vec![rookery_tracking::Tag::new("mlflow.parentRunId", "a")];
        let runs = [child, run("a", "calm-penguin-7")];
        insta::assert_snapshot!(text(&runs, &[], &Chosen::new()), @r"
        RUN ID  NAME            EXPERIMENT  STATUS            STARTED              DURATION  METRICS
        a       calm-penguin-7  penguins    FINISHED          STARTED-AT  1.2 s     accuracy=0.9545
        b       └ ペンギン      penguins    FAILED (deleted)  STARTED-AT  -
        ");
    }

    #[test]
    fn metrics_asked_for_have_columns() {
        let chosen = Chosen::from([
            ("a".into(), vec![Some(0.9545454545454546), None]),
            ("b".into(), vec![Some(f64::NAN), Some(1e-12)]),
        ]);
        let metrics = ["accuracy".to_string(), "loss".to_string()];
        insta::assert_snapshot!(text(&[run("a", "one"), run("b", "two")], &metrics, &chosen), @r"
        RUN ID  NAME  EXPERIMENT  STATUS    STARTED              DURATION  accuracy            loss
        a       one   penguins    FINISHED  STARTED-AT  1.2 s     0.9545454545454546  -
        b       two   penguins    FINISHED  STARTED-AT  1.2 s     NaN                 1e-12
        ");
    }
}
