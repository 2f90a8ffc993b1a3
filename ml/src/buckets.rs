//! [`Buckets`]: how often numbers occur, exactly as long as there are few different ones, else in buckets that grow with
//! the numbers.
//!
//! A number's key is its bits, arranged so that keys ascend as numbers do, without the last `shift` of them. The shift is
//! the smallest that leaves at most [`LIMIT`] different keys. Fewer rows never need a larger one, so whatever is counted
//! and merged first, the same rows end in the same buckets.

use serde::{Deserialize, Serialize};

mod counts_serde;
mod tables;

use tables::{Dense, Table};

use crate::number::Number;

/// Different keys that are told apart.
const LIMIT: usize = 1024;
/// Bins of a histogram.
const BINS: u64 = 20;

/// The key that a negative zero would have.
const NEGATIVE_ZERO: u64 = (1 << 63) - 1;

/// A commutative monoid under [`merge`](Buckets::merge), with `default` as its neutral element.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Buckets {
    shift: u32,
    /// Values of each key, ascending.
    #[serde(with = "counts_serde")]
    counts: Vec<(u64, u64)>,
}

impl Buckets {
    /// Counts `values`, none of which is NaN.
    pub(crate) fn add_all<T: Number>(&mut self, values: &[T]) {
        let mut dense = Dense::default();
        for values in values.chunks(Dense::MOST_VALUES) {
            if !self.add_densely(values, &mut dense) {
                self.add_by_hash(values);
            }
        }
    }

    /// Counts values that lie close together, by tables with a place for each key; returns whether it did.
    fn add_densely<T: Number>(&mut self, values: &[T], dense: &mut Dense) -> bool {
        let Some(counted) = dense.count(values, self.shift) else {
            return false;
        };
        // So many different keys are at least as many without the last bits: the shift can't be smaller.
        if counted.shift > self.shift && counted.counts.len() <= LIMIT {
            return false;
        }
        let mut counted = Buckets {
            shift: counted.shift,
            counts: counted.counts,
        };
        counted.coarsen();
        self.merge(&counted);
        true
    }

    fn add_by_hash<T: Number>(&mut self, values: &[T]) {
        let mut table = Table::new();
        for value in values {
            let key = key((*value).into());
            let counted = table.add(key >> self.shift);
            if !counted {
                self.take(&mut table);
                // The shift may be larger now.
                table.add(key >> self.shift);
            }
        }
        self.take(&mut table);
    }

    /// Adds what a table counted by the keys of this shift, and leaves it empty.
    fn take(&mut self, table: &mut Table) {
        let mut counts: Vec<(u64, u64)> = table.drain().collect();
        counts.sort_unstable();
        self.merge(&Buckets {
            shift: self.shift,
            counts,
        });
    }

    /// Counts `value`, which is no NaN.
    pub(crate) fn add(&mut self, value: f64) {
        let key = key(value) >> self.shift;
        match self.counts.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(position) => self.counts[position].1 += 1,
            Err(position) => {
                self.counts.insert(position, (key, 1));
                self.coarsen();
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Buckets) {
        if other.shift > self.shift {
            self.shift_to(other.shift);
        }
        let by = self.shift - other.shift;
        let others = other.counts.iter().map(|(key, count)| (key >> by, *count));
        let own = std::mem::take(&mut self.counts);
        self.counts.reserve(own.len() + other.counts.len());
        let (mut own, mut others) = (own.into_iter().peekable(), others.peekable());
        loop {
            let next = match (own.peek(), others.peek()) {
                (Some((a, _)), Some((b, _))) if b < a => others.next(),
                (None, _) => others.next(),
                _ => own.next(),
            };
            let Some((key, count)) = next else { break };
            match self.counts.last_mut() {
                Some((last, counted)) if *last == key => *counted += count,
                _ => self.counts.push((key, count)),
            }
        }
        self.coarsen();
    }

    /// Edges and counts of a histogram whose bins hold about the same number of values; where there are few different
    /// values, one bin for each.
    pub(crate) fn histogram(&self) -> (Vec<f64>, Vec<u64>) {
        let total: u128 = self.counts.iter().map(|(_, count)| u128::from(*count)).sum();
        let is_few = self.counts.len() as u64 <= BINS;
        let (mut edges, mut counts) = (Vec::new(), Vec::new());
        let (mut seen, mut in_bin, mut next) = (0_u128, 0_u64, 1_u128);
        let last = self.counts.last().map(|(key, _)| key);
        for (key, count) in &self.counts {
            seen += u128::from(*count);
            in_bin += count;
            let is_full = is_few || seen * u128::from(BINS) >= next * total;
            if is_full && Some(key) != last {
                edges.push(self.largest_in(*key));
                counts.push(std::mem::take(&mut in_bin));
                next = seen * u128::from(BINS) / total + 1;
            }
        }
        counts.push(in_bin);
        (edges, counts)
    }

    /// The smallest and the largest key of each bucket, and its values; ascending.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let rest = (1_u64 << self.shift) - 1;
        self.counts
            .iter()
            .map(move |(key, count)| (key << self.shift, (key << self.shift) | rest, *count))
    }

    fn largest_in(&self, key: u64) -> f64 {
        let rest = (1_u64 << self.shift) - 1;
        let largest = (key << self.shift) | rest;
        // A negative zero is counted as zero, in the next bucket: as an edge it would take zeros into this one.
        value(if largest == NEGATIVE_ZERO {
            largest - 1
        } else {
            largest
        })
    }

    /// Takes the smallest shift that leaves few enough keys.
    fn coarsen(&mut self) {
        if self.counts.len() <= LIMIT {
            return;
        }
        // Neighbours fall together as soon as the highest bit in which they differ is gone: by that bit's number from 1.
        let mut apart = [0_usize; 65];
        for pair in self.counts.windows(2) {
            let (key, next) = (pair[0].0, pair[1].0);
            apart[(u64::BITS - (key ^ next).leading_zeros()) as usize] += 1;
        }
        let (mut by, mut different) = (64, 1);
        while by > 0 && different + apart[by] <= LIMIT {
            different += apart[by];
            by -= 1;
        }
        self.shift_to(self.shift + by as u32);
    }

    fn shift_to(&mut self, shift: u32) {
        let by = shift - self.shift;
        self.shift = shift;
        self.counts.iter_mut().for_each(|(key, _)| *key >>= by);
        self.counts.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            first.1 += if is_same { later.1 } else { 0 };
            is_same
        });
    }
}

/// The bits of `value` in an order in which they ascend with it; both zeros are one.
pub(crate) fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    match bits >> 63 {
        0 => bits | (1 << 63),
        _ => !bits,
    }
}

/// The value whose key it is.
pub(crate) fn value(key: u64) -> f64 {
    match key >> 63 {
        0 => f64::from_bits(!key),
        _ => f64::from_bits(key & !(1 << 63)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Buckets {
        let mut buckets = Buckets::default();
        buckets.add_all(values);
        buckets
    }

    #[test]
    fn few_values_have_a_bin_each() {
        let buckets = of(&[2.0, -1.0, 2.0, 0.0, -0.0, f64::NEG_INFINITY]);
        let expected = (vec![f64::NEG_INFINITY, -1.0, 0.0], vec![1, 1, 2, 2]);
        assert_eq!(buckets.histogram(), expected);
        assert_eq!(of(&[]).histogram(), (vec![], vec![0]));
        assert_eq!(of(&[7.5]).histogram(), (vec![], vec![1]));
    }

    #[test]
    fn zeros_are_above_all_negative_numbers() {
        let small = (1..=3000_u64).map(|bits| -f64::from_bits(bits << 40));
        // So many of those next to zero that a bin ends with them.
        let next_to_zero = [-f64::from_bits(1 << 40); 1000];
        let values: Vec<f64> = small.chain(next_to_zero).chain([0.0; 500]).collect();
        let buckets = of(&values);
        assert!(buckets.shift > 0);
        let (edges, counts) = buckets.histogram();
        assert!(edges.iter().all(|edge| *edge < 0.0), "{edges:?}");
        assert_eq!(counts.last(), Some(&500));
    }

    #[test]
    fn many_values_are_shared_out_evenly() {
        let values: Vec<f64> = (0..100_000).map(|i| f64::from(i) / 1000.0 + 17.0).collect();
        let (edges, counts) = of(&values).histogram();
        assert_eq!((edges.len(), counts.len()), (19, 20));
        assert!(
            counts.iter().all(|count| (4_500..=5_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn tables_count_as_hashing_does() {
        let uneven = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) % 2_000_003) / 1e3 - 700.0;
        let values: Vec<f64> = (0..20_000)
            .map(uneven)
            .chain([0.0, -0.0, f64::INFINITY])
            .collect();
        let (mut by_table, mut by_hash) = (Buckets::default(), Buckets::default());
        by_hash.add_by_hash(&values);
        let mut dense = Dense::default();
        // What lies far from the others makes places too wide: that is for hashing.
        assert!(by_table.add_densely(&values[..16_000], &mut dense));
        by_table.add_by_hash(&values[16_000..]);
        assert_eq!(by_table, by_hash);
        assert!(!by_table.add_densely(&values[..1000], &mut dense), "few");
        let few_different: Vec<f64> = (0..4000).map(|i| f64::from(i % 17)).collect();
        assert!(!Buckets::default().add_densely(&few_different, &mut dense));
    }

    #[test]
    fn floats_are_counted_as_the_same_doubles() {
        let uneven = |i: u32| (i.wrapping_mul(2_654_435_761) % 2_000_003) as f32 / 1e3 - 700.0;
        let plain: Vec<f32> = (0..5000).map(uneven).collect();
        let with = |more: &[f32]| -> Vec<f32> { plain.iter().chain(more).copied().collect() };
        let scaled = |by: f32| -> Vec<f32> { plain.iter().map(|value| value * by).collect() };
        let cases = [
            (plain.clone(), true),
            (with(&[0.0, -0.0]), true),
            (scaled(1e35), true),
            (plain.iter().map(|value| value.abs() + 0.5).collect(), true),
            // Whose places would be too wide.
            (with(&[f32::MIN_POSITIVE, f32::MAX]), false),
            // Whose bits are not the first ones of the same double's.
            (with(&[f32::MIN_POSITIVE / 2.0]), false),
            (with(&[f32::NEG_INFINITY]), false),
            (scaled(1e-42), false),
            // So near to each other that a double's shift would cut nothing of a float.
            (
                (0..5000)
                    .map(|i| 1.0 + (i % 3000) as f32 * f32::EPSILON)
                    .collect(),
                false,
            ),
        ];
        for (floats, is_dense) in cases {
            let doubles: Vec<f64> = floats.iter().copied().map(f64::from).collect();
            let mut by_table = Buckets::default();
            assert_eq!(by_table.add_densely(&floats, &mut Dense::default()), is_dense);
            let mut counted = Buckets::default();
            counted.add_all(&floats);
            assert_eq!(counted, of(&doubles));
        }
    }

    proptest! {
        /// Orders, cuts and the plain count agree.
        #[test]
        fn counting_in_any_order_is_counting(
            mut values in prop::collection::vec(prop_oneof![-1e3..1e3_f64, -1e-3..1e-3_f64, any::<f64>()], 0..4000),
            cut in 0_usize..4000,
        ) {
            values.retain(|value| !value.is_nan());
            let whole = of(&values);
            let (left, right) = values.split_at(cut.min(values.len()));
            let (mut ab, mut ba) = (of(left), of(right));
            ba.merge(&ab);
            ab.merge(&of(right));
            prop_assert_eq!(&ab, &whole);
            prop_assert_eq!(&ba, &whole);
            values.reverse();
            prop_assert_eq!(&of(&values), &whole);
            let mut one_by_one = Buckets::default();
            values.iter().for_each(|value| one_by_one.add(*value));
            prop_assert_eq!(&one_by_one, &whole);

            let (edges, counts) = whole.histogram();
            let mut plain = vec![0; edges.len() + 1];
            for value in &values {
                plain[edges.iter().take_while(|edge| *edge < value).count()] += 1;
            }
            prop_assert_eq!(counts, plain);
        }

        #[test]
        fn keys_ascend_with_their_values(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(key(a).cmp(&key(b)), a.partial_cmp(&b).expect("no NaN"));
            prop_assert_eq!(value(key(a)), a);
        }
    }
}
