//! The second derivatives: Σᵢ hᵢ·x̂ᵢ·x̂ᵢᵀ over rows, where x̂ is a row with a 1 behind it, once for each pair of classes.
//!
//! hᵢ is the derivative of the weighted loss by two margins: wᵢ·p·(1−p) for binomial, wᵢ·pₖ·([k = l] − pₗ) for
//! multinomial. A tile's features lie eight rows side by side, as for the multinomial margins; the sums of two features by
//! three are made at a time, in registers.

use super::real::Real;

/// Features of one side and of the other whose sums are made together.
const DOWN: usize = 2;
const ACROSS: usize = 3;

/// Numbers in the triangle over a row of `width` features and the 1 behind them.
pub(crate) fn triangle(width: usize) -> usize {
    (width + 1) * (width + 2) / 2
}

/// Pairs of classes k ≤ l.
pub(crate) fn class_pairs(classes: usize) -> usize {
    classes * (classes + 1) / 2
}

/// Where the element (row, column) of a triangle lies; column ≤ row.
pub(crate) fn at(row: usize, column: usize) -> usize {
    row * (row + 1) / 2 + column
}

/// Sums in lanes for one pair of classes.
pub(super) struct Triangle<R, const L: usize> {
    width: usize,
    sums: Vec<[R; L]>,
    /// hᵢ·xᵢⱼ of a tile: index = chunk·(width + 1) + feature.
    scaled: Vec<[R; L]>,
}

impl<R: Real, const L: usize> Triangle<R, L> {
    pub(super) fn new(width: usize) -> Self {
        Triangle {
            width,
            sums: vec![[R::ZERO; L]; triangle(width)],
            scaled: Vec::new(),
        }
    }

    /// How many sums there are.
    pub(super) fn numbers(&self) -> usize {
        self.sums.len()
    }

    /// Adds a tile: `features` has index = chunk·width + feature, and for each chunk there is an h.
    #[inline(always)]
    pub(super) fn add(&mut self, features: &[[R; L]], h: &[[R; L]]) {
        let width = self.width;
        self.scaled.clear();
        for (x, h) in features.chunks_exact(width).zip(h) {
            for x in x {
                self.scaled.push(std::array::from_fn(|lane| h[lane] * x[lane]));
            }
            self.scaled.push(*h);
        }
        for row in (0..=width).step_by(DOWN) {
            match width + 1 - row {
                1 => self.add_rows::<1>(features, row),
                _ => self.add_rows::<DOWN>(features, row),
            }
        }
    }

    /// The elements of `N` rows of the triangle, up to the diagonal.
    #[inline(always)]
    fn add_rows<const N: usize>(&mut self, features: &[[R; L]], row: usize) {
        let mut column = 0;
        while column + ACROSS <= row {
            self.add_block::<N, ACROSS>(features, row, column);
            column += ACROSS;
        }
        while column < row + N {
            self.add_block::<N, 1>(features, row, column);
            column += 1;
        }
    }

    /// N rows by M columns. What is above the diagonal is computed and left.
    #[inline(always)]
    fn add_block<const N: usize, const M: usize>(&mut self, features: &[[R; L]], row: usize, column: usize) {
        let width = self.width;
        let mut sums = [[[R::ZERO; L]; M]; N];
        for (n, sums) in sums.iter_mut().enumerate() {
            for (m, sum) in sums.iter_mut().enumerate().filter(|(m, _)| column + m <= row + n) {
                *sum = self.sums[at(row + n, column + m)];
            }
        }
        let chunks = features
            .chunks_exact(width)
            .zip(self.scaled.chunks_exact(width + 1));
        // The 1 behind a row is only ever multiplied with itself: the last row of the triangle takes it as scaled.
        let column_is_one = column == width;
        for (x, scaled) in chunks {
            let down: [[R; L]; N] = std::array::from_fn(|n| scaled[row + n]);
            let across: [[R; L]; M] = std::array::from_fn(|m| match column_is_one {
                true => [R::ONE; L],
                false => x[column + m],
            });
            for n in 0..N {
                for m in 0..M {
                    for lane in 0..L {
                        sums[n][m][lane] = down[n][lane].mul_add(across[m][lane], sums[n][m][lane]);
                    }
                }
            }
        }
        for (n, sums) in sums.iter().enumerate() {
            for (m, sum) in sums.iter().enumerate().filter(|(m, _)| column + m <= row + n) {
                self.sums[at(row + n, column + m)] = *sum;
            }
        }
    }

    /// Adds the sums to those of a partial, and begins anew.
    #[inline(always)]
    pub(super) fn move_to(&mut self, hessian_sum: &mut [f64]) {
        for (sum, of_lanes) in hessian_sum.iter_mut().zip(&mut self.sums) {
            *sum += R::total(of_lanes);
            *of_lanes = [R::ZERO; L];
        }
    }
}
