//! Interaction: the products of all combinations of its columns' elements (`org.apache.spark.ml.feature.Interaction`).
//!
//! A column of categories counts as its one-hot vector, with all categories; so does such an element of an assembled vector.
//! A number counts as a vector of one element. The first column's elements vary slowest. What a column is follows from what
//! is known of it (the labels of a StringIndexer), as in Spark from its metadata; of a vector whose elements Spark has
//! forgotten (a scaled one) it can't be told, and it is refused: assemble it first.

use serde::{Deserialize, Serialize};

use super::attributes::{ColumnAttributes, MAX_NAMED, Slot};
use super::stage::{Fitting, Stage, Transform};
use super::vectors::Vectors;
use super::{Attributes, FittedStage, StageSpec, StageStatistics};
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame, SparseVectors};
use crate::java_text::double_text;

/// Most elements of the output: what 31 bits count.
const MAX_WIDTH: usize = i32::MAX as usize;

/// Parameters of an Interaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interaction {
    /// The columns to multiply, at least two.
    pub inputs: Vec<String>,
    /// The vector column to add.
    pub output: String,
}

/// An Interaction that knows how each input is encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedInteraction {
    /// The parameters.
    pub params: Interaction,
    /// For each input, for each of its elements, the elements of its encoding: the categories, or 1 for a number.
    pub encodings: Vec<Vec<usize>>,
}

impl Interaction {
    /// Makes the fitted stage from what is known of the inputs.
    ///
    /// # Errors
    /// [`MlError::Requirement`] where an input's elements are not known, or the products are too many.
    pub fn fitted(&self, known: &Attributes) -> Result<FittedInteraction, MlError> {
        let encodings = self.inputs.iter().map(|input| encoding(input, known));
        let fitted = FittedInteraction {
            params: self.clone(),
            encodings: encodings.collect::<Result<_, _>>()?,
        };
        fitted.width()?;
        Ok(fitted)
    }
}

/// The elements that each element of a column is encoded with.
fn encoding(input: &str, known: &Attributes) -> Result<Vec<usize>, MlError> {
    let size = |values: &Option<Vec<String>>| values.as_ref().map_or(1, |values| values.len().max(1));
    match known.of(input) {
        None => Ok(vec![1]),
        Some(ColumnAttributes::Scalar { values }) => Ok(vec![size(values)]),
        Some(ColumnAttributes::Vector {
            slots: Some(slots),
            is_declared: true,
            ..
        }) => Ok(slots.iter().map(|slot| size(&slot.values)).collect()),
        Some(ColumnAttributes::Vector { .. }) => Err(MlError::Requirement(format!(
            "Vector attributes must be defined for interaction: those of column {input} are not, \
             assemble it with a VectorAssembler first"
        ))),
    }
}

impl Stage for Interaction {
    fn inputs(&self) -> Vec<&str> {
        self.inputs.iter().map(String::as_str).collect()
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        if inputs.len() < 2 {
            let text = format!("Interaction needs at least two inputs, got {}", inputs.len());
            return Err(MlError::Requirement(text));
        }
        let is_usable = |kind: ColumnKind| kind.is_numeric() || kind == ColumnKind::Vector;
        match inputs.iter().find(|(_, kind)| !is_usable(*kind)) {
            Some((column, kind)) => Err(MlError::WrongKind {
                column: (*column).to_owned(),
                expected: "numeric or vector".to_owned(),
                actual: *kind,
            }),
            None => Ok(vec![ColumnKind::Vector]),
        }
    }

    fn without_rows(&self, known: &Attributes) -> Option<FittedStage> {
        self.fitted(known).ok().map(FittedStage::Interaction)
    }

    fn fit(&self, _: StageStatistics, known: &Attributes) -> Result<Fitting, MlError> {
        let fitted = self.fitted(known)?;
        Ok(Fitting::Done(FittedStage::Interaction(fitted)))
    }
}

impl FittedInteraction {
    /// Returns the elements of the output.
    ///
    /// # Errors
    /// [`MlError::Requirement`] if they are too many.
    pub fn width(&self) -> Result<usize, MlError> {
        let mut sizes = self.encodings.iter().map(|sizes| sizes.iter().sum::<usize>());
        let product = sizes.try_fold(1_usize, |product, size| product.checked_mul(size));
        product.filter(|width| *width <= MAX_WIDTH).ok_or_else(|| {
            let inputs = self.params.inputs.join(", ");
            MlError::Requirement(format!(
                "the interaction of {inputs} has more than {MAX_WIDTH} elements"
            ))
        })
    }

    /// The elements of one row of an input's encoding that may differ from 0.
    fn encoded(&self, frame: &Frame, position: usize, row: usize) -> Result<Vec<(usize, f64)>, MlError> {
        let (input, sizes) = (&self.params.inputs[position], &self.encodings[position]);
        let column = frame.column(input)?;
        let refuse = |text: String| MlError::Value {
            column: input.clone(),
            row: frame.origin(row),
            text,
        };
        if column.is_null(row) {
            return Err(refuse("Values to interact cannot be null.".to_owned()));
        }
        let element = |size: usize, value: f64| match size {
            1 => Ok((0, value)),
            _ if value >= 0.0 && value.fract() == 0.0 && value < size as f64 => Ok((value as usize, 1.0)),
            _ => {
                let value = double_text(value);
                Err(refuse(format!(
                    "Values from column must be indices, but got {value}."
                )))
            }
        };
        if let Some(number) = column.number(row) {
            return Ok(vec![element(sizes[0], number)?]);
        }
        let vectors = Vectors::of(input, column)?;
        vectors.require_width(sizes.len())?;
        let offsets: Vec<usize> = sizes
            .iter()
            .scan(0, |offset, size| Some(std::mem::replace(offset, *offset + size)))
            .collect();
        let mut active = Vec::new();
        vectors.each_active(row, |index, value| {
            if value != 0.0 {
                active.push((index, value));
            }
        });
        // A category is 0 where nothing is mentioned. (Spark forgets it in vectors that it stores without their zeros.)
        let is_active = |index: &usize| active.binary_search_by_key(index, |(index, _)| *index).is_ok();
        let categories = (0..sizes.len()).filter(|index| sizes[*index] > 1 && !is_active(index));
        let zeros: Vec<(usize, f64)> = categories.map(|index| (index, 0.0)).collect();
        active.extend(zeros);
        active.sort_by_key(|(index, _)| *index);
        let encode = |(index, value): (usize, f64)| {
            let (place, value) = element(sizes[index], value)?;
            Ok((offsets[index] + place, value))
        };
        active.into_iter().map(encode).collect()
    }

    /// The products of one row, ascending by element.
    fn products(&self, frame: &Frame, row: usize) -> Result<Vec<(u32, f64)>, MlError> {
        let (mut products, mut width) = (vec![(0_usize, 1.0)], 1);
        for position in (0..self.params.inputs.len()).rev() {
            let encoded = self.encoded(frame, position, row)?;
            let multiply = |(index, value): &(usize, f64)| {
                let (index, value) = (*index, *value);
                let product = move |(own, factor): &(usize, f64)| (own + index * width, factor * value);
                products.iter().map(product).collect::<Vec<_>>()
            };
            products = encoded.iter().flat_map(multiply).collect();
            width *= self.encodings[position].iter().sum::<usize>();
        }
        Ok(products
            .into_iter()
            .map(|(index, value)| (index as u32, value))
            .collect())
    }
}

impl Transform for FittedInteraction {
    fn spec(&self) -> StageSpec {
        StageSpec::Interaction(self.params.clone())
    }

    fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        if self.encodings.len() != self.params.inputs.len() || self.encodings.iter().any(Vec::is_empty) {
            return Err(MlError::Shape {
                what: "inputs of interaction",
                expected: self.params.inputs.len(),
                got: self.encodings.len(),
            });
        }
        let mut vectors = SparseVectors::empty(self.width()?);
        for row in 0..frame.rows() {
            vectors.push(self.products(&frame, row)?)?;
        }
        frame.with_column(&self.params.output, Column::new(ColumnData::Sparse(vectors)))
    }

    /// An element is named by the elements that it is the product of: `a:b`, with `_category` where one is of a category.
    fn describe(&self, known: &mut Attributes) {
        let width = self.width().unwrap_or(MAX_WIDTH);
        if width > MAX_NAMED {
            return known.put_vector(&self.params.output, width, None);
        }
        let mut names = vec![String::new()];
        for input in self.params.inputs.iter().rev() {
            let own = encoded_names(input, known);
            let join = |own: &String| {
                let join = |name: &String| match name.is_empty() {
                    true => own.clone(),
                    false => format!("{own}:{name}"),
                };
                names.iter().map(join).collect::<Vec<_>>()
            };
            names = own.iter().flat_map(join).collect();
        }
        let slots: Vec<Slot> = names.into_iter().map(Slot::named).collect();
        known.put_vector(&self.params.output, slots.len(), Some(slots));
    }
}

/// The names of the elements of an input's encoding.
fn encoded_names(input: &str, known: &Attributes) -> Vec<String> {
    let encoded = |name: &str, values: &Option<Vec<String>>| match values {
        Some(values) if !values.is_empty() => values.iter().map(|value| format!("{name}_{value}")).collect(),
        _ => vec![name.to_owned()],
    };
    match known.of(input) {
        None => vec![input.to_owned()],
        Some(ColumnAttributes::Scalar { values }) => encoded(input, values),
        Some(ColumnAttributes::Vector {
            slots: Some(slots), ..
        }) => slots
            .iter()
            .flat_map(|slot| encoded(&slot.name, &slot.values))
            .collect(),
        Some(ColumnAttributes::Vector { .. }) => known.names(input).unwrap_or_default(),
    }
}
