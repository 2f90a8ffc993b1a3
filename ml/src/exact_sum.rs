//! [`ExactSum`]: a sum of doubles that does not round, so that it is the same in any order.

use std::collections::BTreeMap;

mod in_doubles;
mod whole;

use whole::Whole;

use crate::number::Number;

use serde::{Deserialize, Serialize};

/// Exponents that share a whole number. 53 bits of a double shifted by less than this leave room for 2^42 of them.
const SPAN: i32 = 32;
/// The exponent of a double's last bit, for the smallest.
const SMALLEST: i32 = -1074;

/// A commutative monoid under [`merge`](ExactSum::merge), with `default` as its neutral element.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExactSum {
    /// Sums of whole numbers, by the power of 2^[`SPAN`] that they are to be multiplied with.
    parts: BTreeMap<i32, i128>,
}

/// One number may be kept in different parts, by how it was added up.
impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        Whole::of(&self.parts).significant() == Whole::of(&other.parts).significant()
    }
}

impl Eq for ExactSum {}

impl ExactSum {
    /// Adds `value`, which is finite.
    pub(crate) fn add(&mut self, value: f64) {
        let (whole, exponent) = whole_and_exponent(value);
        let whole = if value.is_sign_negative() { -whole } else { whole };
        self.add_whole(whole, exponent);
    }

    /// Adds `values`, all of them finite.
    pub(crate) fn add_all<T: Number>(&mut self, values: &[T]) {
        for chunk in values.chunks(in_doubles::CHUNK) {
            match in_doubles::sums(chunk) {
                Some(sums) => sums.into_iter().for_each(|sum| self.add(sum)),
                None => chunk.iter().for_each(|value| self.add((*value).into())),
            }
        }
    }

    /// Adds the square of `value`, which is finite; nothing of it is rounded away either.
    pub(crate) fn add_square(&mut self, value: f64) {
        let (whole, exponent) = whole_and_exponent(value);
        // 106 bits, added in two halves so that there is room for as many of them as of plain values.
        let square = whole * whole;
        self.add_whole(square & ((1 << 53) - 1), 2 * exponent);
        self.add_whole(square >> 53, 2 * exponent + 53);
    }

    fn add_whole(&mut self, whole: i128, exponent: i32) {
        if whole != 0 {
            let (part, shift) = (exponent.div_euclid(SPAN), exponent.rem_euclid(SPAN));
            *self.parts.entry(part).or_default() += whole << shift;
        }
    }

    pub(crate) fn merge(&mut self, other: &ExactSum) {
        for (part, whole) in &other.parts {
            *self.parts.entry(*part).or_default() += whole;
        }
    }

    /// The sum, rounded once, divided by `count`; NaN for a count of 0.
    pub(crate) fn mean(&self, count: u64) -> f64 {
        let (leading, exponent) = Whole::of(&self.parts).leading();
        scale(leading / count as f64, exponent)
    }
}

/// The standard deviation of a sample of `count` values (that of Spark: divided by `count` − 1) with this sum and this sum
/// of squares; 0 for fewer than two. count·Σx² − (Σx)² is computed in whole numbers, so nothing cancels, however far the
/// values are from zero.
pub(crate) fn sample_deviation(sum: &ExactSum, squares: &ExactSum, count: u64) -> f64 {
    if count < 2 {
        return 0.0;
    }
    let (sum, squares) = (Whole::of(&sum.parts), Whole::of(&squares.parts));
    let spread = squares.times(&Whole::from(count)).minus(&sum.times(&sum));
    let (leading, exponent) = spread.leading();
    let pairs = count as f64 * (count - 1) as f64;
    // The exponent is a multiple of 32.
    scale(libm::sqrt(leading / pairs), exponent / 2)
}

/// `value` as a whole number times 2^exponent, without its sign.
fn whole_and_exponent(value: f64) -> (i128, i32) {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i128;
    match exponent {
        0 => (fraction, SMALLEST),
        _ => (fraction | (1 << 52), exponent - 1 + SMALLEST),
    }
}

/// `value` times 2^`exponent`, in steps that no exponent between leaves.
fn scale(value: f64, exponent: i32) -> f64 {
    let step = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
    let half = exponent / 2;
    value * step(half) * step(exponent - half)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    #[test]
    fn nothing_is_lost_between_large_and_small() {
        assert_eq!(of(&[1e300, 1.0, -1e300]).mean(1), 1.0);
        assert_eq!(of(&[f64::MAX, f64::MAX]).mean(2), f64::MAX);
        assert_eq!(of(&[5e-324]).mean(1), 5e-324);
        assert_eq!(of(&[0.1; 10]).mean(10), 0.1);
        assert!(of(&[]).mean(0).is_nan());
    }

    fn deviation(values: &[f64]) -> f64 {
        let mut squares = ExactSum::default();
        values.iter().for_each(|value| squares.add_square(*value));
        sample_deviation(&of(values), &squares, values.len() as u64)
    }

    #[test]
    fn a_deviation_is_that_of_the_definition() {
        assert_eq!(
            deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]),
            libm::sqrt(32.0 / 7.0)
        );
        assert_eq!(deviation(&[1e16, 1e16 + 2.0]), libm::sqrt(2.0), "nothing cancels");
        assert_eq!(deviation(&[0.1; 7]), 0.0, "exactly");
        assert_eq!((deviation(&[]), deviation(&[3.5])), (0.0, 0.0));
        let far = deviation(&[3e200, -3e200]) / (3e200 * libm::sqrt(2.0));
        assert!((far - 1.0).abs() < 1e-15, "{far}");
        assert_eq!(
            deviation(&[1e-323, 0.0, 0.0, 0.0]),
            5e-324,
            "half of twice the smallest"
        );
    }

    proptest! {
        #[test]
        fn any_order_is_the_same_sum(
            mut values in prop::collection::vec(-1e9..1e9_f64, 1..200),
            cut in 0_usize..200,
        ) {
            let whole = of(&values);
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!(&merged, &whole);
            let plain = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!((whole.mean(values.len() as u64) - plain).abs() <= 1e-6);
            let mean = whole.mean(values.len() as u64);
            let m2: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
            let plain = if values.len() < 2 { 0.0 } else { (m2 / (values.len() - 1) as f64).sqrt() };
            prop_assert!((deviation(&values) - plain).abs() <= 1e-12 * plain);
            let mut at_once = ExactSum::default();
            at_once.add_all(&values);
            prop_assert_eq!(at_once.mean(7).to_bits(), whole.mean(7).to_bits());
            prop_assert_eq!(&at_once, &whole);
            at_once.add(1e-300);
            prop_assert_ne!(&at_once, &whole);
            values.reverse();
            prop_assert_eq!(of(&values), whole);
        }
    }
}
