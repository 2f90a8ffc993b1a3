//! Sums of floating-point numbers in one fixed order.
//!
//! Addition of `f64` is not associative, so a sum's bits depend on its order. A left fold has an order but cannot
//! be vectorised; here element `i` goes to lane `i mod 8`, and the lanes are added pairwise at the end. Eight lanes
//! fill two AVX registers or four SSE2/NEON ones, and because the lane count never depends on the CPU found, every
//! machine gets the same bits.

pub(crate) const LANES: usize = 8;

/// Returns Σ aᵢ·bᵢ over the shorter of the two slices.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_tail, b_tail) = if a.len() == b.len() {
        (a_chunks.remainder(), b_chunks.remainder())
    } else {
        let shorter = a.len().min(b.len());
        return dot(&a[..shorter], &b[..shorter]);
    };
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_tail.iter().zip(b_tail).enumerate() {
        lanes[lane] += a * b;
    }
    add_lanes(lanes)
}

/// Returns Σ aᵢ·bᵢ over the elements (i, bᵢ), which ascend: the bits of [`dot`] with a vector that is 0 elsewhere.
pub(crate) fn sparse_dot(a: &[f64], b: impl Iterator<Item = (u32, f64)>) -> f64 {
    let mut lanes = [0.0; LANES];
    for (index, value) in b {
        let index = index as usize;
        lanes[index % LANES] += a[index] * value;
    }
    add_lanes(lanes)
}

/// Returns Σ f(i) for `i` in `0..count`, in the same lane order as [`dot`].
#[inline(always)]
pub(crate) fn sum_by(count: usize, f: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let whole = count - count % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += f(start + lane);
        }
    }
    for (i, sum) in (whole..count).zip(&mut lanes) {
        *sum += f(i);
    }
    add_lanes(lanes)
}

/// Returns ‖a‖₂.
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Adds `scale`·x to y, element by element.
pub(crate) fn axpy(scale: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

#[inline(always)]
pub(crate) fn add_lanes(l: [f64; LANES]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_and_sum_by_share_one_order() {
        for length in [0, 1, 7, 8, 9, 31, 64, 100] {
            let a: Vec<f64> = (0..length).map(|i| 1.0 / (i as f64 + 0.3)).collect();
            let b: Vec<f64> = (0..length).map(|i| libm::exp(-(i as f64) / 7.0)).collect();
            let direct = dot(&a, &b);
            assert_eq!(direct.to_bits(), sum_by(length, |i| a[i] * b[i]).to_bits());
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!(
                (direct - exact).abs() <= 1e-14 * exact.max(1.0),
                "{direct} {exact}"
            );
        }
    }
}
