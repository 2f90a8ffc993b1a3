//! What describes a model to MLflow's tools: `MLmodel`, an input example, and the Python packages that loading it takes.

mod environment;
mod mlmodel;
mod signature;

pub use mlmodel::{MlModel, Origin};
pub use signature::column_spec;

pub(crate) use environment::files as environment_files;

use rookery_ml::Model;
use serde_json::json;

use crate::{ModelFile, example};

/// The file by which MLflow's tools know a model.
pub const MLMODEL_FILE: &str = "MLmodel";
pub(crate) const EXAMPLE_FILE: &str = "input_example.json";
pub(crate) const SERVING_EXAMPLE_FILE: &str = "serving_input_example.json";

/// The input example, for people and for `mlflow models serve`.
pub(crate) fn example_files(model: &Model) -> Vec<ModelFile> {
    let columns: Vec<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
    let split = json!({ "columns": columns, "data": [example::row(model)] });
    let file = |path: &str, content: serde_json::Value| ModelFile {
        path: path.to_owned(),
        content: content.to_string().into_bytes(),
    };
    vec![
        file(EXAMPLE_FILE, split.clone()),
        file(SERVING_EXAMPLE_FILE, json!({ "dataframe_split": split })),
    ]
}
