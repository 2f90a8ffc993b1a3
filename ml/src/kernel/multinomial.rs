//! Loss, derivatives and second derivatives of the multinomial family by its margins, which lie class by class: index =
//! class·chunks + chunk.

use super::math;
use super::tile::Lanes;
use crate::lanes::LANES;

/// wᵢ is left out: pₖ·(1 − pₖ), or −pₖ·pₗ for another class.
#[inline(always)]
pub(super) fn curvatures(p: &[Lanes], other: Option<&[Lanes]>, curvatures: &mut [Lanes]) {
    for (chunk, curvature) in curvatures.iter_mut().enumerate() {
        for lane in 0..LANES {
            let p = p[chunk][lane];
            curvature[lane] = other.map_or(p * (1.0 - p), |other| -p * other[chunk][lane]);
        }
    }
}

/// Replaces margins by probabilities, and writes the unweighted losses.
#[inline(always)]
pub(super) fn losses_and_probabilities(labels: &[usize], margins: &mut [Lanes], losses: &mut [f64]) {
    let chunks = losses.len() / LANES;
    let classes = margins.len() / chunks;
    for (chunk, losses) in losses.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut largest = [f64::NEG_INFINITY; LANES];
        for class in 0..classes {
            let margin = &margins[class * chunks + chunk];
            for lane in 0..LANES {
                // A NaN must come through: the loss is then NaN, as it should.
                largest[lane] = if margin[lane] <= largest[lane] {
                    largest[lane]
                } else {
                    margin[lane]
                };
            }
        }
        let labels: &[usize] = &labels[chunk * LANES..][..LANES];
        // Subtracting the largest margin keeps every e^… in (0, 1].
        for lane in 0..LANES {
            losses[lane] = largest[lane] - margins[labels[lane] * chunks + chunk][lane];
        }
        let mut sum = [0.0; LANES];
        for class in 0..classes {
            let margin = &mut margins[class * chunks + chunk];
            for lane in 0..LANES {
                margin[lane] = math::exp(margin[lane] - largest[lane]);
                sum[lane] += margin[lane];
            }
        }
        for lane in 0..LANES {
            losses[lane] += math::ln(sum[lane]);
        }
        let inverse = sum.map(|sum| 1.0 / sum);
        for class in 0..classes {
            let margin = &mut margins[class * chunks + chunk];
            for lane in 0..LANES {
                margin[lane] *= inverse[lane];
            }
        }
    }
}

/// Turns probabilities into unweighted multipliers.
#[inline(always)]
pub(super) fn subtract_labels(labels: &[usize], probabilities: &mut [Lanes], chunks: usize) {
    for (row, label) in labels.iter().enumerate().take(chunks * LANES) {
        probabilities[label * chunks + row / LANES][row % LANES] -= 1.0;
    }
}
