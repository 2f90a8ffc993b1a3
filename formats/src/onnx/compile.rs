//! A file becomes a program: a list of steps on numbered values. What Rookery does not write is refused here.

use std::collections::HashMap;

use prost::Message as _;

use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use super::tensor::{Data, Tensor};
use super::{NULL_TEXT, element};
use crate::{Format, FormatError};

const MAX_NODES: usize = 1 << 20;

/// A graph that is ready to run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) inputs: Vec<Input>,
    pub(super) constants: Vec<(usize, Tensor)>,
    pub(super) steps: Vec<Step>,
    /// The values of the outputs, in order.
    pub(super) outputs: Vec<usize>,
    /// How many values there are.
    pub(super) values: usize,
    pub(super) null_text: String,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) element: i32,
    pub(super) value: usize,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) operator: Operator,
    pub(super) inputs: Vec<usize>,
    pub(super) output: usize,
}

#[derive(Debug)]
pub(super) enum Operator {
    Add,
    And,
    /// Along the second axis, without keeping it.
    ArgMax,
    Cast(i32),
    /// Along the first axis.
    Compress,
    /// Along the second axis.
    Concat,
    Div,
    Equal,
    Exp,
    Gather(usize),
    Greater,
    Identity,
    IsNan,
    LabelEncoder {
        index_of: HashMap<String, i64>,
        default: i64,
    },
    Less,
    MatMul,
    Mul,
    Not,
    Range,
    Reshape,
    Shape,
    /// Along the second axis.
    Softmax,
    Sub,
    Where,
}

/// Reads a file.
pub(super) fn compile(bytes: &[u8]) -> Result<Program, FormatError> {
    let invalid = |what: &str| Format::Onnx.invalid(what);
    let model =
        ModelProto::decode(bytes).map_err(|e| Format::Onnx.invalid(format!("it can't be read: {e}")))?;
    let graph = model.graph.ok_or_else(|| invalid("there is no graph"))?;
    if graph.node.len() > MAX_NODES {
        return Err(invalid("there are too many nodes"));
    }
    let is_null_text = |key: &Option<String>| key.as_deref() == Some(NULL_TEXT);
    let null_text = (model.metadata_props.into_iter())
        .find(|entry| is_null_text(&entry.key))
        .and_then(|entry| entry.value)
        .unwrap_or_default();
    let mut values = Values::default();
    let inputs = graph.input.iter().map(|info| input(info, &mut values));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let constants = graph
        .initializer
        .iter()
        .map(|tensor| constant(tensor, &mut values));
    let constants = constants.collect::<Result<Vec<_>, _>>()?;
    let steps = steps(&graph, &mut values)?;
    let outputs = graph.output.iter().map(|info| values.known(info.name.as_deref()));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    Ok(Program {
        inputs,
        constants,
        steps,
        outputs,
        values: values.numbers.len(),
        null_text,
    })
}

/// Numbers for names.
#[derive(Debug, Default)]
struct Values {
    numbers: HashMap<String, usize>,
}

impl Values {
    fn add(&mut self, name: Option<&str>) -> Result<usize, FormatError> {
        let name = name.unwrap_or_default();
        let number = self.numbers.len();
        match self.numbers.insert(name.to_owned(), number) {
            None if !name.is_empty() => Ok(number),
            _ => Err(Format::Onnx.invalid(format!("a second value called {name:?}"))),
        }
    }

    fn known(&self, name: Option<&str>) -> Result<usize, FormatError> {
        let name = name.unwrap_or_default();
        let number = self.numbers.get(name).copied();
        number.ok_or_else(|| Format::Onnx.invalid(format!("there is no value {name:?} yet")))
    }
}

fn input(info: &ValueInfoProto, values: &mut Values) -> Result<Input, FormatError> {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let element = tensor.and_then(|tensor| tensor.elem_type);
    Ok(Input {
        name: info.name.clone().unwrap_or_default(),
        element: element.ok_or_else(|| Format::Onnx.invalid("an input without a type"))?,
        value: values.add(info.name.as_deref())?,
    })
}

fn constant(tensor: &TensorProto, values: &mut Values) -> Result<(usize, Tensor), FormatError> {
    let invalid = |what: &str| Format::Onnx.invalid(format!("constant {:?}: {what}", tensor.name));
    let size = |dim: &i64| usize::try_from(*dim).map_err(|_| invalid("a negative size"));
    let shape = tensor.dims.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    let (words, rest) = tensor.raw_data.as_deref().unwrap_or_default().as_chunks::<8>();
    if !rest.is_empty() {
        return Err(invalid("values of other than 8 bytes"));
    }
    let data = match tensor.data_type {
        Some(element::DOUBLE) => Data::Double(words.iter().map(|word| f64::from_le_bytes(*word)).collect()),
        Some(element::INT64) => Data::Int(words.iter().map(|word| i64::from_le_bytes(*word)).collect()),
        _ => return Err(invalid("an unexpected type")),
    };
    Ok((values.add(tensor.name.as_deref())?, Tensor::new(shape, data)?))
}

fn steps(graph: &GraphProto, values: &mut Values) -> Result<Vec<Step>, FormatError> {
    let step = |node: &NodeProto| {
        let (operator, takes) = operator(node)?;
        let inputs = node.input.iter().map(|name| values.known(Some(name)));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let [output] = node.output.as_slice() else {
            return Err(Format::Onnx.invalid("an operation with other than one result"));
        };
        if inputs.is_empty() || takes.is_some_and(|takes| takes != inputs.len()) {
            let what = format!("{:?} takes another number of inputs", node.op_type);
            return Err(Format::Onnx.invalid(what));
        }
        Ok(Step {
            name: node.name.clone().unwrap_or_default(),
            operator,
            inputs,
            output: values.add(Some(output))?,
        })
    };
    graph.node.iter().map(step).collect()
}

/// The operator of a node, and how many inputs it takes.
fn operator(node: &NodeProto) -> Result<(Operator, Option<usize>), FormatError> {
    let axis = |expected: &[i64]| match int(node, "axis")? {
        axis if expected.contains(&axis) => Ok(axis as usize),
        axis => Err(Format::Onnx.invalid(format!("{:?} along axis {axis}", node.op_type))),
    };
    Ok(match node.op_type.as_deref().unwrap_or_default() {
        "Add" => (Operator::Add, Some(2)),
        "And" => (Operator::And, Some(2)),
        "ArgMax" if int(node, "keepdims")? == 0 => axis(&[1]).map(|_| (Operator::ArgMax, Some(1)))?,
        "Cast" => (Operator::Cast(int(node, "to")? as i32), Some(1)),
        "Compress" => axis(&[0]).map(|_| (Operator::Compress, Some(2)))?,
        "Concat" => axis(&[1]).map(|_| (Operator::Concat, None))?,
        "Div" => (Operator::Div, Some(2)),
        "Equal" => (Operator::Equal, Some(2)),
        "Exp" => (Operator::Exp, Some(1)),
        "Gather" => (Operator::Gather(axis(&[0, 1])?), Some(2)),
        "Greater" => (Operator::Greater, Some(2)),
        "Identity" => (Operator::Identity, Some(1)),
        "IsNaN" => (Operator::IsNan, Some(1)),
        "LabelEncoder" => (label_encoder(node)?, Some(1)),
        "Less" => (Operator::Less, Some(2)),
        "MatMul" => (Operator::MatMul, Some(2)),
        "Mul" => (Operator::Mul, Some(2)),
        "Not" => (Operator::Not, Some(1)),
        "Range" => (Operator::Range, Some(3)),
        "Reshape" => (Operator::Reshape, Some(2)),
        "Shape" => (Operator::Shape, Some(1)),
        "Softmax" => axis(&[1]).map(|_| (Operator::Softmax, Some(1)))?,
        "Sub" => (Operator::Sub, Some(2)),
        "Where" => (Operator::Where, Some(3)),
        other => return Err(Format::Onnx.invalid(format!("operator {other:?} is not known here"))),
    })
}

fn label_encoder(node: &NodeProto) -> Result<Operator, FormatError> {
    let keys = &attribute(node, "keys_strings")?.strings;
    let values = &attribute(node, "values_int64s")?.ints;
    if keys.len() != values.len() {
        return Err(Format::Onnx.invalid("keys and values of a LabelEncoder differ in number"));
    }
    let mut index_of = HashMap::with_capacity(keys.len());
    for (key, value) in keys.iter().zip(values) {
        let key = String::from_utf8(key.clone()).map_err(|_| Format::Onnx.invalid("a key is no UTF-8"))?;
        index_of.entry(key).or_insert(*value);
    }
    let default = int(node, "default_int64")?;
    Ok(Operator::LabelEncoder { index_of, default })
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Result<&'a AttributeProto, FormatError> {
    let mut attributes = node.attribute.iter();
    let found = attributes.find(|attribute| attribute.name.as_deref() == Some(name));
    found.ok_or_else(|| Format::Onnx.invalid(format!("{:?} lacks its {name}", node.op_type)))
}

fn int(node: &NodeProto, name: &str) -> Result<i64, FormatError> {
    let value = attribute(node, name)?.i;
    value.ok_or_else(|| Format::Onnx.invalid(format!("{name} of {:?} is no whole number", node.op_type)))
}
