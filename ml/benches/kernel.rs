//! A pass over blocks against reading the same bytes: `cargo bench -p rookery-ml --bench kernel [-- ROWS]`. Both are timed
//! in turn on the same threads; what counts is the median of the ratios, since other work on the machine slows both.

use std::time::{Duration, Instant};

use pulp::{Arch, NullaryFnOnce};
use rookery_ml::{Block, BlockBuilder, Column, ColumnData, Family, Frame, KernelCoefficients, accumulate};

const PAIRS: usize = 21;

/// Reads everything, as fast as it can be read.
struct Read<'a>(&'a [u64]);

impl NullaryFnOnce for Read<'_> {
    type Output = [u64; 64];

    #[inline(always)]
    fn call(self) -> [u64; 64] {
        let mut sums = [0; 64];
        for values in self.0.as_chunks::<64>().0 {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum ^= value;
            }
        }
        sums
    }
}

struct Case {
    name: &'static str,
    width: usize,
    classes: usize,
    single: bool,
    hessian: bool,
}

fn main() {
    let rows: usize = std::env::args()
        .skip(1)
        .find_map(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let cases = [
        ("binomial, 28 floats", 28, 1, true, false),
        ("binomial, 28 doubles", 28, 1, false, false),
        ("with Hessian, 28 floats", 28, 1, true, true),
        ("10 classes, 64 floats", 64, 10, true, false),
    ]
    .map(|(name, width, classes, single, hessian)| Case {
        name,
        width,
        classes,
        single,
        hessian,
    });
    for case in cases {
        let rows = rows * 28 / case.width / 2 * 2;
        let blocks = blocks(&case, rows);
        let coefficients = coefficients(&case);
        for threads in [1, 2] {
            report(&case, rows, &blocks, &coefficients, threads);
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn report(case: &Case, rows: usize, blocks: &[Block], coefficients: &KernelCoefficients, threads: usize) {
    let bytes: usize = blocks.iter().map(Block::memory_bytes).sum();
    let copy = vec![1_u64; bytes / 8];
    let mut pairs: Vec<(Duration, Duration)> = (0..PAIRS)
        .map(|_| {
            let read = timed(threads, copy.chunks(copy.len().div_ceil(threads)), |part| {
                std::hint::black_box(Arch::new().dispatch(Read(part)));
            });
            let pass = timed(threads, blocks.chunks(blocks.len().div_ceil(threads)), |part| {
                let mut partial = coefficients.zero_partial();
                for block in part {
                    accumulate(&mut partial, block, coefficients).expect("one shape");
                }
                std::hint::black_box(partial);
            });
            (read, pass)
        })
        .collect();
    pairs.sort_by(|(a, b), (c, d)| {
        (b.as_secs_f64() / a.as_secs_f64()).total_cmp(&(d.as_secs_f64() / c.as_secs_f64()))
    });
    let ratio = |i: usize| pairs[i].1.as_secs_f64() / pairs[i].0.as_secs_f64();
    let read = pairs
        .iter()
        .map(|pair| pair.0)
        .min()
        .unwrap_or_default()
        .as_secs_f64();
    let pass = pairs
        .iter()
        .map(|pair| pair.1)
        .min()
        .unwrap_or_default()
        .as_secs_f64();
    println!(
        "{:24} {threads} threads: ratio to reading {:.2} (quartiles {:.2} to {:.2}); read {:.1} GB/s, pass {:.2} ns a row",
        case.name,
        ratio(PAIRS / 2),
        ratio(PAIRS / 4),
        ratio(PAIRS * 3 / 4),
        bytes as f64 / read / 1e9,
        pass * 1e9 * threads as f64 / rows as f64,
    );
}

fn timed<'a, T: Sync + 'a>(
    threads: usize,
    parts: impl Iterator<Item = &'a [T]>,
    work: impl Fn(&[T]) + Sync,
) -> Duration {
    let parts: Vec<&[T]> = parts.collect();
    assert!(parts.len() <= threads);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(|| work(part));
        }
    });
    started.elapsed()
}

fn blocks(case: &Case, rows: usize) -> Vec<Block> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut builder = BlockBuilder::new(case.width);
    for _ in 0..rows / 10_000 {
        let mut value = || match case.single {
            true => f64::from((uniform() - 0.5) as f32),
            false => uniform() - 0.5,
        };
        let values = (0..10_000 * case.width).map(|_| value()).collect();
        let labels = (0..10_000)
            .map(|i| (i * 7 % case.classes.max(2)) as f64)
            .collect();
        let frame = Frame::new(10_000)
            .with_column(
                "x",
                Column::new(ColumnData::Vector {
                    width: case.width,
                    values,
                }),
            )
            .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels))));
        builder
            .push_frame(&frame.expect("columns fit"), "x", "y", None)
            .expect("good rows");
    }
    builder.finish()
}

fn coefficients(case: &Case) -> KernelCoefficients {
    KernelCoefficients {
        family: if case.classes == 1 {
            Family::Binomial
        } else {
            Family::Multinomial
        },
        classes: case.classes,
        width: case.width,
        coefficients: (0..case.width * case.classes)
            .map(|i| ((i * 37 % 17) as f64 - 8.0) / 20.0)
            .collect(),
        offsets: vec![0.1; case.classes],
        hessian: case.hessian,
        class_weights: Vec::new(),
    }
}
