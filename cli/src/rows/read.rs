//! Reading rows: CSV with a header; JSON as one object, several, an array of them, or MLflow's `dataframe_records`
//! and `dataframe_split`.

use rookery_proto::Failure;
use serde_json::{Map, Value};

use super::{Cell, Row, data};

/// Rows from JSON text; `file` is where it was read from, if from a file.
///
/// # Errors
/// Class data: no JSON, or JSON that holds something other than rows.
pub(crate) fn from_json(text: &str, file: Option<&str>) -> Result<Vec<Row>, Failure> {
    let source = file.unwrap_or("--json");
    let mut rows = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|e| data(format!("not JSON: {e}")).at(source))?;
        match value {
            Value::Array(values) => values
                .into_iter()
                .try_for_each(|value| add_object(&mut rows, value, file))?,
            Value::Object(mut object) => match envelope(&mut object) {
                Some(("dataframe_records", records)) => add_records(&mut rows, records, file)?,
                Some((_, split)) => add_split(&mut rows, split, file)?,
                None => add_object(&mut rows, Value::Object(object), file)?,
            },
            other => add_object(&mut rows, other, file)?,
        }
    }
    Ok(rows)
}

/// MLflow wraps rows into an object with one of two keys.
fn envelope(object: &mut Map<String, Value>) -> Option<(&'static str, Value)> {
    ["dataframe_records", "dataframe_split"]
        .into_iter()
        .find_map(|key| object.remove(key).map(|value| (key, value)))
}

fn add_records(rows: &mut Vec<Row>, records: Value, file: Option<&str>) -> Result<(), Failure> {
    let Value::Array(records) = records else {
        return Err(data("dataframe_records is no list of objects").at(file.unwrap_or("--json")));
    };
    records
        .into_iter()
        .try_for_each(|record| add_object(rows, record, file))
}

fn add_object(rows: &mut Vec<Row>, value: Value, file: Option<&str>) -> Result<(), Failure> {
    let place = place(file, rows.len() + 1);
    let Value::Object(object) = value else {
        return Err(data(format!(
            "{value} is no row, expected an object such as {{\"column\": 1.5}}"
        ))
        .at(place));
    };
    let cells = object
        .into_iter()
        .map(|(name, value)| (name, Cell::Json(value)))
        .collect();
    rows.push(Row { place, cells });
    Ok(())
}

fn add_split(rows: &mut Vec<Row>, split: Value, file: Option<&str>) -> Result<(), Failure> {
    let wrong = |message: &str| data(format!("dataframe_split {message}")).at(file.unwrap_or("--json"));
    let names: Option<Vec<&str>> = split["columns"]
        .as_array()
        .and_then(|names| names.iter().map(Value::as_str).collect());
    let names = names.ok_or_else(|| wrong("has no list of names under columns"))?;
    let lines = split["data"]
        .as_array()
        .ok_or_else(|| wrong("has no list of rows under data"))?;
    for line in lines {
        let place = place(file, rows.len() + 1);
        let values = line
            .as_array()
            .ok_or_else(|| data(format!("{line} is no list of values")).at(&place))?;
        if values.len() != names.len() {
            let message = format!(
                "expected {} values, one for each column, got {}",
                names.len(),
                values.len()
            );
            return Err(data(message).at(place));
        }
        let cells = names
            .iter()
            .zip(values)
            .map(|(name, value)| ((*name).to_string(), Cell::Json(value.clone())));
        rows.push(Row {
            place,
            cells: cells.collect(),
        });
    }
    Ok(())
}

fn place(file: Option<&str>, row: usize) -> String {
    match file {
        Some(file) => format!("{file} row {row}"),
        None => format!("row {row}"),
    }
}

/// Rows from CSV text with a header; `file` is what messages call it.
///
/// # Errors
/// Class data: no header, a record with more or fewer fields than the header.
pub(crate) fn from_csv(text: &str, file: &str) -> Result<Vec<Row>, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let unreadable = |e: csv::Error| data(format!("not CSV: {e}")).at(file);
    let header = reader.headers().map_err(unreadable)?.clone();
    if header.is_empty() {
        return Err(data("the file is empty, expected a header and rows").at(file));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let place = format!("{file}:{}", record.position().map_or(0, csv::Position::line));
        if record.len() != header.len() {
            return Err(data(format!("expected {} fields, got {}", header.len(), record.len())).at(place));
        }
        let cells = header
            .iter()
            .zip(&record)
            .map(|(name, text)| (name.to_string(), Cell::Text(text.to_string())));
        rows.push(Row {
            place,
            cells: cells.collect(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(place: &str, cells: &[(&str, i32)]) -> Row {
        let cells = cells
            .iter()
            .map(|(name, value)| ((*name).to_string(), Cell::Json((*value).into())))
            .collect();
        Row {
            place: place.to_string(),
            cells,
        }
    }

    #[test]
    fn every_form_of_json_gives_the_same_rows() {
        let expected = [
            row("row 1", &[("a", 1), ("b", 2)]),
            row("row 2", &[("a", 3), ("b", 4)]),
        ];
        for text in [
            r#"[{"a": 1, "b": 2}, {"a": 3, "b": 4}]"#,
            "{\"a\": 1, \"b\": 2}\n{\"a\": 3, \"b\": 4}\n",
            r#"{"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}"#,
            r#"{"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}"#,
        ] {
            assert_eq!(from_json(text, None).unwrap(), expected, "{text}");
        }
        assert_eq!(from_json(r#"{"a": 1, "b": 2}"#, None).unwrap(), expected[..1]);
        assert_eq!(
            from_json(r#"{"a": 1}"#, Some("r.json")).unwrap(),
            [row("r.json row 1", &[("a", 1)])]
        );
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for (text, message) in [
            (
                "{\"a\": 1",
                "--json: not JSON: EOF while parsing an object at line 1 column 7",
            ),
            (
                "7",
                "row 1: 7 is no row, expected an object such as {\"column\": 1.5}",
            ),
            (
                "[{\"a\": 1}, 2]",
                "row 2: 2 is no row, expected an object such as {\"column\": 1.5}",
            ),
            (
                r#"{"dataframe_records": 1}"#,
                "--json: dataframe_records is no list of objects",
            ),
            (
                r#"{"dataframe_split": {"data": []}}"#,
                "--json: dataframe_split has no list of names under columns",
            ),
            (
                r#"{"dataframe_split": {"columns": ["a"]}}"#,
                "--json: dataframe_split has no list of rows under data",
            ),
            (
                r#"{"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}"#,
                "row 2: expected 1 values, one for each column, got 2",
            ),
        ] {
            assert_eq!(from_json(text, None).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn csv_is_read_by_its_header() {
        let rows = from_csv("\u{feff}a,b\n1,\"x, y\"\n", "r.csv").unwrap();
        let text = |value: &str| Cell::Text(value.to_string());
        let cells = vec![("a".to_string(), text("1")), ("b".to_string(), text("x, y"))];
        assert_eq!(
            rows,
            [Row {
                place: "r.csv:2".to_string(),
                cells
            }]
        );
        assert_eq!(
            from_csv("a,b\n1,2\n3\n", "r.csv").unwrap_err().to_string(),
            "r.csv:3: expected 2 fields, got 1"
        );
        assert_eq!(
            from_csv("", "r.csv").unwrap_err().to_string(),
            "r.csv: the file is empty, expected a header and rows"
        );
    }
}
