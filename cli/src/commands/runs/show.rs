//! `rookery runs show`: everything about one run.

use clap::Args;
use rookery_driver::{INFERENCE_ARTIFACT, LOSS_METRIC};
use rookery_ml::Inference;
use rookery_proto::Failure;
use rookery_tracking::artifacts::ArtifactEntry;
use rookery_tracking::{Metric, MetricHistory, MetricSummary, Run, TrackingStore};

use super::{object, page};
use crate::args::JsonFlag;
use crate::diagnostic::{config, of_tracking};
use crate::output::Output;
use crate::plot::Ink;
use crate::records::{self, OpenRecords};

/// Show one run: parameters, metrics, tags, datasets, models, files and a curve
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The run: its id, the start of it, or its name
    run: String,

    /// The metric whose curve is drawn [default: loss]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,

    /// Draw the curve with plain ASCII characters
    #[arg(long)]
    ascii: bool,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// What is read for one run only.
#[derive(Debug)]
pub(super) struct RunDetails {
    pub(super) summaries: Vec<MetricSummary>,
    pub(super) curve_of: String,
    /// Sorted by step.
    pub(super) curve: Vec<Metric>,
    pub(super) artifacts: Vec<ArtifactEntry>,
    /// How certain the coefficients are, if the run tells.
    pub(super) inference: Option<Inference>,
}

pub(super) async fn show(args: &ShowArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let store = records.store.as_ref();
    let run = records::find_run(store, &args.run).await?;
    let names = records::experiment_names(store).await?;
    let run_id = &run.info.run_id;
    let summaries = store
        .metric_summaries(run_id)
        .await
        .map_err(|e| of_tracking(&e))?;
    if let Some(wanted) = &args.metric {
        check_metric(wanted, &summaries)?;
    }
    let artifacts = records
        .artifacts
        .list_all(&run.info)
        .await
        .map_err(|e| of_tracking(&e))?;
    let curve_of = args.metric.clone().unwrap_or_else(|| LOSS_METRIC.to_string());
    let details = RunDetails {
        curve: curve(store, run_id, &curve_of).await?,
        summaries,
        curve_of,
        inference: inference(records, &run, &artifacts).await?,
        artifacts,
    };
    if output.is_json() {
        output.object(&page::object(object::run(&run, &names), &run, &details));
        return Ok(());
    }
    let ink = if args.ascii { Ink::Ascii } else { Ink::Braille };
    for line in page::page(&run, &names, &details, ink) {
        output.line(&line);
    }
    Ok(())
}

async fn inference(
    records: &OpenRecords,
    run: &Run,
    artifacts: &[ArtifactEntry],
) -> Result<Option<Inference>, Failure> {
    if !artifacts
        .iter()
        .any(|artifact| artifact.path == INFERENCE_ARTIFACT)
    {
        return Ok(None);
    }
    let file = records.artifacts.get(&run.info, INFERENCE_ARTIFACT).await;
    let file = file.map_err(|e| of_tracking(&e))?;
    // Of a newer release, or somebody else's file of that name: the rest of the page is worth showing.
    Ok(serde_json::from_slice(&file).ok())
}

fn check_metric(wanted: &str, summaries: &[MetricSummary]) -> Result<(), Failure> {
    if summaries.iter().any(|summary| summary.key == wanted) {
        return Ok(());
    }
    let names: Vec<&str> = summaries.iter().map(|summary| summary.key.as_str()).collect();
    let hint = match names.is_empty() {
        true => "it has no metrics".to_string(),
        false => format!("it has {}", names.join(", ")),
    };
    Err(config(format!("the run has no metric \"{wanted}\""))
        .at("--metric")
        .hint(hint))
}

async fn curve(store: &dyn TrackingStore, run_id: &str, key: &str) -> Result<Vec<Metric>, Failure> {
    let mut points = Vec::new();
    let mut request = MetricHistory::of(run_id, key);
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
