//! Stages that are said with arithmetic and comparisons: scalers, one-hot vectors, buckets, imputed numbers, interactions.
//!
//! ONNX has no nulls: NaN stands for one. So where a stage treats null and NaN differently, NaN goes the way of the null if
//! that is refused, and else the way of NaN.

use rookery_ml::{
    ColumnKind, FittedImputer, FittedInteraction, FittedOneHotEncoder, FittedStandardScaler, HandleInvalid,
};

use super::element;
use super::graph::int;
use super::write::{Value, Writer};
use crate::plan::interaction_width;
use crate::{Format, FormatError};

/// A number below zero that no data holds: the place of −0.0, which Java sorts below a split at 0.0.
const BELOW_ZERO: f64 = -f64::MIN_POSITIVE;

impl Writer<'_> {
    pub(super) fn standard_scaler(&mut self, stage: &FittedStandardScaler) -> Result<(), FormatError> {
        let input = self.column(&stage.params.input)?;
        let (dims, output) = ([1, stage.mean.len() as i64], &stage.params.output);
        let mut name = input.name;
        if let Some(shifts) = stage.shifts() {
            let shifts = self.graph.numbers(&dims, shifts, "mean");
            name = self.graph.apply("Sub", &[&name, &shifts], "centred");
        }
        if let Some(factors) = stage.factors() {
            let factors = self.graph.numbers(&dims, &factors, "factors");
            name = self.graph.apply("Mul", &[&name, &factors], output);
        }
        self.put(output, name, ColumnKind::Vector, input.width);
        Ok(())
    }

    pub(super) fn one_hot_encoder(&mut self, stage: &FittedOneHotEncoder) -> Result<(), FormatError> {
        let is_kept = stage.params.handle_invalid == HandleInvalid::Keep;
        let pairs = stage.params.pairs().into_iter();
        for (((input, output), categories), width) in pairs.zip(&stage.category_sizes).zip(stage.widths()) {
            let column = self.column(input)?;
            let mut index = self.as_number(&column);
            let valid = self.is_index(&index, *categories);
            if !is_kept {
                let invalid = self.graph.apply("Not", &[&valid], "is_unseen");
                let node = format!("{output}: out of bounds means an unseen value in {input}");
                index = self.refuse_where(&invalid, &index, output, &node);
            }
            let mut parts = vec![self.one_hot(&index, width.min(*categories), output)];
            if width > *categories {
                let valid = self.graph.cast(&valid, element::DOUBLE, "is_valid");
                let one = self.graph.numbers(&[], &[1.0], "one");
                let invalid = self.graph.apply("Sub", &[&one, &valid], "is_invalid");
                parts.push(self.graph.reshape(&invalid, &[-1, 1], "is_invalid"));
            }
            let name = self.concat(&parts, output);
            self.put(output, name, ColumnKind::Vector, width);
        }
        Ok(())
    }

    /// Whether a number is in [0, `categories`), as `[N]`.
    fn is_index(&mut self, index: &str, categories: usize) -> String {
        let zero = self.graph.numbers(&[], &[0.0], "zero");
        let size = self.graph.numbers(&[], &[categories as f64], "categories");
        // A NaN is not less than anything.
        let below = self.graph.apply("Less", &[index, &zero], "is_negative");
        let not_below = self.graph.apply("Not", &[&below], "is_not_negative");
        let not_above = self.graph.apply("Less", &[index, &size], "is_small");
        self.graph.apply("And", &[&not_below, &not_above], "is_category")
    }

    /// `[N, width]`: 1 where the whole part of the index `[N]` is the element's number.
    fn one_hot(&mut self, index: &str, width: usize, wanted: &str) -> String {
        let column = self.graph.reshape(index, &[-1, 1], "index");
        let dims = [1, width as i64];
        let lower: Vec<f64> = (0..width).map(|category| category as f64).collect();
        let upper: Vec<f64> = (1..=width).map(|category| category as f64).collect();
        let lower = self.graph.numbers(&dims, &lower, "categories");
        let upper = self.graph.numbers(&dims, &upper, "next_categories");
        let below = self.graph.apply("Less", &[&column, &lower], "is_below");
        let from = self.graph.apply("Not", &[&below], "is_from");
        let to = self.graph.apply("Less", &[&column, &upper], "is_to");
        let is_it = self.graph.apply("And", &[&from, &to], "is_category");
        self.graph.cast(&is_it, element::DOUBLE, wanted)
    }

    fn concat(&mut self, parts: &[String], wanted: &str) -> String {
        match parts {
            [one] => one.clone(),
            parts => {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.graph.node("Concat", &parts, vec![int("axis", 1)], wanted)
            }
        }
    }

    pub(super) fn imputer(&mut self, stage: &FittedImputer) -> Result<(), FormatError> {
        for ((input, output), surrogate) in stage.params.pairs().into_iter().zip(&stage.surrogates) {
            let column = self.column(input)?;
            let mut name = self.as_number(&column);
            // The column keeps its kind, and so does what is put in.
            let surrogate = match column.kind {
                ColumnKind::Integer => surrogate.trunc(),
                ColumnKind::Float => f64::from(*surrogate as f32),
                _ => *surrogate,
            };
            let surrogate = self.graph.numbers(&[], &[surrogate], "surrogate");
            if let Some(missing) = stage.params.missing_value {
                let missing = self.graph.numbers(&[], &[missing], "missing_value");
                let is_it = self.graph.apply("Equal", &[&name, &missing], "is_missing_value");
                name = self.graph.apply("Where", &[&is_it, &surrogate, &name], output);
            }
            let missing = self.graph.apply("IsNaN", &[&name], "is_missing");
            let name = self.graph.apply("Where", &[&missing, &surrogate, &name], output);
            self.put(output, name, column.kind, 1);
        }
        Ok(())
    }

    /// `position` is the stage's: rows may be dropped for those after it.
    pub(super) fn bucketizer(
        &mut self,
        bucketed: &[(&str, &str, &[f64])],
        handle_invalid: HandleInvalid,
        position: usize,
    ) -> Result<(), FormatError> {
        let mut values = Vec::new();
        for (input, ..) in bucketed {
            let column = self.column(input)?;
            values.push(self.as_number(&column));
        }
        if handle_invalid == HandleInvalid::Skip {
            let mut kept = Vec::new();
            for value in &values {
                let missing = self.graph.apply("IsNaN", &[value], "is_missing");
                kept.push(self.graph.apply("Not", &[&missing], "is_there"));
            }
            let mut values: Vec<&mut String> = values.iter_mut().collect();
            self.keep_all(&kept, position + 1, &mut values);
        }
        for ((input, output, splits), value) in bucketed.iter().zip(values) {
            // Refusing adds a zero, after which no zero is negative.
            let value = self.sorted_zero(&value, splits);
            let value = match handle_invalid {
                HandleInvalid::Error => self.refuse_missing(input, &value),
                HandleInvalid::Skip | HandleInvalid::Keep => value,
            };
            let mut name = self.bucket(&value, splits, output);
            name = self.refuse_outside(&value, splits, &name, input);
            if handle_invalid == HandleInvalid::Keep {
                let missing = self.graph.apply("IsNaN", &[&value], "is_missing");
                let extra = self
                    .graph
                    .numbers(&[], &[(splits.len() - 1) as f64], "extra_bucket");
                name = self.graph.apply("Where", &[&missing, &extra, &name], output);
            }
            self.put(output, name, ColumnKind::Double, 1);
        }
        Ok(())
    }

    /// The values with −0.0 below zero, where a split at 0.0 tells the zeros apart. 1/−0.0 is −∞.
    fn sorted_zero(&mut self, value: &str, splits: &[f64]) -> String {
        if !splits.iter().any(|split| split.to_bits() == 0) {
            return value.to_owned();
        }
        let (zero, one) = (
            self.graph.numbers(&[], &[0.0], "zero"),
            self.graph.numbers(&[], &[1.0], "one"),
        );
        let inverse = self.graph.apply("Div", &[&one, value], "inverse");
        let negative = self.graph.apply("Less", &[&inverse, &zero], "is_negative");
        let is_zero = self.graph.apply("Equal", &[value, &zero], "is_zero");
        let both = self
            .graph
            .apply("And", &[&negative, &is_zero], "is_negative_zero");
        let below = self.graph.numbers(&[], &[BELOW_ZERO], "below_zero");
        self.graph.apply("Where", &[&both, &below, value], "sorted")
    }

    /// How many of the splits between the first and the last are not above the value.
    fn bucket(&mut self, value: &str, splits: &[f64], output: &str) -> String {
        let inner = &splits[1..splits.len() - 1];
        let column = self.graph.reshape(value, &[-1, 1], "value");
        let dims = inner.len() as i64;
        let inner = self.graph.numbers(&[1, dims], inner, "splits");
        let below = self.graph.apply("Less", &[&column, &inner], "is_below");
        let reached = self.graph.apply("Not", &[&below], "is_reached");
        let reached = self.graph.cast(&reached, element::DOUBLE, "is_reached");
        let ones = self.graph.numbers(&[dims, 1], &vec![1.0; dims as usize], "ones");
        let count = self.graph.apply("MatMul", &[&reached, &ones], "reached");
        self.graph.reshape(&count, &[-1], output)
    }

    fn refuse_outside(&mut self, value: &str, splits: &[f64], bucket: &str, input: &str) -> String {
        let node = format!("{input}: out of bounds means a value outside of the splits");
        let (lowest, highest) = (splits[0], splits[splits.len() - 1]);
        let mut name = bucket.to_owned();
        for (operator, bound) in [("Less", lowest), ("Greater", highest)] {
            if bound.is_finite() {
                let bound = self.graph.numbers(&[], &[bound], "bound");
                let outside = self.graph.apply(operator, &[value, &bound], "is_outside");
                name = self.refuse_where(&outside, &name, bucket, &node);
            }
        }
        name
    }

    /// Column by column of the more significant factor times all of the other.
    pub(super) fn interaction(&mut self, stage: &FittedInteraction) -> Result<(), FormatError> {
        let width = interaction_width(Format::Onnx, stage)?;
        let output = &stage.params.output;
        let mut product: Option<String> = None;
        for (input, sizes) in stage.params.inputs.iter().zip(&stage.encodings).rev() {
            let column = self.column(input)?;
            let encoded = self.encoded(&column, sizes, input)?;
            product = Some(match product {
                None => encoded,
                Some(product) => {
                    let elements: usize = sizes.iter().sum();
                    let columns = (0..elements).map(|index| {
                        let factor = self.element(&encoded, index, elements);
                        let factor = self.graph.reshape(&factor, &[-1, 1], "factor");
                        self.graph.apply("Mul", &[&factor, &product], output)
                    });
                    let columns: Vec<String> = columns.collect();
                    self.concat(&columns, output)
                }
            });
        }
        let name = product.ok_or_else(|| Format::Onnx.unsupported("an interaction of nothing"))?;
        self.put(output, name, ColumnKind::Vector, width);
        Ok(())
    }

    /// One column of a matrix, `[N]`.
    fn element(&mut self, matrix: &str, index: usize, elements: usize) -> String {
        if elements == 1 {
            return self.graph.reshape(matrix, &[-1], "element");
        }
        let index = self.graph.whole_numbers(&[], &[index as i64], "index");
        self.graph
            .node("Gather", &[matrix, &index], vec![int("axis", 1)], "element")
    }

    /// A column with its categories as one-hot vectors, `[N, elements]`.
    fn encoded(&mut self, column: &Value, sizes: &[usize], input: &str) -> Result<String, FormatError> {
        let number = self.as_number(column);
        if column.kind == ColumnKind::Vector {
            if column.width != sizes.len() {
                return Err(
                    Format::Onnx.invalid(format!("column {input} has another width than its encoding"))
                );
            }
            if sizes.iter().all(|size| *size == 1) {
                return Ok(number);
            }
            let parts: Vec<String> = (sizes.iter().enumerate())
                .map(|(index, size)| {
                    let element = self.element(&number, index, sizes.len());
                    self.encoded_element(&element, *size, input)
                })
                .collect();
            return Ok(self.concat(&parts, input));
        }
        let number = self.refuse_missing(input, &number);
        Ok(self.encoded_element(&number, sizes[0], input))
    }

    fn encoded_element(&mut self, element: &str, size: usize, input: &str) -> String {
        if size == 1 {
            return self.graph.reshape(element, &[-1, 1], input);
        }
        let valid = self.is_index(element, size);
        let invalid = self.graph.apply("Not", &[&valid], "is_no_index");
        let node = format!("{input}: out of bounds means a value that is no index");
        let element = self.refuse_where(&invalid, element, input, &node);
        self.one_hot(&element, size, input)
    }
}
