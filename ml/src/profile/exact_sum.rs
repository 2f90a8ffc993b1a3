//! [`ExactSum`]: a sum of doubles that does not round, so that it is the same in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Exponents that share a whole number. 53 bits of a double shifted by less than this leave room for 2^42 of them.
const SPAN: i32 = 32;
/// The exponent of a double's last bit, for the smallest.
const SMALLEST: i32 = -1074;
/// The part of the smallest exponent, and how many there are up to the largest.
const FIRST_PART: i32 = SMALLEST.div_euclid(SPAN);
const PARTS: usize = (971_i32.div_euclid(SPAN) - FIRST_PART + 1) as usize;

/// A commutative monoid under [`merge`](ExactSum::merge), with `default` as its neutral element.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ExactSum {
    /// Sums of whole numbers, by the power of 2^[`SPAN`] that they are to be multiplied with.
    parts: BTreeMap<i32, i128>,
}

impl ExactSum {
    /// Adds `values`, all of them finite.
    pub(super) fn add_all(&mut self, values: impl Iterator<Item = f64>) {
        let mut parts = [0_i128; PARTS];
        let mut is_used = [false; PARTS];
        for value in values {
            let bits = value.to_bits();
            let exponent = (bits >> 52) & 0x7ff;
            let fraction = bits & ((1 << 52) - 1);
            // Counted from the smallest; numbers below the normal ones share its exponent.
            let (whole, exponent) = match exponent {
                0 => (fraction, 0),
                _ => (fraction | (1 << 52), exponent - 1),
            };
            let above = exponent + (SMALLEST - FIRST_PART * SPAN) as u64;
            let (part, shift) = (above / SPAN as u64, above % SPAN as u64);
            let whole = i128::from(whole) << shift;
            parts[part as usize] += if value.is_sign_negative() { -whole } else { whole };
            is_used[part as usize] = true;
        }
        for (part, (whole, is_used)) in (FIRST_PART..).zip(parts.iter().zip(is_used)) {
            if is_used {
                *self.parts.entry(part).or_default() += whole;
            }
        }
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
        sum.add_all(values.iter().copied());
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
