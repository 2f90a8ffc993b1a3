//! [`Drift`]: how far the rows that are asked have moved away from those of training, as the population stability index.
//!
//! PSI = Σ (q − p)·ln(q/p) over the bins of a column, p being training's share of a bin and q the requests'. By custom, up to
//! 0.1 is no change and above 0.25 a large one. Half a row is added to every bin, so that an empty one has a share. With few rows
//! the index is high for no other reason than chance, about (bins − 1)/rows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rookery_ml::{Column, ColumnProfile, Frame, Profile, ValueProfile};

/// So many values in a column halve all counts, so that what is recent weighs most.
const WINDOW: u64 = 100_000;

/// What has been asked, in training's bins.
#[derive(Debug)]
pub(crate) struct Drift {
    columns: Vec<ColumnDrift>,
    predictions: Bins,
}

#[derive(Debug)]
struct ColumnDrift {
    name: String,
    place: Place,
    /// Training's bins, and a last one for nulls.
    bins: Bins,
}

/// Where a value belongs.
#[derive(Debug)]
enum Place {
    /// To the first bin whose edge is not below it.
    Edges(Vec<f64>),
    /// To its category, else to the bin after the last one.
    Categories(HashMap<String, usize>),
}

/// Counts of training and of requests.
#[derive(Debug)]
struct Bins {
    expected: Vec<u64>,
    observed: Vec<AtomicU64>,
    total: AtomicU64,
}

impl Drift {
    pub(crate) fn of(profile: &Profile) -> Self {
        Self {
            columns: profile.columns.iter().map(ColumnDrift::of).collect(),
            predictions: Bins::new(profile.predictions.clone()),
        }
    }

    /// Counts the values of rows as they were asked.
    pub(crate) fn observe(&self, frame: &Frame) {
        for drift in &self.columns {
            if let Ok(column) = frame.column(&drift.name) {
                (0..frame.rows()).for_each(|row| drift.bins.add(drift.bin(column, row)));
            }
        }
    }

    /// Counts predicted classes.
    pub(crate) fn observe_predictions(&self, predictions: &[f64]) {
        predictions
            .iter()
            .for_each(|class| self.predictions.add(*class as usize));
    }

    /// The index of each column, and last of the prediction; those without a value yet are left out.
    pub(crate) fn indices(&self) -> Vec<(Option<&str>, f64)> {
        let columns = self
            .columns
            .iter()
            .map(|drift| (Some(drift.name.as_str()), &drift.bins));
        let all = columns.chain([(None, &self.predictions)]);
        all.filter_map(|(name, bins)| Some((name, bins.index()?)))
            .collect()
    }
}

impl ColumnDrift {
    fn of(profile: &ColumnProfile) -> Self {
        let (place, mut expected) = match &profile.values {
            ValueProfile::Numbers { edges, counts, .. } => (Place::Edges(edges.clone()), counts.clone()),
            ValueProfile::Categories { counts, others } => {
                let names = counts.iter().map(|(name, _)| name.clone());
                let expected = counts.iter().map(|(_, count)| *count).chain([*others]);
                (Place::Categories(names.zip(0..).collect()), expected.collect())
            }
        };
        expected.push(profile.nulls);
        Self {
            name: profile.name.clone(),
            place,
            bins: Bins::new(expected),
        }
    }

    fn bin(&self, column: &Column, row: usize) -> usize {
        let null = self.bins.expected.len() - 1;
        if column.is_null(row) {
            return null;
        }
        match &self.place {
            Place::Edges(edges) => match column.number(row) {
                Some(value) if !value.is_nan() => edges.partition_point(|edge| *edge < value),
                _ => null,
            },
            Place::Categories(categories) => {
                let found = column
                    .text(row)
                    .and_then(|text| categories.get(text.as_ref()).copied());
                found.unwrap_or(categories.len())
            }
        }
    }
}

impl Bins {
    fn new(expected: Vec<u64>) -> Self {
        Self {
            observed: expected.iter().map(|_| AtomicU64::new(0)).collect(),
            expected,
            total: AtomicU64::new(0),
        }
    }

    /// Adds a value to a bin; what belongs to none is in no distribution.
    fn add(&self, bin: usize) {
        let Some(count) = self.observed.get(bin) else {
            return;
        };
        count.fetch_add(1, Ordering::Relaxed);
        // Requests that come at the same time may get lost here: a few in a hundred thousand.
        if self.total.fetch_add(1, Ordering::Relaxed) + 1 == WINDOW {
            let mut total = 0;
            for count in &self.observed {
                let half = count.load(Ordering::Relaxed) / 2;
                count.store(half, Ordering::Relaxed);
                total += half;
            }
            self.total.store(total, Ordering::Relaxed);
        }
    }

    /// The index; `None` if nothing was observed, or nothing in training.
    fn index(&self) -> Option<f64> {
        let observed: Vec<u64> = self
            .observed
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let share = |counts: &[u64]| {
            let total: u64 = counts.iter().sum();
            let total = total as f64 + counts.len() as f64 / 2.0;
            counts
                .iter()
                .map(|count| (*count as f64 + 0.5) / total)
                .collect::<Vec<f64>>()
        };
        if observed.iter().sum::<u64>() == 0 || self.expected.iter().sum::<u64>() == 0 {
            return None;
        }
        let pairs = share(&self.expected).into_iter().zip(share(&observed));
        Some(pairs.map(|(p, q)| (q - p) * (q / p).ln()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(expected: &[u64], observed: &[usize]) -> Bins {
        let bins = Bins::new(expected.to_vec());
        for (bin, count) in observed.iter().enumerate() {
            (0..*count).for_each(|_| bins.add(bin));
        }
        bins
    }

    #[test]
    fn equal_shares_have_an_index_of_about_0_and_others_a_large_one() {
        assert!(bins(&[1000, 2000, 0], &[500, 1000, 0]).index().expect("observed") < 1e-3);
        let moved = bins(&[500, 500], &[900, 100]).index().expect("observed");
        // (0.9 − 0.5)·ln(0.9/0.5) + (0.1 − 0.5)·ln(0.1/0.5) = 0.879
        assert!((moved - 0.879).abs() < 0.01, "{moved}");
        assert_eq!(bins(&[500, 500], &[0, 0]).index(), None);
        assert_eq!(bins(&[], &[]).index(), None);
    }

    #[test]
    fn what_is_recent_weighs_most() {
        let bins = bins(&[50, 50], &[WINDOW as usize]);
        let old = bins.index().expect("observed");
        (0..4 * WINDOW).for_each(|_| bins.add(1));
        let shares: Vec<u64> = bins
            .observed
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        assert!(shares[0] * 20 < shares[1], "{shares:?}");
        assert!(old > 1.0);
    }

    #[test]
    fn values_find_their_bins() {
        use rookery_ml::ColumnData;
        let values = ValueProfile::Numbers {
            mean: 1.0,
            edges: vec![1.0, 2.0],
            counts: vec![1, 1, 1],
        };
        let numbers = ColumnDrift::of(&ColumnProfile {
            name: "x".into(),
            nulls: 0,
            values,
        });
        let column = Column {
            data: ColumnData::Double(vec![1.0, 1.5, 9.0, f64::NAN, 0.0]),
            validity: Some(vec![true, true, true, true, false]),
        };
        let found: Vec<usize> = (0..5).map(|row| numbers.bin(&column, row)).collect();
        assert_eq!(found, [0, 1, 2, 3, 3]);

        let values = ValueProfile::Categories {
            counts: vec![("a".into(), 3), ("b".into(), 2)],
            others: 1,
        };
        let categories = ColumnDrift::of(&ColumnProfile {
            name: "x".into(),
            nulls: 0,
            values,
        });
        let column = Column::new(ColumnData::Text(vec!["b".into(), "z".into()]));
        assert_eq!((categories.bin(&column, 0), categories.bin(&column, 1)), (1, 2));
    }
}
