//! Workers with less memory than rows: what they cache is what they would have cached with enough.

use std::fs;
use std::path::{Path, PathBuf};

use rookery_data::DataErrorKind;

use crate::cluster::{Cluster, Ingested, assert_same, ingest_locally};
use crate::job::Folder;

const LIMIT: usize = 1 << 20;

/// Rows of every kind of column, four times as many bytes as the limit, and small ones to join with.
fn folder() -> Folder {
    let mut rows = "id,key,x,some,name\n".to_string();
    for id in 0..120_000_u64 {
        let hash = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let some = match hash % 5 {
            0 => String::new(),
            _ => (hash as f64 / 7.0).to_string(),
        };
        let x = hash as f64 / 1024.0;
        rows.push_str(&format!("{id},{},{x},{some},\"name {hash}\"\n", hash % 700));
    }
    let keys = (0..700).fold("key,boost\n".to_string(), |text, key| {
        text + &format!("{key},{}\n", f64::from(key) / 700.0)
    });
    Folder::new().with("t.csv", rows).with("k.csv", keys)
}

fn job(sql: &str) -> String {
    let sql = match sql {
        "" => String::new(),
        sql => format!("sql = \"{sql}\"\nsql_partitions = 13\n"),
    };
    let keys = match sql.contains("join k") {
        true => "[data.sources.k]\npath = \"k.csv\"\ncolumns = { key = \"int\", boost = \"double\" }\n",
        false => "",
    };
    format!(
        "[data]\npartition_bytes = \"200 kB\"\n{sql}[data.sources.t]\npath = \"t.csv\"\ncolumns = {{ id = \"int\", \
         key = \"int\", x = \"double\", some = \"double\", name = \"string\" }}\n{keys}\n\
         [split]\nweights = [0.7, 0.3]\nseed = 5\n"
    )
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    });
    below.collect()
}

async fn ingested(cluster: &Cluster, plan: &rookery_data::IngestPlan, threads: usize) -> Ingested {
    let dataset = cluster.materialize(plan, threads).await.unwrap();
    let (memory, disk) = cluster.held();
    let limits = LIMIT * cluster.urls().len();
    assert!(
        dataset.memory_bytes as usize > 3 * LIMIT,
        "{} bytes",
        dataset.memory_bytes
    );
    assert!(memory <= limits / 2, "{memory} bytes in memory");
    // One worker at least has no room.
    assert!(
        disk > 0 && memory + disk as usize >= dataset.memory_bytes as usize / 2,
        "{memory}, {disk}"
    );
    let ingested = Ingested::fetch(dataset, |owner| cluster.cache(owner));
    for url in cluster.urls() {
        cluster.cache(url.as_str()).release("test");
    }
    assert_eq!(cluster.held(), (0, 0));
    let left: Vec<PathBuf> = cluster.spill_folders().flat_map(files).collect();
    assert!(left.is_empty(), "{left:?}");
    ingested
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_have_no_room_are_read_back_bit_for_bit() {
    let folder = folder();
    let joined = "select t.id, t.x, t.some, t.name, k.boost from t join k on t.key = k.key";
    let sorted = "select id, x, name, cast(row_number() over (partition by key order by x, id) as bigint) as place from t";
    let grouped = "select id, max(x) as x, min(some) as some, min(name) as name from t group by id";
    // Neither side has room: both are sorted.
    let large = "select a.id, a.x, b.name from t a join t b on a.id = b.id";
    for (sql, clusters) in [
        ("", &[(1, 2), (3, 1)][..]),
        (joined, &[(1, 2), (3, 1)]),
        (sorted, &[(1, 2)]),
        (grouped, &[(3, 1)]),
        (large, &[(1, 2)]),
    ] {
        let plan = folder.open(&job(sql)).await.unwrap();
        let expected = ingest_locally(&plan, 2).await.unwrap();
        for (workers, threads) in clusters {
            let cluster = Cluster::start_limited(*workers, LIMIT).await;
            let limited = ingested(&cluster, &plan, *threads).await;
            assert_same(&expected, &limited, &format!("{workers} workers: {sql}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_partition_is_lost_not_read() {
    let folder = folder();
    let plan = folder.open(&job("")).await.unwrap();
    let cluster = Cluster::start_limited(1, LIMIT).await;
    let dataset = cluster.materialize(&plan, 1).await.unwrap();
    let cache = cluster.cache(cluster.urls()[0].as_str());
    let files: Vec<PathBuf> = cluster.spill_folders().flat_map(files).collect();
    let victim = files
        .iter()
        .find(|file| fs::metadata(file).unwrap().len() > 0)
        .unwrap();
    let mut bytes = fs::read(victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(victim, bytes).unwrap();
    let numbers = || dataset.partitions.iter().map(|partition| partition.number);
    let lost: Vec<u32> = numbers()
        .filter(|number| cache.get("test", *number).unwrap().is_none())
        .collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(cache.len(), dataset.partitions.len() - 1);
    assert!(!victim.exists(), "it is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_can_not_do_with_the_limit_says_so() {
    let folder = folder();
    // A join without a condition holds one side in memory.
    let sql = "select t.id, t.name, k.boost from t cross join k";
    let plan = folder.open(&job(sql)).await.unwrap();
    let cluster = Cluster::start_limited(1, LIMIT).await;
    let error = cluster.materialize(&plan, 1).await.unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Memory, "{error}");
    assert!(
        error.message.contains("the worker's limit is 1.00 MiB"),
        "{error}"
    );
    assert_eq!(error.location.as_deref(), Some(cluster.urls()[0].as_str()));
    assert!(error.hint.unwrap().contains("--memory-limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_takes_no_files_ends_the_ingestion_with_its_place() {
    let folder = folder();
    let plan = folder.open(&job("")).await.unwrap();
    let cluster = Cluster::start_limited(1, LIMIT).await;
    let spill = cluster.spill_folders().next().unwrap().to_path_buf();
    let own = fs::read_dir(&spill).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(&own).unwrap();
    let error = cluster.materialize(&plan, 1).await.unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Internal, "{error}");
    assert!(error.message.contains("can't be written to disk"), "{error}");
    assert!(error.location.unwrap().starts_with(own.to_str().unwrap()));
    assert!(error.hint.unwrap().contains("--spill-dir"));
}
