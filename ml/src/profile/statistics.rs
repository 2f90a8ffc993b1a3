//! [`ProfileStatistics`]: what is counted of some rows, so that all of them together make a [`Profile`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ColumnProfile, Profile, ValueProfile};
use crate::block::SharedColumn;
use crate::buckets::Buckets;
use crate::error::MlError;
use crate::exact_sum::ExactSum;
use crate::frame::{Column, Frame};
use crate::number::Number;

/// Categories that a profile tells apart.
const MAX_CATEGORIES: usize = 1000;

/// A column to be counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfiledColumn {
    /// Its name.
    pub name: String,
    /// Whether its values are names of categories, whatever they are made of.
    pub is_category: bool,
}

/// A commutative monoid under [`merge`](ProfileStatistics::merge), exact in any order;
/// [`empty`](ProfileStatistics::empty) is its neutral element.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileStatistics {
    rows: u64,
    columns: Vec<ColumnStatistics>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnStatistics {
    name: String,
    nulls: u64,
    values: ValueStatistics,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ValueStatistics {
    Numbers {
        buckets: Buckets,
        /// Of the finite ones.
        sum: ExactSum,
        finite: u64,
    },
    Categories(BTreeMap<String, u64>),
}

impl ProfileStatistics {
    /// The statistics of no rows, for these columns.
    pub fn empty(columns: &[ProfiledColumn]) -> Self {
        let column = |column: &ProfiledColumn| ColumnStatistics {
            name: column.name.clone(),
            nulls: 0,
            values: match column.is_category {
                true => ValueStatistics::Categories(BTreeMap::new()),
                false => ValueStatistics::Numbers {
                    buckets: Buckets::default(),
                    sum: ExactSum::default(),
                    finite: 0,
                },
            },
        };
        Self {
            rows: 0,
            columns: columns.iter().map(column).collect(),
        }
    }

    /// Adds the rows of `frame`.
    ///
    /// # Errors
    /// [`MlError::UnknownColumn`] for a column that is not there.
    pub fn accumulate(&mut self, frame: &Frame) -> Result<(), MlError> {
        self.rows += frame.rows() as u64;
        self.accumulate_but(&BTreeSet::new(), frame)
    }

    /// Adds `rows` rows, and of their columns those of finite numbers that `shared` knows where they are. Returns the names of
    /// the columns that it added; [`accumulate_but`](Self::accumulate_but) adds the others.
    pub(crate) fn accumulate_shared(
        &mut self,
        rows: usize,
        shared: impl Fn(&str) -> Option<SharedColumn>,
    ) -> BTreeSet<String> {
        self.rows += rows as u64;
        let mut added = BTreeSet::new();
        for own in &mut self.columns {
            if shared(&own.name).is_some_and(|values| own.values.add_shared(&values, rows)) {
                added.insert(own.name.clone());
            }
        }
        added
    }

    /// Whether there are columns beside those `added`.
    pub(crate) fn has_more_than(&self, added: &BTreeSet<String>) -> bool {
        self.columns.len() > added.len()
    }

    /// Adds the columns of `frame` but for those `added`; its rows have been.
    ///
    /// # Errors
    /// [`MlError::UnknownColumn`] for a column that is not there.
    pub(crate) fn accumulate_but(&mut self, added: &BTreeSet<String>, frame: &Frame) -> Result<(), MlError> {
        let left = self.columns.iter_mut().filter(|own| !added.contains(&own.name));
        for own in left {
            let column = frame.column(&own.name)?;
            own.nulls += (frame.rows() - own.values.add_all(column, frame.rows())) as u64;
        }
        Ok(())
    }

    /// Adds what `other` saw.
    ///
    /// # Errors
    /// [`MlError::ForeignStatistics`] if `other` is of other columns.
    pub fn merge(&mut self, other: &ProfileStatistics) -> Result<(), MlError> {
        if self.columns.len() != other.columns.len() {
            let text = format!("{} columns against {}", self.columns.len(), other.columns.len());
            return Err(MlError::ForeignStatistics(text));
        }
        self.rows += other.rows;
        self.columns
            .iter_mut()
            .zip(&other.columns)
            .try_for_each(|(own, other)| own.merge(other))
    }

    /// The profile of all rows seen; without predictions.
    #[must_use]
    pub fn finish(self) -> Profile {
        let column = |column: ColumnStatistics| ColumnProfile {
            name: column.name,
            nulls: column.nulls,
            values: column.values.finish(),
        };
        Profile {
            rows: self.rows,
            columns: self.columns.into_iter().map(column).collect(),
            predictions: Vec::new(),
        }
    }
}

impl ColumnStatistics {
    fn merge(&mut self, other: &ColumnStatistics) -> Result<(), MlError> {
        self.nulls += other.nulls;
        match (&mut self.values, &other.values) {
            _ if self.name != other.name => {}
            (ValueStatistics::Categories(own), ValueStatistics::Categories(others)) => {
                for (category, count) in others {
                    *own.entry(category.clone()).or_default() += count;
                }
                return Ok(());
            }
            (
                ValueStatistics::Numbers { buckets, sum, finite },
                ValueStatistics::Numbers {
                    buckets: other_buckets,
                    sum: other_sum,
                    finite: other_finite,
                },
            ) => {
                buckets.merge(other_buckets);
                sum.merge(other_sum);
                *finite += other_finite;
                return Ok(());
            }
            _ => {}
        }
        let text = format!("column {} against column {}", self.name, other.name);
        Err(MlError::ForeignStatistics(text))
    }
}

impl ValueStatistics {
    /// Adds the values of `rows` rows, if numbers are counted and all of these are finite; whether it did.
    fn add_shared(&mut self, values: &SharedColumn, rows: usize) -> bool {
        let Self::Numbers { buckets, sum, finite } = self else {
            return false;
        };
        if !values.is_usable(rows) {
            return false;
        }
        match values {
            SharedColumn::Single(values) => add(&values[..rows], buckets, sum),
            SharedColumn::Double(values) => add(&values[..rows], buckets, sum),
        }
        *finite += rows as u64;
        true
    }

    /// Adds the values of `rows` rows; returns how many have one. A NaN is none to a model, as to Spark's assembler.
    fn add_all(&mut self, column: &Column, rows: usize) -> usize {
        match self {
            Self::Categories(counts) => column.add_text_counts(counts) as usize,
            Self::Numbers { buckets, sum, finite } => {
                let present = (0..rows).filter(|row| !column.is_null(*row));
                let mut values: Vec<f64> = present.filter_map(|row| column.number(row)).collect();
                values.retain(|value| !value.is_nan());
                let present = values.len();
                buckets.add_all(&values);
                values.retain(|value| value.is_finite());
                sum.add_all(&values);
                *finite += values.len() as u64;
                present
            }
        }
    }

    fn finish(self) -> ValueProfile {
        match self {
            Self::Numbers { buckets, sum, finite } => {
                let (edges, counts) = buckets.histogram();
                ValueProfile::Numbers {
                    mean: sum.mean(finite),
                    edges,
                    counts,
                }
            }
            Self::Categories(counts) => {
                // The map ascends by name and the sort is stable, so ties do too.
                let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
                counts.sort_by_key(|(_, count)| Reverse(*count));
                let others = counts.split_off(counts.len().min(MAX_CATEGORIES));
                ValueProfile::Categories {
                    counts,
                    others: others.iter().map(|(_, count)| count).sum(),
                }
            }
        }
    }
}

fn add<T: Number>(values: &[T], buckets: &mut Buckets, sum: &mut ExactSum) {
    buckets.add_all(values);
    sum.add_all(values);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::SharedValues;
    use crate::frame::ColumnData;

    fn columns() -> [ProfiledColumn; 3] {
        [("mass", false), ("island", true), ("year", true)].map(|(name, is_category)| ProfiledColumn {
            name: name.to_owned(),
            is_category,
        })
    }

    fn frame(masses: &[f64], islands: &[&str], years: &[i64]) -> Frame {
        let islands = islands.iter().map(|island| (*island).to_owned()).collect();
        let mut mass = Column::new(ColumnData::Double(masses.to_vec()));
        mass.validity = Some(masses.iter().map(|mass| *mass != 99.0).collect());
        Frame::new(masses.len())
            .with_column("mass", mass)
            .and_then(|frame| frame.with_column("island", Column::new(ColumnData::Text(islands))))
            .and_then(|frame| frame.with_column("year", Column::new(ColumnData::Integer(years.to_vec()))))
            .expect("columns fit")
    }

    #[test]
    fn rows_are_counted_column_by_column() {
        let mut statistics = ProfileStatistics::empty(&columns());
        for frame in [
            frame(&[1.0, 99.0, f64::NAN], &["b", "a", "ñ"], &[2007, 2008, 2008]),
            frame(&[2.5, f64::INFINITY], &["a", "b"], &[2009, 2008]),
        ] {
            let mut some = ProfileStatistics::empty(&columns());
            some.accumulate(&frame).expect("columns are there");
            statistics.merge(&some).expect("the same columns");
        }
        let profile = statistics.finish();
        assert_eq!((profile.rows, profile.columns[0].nulls), (5, 2));
        let masses = ValueProfile::Numbers {
            mean: 1.75,
            edges: vec![1.0, 2.5],
            counts: vec![1, 1, 1],
        };
        assert_eq!(profile.columns[0].values, masses);
        let counted = |pairs: &[(&str, u64)]| ValueProfile::Categories {
            counts: pairs
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            others: 0,
        };
        assert_eq!(
            profile.columns[1].values,
            counted(&[("a", 2), ("b", 2), ("ñ", 1)])
        );
        assert_eq!(
            profile.columns[2].values,
            counted(&[("2008", 3), ("2007", 1), ("2009", 1)])
        );
    }

    #[test]
    fn shared_columns_are_counted_as_the_same_in_frames() {
        const ROWS: usize = 3000;
        let doubles: Vec<f64> = (0..ROWS)
            .map(|row| (row * 37 % 1009) as f64 / 7.0 - 50.0)
            .collect();
        let floats: Vec<f32> = doubles.iter().map(|value| *value as f32).collect();
        let mut infinite = doubles.clone();
        infinite[7] = f64::INFINITY;
        let names = ["floats", "doubles", "infinite", "years"];
        let profiled = names.map(|name| ProfiledColumn {
            name: name.to_owned(),
            is_category: name == "years",
        });
        let columns = [
            ColumnData::Float(floats.clone()),
            ColumnData::Double(doubles.clone()),
            ColumnData::Double(infinite.clone()),
            ColumnData::Double(vec![2007.0; ROWS]),
        ];
        let frame = names
            .iter()
            .zip(columns)
            .fold(Frame::new(ROWS), |frame, (name, data)| {
                frame.with_column(*name, Column::new(data)).expect("a column")
            });
        let shared = |name: &str| match name {
            "floats" => Some(SharedColumn::Single(SharedValues::new(floats.clone()))),
            "doubles" => Some(SharedColumn::Double(SharedValues::new(doubles.clone()))),
            "infinite" => Some(SharedColumn::Double(SharedValues::new(infinite.clone()))),
            _ => Some(SharedColumn::Double(SharedValues::new(vec![2007.0; ROWS]))),
        };
        let mut in_frames = ProfileStatistics::empty(&profiled);
        in_frames.accumulate(&frame).expect("columns are there");
        let mut in_place = ProfileStatistics::empty(&profiled);
        let added = in_place.accumulate_shared(ROWS, shared);
        // What is not finite, and what is counted as text, is left to frames.
        assert_eq!(added, ["doubles", "floats"].map(str::to_owned).into());
        assert!(in_place.has_more_than(&added));
        in_place
            .accumulate_but(&added, &frame)
            .expect("columns are there");
        assert_eq!(in_place, in_frames);
    }

    #[test]
    fn the_most_frequent_categories_are_told_apart() {
        let names: Vec<String> = (0..1500).map(|i| format!("c{:04}", i % 1200)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut statistics = ProfileStatistics::empty(&columns());
        let rows = frame(&[0.0; 1500], &names, &[0; 1500]);
        statistics.accumulate(&rows).expect("columns are there");
        let ValueProfile::Categories { counts, others } = statistics.finish().columns.remove(1).values else {
            panic!("a text column")
        };
        // 300 occur twice; of those that occur once the first by name are kept.
        assert_eq!((counts.len(), others), (1000, 200));
        assert_eq!(counts[299], ("c0299".to_owned(), 2));
        assert_eq!(counts[999], ("c0999".to_owned(), 1));
    }

    #[test]
    fn statistics_of_other_columns_are_refused() {
        let mut statistics = ProfileStatistics::empty(&columns());
        let mut other = columns();
        other.swap(1, 2);
        for other in [&other[..], &other[..1]] {
            let error = statistics.merge(&ProfileStatistics::empty(other));
            assert!(matches!(error, Err(MlError::ForeignStatistics(_))), "{error:?}");
        }
        let error = statistics.accumulate(&Frame::new(1)).expect_err("no columns");
        assert_eq!(error.to_string(), "unknown column mass; available columns: ");
    }
}
