//! A pass over blocks against reading the same bytes: `cargo bench -p rookery-ml --bench kernel [-- ROWS]`. Both are timed
//! in turn on the same threads; what counts is the median of the ratios, since other work on the machine slows both.

use rookery_ml::{
    Block, BlockBuilder, Column, ColumnData, Family, Frame, KernelCoefficients, Precision, RowSample,
};

mod paired;

struct Case {
    name: &'static str,
    width: usize,
    classes: usize,
    single: bool,
    hessian: bool,
    precision: Precision,
}

fn main() {
    let rows: usize = std::env::args()
        .skip(1)
        .find_map(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let (double, fast) = (Precision::Double, Precision::Fast);
    let cases = [
        ("binomial, 28 floats", 28, 1, true, false, double),
        ("the same, fast", 28, 1, true, false, fast),
        ("binomial, 28 doubles", 28, 1, false, false, double),
        ("with Hessian, 28 floats", 28, 1, true, true, double),
        ("the same, fast", 28, 1, true, true, fast),
        ("10 classes, 64 floats", 64, 10, true, false, double),
    ]
    .map(|(name, width, classes, single, hessian, precision)| Case {
        name,
        width,
        classes,
        single,
        hessian,
        precision,
    });
    for case in cases {
        let rows = rows * 28 / case.width / 2 * 2;
        let blocks = blocks(&case, rows);
        let coefficients = coefficients(&case);
        for threads in [1, 2] {
            paired::report(case.name, rows, &blocks, &coefficients, threads);
        }
    }
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
        rows: match case.hessian {
            true => RowSample::HESSIAN,
            false => RowSample::GRADIENT,
        },
        class_weights: Vec::new(),
        precision: case.precision,
    }
}
