//! Runs as a table, as a page, and as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Local};
use comfy_table::{ContentArrangement, Table, presets};
use rookery_driver::LOSS_METRIC;
use rookery_tracking::artifacts::ArtifactEntry;
use rookery_tracking::{Metric, Run};
use serde::Serialize;

/// Points of a loss curve that a page shows.
const CURVE_POINTS: usize = 20;

/// Names of experiments by id.
type Names = BTreeMap<String, String>;

/// What is read for one run only.
#[derive(Debug)]
pub(super) struct RunDetails {
    pub(super) loss_curve: Vec<Metric>,
    pub(super) artifacts: Vec<ArtifactEntry>,
}

/// One line for each run.
pub(super) fn table(runs: &[Run], names: &Names) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "RUN ID",
        "NAME",
        "EXPERIMENT",
        "STATUS",
        "STARTED",
        "DURATION",
        "METRICS",
    ]);
    for run in runs {
        table.add_row([
            run.info.run_id.clone(),
            run.info.run_name.clone(),
            experiment(run, names).to_string(),
            run.info.status.to_string(),
            local_time(run.info.start_time_ms),
            duration(run),
            metrics_in_short(run),
        ]);
    }
    // The preset puts a space around each cell, the outer ones too.
    let text = table.to_string();
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// Everything about one run.
pub(super) fn page(run: &Run, names: &Names, details: &RunDetails) -> Vec<String> {
    let info = &run.info;
    let mut lines = vec![
        format!("run {} ({})", info.run_name, info.run_id),
        format!("  experiment  {}", experiment(run, names)),
        format!("  status      {}", info.status),
        format!("  started     {}", local_time(info.start_time_ms)),
        format!("  duration    {}", duration(run)),
        format!("  user        {}", info.user_id),
    ];
    let pairs = |pairs: Vec<(&str, String)>| -> Vec<String> {
        let width = pairs
            .iter()
            .map(|(key, _)| key.chars().count())
            .max()
            .unwrap_or(0);
        pairs
            .into_iter()
            .map(|(key, value)| format!("  {key:width$}  {value}"))
            .collect()
    };
    let params = run
        .params
        .iter()
        .map(|param| (param.key.as_str(), param.value.clone()))
        .collect();
    let tags = run
        .tags
        .iter()
        .map(|tag| (tag.key.as_str(), tag.value.clone()))
        .collect();
    section(&mut lines, "params", pairs(params));
    section(
        &mut lines,
        "metrics",
        run.metrics
            .iter()
            .map(|m| format!("  {}: {}", m.key, m.value))
            .collect(),
    );
    section(&mut lines, "tags", pairs(tags));
    section(&mut lines, "loss curve", curve_lines(&details.loss_curve));
    section(
        &mut lines,
        "artifacts",
        details.artifacts.iter().map(artifact_line).collect(),
    );
    lines
}

fn section(lines: &mut Vec<String>, title: &str, content: Vec<String>) {
    if !content.is_empty() {
        lines.extend([String::new(), title.to_string()]);
        lines.extend(content);
    }
}

/// [`CURVE_POINTS`] lines at most, evenly chosen, and the last point.
fn curve_lines(points: &[Metric]) -> Vec<String> {
    let stride = points.len().div_ceil(CURVE_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let chosen = points
        .iter()
        .enumerate()
        .filter(|(i, _)| i % stride == 0 || *i == last);
    let mut lines: Vec<String> = chosen
        .map(|(_, point)| format!("  {:>5}  {}", point.step, point.value))
        .collect();
    if stride > 1 {
        lines.push(format!(
            "  one in {stride} of {} points; --json has them all",
            points.len()
        ));
    }
    lines
}

fn artifact_line(artifact: &ArtifactEntry) -> String {
    match artifact.size_bytes {
        Some(bytes) => format!("  {}  {bytes} bytes", artifact.path),
        None => format!("  {}/", artifact.path),
    }
}

fn experiment<'a>(run: &'a Run, names: &'a Names) -> &'a str {
    names
        .get(&run.info.experiment_id)
        .map_or(run.info.experiment_id.as_str(), String::as_str)
}

fn local_time(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => ms.to_string(),
    }
}

fn duration(run: &Run) -> String {
    match run.info.end_time_ms {
        Some(end) => format!("{:.1} s", (end - run.info.start_time_ms) as f64 / 1000.0),
        None => "-".to_string(),
    }
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

/// A run as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct RunObject<'a> {
    event: &'static str,
    run_id: &'a str,
    run_name: &'a str,
    experiment_id: &'a str,
    experiment: &'a str,
    status: &'static str,
    user: &'a str,
    start_time_ms: i64,
    end_time_ms: Option<i64>,
    params: BTreeMap<&'a str, &'a str>,
    metrics: BTreeMap<&'a str, f64>,
    tags: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss_curve: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts: Option<Vec<&'a str>>,
}

pub(super) fn object<'a>(run: &'a Run, names: &'a Names, details: Option<&'a RunDetails>) -> RunObject<'a> {
    let info = &run.info;
    RunObject {
        event: "run",
        run_id: &info.run_id,
        run_name: &info.run_name,
        experiment_id: &info.experiment_id,
        experiment: experiment(run, names),
        status: info.status.as_str(),
        user: &info.user_id,
        start_time_ms: info.start_time_ms,
        end_time_ms: info.end_time_ms,
        params: run
            .params
            .iter()
            .map(|param| (param.key.as_str(), param.value.as_str()))
            .collect(),
        metrics: run
            .metrics
            .iter()
            .map(|metric| (metric.key.as_str(), metric.value))
            .collect(),
        tags: run
            .tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect(),
        loss_curve: details.map(|details| details.loss_curve.iter().map(|point| point.value).collect()),
        artifacts: details.map(|details| details.artifacts.iter().map(|file| file.path.as_str()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use rookery_tracking::{LifecycleStage, Param, RunInfo, RunStatus, Tag};

    use super::*;

    fn metric(key: &str, value: f64, step: i64) -> Metric {
        Metric {
            key: key.into(),
            value,
            timestamp_ms: 0,
            step,
        }
    }

    fn run() -> Run {
        Run {
            info: RunInfo {
                run_id: "0123456789abcdef0123456789abcdef".into(),
                run_name: "calm-penguin-7".into(),
                experiment_id: "1".into(),
                user_id: "ada".into(),
                status: RunStatus::Finished,
                start_time_ms: 1_700_000_000_000,
                end_time_ms: Some(1_700_000_001_250),
                lifecycle_stage: LifecycleStage::Active,
                artifact_uri: "mlflow-artifacts:/1/0123".into(),
                owner: None,
            },
            metrics: vec![metric("accuracy", 0.9545454545454546, 0), metric("loss", 0.5, 2)],
            params: vec![Param::new("maxIter", 5), Param::new("regParam", 0.5)],
            tags: vec![Tag::new("rookery.converged", false)],
        }
    }

    fn names() -> Names {
        Names::from([("1".to_string(), "penguins".to_string())])
    }

    fn details(points: i64) -> RunDetails {
        let loss_curve = (0..points)
            .map(|step| metric("loss", 1.0 / (step + 1) as f64, step))
            .collect();
        let artifacts = vec![ArtifactEntry {
            path: "model/model.json".into(),
            size_bytes: Some(2048),
        }];
        RunDetails {
            loss_curve,
            artifacts,
        }
    }

    #[test]
    fn a_page_has_every_section() {
        let lines = page(&run(), &names(), &details(3));
        let mut text = lines.join("\n");
        text = text.replace(&local_time(1_700_000_000_000), "TIME");
        insta::assert_snapshot!(text, @r"
        run calm-penguin-7 (0123456789abcdef0123456789abcdef)
          experiment  penguins
          status      FINISHED
          started     TIME
          duration    1.2 s
          user        ada

        params
          maxIter   5
          regParam  0.5

        metrics
          accuracy: 0.9545454545454546
          loss: 0.5

        tags
          rookery.converged  false

        loss curve
              0  1
              1  0.5
              2  0.3333333333333333

        artifacts
          model/model.json  2048 bytes
        ");
    }

    #[test]
    fn a_long_curve_is_thinned_out_but_keeps_its_ends() {
        let lines = curve_lines(&details(101).loss_curve);
        assert_eq!(lines.len(), 19);
        assert!(lines[0].starts_with("      0  1"), "{}", lines[0]);
        assert!(lines[17].starts_with("    100  "), "{}", lines[17]);
        assert_eq!(lines[18], "  one in 6 of 101 points; --json has them all");
    }

    #[test]
    fn the_table_shows_what_the_run_was_judged_by() {
        let text = table(&[run()], &names());
        let last = text.lines().last().unwrap_or_default();
        assert!(
            last.contains("penguins") && last.ends_with("accuracy=0.9545"),
            "{text}"
        );
    }

    #[test]
    fn json_keeps_full_precision() {
        let json = serde_json::to_string(&object(&run(), &names(), Some(&details(1)))).unwrap();
        assert!(
            json.contains(r#""metrics":{"accuracy":0.9545454545454546,"loss":0.5}"#),
            "{json}"
        );
        assert!(
            json.contains(r#""loss_curve":[1.0],"artifacts":["model/model.json"]"#),
            "{json}"
        );
    }
}
