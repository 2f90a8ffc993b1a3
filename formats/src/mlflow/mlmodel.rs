//! `MLmodel`: the file by which MLflow's tools know a model. It says what can load it, what goes in and what comes out.

use rookery_ml::{MODEL_FORMAT, MODEL_VERSION, Model};
use serde_json::{Map, Value, json};

use super::environment::{LOADER_MODULE, MLFLOW_VERSION, ONNX_VERSION, PYTHON_VERSION};
use super::signature::signature;
use super::{EXAMPLE_FILE, SERVING_EXAMPLE_FILE};
use crate::Format;
use crate::spark::SPARK_VERSION;

/// A model's description: the content of `MLmodel`, and an entry of the run's list of models.
#[derive(Debug, Clone, PartialEq)]
pub struct MlModel(Map<String, Value>);

/// Where a description's model comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The run that trained it, if it is known.
    pub run_id: Option<String>,
    /// The logged model, if there is one.
    pub model_id: Option<String>,
    /// When it was made, as `2026-11-23 03:30:00.000000` in UTC.
    pub created: String,
    /// An id of this copy of the model: 32 hexadecimal digits.
    pub uuid: String,
}

impl MlModel {
    /// Describes a model that was written in `formats`.
    pub(crate) fn new(origin: &Origin, model: &Model, formats: &[Format], size_bytes: usize) -> Self {
        let mut description = Map::new();
        for (key, value) in [
            ("artifact_path", json!("model")),
            ("flavors", flavors(formats)),
            ("mlflow_version", json!(MLFLOW_VERSION)),
            ("model_id", json!(origin.model_id)),
            ("model_size_bytes", json!(size_bytes)),
            ("model_uuid", json!(origin.uuid)),
            ("run_id", json!(origin.run_id)),
            (
                "saved_input_example_info",
                json!({
                    "artifact_path": EXAMPLE_FILE,
                    "pandas_orient": "split",
                    "serving_input_path": SERVING_EXAMPLE_FILE,
                    "type": "dataframe",
                }),
            ),
            ("signature", signature(model)),
            ("utc_time_created", json!(origin.created)),
        ] {
            description.insert(key.to_string(), value);
        }
        Self(description)
    }

    /// Returns the file.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        write_yaml(&self.0, 0, &mut text);
        text
    }

    /// Returns the same for the run's list of models.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// What can load the model. A format that could not be written is left out.
fn flavors(formats: &[Format]) -> Value {
    let mut flavors = json!({
        "rookery": { "data": "model.json", "format": MODEL_FORMAT, "format_version": MODEL_VERSION },
    });
    for format in formats {
        let data = format.path();
        flavors[format.name()] = match format {
            Format::Onnx => json!({
                "code": null, "data": data, "onnx_version": ONNX_VERSION, "providers": ["CPUExecutionProvider"],
            }),
            Format::Spark => json!({
                "code": null,
                "model_class": "pyspark.ml.pipeline.PipelineModel",
                "model_data": data,
                "pyspark_version": SPARK_VERSION,
            }),
            Format::Pmml => json!({ "data": data, "pmml_version": "4.4" }),
        };
    }
    if formats.contains(&Format::Onnx) {
        flavors["python_function"] = json!({
            "code": "code",
            "data": Format::Onnx.path(),
            "env": { "conda": "conda.yaml", "virtualenv": "python_env.yaml" },
            "loader_module": LOADER_MODULE,
            "python_version": PYTHON_VERSION,
        });
    }
    flavors
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
    use rookery_ml::ColumnKind;

    use super::*;
    use crate::mlflow::column_spec;

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
        use ColumnKind::*;
        let words =
            [Text, Boolean, Integer, Float, Double].map(|kind| column_spec("c", kind)["type"].clone());
        assert_eq!(words, ["string", "boolean", "long", "double", "double"]);
    }

    #[test]
    fn a_flavour_is_there_for_each_format_that_was_written() {
        let names = |formats: &[Format]| {
            flavors(formats)
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&Format::ALL),
            ["onnx", "pmml", "python_function", "rookery", "spark"]
        );
        assert_eq!(names(&[Format::Pmml]), ["pmml", "rookery"]);
    }
}
