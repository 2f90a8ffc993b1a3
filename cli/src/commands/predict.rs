//! `rookery predict`: rows in, predictions out, with a recorded model. A few rows here, whole files on the cluster
//! (`batch.rs`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use rookery_data::scored::PartFormat;
use rookery_proto::{ErrorClass, Failure};
use rookery_serving::{Decoded, Decoder, Refusal, ScoreError, Scored, Scorer, WrongValue};
use serde::Serialize;

mod batch;
mod parts;
mod spec;

use crate::args::Places;
use crate::cluster::ClusterArgs;
use crate::diagnostic::{config, of_prediction};
use crate::output::Output;
use crate::policies::Policies;
use crate::records::{self, ModelUri, RecordsAt};

/// Predict rows with a recorded model
///
/// Rows are checked first: if one is wrong, nothing is predicted.
///
/// With --input, files are scored on the cluster, one of its own if none runs, and written to the folder --output, which
/// appears when all rows are there. Each row keeps its columns and gets `prediction`, `probability_0` and so on,
/// `model_name`, `model_version` and `run_id`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rows").required(true).args(["json", "file", "input"]))]
pub(crate) struct PredictArgs {
    /// The model: runs:/RUN, where RUN is a run's id, the start of it, or its name; models:/NAME/VERSION or
    /// models:/NAME@ALIAS
    #[arg(long, value_name = "URI")]
    model: String,

    /// Rows as JSON: an object, an array of objects, or MLflow's {"dataframe_records": [...]} or
    /// {"dataframe_split": {...}}
    #[arg(long, value_name = "ROWS")]
    json: Option<String>,

    /// Rows in a file: CSV with a header, or JSON (by its ending .json, .jsonl or .ndjson); `-` reads stdin
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    /// Files to score on the cluster, CSV or Parquet: a path, a glob or a URL, as a source of a job. Paths are those of the
    /// driver's machine
    #[arg(long, value_name = "FILES")]
    input: Option<String>,

    /// What to write: `text` or `json`, a line for each row [default: text]; with --input the folder to write to, which is
    /// new or empty
    #[arg(long, value_name = "FORM|FOLDER")]
    output: Option<String>,

    /// With --input: what files to write [default: parquet]
    #[arg(long, value_name = "FORMAT", requires = "input")]
    format: Option<Format>,

    /// With --input: the columns to keep beside the predictions, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "input")]
    columns: Option<Vec<String>>,

    /// With --input: how the files are to be read, with the keys of a job's source, for example `delimiter=";"` or
    /// `store.region="eu-south-2"`; and `partition_bytes`; can be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "input")]
    set: Vec<String>,

    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Parquet,
    Csv,
}

impl From<Format> for PartFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Parquet => Self::Parquet,
            Format::Csv => Self::Csv,
        }
    }
}

impl PredictArgs {
    pub(crate) fn wants_json(&self) -> bool {
        self.input.is_none() && self.output.as_deref() == Some("json")
    }

    /// Rows that are answered here are answered in one of two forms.
    fn check_form(&self) -> Result<(), Failure> {
        match self.output.as_deref() {
            None | Some("text" | "json") => Ok(()),
            Some(other) => Err(config(format!("\"{other}\" is no form, expected text or json"))
                .at("--output")
                .hint("a folder is written with --input FILES")),
        }
    }
}

pub(crate) async fn predict(args: PredictArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    if let Some(input) = &args.input {
        return batch::predict(&args, input, places, output).await;
    }
    args.check_form()?;
    let uri = ModelUri::parse(&args.model)?;
    let records = RecordsAt::of(places)?.open_for_lookup().await?;
    let model = records::load(&records, &uri).await?;
    let policies = args.policies.over(model.invalid_values);
    let scorer = Scorer::with_policies(model, policies)?;
    let rows = Rows::read(&args)?;
    let decoded = rows.decode(&scorer.decoder().refusing_other_columns())?;
    let scored = scorer.score_decoded(decoded).map_err(|e| rows.wrong(e))?;
    for row in by_row(&scored) {
        match output.is_json() {
            true => output.object(&row),
            false => output.line(&row.text()),
        }
    }
    Ok(())
}

/// One row's answer.
#[derive(Debug, Serialize, PartialEq)]
struct Prediction<'a> {
    /// `None` for a row that a stage with `handle_invalid = "skip"`, or a policy, leaves out.
    prediction: Option<f64>,
    probability: Option<&'a [f64]>,
}

impl Prediction<'_> {
    fn text(&self) -> String {
        match (self.prediction, self.probability) {
            (Some(prediction), Some(probability)) => format!("{prediction}  {probability:?}"),
            _ => "no prediction".to_string(),
        }
    }
}

/// An answer for each row that was asked, so that answers and rows line up.
fn by_row(scored: &Scored) -> Vec<Prediction<'_>> {
    let answer = |position: Option<usize>| Prediction {
        prediction: position.map(|position| scored.predictions.prediction[position]),
        probability: position.map(|position| scored.probabilities(position)),
    };
    scored.positions().into_iter().map(answer).collect()
}

/// The rows as they were given.
struct Rows {
    bytes: Vec<u8>,
    is_json: bool,
    /// Where they were read from, if not from the command line.
    file: Option<String>,
}

impl Rows {
    fn read(args: &PredictArgs) -> Result<Self, Failure> {
        let Some(path) = &args.file else {
            return Ok(Self {
                bytes: args.json.clone().unwrap_or_default().into_bytes(),
                is_json: true,
                file: None,
            });
        };
        let name = path.display().to_string();
        let unreadable = |e: std::io::Error| config(format!("the rows can't be read: {e}")).at(name.clone());
        let bytes = match name.as_str() {
            "-" => {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .map_err(unreadable)?;
                bytes
            }
            _ => std::fs::read(path).map_err(unreadable)?,
        };
        Ok(Self {
            is_json: is_json(path, &bytes),
            bytes,
            file: Some(if name == "-" { "stdin".to_string() } else { name }),
        })
    }

    fn decode(&self, decoder: &Decoder<'_>) -> Result<Decoded, Failure> {
        let decoded = match self.is_json {
            true => decoder.json_rows(&self.bytes),
            false => decoder.csv(&self.bytes),
        };
        let unreadable = |refusal: Refusal| {
            let place = self.file.as_deref().unwrap_or("--json");
            Failure::new(ErrorClass::Data, refusal.message).at(place)
        };
        decoded.map_err(unreadable)
    }

    /// Values that the model can't use, with the place of the first.
    fn wrong(&self, error: ScoreError) -> Failure {
        match error {
            ScoreError::Values(wrong) => {
                let message = match &wrong.told[..] {
                    [only] if wrong.count == 1 => only.problem(),
                    _ => wrong.to_string(),
                };
                let place = wrong
                    .told
                    .first()
                    .map(|first| self.place(first))
                    .unwrap_or_default();
                Failure::new(ErrorClass::Data, message).at(place)
            }
            ScoreError::Model(error) => of_prediction(&error),
        }
    }

    fn place(&self, wrong: &WrongValue) -> String {
        match (&self.file, wrong.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => format!("{file} {}", wrong.place()),
            (None, _) => wrong.place(),
        }
    }
}

/// By the file's ending; without one, by its first character, with which no useful CSV header starts.
fn is_json(path: &Path, bytes: &[u8]) -> bool {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json" | "jsonl" | "ndjson") => true,
        Some(_) => false,
        None => bytes.trim_ascii_start().starts_with(b"{") || bytes.trim_ascii_start().starts_with(b"["),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_every_digit_and_tell_of_rows_left_out() {
        let answered = Prediction {
            prediction: Some(1.0),
            probability: Some(&[0.30000000000000004, 0.7]),
        };
        let left_out = Prediction {
            prediction: None,
            probability: None,
        };
        assert_eq!(answered.text(), "1  [0.30000000000000004, 0.7]");
        assert_eq!(left_out.text(), "no prediction");
        assert_eq!(
            serde_json::to_string(&answered).unwrap(),
            r#"{"prediction":1.0,"probability":[0.30000000000000004,0.7]}"#
        );
        assert_eq!(
            serde_json::to_string(&left_out).unwrap(),
            r#"{"prediction":null,"probability":null}"#
        );
    }

    #[test]
    fn the_form_of_a_file_follows_from_its_ending_or_its_start() {
        for (path, text, expected) in [
            ("a.json", "", true),
            ("a.csv", "{", false),
            ("-", " [", true),
            ("-", "a,b", false),
        ] {
            assert_eq!(
                is_json(Path::new(path), text.as_bytes()),
                expected,
                "{path} {text}"
            );
        }
    }
}
