//! [`Whole`]: whole numbers of any size, times a power of 2^32: enough arithmetic for a variance that does not cancel.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A whole number times 2^(32·`lowest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    is_negative: bool,
    /// Digits in base 2^32, the lowest first.
    digits: Vec<u32>,
    lowest: i32,
}

const BASE_BITS: u32 = 32;

impl From<u64> for Whole {
    fn from(value: u64) -> Self {
        Self {
            is_negative: false,
            digits: vec![value as u32, (value >> BASE_BITS) as u32],
            lowest: 0,
        }
    }
}

impl Whole {
    /// The sum of whole numbers by the power of 2^32 that they are to be multiplied with.
    pub(super) fn of(parts: &BTreeMap<i32, i128>) -> Self {
        let lowest = parts.keys().next().copied().unwrap_or(0);
        let highest = parts.keys().next_back().copied().unwrap_or(0);
        let (mut digits, mut carry) = (Vec::new(), 0_i128);
        for place in lowest..=highest {
            carry += parts.get(&place).copied().unwrap_or(0);
            digits.push(carry as u32);
            carry >>= BASE_BITS;
        }
        // What is left over ends in zeros for a positive sum, in ones for a negative one: two's complement.
        while carry != 0 && carry != -1 {
            digits.push(carry as u32);
            carry >>= BASE_BITS;
        }
        let is_negative = carry < 0;
        if is_negative {
            let mut one = 1_u64;
            for digit in &mut digits {
                one += u64::from(!*digit);
                *digit = one as u32;
                one >>= BASE_BITS;
            }
            digits.push(one as u32);
        }
        Self {
            is_negative,
            digits,
            lowest,
        }
    }

    /// The sign, and the digits that are not zeros at either end, from the lowest place that counts on: the same for the
    /// same number.
    pub(super) fn significant(&self) -> (bool, i32, &[u32]) {
        let is_some = |digit: &u32| *digit != 0;
        let Some(first) = self.digits.iter().position(is_some) else {
            return (false, 0, &[]);
        };
        let last = self.digits.iter().rposition(is_some).unwrap_or(first);
        (
            self.is_negative,
            self.lowest + first as i32,
            &self.digits[first..=last],
        )
    }

    pub(super) fn times(&self, other: &Whole) -> Self {
        let mut digits = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, b) in other.digits.iter().enumerate() {
                carry += u64::from(digits[i + j]) + u64::from(*a) * u64::from(*b);
                digits[i + j] = carry as u32;
                carry >>= BASE_BITS;
            }
            digits[i + other.digits.len()] = carry as u32;
        }
        Self {
            is_negative: self.is_negative != other.is_negative,
            digits,
            lowest: self.lowest + other.lowest,
        }
    }

    /// `self` − `other`, of which neither is negative.
    pub(super) fn minus(&self, other: &Whole) -> Self {
        let lowest = self.lowest.min(other.lowest);
        let (a, b) = (self.digits_from(lowest), other.digits_from(lowest));
        let places = a.len().max(b.len());
        let digit = |digits: &[u32], place: usize| i64::from(digits.get(place).copied().unwrap_or(0));
        let order = (0..places)
            .rev()
            .map(|place| digit(&a, place).cmp(&digit(&b, place)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal);
        let (larger, smaller) = if order.is_lt() { (&b, &a) } else { (&a, &b) };
        let mut borrow = 0_i64;
        let digits = (0..places).map(|place| {
            borrow += digit(larger, place) - digit(smaller, place);
            let own = borrow as u32;
            borrow >>= BASE_BITS;
            own
        });
        Self {
            digits: digits.collect(),
            is_negative: order.is_lt(),
            lowest,
        }
    }

    /// The number as a double times 2^exponent, rounded once; the exponent is a multiple of 32.
    pub(super) fn leading(&self) -> (f64, i32) {
        let Some(top) = self.digits.iter().rposition(|digit| *digit != 0) else {
            return (0.0, 0);
        };
        let bottom = top.saturating_sub(2);
        let lead = (bottom..=top).rev().fold(0_u128, |lead, place| {
            (lead << BASE_BITS) | u128::from(self.digits[place])
        });
        // 65 bits at least, so a bit below tells on which side of a tie the rest is.
        let has_rest = self.digits[..bottom].iter().any(|digit| *digit != 0);
        let value = (lead | u128::from(has_rest)) as f64;
        let value = if self.is_negative { -value } else { value };
        (value, (self.lowest + bottom as i32) * BASE_BITS as i32)
    }

    /// The digits from 2^(32·`lowest`) on, which is not above this number's own.
    fn digits_from(&self, lowest: i32) -> Vec<u32> {
        let zeros = (self.lowest - lowest) as usize;
        std::iter::repeat_n(0, zeros)
            .chain(self.digits.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(value: i128) -> Whole {
        Whole::of(&BTreeMap::from([(0, value)]))
    }

    fn value(whole: &Whole) -> f64 {
        let (leading, exponent) = whole.leading();
        leading * libm::exp2(f64::from(exponent))
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_128_bits(a in any::<i64>(), b in any::<i64>(), c in any::<u64>(), d in any::<u64>()) {
            let product = i128::from(a) * i128::from(b);
            prop_assert_eq!(value(&whole(product)), product as f64);
            prop_assert_eq!(value(&whole(i128::from(a)).times(&whole(i128::from(b)))), product as f64);
            let difference = i128::from(c) - i128::from(d);
            prop_assert_eq!(value(&Whole::from(c).minus(&Whole::from(d))), difference as f64);
        }
    }

    #[test]
    fn places_far_apart_are_kept_apart() {
        let parts = BTreeMap::from([(-3, -1), (4, 1)]);
        assert_eq!(value(&Whole::of(&parts)), libm::exp2(128.0));
        let far = Whole::of(&BTreeMap::from([(-40, 3)]));
        assert_eq!(value(&Whole::from(1).minus(&far)), 1.0);
        assert_eq!(value(&Whole::from(7).minus(&Whole::from(7))), 0.0);
    }
}
