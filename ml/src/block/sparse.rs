//! What a block keeps row by row: the features that few of its rows have.
//!
//! The features that occur are numbered within the block, ascending, and a row names its features by these *codes*: two
//! bytes each, mostly, and the kernel's working set is as many coefficients and sums as the block has features, however
//! wide the vectors are. A value takes no byte at all where all are 1, as one-hot vectors have it.

use super::Values;

/// The part of a block that is not in columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseRows {
    /// The feature of each of the block's columns, ascending.
    pub(super) column_features: Vec<u32>,
    /// The feature of each code, ascending.
    pub(super) features: Vec<u32>,
    /// Row r has the elements `starts[r]..starts[r + 1]`, ascending by code.
    pub(super) starts: Vec<u32>,
    pub(super) codes: Codes,
    pub(super) amounts: Amounts,
}

/// The codes of all elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Codes {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// The values of all elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Amounts {
    /// All are 1.
    Ones,
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// A position among the features of a block.
pub(crate) trait Code: Copy {
    fn at(self) -> usize;
}

impl Code for u16 {
    #[inline(always)]
    fn at(self) -> usize {
        usize::from(self)
    }
}

impl Code for u32 {
    #[inline(always)]
    fn at(self) -> usize {
        self as usize
    }
}

/// The values of some elements, one after the other.
pub(crate) trait Run: Copy {
    /// Those of elements `start..end` of these.
    fn run(self, start: usize, end: usize) -> impl Iterator<Item = f64>;
}

/// As many ones as are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ones;

impl Run for Ones {
    #[inline(always)]
    fn run(self, _start: usize, _end: usize) -> impl Iterator<Item = f64> {
        std::iter::repeat(1.0)
    }
}

impl<T: Copy + Into<f64>> Run for &[T] {
    #[inline(always)]
    fn run(self, start: usize, end: usize) -> impl Iterator<Item = f64> {
        self[start..end].iter().map(|value| (*value).into())
    }
}

/// Runs an expression with the codes and values of a block's elements, whatever their types.
macro_rules! elements {
    ($sparse:expr, $codes:ident, $amounts:ident => $work:expr) => {
        match ($sparse.codes(), $sparse.amounts()) {
            (Codes::Short($codes), Amounts::Ones) => elements!(Ones, $amounts => $work),
            (Codes::Short($codes), Amounts::Single($amounts)) => elements!(&$amounts[..], $amounts => $work),
            (Codes::Short($codes), Amounts::Double($amounts)) => elements!(&$amounts[..], $amounts => $work),
            (Codes::Long($codes), Amounts::Ones) => elements!(Ones, $amounts => $work),
            (Codes::Long($codes), Amounts::Single($amounts)) => elements!(&$amounts[..], $amounts => $work),
            (Codes::Long($codes), Amounts::Double($amounts)) => elements!(&$amounts[..], $amounts => $work),
        }
    };
    ($values:expr, $amounts:ident => $work:expr) => {{
        let $amounts = $values;
        $work
    }};
}
pub(crate) use elements;

impl SparseRows {
    /// The feature of each of the block's columns.
    pub(crate) fn column_features(&self) -> &[u32] {
        &self.column_features
    }

    /// The feature of each code.
    pub(crate) fn features(&self) -> &[u32] {
        &self.features
    }

    /// Where the elements of each row from `row` on start, and where those of the last end.
    pub(crate) fn starts_from(&self, row: usize) -> &[u32] {
        self.starts.get(row..).unwrap_or_default()
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    pub(crate) fn amounts(&self) -> &Amounts {
        &self.amounts
    }

    pub(super) fn column_of(&self, feature: usize) -> Option<usize> {
        let feature = u32::try_from(feature).ok()?;
        self.column_features.binary_search(&feature).ok()
    }

    /// The value of a feature that has no column.
    pub(super) fn at(&self, row: usize, feature: usize) -> f64 {
        let code = u32::try_from(feature)
            .ok()
            .and_then(|feature| self.features.binary_search(&feature).ok());
        let (Some(code), Some([start, end, ..])) = (code, self.starts.get(row..)) else {
            return 0.0;
        };
        let (start, end) = (*start as usize, *end as usize);
        let found = match &self.codes {
            Codes::Short(codes) => codes[start..end].iter().position(|c| c.at() == code),
            Codes::Long(codes) => codes[start..end].iter().position(|c| c.at() == code),
        };
        match (found, &self.amounts) {
            (None, _) => 0.0,
            (Some(_), Amounts::Ones) => 1.0,
            (Some(position), Amounts::Single(values)) => values[start + position].into(),
            (Some(position), Amounts::Double(values)) => values[start + position],
        }
    }

    /// Calls `work` with row, feature and value of every element, row by row.
    pub(super) fn for_each(&self, mut work: impl FnMut(usize, usize, f64)) {
        elements!(self, codes, amounts => {
            for (row, pair) in self.starts.array_windows().enumerate() {
                let [start, end] = pair.map(|place| place as usize);
                for (code, value) in codes[start..end].iter().zip(amounts.run(start, end)) {
                    work(row, self.features[code.at()] as usize, value);
                }
            }
        });
    }

    /// Bytes of the elements of one row, on average.
    pub(crate) fn bytes_per_row(&self) -> usize {
        self.memory_bytes() / self.starts.len().saturating_sub(1).max(1)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let codes = match &self.codes {
            Codes::Short(codes) => size_of_val(codes.as_slice()),
            Codes::Long(codes) => size_of_val(codes.as_slice()),
        };
        let amounts = match &self.amounts {
            Amounts::Ones => 0,
            Amounts::Single(values) => size_of_val(values.as_slice()),
            Amounts::Double(values) => size_of_val(values.as_slice()),
        };
        let of_u32 = [&self.column_features, &self.features, &self.starts];
        codes
            + amounts
            + of_u32
                .map(|values| size_of_val(values.as_slice()))
                .iter()
                .sum::<usize>()
    }
}

/// A feature gets a column where at least one of so many rows has it. A column's values cost little more than 4 bytes
/// each and go through vectors, an element costs a jump in memory both ways.
const ROWS_PER_ELEMENT: usize = 8;

/// Rows that are waiting to become a block's.
#[derive(Debug, Default)]
pub(super) struct Pending {
    ends: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
    /// For each feature: how many rows have it, and then where it goes; all 0 between blocks.
    places: Vec<u32>,
}

/// Set in the place of a feature that gets a column.
const COLUMN: u32 = 1 << 31;

impl Pending {
    /// Adds a row; zeros are left out.
    pub(super) fn push(&mut self, elements: impl Iterator<Item = (u32, f64)>) {
        for (index, value) in elements.filter(|(_, value)| *value != 0.0) {
            self.indices.push(index);
            self.values.push(value);
        }
        self.ends.push(self.indices.len());
    }

    /// Elements that are waiting.
    pub(super) fn len(&self) -> usize {
        self.indices.len()
    }

    /// Turns the rows into columns and what is left, and starts anew.
    pub(super) fn take(&mut self, width: usize) -> (Vec<Values>, SparseRows) {
        let rows = self.ends.len();
        let (column_features, features) = self.divide(width, rows);
        let mut columns = vec![vec![0.0; rows]; column_features.len()];
        let mut starts = vec![0];
        let (mut codes, mut values) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (row, end) in self.ends.iter().enumerate() {
            for (index, value) in self.indices[start..*end].iter().zip(&self.values[start..*end]) {
                match self.places[*index as usize] {
                    place if place & COLUMN != 0 => columns[(place & !COLUMN) as usize][row] = *value,
                    code => {
                        codes.push(code);
                        values.push(*value);
                    }
                }
            }
            starts.push(codes.len() as u32);
            start = *end;
        }
        for feature in column_features.iter().chain(&features) {
            self.places[*feature as usize] = 0;
        }
        self.ends.clear();
        self.indices.clear();
        self.values.clear();
        let columns = columns
            .into_iter()
            .map(|column| Values::pack(column.into_iter(), rows));
        let sparse = SparseRows {
            codes: short_if_possible(codes, features.len()),
            amounts: least(values),
            column_features,
            features,
            starts,
        };
        (columns.collect(), sparse)
    }

    /// Says of each feature that occurs where it goes, and which are columns and which are not, ascending.
    fn divide(&mut self, width: usize, rows: usize) -> (Vec<u32>, Vec<u32>) {
        self.places.resize(width, 0);
        let mut occurring = Vec::new();
        for index in &self.indices {
            let count = &mut self.places[*index as usize];
            if *count == 0 {
                occurring.push(*index);
            }
            *count += 1;
        }
        occurring.sort_unstable();
        let is_column = |feature: &u32| self.places[*feature as usize] as usize * ROWS_PER_ELEMENT >= rows;
        let (columns, others): (Vec<u32>, Vec<u32>) = occurring.into_iter().partition(is_column);
        for (features, mark) in [(&columns, COLUMN), (&others, 0)] {
            for (place, feature) in (0..).zip(features) {
                self.places[*feature as usize] = place | mark;
            }
        }
        (columns, others)
    }
}

fn short_if_possible(codes: Vec<u32>, features: usize) -> Codes {
    match features <= 1 << 16 {
        true => Codes::Short(codes.into_iter().map(|code| code as u16).collect()),
        false => Codes::Long(codes),
    }
}

fn least(values: Vec<f64>) -> Amounts {
    let is_single = |value: &f64| f64::from(*value as f32) == *value;
    if values.iter().all(|value| *value == 1.0) {
        Amounts::Ones
    } else if values.iter().all(is_single) {
        Amounts::Single(values.into_iter().map(|value| value as f32).collect())
    } else {
        Amounts::Double(values)
    }
}
