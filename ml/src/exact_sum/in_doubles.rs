//! Sums of doubles in doubles, where that is exact: each value is split into multiples of two units, of which so few are added
//! that nothing is rounded (the first two folds of Demmel and Nguyen, Fast reproducible floating-point summation, ARITH
//! 2013, with a look at whether anything is left).

/// Most values that are added up at once: 10 bits.
pub(super) const CHUNK: usize = 1 << 10;

/// Bits of a value, from the largest one's first on, that a fold takes: with those of the chunk fewer than 53.
const FOLD_BITS: i32 = 42;
/// Exponents of the largest value at which neither a unit nor a sum leaves the normal numbers.
const EXPONENTS: std::ops::RangeInclusive<i32> = -900..=900;

/// Returns doubles whose exact sum is that of `values`; `None` if values are too small beside the largest, or too far from 1,
/// to be added in this way. At most [`CHUNK`] values, all finite.
pub(super) fn sums(values: &[f64]) -> Option<[f64; 2]> {
    debug_assert!(values.len() <= CHUNK, "more would be rounded");
    let largest = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    if largest == 0.0 {
        return Some([0.0; 2]);
    }
    // 2^top is above all of them.
    let top = ((largest.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    if !EXPONENTS.contains(&top) {
        return None;
    }
    let (first, second) = (rounder(top - FOLD_BITS), rounder(top - 2 * FOLD_BITS));
    let (mut sums, mut is_exact) = ([0.0; 2], true);
    for value in values {
        let high = (value + first) - first;
        let rest = value - high;
        let low = (rest + second) - second;
        is_exact &= rest == low;
        sums[0] += high;
        sums[1] += low;
    }
    is_exact.then_some(sums)
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
        assert_eq!(sums(&[]), Some([0.0; 2]));
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
