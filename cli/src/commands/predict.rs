//! `rookery predict`: rows in, predictions out, with a recorded model.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use rookery_ml::Predictions;
use rookery_proto::{ErrorClass, Failure};
use serde::Serialize;

use crate::args::Places;
use crate::diagnostic::{config, of_prediction};
use crate::output::Output;
use crate::records::{self, ModelUri, RecordsAt};
use crate::rows::{self, Row};

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
    let rows = read(&args)?;
    let frame = rows::to_frame(&rows, &model)?;
    let predictions = model.predict(frame).map_err(|e| of_prediction(&e))?;
    for row in by_row(&predictions, rows.len()) {
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
fn by_row(predictions: &Predictions, rows: usize) -> Vec<Prediction<'_>> {
    let mut answers: Vec<_> = (0..rows)
        .map(|_| Prediction {
            prediction: None,
            probability: None,
        })
        .collect();
    let probabilities = predictions.probability.chunks_exact(predictions.classes.max(1));
    for ((row, prediction), probability) in predictions
        .rows
        .iter()
        .zip(&predictions.prediction)
        .zip(probabilities)
    {
        if let Some(answer) = answers.get_mut(*row) {
            *answer = Prediction {
                prediction: Some(*prediction),
                probability: Some(probability),
            };
        }
    }
    answers
}

fn read(args: &PredictArgs) -> Result<Vec<Row>, Failure> {
    let Some(path) = &args.file else {
        return rows::from_json(args.json.as_deref().unwrap_or_default(), None);
    };
    let name = path.display().to_string();
    let unreadable = |e: std::io::Error| config(format!("the rows can't be read: {e}")).at(name.clone());
    let (mut bytes, name) = (Vec::new(), if name == "-" { "stdin" } else { &name });
    if name == "stdin" {
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    } else {
        bytes = std::fs::read(path).map_err(unreadable)?;
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let place = e.utf8_error().valid_up_to();
        Failure::new(ErrorClass::Data, format!("byte {place} is no UTF-8")).at(name)
    })?;
    match is_json(path, &text) {
        true => rows::from_json(&text, Some(name)),
        false => rows::from_csv(&text, name),
    }
}

/// By the file's ending; without one, by its first character, with which no useful CSV header starts.
fn is_json(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json" | "jsonl" | "ndjson") => true,
        Some(_) => false,
        None => text.trim_start().starts_with(['{', '[']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_line_up_with_rows_and_keep_every_digit() {
        let predictions = Predictions {
            classes: 2,
            raw: vec![0.0; 4],
            probability: vec![0.30000000000000004, 0.7, 1.0, 0.0],
            prediction: vec![1.0, 0.0],
            rows: vec![0, 2],
        };
        let answers = by_row(&predictions, 3);
        let texts: Vec<String> = answers.iter().map(Prediction::text).collect();
        assert_eq!(
            texts,
            [
                "1  [0.30000000000000004, 0.7]",
                "skipped (handle_invalid = \"skip\")",
                "0  [1.0, 0.0]"
            ]
        );
        assert_eq!(
            serde_json::to_string(&answers[0]).unwrap(),
            r#"{"prediction":1.0,"probability":[0.30000000000000004,0.7]}"#
        );
        assert_eq!(
            serde_json::to_string(&answers[1]).unwrap(),
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
            assert_eq!(is_json(Path::new(path), text), expected, "{path} {text}");
        }
    }
}
