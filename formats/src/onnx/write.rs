//! A model becomes a graph, stage by stage.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use rookery_ml::{
    ColumnKind, Family, FittedMinMaxScaler, FittedStage, FittedStringIndexer, HandleInvalid,
    LogisticRegressionModel, Model, VectorAssembler,
};

use super::graph::{Graph, ML_DOMAIN, int, ints, texts};
use super::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
use super::{NULL_TEXT, element};
use crate::plan::{Plan, finite, unsupported_hasher, unsupported_sql};
use crate::{Format, FormatError, labels};

/// Versions old enough for every runtime of the last years, new enough for 64-bit numbers in all operators.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 15;
const ML_OPSET: i64 = 2;

/// Returns the model as ONNX.
pub(crate) fn write(model: &Model) -> Result<Vec<u8>, FormatError> {
    let plan = Plan::new(model, Format::Onnx)?;
    let null_text = null_text(&plan);
    let mut writer = Writer {
        graph: Graph::default(),
        plan: &plan,
        columns: BTreeMap::new(),
        rows: None,
        null_text: null_text.clone(),
        outputs: Vec::new(),
    };
    writer.inputs()?;
    for (position, stage) in plan.stages.iter().enumerate() {
        match stage {
            FittedStage::StringIndexer(stage) => writer.string_indexer(stage, position)?,
            FittedStage::VectorAssembler(stage) => writer.vector_assembler(stage, position)?,
            FittedStage::MinMaxScaler(stage) => writer.min_max_scaler(stage)?,
            FittedStage::StandardScaler(stage) => writer.standard_scaler(stage)?,
            FittedStage::OneHotEncoder(stage) => writer.one_hot_encoder(stage)?,
            FittedStage::Imputer(stage) => writer.imputer(stage)?,
            FittedStage::Bucketizer(stage) => {
                writer.bucketizer(&stage.bucketed(), stage.handle_invalid, position)?;
            }
            FittedStage::QuantileDiscretizer(stage) => {
                writer.bucketizer(&stage.bucketed(), stage.params.handle_invalid, position)?;
            }
            FittedStage::Interaction(stage) => writer.interaction(stage)?,
            FittedStage::FeatureHasher(stage) => return Err(unsupported_hasher(Format::Onnx, &stage.output)),
            FittedStage::SqlTransformer(stage) => return Err(unsupported_sql(Format::Onnx, stage)),
        }
    }
    writer.classifier(&model.classifier)?;
    let opset = |domain: &str, version| OperatorSetIdProto {
        domain: Some(domain.to_owned()),
        version: Some(version),
    };
    let file = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("rookery".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(writer.graph.finish("logistic_regression")),
        opset_import: vec![opset("", OPSET), opset(ML_DOMAIN, ML_OPSET)],
        metadata_props: vec![StringStringEntryProto {
            key: Some(NULL_TEXT.to_owned()),
            value: Some(null_text),
        }],
        ..ModelProto::default()
    };
    Ok(file.encode_to_vec())
}

/// A text that is no category of the model.
fn null_text(plan: &Plan<'_>) -> String {
    let labels: BTreeSet<&str> = plan
        .stages
        .iter()
        .filter_map(|stage| match stage {
            FittedStage::StringIndexer(stage) => Some(stage.labels.iter().flatten().map(String::as_str)),
            _ => None,
        })
        .flatten()
        .collect();
    let mut text = "<null>".to_owned();
    while labels.contains(text.as_str()) {
        text.push('>');
    }
    text
}

/// A column in the graph.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) name: String,
    /// What the model's column holds.
    pub(super) kind: ColumnKind,
    /// What the tensor holds.
    element: i32,
    /// Elements in each row; tensors of vectors are `[N, width]`, others `[N]`.
    pub(super) width: usize,
}

pub(super) struct Writer<'a> {
    pub(super) graph: Graph,
    plan: &'a Plan<'a>,
    columns: BTreeMap<String, Value>,
    /// Positions of the rows that are left, where some may be dropped.
    rows: Option<String>,
    null_text: String,
    /// Names of the outputs: prediction, probabilities, positions.
    outputs: Vec<String>,
}

impl Writer<'_> {
    fn inputs(&mut self) -> Result<(), FormatError> {
        for input in &self.plan.model.inputs {
            // ONNX's whole numbers and truth values have no null; where nulls are allowed, numbers with NaN stand in.
            let has_nulls = self.plan.null_handling(input).any(|h| h != HandleInvalid::Error);
            let element = match input.kind {
                ColumnKind::Text => element::STRING,
                ColumnKind::Float => element::FLOAT,
                ColumnKind::Integer if !has_nulls => element::INT64,
                ColumnKind::Boolean if !has_nulls => element::BOOL,
                _ => element::DOUBLE,
            };
            if input.name.is_empty() {
                return Err(Format::Onnx.unsupported("a column without a name"));
            }
            self.graph.input(&input.name, element);
            self.columns.insert(
                input.name.clone(),
                Value {
                    name: input.name.clone(),
                    kind: input.kind,
                    element,
                    width: 1,
                },
            );
        }
        self.name_outputs();
        if self.plan.drops_rows() {
            let Some(first) = self.plan.model.inputs.first() else {
                return Err(Format::Onnx.unsupported("a model without inputs"));
            };
            let shape = self.graph.apply("Shape", &[&first.name], "shape_of_input");
            let zero = self.graph.whole_numbers(&[], &[0], "zero");
            let one = self.graph.whole_numbers(&[], &[1], "one");
            let count = self
                .graph
                .node("Gather", &[&shape, &zero], vec![int("axis", 0)], "row_count");
            self.rows = Some(self.graph.apply("Range", &[&zero, &count, &one], "rows"));
        }
        Ok(())
    }

    /// Outputs get their names before anything inside does.
    fn name_outputs(&mut self) {
        let classes = self.plan.model.classifier.num_classes.max(2);
        let probabilities = (0..classes).map(|class| format!("probability_{class}"));
        let wanted = ["prediction".to_owned()]
            .into_iter()
            .chain(probabilities)
            .chain(["row".to_owned()]);
        self.outputs = wanted.map(|name| self.graph.fresh(&name)).collect();
    }

    pub(super) fn column(&self, name: &str) -> Result<Value, FormatError> {
        let found = self.columns.get(name).cloned();
        found.ok_or_else(|| Format::Onnx.unsupported(format!("column {name} is not there")))
    }

    fn string_indexer(&mut self, stage: &FittedStringIndexer, position: usize) -> Result<(), FormatError> {
        let mut indices = Vec::new();
        for (input, output, labels) in stage.columns() {
            let column = self.column(input)?;
            let index = match column.element {
                element::STRING => self.index_of_text(&column.name, labels, output),
                _ => self.index_of_number(&column, labels, output),
            };
            indices.push((input, output, labels.len(), index));
        }
        if stage.params.handle_invalid == HandleInvalid::Skip {
            let mut kept = Vec::new();
            for (.., unseen, index) in &indices {
                let count = self.graph.whole_numbers(&[], &[*unseen as i64], "labels");
                kept.push(self.graph.apply("Less", &[index, &count], "kept"));
            }
            let mut compressed: Vec<&mut String> = indices.iter_mut().map(|(.., index)| index).collect();
            self.keep_all(&kept, position + 1, &mut compressed);
        }
        for (input, output, unseen, index) in indices {
            let name = match stage.params.handle_invalid {
                HandleInvalid::Keep | HandleInvalid::Skip => self.graph.cast(&index, element::DOUBLE, output),
                HandleInvalid::Error => {
                    let table: Vec<f64> = (0..unseen).map(|index| index as f64).collect();
                    let table = self.graph.numbers(&[unseen as i64], &table, "indices");
                    let wanted = format!("{output}: out of bounds means an unseen label in {input}");
                    self.graph
                        .node("Gather", &[&table, &index], vec![int("axis", 0)], &wanted)
                }
            };
            self.put(output, name, ColumnKind::Double, 1);
        }
        Ok(())
    }

    /// Drops the rows in which not all of `kept` hold, from `values` and from every column that is needed later.
    pub(super) fn keep_all(&mut self, kept: &[String], from: usize, values: &mut [&mut String]) {
        let Some((first, others)) = kept.split_first() else {
            return;
        };
        let mut all = first.clone();
        for other in others {
            all = self.graph.apply("And", &[&all, other], "kept");
        }
        self.keep(&all, from);
        for value in values {
            **value = self.compress(value, &all);
        }
    }

    /// The index of each label, and that after the last one for what is no label.
    fn index_of_text(&mut self, input: &str, labels: &[String], wanted: &str) -> String {
        let unseen = labels.len() as i64;
        // The table must not be empty; a null is no label anyway.
        let keys = labels.iter().chain([&self.null_text]).cloned().collect();
        let attributes = vec![
            texts("keys_strings", keys),
            ints("values_int64s", (0..=unseen).collect()),
            int("default_int64", unseen),
        ];
        self.graph
            .node("LabelEncoder", &[input], attributes, &format!("{wanted}_index"))
    }

    /// The same for numbers: of all comparisons with labels at most one is true, so a sum over them picks its index.
    fn index_of_number(&mut self, input: &Value, labels: &[String], wanted: &str) -> String {
        let unseen = labels.len() as f64;
        let (value, keys, indices) = if input.element == element::INT64 {
            let (keys, indices): (Vec<i64>, Vec<usize>) = labels::whole_numbers(labels).into_iter().unzip();
            let keys = self.graph.whole_numbers(&[1, keys.len() as i64], &keys, "labels");
            (input.name.clone(), keys, indices)
        } else {
            let (keys, indices): (Vec<f64>, Vec<usize>) =
                labels::numbers(input.kind, labels).into_iter().unzip();
            let keys = self.graph.numbers(&[1, keys.len() as i64], &keys, "labels");
            (self.as_number(input), keys, indices)
        };
        let column = self.graph.reshape(&value, &[-1, 1], wanted);
        let same = self.graph.apply("Equal", &[&column, &keys], "is_label");
        let same = self.graph.cast(&same, element::DOUBLE, "is_label");
        let offsets: Vec<f64> = indices.iter().map(|index| *index as f64 - unseen).collect();
        let offsets = self
            .graph
            .numbers(&[offsets.len() as i64, 1], &offsets, "offsets");
        let index = self.graph.apply("MatMul", &[&same, &offsets], "offset");
        let unseen = self.graph.numbers(&[], &[unseen], "unseen");
        let index = self.graph.apply("Add", &[&index, &unseen], "index");
        let index = self.graph.reshape(&index, &[-1], "index");
        self.graph
            .cast(&index, element::INT64, &format!("{wanted}_index"))
    }

    fn vector_assembler(&mut self, stage: &VectorAssembler, position: usize) -> Result<(), FormatError> {
        let mut parts = Vec::new();
        for name in &stage.inputs {
            let input = self.column(name)?;
            let number = self.as_number(&input);
            // An index is never NaN, nor is what came as a whole number; NaN inside a vector passes.
            let is_sound =
                input.kind == ColumnKind::Vector || matches!(input.element, element::INT64 | element::BOOL);
            parts.push((name, number, input.width, is_sound));
        }
        if stage.handle_invalid == HandleInvalid::Skip {
            let mut kept = Vec::new();
            for (_, number, ..) in parts.iter().filter(|(_, _, _, is_sound)| !is_sound) {
                let missing = self.graph.apply("IsNaN", &[number], "is_missing");
                kept.push(self.graph.apply("Not", &[&missing], "is_there"));
            }
            let mut numbers: Vec<&mut String> = parts.iter_mut().map(|(_, number, ..)| number).collect();
            self.keep_all(&kept, position + 1, &mut numbers);
        }
        let mut columns = Vec::new();
        // A vector without elements has no columns.
        for (name, number, width, is_sound) in parts.iter().filter(|(_, _, width, _)| *width > 0) {
            let number = match (stage.handle_invalid, is_sound) {
                (HandleInvalid::Error, false) => self.refuse_missing(name, number),
                _ => number.clone(),
            };
            columns.push(self.graph.reshape(&number, &[-1, *width as i64], name));
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let width = parts.iter().map(|(_, _, width, _)| width).sum();
        let name = self
            .graph
            .node("Concat", &columns, vec![int("axis", 1)], &stage.output);
        self.put(&stage.output, name, ColumnKind::Vector, width);
        Ok(())
    }

    /// The same number, and a failure where it is NaN.
    pub(super) fn refuse_missing(&mut self, column: &str, number: &str) -> String {
        let missing = self.graph.apply("IsNaN", &[number], "is_missing");
        let wanted = format!("{column}: out of bounds means a null or NaN");
        self.refuse_where(&missing, number, column, &wanted)
    }

    /// The same number, and a failure where `refused` holds: then 1 is looked up in a table of one zero, by a node of this
    /// name.
    pub(super) fn refuse_where(&mut self, refused: &str, number: &str, column: &str, node: &str) -> String {
        let refused = self.graph.cast(refused, element::INT64, "is_refused");
        let table = self.graph.numbers(&[1], &[0.0], "zero");
        let zero = self
            .graph
            .node("Gather", &[&table, &refused], vec![int("axis", 0)], node);
        self.graph.apply("Add", &[number, &zero], column)
    }

    fn min_max_scaler(&mut self, stage: &FittedMinMaxScaler) -> Result<(), FormatError> {
        let input = self.column(&stage.params.input)?;
        let scaling = Scaling::of(stage);
        let dims = [1, scaling.lowest.len() as i64];
        let output = &stage.params.output;
        let lowest = self.graph.numbers(&dims, &scaling.lowest, "lowest");
        let scales = self.graph.numbers(&dims, &scaling.scales, "scales");
        let offsets = self.graph.numbers(&dims, &scaling.offsets, "offsets");
        let moved = self.graph.apply("Sub", &[&input.name, &lowest], "moved");
        let scaled = self.graph.apply("Mul", &[&moved, &scales], "scaled");
        let name = self.graph.apply("Add", &[&scaled, &offsets], output);
        self.put(output, name, ColumnKind::Vector, input.width);
        Ok(())
    }

    fn classifier(&mut self, classifier: &LogisticRegressionModel) -> Result<(), FormatError> {
        let features = self.column(&self.plan.model.features)?;
        let (rows, width) = (classifier.intercepts.len(), classifier.num_features);
        let by_feature: Vec<f64> = (0..width * rows)
            .map(|i| classifier.coefficient_matrix[(i % rows) * width + i / rows])
            .collect();
        let coefficients = self
            .graph
            .numbers(&[width as i64, rows as i64], &by_feature, "coefficients");
        let intercepts: Vec<f64> = classifier.intercepts.iter().copied().map(finite).collect();
        let intercepts = self.graph.numbers(&[1, rows as i64], &intercepts, "intercepts");
        let products = self
            .graph
            .apply("MatMul", &[&features.name, &coefficients], "products");
        let margins = self.graph.apply("Add", &[&products, &intercepts], "margins");
        let (prediction, probabilities) = match classifier.family {
            Family::Binomial => self.binomial(&margins, classifier.threshold.unwrap_or(0.5)),
            Family::Multinomial => self.multinomial(&margins, classifier),
        };
        let rows = if self.rows.is_some() { "M" } else { "N" };
        let values = [prediction].into_iter().chain(probabilities);
        let mut names = std::mem::take(&mut self.outputs).into_iter();
        for (value, name) in values.zip(&mut names) {
            self.graph.output(&value, element::DOUBLE, rows, name);
        }
        if let (Some(positions), Some(name)) = (self.rows.clone(), names.next()) {
            self.graph.output(&positions, element::INT64, rows, name);
        }
        Ok(())
    }

    fn binomial(&mut self, margins: &str, threshold: f64) -> (String, Vec<String>) {
        let margin = self.graph.reshape(margins, &[-1], "margin");
        let one = self.graph.numbers(&[], &[1.0], "one");
        let power = self.graph.apply("Exp", &[&margin], "power");
        let sum = self.graph.apply("Add", &[&power, &one], "sum");
        let p0 = self.graph.apply("Div", &[&one, &sum], "p0");
        let p1 = self.graph.apply("Sub", &[&one, &p0], "p1");
        let least = self
            .graph
            .numbers(&[], &[finite(log_odds(threshold))], "log_odds_of_threshold");
        let above = self.graph.apply("Greater", &[&margin, &least], "is_above");
        let prediction = self.graph.cast(&above, element::DOUBLE, "class");
        (prediction, vec![p0, p1])
    }

    fn multinomial(&mut self, margins: &str, classifier: &LogisticRegressionModel) -> (String, Vec<String>) {
        let matrix = self
            .graph
            .node("Softmax", &[margins], vec![int("axis", 1)], "probabilities");
        let scores = match &classifier.thresholds {
            None => margins.to_owned(),
            Some(thresholds) => {
                let thresholds = self
                    .graph
                    .numbers(&[1, thresholds.len() as i64], thresholds, "thresholds");
                self.graph.apply("Div", &[&matrix, &thresholds], "scores")
            }
        };
        // NaN is never the largest.
        let missing = self.graph.apply("IsNaN", &[&scores], "is_missing");
        let lowest = self.graph.numbers(&[], &[f64::NEG_INFINITY], "lowest");
        let scores = self.graph.apply("Where", &[&missing, &lowest, &scores], "scores");
        let attributes = vec![int("axis", 1), int("keepdims", 0)];
        let class = self.graph.node("ArgMax", &[&scores], attributes, "class");
        let prediction = self.graph.cast(&class, element::DOUBLE, "class");
        let probability = |class: usize| {
            let class = self.graph.whole_numbers(&[], &[class as i64], "class");
            self.graph
                .node("Gather", &[&matrix, &class], vec![int("axis", 1)], "p")
        };
        (prediction, (0..classifier.num_classes).map(probability).collect())
    }

    /// The value as 64-bit numbers.
    pub(super) fn as_number(&mut self, value: &Value) -> String {
        match value.element {
            element::DOUBLE => value.name.clone(),
            _ => self.graph.cast(&value.name, element::DOUBLE, &value.name),
        }
    }

    pub(super) fn put(&mut self, column: &str, name: String, kind: ColumnKind, width: usize) {
        let value = Value {
            name,
            kind,
            element: element::DOUBLE,
            width,
        };
        self.columns.insert(column.to_owned(), value);
    }

    /// Drops rows from every column that a stage from `from` on needs.
    fn keep(&mut self, kept: &str, from: usize) {
        let needed = self.plan.needed_from(from);
        self.columns.retain(|name, _| needed.contains(name));
        for (name, mut value) in std::mem::take(&mut self.columns) {
            value.name = self.compress(&value.name, kept);
            self.columns.insert(name, value);
        }
        if let Some(rows) = self.rows.take() {
            self.rows = Some(self.compress(&rows, kept));
        }
    }

    fn compress(&mut self, value: &str, kept: &str) -> String {
        self.graph
            .node("Compress", &[value, kept], vec![int("axis", 0)], value)
    }
}

/// How a MinMaxScaler computes: (x − lowest)·scale + offset. An element that was constant is 0·x + the middle.
#[derive(Debug)]
pub(crate) struct Scaling {
    pub(crate) lowest: Vec<f64>,
    pub(crate) scales: Vec<f64>,
    pub(crate) offsets: Vec<f64>,
}

impl Scaling {
    pub(crate) fn of(stage: &FittedMinMaxScaler) -> Self {
        let (min, max) = (stage.params.min, stage.params.max);
        let ranges =
            (stage.original_max.iter().zip(&stage.original_min)).map(|(highest, lowest)| highest - lowest);
        let (scales, offsets) = ranges
            .map(|range| match range == 0.0 {
                true => (0.0, (max + min) / 2.0),
                false => ((max - min) / range, min),
            })
            .unzip();
        Self {
            lowest: stage.original_min.clone(),
            scales,
            offsets,
        }
    }
}

/// The margin above which class 1 is predicted.
fn log_odds(threshold: f64) -> f64 {
    match threshold {
        0.0 => f64::NEG_INFINITY,
        1.0 => f64::INFINITY,
        threshold => libm::log(threshold / (1.0 - threshold)),
    }
}
