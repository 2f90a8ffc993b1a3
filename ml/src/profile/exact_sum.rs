//! [`ExactSum`]: a sum of doubles that does not round, so that it is the same in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Exponents that share a whole number. 53 bits of a double shifted by less than this leave room for 2^42 of them.
const SPAN: i32 = 32;
/// The exponent of a double's last bit, for the smallest.
const SMALLEST: i32 = -1074;

/// A commutative monoid under [`merge`](ExactSum::merge), with `default` as its neutral element.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ExactSum {
    /// Sums of whole numbers, by the power of 2^[`SPAN`] that they are to be multiplied with.
    parts: BTreeMap<i32, i128>,
}

impl ExactSum {
    /// Adds `value`, which is finite.
    pub(super) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32;
        let fraction = (bits & ((1 << 52) - 1)) as i128;
        let (whole, exponent) = match exponent {
            0 => (fraction, SMALLEST),
            _ => (fraction | (1 << 52), exponent - 1 + SMALLEST),
        };
        let (part, shift) = (exponent.div_euclid(SPAN), exponent.rem_euclid(SPAN));
        let whole = if value.is_sign_negative() { -whole } else { whole };
        *self.parts.entry(part).or_default() += whole << shift;
    }

    pub(super) fn merge(&mut self, other: &ExactSum) {
        for (part, whole) in &other.parts {
            *self.parts.entry(*part).or_default() += whole;
        }
    }

    /// The sum divided by `count`, rounded in a fixed order; NaN for a count of 0.
    pub(super) fn mean(&self, count: u64) -> f64 {
        // The smallest first; each part is divided, so that a sum beyond the largest double has a mean.
        let part = |(part, whole): (&i32, &i128)| scale(*whole as f64 / count as f64, part * SPAN);
        self.parts
            .iter()
            .map(part)
            .fold(0.0 / count as f64, |sum, part| sum + part)
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
            values.reverse();
            prop_assert_eq!(of(&values), whole);
        }
    }
}
