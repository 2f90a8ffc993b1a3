//! `rookery runs compare`: in what runs differ.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::Run;
use serde::Serialize;

use super::object::Number;
use crate::args::JsonFlag;
use crate::output::Output;
use crate::records::{self, OpenRecords};
use crate::table::{self, shortened};

/// Longest value in the table; JSON has it all.
const CELL_LENGTH: usize = 48;
/// What stands where a run has no such value.
const MISSING: &str = "-";

/// Compare runs: the parameters in which they differ, and their metrics
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The runs: their ids, the starts of them, or their names
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<String>,

    /// Show parameters that are equal too, and the tags
    #[arg(long)]
    all: bool,

    /// A row for each run
    #[arg(long)]
    transpose: bool,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// What a value belongs to. A column of it in MLflow's filters is `kind.key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Params,
    Metrics,
    Tags,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Metrics => "metrics",
            Self::Tags => "tags",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(&'a str),
    Number(Number),
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => shortened(text, CELL_LENGTH),
            Self::Number(Number(number)) => table::number(*number),
        }
    }
}

/// One parameter, metric or tag of all runs.
#[derive(Debug, PartialEq)]
struct Row<'a> {
    kind: Kind,
    key: &'a str,
    values: Vec<Option<Value<'a>>>,
}

impl Row<'_> {
    fn differs(&self) -> bool {
        // Two of a run's numbers that are no numbers are equal here.
        let text = |value: &Option<Value<'_>>| match value {
            Some(Value::Number(Number(number))) => Some(number.to_string()),
            Some(Value::Text(text)) => Some((*text).to_string()),
            None => None,
        };
        self.values
            .windows(2)
            .any(|pair| text(&pair[0]) != text(&pair[1]))
    }
}

pub(super) async fn compare(
    args: &CompareArgs,
    records: &OpenRecords,
    output: &Output,
) -> Result<(), Failure> {
    let runs = records::find_runs(records.store.as_ref(), &args.runs).await?;
    let rows = rows(&runs, args.all);
    match (output.is_json(), args.transpose) {
        (true, false) => rows.iter().for_each(|row| output.object(&object(row, &runs))),
        (true, true) => (0..runs.len()).for_each(|i| output.object(&run_object(i, &rows, &runs))),
        (false, false) => output.line(&by_key(&rows, &runs)),
        (false, true) => output.line(&by_run(&rows, &runs)),
    }
    Ok(())
}

/// The parameters that differ and all metrics, or everything.
fn rows(runs: &[Run], all: bool) -> Vec<Row<'_>> {
    let of_runs: Vec<_> = runs.iter().map(values).collect();
    let keys: BTreeSet<(Kind, &str)> = of_runs.iter().flat_map(|values| values.keys().copied()).collect();
    keys.into_iter()
        .map(|(kind, key)| Row {
            kind,
            key,
            values: of_runs
                .iter()
                .map(|values| values.get(&(kind, key)).copied())
                .collect(),
        })
        .filter(|row| match row.kind {
            Kind::Params => all || row.differs(),
            Kind::Metrics => true,
            Kind::Tags => all,
        })
        .collect()
}

/// Everything that is known of a run.
fn values(run: &Run) -> BTreeMap<(Kind, &str), Value<'_>> {
    let params = run
        .params
        .iter()
        .map(|param| ((Kind::Params, param.key.as_str()), Value::Text(&param.value)));
    let metrics = run.metrics.iter().map(|metric| {
        let value = Value::Number(Number(metric.value));
        ((Kind::Metrics, metric.key.as_str()), value)
    });
    let tags = run
        .tags
        .iter()
        .map(|tag| ((Kind::Tags, tag.key.as_str()), Value::Text(&tag.value)));
    params.chain(metrics).chain(tags).collect()
}

fn by_key(rows: &[Row<'_>], runs: &[Run]) -> String {
    let mut header = vec![""];
    header.extend(runs.iter().map(|run| run.info.run_name.as_str()));
    let ids = std::iter::once("run".to_string()).chain(runs.iter().map(|run| run.info.run_id.clone()));
    let lines = rows.iter().map(|row| {
        let values = row.values.iter().map(cell);
        std::iter::once(name(row)).chain(values).collect()
    });
    table::table(&header, std::iter::once(ids.collect()).chain(lines))
}

fn by_run(rows: &[Row<'_>], runs: &[Run]) -> String {
    let names: Vec<String> = rows.iter().map(name).collect();
    let mut header = vec!["RUN ID", "NAME"];
    header.extend(names.iter().map(String::as_str));
    let lines = runs.iter().enumerate().map(|(i, run)| {
        let mut line = vec![run.info.run_id.clone(), run.info.run_name.clone()];
        line.extend(rows.iter().map(|row| cell(&row.values[i])));
        line
    });
    table::table(&header, lines)
}

fn name(row: &Row<'_>) -> String {
    format!("{}.{}", row.kind.name(), row.key)
}

fn cell(value: &Option<Value<'_>>) -> String {
    value.map_or_else(|| MISSING.to_string(), |value| value.text())
}

/// A row as programs read it.
#[derive(Debug, Serialize)]
struct RowObject<'a> {
    event: &'static str,
    kind: Kind,
    key: &'a str,
    differs: bool,
    /// By the run's id; a run without such a value is missing.
    values: BTreeMap<&'a str, Value<'a>>,
}

fn object<'a>(row: &Row<'a>, runs: &'a [Run]) -> RowObject<'a> {
    let ids = runs.iter().map(|run| run.info.run_id.as_str());
    RowObject {
        event: "comparison",
        kind: row.kind,
        key: row.key,
        differs: row.differs(),
        values: ids
            .zip(&row.values)
            .filter_map(|(id, value)| Some((id, (*value)?)))
            .collect(),
    }
}

/// A run's column as programs read it.
#[derive(Debug, Serialize)]
struct ColumnObject<'a> {
    event: &'static str,
    run_id: &'a str,
    run_name: &'a str,
    values: BTreeMap<String, Value<'a>>,
}

fn run_object<'a>(i: usize, rows: &[Row<'a>], runs: &'a [Run]) -> ColumnObject<'a> {
    ColumnObject {
        event: "compared_run",
        run_id: &runs[i].info.run_id,
        run_name: &runs[i].info.run_name,
        values: rows
            .iter()
            .filter_map(|row| Some((name(row), row.values[i]?)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use rookery_tracking::{Param, Tag};

    use super::super::object::samples::{metric, run};
    use super::*;

    fn runs() -> [Run; 2] {
        let (mut first, mut second) = (run("a", "calm-penguin-7"), run("b", "ペンギン"));
        first.params.push(Param::new("solver", "l-bfgs"));
        first.metrics.push(metric("odd", f64::NAN, 0));
        second.params[0] = Param::new("maxIter", 10);
        second.metrics.push(metric("odd", f64::NAN, 0));
        second.tags = vec![Tag::new("note", "x".repeat(100))];
        [first, second]
    }

    #[test]
    fn only_params_that_differ_are_shown_and_metrics_always() {
        let runs = runs();
        insta::assert_snapshot!(by_key(&rows(&runs, false), &runs), @r"
                          calm-penguin-7      ペンギン
        run               a                   b
        params.maxIter    5                   10
        params.solver     l-bfgs              -
        metrics.accuracy  0.9545454545454546  0.9545454545454546
        metrics.loss      0.5                 0.5
        metrics.odd       NaN                 NaN
        ");
        insta::assert_snapshot!(by_run(&rows(&runs, false), &runs), @r"
        RUN ID  NAME            params.maxIter  params.solver  metrics.accuracy    metrics.loss  metrics.odd
        a       calm-penguin-7  5               l-bfgs         0.9545454545454546  0.5           NaN
        b       ペンギン        10              -              0.9545454545454546  0.5           NaN
        ");
    }

    #[test]
    fn all_shows_all() {
        let runs = runs();
        insta::assert_snapshot!(by_key(&rows(&runs, true), &runs), @r"
                                calm-penguin-7      ペンギン
        run                     a                   b
        params.maxIter          5                   10
        params.regParam         0.5                 0.5
        params.solver           l-bfgs              -
        metrics.accuracy        0.9545454545454546  0.9545454545454546
        metrics.loss            0.5                 0.5
        metrics.odd             NaN                 NaN
        tags.note               -                   xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        tags.rookery.converged  false               -
        ");
    }

    #[test]
    fn json_says_what_differs() {
        let runs = runs();
        let rows = rows(&runs, true);
        let json: Vec<String> = rows
            .iter()
            .map(|row| serde_json::to_string(&object(row, &runs)).unwrap())
            .collect();
        for expected in [
            r#"{"event":"comparison","kind":"params","key":"maxIter","differs":true,"values":{"a":"5","b":"10"}}"#,
            r#"{"event":"comparison","kind":"params","key":"regParam","differs":false,"values":{"a":"0.5","b":"0.5"}}"#,
            r#"{"event":"comparison","kind":"params","key":"solver","differs":true,"values":{"a":"l-bfgs"}}"#,
            r#"{"event":"comparison","kind":"metrics","key":"odd","differs":false,"values":{"a":"NaN","b":"NaN"}}"#,
        ] {
            assert!(json.iter().any(|line| line == expected), "{expected}\n{json:#?}");
        }
    }
}
