//! `rookery endpoints query`: rows to an endpoint, predictions from it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use rookery_proto::{ErrorClass, Failure};
use serde_json::{Value, json};

use crate::client::EndpointsClient;
use crate::diagnostic::config;
use crate::output::Output;
use crate::table;

/// The keys of the protocol, one of which a request has.
const FORMS: [&str; 4] = ["dataframe_records", "dataframe_split", "inputs", "instances"];

/// Ask an endpoint
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rows").required(true).args(["json", "file"]))]
pub(super) struct QueryArgs {
    /// The endpoint
    name: String,

    /// Rows as JSON: an object, an array of objects, or MLflow's {"dataframe_records": [...]} and its siblings
    #[arg(long, value_name = "ROWS")]
    json: Option<String>,

    /// Rows in a file: CSV with a header, by its ending .csv, else JSON; `-` reads JSON from stdin
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    /// Ask this served entity, whatever its share of the traffic
    #[arg(long, value_name = "SERVED")]
    served: Option<String>,

    /// What to write: a line of text for each row, or the answer as JSON [default: text]
    #[arg(long, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

impl QueryArgs {
    pub(super) fn wants_json(&self) -> bool {
        self.output == Some(Form::Json)
    }
}

pub(super) async fn query(args: QueryArgs, client: &EndpointsClient, output: &Output) -> Result<(), Failure> {
    let (content_type, rows) = read(&args)?;
    let served = args.served.as_deref();
    let answer = client.query(&args.name, served, content_type, rows).await?;
    if output.is_json() {
        let mut object = json!({
            "event": "answer",
            "served_model_name": answer.served,
            "version": answer.version,
        });
        if let (Some(object), Value::Object(body)) = (object.as_object_mut(), answer.body) {
            object.extend(body);
        }
        output.object(&object);
        return Ok(());
    }
    match &answer.body["predictions"] {
        Value::Array(predictions) => predictions.iter().for_each(|one| output.line(&line(one))),
        other => output.line(&line(other)),
    }
    output.note(&format!(
        "answered by {}, version {}",
        table::printable(&answer.served),
        answer.version
    ));
    Ok(())
}

fn line(prediction: &Value) -> String {
    match prediction {
        Value::String(text) => table::printable(text),
        other => other.to_string(),
    }
}

/// The rows as they are sent, and what they are.
fn read(args: &QueryArgs) -> Result<(&'static str, Vec<u8>), Failure> {
    let Some(path) = &args.file else {
        return Ok((
            "application/json",
            as_request(args.json.as_deref().unwrap_or_default(), "--json")?,
        ));
    };
    let name = path.display().to_string();
    let unreadable = |e: std::io::Error| config(format!("the rows can't be read: {e}")).at(name.clone());
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        return Ok(("application/json", as_request(&text, "stdin")?));
    }
    if path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
    {
        return Ok(("text/csv", std::fs::read(path).map_err(unreadable)?));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(("application/json", as_request(&text, &name)?))
}

/// Rows in the form of the protocol, which they may have already.
fn as_request(text: &str, place: &str) -> Result<Vec<u8>, Failure> {
    let rows: Value = serde_json::from_str(text)
        .map_err(|e| Failure::new(ErrorClass::Data, format!("the rows are no JSON: {e}")).at(place))?;
    let request = match rows {
        Value::Object(ref keys) if FORMS.iter().any(|form| keys.contains_key(*form)) => rows,
        Value::Object(_) => json!({ "dataframe_records": [rows] }),
        rows => json!({ "dataframe_records": rows }),
    };
    Ok(request.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_any_of_the_forms() {
        let sent = |text: &str| -> Value { serde_json::from_slice(&as_request(text, "x").unwrap()).unwrap() };
        let one = json!({"dataframe_records": [{"a": 1}]});
        assert_eq!(sent(r#"{"a": 1}"#), one);
        assert_eq!(sent(r#"[{"a": 1}]"#), one);
        assert_eq!(sent(r#"{"dataframe_records": [{"a": 1}]}"#), one);
        let split = json!({"dataframe_split": {"columns": ["a"], "data": [[1]]}});
        assert_eq!(sent(&split.to_string()), split);
        assert_eq!(as_request("{", "x").unwrap_err().class, ErrorClass::Data);
    }
}
