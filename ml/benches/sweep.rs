//! Sixteen coefficient vectors in one pass against one of them: `cargo bench -p rookery-ml --bench sweep [-- ROWS]`. Timed in
//! turn; what counts is the median of the ratios.

use std::time::{Duration, Instant};

use rookery_ml::{
    Block, BlockBuilder, Column, ColumnData, Family, Frame, KernelCoefficients, Precision, RowSample,
    evaluate_blocks,
};

const TURNS: usize = 11;
const VECTORS: [usize; 5] = [1, 2, 4, 8, 16];

fn main() {
    let rows: usize = std::env::args()
        .skip(1)
        .find_map(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let sample = RowSample {
        gradient: 200,
        hessian: 200,
    };
    for (width, classes) in [(28, 1), (64, 10)] {
        let blocks = blocks(width, classes, rows * 28 / width);
        for rows in [RowSample::GRADIENT, sample] {
            report(&blocks, width, classes, rows);
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn report(blocks: &[Block], width: usize, classes: usize, rows: RowSample) {
    let asked: Vec<_> = (0..16)
        .map(|seed| coefficients(width, classes, rows, seed))
        .collect();
    let mut turns: Vec<[Duration; VECTORS.len()]> = Vec::new();
    for _ in 0..TURNS {
        turns.push(VECTORS.map(|vectors| {
            let started = Instant::now();
            // Two threads, as in a small cluster.
            std::thread::scope(|scope| {
                for part in blocks.chunks(blocks.len().div_ceil(2)) {
                    let asked = &asked[..vectors];
                    scope.spawn(|| std::hint::black_box(evaluate_blocks(part, asked).expect("one shape")));
                }
            });
            started.elapsed()
        }));
    }
    let what = if rows.hessian > 0 {
        "a sample with Hessian"
    } else {
        "gradient"
    };
    println!("{width} floats, {classes} margins a row, {what}:");
    for (position, vectors) in VECTORS.iter().enumerate() {
        let mut ratios: Vec<f64> = turns
            .iter()
            .map(|turn| turn[position].as_secs_f64() / turn[0].as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        let least = turns.iter().map(|turn| turn[position]).min().unwrap_or_default();
        println!(
            "  {vectors:2} vectors: {:.2} times one, {least:?} at best",
            ratios[TURNS / 2]
        );
    }
}

fn blocks(width: usize, classes: usize, rows: usize) -> Vec<Block> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) as f32)
    };
    let mut builder = BlockBuilder::new(width);
    for _ in 0..rows / 10_000 {
        let values = (0..10_000 * width).map(|_| uniform()).collect();
        let labels = (0..10_000).map(|i| (i * 7 % classes.max(2)) as f64).collect();
        let frame = Frame::new(10_000)
            .with_column("x", Column::new(ColumnData::Vector { width, values }))
            .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels))));
        builder
            .push_frame(&frame.expect("columns fit"), "x", "y", None)
            .expect("good rows");
    }
    builder.finish()
}

fn coefficients(width: usize, classes: usize, rows: RowSample, seed: usize) -> KernelCoefficients {
    KernelCoefficients {
        family: if classes == 1 {
            Family::Binomial
        } else {
            Family::Multinomial
        },
        classes,
        width,
        coefficients: (0..width * classes)
            .map(|i| (((i + seed) * 37 % 17) as f64 - 8.0) / 20.0)
            .collect(),
        offsets: vec![0.1; classes],
        rows,
        class_weights: Vec::new(),
        precision: Precision::Double,
    }
}
