//! CSV of numbers to blocks, in this process: `cargo bench --workspace --bench ingest -- FILE [THREADS] [TYPE]`.
//!
//! FILE has a header, its first column is the label, all others are features; TYPE is what they are declared as (`float`).
//! For each of three runs it tells seconds and the bytes that rows and blocks take. With a query the engine decodes the
//! file, as jobs with a query do: the line beside which ours is to be read.

#![expect(clippy::print_stdout, reason = "a benchmark speaks to whoever runs it")]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on has failed")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rookery_data::cache::PartitionCache;
use rookery_data::engine::Engine;
use rookery_data::spec::{DataSpec, SplitSpec};
use rookery_data::stores::Environment;
use rookery_data::{Dataset, IngestPlan};
use rookery_ml::{Block, SharedBlocks};
use serde::Deserialize;

#[derive(Deserialize)]
struct Job {
    data: DataSpec,
    split: SplitSpec,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(file) = arguments.first() else {
        println!("no file is named: nothing is measured");
        return;
    };
    let threads = arguments.get(1).map_or(2, |text| text.parse().unwrap());
    let declared = arguments.get(2).map_or("float", String::as_str);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    for query in [false, true] {
        for _ in 0..3 {
            runtime.block_on(run(Path::new(file), threads, declared, query));
        }
    }
}

fn names(file: &Path) -> Vec<String> {
    let mut header = String::new();
    BufReader::new(std::fs::File::open(file).unwrap())
        .read_line(&mut header)
        .unwrap();
    header
        .trim()
        .split(',')
        .map(|name| name.trim_matches('"').to_string())
        .collect()
}

async fn run(file: &Path, threads: usize, declared: &str, query: bool) {
    let names = names(file);
    let columns: Vec<String> = names
        .iter()
        .map(|name| format!("\"{name}\" = \"{declared}\""))
        .collect();
    let sql = if query { "sql = \"select * from t\"" } else { "" };
    let job = format!(
        "[data]\n{sql}\n[data.sources.t]\npath = \"{}\"\ncolumns = {{ {} }}\n[split]\nweights = [1, 0]",
        file.canonicalize().unwrap().display(),
        columns.join(", ")
    );
    let job: Job = toml::from_str(&job).unwrap();
    let start = Instant::now();
    let plan = IngestPlan::open(&job.data, &job.split, Path::new("/"), &Environment::none())
        .await
        .unwrap();
    let cache = PartitionCache::new("here");
    let engine = Engine::local(Arc::clone(&cache), threads);
    let dataset = Dataset::materialize(&engine, &plan, "bench", Duration::from_secs(600))
        .await
        .unwrap();
    let cached = start.elapsed();
    let partitions = dataset.partitions.iter().map(|partition| {
        let partition = cache.get("bench", partition.number).unwrap().unwrap();
        let features = names[1..]
            .iter()
            .map(|name| partition.shared_column(0, name).unwrap());
        let mut blocks = SharedBlocks::new(features.collect(), false);
        let labels = partition.frame_of([names[0].as_str()], 0, 0, usize::MAX).unwrap();
        blocks.push_labels(&labels, &names[0], None).unwrap();
        blocks.finish().unwrap()
    });
    let blocks: Vec<Vec<Block>> = partitions.collect();
    let own: usize = blocks.iter().flatten().map(Block::memory_bytes).sum();
    println!(
        "{}: {} rows, rows cached after {:.3} s, blocks after {:.3} s; {:.1} MB of rows and {:.1} MB beside them",
        if query {
            "arrow-csv and casts"
        } else {
            "own decoder"
        },
        dataset.part_rows[0],
        cached.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        cache.memory_bytes() as f64 / 1e6,
        own as f64 / 1e6
    );
}
