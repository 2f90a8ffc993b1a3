//! [`Graph`]: a graph under construction. Every value has a name of its own.

use std::collections::BTreeSet;

use super::element;
use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::type_proto::Tensor;
use super::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

const TYPE_INT: i32 = 2;
const TYPE_INTS: i32 = 7;
const TYPE_STRINGS: i32 = 8;
/// The domain of operators of classical machine learning.
pub(super) const ML_DOMAIN: &str = "ai.onnx.ml";

/// A graph to which nodes are added.
#[derive(Debug, Default)]
pub(super) struct Graph {
    names: BTreeSet<String>,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
}

impl Graph {
    /// A name like `wanted` that nothing has yet, and nothing else will get.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 0;
        while name.is_empty() || !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Adds an input `[N]`, which keeps its name: inputs come first.
    pub(super) fn input(&mut self, name: &str, element: i32) {
        self.names.insert(name.to_owned());
        self.inputs.push(value_info(name, element, "N"));
    }

    /// Adds a node with one output and returns the output's name.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        wanted: &str,
    ) -> String {
        let output = self.fresh(wanted);
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.clone()],
            name: Some(output.clone()),
            op_type: Some(operator.to_owned()),
            attribute: attributes,
            domain: (operator == "LabelEncoder").then(|| ML_DOMAIN.to_owned()),
            ..NodeProto::default()
        });
        output
    }

    /// Adds a node without attributes.
    pub(super) fn apply(&mut self, operator: &str, inputs: &[&str], wanted: &str) -> String {
        self.node(operator, inputs, Vec::new(), wanted)
    }

    pub(super) fn cast(&mut self, value: &str, to: i32, wanted: &str) -> String {
        self.node("Cast", &[value], vec![int("to", i64::from(to))], wanted)
    }

    /// Gives a value another shape; −1 stands for what is left over.
    pub(super) fn reshape(&mut self, value: &str, shape: &[i64], wanted: &str) -> String {
        let shape = self.whole_numbers(&[shape.len() as i64], shape, "shape");
        self.apply("Reshape", &[value, &shape], wanted)
    }

    /// Adds a constant of numbers.
    pub(super) fn numbers(&mut self, dims: &[i64], values: &[f64], wanted: &str) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, element::DOUBLE, bytes, wanted)
    }

    /// Adds a constant of whole numbers.
    pub(super) fn whole_numbers(&mut self, dims: &[i64], values: &[i64], wanted: &str) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, element::INT64, bytes, wanted)
    }

    fn constant(&mut self, dims: &[i64], data_type: i32, raw_data: Vec<u8>, wanted: &str) -> String {
        let name = self.fresh(wanted);
        self.initializers.push(TensorProto {
            dims: dims.to_vec(),
            data_type: Some(data_type),
            name: Some(name.clone()),
            raw_data: Some(raw_data),
        });
        name
    }

    /// Makes a value an output `[rows]` under a name that was got as a fresh one.
    pub(super) fn output(&mut self, value: &str, element: i32, rows: &str, name: String) {
        self.nodes.push(NodeProto {
            input: vec![value.to_owned()],
            output: vec![name.clone()],
            name: Some(name.clone()),
            op_type: Some("Identity".to_owned()),
            ..NodeProto::default()
        });
        self.outputs.push(value_info(&name, element, rows));
    }

    pub(super) fn finish(self, name: &str) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: Some(name.to_owned()),
            initializer: self.initializers,
            input: self.inputs,
            output: self.outputs,
            doc_string: None,
        }
    }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        i: Some(value),
        r#type: Some(TYPE_INT),
        ..AttributeProto::default()
    }
}

pub(super) fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        ints: values,
        r#type: Some(TYPE_INTS),
        ..AttributeProto::default()
    }
}

pub(super) fn texts(name: &str, values: Vec<String>) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        strings: values.into_iter().map(String::into_bytes).collect(),
        r#type: Some(TYPE_STRINGS),
        ..AttributeProto::default()
    }
}

fn value_info(name: &str, element: i32, rows: &str) -> ValueInfoProto {
    let rows = Dimension {
        value: Some(dimension::Value::DimParam(rows.to_owned())),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            tensor_type: Some(Tensor {
                elem_type: Some(element),
                shape: Some(TensorShapeProto { dim: vec![rows] }),
            }),
        }),
        doc_string: None,
    }
}
