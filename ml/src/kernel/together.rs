//! [`evaluate_blocks`]: several coefficients over the same blocks.

use super::{KernelCoefficients, accumulate_stack};
use crate::block::Block;
use crate::error::MlError;
use crate::partial::Partial;

/// Margins of a row that are made together at most: their sums stay in a cache.
const MOST_MARGINS: usize = 64;

/// Coefficients that are alike but for their numbers, and what the blocks add up to at each of them.
struct Stack<'a> {
    members: Vec<&'a KernelCoefficients>,
    partials: Vec<Partial>,
}

impl<'a> Stack<'a> {
    fn has_room_for(&self, asked: &KernelCoefficients) -> bool {
        let like = self.members[0];
        (self.members.len() + 1) * like.classes <= MOST_MARGINS
            && (like.family, like.classes, like.width, like.rows, like.precision)
                == (
                    asked.family,
                    asked.classes,
                    asked.width,
                    asked.rows,
                    asked.precision,
                )
            && like.class_weights == asked.class_weights
    }

    /// Takes a member in; returns its position.
    fn push(&mut self, asked: &'a KernelCoefficients) -> usize {
        self.members.push(asked);
        self.partials.push(asked.zero_partial());
        self.partials.len() - 1
    }
}

/// Returns what the blocks add up to at each of the coefficients: the bits of as many passes of [`accumulate`], in one. A block
/// is read once, its values are converted once, and what is asked twice is computed once.
///
/// # Errors
/// [`MlError::Shape`] if blocks and coefficients do not belong together, or a label is no class.
///
/// [`accumulate`]: super::accumulate
pub fn evaluate_blocks(blocks: &[Block], asked: &[KernelCoefficients]) -> Result<Vec<Partial>, MlError> {
    let mut stacks: Vec<Stack> = Vec::new();
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(asked.len());
    for (number, coefficients) in asked.iter().enumerate() {
        coefficients.check_shape()?;
        if let Some(first) = asked[..number].iter().position(|other| other == coefficients) {
            places.push(places[first]);
            continue;
        }
        let stack = match stacks.iter().position(|stack| stack.has_room_for(coefficients)) {
            Some(stack) => stack,
            None => {
                let (members, partials) = (Vec::new(), Vec::new());
                stacks.push(Stack { members, partials });
                stacks.len() - 1
            }
        };
        places.push((stack, stacks[stack].push(coefficients)));
    }
    for block in blocks {
        for Stack { members, partials } in &mut stacks {
            accumulate_stack(partials, block, members)?;
        }
    }
    let found = places.into_iter();
    Ok(found
        .map(|(stack, member)| stacks[stack].partials[member].clone())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::accumulate;
    use crate::kernel::precision::Precision;
    use crate::kernel::row_sample::RowSample;
    use crate::logistic_regression::Family;
    use crate::testing::{WIDTH, block, wide_blocks};

    fn coefficients(family: Family, classes: usize, width: usize, seed: usize) -> KernelCoefficients {
        let coefficient = |i: usize| (((i + seed * 7) * 37 % 101) as f64 - 50.0) / 100.0;
        KernelCoefficients {
            family,
            classes,
            width,
            coefficients: (0..width * classes).map(coefficient).collect(),
            offsets: (0..classes).map(|k| 0.1 * (k + seed) as f64 - 0.3).collect(),
            rows: RowSample::GRADIENT,
            class_weights: Vec::new(),
            precision: Precision::Double,
        }
    }

    /// Of one family: enough for two stacks, some over a sample, some weighted by class, one asked twice.
    fn asked(family: Family, classes: usize, width: usize) -> Vec<KernelCoefficients> {
        let mut asked: Vec<_> = (0..MOST_MARGINS / classes + 5)
            .map(|seed| coefficients(family, classes, width, seed))
            .collect();
        for own in asked.iter_mut().step_by(3) {
            own.rows = RowSample {
                gradient: 100,
                hessian: 50,
            };
        }
        for own in asked.iter_mut().step_by(5) {
            own.class_weights = (0..classes.max(2)).map(|k| 0.5 + k as f64).collect();
        }
        for own in asked.iter_mut().step_by(4) {
            own.precision = Precision::Fast;
        }
        asked[4] = asked[1].clone();
        asked
    }

    #[test]
    fn what_is_asked_together_has_the_bits_of_what_is_asked_alone() {
        let rows: Vec<[f64; 5]> = (0..1003)
            .map(|row| {
                let value = |j: usize| ((row * 5 + j) * 2_654_435_761 % 1_000_003) as f64 / 1e5 - 5.0;
                std::array::from_fn(|j| {
                    if j == 2 {
                        value(j)
                    } else {
                        f64::from(value(j) as f32)
                    }
                })
            })
            .collect();
        for (family, classes) in [(Family::Binomial, 1), (Family::Multinomial, 3)] {
            let labels: Vec<f64> = (0..rows.len())
                .map(|row| (row * 7 % classes.max(2)) as f64)
                .collect();
            let weights: Vec<f64> = rows.iter().map(|row| row[0].abs()).collect();
            let dense = vec![block(&rows, &labels, None), block(&rows, &labels, Some(&weights))];
            let floats: Vec<[f64; 5]> = rows.iter().map(|row| row.map(|x| f64::from(x as f32))).collect();
            let floats = vec![block(&floats, &labels, None)];
            let (sparse, _) = wide_blocks(classes.max(2), true);
            for (blocks, width) in [(dense, 5), (floats, 5), (sparse, WIDTH)] {
                let asked = asked(family, classes, width);
                let found = evaluate_blocks(&blocks, &asked).expect("one shape");
                for (number, (found, asked)) in found.iter().zip(&asked).enumerate() {
                    let mut alone = asked.zero_partial();
                    for block in &blocks {
                        accumulate(&mut alone, block, asked).expect("one shape");
                    }
                    assert!(alone.rows > 0 && alone.loss_sum > 0.0);
                    let bits = |partial: &Partial| {
                        let sums = partial.gradient_sum.iter().chain(&partial.hessian_sum);
                        let others = [partial.loss_sum, partial.weight_sum, partial.hessian_weight_sum];
                        let bits: Vec<u64> = sums.chain(&others).map(|sum| sum.to_bits()).collect();
                        (partial.rows, bits)
                    };
                    assert_eq!(bits(found), bits(&alone), "{family:?} {width} {number}");
                }
            }
        }
    }

    #[test]
    fn shapes_are_checked() {
        let blocks = [block(&[[1.0, 2.0]], &[1.0], None)];
        let one = coefficients(Family::Binomial, 1, 2, 0);
        let other = coefficients(Family::Binomial, 1, 3, 0);
        let error = evaluate_blocks(&blocks, &[one, other]).expect_err("another width");
        assert_eq!(error.to_string(), "features in block: expected 3, got 2");
    }
}
