//! What goes in and what comes out, in MLflow's form: texts that hold JSON.

use rookery_ml::{ColumnKind, Model};
use serde_json::{Value, json};

/// The signature of a model: its inputs, and a prediction with the probability of each class.
pub(super) fn signature(model: &Model) -> Value {
    let inputs = model
        .inputs
        .iter()
        .map(|input| column_spec(&input.name, input.kind));
    let inputs: Vec<Value> = inputs.collect();
    let outputs = json!([
        column_spec("prediction", ColumnKind::Double),
        { "type": "array", "items": { "type": "double" }, "name": "probability", "required": true },
    ]);
    json!({ "inputs": Value::from(inputs).to_string(), "outputs": outputs.to_string(), "params": null })
}

/// Returns a column in MLflow's words. Its clients refuse to narrow what pandas holds: a `float` takes no 64-bit number,
/// an `integer` no 64-bit whole number. So a model asks for the wide ones.
pub fn column_spec(name: &str, kind: ColumnKind) -> Value {
    let word = match kind {
        ColumnKind::Boolean => "boolean",
        ColumnKind::Integer => "long",
        ColumnKind::Float | ColumnKind::Double | ColumnKind::Vector => "double",
        ColumnKind::Text => "string",
    };
    json!({ "type": word, "name": name, "required": true })
}
