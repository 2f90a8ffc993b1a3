//! [`Number`]: floats and doubles by their bits, in loops that become vector instructions: they compare whole numbers, whose
//! least and largest are the same in any order.

use pulp::NullaryFnOnce;

use crate::simd;

/// The bits of the least and the largest magnitude, as doubles, of the values of one sign; zeros are of neither. None if the
/// least is above the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Span {
    pub(crate) fn is_empty(&self) -> bool {
        self.least > self.most
    }
}

/// A float or a double.
pub(crate) trait Number: Copy + Into<f64> + Sync {
    /// The largest magnitude of `values`, 0 without any; not finite if one of them is not.
    fn largest(values: &[Self]) -> f64;

    /// The spans of the negative and of the positive numbers among `values`, none of which is NaN.
    fn spans(values: &[Self]) -> [Span; 2];

    /// Whether [`high_bits`](Number::high_bits) can be asked about the magnitudes of `span`.
    fn has_high_bits(span: Span, shift: u32) -> bool;

    /// The last 32 bits of the magnitude `bits`, those of a double, without its last `shift` bits: all of it but for a
    /// number that is the same for every magnitude.
    fn high_bits(bits: u64, shift: u32) -> u32;

    /// For each value the sum of its high bits and the offset of its sign, that of negative ones first; `zero` for zeros.
    fn places(values: &[Self], shift: u32, offsets: [u32; 2], zero: u32, places: &mut [u32]);
}

/// Whether every value is finite.
pub(crate) fn all_finite<T: Number>(values: &[T]) -> bool {
    simd::dispatch(Largest(values)).is_finite()
}

/// See [`Number::spans`].
pub(crate) fn spans<T: Number>(values: &[T]) -> [Span; 2] {
    simd::dispatch(Spans(values))
}

/// See [`Number::places`].
pub(crate) fn places<T: Number>(values: &[T], shift: u32, offsets: [u32; 2], zero: u32, places: &mut [u32]) {
    simd::dispatch(Places {
        values,
        shift,
        offsets,
        zero,
        places,
    });
}

struct Largest<'a, T>(&'a [T]);

impl<T: Number> NullaryFnOnce for Largest<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        T::largest(self.0)
    }
}

struct Spans<'a, T>(&'a [T]);

impl<T: Number> NullaryFnOnce for Spans<'_, T> {
    type Output = [Span; 2];

    #[inline(always)]
    fn call(self) -> [Span; 2] {
        T::spans(self.0)
    }
}

struct Places<'a, T> {
    values: &'a [T],
    shift: u32,
    offsets: [u32; 2],
    zero: u32,
    places: &'a mut [u32],
}

impl<T: Number> NullaryFnOnce for Places<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        T::places(self.values, self.shift, self.offsets, self.zero, self.places);
    }
}

/// The bits of a double's fraction that a float's has not.
const BITS_BEHIND_A_FLOAT: u32 = f64::MANTISSA_DIGITS - f32::MANTISSA_DIGITS;
/// Doubles' exponents begin 896 = 7·2^7 below floats'. In a float's bits that is 7·2^30, which no shift up to 30 cuts.
const MOST_SHIFT_OF_FLOATS: u32 = 30;

macro_rules! number {
    ($float:ident, $bits:ident, $signed:ident, $bits_behind:expr, $has_high_bits:expr) => {
        impl Number for $float {
            #[inline(always)]
            fn largest(values: &[Self]) -> f64 {
                let mut largest = 0;
                for value in values {
                    largest = largest.max(value.to_bits() & ($bits::MAX >> 1));
                }
                $float::from_bits(largest).into()
            }

            #[inline(always)]
            fn spans(values: &[Self]) -> [Span; 2] {
                // A sign is a mask, and what a mask takes away is above all magnitudes or 0.
                let (mut least, mut most) = ([$bits::MAX; 2], [0; 2]);
                for value in values {
                    let bits = value.to_bits();
                    let magnitude = bits & ($bits::MAX >> 1);
                    let negative = ((bits as $signed) >> ($bits::BITS - 1)) as $bits;
                    // Zero is no magnitude of either sign: one less than it is above all others.
                    let from_0 = magnitude.wrapping_sub(1);
                    least[0] = least[0].min(from_0 | !negative);
                    least[1] = least[1].min(from_0 | negative);
                    most[0] = most[0].max(magnitude & negative);
                    most[1] = most[1].max(magnitude & !negative);
                }
                let double = |bits: $bits| f64::from($float::from_bits(bits)).to_bits();
                [0, 1].map(|sign| Span {
                    least: match least[sign] {
                        $bits::MAX => f64::INFINITY.to_bits(),
                        from_0 => double(from_0 + 1),
                    },
                    most: double(most[sign]),
                })
            }

            fn has_high_bits(span: Span, shift: u32) -> bool {
                $has_high_bits(span, shift)
            }

            fn high_bits(bits: u64, shift: u32) -> u32 {
                ((f64::from_bits(bits) as $float).to_bits() >> (shift - $bits_behind)) as u32
            }

            #[inline(always)]
            fn places(values: &[Self], shift: u32, offsets: [u32; 2], zero: u32, places: &mut [u32]) {
                let shift = shift - $bits_behind;
                for (value, place) in values.iter().zip(places) {
                    let bits = value.to_bits();
                    let magnitude = bits & ($bits::MAX >> 1);
                    let is_negative = bits != magnitude;
                    let offset = if is_negative { offsets[0] } else { offsets[1] };
                    let found = ((magnitude >> shift) as u32).wrapping_add(offset);
                    *place = if magnitude == 0 { zero } else { found };
                }
            }
        }
    };
}

number!(f64, u64, i64, 0, |_, _| true);
number!(f32, u32, i32, BITS_BEHIND_A_FLOAT, |span: Span, shift| {
    let shifts = BITS_BEHIND_A_FLOAT..=BITS_BEHIND_A_FLOAT + MOST_SHIFT_OF_FLOATS;
    // Other numbers' bits are not the first ones of the same double's.
    let normal = [f32::MIN_POSITIVE, f32::MAX].map(|value| f64::from(value).to_bits());
    shifts.contains(&shift) && (span.is_empty() || normal[0] <= span.least && span.most <= normal[1])
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_finite_is_seen() {
        assert!(all_finite::<f32>(&[]) && all_finite(&[0.0_f32, -1.0, f32::MAX]));
        assert!(all_finite(&[f64::MIN, 5e-324]));
        for bad in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!all_finite(&[1.0, bad, 2.0]));
            assert!(!all_finite(&[1.0, bad as f32, 2.0]));
        }
    }

    #[test]
    fn zeros_have_no_sign() {
        let [negative, positive] = spans(&[0.0_f64, -0.0]);
        assert!(negative.is_empty() && positive.is_empty());
    }

    proptest! {
        #[test]
        fn spans_are_those_of_the_definition(values in prop::collection::vec(any::<f32>(), 0..100)) {
            let values: Vec<f32> = values.into_iter().filter(|value| !value.is_nan()).collect();
            let doubles: Vec<f64> = values.iter().copied().map(f64::from).collect();
            let found = spans(&values);
            prop_assert_eq!(found, spans(&doubles));
            for (span, sign) in found.iter().zip([-1.0, 1.0]) {
                let of_sign = || doubles.iter().map(|value| value * sign).filter(|value| *value > 0.0);
                let least = of_sign().fold(f64::INFINITY, f64::min);
                let most = of_sign().fold(0.0, f64::max);
                prop_assert_eq!((span.least, span.most), (least.to_bits(), most.to_bits()));
            }
        }
    }
}
