//! Rounds and seconds of each solver to a relative gap of 10⁻⁶, rows in memory, 2 threads:
//! `cargo bench -p rookery-ml --bench fit -- FILE ROWS WIDTH [REG]`. FILE holds ROWS × (1 + WIDTH) 32-bit floats, little-endian,
//! row by row, the label first. The gap is that of the objective, to the least that any solver has found.

use std::time::Instant;

use rookery_ml::tree::{Node, reduce_subtree};
use rookery_ml::{
    Ask, Block, BlockBuilder, Column, ColumnData, Fit, Frame, KernelCoefficients, MlError, Partial, Summary,
    Training, accumulate,
};

/// Blocks of a partition.
const PARTITION: usize = 8;
const TURNS: usize = 5;
/// Beyond this Newton's passes over all rows take minutes.
const MOST_CLASSES: usize = 3;

/// A solver with its tolerance; seconds, passes and fit of each turn.
type Turns = (String, Vec<(f64, f64, Fit)>);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [file, rows, width, rest @ ..] = args.as_slice() else {
        return skip();
    };
    let (rows, width): (usize, usize) = (rows.parse().expect("ROWS"), width.parse().expect("WIDTH"));
    let reg: f64 = rest.first().map_or(1e-4, |reg| reg.parse().expect("REG"));
    let blocks = read(file, rows, width);
    let summary = Summary::of_blocks(&blocks).expect("few classes");
    let fits: Vec<Turns> = [
        ("lbfgs", "1e-6"),
        ("lbfgs", "1e-8"),
        ("newton", "1e-6"),
        ("newton", "1e-12"),
        ("subsampled_newton", "1e-6"),
        ("subsampled_newton", "1e-7"),
        ("subsampled_newton", "1e-8"),
    ]
    .iter()
    .filter(|(solver, _)| *solver != "newton" || summary.num_classes() <= MOST_CLASSES)
    .map(|(solver, tol)| {
        let json = format!(
            r#"{{"solver": "{solver}", "tol": {tol}, "reg_param": {reg}, "standardization": false, "max_iter": 200}}"#
        );
        let params = serde_json::from_str(&json).expect("parameters");
        let turns = (0..TURNS).map(|_| {
            let started = Instant::now();
            let training = Training::new(&params, &summary).expect("an objective");
            let (fit, full) = train(training, &blocks).expect("it trains");
            (started.elapsed().as_secs_f64(), full, fit)
        });
        let mut turns: Vec<_> = turns.collect();
        turns.sort_by(|a, b| a.0.total_cmp(&b.0));
        (format!("{solver} {tol}"), turns)
    })
    .collect();
    report(&fits);
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn report(fits: &[Turns]) {
    let last = |fit: &Fit| fit.objective_history.last().copied().unwrap_or(f64::NAN);
    let best = fits
        .iter()
        .map(|(_, turns)| last(&turns[0].2))
        .fold(f64::INFINITY, f64::min);
    for (name, turns) in fits {
        let (seconds, full, fit) = &turns[turns.len() / 2];
        let gap = (last(fit) - best) / best;
        println!(
            "{name:24} {:7.1} ms, {} rounds, as many rows as {full:.2} passes, gap {gap:.1e}, {}",
            seconds * 1e3,
            fit.evaluations,
            fit.termination
        );
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn skip() {
    println!("SKIPPED: no file of rows was named");
}

/// Trains, and counts passes by the rows looked at.
fn train(mut training: Training, blocks: &[Block]) -> Result<(Fit, f64), MlError> {
    let all: usize = blocks.iter().map(Block::rows).sum();
    let mut rows = 0;
    while let Ask::Evaluate(coefficients) = training.ask() {
        let partial = round(blocks, &coefficients)?;
        rows += partial.rows;
        training.tell(&partial)?;
    }
    Ok((training.into_fit()?, rows as f64 / all as f64))
}

fn round(blocks: &[Block], coefficients: &KernelCoefficients) -> Result<Partial, MlError> {
    let partitions: Vec<&[Block]> = blocks.chunks(PARTITION).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(blocks) = partitions.get(index) else {
                break;
            };
            let mut partial = coefficients.zero_partial();
            for block in *blocks {
                accumulate(&mut partial, block, coefficients).expect("one shape");
            }
            done.push((index as u32, partial));
        }
        done
    };
    let mut partials = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut mine = work();
        mine.extend(other.join().expect("no panic"));
        mine
    });
    partials.sort_by_key(|(index, _)| *index);
    let count = partials.len() as u32;
    let mut partials: Vec<Option<Partial>> = partials.into_iter().map(|(_, partial)| Some(partial)).collect();
    let mut leaf = |leaf: u32| Ok::<_, MlError>(partials[leaf as usize].take().expect("each once"));
    let root = Node::root(count);
    let sum = reduce_subtree(root, count, &mut leaf, &Partial::merge)?;
    Ok(sum.unwrap_or_else(|| coefficients.zero_partial()))
}

fn read(file: &str, rows: usize, width: usize) -> Vec<Block> {
    let bytes = std::fs::read(file).expect("FILE");
    let (values, _) = bytes.as_chunks::<4>();
    assert_eq!(values.len(), rows * (width + 1), "FILE has another size");
    let mut builder = BlockBuilder::new(width);
    for chunk in values.chunks(10_000 * (width + 1)) {
        let row_values = |row: &[[u8; 4]]| {
            row.iter()
                .map(|value| f64::from(f32::from_le_bytes(*value)))
                .collect::<Vec<_>>()
        };
        let rows: Vec<Vec<f64>> = chunk.chunks(width + 1).map(row_values).collect();
        let values = rows.iter().flat_map(|row| row[1..].to_vec()).collect();
        let frame = Frame::new(rows.len())
            .with_column("x", Column::new(ColumnData::Vector { width, values }))
            .and_then(|frame| {
                let labels = rows.iter().map(|row| row[0]).collect();
                frame.with_column("y", Column::new(ColumnData::Double(labels)))
            });
        builder
            .push_frame(&frame.expect("columns fit"), "x", "y", None)
            .expect("good rows");
    }
    builder.finish()
}
