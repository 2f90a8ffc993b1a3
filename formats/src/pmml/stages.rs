//! Stages that are said with arithmetic and comparisons: scalers, one-hot vectors, buckets, imputed numbers, interactions.
//!
//! PMML has no NaN: it is missing, and so is what a stage refuses, for which nothing is predicted. −0.0 and 0.0 are one.

use rookery_ml::{
    ColumnKind, FittedImputer, FittedInteraction, FittedOneHotEncoder, FittedStandardScaler, HandleInvalid,
};

use super::document::Element;
use super::fields::{apply, constant, derived_field, field_ref, number};
use super::write::Writer;
use crate::plan::interaction_width;
use crate::{Format, FormatError};

impl Writer<'_> {
    /// Adds a field and returns its name.
    fn derive(&mut self, wanted: &str, expression: Element) -> String {
        let name = self.names.fresh(wanted);
        self.derived.push(derived_field(&name, expression));
        name
    }

    fn single_field(&self, column: &str) -> Result<String, FormatError> {
        let field = self.column(column)?.fields.into_iter().next();
        field.ok_or_else(|| Format::Pmml.unsupported(format!("column {column} has no value")))
    }

    pub(super) fn standard_scaler(&mut self, stage: &FittedStandardScaler) -> Result<(), FormatError> {
        let (input, output) = (self.column(&stage.params.input)?, &stage.params.output);
        let factors = stage.factors();
        let mut fields = Vec::new();
        for (element, field) in input.fields.iter().enumerate() {
            let mut expression = field_ref(field);
            if let Some(shifts) = stage.shifts() {
                expression = apply("-", [expression, constant(shifts[element])]);
            }
            if let Some(factors) = &factors {
                expression = apply("*", [expression, constant(factors[element])]);
            }
            fields.push(self.derive(&format!("{output}[{element}]"), expression));
        }
        self.put(output, ColumnKind::Vector, fields);
        Ok(())
    }

    pub(super) fn one_hot_encoder(&mut self, stage: &FittedOneHotEncoder) -> Result<(), FormatError> {
        let is_kept = stage.params.handle_invalid == HandleInvalid::Keep;
        let pairs = stage.params.pairs().into_iter();
        for (((input, output), categories), width) in pairs.zip(&stage.category_sizes).zip(stage.widths()) {
            let field = self.single_field(input)?;
            let other = is_kept.then(|| constant(*categories as f64));
            let index = self.derive(&format!("{output} index"), category(&field, *categories, other));
            let fields = self.one_hot(&index, width, output);
            self.put(output, ColumnKind::Vector, fields);
        }
        Ok(())
    }

    /// A field for each category, 1 where the whole part of the index is it.
    fn one_hot(&mut self, index: &str, width: usize, wanted: &str) -> Vec<String> {
        let one_hot = |element: usize| {
            let is_from = at_least(field_ref(index), constant(element as f64));
            let is_to = apply("lessThan", [field_ref(index), constant((element + 1) as f64)]);
            let is_to = apply("if", [is_to, constant(1.0), constant(0.0)]);
            apply("if", [is_from, is_to, constant(0.0)])
        };
        (0..width)
            .map(|element| self.derive(&format!("{wanted}[{element}]"), one_hot(element)))
            .collect()
    }

    pub(super) fn imputer(&mut self, stage: &FittedImputer) -> Result<(), FormatError> {
        for ((input, output), surrogate) in stage.params.pairs().into_iter().zip(&stage.surrogates) {
            let (column, field) = (self.column(input)?, self.single_field(input)?);
            // The column keeps its kind, and so does what is put in.
            let surrogate = match column.kind {
                ColumnKind::Integer => surrogate.trunc(),
                ColumnKind::Float => f64::from(*surrogate as f32),
                _ => *surrogate,
            };
            let mut value = field_ref(&field);
            if let Some(missing) = stage.params.missing_value {
                let is_missing = apply("equal", [field_ref(&field), constant(missing)]);
                value = apply("if", [is_missing, constant(surrogate), value]);
            }
            let value = apply("+", [value, constant(0.0)]).with("mapMissingTo", number(surrogate));
            let name = self.derive(output, value);
            self.put(output, column.kind, vec![name]);
        }
        Ok(())
    }

    pub(super) fn bucketizer(
        &mut self,
        bucketed: &[(&str, &str, &[f64])],
        handle_invalid: HandleInvalid,
    ) -> Result<(), FormatError> {
        for (input, output, splits) in bucketed {
            let field = self.single_field(input)?;
            let (lowest, highest) = (splits[0], splits[splits.len() - 1]);
            let steps: Vec<Element> = splits[1..splits.len() - 1]
                .iter()
                .map(|split| {
                    let is_reached = at_least(field_ref(&field), constant(*split));
                    apply("if", [is_reached, constant(1.0), constant(0.0)])
                })
                .collect();
            let mut bucket = sum(steps);
            if highest.is_finite() {
                bucket = apply("if", [at_least(constant(highest), field_ref(&field)), bucket]);
            }
            if lowest.is_finite() {
                bucket = apply("if", [at_least(field_ref(&field), constant(lowest)), bucket]);
            }
            if handle_invalid == HandleInvalid::Keep && (lowest.is_finite() || highest.is_finite()) {
                let what = "a Bucketizer with bounds that keeps NaN: what is outside of them is missing, too";
                return Err(Format::Pmml.unsupported(what));
            }
            if handle_invalid == HandleInvalid::Keep {
                let extra = number((splits.len() - 1) as f64);
                bucket = apply("+", [bucket, constant(0.0)]).with("mapMissingTo", extra);
            }
            let name = self.derive(output, bucket);
            self.put(output, ColumnKind::Double, vec![name]);
        }
        Ok(())
    }

    pub(super) fn interaction(&mut self, stage: &FittedInteraction) -> Result<(), FormatError> {
        interaction_width(Format::Pmml, stage)?;
        let output = &stage.params.output;
        let mut products: Vec<String> = Vec::new();
        for (input, sizes) in stage.params.inputs.iter().zip(&stage.encodings).rev() {
            let encoded = self.encoded(input, sizes)?;
            if products.is_empty() {
                products = encoded;
                continue;
            }
            let mut next = Vec::with_capacity(encoded.len() * products.len());
            for factor in &encoded {
                for product in &products {
                    let expression = apply("*", [field_ref(factor), field_ref(product)]);
                    next.push(self.derive(&format!("{output}[{}]", next.len()), expression));
                }
            }
            products = next;
        }
        self.put(output, ColumnKind::Vector, products);
        Ok(())
    }

    /// A column with its categories as one-hot vectors.
    fn encoded(&mut self, input: &str, sizes: &[usize]) -> Result<Vec<String>, FormatError> {
        let column = self.column(input)?;
        if column.fields.len() != sizes.len() {
            return Err(
                Format::Pmml.unsupported(format!("column {input} has another width than its encoding"))
            );
        }
        let mut encoded = Vec::new();
        for (field, size) in column.fields.into_iter().zip(sizes) {
            match size {
                1 => encoded.push(field),
                size => {
                    let index = self.derive(&format!("{input} category"), category(&field, *size, None));
                    encoded.extend(self.one_hot(&index, *size, &format!("{input} category")));
                }
            }
        }
        Ok(encoded)
    }
}

fn at_least(value: Element, bound: Element) -> Element {
    apply("greaterOrEqual", [value, bound])
}

/// The index where it is one of a category, else `other`, or nothing.
fn category(field: &str, categories: usize, other: Option<Element>) -> Element {
    let if_else =
        |condition: Element, then: Element| apply("if", [condition, then].into_iter().chain(other.clone()));
    let is_small = apply("lessThan", [field_ref(field), constant(categories as f64)]);
    let inner = if_else(is_small, field_ref(field));
    if_else(at_least(field_ref(field), constant(0.0)), inner)
}

/// A sum as a tree: elements must not lie too deep in each other.
fn sum(mut terms: Vec<Element>) -> Element {
    while terms.len() > 1 {
        let mut next = Vec::with_capacity(terms.len().div_ceil(2));
        let mut pairs = terms.into_iter();
        while let Some(first) = pairs.next() {
            next.push(match pairs.next() {
                Some(second) => apply("+", [first, second]),
                None => first,
            });
        }
        terms = next;
    }
    terms.pop().unwrap_or_else(|| constant(0.0))
}
