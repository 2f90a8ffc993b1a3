//! The kernel against its definition, finite differences, and itself on other machines.

use super::*;
use crate::testing::{WIDTH, block, wide_blocks};

fn coefficients(family: Family, classes: usize) -> KernelCoefficients {
    let coefficients = (0..2 * classes).map(|i| 0.7 - 0.3 * i as f64).collect();
    let offsets = (0..classes).map(|k| 0.1 * k as f64 - 0.2).collect();
    KernelCoefficients {
        family,
        classes,
        width: 2,
        coefficients,
        offsets,
        rows: RowSample::GRADIENT,
        class_weights: Vec::new(),
        precision: Precision::Double,
    }
}

const X: [[f64; 2]; 4] = [[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [2.0, 2.0]];
const W: [f64; 4] = [1.0, 0.5, 2.0, 1.5];

/// The definition, term by term, with no regard for speed or overflow.
fn definition(labels: &[f64], c: &KernelCoefficients) -> Partial {
    let mut partial = c.zero_partial();
    for ((x, y), w) in X.iter().zip(labels).zip(W) {
        let margin =
            |k: usize| c.coefficients[k] * x[0] + c.coefficients[c.classes + k] * x[1] + c.offsets[k];
        let powers: Vec<f64> = match c.family {
            Family::Binomial => vec![libm::exp(margin(0)), 1.0],
            Family::Multinomial => (0..c.classes).map(|k| libm::exp(margin(k))).collect(),
        };
        let sum: f64 = powers.iter().sum();
        let class = match c.family {
            Family::Binomial => usize::from(*y == 0.0),
            Family::Multinomial => *y as usize,
        };
        partial.loss_sum += -w * libm::log(powers[class] / sum);
        partial.weight_sum += w;
        partial.rows += 1;
        for (k, power) in powers.iter().take(c.classes).enumerate() {
            let multiplier = w * (power / sum - f64::from(u8::from(k == class)));
            partial.gradient_sum[k] += multiplier * x[0];
            partial.gradient_sum[c.classes + k] += multiplier * x[1];
            partial.gradient_sum[2 * c.classes + k] += multiplier;
        }
    }
    partial
}

fn assert_close(a: &Partial, b: &Partial) {
    assert!((a.loss_sum - b.loss_sum).abs() < 1e-14, "{a:?} {b:?}");
    for (a, b) in a.gradient_sum.iter().zip(&b.gradient_sum) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
    assert_eq!((a.rows, a.weight_sum), (b.rows, b.weight_sum));
}

#[test]
fn both_families_are_their_definition() {
    let cases = [
        (coefficients(Family::Binomial, 1), [0.0, 1.0, 1.0, 0.0]),
        (coefficients(Family::Multinomial, 3), [0.0, 2.0, 1.0, 2.0]),
        (coefficients(Family::Multinomial, 1), [0.0; 4]),
    ];
    for (coefficients, labels) in cases {
        let mut partial = coefficients.zero_partial();
        accumulate(&mut partial, &block(&X, &labels, Some(&W)), &coefficients).expect("one shape");
        assert_close(&partial, &definition(&labels, &coefficients));
    }
}

/// Rows of both storage types, several tiles and a last lane that is not full.
fn uneven_block(classes: usize, weighted: bool) -> Block {
    let value = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f64 / 1e5 - 5.0;
    let rows: Vec<[f64; 7]> = (0..4003)
        .map(|row| {
            std::array::from_fn(|j| match j {
                0 | 5 => value(row * 7 + j),
                _ => f64::from(value(row * 7 + j) as f32),
            })
        })
        .collect();
    let labels: Vec<f64> = (0..rows.len()).map(|row| (row * 5 % classes) as f64).collect();
    let weights: Vec<f64> = (0..rows.len()).map(|row| value(row).abs()).collect();
    block(&rows, &labels, weighted.then_some(&weights))
}

#[test]
fn vectors_change_no_bit_and_neither_does_the_size_of_a_tile() {
    for (family, classes) in [
        (Family::Binomial, 1),
        (Family::Multinomial, 3),
        (Family::Multinomial, 10),
    ] {
        let c = KernelCoefficients {
            family,
            classes,
            width: 7,
            coefficients: (0..7 * classes).map(|i| 0.7 - 0.3 * (i % 5) as f64).collect(),
            offsets: vec![0.1; classes],
            rows: RowSample::HESSIAN,
            class_weights: Vec::new(),
            precision: Precision::Double,
        };
        for weighted in [false, true] {
            let block = uneven_block(classes.max(2), weighted);
            let (mut here, mut anywhere) = (c.zero_partial(), c.zero_partial());
            accumulate(&mut here, &block, &c).expect("one shape");
            simd::baseline(Pass {
                partials: std::slice::from_mut(&mut anywhere),
                block: &block,
                labels: &block.classes(),
                members: &[&c],
            });
            assert_eq!(bits(&here), bits(&anywhere), "{family:?} {classes}");
        }
    }
}

/// Coefficients of the size that standardised features get.
fn wide_coefficients(family: Family, classes: usize, hessian: bool) -> KernelCoefficients {
    let coefficient = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 100.0;
    KernelCoefficients {
        family,
        classes,
        width: WIDTH,
        coefficients: (0..WIDTH * classes).map(coefficient).collect(),
        offsets: (0..classes).map(|k| 0.1 * k as f64 - 0.3).collect(),
        rows: match hessian {
            true => RowSample::HESSIAN,
            false => RowSample::GRADIENT,
        },
        class_weights: Vec::new(),
        precision: Precision::Double,
    }
}

const WIDE: [(Family, usize, bool); 6] = [
    (Family::Binomial, 1, false),
    (Family::Binomial, 1, true),
    (Family::Multinomial, 2, false),
    (Family::Multinomial, 5, false),
    (Family::Multinomial, 7, false),
    (Family::Multinomial, 2, true),
];

#[test]
fn rows_without_their_zeros_give_the_sums_of_rows_with_them() {
    for (family, classes, hessian) in WIDE {
        for weighted in [false, true] {
            let c = wide_coefficients(family, classes, hessian);
            let (sparse, dense) = wide_blocks(classes.max(2), weighted);
            let sum = |blocks: &[Block]| {
                let mut partial = c.zero_partial();
                for block in blocks {
                    accumulate(&mut partial, block, &c).expect("one shape");
                }
                partial
            };
            let (found, expected) = (sum(&sparse), sum(&dense));
            assert_eq!(
                (found.rows, found.weight_sum),
                (expected.rows, expected.weight_sum)
            );
            let sums = |partial: &Partial| {
                let loss = std::iter::once(partial.loss_sum);
                let gradient = partial.gradient_sum.clone().into_iter();
                loss.chain(gradient)
                    .chain(partial.hessian_sum.clone())
                    .collect::<Vec<f64>>()
            };
            for (found, expected) in sums(&found).iter().zip(sums(&expected)) {
                let bound = 1e-12 * (1e3 + expected.abs());
                assert!(
                    (found - expected).abs() < bound,
                    "{family:?} {classes}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn vectors_change_no_bit_of_sparse_rows() {
    // For second derivatives sparse rows are written out.
    for (family, classes, _) in WIDE.into_iter().filter(|(_, _, hessian)| !hessian) {
        let c = wide_coefficients(family, classes, false);
        let (blocks, _) = wide_blocks(classes.max(2), true);
        let (mut here, mut anywhere) = (c.zero_partial(), c.zero_partial());
        for block in &blocks {
            accumulate(&mut here, block, &c).expect("one shape");
            simd::baseline(Pass {
                partials: std::slice::from_mut(&mut anywhere),
                block,
                labels: &block.classes(),
                members: &[&c],
            });
        }
        assert_eq!(bits(&here), bits(&anywhere), "{family:?} {classes}");
    }
}

#[test]
fn the_gradient_of_sparse_rows_is_that_of_their_loss() {
    for (family, classes) in [(Family::Binomial, 1), (Family::Multinomial, 3)] {
        let (blocks, _) = wide_blocks(classes.max(2), true);
        let evaluate = |c: &KernelCoefficients| {
            let mut partial = c.zero_partial();
            accumulate(&mut partial, &blocks[0], c).expect("one shape");
            partial
        };
        let c = wide_coefficients(family, classes, false);
        let gradient = evaluate(&c).gradient_sum;
        // A number, a constant, frequent and rare categories, a far number, and the offset's neighbour.
        for feature in [0, 5, 10, 40, 69, 130, 249, 285] {
            for class in 0..classes {
                let index = feature * classes + class;
                let shifted = |h: f64| {
                    let mut c = c.clone();
                    c.coefficients[index] += h;
                    evaluate(&c).loss_sum
                };
                // Values that go up to 1e5 leave less room for a step.
                let h = if feature == 285 { 1e-7 } else { 1e-4 };
                let difference = (shifted(h) - shifted(-h)) / (2.0 * h);
                let bound = 1e-5 * (10.0 + gradient[index].abs());
                assert!(
                    (difference - gradient[index]).abs() < bound,
                    "{family:?} {feature} {class}: {difference} {}",
                    gradient[index]
                );
            }
        }
    }
}

fn bits(partial: &Partial) -> Vec<u64> {
    let sums = partial
        .gradient_sum
        .iter()
        .chain([&partial.loss_sum])
        .chain(&partial.hessian_sum);
    sums.map(|sum| sum.to_bits()).collect()
}

#[test]
fn huge_margins_stay_finite() {
    for (family, classes) in [(Family::Binomial, 1), (Family::Multinomial, 2)] {
        let mut c = coefficients(family, classes);
        c.coefficients.iter_mut().for_each(|c| *c *= 1e6);
        let mut partial = c.zero_partial();
        // Whichever label the margins favour, the other is among these.
        for labels in [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]] {
            accumulate(&mut partial, &block(&X, &labels, None), &c).expect("one shape");
        }
        assert!(
            partial.loss_sum.is_finite() && partial.loss_sum > 1e5,
            "{partial:?}"
        );
        assert!(
            partial.gradient_sum.iter().all(|sum| sum.is_finite()),
            "{partial:?}"
        );
    }
}

#[test]
fn shapes_that_do_not_belong_together_are_refused() {
    let c = coefficients(Family::Multinomial, 3);
    let run = |partial: &mut Partial, c: &KernelCoefficients, labels: &[f64]| {
        accumulate(partial, &block(&X, labels, None), c)
            .expect_err("shapes differ")
            .to_string()
    };
    let text = run(&mut Partial::zero(2, 2), &c, &[0.0; 4]);
    assert_eq!(text, "sums in partial: expected 9, got 6");
    let text = run(&mut c.zero_partial(), &c, &[0.0, 3.0, 0.0, 0.0]);
    assert_eq!(text, "label below: expected 3, got 3");
    let wide = KernelCoefficients { width: 3, ..c };
    let text = run(&mut wide.zero_partial(), &wide, &[0.0; 4]);
    assert_eq!(text, "coefficients: expected 9, got 6");
}

/// Rows of floats, several tiles and some rows that fill no lanes.
fn block_of_floats(weighted: bool) -> Block {
    let value = |i: usize| f64::from((((i * 2_654_435_761) % 1_000_003) as f64 / 2e5 - 2.5) as f32);
    let rows: Vec<[f64; 7]> = (0..4003)
        .map(|row| std::array::from_fn(|j| value(row * 7 + j)))
        .collect();
    let labels: Vec<f64> = (0..rows.len()).map(|row| (row * 5 % 2) as f64).collect();
    let weights: Vec<f64> = (0..rows.len()).map(|row| value(row).abs()).collect();
    block(&rows, &labels, weighted.then_some(&weights))
}

fn seven(rows: RowSample, precision: Precision) -> KernelCoefficients {
    KernelCoefficients {
        family: Family::Binomial,
        classes: 1,
        width: 7,
        coefficients: (0..7).map(|i| 0.7 - 0.3 * (i % 5) as f64).collect(),
        offsets: vec![0.1],
        rows,
        class_weights: Vec::new(),
        precision,
    }
}

fn sum(block: &Block, c: &KernelCoefficients) -> Partial {
    let mut partial = c.zero_partial();
    accumulate(&mut partial, block, c).expect("one shape");
    partial
}

#[test]
fn floats_give_nearly_the_sums_of_doubles_and_the_same_on_every_machine() {
    let part = RowSample {
        gradient: 1000,
        hessian: 200,
    };
    for rows in [RowSample::GRADIENT, RowSample::HESSIAN, part] {
        for (weighted, class_weights) in [(false, vec![]), (true, vec![]), (false, vec![2.0, 0.5])] {
            for block in [block_of_floats(weighted), uneven_block(2, weighted)] {
                let of = |precision| KernelCoefficients {
                    class_weights: class_weights.clone(),
                    ..seven(rows, precision)
                };
                let (fast, double) = (of(Precision::Fast), of(Precision::Double));
                let (found, expected) = (sum(&block, &fast), sum(&block, &double));
                assert_eq!(
                    (found.rows, found.weight_sum),
                    (expected.rows, expected.weight_sum)
                );
                assert_eq!(found.hessian_weight_sum, expected.hessian_weight_sum);
                assert_ne!(bits(&found), bits(&expected), "it computes with floats");
                // Rounding that goes either way: far less than the bound of 28 units for each row.
                let bound = 1e-6 * expected.weight_sum;
                assert!((found.loss_sum - expected.loss_sum).abs() < bound, "{rows:?}");
                let sums =
                    |partial: &Partial| [partial.gradient_sum.clone(), partial.hessian_sum.clone()].concat();
                for (found, expected) in sums(&found).iter().zip(sums(&expected)) {
                    assert!(
                        (found - expected).abs() < 2.5 * bound,
                        "{rows:?}: {found} {expected}"
                    );
                }
                let mut anywhere = fast.zero_partial();
                simd::baseline(Pass {
                    partials: std::slice::from_mut(&mut anywhere),
                    block: &block,
                    labels: &[],
                    members: &[&fast],
                });
                assert_eq!(bits(&found), bits(&anywhere), "{rows:?}");
            }
        }
    }
}

#[test]
fn where_floats_will_not_do_doubles_are_used() {
    let mut giant = seven(RowSample::GRADIENT, Precision::Fast);
    giant.coefficients[3] = 1e39;
    let far = |row: usize| if row == 3000 { 1e300 } else { row as f64 / 1e4 };
    let rows: Vec<[f64; 7]> = (0..4000).map(|row| [far(row); 7]).collect();
    let labels: Vec<f64> = (0..4000).map(|row| f64::from(row % 2)).collect();
    let tiny = KernelCoefficients {
        coefficients: vec![1e-301; 7],
        ..seven(RowSample::HESSIAN, Precision::Fast)
    };
    for (block, fast) in [
        (block_of_floats(false), giant),
        (block(&rows, &labels, None), tiny),
    ] {
        let double = KernelCoefficients {
            precision: Precision::Double,
            ..fast.clone()
        };
        let found = sum(&block, &fast);
        assert!(found.loss_sum.is_finite());
        assert_eq!(bits(&found), bits(&sum(&block, &double)));
    }
}
