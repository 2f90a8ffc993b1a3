//! A model becomes a document.

use std::collections::{BTreeMap, BTreeSet};

use rookery_ml::{
    ColumnKind, Family, FittedMinMaxScaler, FittedStage, FittedStringIndexer, HandleInvalid, InputColumn,
    LogisticRegressionModel, Model,
};

use super::document::Element;
use super::fields::{Names, apply, computed_output, constant, derived_field, field_ref, number};
use crate::onnx::Scaling;
use crate::plan::{Plan, finite, unsupported_hasher, unsupported_sql};
use crate::{Format, FormatError, labels};

/// Returns the model as PMML.
pub(crate) fn write(model: &Model) -> Result<Vec<u8>, FormatError> {
    let plan = Plan::new(model, Format::Pmml)?;
    let mut writer = Writer {
        plan: &plan,
        names: Names::default(),
        columns: BTreeMap::new(),
        derived: Vec::new(),
    };
    let (label, inputs) = (writer.names.fresh(&model.label), writer.inputs());
    for stage in &plan.stages {
        match stage {
            FittedStage::StringIndexer(stage) => {
                for (input, output, labels) in stage.columns() {
                    writer.string_indexer(input, output, labels, stage.params.handle_invalid)?;
                }
            }
            FittedStage::VectorAssembler(stage) => {
                let parts = stage
                    .inputs
                    .iter()
                    .map(|input| writer.column(input).map(|c| c.fields));
                let fields = parts.collect::<Result<Vec<_>, _>>()?.concat();
                writer.put(&stage.output, ColumnKind::Vector, fields);
            }
            FittedStage::MinMaxScaler(stage) => writer.min_max_scaler(stage)?,
            FittedStage::StandardScaler(stage) => writer.standard_scaler(stage)?,
            FittedStage::OneHotEncoder(stage) => writer.one_hot_encoder(stage)?,
            FittedStage::Imputer(stage) => writer.imputer(stage)?,
            FittedStage::Bucketizer(stage) => writer.bucketizer(&stage.bucketed(), stage.handle_invalid)?,
            FittedStage::QuantileDiscretizer(stage) => {
                writer.bucketizer(&stage.bucketed(), stage.params.handle_invalid)?;
            }
            FittedStage::Interaction(stage) => writer.interaction(stage)?,
            FittedStage::FeatureHasher(stage) => return Err(unsupported_hasher(Format::Pmml, &stage.output)),
            FittedStage::SqlTransformer(stage) => return Err(unsupported_sql(Format::Pmml, stage)),
        }
    }
    let classifier = writer.classifier(&label)?;
    let dictionary = Element::new("DataDictionary")
        .children(inputs)
        .child(target(&label, model));
    let application = Element::new("Application")
        .with("name", "rookery")
        .with("version", env!("CARGO_PKG_VERSION"));
    Element::new("PMML")
        .with("version", "4.4")
        .with("xmlns", "http://www.dmg.org/PMML-4_4")
        .child(Element::new("Header").child(application))
        .child(dictionary)
        .child(classifier)
        .to_xml()
}

/// The field that is predicted: the class by its number.
fn target(label: &str, model: &Model) -> Element {
    let class = |class: usize| Element::new("Value").with("value", class);
    Element::new("DataField")
        .with("name", label)
        .with("optype", "categorical")
        .with("dataType", "integer")
        .children((0..classes(&model.classifier)).map(class))
}

fn classes(classifier: &LogisticRegressionModel) -> usize {
    classifier.num_classes.max(2)
}

/// A column of the model: a field, or one for each element.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) kind: ColumnKind,
    pub(super) fields: Vec<String>,
}

pub(super) struct Writer<'a> {
    plan: &'a Plan<'a>,
    pub(super) names: Names,
    columns: BTreeMap<String, Value>,
    pub(super) derived: Vec<Element>,
}

impl Writer<'_> {
    fn inputs(&mut self) -> Vec<Element> {
        let plan = self.plan;
        let fields = plan.model.inputs.iter().map(|input| {
            let name = self.names.fresh(&input.name);
            // The names of inputs are those of the columns: nothing has taken them before, but the label.
            let field = data_field(plan, input, &name);
            self.put(&input.name, input.kind, vec![name]);
            field
        });
        let fields = fields.collect();
        for input in plan
            .model
            .inputs
            .iter()
            .filter(|input| input.kind == ColumnKind::Boolean)
        {
            let truth = Element::new("Constant").with("dataType", "boolean").text("true");
            let is_true = apply("equal", [field_ref(&input.name), truth]);
            let as_number = apply("if", [is_true, constant(1.0), constant(0.0)]);
            let name = self.names.fresh(&format!("{} as number", input.name));
            self.derived.push(derived_field(&name, as_number));
            self.put(&input.name, ColumnKind::Boolean, vec![name]);
        }
        fields
    }

    pub(super) fn column(&self, name: &str) -> Result<Value, FormatError> {
        let found = self.columns.get(name).cloned();
        found.ok_or_else(|| Format::Pmml.unsupported(format!("column {name} is not there")))
    }

    pub(super) fn put(&mut self, column: &str, kind: ColumnKind, fields: Vec<String>) {
        self.columns.insert(column.to_owned(), Value { kind, fields });
    }

    fn string_indexer(
        &mut self,
        input: &str,
        output: &str,
        labels: &[String],
        handle_invalid: HandleInvalid,
    ) -> Result<(), FormatError> {
        let (input, unseen) = (self.column(input)?, labels.len() as f64);
        let field = input.fields.first().map(String::as_str).unwrap_or_default();
        let is_kept = handle_invalid == HandleInvalid::Keep;
        let expression = match input.kind {
            ColumnKind::Text => map_values(field, labels, is_kept.then_some(unseen)),
            kind => {
                let numbers = labels::numbers(kind, labels);
                let found = index_of_number(field, &numbers, unseen, is_kept);
                match is_kept {
                    true => found,
                    // What is no label becomes missing, and nothing is predicted.
                    false => {
                        let name = self.names.fresh(&format!("{output} or unseen"));
                        self.derived.push(derived_field(&name, found));
                        let is_label = apply("lessThan", [field_ref(&name), constant(unseen)]);
                        apply("if", [is_label, field_ref(&name)])
                    }
                }
            }
        };
        let name = self.names.fresh(output);
        self.derived.push(derived_field(&name, expression));
        self.put(output, ColumnKind::Double, vec![name]);
        Ok(())
    }

    fn min_max_scaler(&mut self, stage: &FittedMinMaxScaler) -> Result<(), FormatError> {
        let input = self.column(&stage.params.input)?;
        let scaling = Scaling::of(stage);
        let mut fields = Vec::new();
        for (element, field) in input.fields.iter().enumerate() {
            let moved = apply("-", [field_ref(field), constant(scaling.lowest[element])]);
            let scaled = apply("*", [moved, constant(scaling.scales[element])]);
            let expression = apply("+", [scaled, constant(scaling.offsets[element])]);
            let name = self.names.fresh(&format!("{}[{element}]", stage.params.output));
            self.derived.push(derived_field(&name, expression));
            fields.push(name);
        }
        self.put(&stage.params.output, ColumnKind::Vector, fields);
        Ok(())
    }

    fn classifier(mut self, label: &str) -> Result<Element, FormatError> {
        let classifier = &self.plan.model.classifier;
        let features = self.column(&self.plan.model.features)?.fields;
        let active = self
            .plan
            .model
            .inputs
            .iter()
            .map(|input| mining_field(self.plan, input));
        let schema = Element::new("MiningSchema").children(active).child(
            Element::new("MiningField")
                .with("name", label)
                .with("usageType", "target"),
        );
        let (normalization, tables) = match classifier.family {
            Family::Binomial => {
                let rest = Element::new("RegressionTable")
                    .with("intercept", "0.0")
                    .with("targetCategory", 0);
                ("logit", vec![regression_table(classifier, 0, 1, &features), rest])
            }
            Family::Multinomial => {
                let table = |class| regression_table(classifier, class, class, &features);
                ("softmax", (0..classifier.num_classes).map(table).collect())
            }
        };
        let outputs = outputs(classifier, &mut self.names);
        Ok(Element::new("RegressionModel")
            .with("modelName", "logistic_regression")
            .with("functionName", "classification")
            .with("normalizationMethod", normalization)
            .child(schema)
            .child(Element::new("Output").children(outputs))
            .child(Element::new("LocalTransformations").children(self.derived))
            .children(tables))
    }
}

/// An input in the data dictionary. Whole numbers are doubles, which is how they enter the features.
fn data_field(plan: &Plan<'_>, input: &InputColumn, name: &str) -> Element {
    let (optype, data_type) = match input.kind {
        ColumnKind::Text => ("categorical", "string"),
        ColumnKind::Boolean => ("categorical", "boolean"),
        ColumnKind::Float => ("continuous", "float"),
        _ => ("continuous", "double"),
    };
    let field = Element::new("DataField")
        .with("name", name)
        .with("optype", optype)
        .with("dataType", data_type);
    // Where values are listed, others are invalid.
    let labels: BTreeSet<&String> = plan
        .stages
        .iter()
        .filter_map(|stage| match stage {
            FittedStage::StringIndexer(stage) if refuses(stage, input) => Some(labels_of(stage, input)),
            _ => None,
        })
        .flatten()
        .collect();
    field.children(
        labels
            .into_iter()
            .map(|label| Element::new("Value").with("value", label)),
    )
}

fn refuses(stage: &FittedStringIndexer, input: &InputColumn) -> bool {
    input.kind == ColumnKind::Text
        && stage.params.handle_invalid == HandleInvalid::Error
        && stage.columns().any(|(column, ..)| column == input.name)
}

/// The labels that an indexer has for an input.
fn labels_of<'a>(stage: &'a FittedStringIndexer, input: &InputColumn) -> impl Iterator<Item = &'a String> {
    let columns = stage.columns().filter(move |(column, ..)| *column == input.name);
    columns.flat_map(|(.., labels)| labels)
}

fn mining_field(plan: &Plan<'_>, input: &InputColumn) -> Element {
    let refuses = plan
        .null_handling(input)
        .any(|handling| handling == HandleInvalid::Error);
    let field = Element::new("MiningField").with("name", &input.name);
    match refuses {
        true => field
            .with("invalidValueTreatment", "returnInvalid")
            .with("missingValueTreatment", "returnInvalid"),
        false => field.with("invalidValueTreatment", "asIs"),
    }
}

fn map_values(field: &str, labels: &[String], unseen: Option<f64>) -> Element {
    let mut map = Element::new("MapValues");
    if let Some(unseen) = unseen {
        map = map
            .with("mapMissingTo", number(unseen))
            .with("defaultValue", number(unseen));
    }
    let row = |(index, label): (usize, &String)| {
        Element::new("row")
            .child(Element::new("label").text(label))
            .child(Element::new("index").text(number(index as f64)))
    };
    let pair = Element::new("FieldColumnPair")
        .with("field", field)
        .with("column", "label");
    map.with("outputColumn", "index")
        .with("dataType", "double")
        .child(pair)
        .child(Element::new("InlineTable").children(labels.iter().enumerate().map(row)))
}

/// The index of the number that is equal, else `unseen`: each other comparison gives `unseen`, the largest.
fn index_of_number(field: &str, numbers: &[(f64, usize)], unseen: f64, is_kept: bool) -> Element {
    let compared = numbers.iter().map(|(number, index)| {
        let is_it = apply("equal", [field_ref(field), constant(*number)]);
        apply("if", [is_it, constant(*index as f64), constant(unseen)])
    });
    let smallest = Element::new("Apply").with("function", "min");
    let smallest = match is_kept {
        true => smallest.with("mapMissingTo", number(unseen)),
        false => smallest,
    };
    smallest.children(compared).child(constant(unseen))
}

fn regression_table(
    classifier: &LogisticRegressionModel,
    row: usize,
    category: usize,
    features: &[String],
) -> Element {
    let width = classifier.num_features;
    let coefficients = &classifier.coefficient_matrix[row * width..(row + 1) * width];
    let predictor = |(field, coefficient): (&String, &f64)| {
        Element::new("NumericPredictor")
            .with("name", field)
            .with("coefficient", number(*coefficient))
    };
    Element::new("RegressionTable")
        .with("intercept", number(finite(classifier.intercepts[row])))
        .with("targetCategory", category)
        .children(features.iter().zip(coefficients).map(predictor))
}

/// The probabilities, and the class that follows from them.
fn outputs(classifier: &LogisticRegressionModel, names: &mut Names) -> Vec<Element> {
    let prediction = names.fresh("prediction");
    let probabilities: Vec<String> = (0..classes(classifier))
        .map(|class| names.fresh(&format!("probability_{class}")))
        .collect();
    let probability = |(class, name): (usize, &String)| {
        Element::new("OutputField")
            .with("name", name)
            .with("optype", "continuous")
            .with("dataType", "double")
            .with("feature", "probability")
            .with("value", class)
    };
    let mut outputs: Vec<Element> = probabilities.iter().enumerate().map(probability).collect();
    if classifier.family == Family::Binomial {
        let threshold = constant(classifier.threshold.unwrap_or(0.5));
        let is_above = apply("greaterThan", [field_ref(&probabilities[1]), threshold]);
        let class = apply("if", [is_above, constant(1.0), constant(0.0)]);
        outputs.push(computed_output(
            &prediction,
            true,
            if_scored(&probabilities[0], class),
        ));
        return outputs;
    }
    let mut scores = probabilities.clone();
    if let Some(thresholds) = &classifier.thresholds {
        for (score, threshold) in scores.iter_mut().zip(thresholds) {
            let name = names.fresh(&format!("{score} by threshold"));
            let ratio = match *threshold {
                // Division by 0: such a class wins unless its probability is 0 too.
                0.0 => {
                    let is_possible = apply("greaterThan", [field_ref(score), constant(0.0)]);
                    apply("if", [is_possible, constant(f64::MAX), constant(-1.0)])
                }
                threshold => apply("/", [field_ref(score), constant(threshold)]),
            };
            outputs.push(computed_output(&name, false, ratio));
            *score = name;
        }
    }
    let largest = names.fresh("largest");
    let all = scores.iter().map(|score| field_ref(score));
    outputs.push(computed_output(&largest, false, apply("max", all)));
    let last = constant(scores.len() as f64);
    let candidates = scores.iter().enumerate().map(|(class, score)| {
        let is_largest = apply("greaterOrEqual", [field_ref(score), field_ref(&largest)]);
        apply("if", [is_largest, constant(class as f64), last.clone()])
    });
    let class = if_scored(&probabilities[0], apply("min", candidates));
    outputs.push(computed_output(&prediction, true, class));
    outputs
}

/// The class, and nothing where the probability is missing: some engines take comparisons with what is missing for false.
fn if_scored(probability: &str, class: Element) -> Element {
    let nothing = apply("*", [field_ref(probability), constant(0.0)]);
    apply("+", [class, nothing])
}
