//! Rows to predict: checked against what the model reads, and turned into a frame. Any row that is wrong refuses
//! them all, with its place, column, value, and what was expected.

use rookery_data::schema;
use rookery_ml::{Column, ColumnData, ColumnKind, FittedStage, Frame, HandleInvalid, InputColumn, Model};
use rookery_proto::{ErrorClass, Failure};
use serde_json::Value;

use crate::diagnostic::internal;

mod read;

pub(crate) use read::{from_csv, from_json};

/// Largest whole number up to which every one has its own double: beyond it `210.0` may have been another number.
const EXACT_WHOLE: f64 = 9_007_199_254_740_992.0;

/// One row as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// For messages: `row 2`, `rows.csv:3`.
    place: String,
    cells: Vec<(String, Cell)>,
}

impl Row {
    fn is_text(&self) -> bool {
        self.cells.iter().all(|(_, cell)| matches!(cell, Cell::Text(_)))
    }
}

/// One value as it was given.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    /// A field of a CSV file; an empty one is null.
    Text(String),
    /// A JSON value.
    Json(Value),
}

/// The rows as the model's input columns.
///
/// # Errors
/// Class data: no row; a column missing or unknown; a value that is null, of another type, or a category that
/// training has not seen.
pub(crate) fn to_frame(rows: &[Row], model: &Model) -> Result<Frame, Failure> {
    if rows.is_empty() {
        return Err(data("there is no row to predict"));
    }
    for row in rows {
        check_names(row, model)?;
    }
    let mut frame = Frame::new(rows.len());
    for input in &model.inputs {
        let column = Column::new(typed(rows, input)?);
        frame = frame
            .with_column(&input.name, column)
            .map_err(|e| internal(e.to_string()))?;
    }
    check_categories(rows, &frame, model)?;
    Ok(frame)
}

fn check_names(row: &Row, model: &Model) -> Result<(), Failure> {
    let wrong = |message: String| data(message).at(&row.place).hint(expected_columns(&model.inputs));
    for input in &model.inputs {
        if !row.cells.iter().any(|(name, _)| *name == input.name) {
            return Err(wrong(format!(
                "column {} is missing, expected a {}",
                input.name, input.kind
            )));
        }
    }
    for (position, (name, _)) in row.cells.iter().enumerate() {
        if row.cells[..position].iter().any(|(other, _)| other == name) {
            return Err(wrong(format!("column {name} is there twice")));
        }
        if *name == model.label {
            return Err(wrong(format!(
                "column {name} is the label: it is predicted, leave it out"
            )));
        }
        if !model.inputs.iter().any(|input| input.name == *name) {
            return Err(wrong(format!("unknown column {name}")));
        }
    }
    Ok(())
}

fn expected_columns(inputs: &[InputColumn]) -> String {
    let columns: Vec<String> = inputs
        .iter()
        .map(|input| format!("{} ({})", input.name, input.kind))
        .collect();
    format!("the model reads {}", columns.join(", "))
}

/// The values of one column. In a CSV file a `float` is rounded to 32 bits, as in training: 48.7 becomes
/// 48.70000076293945. A number in JSON is a double and stays one, as in Spark and in MLflow's scoring protocol.
fn typed(rows: &[Row], input: &InputColumn) -> Result<ColumnData, Failure> {
    Ok(match input.kind {
        ColumnKind::Boolean => ColumnData::Boolean(read(rows, input, boolean)?),
        ColumnKind::Integer => ColumnData::Integer(read(rows, input, integer)?),
        // Not a double with the rounded value: as text, for a StringIndexer, it is 48.7 again.
        ColumnKind::Float if rows.iter().all(Row::is_text) => {
            ColumnData::Float(read(rows, input, float_text)?)
        }
        ColumnKind::Float => ColumnData::Double(read(rows, input, float)?),
        ColumnKind::Double => ColumnData::Double(read(rows, input, double)?),
        ColumnKind::Text => ColumnData::Text(read(rows, input, text)?),
        ColumnKind::Vector => {
            return Err(internal(format!(
                "the model reads a vector, column {}",
                input.name
            )));
        }
    })
}

fn read<T>(rows: &[Row], input: &InputColumn, value: fn(&Cell) -> Option<T>) -> Result<Vec<T>, Failure> {
    let read_one = |row: &Row| {
        let cell = row
            .cells
            .iter()
            .find(|(name, _)| *name == input.name)
            .map(|(_, cell)| cell);
        cell.and_then(value).ok_or_else(|| {
            let given = cell.map_or_else(|| "nothing".to_string(), Cell::shown);
            data(format!(
                "column {}: {given}, expected {}",
                input.name,
                expectation(input.kind)
            ))
            .at(&row.place)
        })
    };
    rows.iter().map(read_one).collect()
}

fn expectation(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Boolean => "true or false",
        ColumnKind::Integer => "a whole number (integer)",
        ColumnKind::Float => "a finite number (float)",
        ColumnKind::Double => "a finite number (double)",
        ColumnKind::Text => "a text (string)",
        ColumnKind::Vector => "a vector",
    }
}

impl Cell {
    /// The value as messages show it.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) if text.is_empty() => "null".to_string(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Json(value) => value.to_string(),
        }
    }
}

fn boolean(cell: &Cell) -> Option<bool> {
    match cell {
        Cell::Text(text) => schema::parse_boolean(text),
        Cell::Json(value) => value.as_bool(),
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Text(text) => schema::parse_long(text),
        Cell::Json(value) => value.as_i64().or_else(|| value.as_f64().and_then(whole)),
    }
}

/// Tables made by data-frame libraries write whole numbers as `210.0`.
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= EXACT_WHOLE).then_some(value as i64)
}

fn float_text(cell: &Cell) -> Option<f32> {
    match cell {
        Cell::Text(text) => schema::parse_float(text).filter(|value| value.is_finite()),
        Cell::Json(_) => None,
    }
}

/// A number that is finite as the 32-bit number it was in training.
fn float(cell: &Cell) -> Option<f64> {
    double(cell).filter(|value| (*value as f32).is_finite())
}

fn double(cell: &Cell) -> Option<f64> {
    let value = match cell {
        Cell::Text(text) => schema::parse_double(text),
        Cell::Json(value) => value.as_f64(),
    };
    value.filter(|value| value.is_finite())
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => (!text.is_empty()).then(|| text.clone()),
        Cell::Json(value) => value.as_str().map(str::to_string),
    }
}

/// The model would refuse an unseen category too, but it does not say which ones there are.
fn check_categories(rows: &[Row], frame: &Frame, model: &Model) -> Result<(), Failure> {
    for stage in model.pipeline.needed_for(&model.features).stages {
        let FittedStage::StringIndexer(indexer) = stage else {
            continue;
        };
        let Ok(column) = frame.column(&indexer.params.input) else {
            continue;
        };
        if indexer.params.handle_invalid != HandleInvalid::Error {
            continue;
        }
        for (position, row) in rows.iter().enumerate() {
            let Some(value) = column.text(position) else {
                continue;
            };
            if !indexer.labels.iter().any(|label| *label == value) {
                let name = &indexer.params.input;
                return Err(
                    data(format!("column {name}: \"{value}\" was not seen in training"))
                        .at(&row.place)
                        .hint(format!("allowed: {}", indexer.labels.join(", "))),
                );
            }
        }
    }
    Ok(())
}

fn data(message: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Data, message)
}

#[cfg(test)]
mod tests {
    use rookery_ml::{
        Family, FittedPipeline, FittedStringIndexer, LogisticRegressionModel, StringIndexer, VectorAssembler,
    };

    use super::*;

    /// Reads `island` (string), `length` (float), `mass` (integer) and `adult` (boolean).
    fn model() -> Model {
        let indexer = StringIndexer {
            input: "island".into(),
            output: "index".into(),
            order: Default::default(),
            handle_invalid: HandleInvalid::Error,
        };
        let labels = vec!["Biscoe".to_string(), "Dream".to_string()];
        let inputs = ["index", "length", "mass", "adult"].map(str::to_string).to_vec();
        let assembler = VectorAssembler {
            inputs,
            output: "features".into(),
            handle_invalid: HandleInvalid::Error,
        };
        let stages = vec![
            FittedStage::StringIndexer(FittedStringIndexer {
                params: indexer,
                labels,
            }),
            FittedStage::VectorAssembler(assembler),
        ];
        let classifier = LogisticRegressionModel {
            family: Family::Binomial,
            num_classes: 2,
            num_features: 4,
            coefficient_matrix: vec![0.0; 4],
            intercepts: vec![0.0],
            threshold: None,
            thresholds: None,
        };
        let columns = [
            ("island", ColumnKind::Text),
            ("length", ColumnKind::Float),
            ("mass", ColumnKind::Integer),
            ("adult", ColumnKind::Boolean),
            ("species", ColumnKind::Integer),
        ];
        let columns = columns.map(|(name, kind)| (name.to_string(), kind));
        Model::new(
            &columns,
            FittedPipeline { stages },
            "features",
            "species",
            classifier,
        )
        .unwrap()
    }

    fn refused(rows: Result<Vec<Row>, Failure>) -> String {
        let failure = rows.and_then(|rows| to_frame(&rows, &model())).unwrap_err();
        assert_eq!(failure.class, ErrorClass::Data, "{failure}");
        format!("{failure} | {}", failure.hint.clone().unwrap_or_default())
    }

    fn refused_json(text: &str) -> String {
        refused(from_json(text, None))
    }

    #[test]
    fn floats_take_the_32_bit_round_trip_from_text_and_stay_doubles_from_json() {
        let json = r#"{"mass": 210.0, "length": 48.7, "island": "Dream", "adult": true}"#;
        let csv = "adult,island,length,mass\ntrue,Dream,48.7,210\n";
        for (rows, length) in [
            (from_json(json, None).unwrap(), 48.7),
            (from_csv(csv, "rows.csv").unwrap(), 48.70000076293945),
        ] {
            let frame = to_frame(&rows, &model()).unwrap();
            assert_eq!(frame.column("length").unwrap().number(0), Some(length));
            assert_eq!(frame.column("mass").unwrap().data, ColumnData::Integer(vec![210]));
            assert_eq!(
                frame.column("adult").unwrap().data,
                ColumnData::Boolean(vec![true])
            );
        }
    }

    #[test]
    fn wrong_values_name_row_column_value_and_expectation() {
        let good = r#"{"island": "Dream", "length": 1, "mass": 2, "adult": false}"#;
        for (key, value, message) in [
            (
                "length",
                "\"48.7\"",
                "row 2: column length: \"48.7\", expected a finite number (float) | ",
            ),
            (
                "length",
                "null",
                "row 2: column length: null, expected a finite number (float) | ",
            ),
            (
                "length",
                "1e300",
                "row 2: column length: 1e+300, expected a finite number (float) | ",
            ),
            (
                "mass",
                "2.5",
                "row 2: column mass: 2.5, expected a whole number (integer) | ",
            ),
            (
                "mass",
                "true",
                "row 2: column mass: true, expected a whole number (integer) | ",
            ),
            ("adult", "1", "row 2: column adult: 1, expected true or false | "),
            (
                "island",
                "7",
                "row 2: column island: 7, expected a text (string) | ",
            ),
            (
                "island",
                "[\"a\"]",
                "row 2: column island: [\"a\"], expected a text (string) | ",
            ),
            (
                "island",
                "\"Atlantis\"",
                "row 2: column island: \"Atlantis\" was not seen in training | allowed: Biscoe, Dream",
            ),
        ] {
            let mut bad: Value = serde_json::from_str(good).unwrap();
            bad[key] = serde_json::from_str(value).unwrap();
            assert_eq!(refused_json(&format!("[{good}, {bad}]")), message);
        }
    }

    #[test]
    fn missing_unknown_and_label_columns_are_named() {
        let reads = "the model reads island (string), length (float), mass (integer), adult (boolean)";
        assert_eq!(
            refused_json(r#"{"island": "Dream", "length": 1, "mass": 2}"#),
            format!("row 1: column adult is missing, expected a boolean | {reads}")
        );
        let with = |extra: &str| {
            refused_json(&format!(
                r#"{{"island": "Dream", "length": 1, "mass": 2, "adult": true, "{extra}": 1}}"#
            ))
        };
        assert_eq!(with("wings"), format!("row 1: unknown column wings | {reads}"));
        assert_eq!(
            with("species"),
            format!("row 1: column species is the label: it is predicted, leave it out | {reads}")
        );
        let twice = "island,length,mass,adult,mass\nDream,1,2,true,3\n";
        assert!(refused(from_csv(twice, "r.csv")).starts_with("r.csv:2: column mass is there twice"));
    }

    #[test]
    fn csv_values_are_refused_with_their_line() {
        let header = "island,length,mass,adult\n";
        for (line, message) in [
            (
                "Dream,,2,true",
                "r.csv:3: column length: null, expected a finite number (float) | ",
            ),
            (
                "Dream,abc,2,true",
                "r.csv:3: column length: \"abc\", expected a finite number (float) | ",
            ),
            (
                "Dream,NaN,2,true",
                "r.csv:3: column length: \"NaN\", expected a finite number (float) | ",
            ),
            (
                ",1,2,true",
                "r.csv:3: column island: null, expected a text (string) | ",
            ),
            (
                "Mars,1,2,true",
                "r.csv:3: column island: \"Mars\" was not seen in training | allowed: Biscoe, Dream",
            ),
        ] {
            let text = format!("{header}Dream,1,2,true\n{line}\n");
            assert_eq!(refused(from_csv(&text, "r.csv")), message);
        }
    }

    #[test]
    fn no_rows_are_no_prediction() {
        assert_eq!(refused_json("[]"), "there is no row to predict | ");
        assert_eq!(
            refused(from_csv("island,length,mass,adult\n", "r.csv")),
            "there is no row to predict | "
        );
    }
}
