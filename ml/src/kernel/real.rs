//! [`Real`]: what the loops need of a number, be it a double or a float.

use std::ops::Mul;

use crate::lanes::{LANES, add_lanes};

/// A number that rounds compute with.
pub(super) trait Real: Copy + Mul<Output = Self> {
    const ZERO: Self;
    const ONE: Self;

    /// self·b + c, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;

    fn of_single(value: f32) -> Self;

    fn of_double(value: f64) -> Self;

    fn to_double(self) -> f64;

    /// The sum of lanes, whose number is a multiple of [`LANES`], in doubles.
    #[inline(always)]
    fn total<const L: usize>(lanes: &[Self; L]) -> f64 {
        let mut sums = [0.0; LANES];
        for lanes in lanes.as_chunks::<LANES>().0 {
            sums = std::array::from_fn(|lane| sums[lane] + lanes[lane].to_double());
        }
        add_lanes(sums)
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;

    #[inline(always)]
    fn mul_add(self, b: f64, c: f64) -> f64 {
        f64::mul_add(self, b, c)
    }

    #[inline(always)]
    fn of_single(value: f32) -> f64 {
        f64::from(value)
    }

    #[inline(always)]
    fn of_double(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn to_double(self) -> f64 {
        self
    }
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;

    #[inline(always)]
    fn mul_add(self, b: f32, c: f32) -> f32 {
        f32::mul_add(self, b, c)
    }

    #[inline(always)]
    fn of_single(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn of_double(value: f64) -> f32 {
        value as f32
    }

    #[inline(always)]
    fn to_double(self) -> f64 {
        f64::from(self)
    }
}

/// A value of a column.
pub(super) trait Value: Copy {
    /// It as a number that rounds compute with; a double that is none of the floats is rounded, or infinite.
    fn to<R: Real>(self) -> R;
}

impl Value for f32 {
    #[inline(always)]
    fn to<R: Real>(self) -> R {
        R::of_single(self)
    }
}

impl Value for f64 {
    #[inline(always)]
    fn to<R: Real>(self) -> R {
        R::of_double(self)
    }
}
