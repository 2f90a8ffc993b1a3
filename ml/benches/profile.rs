//! What the model's profile costs: the pass that fits the lab's stages with and without it, in turn:
//! `cargo bench -p rookery-ml --bench profile [-- ROWS]`. What counts is the median of the ratios.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rookery_ml::{Column, ColumnData, ColumnKind, Frame, PipelineFit, PipelineSpec};

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
    // Once without a clock.
    time(&frames, true);
    let mut pairs: Vec<(Duration, Duration)> = (0..PAIRS)
        .map(|_| (time(&frames, false), time(&frames, true)))
        .collect();
    let ratio = |pair: &(Duration, Duration)| pair.1.as_secs_f64() / pair.0.as_secs_f64();
    pairs.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    let (without, with) = pairs[PAIRS / 2];
    let told = format!(
        "{rows} rows × {} columns: {without:?} without, {with:?} with the profile, ratio {:.2} (of {PAIRS}: {:.2} to {:.2})",
        NUMBERS.len() + 1,
        ratio(&pairs[PAIRS / 2]),
        ratio(&pairs[0]),
        ratio(&pairs[PAIRS - 1]),
    );
    print(&told);
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
    let began = Instant::now();
    let mut statistics = pass.empty_statistics();
    for frame in frames {
        pass.accumulate(frame, &mut statistics).expect("sound rows");
    }
    let took = began.elapsed();
    black_box(statistics);
    took
}

/// Rows like the lab's, each a little different.
fn frames(rows: usize) -> Vec<Frame> {
    let mut state = 42_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
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
