//! Pieces of a document that occur again and again.

use std::collections::BTreeSet;

use super::document::Element;

/// Names of fields, each given once.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name like `wanted` that no field has yet.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

pub(super) fn field_ref(name: &str) -> Element {
    Element::new("FieldRef").with("field", name)
}

pub(super) fn constant(value: f64) -> Element {
    Element::new("Constant")
        .with("dataType", "double")
        .text(number(value))
}

pub(super) fn apply(function: &str, arguments: impl IntoIterator<Item = Element>) -> Element {
    Element::new("Apply")
        .with("function", function)
        .children(arguments)
}

/// A field of numbers that follows from others.
pub(super) fn derived_field(name: &str, expression: Element) -> Element {
    Element::new("DerivedField")
        .with("name", name)
        .with("optype", "continuous")
        .with("dataType", "double")
        .child(expression)
}

/// An output that follows from others.
pub(super) fn computed_output(name: &str, is_final: bool, expression: Element) -> Element {
    Element::new("OutputField")
        .with("name", name)
        .with("optype", "continuous")
        .with("dataType", "double")
        .with("feature", "transformedValue")
        .with("isFinalResult", is_final)
        .child(expression)
}

/// The shortest text that reads back to the same bits.
pub(super) fn number(value: f64) -> String {
    format!("{value:?}")
}
