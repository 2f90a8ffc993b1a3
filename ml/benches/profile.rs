//! What the model's profile costs: the pass that fits the lab's stages with and without it, in turn, and the profile of
//! floats alone beside adding them up: `cargo bench -p rookery-ml --bench profile [-- ROWS]`. What counts is the median of
//! the ratios.

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
    floats();
}

/// The profile of frames of floats, as many as a worker takes at once, beside a sum of the same.
fn floats() {
    const COLUMNS: usize = 28;
    const ROWS: usize = 16_384;
    const FRAMES: usize = 8;
    let mut random = random();
    let mut frame = |_| {
        (0..COLUMNS).fold(Frame::new(ROWS), |frame, column| {
            // About normal, half of the columns on both sides of zero.
            let value = |_: usize| (0..6).map(|_| random()).sum::<f32>() - 3.0 + (column % 2 * 10) as f32;
            let values = ColumnData::Float((0..ROWS).map(value).collect());
            frame
                .with_column(format!("x{column}"), Column::new(values))
                .expect("a column")
        })
    };
    let frames: Vec<Frame> = (0..FRAMES).map(&mut frame).collect();
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("x{column}")).collect();
    let columns: Vec<(String, ColumnKind)> = names
        .iter()
        .map(|name| (name.clone(), ColumnKind::Float))
        .collect();
    let inputs = names
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let json = format!(
        r#"{{"stages": [{{"type": "VectorAssembler", "inputs": [{inputs}], "output": "Features"}}]}}"#
    );
    let stages: PipelineSpec = serde_json::from_str(&json).expect("stages");
    let profiled = stages.profiled_columns(&columns, "Features", "y");
    let pass = PipelineFit::new(stages)
        .with_profile_of(profiled)
        .next_pass()
        .expect("columns to count");
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| {
            let began = Instant::now();
            let mut statistics = pass.empty_statistics();
            for frame in &frames {
                pass.accumulate(frame, &mut statistics).expect("sound rows");
            }
            let profile = began.elapsed().as_secs_f64();
            black_box(statistics);
            let began = Instant::now();
            let sum = |values: &[f32]| {
                values.chunks(16).fold([0.0_f32; 16], |mut sums, values| {
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                    sums
                })
            };
            for frame in &frames {
                for name in &names {
                    if let ColumnData::Float(values) = &frame.column(name).expect("made above").data {
                        black_box(sum(values));
                    }
                }
            }
            (profile, began.elapsed().as_secs_f64())
        })
        .collect();
    pairs.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
    let (profile, sum) = pairs[PAIRS / 2];
    let values = (COLUMNS * ROWS * FRAMES) as f64;
    print(&format!(
        "{COLUMNS} columns of floats: profile {:.2} ns a value, sum {:.2} ns, ratio {:.1}",
        profile / values * 1e9,
        sum / values * 1e9,
        profile / sum
    ));
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
