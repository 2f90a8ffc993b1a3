//! [`Attributes`]: what is known of columns beyond their kinds: the names of a vector's elements, the values of a column of
//! categories. Spark keeps this as metadata of a column (`org.apache.spark.ml.attribute`), and some stages follow from it.

use std::collections::BTreeMap;

use super::FittedStage;

/// Widest vector whose elements have names of their own; those of wider ones are numbered, and Spark's stages that need to
/// know them are refused.
pub(super) const MAX_NAMED: usize = 1 << 20;

/// What is known of the columns that stages made; of others nothing is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(BTreeMap<String, ColumnAttributes>);

/// What is known of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnAttributes {
    /// One value in each row.
    Scalar {
        /// The categories that its values are indices of, if they are.
        values: Option<Vec<String>>,
    },
    /// A vector in each row.
    Vector {
        /// Elements of each row.
        width: usize,
        /// What is known of each element; without it they are numbered.
        slots: Option<Vec<Slot>>,
        /// Whether Spark knows the elements, too: it forgets them where a vector is scaled.
        is_declared: bool,
    },
}

/// An element of a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The categories that its values are indices of, if they are.
    pub values: Option<Vec<String>>,
}

impl Slot {
    pub(super) fn named(name: String) -> Self {
        Slot { name, values: None }
    }
}

impl Attributes {
    /// What is known after these stages.
    pub fn after<'a>(stages: impl IntoIterator<Item = &'a FittedStage>) -> Self {
        let mut known = Self::default();
        stages.into_iter().for_each(|stage| known.add(stage));
        known
    }

    /// Adds what is known after one more stage.
    pub fn add(&mut self, stage: &FittedStage) {
        stage.describe(self);
    }

    /// Returns what is known of a column; `None` for one that no stage made.
    pub fn of(&self, column: &str) -> Option<&ColumnAttributes> {
        self.0.get(column)
    }

    /// Returns the categories that a scalar column's values are indices of, if that is known.
    pub fn categories(&self, column: &str) -> Option<&[String]> {
        match self.of(column) {
            Some(ColumnAttributes::Scalar { values }) => values.as_deref(),
            _ => None,
        }
    }

    /// Returns the number of elements of a vector column, if it is known.
    pub fn width(&self, column: &str) -> Option<usize> {
        match self.of(column) {
            Some(ColumnAttributes::Vector { width, .. }) => Some(*width),
            _ => None,
        }
    }

    /// Returns the names of a vector column's elements; `None` where no stage that is known made it.
    pub fn names(&self, column: &str) -> Option<Vec<String>> {
        match self.of(column)? {
            ColumnAttributes::Scalar { .. } => None,
            ColumnAttributes::Vector { width, slots, .. } => Some(match slots {
                Some(slots) => slots.iter().map(|slot| slot.name.clone()).collect(),
                None => numbered(column, *width).map(|slot| slot.name).collect(),
            }),
        }
    }

    pub(super) fn put_scalar(&mut self, column: &str, values: Option<Vec<String>>) {
        self.0
            .insert(column.to_owned(), ColumnAttributes::Scalar { values });
    }

    pub(super) fn put_vector(&mut self, column: &str, width: usize, slots: Option<Vec<Slot>>) {
        let attributes = ColumnAttributes::Vector {
            width,
            is_declared: slots.is_some(),
            slots,
        };
        self.0.insert(column.to_owned(), attributes);
    }

    /// The output of an assembler: elements keep their names, columns of categories their values.
    pub(super) fn assemble(&mut self, inputs: &[String], output: &str) {
        let widths = inputs.iter().map(|input| self.width(input).unwrap_or(1));
        let width = widths.fold(0_usize, usize::saturating_add);
        if width > MAX_NAMED {
            return self.put_vector(output, width, None);
        }
        let mut slots = Vec::new();
        for input in inputs {
            match self.of(input) {
                Some(ColumnAttributes::Vector {
                    width, slots: own, ..
                }) => match own {
                    Some(own) => slots.extend(own.iter().cloned()),
                    None => slots.extend(numbered(input, *width)),
                },
                Some(ColumnAttributes::Scalar { values }) => slots.push(Slot {
                    name: input.clone(),
                    values: values.clone(),
                }),
                None => slots.push(Slot::named(input.clone())),
            }
        }
        self.put_vector(output, slots.len(), Some(slots));
    }

    /// The output of a scaler: the same elements, which are numbers now.
    pub(super) fn rescale(&mut self, input: &str, output: &str) {
        let Some(ColumnAttributes::Vector { width, slots, .. }) = self.of(input) else {
            return;
        };
        let as_number = |slot: &Slot| Slot::named(slot.name.clone());
        let attributes = ColumnAttributes::Vector {
            width: *width,
            slots: slots.as_ref().map(|slots| slots.iter().map(as_number).collect()),
            is_declared: false,
        };
        self.0.insert(output.to_owned(), attributes);
    }
}

/// The elements of a vector of which nothing but the width is known.
fn numbered(column: &str, width: usize) -> impl Iterator<Item = Slot> + '_ {
    (0..width).map(move |index| Slot::named(format!("{column}[{index}]")))
}
