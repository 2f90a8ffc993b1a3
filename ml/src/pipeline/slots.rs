//! What the elements of a feature vector are called: by the columns that they come from.

use super::FittedPipeline;

impl FittedPipeline {
    /// Returns the names of the `width` elements of the vector column `column`, as [`element_names`](Self::element_names) tells
    /// them; else they are numbered: `column[0]`, `column[1]`, ….
    pub fn slot_names(&self, column: &str, width: usize) -> Vec<String> {
        let names = self.element_names(column).filter(|names| names.len() == width);
        names.unwrap_or_else(|| (0..width).map(|slot| format!("{column}[{slot}]")).collect())
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
