//! A pass over rows like encoded clicks against reading the same bytes: `cargo bench -p rookery-ml --bench sparse
//! [-- ROWS]`. 13 numbers and 26 categories a row, of up to 100 000 values each, as often as Zipf says and numbered by
//! frequency, as StringIndexer does it.

use std::time::Instant;

use rookery_ml::{
    Ask, Block, BlockBuilder, Column, ColumnData, Family, Frame, KernelCoefficients,
    LogisticRegressionParams, Precision, RowSample, SparseVectors, Summary, Training, accumulate,
};

mod paired;

const NUMBERS: u32 = 13;
/// Values of each category.
const CATEGORIES: [u32; 26] = [
    1460, 583, 100_000, 80_000, 305, 24, 12_517, 633, 3, 60_000, 5683, 100_000, 3194, 27, 14_992, 90_000, 10,
    5652, 2173, 4, 70_000, 18, 15, 50_000, 105, 40_000,
];
const FRAME_ROWS: usize = 10_000;

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn main() {
    let rows: usize = std::env::args()
        .skip(1)
        .find_map(|text| text.parse::<usize>().ok())
        .unwrap_or(1_000_000)
        .next_multiple_of(2 * FRAME_ROWS);
    let width = (NUMBERS + CATEGORIES.iter().sum::<u32>()) as usize;
    let mut builder = BlockBuilder::new(width);
    let mut uniform = uniform();
    let (mut building, mut elements) = (0.0, 0);
    for _ in 0..rows / FRAME_ROWS {
        let vectors = vectors(width, &mut uniform);
        elements += vectors.len();
        let labels = (0..FRAME_ROWS)
            .map(|_| f64::from(u8::from(uniform() < 0.25)))
            .collect();
        let frame = Frame::new(FRAME_ROWS)
            .with_column("x", Column::new(ColumnData::Sparse(vectors)))
            .and_then(|frame| frame.with_column("y", Column::new(ColumnData::Double(labels))))
            .expect("columns fit");
        let began = Instant::now();
        builder.push_frame(&frame, "x", "y", None).expect("good rows");
        building += began.elapsed().as_secs_f64();
    }
    let blocks = builder.finish();
    let began = Instant::now();
    let summary = Summary::of_blocks(&blocks).expect("two classes");
    let summing = began.elapsed().as_secs_f64();
    println!(
        "{rows} rows of {width} features, {:.1} elements a row; building blocks {:.0} ns a row, summing up {:.0} ns a row",
        elements as f64 / rows as f64,
        building * 1e9 / rows as f64,
        summing * 1e9 / rows as f64,
    );
    let present = summary.m2.iter().filter(|m2| **m2 > 0.0).count();
    println!("{present} features occur");
    report(rows, width, &blocks);
    driver(&summary, &blocks);
}

/// What a round costs the driver: the optimiser's part of it, and writing down where the training stands.
#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn driver(summary: &Summary, blocks: &[Block]) {
    let params = LogisticRegressionParams {
        reg_param: 1e-5,
        max_iter: 15,
        ..LogisticRegressionParams::default()
    };
    let params = params.check().expect("valid");
    let mut training = Training::new(&params, summary).expect("an objective");
    let (mut thinking, mut began) = (0.0, Instant::now());
    while let Ask::Evaluate(coefficients) = training.ask() {
        thinking += began.elapsed().as_secs_f64();
        let mut partial = coefficients.zero_partial();
        for block in blocks {
            accumulate(&mut partial, block, &coefficients).expect("one shape");
        }
        began = Instant::now();
        training.tell(&partial).expect("it was asked for");
    }
    let rounds = training.evaluations();
    let history = training.objective_history();
    println!(
        "training: {rounds} rounds, objective {:.6} to {:.6}; the optimiser takes {:.1} ms a round",
        history[0],
        history[history.len() - 1],
        thinking * 1e3 / rounds as f64
    );
    let began = Instant::now();
    let text = serde_json::to_string(&training).expect("plain data");
    let packing = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let back: Training = serde_json::from_str(&text).expect("what was written");
    assert!(back == training);
    println!(
        "written down: {:.1} MB for {} numbers in {packing:.2} s, read in {:.2} s",
        text.len() as f64 / 1e6,
        training.state_values(),
        began.elapsed().as_secs_f64()
    );
    let fit = training.into_fit().expect("it finished");
    let began = Instant::now();
    let text = serde_json::to_string(&fit.coefficient_matrix).expect("numbers");
    println!(
        "coefficients in decimal digits: {:.1} MB for {} numbers in {:.2} s",
        text.len() as f64 / 1e6,
        fit.coefficient_matrix.len(),
        began.elapsed().as_secs_f64()
    );
}

fn report(rows: usize, width: usize, blocks: &[Block]) {
    for (name, family, classes) in [
        ("clicks, binomial", Family::Binomial, 1),
        ("clicks, 2 rows", Family::Multinomial, 2),
    ] {
        let coefficients = KernelCoefficients {
            family,
            classes,
            width,
            coefficients: (0..width * classes)
                .map(|i| ((i * 37 % 17) as f64 - 8.0) / 20.0)
                .collect(),
            offsets: vec![-1.0; classes],
            rows: RowSample::GRADIENT,
            class_weights: Vec::new(),
            precision: Precision::Double,
        };
        for threads in [1, 2] {
            paired::report(name, rows, blocks, &coefficients, threads);
        }
    }
}

fn vectors(width: usize, uniform: &mut impl FnMut() -> f64) -> SparseVectors {
    let mut vectors = SparseVectors::empty(width);
    for _ in 0..FRAME_ROWS {
        // log1p of counts: most are no whole number.
        let mut elements: Vec<(u32, f64)> = (0..NUMBERS)
            .map(|j| (j, f64::from(libm::log1p((uniform() * 60.0).floor()) as f32)))
            .collect();
        let mut offset = NUMBERS;
        for (category, count) in CATEGORIES.iter().enumerate() {
            elements.push((offset + rank(category, *count, uniform()), 1.0));
            offset += count;
        }
        vectors.push(elements).expect("ascending");
    }
    vectors
}

/// A rank by Zipf's law, cut off at `count`, from a uniform number.
fn rank(category: usize, count: u32, uniform: f64) -> u32 {
    let exponent = 1.05 + 0.05 * (category * 7 % 5) as f64;
    let scale = libm::pow(f64::from(count) + 1.0, 1.0 - exponent) - 1.0;
    let value = libm::pow(uniform * scale + 1.0, 1.0 / (1.0 - exponent)) - 1.0;
    (value as u32).min(count - 1)
}

fn uniform() -> impl FnMut() -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}
