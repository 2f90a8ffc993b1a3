//! [`Real`]: what the loops need of a number, be it a double or a float.

use std::ops::Mul;

use crate::lanes::{LANES, add_lanes};

/// A number that rounds compute with.
pub(super) trait Real: Copy + Mul<Output = Self> {
    const ZERO: Self;
    const ONE: Self;

    /// self·b + c, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;

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
    fn to_double(self) -> f64 {
        f64::from(self)
    }
}

/// A value of a column as a number that rounds compute with; a double that is none of the floats is rounded, or infinite.
pub(super) trait To<R>: Copy {
    fn to(self) -> R;
}

impl<T: Copy + Into<f64>> To<f64> for T {
    #[inline(always)]
    fn to(self) -> f64 {
        self.into()
    }
}

impl To<f32> for f32 {
    #[inline(always)]
    fn to(self) -> f32 {
        self
    }
}

impl To<f32> for f64 {
    #[inline(always)]
    fn to(self) -> f32 {
        self as f32
    }
}
