//! The standard normal distribution, by `libm`'s error function: the same bits on every machine.

/// Returns P(|Z| ≥ |z|), precise far into the tail.
pub(super) fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * std::f64::consts::FRAC_1_SQRT_2)
}

/// Returns the z with P(|Z| ≤ z) = `level`, for 0 < level < 1.
pub(super) fn two_sided_quantile(level: f64) -> f64 {
    let tail = 1.0 - level;
    // Newton's method on ln P(|Z| ≥ z), which is concave and decreasing: after the first step it comes from the right and
    // never passes the root.
    let mut z = 0.0;
    for _ in 0..100 {
        let p = two_sided(z);
        let density = (2.0 / std::f64::consts::PI).sqrt() * libm::exp(-0.5 * z * z);
        let step = libm::log(p / tail) * p / density;
        z += step;
        if step.abs() <= 1e-15 * z {
            break;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_and_quantiles_are_the_tables() {
        // scipy.stats.norm: 2·sf(z) and ppf((1 + level)/2).
        for (z, p) in [
            (0.0, 1.0),
            (1.0, 0.31731050786291415),
            (-1.959963984540054, 0.05),
            (10.0, 1.523970604832105e-23),
        ] {
            assert!((two_sided(z) - p).abs() <= 1e-13 * p, "{z}: {}", two_sided(z));
        }
        for (level, z) in [
            (0.5, 0.6744897501960817),
            (0.9, 1.6448536269514722),
            (0.95, 1.959963984540054),
            (0.99, 2.5758293035489004),
            (0.999999, 4.891638475699412),
        ] {
            let found = two_sided_quantile(level);
            assert!((found - z).abs() < 1e-11, "{level}: {found}");
        }
    }
}
