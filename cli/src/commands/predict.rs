//! `rookery predict`: rows in, predictions out, with a recorded model.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use rookery_proto::{ErrorClass, Failure};
use rookery_serving::{Decoded, Decoder, Refusal, ScoreError, Scored, Scorer, WrongValue};
use serde::Serialize;

use crate::args::Places;
use crate::diagnostic::{config, of_prediction};
use crate::output::Output;
use crate::records::{self, ModelUri, RecordsAt};

/// Predict rows with a recorded model
///
/// Rows are checked first: if one is wrong, nothing is predicted.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rows").required(true).args(["json", "file"]))]
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

    /// What to write: a line of text or a JSON object for each row [default: text]
    #[arg(long, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

impl PredictArgs {
    pub(crate) fn wants_json(&self) -> bool {
        self.output == Some(Form::Json)
    }
}

pub(crate) async fn predict(args: PredictArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let uri = ModelUri::parse(&args.model)?;
    let records = RecordsAt::of(places)?.open_for_lookup().await?;
    let model = records::load(&records, &uri).await?;
    let scorer = Scorer::new(model);
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
    /// `None` for a row that a stage with `handle_invalid = "skip"` leaves out.
    prediction: Option<f64>,
    probability: Option<&'a [f64]>,
}

impl Prediction<'_> {
    fn text(&self) -> String {
        match (self.prediction, self.probability) {
            (Some(prediction), Some(probability)) => format!("{prediction}  {probability:?}"),
            _ => "skipped (handle_invalid = \"skip\")".to_string(),
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
        assert_eq!(left_out.text(), "skipped (handle_invalid = \"skip\")");
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
