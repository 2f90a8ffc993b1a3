//! A pass over blocks and reading the same bytes, timed in turn on the same threads.

use std::time::{Duration, Instant};

use pulp::{Arch, NullaryFnOnce};
use rookery_ml::{Block, KernelCoefficients, accumulate};

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

/// Times passes over `blocks`, and reading as many bytes.
#[expect(clippy::print_stdout, reason = "a benchmark's result")]
pub(crate) fn report(
    name: &str,
    rows: usize,
    blocks: &[Block],
    coefficients: &KernelCoefficients,
    threads: usize,
) {
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
        "{:24} {threads} threads: ratio to reading {:.2} (quartiles {:.2} to {:.2}); {:.0} bytes a row, read {:.1} GB/s, \
         pass {:.2} ns a row and thread, {:.1} million rows a second",
        name,
        ratio(PAIRS / 2),
        ratio(PAIRS / 4),
        ratio(PAIRS * 3 / 4),
        bytes as f64 / rows as f64,
        bytes as f64 / read / 1e9,
        pass * 1e9 * threads as f64 / rows as f64,
        rows as f64 / pass / 1e6,
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
