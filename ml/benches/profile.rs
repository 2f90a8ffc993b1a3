//! What the model's profile costs: the pass that fits the lab's stages with and without it, in turn, and the profile of
//! floats alone beside adding them up: `cargo bench -p rookery-ml --bench profile [-- ROWS]`. What counts is the median of
//! the ratios.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rookery_ml::{
    Column, ColumnData, ColumnKind, FitPass, Frame, PipelineFit, PipelineSpec, ProfiledColumn, SharedColumn,
    SharedValues,
};

const PAIRS: usize = 15;
/// Rows of a frame, as workers make them.
const FRAME_ROWS: usize = 4096;
const NUMBERS: [&str; 4] = ["CulmenLength", "CulmenDepth", "FlipperLength", "BodyMass"];

fn main() {
    let rows: usize = std::env::args()
        .skip(1)
        .find_map(|text| text.parse().ok())
        .unwrap_or(200_000);
    let frames = frames(rows);
    let (without, with, ratios) = paired(|| time(&frames, false), || time(&frames, true));
    print(&format!(
        "{rows} rows × {} columns: {without:?} without, {with:?} with the profile, {ratios}",
        NUMBERS.len() + 1,
    ));
    floats();
}

/// Times two pieces of work in turn: both of the median of the ratios, and the ratios.
fn paired(one: impl Fn() -> Duration, other: impl Fn() -> Duration) -> (Duration, Duration, String) {
    // Once without a clock.
    other();
    let mut pairs: Vec<(Duration, Duration)> = (0..PAIRS).map(|_| (one(), other())).collect();
    let ratio = |pair: &(Duration, Duration)| pair.1.as_secs_f64() / pair.0.as_secs_f64();
    pairs.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    let [first, middle, last] = [0, PAIRS / 2, PAIRS - 1].map(|i| ratio(&pairs[i]));
    let (one, other) = pairs[PAIRS / 2];
    let ratios = format!("ratio {middle:.2} (of {PAIRS}: {first:.2} to {last:.2})");
    (one, other, ratios)
}

/// The profile of a partition's columns of floats where they are, as a worker counts them, beside adding them up.
fn floats() {
    const COLUMNS: usize = 28;
    const ROWS: usize = 131_072;
    let mut random = random();
    let mut column = |column: usize| {
        // About normal, half of the columns on both sides of zero.
        let value = |_| (0..6).map(|_| random()).sum::<f32>() - 3.0 + (column % 2 * 10) as f32;
        let values: Vec<f32> = (0..ROWS).map(value).collect();
        (
            format!("x{column}"),
            SharedColumn::Single(SharedValues::new(values)),
        )
    };
    let columns: BTreeMap<String, SharedColumn> = (0..COLUMNS).map(&mut column).collect();
    let profiled = columns.keys().map(|name| ProfiledColumn {
        name: name.clone(),
        is_category: false,
    });
    let pass = FitPass {
        stages: Vec::new(),
        profile: profiled.collect(),
    };
    let count = || {
        timed(|| {
            let mut statistics = pass.empty_statistics();
            let rest = pass.accumulate_shared(ROWS, |name| columns.get(name).cloned(), &mut statistics);
            assert!(rest.is_nothing(), "all are there");
            statistics
        })
    };
    let (sum, profile, ratios) = paired(|| timed(|| columns.values().map(sum).collect::<Vec<_>>()), count);
    let of_value = |time: Duration| time.as_secs_f64() * 1e9 / (COLUMNS * ROWS) as f64;
    print(&format!(
        "{COLUMNS} columns of floats: sum {:.2} ns a value, profile {:.2} ns, {ratios}",
        of_value(sum),
        of_value(profile),
    ));
}

/// In lanes, which become vectors.
fn sum(column: &SharedColumn) -> [f32; 16] {
    let mut sums = [0.0; 16];
    if let SharedColumn::Single(values) = column {
        for values in values.as_chunks::<16>().0 {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }
    sums
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    black_box(work());
    began.elapsed()
}

#[expect(clippy::print_stdout, reason = "a benchmark tells what it has measured")]
fn print(told: &str) {
    println!("{told}");
}

/// The lab's feature stages.
fn stages() -> PipelineSpec {
    let numbers = NUMBERS.map(|name| format!("\"{name}\"")).join(", ");
    let json = format!(
        r#"{{"stages": [
            {{"type": "StringIndexer", "input": "Island", "output": "IslandIndex"}},
            {{"type": "VectorAssembler", "inputs": [{numbers}], "output": "Numbers"}},
            {{"type": "MinMaxScaler", "input": "Numbers", "output": "Scaled"}},
            {{"type": "VectorAssembler", "inputs": ["IslandIndex", "Scaled"], "output": "Features"}}
        ]}}"#
    );
    serde_json::from_str(&json).expect("stages")
}

/// One pass over all rows.
fn time(frames: &[Frame], with_profile: bool) -> Duration {
    let mut columns = vec![("Island".to_owned(), ColumnKind::Text)];
    columns.extend(NUMBERS.map(|name| (name.to_owned(), ColumnKind::Float)));
    let inputs = stages().profiled_columns(&columns, "Features", "Species");
    assert_eq!(inputs.len(), 5, "all of them are inputs");
    let fit = PipelineFit::new(stages());
    let fit = if with_profile {
        fit.with_profile_of(inputs)
    } else {
        fit
    };
    let pass = fit.next_pass().expect("stages to fit");
    timed(|| {
        let mut statistics = pass.empty_statistics();
        for frame in frames {
            pass.accumulate(frame, &mut statistics).expect("sound rows");
        }
        statistics
    })
}

/// Rows like the lab's, each a little different.
fn frames(rows: usize) -> Vec<Frame> {
    let mut random = random();
    let islands = ["Biscoe", "Dream", "Torgersen"];
    let frame = |first: usize| {
        let count = FRAME_ROWS.min(rows - first);
        let texts = (0..count).map(|_| islands[(random() * 3.0) as usize].to_owned());
        let mut frame = Frame::new(count)
            .with_column("Island", Column::new(ColumnData::Text(texts.collect())))
            .expect("a column");
        for (name, (least, most)) in
            NUMBERS
                .iter()
                .zip([(32.1, 59.6), (13.1, 21.5), (172.0, 231.0), (2700.0, 6300.0)])
        {
            let values = (0..count).map(|_| least + random() * (most - least)).collect();
            frame = frame
                .with_column(*name, Column::new(ColumnData::Float(values)))
                .expect("a column");
        }
        frame
    };
    (0..rows).step_by(FRAME_ROWS).map(frame).collect()
}

/// Numbers from 0 to 1.
fn random() -> impl FnMut() -> f32 {
    let mut state = 42_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    }
}
