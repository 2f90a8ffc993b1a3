//! A pipeline is stages in order; each adds one column and may read those before it.
//!
//! [`PipelineSpec`] is what the user writes, [`PipelineFit`] fits it in as few passes over the training rows as
//! its stages allow, and [`FittedPipeline`] transforms rows, the same way in training and in serving.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::affine::Affine;
use crate::error::MlError;
use crate::frame::{ColumnKind, Frame};
use crate::profile::ProfiledColumn;
use crate::stages::{Attributes, FittedStage, StageSpec};

mod fit;
mod slots;

pub use fit::{FitPass, FitStatistics, PassStage, PipelineFit, Rest};

/// The stages of a pipeline as the user writes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// The stages in order.
    #[serde(default)]
    pub stages: Vec<StageSpec>,
}

/// A pipeline that is ready to transform rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedPipeline {
    /// The stages in order.
    pub stages: Vec<FittedStage>,
}

/// Features that are columns of the rows, side by side, each at most scaled and shifted.
#[derive(Debug, Clone, PartialEq)]
pub struct Assembled {
    /// The columns, in order.
    pub inputs: Vec<String>,
    /// How they are scaled and shifted.
    pub affine: Affine,
    /// The stages that make other columns.
    pub rest: FittedPipeline,
}

impl PipelineSpec {
    /// Checks that every stage finds its inputs, of a kind it can use, and that no column is made twice. Returns
    /// nothing: the check is for telling the user before any row is read.
    ///
    /// # Errors
    /// [`MlError::Stage`] naming the first stage that cannot work.
    pub fn check(&self, inputs: &[(String, ColumnKind)]) -> Result<(), MlError> {
        self.output_schema(inputs).map(|_| ())
    }

    /// Returns the columns there are after the last stage, the inputs first.
    ///
    /// # Errors
    /// As [`check`](PipelineSpec::check).
    pub fn output_schema(
        &self,
        inputs: &[(String, ColumnKind)],
    ) -> Result<Vec<(String, ColumnKind)>, MlError> {
        let mut schema = inputs.to_vec();
        for (index, stage) in self.stages.iter().enumerate() {
            let outputs = add_stage(stage, &schema).map_err(|e| e.in_stage(index, stage.type_name()))?;
            schema.extend(outputs);
        }
        Ok(schema)
    }
}

impl PipelineSpec {
    /// The columns that `features` is made of, for a profile; never the label, which serving does not have. `columns`
    /// are those before the first stage.
    pub fn profiled_columns(
        &self,
        columns: &[(String, ColumnKind)],
        features: &str,
        label: &str,
    ) -> Vec<ProfiledColumn> {
        let sources = source_columns(&self.stages, features);
        let is_input = |name: &String| sources.contains(name) && name != label;
        let inputs = columns.iter().filter(|(name, _)| is_input(name));
        let column = |(name, kind): &(String, ColumnKind)| ProfiledColumn {
            name: name.clone(),
            is_category: *kind == ColumnKind::Text || self.is_only_indexed(name),
        };
        inputs.map(column).collect()
    }

    fn is_only_indexed(&self, column: &str) -> bool {
        let mut readers = self
            .stages
            .iter()
            .filter(|stage| stage.inputs().contains(&column))
            .peekable();
        readers.peek().is_some() && readers.all(|stage| matches!(stage, StageSpec::StringIndexer(_)))
    }
}

/// The columns that a stage adds.
fn add_stage(
    stage: &StageSpec,
    schema: &[(String, ColumnKind)],
) -> Result<Vec<(String, ColumnKind)>, MlError> {
    let mut inputs = Vec::new();
    for input in stage.inputs() {
        let Some((_, kind)) = schema.iter().find(|(name, _)| name == input) else {
            let available = schema.iter().map(|(name, _)| name.clone()).collect();
            return Err(MlError::UnknownColumn {
                column: input.to_owned(),
                available,
            });
        };
        inputs.push((input, *kind));
    }
    let kinds = stage.check(&inputs)?;
    let mut outputs: Vec<(String, ColumnKind)> = Vec::new();
    for (output, kind) in stage.outputs().into_iter().zip(kinds) {
        if schema.iter().chain(&outputs).any(|(name, _)| name == output) {
            let column = output.to_owned();
            return Err(MlError::DuplicateColumn { column });
        }
        outputs.push((output.to_owned(), kind));
    }
    Ok(outputs)
}

impl FittedPipeline {
    /// Returns `frame` with the output column of every stage added, and without the rows a stage drops.
    ///
    /// # Errors
    /// [`MlError::Stage`] naming the stage that failed.
    pub fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        transform(self.stages.iter().enumerate(), frame)
    }

    /// Returns the stages that `column` depends on, directly or not: what serving needs. A stage that only makes
    /// the label is left out, so a request needs no label.
    #[must_use]
    pub fn needed_for(&self, column: &str) -> FittedPipeline {
        let mut needed = BTreeSet::from([column.to_owned()]);
        let mut stages = Vec::new();
        for stage in self.stages.iter().rev() {
            let spec = stage.spec();
            let outputs = spec.outputs();
            if outputs.iter().any(|output| needed.contains(*output)) {
                needed.retain(|column| !outputs.contains(&column.as_str()));
                needed.extend(spec.inputs().into_iter().map(str::to_owned));
                stages.push(stage.clone());
            }
        }
        stages.reverse();
        FittedPipeline { stages }
    }

    /// Where `features` is nothing but columns that are there before the first stage, side by side, each at most scaled and
    /// shifted: returns these columns, how they are scaled, and the stages that are left to make the columns `others`. `None`
    /// if it is anything else, if a stage may drop rows, or if there is a stage that nobody needs and that could still
    /// refuse a row.
    pub fn assembled(&self, features: &str, others: &[&str]) -> Option<Assembled> {
        let mut rest = self.clone();
        let (mut made, mut scalings) = (vec![features.to_owned()], Vec::new());
        let inputs = loop {
            let wanted = made.last()?;
            let position = rest.stages.iter().position(|stage| makes(stage, wanted))?;
            match rest.stages.remove(position) {
                FittedStage::VectorAssembler(assembler) => break assembler.inputs,
                FittedStage::MinMaxScaler(scaler) => {
                    scalings.push(scaler.scaling());
                    made.push(scaler.params.input);
                }
                FittedStage::StandardScaler(scaler) => {
                    scalings.push(scaler.scaling());
                    made.push(scaler.params.input);
                }
                _ => return None,
            }
        };
        // They were met from the last one on.
        let mut scalings = scalings.iter().rev();
        let affine = scalings.try_fold(Affine::identity(inputs.len()), |affine, next| affine.then(next))?;
        let is_made = |column: &String| self.stages.iter().any(|stage| makes(stage, column));
        let needed: Vec<FittedPipeline> = others.iter().map(|column| rest.needed_for(column)).collect();
        let is_needed = |stage: &FittedStage| needed.iter().any(|pipeline| pipeline.stages.contains(stage));
        let reads_made = |stage: &FittedStage| {
            stage
                .spec()
                .inputs()
                .iter()
                .any(|input| made.iter().any(|m| m == input))
        };
        let is_fine =
            |stage: &FittedStage| is_needed(stage) && !stage.spec().drops_rows() && !reads_made(stage);
        let is_assembled = !inputs.iter().any(is_made) && rest.stages.iter().all(is_fine);
        is_assembled.then_some(Assembled { inputs, affine, rest })
    }

    /// Returns the names of the elements of the vector column `column`, where the stages tell: an assembled number has its
    /// column's name, an element of a one-hot vector the column's and the category's (`island_vec_Biscoe`), as in Spark.
    /// Of names that occur twice the later ones get their position, from 1. `None` where no stage makes the column.
    pub fn element_names(&self, column: &str) -> Option<Vec<String>> {
        let mut names = Attributes::after(&self.stages).names(column)?;
        let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
        for (position, name) in names.iter_mut().enumerate() {
            // A column that is assembled twice must not look like one.
            if taken.contains(name) {
                *name = format!("{name} ({})", position + 1);
            }
            taken.insert(name.clone());
        }
        Some(names)
    }

    /// Returns the columns that must be there before the first stage so that `column` can be made, ascending by
    /// name.
    pub fn source_columns(&self, column: &str) -> BTreeSet<String> {
        let stages: Vec<StageSpec> = self.stages.iter().map(FittedStage::spec).collect();
        source_columns(&stages, column)
    }
}

/// Whether a stage adds this column.
fn makes(stage: &FittedStage, column: &str) -> bool {
    stage.spec().outputs().contains(&column)
}

fn source_columns(stages: &[StageSpec], column: &str) -> BTreeSet<String> {
    let mut sources = BTreeSet::from([column.to_owned()]);
    for stage in stages.iter().rev() {
        let outputs = stage.outputs();
        if outputs.iter().any(|output| sources.contains(*output)) {
            sources.retain(|column| !outputs.contains(&column.as_str()));
            sources.extend(stage.inputs().into_iter().map(str::to_owned));
        }
    }
    sources
}

fn transform<'a>(
    stages: impl Iterator<Item = (usize, &'a FittedStage)>,
    mut frame: Frame,
) -> Result<Frame, MlError> {
    for (index, stage) in stages {
        frame = stage
            .transform(frame)
            .map_err(|e| e.in_stage(index, stage.spec().type_name()))?;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> PipelineSpec {
        serde_json::from_str(&format!("{{\"stages\": [{json}]}}")).expect("a pipeline")
    }

    fn columns() -> Vec<(String, ColumnKind)> {
        vec![
            ("a".to_owned(), ColumnKind::Float),
            ("t".to_owned(), ColumnKind::Text),
        ]
    }

    fn error(json: &str) -> String {
        spec(json)
            .check(&columns())
            .expect_err("the pipeline is wrong")
            .to_string()
    }

    #[test]
    fn a_correct_pipeline_passes_and_defaults_are_sparks() {
        let spec = spec(
            r#"{"type": "StringIndexer", "input": "t", "output": "i"},
               {"type": "VectorAssembler", "inputs": ["a", "i"], "output": "v"},
               {"type": "MinMaxScaler", "input": "v", "output": "s"}"#,
        );
        let schema = spec.output_schema(&columns()).expect("correct");
        assert_eq!(schema[4], ("s".to_owned(), ColumnKind::Vector));
        let text = serde_json::to_string(&spec).expect("writable");
        assert!(
            text.contains(r#""order":"frequencyDesc","handle_invalid":"error""#),
            "{text}"
        );
        assert!(text.contains(r#""min":0.0,"max":1.0"#), "{text}");
    }

    #[test]
    fn assembled_columns_are_told_from_computed_ones() {
        let assembled = |json: &str| {
            let fitted: FittedPipeline =
                serde_json::from_str(&format!("{{\"stages\": [{json}]}}")).expect("a pipeline");
            let assembled = fitted.assembled("v", &["i"])?;
            assert!(assembled.affine.is_identity());
            Some((assembled.inputs, assembled.rest.stages.len()))
        };
        let index = |invalid: &str| {
            format!(
                r#"{{"type": "StringIndexer", "params": {{"input": "t", "output": "i", "handle_invalid": "{invalid}"}},
                    "labels": ["x"]}}"#
            )
        };
        let assemble =
            |inputs: &str| format!(r#"{{"type": "VectorAssembler", "inputs": [{inputs}], "output": "v"}}"#);
        let columns = vec!["a".to_owned(), "b".to_owned()];
        let plain = format!("{}, {}", index("error"), assemble(r#""a", "b""#));
        assert_eq!(assembled(&plain), Some((columns, 1)));
        assert_eq!(
            assembled(&format!("{}, {}", index("skip"), assemble(r#""a""#))),
            None,
            "rows may go"
        );
        assert_eq!(
            assembled(&format!("{}, {}", index("error"), assemble(r#""a", "i""#))),
            None,
            "computed"
        );
        let idle = r#", {"type": "VectorAssembler", "inputs": ["a"], "output": "w"}"#;
        assert_eq!(
            assembled(&format!("{}{idle}", assemble(r#""a""#))),
            None,
            "an idle stage"
        );
        assert_eq!(assembled(&index("error")), None);
    }

    #[test]
    fn scaled_columns_are_columns_and_their_scaling() {
        let scaled = |input: &str, output: &str, from: [f64; 2], to: [f64; 2]| {
            format!(
                r#"{{"type": "MinMaxScaler", "original_min": [{}], "original_max": [{}],
                    "params": {{"input": "{input}", "output": "{output}", "min": {}, "max": {}}}}}"#,
                from[0], from[1], to[0], to[1]
            )
        };
        let assembled = |stages: &[String]| {
            let json = format!("{{\"stages\": [{}]}}", stages.join(", "));
            let fitted: FittedPipeline = serde_json::from_str(&json).expect("a pipeline");
            fitted.assembled("s", &[])
        };
        let assembler = r#"{"type": "VectorAssembler", "inputs": ["a"], "output": "v"}"#.to_owned();
        let to_unit = scaled("v", "u", [2.0, 6.0], [0.0, 1.0]);
        let stages = [
            assembler.clone(),
            to_unit,
            scaled("u", "s", [0.0, 1.0], [-1.0, 1.0]),
        ];
        let found = assembled(&stages).expect("columns");
        assert_eq!((found.inputs, found.rest.stages.len()), (vec!["a".to_owned()], 0));
        // Twice x/4 − 1/2, less one.
        assert_eq!(Some(found.affine), Affine::identity(1).then(&[(0.5, -2.0)]));
        let constant = [assembler.clone(), scaled("v", "s", [3.0, 3.0], [0.0, 1.0])];
        let affine = assembled(&constant).map(|found| found.affine);
        assert_eq!(affine, Affine::identity(1).then(&[(0.0, 0.5)]));
        let far = [assembler, scaled("v", "s", [1e9, 1e9 + 1.0], [0.0, 1.0])];
        assert_eq!(assembled(&far), None, "its sums would lose too much");
    }

    #[test]
    fn mistakes_name_the_stage_and_the_columns_there_are() {
        assert_eq!(
            error(r#"{"type": "MinMaxScaler", "input": "x", "output": "s"}"#),
            "stage 0 (MinMaxScaler): unknown column x; available columns: a, t"
        );
        assert_eq!(
            error(r#"{"type": "VectorAssembler", "inputs": ["t"], "output": "v"}"#),
            "stage 0 (VectorAssembler): Data type string of column t is not supported."
        );
        assert_eq!(
            error(r#"{"type": "StringIndexer", "input": "t", "output": "a"}"#),
            "stage 0 (StringIndexer): column a already exists"
        );
        assert_eq!(
            error(r#"{"type": "MinMaxScaler", "input": "a", "output": "s"}"#),
            "stage 0 (MinMaxScaler): requirement failed: Column a must be of type vector but was actually of \
             type float."
        );
        let unknown = r#"{"stages": [{"type": "VectorAssembler", "inputs": ["a"], "outptu": "v"}]}"#;
        let unknown = serde_json::from_str::<PipelineSpec>(unknown)
            .expect_err("misspelt")
            .to_string();
        assert!(unknown.contains("unknown field `outptu`"), "{unknown}");
    }
}
