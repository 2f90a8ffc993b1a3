//! exp and log for the hot loop: branch-free, so that a loop over them becomes vector instructions, and made of IEEE
//! operations and fused multiply-adds alone, so that every machine and every vector width gives the same bits.
//!
//! Largest error found against the `libm` crate (which is within 1 unit of the last place): 2 units; the tests look at
//! a million arguments. Reductions: Cody and Waite (1980) for exp, the atanh series for log.

/// ln 2 in two parts; the first has zeros at its end, so that n·LN2_HIGH is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// 1.5·2⁵²: adding it leaves the nearest whole number in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Below this exp gives its value here, 3.3e-308: what is left away is less than the smallest normal number.
const SMALLEST: f64 = -708.0;

/// 1/n! for n = 12 down to 2.
const EXP: [f64; 11] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// 1/n for odd n from 19 down to 3.
const ATANH: [f64; 9] = [
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
];

/// Returns e^x for x ≤ 0; NaN gives NaN.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    // Not `max`, which would hide a NaN.
    let x = if x < SMALLEST { SMALLEST } else { x };
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LN2_HIGH, x);
    let rest = whole.mul_add(-LN2_LOW, rest);
    let mut sum = EXP[0];
    for coefficient in &EXP[1..] {
        sum = sum.mul_add(rest, *coefficient);
    }
    let power = (rest * rest).mul_add(sum, rest) + 1.0;
    // 2ⁿ: n is in the low bits of `shifted`, and n + 1023 makes the exponent.
    power * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// Returns e^x of a float x ≤ 0, within two units of a float's last place; NaN gives NaN. Below −87 it gives its value there,
/// 1.6e-38.
#[inline(always)]
pub(super) fn exp_single(x: f32) -> f32 {
    /// 1/n! for n = 7 down to 2.
    const TERMS: [f32; 6] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
    /// ln 2 in two parts; the first has nine bits.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    /// 1.5·2²³.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-HIGH, x);
    let rest = whole.mul_add(-LOW, rest);
    let mut sum = TERMS[0];
    for term in &TERMS[1..] {
        sum = sum.mul_add(rest, *term);
    }
    let power = (rest * rest).mul_add(sum, rest) + 1.0;
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// Returns log(1 + x) for x in [0, 1].
#[inline(always)]
pub(super) fn ln_1p(x: f64) -> f64 {
    // 1 + x, or half of it, is within [√½, √2).
    let half = x >= std::f64::consts::SQRT_2 - 1.0;
    let (above, below) = if half { (x - 1.0, x + 3.0) } else { (x, x + 2.0) };
    let shift = if half { std::f64::consts::LN_2 } else { 0.0 };
    atanh_twice(above / below) + shift
}

/// Returns log(1 + x) for x ≥ 0, however small.
#[inline(always)]
pub(super) fn ln_1p_of_any(x: f64) -> f64 {
    let above = 1.0 + x;
    // What the sum lost of x, to first order.
    ln(above) + (x - (above - 1.0)) / above
}

/// Returns log x for finite x ≥ 1.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    // x = m·2ⁿ with m in [√½, √2): the exponent of x/√½, rounded down, is n.
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    let above = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = above & 0x7ff0_0000_0000_0000;
    let mantissa = f64::from_bits(x.to_bits().wrapping_sub(exponent));
    // The exponent as a number without a conversion: its bits under those of 2⁵².
    let n = f64::from_bits((exponent >> 52) | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
    let series = atanh_twice((mantissa - 1.0) / (mantissa + 1.0));
    n.mul_add(LN2_HIGH, n.mul_add(LN2_LOW, series))
}

/// Returns 2·atanh s for |s| ≤ 0.172: log((1+s)/(1−s)).
#[inline(always)]
fn atanh_twice(s: f64) -> f64 {
    let square = s * s;
    let mut sum: f64 = 1.0 / 21.0;
    for coefficient in &ATANH {
        sum = sum.mul_add(square, *coefficient);
    }
    let twice = s + s;
    (twice * square).mul_add(sum, twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `found` in units of the last place of `exact`.
    fn worst(arguments: impl Iterator<Item = f64>, found: fn(f64) -> f64, exact: fn(f64) -> f64) -> f64 {
        arguments
            .map(|x| {
                let exact = exact(x);
                let unit = exact.abs() * f64::EPSILON / 2.0;
                if exact == 0.0 {
                    found(x).abs()
                } else {
                    (found(x) - exact).abs() / (unit + f64::MIN_POSITIVE)
                }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_within_what_the_module_says() {
        let steps = || (0..1_000_000_u32).map(|i| f64::from(i) / 1e6);
        let cases = [
            ("exp", worst(steps().map(|t| -708.0 * t), exp, libm::exp)),
            ("exp near 0", worst(steps().map(|t| -t), exp, libm::exp)),
            ("ln_1p", worst(steps(), ln_1p, libm::log1p)),
            (
                "ln_1p near 0",
                worst(steps().map(|t| t * t * t * 1e-6), ln_1p, libm::log1p),
            ),
            (
                "ln_1p of any",
                worst(steps().map(|t| 1e10 * t * t), ln_1p_of_any, libm::log1p),
            ),
            (
                "ln_1p of any near 0",
                worst(steps().map(|t| t * t * t * 1e-6), ln_1p_of_any, libm::log1p),
            ),
            ("ln", worst(steps().map(|t| 1.0 + 20.0 * t), ln, libm::log)),
            (
                "ln of much",
                worst(steps().map(|t| 1.0 + 1e300 * t), ln, libm::log),
            ),
        ];
        for (what, error) in cases {
            assert!(error <= 4.0, "{what}: {error} half units of the last place");
        }
    }

    #[test]
    fn a_float_is_nearly_the_exact_one() {
        let worst = (0..1_000_000_u32).map(|i| {
            let x = -(i as f32) * 87e-6;
            let exact = libm::exp(f64::from(x));
            (f64::from(exp_single(x)) - exact).abs() / (exact * f64::from(f32::EPSILON) / 2.0)
        });
        let worst = worst.fold(0.0, f64::max);
        assert!(worst <= 4.0, "{worst} half units of the last place");
        assert_eq!((exp_single(0.0), exp_single(-0.0)), (1.0, 1.0));
        assert!(exp_single(f32::NEG_INFINITY) > 0.0 && exp_single(-1e9) < 2e-38);
        assert!(exp_single(f32::NAN).is_nan());
    }

    #[test]
    fn ends_of_the_domains() {
        assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
        assert!(exp(f64::NEG_INFINITY) > 0.0 && exp(f64::NEG_INFINITY) < 1e-307);
        assert!(exp(f64::NAN).is_nan());
        assert_eq!((ln_1p(0.0), ln(1.0)), (0.0, 0.0));
        assert_eq!(ln_1p(1.0), std::f64::consts::LN_2);
        assert!(ln_1p(f64::NAN).is_nan());
    }
}
