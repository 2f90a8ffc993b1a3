//! What the elements of a feature vector are called: by the columns that they come from.

use super::FittedPipeline;
use crate::stages::{FittedStage, StageSpec};

impl FittedPipeline {
    /// Returns the names of the `width` elements of the vector column `column`. A vector that comes from none of the
    /// stages has numbered elements: `column[0]`, `column[1]`, ….
    pub fn slot_names(&self, column: &str, width: usize) -> Vec<String> {
        let stages: Vec<StageSpec> = self.stages.iter().map(FittedStage::spec).collect();
        let names = slots(&stages, column);
        match names.len() == width {
            true => names,
            false => (0..width).map(|slot| format!("{column}[{slot}]")).collect(),
        }
    }
}

/// The names as far as the stages tell them; a column that no stage makes has one.
fn slots(stages: &[StageSpec], column: &str) -> Vec<String> {
    let made = stages.iter().position(|stage| stage.output() == column);
    match made.map(|made| (&stages[made], &stages[..made])) {
        Some((stage @ StageSpec::VectorAssembler(_), before)) => {
            let inputs = stage.inputs().into_iter();
            inputs.flat_map(|input| slots(before, input)).collect()
        }
        Some((StageSpec::MinMaxScaler(scaler), before)) => slots(before, &scaler.input),
        _ => vec![column.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use crate::pipeline::FittedPipeline;
    use serde_json::json;

    #[test]
    fn slots_are_named_through_scalers_and_assemblers() {
        let pipeline: FittedPipeline = serde_json::from_value(json!({"stages": [
            {"type": "VectorAssembler", "inputs": ["a", "b"], "output": "raw", "handle_invalid": "error"},
            {"type": "MinMaxScaler", "params": {"input": "raw", "output": "scaled"},
             "original_min": [0.0, 0.0], "original_max": [1.0, 1.0]},
            {"type": "VectorAssembler", "inputs": ["c", "scaled"], "output": "features", "handle_invalid": "error"},
        ]}))
        .expect("a pipeline");
        assert_eq!(pipeline.slot_names("features", 3), ["c", "a", "b"]);
        assert_eq!(pipeline.slot_names("features", 4)[3], "features[3]");
        assert_eq!(pipeline.slot_names("x", 2), ["x[0]", "x[1]"]);
    }
}
