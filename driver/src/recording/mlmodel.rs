//! `MLmodel`: the file by which MLflow's tools know a model. It says what can load it, what goes in and what comes
//! out.

use rookery_data::schema::ColumnType;
use rookery_ml::{MODEL_FORMAT, MODEL_VERSION, Model};
use serde_json::{Map, Value, json};

/// A model's description: the content of `MLmodel`, and an entry of the run's list of models.
#[derive(Debug)]
pub(super) struct MlModel(Map<String, Value>);

/// Where a description's model comes from.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    pub(super) run_id: &'a str,
    pub(super) model_id: &'a str,
    pub(super) created_ms: i64,
}

impl MlModel {
    /// Describes a model that reads some of `columns`.
    pub(super) fn new(
        origin: &Origin<'_>,
        model: &Model,
        columns: &[(String, ColumnType)],
        size_bytes: usize,
    ) -> Self {
        let created = chrono::DateTime::from_timestamp_millis(origin.created_ms).unwrap_or_default();
        let mut description = Map::new();
        let flavor = json!({ "data": "model.json", "format": MODEL_FORMAT, "format_version": MODEL_VERSION });
        for (key, value) in [
            ("artifact_path", json!("model")),
            ("flavors", json!({ "rookery": flavor })),
            ("model_id", json!(origin.model_id)),
            ("model_size_bytes", json!(size_bytes)),
            ("model_uuid", json!(uuid::Uuid::new_v4().simple().to_string())),
            ("run_id", json!(origin.run_id)),
            ("signature", signature(model, columns)),
            (
                "utc_time_created",
                json!(created.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
            ),
        ] {
            description.insert(key.to_string(), value);
        }
        Self(description)
    }

    /// The file.
    pub(super) fn to_yaml(&self) -> String {
        let mut text = String::new();
        write_yaml(&self.0, 0, &mut text);
        text
    }

    /// The same for the run's list of models.
    pub(super) fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// What goes in and what comes out, in MLflow's form: texts that hold JSON.
fn signature(model: &Model, columns: &[(String, ColumnType)]) -> Value {
    let is_input = |name: &str| model.inputs.iter().any(|input| input.name == name);
    let inputs: Vec<Value> = columns
        .iter()
        .filter(|(name, _)| is_input(name))
        .map(|(name, column_type)| column_spec(name, *column_type))
        .collect();
    let outputs = json!([
        column_spec("prediction", ColumnType::Double),
        { "type": "array", "items": { "type": "double" }, "name": "probability", "required": true },
    ]);
    json!({ "inputs": Value::from(inputs).to_string(), "outputs": outputs.to_string(), "params": null })
}

/// A column in MLflow's words.
pub(super) fn column_spec(name: &str, column_type: ColumnType) -> Value {
    let word = match column_type {
        ColumnType::Int => "integer",
        other => other.name(),
    };
    json!({ "type": word, "name": name, "required": true })
}

/// Block mappings down to the values. A value is written as JSON, which YAML reads as it is meant: texts are quoted,
/// so none is taken for a number, a date or a truth value.
fn write_yaml(map: &Map<String, Value>, depth: usize, text: &mut String) {
    for (key, value) in map {
        text.push_str(&"  ".repeat(depth));
        match value {
            Value::Object(inner) => {
                text.push_str(&format!("{key}:\n"));
                write_yaml(inner, depth + 1, text);
            }
            value => text.push_str(&format!("{key}: {value}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_yaml_whose_texts_stay_texts() {
        let value = json!({ "a": { "b": "no", "n": 1, "s": "[{\"name\": \"x\"}]" }, "c": null });
        let mut text = String::new();
        write_yaml(value.as_object().unwrap(), 0, &mut text);
        assert_eq!(
            text,
            "a:\n  b: \"no\"\n  n: 1\n  s: \"[{\\\"name\\\": \\\"x\\\"}]\"\nc: null\n"
        );
    }

    #[test]
    fn columns_have_mlflows_types() {
        let words = ColumnType::ALL.map(|column_type| column_spec("c", column_type)["type"].clone());
        assert_eq!(words, ["string", "boolean", "integer", "long", "float", "double"]);
    }
}
