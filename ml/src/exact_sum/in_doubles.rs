//! Sums of doubles in doubles, where that is exact: each value is split into multiples of two units, of which so few are added
//! that nothing is rounded (the first two folds of Demmel and Nguyen, Fast reproducible floating-point summation, ARITH
//! 2013, with a look at whether anything is left).

use std::array;

use pulp::NullaryFnOnce;

use crate::lanes::LANES;
use crate::number::Number;
use crate::simd;

type Lanes = [f64; LANES];

/// Most values that are added up at once: 10 bits.
pub(super) const CHUNK: usize = 1 << 10;

/// Bits of a value, from the largest one's first on, that a fold takes: with those of the chunk fewer than 53.
const FOLD_BITS: i32 = 42;
/// Exponents of the largest value at which neither a unit nor a sum leaves the normal numbers.
const EXPONENTS: std::ops::RangeInclusive<i32> = -900..=900;

/// Returns doubles whose exact sum is that of `values`; `None` if values are too small beside the largest, or too far from 1,
/// to be added in this way. At most [`CHUNK`] values, all finite.
pub(super) fn sums<T: Number>(values: &[T]) -> Option<[f64; 2]> {
    debug_assert!(values.len() <= CHUNK, "more would be rounded");
    simd::dispatch(Folds(values))
}

struct Folds<'a, T>(&'a [T]);

impl<T: Number> NullaryFnOnce for Folds<'_, T> {
    type Output = Option<[f64; 2]>;

    #[inline(always)]
    fn call(self) -> Option<[f64; 2]> {
        folds(self.0)
    }
}

/// The sums by lanes: each is exact, so which value is in which lane does not matter.
#[inline(always)]
fn folds<T: Number>(values: &[T]) -> Option<[f64; 2]> {
    let largest = T::largest(values);
    if largest == 0.0 {
        return Some([0.0; 2]);
    }
    // 2^top is above all of them.
    let top = ((largest.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    if !EXPONENTS.contains(&top) {
        return None;
    }
    let mut sums = Sums {
        rounders: [rounder(top - FOLD_BITS), rounder(top - 2 * FOLD_BITS)],
        highs: [0.0; LANES],
        lows: [0.0; LANES],
        left: [0.0; LANES],
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    for values in chunks {
        sums.add(values.map(Into::into));
    }
    let mut last = [0.0; LANES];
    for (last, value) in last.iter_mut().zip(rest) {
        *last = (*value).into();
    }
    sums.add(last);
    let is_exact = add_lanes(&sums.left) == 0.0;
    is_exact.then(|| [add_lanes(&sums.highs), add_lanes(&sums.lows)])
}

/// Not inlined: who sees what becomes of the lanes shuffles them in the loop above, to add those of two sums at once.
#[inline(never)]
fn add_lanes(lanes: &Lanes) -> f64 {
    lanes.iter().sum()
}

struct Sums {
    rounders: [f64; 2],
    highs: Lanes,
    lows: Lanes,
    /// Magnitudes of what is in neither.
    left: Lanes,
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, values: Lanes) {
        let [first, second] = self.rounders;
        let high = values.map(|value| (value + first) - first);
        let rest: Lanes = array::from_fn(|lane| values[lane] - high[lane]);
        let low = rest.map(|rest| (rest + second) - second);
        self.highs = array::from_fn(|lane| self.highs[lane] + high[lane]);
        self.lows = array::from_fn(|lane| self.lows[lane] + low[lane]);
        // What is left is of one unit or none: sizes do not cancel.
        self.left = array::from_fn(|lane| self.left[lane] + (rest[lane] - low[lane]).abs());
    }
}

/// The number which, added and taken away again, leaves the nearest multiple of 2^`exponent`.
fn rounder(exponent: i32) -> f64 {
    let unit = f64::from_bits(((exponent + 1023) as u64) << 52);
    // 1.5·2^52 units: the last bit of such numbers is one unit.
    unit * 6_755_399_441_055_744.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rounded_or_it_is_not_done() {
        assert_eq!(sums::<f64>(&[]), Some([0.0; 2]));
        assert_eq!(sums(&[0.1, -0.1, 0.3]).map(|[a, b]| a + b), Some(0.3));
        // As many as there may be, of 53 bits each.
        let third = vec![1.0 / 3.0; CHUNK];
        assert_eq!(sums(&third).map(|[a, b]| a + b), Some(CHUNK as f64 / 3.0));
        // 2^-40 + 2^-92 has a bit that two folds do not reach from 1 on.
        let far = f64::from_bits((1023 - 40) << 52 | 1);
        assert_eq!(sums(&[1.0, far]), None);
        assert_eq!(sums(&[1e300, 1.0]), None);
        assert_eq!(sums(&[5e-324]), None);
        let floats: Vec<f64> = (0..CHUNK)
            .map(|i| f64::from(1e-7_f32 * (i as f32) - 3e-5))
            .collect();
        assert!(sums(&floats).is_some());
    }
}
