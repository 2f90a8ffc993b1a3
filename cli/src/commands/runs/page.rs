//! One run as a page of text, and as one JSON object.

use std::collections::BTreeMap;

use rookery_ml::Inference;
use rookery_tracking::artifacts::ArtifactEntry;
use rookery_tracking::entities::Extreme;
use rookery_tracking::{DatasetInput, MetricSummary, Run};
use serde::Serialize;

use super::coefficients::coefficients;
use super::object::{self, Names, Number, RunObject};
use super::show::RunDetails;
use crate::plot::{self, Ink};
use crate::table::{indented, number, pairs, printable, section, shortened};
use crate::times;

/// Longest tag on the page; JSON has it all.
const TAG_LENGTH: usize = 120;
/// The tag that says what a run used a dataset for.
const DATASET_CONTEXT: &str = "mlflow.data.context";

/// Everything about one run.
pub(super) fn page(run: &Run, names: &Names, details: &RunDetails, ink: Ink) -> Vec<String> {
    let info = &run.info;
    let mut lines = vec![format!("run {} ({})", printable(&info.run_name), info.run_id)];
    lines.extend(pairs([
        ("experiment", object::experiment(run, names).to_string()),
        ("status", object::status(run)),
        ("started", times::local(info.start_time_ms)),
        ("duration", times::duration(info.start_time_ms, info.end_time_ms)),
        ("user", info.user_id.clone()),
        ("files", info.artifact_uri.clone()),
    ]));
    let params = run
        .params
        .iter()
        .map(|param| (param.key.as_str(), param.value.clone()));
    let tags = run
        .tags
        .iter()
        .map(|tag| (tag.key.as_str(), shortened(&tag.value, TAG_LENGTH)));
    section(&mut lines, "params", pairs(params));
    section(&mut lines, "metrics", metrics(&details.summaries));
    let inference = details.inference.as_ref();
    section(
        &mut lines,
        "coefficients",
        inference.map(coefficients).unwrap_or_default(),
    );
    section(&mut lines, "tags", pairs(tags));
    section(&mut lines, "datasets", datasets(&run.dataset_inputs));
    section(&mut lines, "models", models(run));
    let artifacts = details.artifacts.iter().map(artifact).collect();
    section(&mut lines, "artifacts", artifacts);
    section(
        &mut lines,
        &format!("{} curve", printable(&details.curve_of)),
        curve(details, ink),
    );
    lines
}

/// A metric of one point has no extremes worth a column.
fn metrics(summaries: &[MetricSummary]) -> Vec<String> {
    if summaries.is_empty() {
        return Vec::new();
    }
    let extreme = |summary: &MetricSummary, extreme: Option<Extreme>| match extreme {
        Some(extreme) if summary.count > 1 => format!("{} (step {})", number(extreme.value), extreme.step),
        _ => String::new(),
    };
    let rows = summaries.iter().map(|summary| {
        vec![
            summary.key.clone(),
            number(summary.latest.value),
            extreme(summary, summary.min),
            extreme(summary, summary.max),
        ]
    });
    indented(&["NAME", "LATEST", "MIN", "MAX"], rows)
}

fn datasets(inputs: &[DatasetInput]) -> Vec<String> {
    if inputs.is_empty() {
        return Vec::new();
    }
    let rows = inputs.iter().map(|input| {
        let dataset = &input.dataset;
        vec![
            dataset.id.name.clone(),
            dataset.id.digest.clone(),
            context(input).unwrap_or("-").to_string(),
            dataset.source.clone(),
        ]
    });
    indented(&["NAME", "DIGEST", "FOR", "SOURCE"], rows)
}

fn context(input: &DatasetInput) -> Option<&str> {
    let tag = input.tags.iter().find(|tag| tag.key == DATASET_CONTEXT)?;
    Some(&tag.value)
}

fn models(run: &Run) -> Vec<String> {
    let used = run
        .model_inputs
        .iter()
        .map(|input| ("in", input.model_id.clone()));
    let made = run
        .model_outputs
        .iter()
        .map(|output| ("out", format!("{} (step {})", output.model_id, output.step)));
    pairs(used.chain(made))
}

fn artifact(artifact: &ArtifactEntry) -> String {
    let path = printable(&artifact.path);
    match artifact.size_bytes {
        Some(bytes) => format!("  {path}  {bytes} bytes"),
        None => format!("  {path}/"),
    }
}

fn curve(details: &RunDetails, ink: Ink) -> Vec<String> {
    let points: Vec<(i64, f64)> = details
        .curve
        .iter()
        .map(|point| (point.step, point.value))
        .collect();
    let lines = plot::curve(&points, ink);
    lines.iter().map(|line| format!("  {line}")).collect()
}

/// One run as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct RunPage<'a> {
    #[serde(flatten)]
    run: RunObject<'a>,
    artifact_uri: &'a str,
    metric_summaries: BTreeMap<&'a str, Summary>,
    datasets: Vec<DatasetObject<'a>>,
    models_in: Vec<&'a str>,
    models_out: Vec<&'a str>,
    artifacts: Vec<&'a str>,
    curve: Curve<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inference: Option<&'a Inference>,
}

#[derive(Debug, Serialize)]
struct Summary {
    count: u64,
    latest: Point,
    min: Option<Point>,
    max: Option<Point>,
}

#[derive(Debug, Serialize)]
struct Point {
    step: i64,
    value: Number,
}

#[derive(Debug, Serialize)]
struct DatasetObject<'a> {
    name: &'a str,
    digest: &'a str,
    context: Option<&'a str>,
    source_type: &'a str,
    source: &'a str,
}

#[derive(Debug, Serialize)]
struct Curve<'a> {
    metric: &'a str,
    points: Vec<Point>,
}

pub(super) fn object<'a>(object: RunObject<'a>, run: &'a Run, details: &'a RunDetails) -> RunPage<'a> {
    RunPage {
        run: object,
        artifact_uri: &run.info.artifact_uri,
        metric_summaries: details
            .summaries
            .iter()
            .map(|summary| (summary.key.as_str(), Summary::of(summary)))
            .collect(),
        datasets: run
            .dataset_inputs
            .iter()
            .map(|input| DatasetObject {
                name: &input.dataset.id.name,
                digest: &input.dataset.id.digest,
                context: context(input),
                source_type: &input.dataset.source_type,
                source: &input.dataset.source,
            })
            .collect(),
        models_in: run
            .model_inputs
            .iter()
            .map(|input| input.model_id.as_str())
            .collect(),
        models_out: run
            .model_outputs
            .iter()
            .map(|output| output.model_id.as_str())
            .collect(),
        artifacts: details.artifacts.iter().map(|file| file.path.as_str()).collect(),
        curve: Curve {
            metric: &details.curve_of,
            points: details
                .curve
                .iter()
                .map(|point| Point {
                    step: point.step,
                    value: Number(point.value),
                })
                .collect(),
        },
        inference: details.inference.as_ref(),
    }
}

impl Summary {
    fn of(summary: &MetricSummary) -> Self {
        let extreme = |extreme: Extreme| Point {
            step: extreme.step,
            value: Number(extreme.value),
        };
        Self {
            count: summary.count,
            latest: Point {
                step: summary.latest.step,
                value: Number(summary.latest.value),
            },
            min: summary.min.map(extreme),
            max: summary.max.map(extreme),
        }
    }
}

#[cfg(test)]
mod tests {
    use rookery_tracking::entities::ModelInput;
    use rookery_tracking::{Dataset, DatasetId, ModelOutput, Tag};

    use super::super::object::samples::{metric, names, run};
    use super::*;

    fn summary(key: &str, values: &[f64]) -> MetricSummary {
        let extreme = |step: usize| {
            Some(Extreme {
                value: values[step],
                step: step as i64,
            })
        };
        let last = values.len() - 1;
        MetricSummary {
            key: key.into(),
            count: values.len() as u64,
            latest: metric(key, values[last], last as i64),
            min: extreme(last),
            max: extreme(0),
        }
    }

    fn sample() -> (Run, RunDetails) {
        let mut run = run("0123456789abcdef0123456789abcdef", "calm-penguin-7");
        run.dataset_inputs = vec![DatasetInput {
            dataset: Dataset {
                id: DatasetId {
                    name: "ペンギン".into(),
                    digest: "d1".into(),
                },
                source_type: "local".into(),
                source: "penguins.csv".into(),
                schema: None,
                profile: None,
            },
            tags: vec![Tag::new(DATASET_CONTEXT, "training")],
        }];
        run.model_inputs = vec![ModelInput {
            model_id: "m-1".into(),
        }];
        run.model_outputs = vec![ModelOutput {
            model_id: "m-2".into(),
            step: 3,
        }];
        let losses = [1.0, 0.7, 0.5];
        let details = RunDetails {
            summaries: vec![
                summary("accuracy", &[0.9545454545454546]),
                summary("loss", &losses),
            ],
            curve_of: "loss".into(),
            curve: losses
                .iter()
                .zip(0..)
                .map(|(loss, step)| metric("loss", *loss, step))
                .collect(),
            inference: None,
            artifacts: vec![ArtifactEntry {
                path: "model/model.json".into(),
                size_bytes: Some(2048),
            }],
        };
        (run, details)
    }

    #[test]
    fn a_page_has_every_section() {
        let (run, details) = sample();
        let text = page(&run, &names(), &details, Ink::Ascii).join("\n");
        insta::assert_snapshot!(text.replace(&times::local(1_700_000_000_000), "TIME"), @r"
        run calm-penguin-7 (0123456789abcdef0123456789abcdef)
          experiment  penguins
          status      FINISHED
          started     TIME
          duration    1.2 s
          user        ada
          files       mlflow-artifacts:/1/0123456789abcdef0123456789abcdef/artifacts

        params
          maxIter   5
          regParam  0.5

        metrics
          NAME      LATEST              MIN           MAX
          accuracy  0.9545454545454546
          loss      0.5                 0.5 (step 2)  1 (step 0)

        tags
          rookery.converged  false

        datasets
          NAME      DIGEST  FOR       SOURCE
          ペンギン  d1      training  penguins.csv

        models
          in   m-1
          out  m-2 (step 3)

        artifacts
          model/model.json  2048 bytes

        loss curve
             1 +***
               |   ******
               |         *****
               |              ******
               |                    *****
          0.75 +                         ******
               |                              *********
               |                                       ********
               |                                               ********
           0.5 +                                                       *****
               +------------------------------------------------------------
                step 0                                                     2
        ");
    }

    #[test]
    fn json_has_it_all() {
        let (run, details) = sample();
        let names = names();
        let page = object(object::run(&run, &names), &run, &details);
        let json = serde_json::to_string(&page).unwrap();
        for expected in [
            r#""loss":{"count":3,"latest":{"step":2,"value":0.5},"min":{"step":2,"value":0.5},"max":{"step":0,"value":1.0}}"#,
            r#""datasets":[{"name":"ペンギン","digest":"d1","context":"training","source_type":"local","source":"penguins.csv"}]"#,
            r#""models_in":["m-1"],"models_out":["m-2"],"artifacts":["model/model.json"]"#,
            r#""curve":{"metric":"loss","points":[{"step":0,"value":1.0}"#,
        ] {
            assert!(json.contains(expected), "{expected}\n{json}");
        }
    }
}
