//! Where a row goes follows from the seed and the row, never from the cluster.

use std::collections::BTreeMap;

use crate::cluster::{Ingested, ingest_everywhere, ingest_locally};
use crate::job::Folder;

/// `id,who,x`; `x` is null in every fifth row.
fn file() -> Folder {
    let text = (0..200).fold("id,who,x\n".to_string(), |text, id| {
        let x = if id % 5 == 0 {
            String::new()
        } else {
            (id % 7).to_string()
        };
        text + &format!("{id},w{},{x}\n", id * 31 % 40)
    });
    Folder::new().with("t.csv", text)
}

async fn split(folder: &Folder, data: &str, split: &str) -> Ingested {
    let job = format!(
        "[data]\npartition_bytes = 150\n{data}\n[data.sources.t]\npath = \"t.csv\"\ncolumns = {{ id = \"int\", who = \"string\", x = \"int\" }}\n[split]\n{split}"
    );
    ingest_everywhere(&folder.open(&job).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_keys_stay_together_over_all_partitions() {
    let ingested = split(
        &file(),
        "",
        "method = \"key\"\nkey = [\"who\"]\nweights = [1, 1]\nseed = 3",
    )
    .await;
    let mut part_of: BTreeMap<String, usize> = BTreeMap::new();
    for part in 0..2 {
        for row in ingested.part(part) {
            let who = row.split(',').nth(1).unwrap().to_string();
            assert_eq!(*part_of.entry(who).or_insert(part), part, "{row}");
        }
    }
    assert_eq!(part_of.len(), 40);
    let in_first = part_of.values().filter(|part| **part == 0).count();
    assert!((5..35).contains(&in_first), "{in_first} of 40 keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rows_part_does_not_depend_on_the_rows_dropped_before_it() {
    let folder = file();
    let how = "weights = [0.6, 0.4]\nseed = 11";
    let (all, cleaned) = (
        split(&folder, "", how).await,
        split(&folder, "drop_nulls = true", how).await,
    );
    assert_eq!(cleaned.dataset.cleaning.rows_kept, 160);
    for part in 0..2 {
        let expected: Vec<String> = all
            .part(part)
            .into_iter()
            .filter(|row| !row.ends_with(','))
            .collect();
        assert_eq!(cleaned.part(part), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_parts_hold_every_row_once() {
    for method in ["row", "spark", "key"] {
        let key = if method == "key" { "key = [\"id\"]" } else { "" };
        let how = format!("method = \"{method}\"\n{key}\nweights = [2, 1, 1]\nseed = 42");
        let ingested = split(&file(), "", &how).await;
        let mut ids: Vec<u32> = (0..3)
            .flat_map(|part| ingested.part(part))
            .map(|row| row.split(',').next().unwrap().parse().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..200).collect::<Vec<_>>(), "{method}");
        let rows = &ingested.dataset.part_rows;
        assert!(
            rows.len() == 3 && rows.iter().all(|n| (25..150).contains(n)),
            "{method}: {rows:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_seed_splits_otherwise() {
    let folder = file();
    let one = split(&folder, "", "weights = [1, 1]\nseed = 1").await;
    let two = split(&folder, "", "weights = [1, 1]\nseed = 2").await;
    assert_eq!(one.rows(), two.rows());
    assert_ne!(one.part(0), two.part(0));
    assert_ne!(one.dataset.fingerprint, two.dataset.fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn sparks_split_of_several_partitions_is_sparks() {
    // Spark's `range(40, 4 partitions)`: ten numbers in each of four files.
    let spark: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/spark_sampling.json")).unwrap();
    for (files, name) in [
        (1, "range40_parts1_split_2_1_1_seed42"),
        (4, "range40_parts4_split_2_1_1_seed42"),
    ] {
        let folder = Folder::new();
        for file in 0..files {
            let ids = file * 40 / files..(file + 1) * 40 / files;
            folder.write(
                &format!("{file}.csv"),
                ids.fold("id\n".to_string(), |t, id| t + &format!("{id}\n")),
            );
        }
        let job = "[data.sources.t]\npath = \"*.csv\"\ncolumns = { id = \"int\" }\n[split]\nmethod = \"spark\"\nweights = [2, 1, 1]\nseed = 42";
        let ingested = ingest_locally(&folder.open(job).await.unwrap(), 2).await.unwrap();
        for part in 0..3 {
            let ids: Vec<u64> = ingested.part(part).iter().map(|id| id.parse().unwrap()).collect();
            let expected: Vec<u64> = serde_json::from_value(spark["range"][name][part].clone()).unwrap();
            assert_eq!(ids, expected, "{name}, part {part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sparks_sort_puts_nulls_first_and_nan_last_and_knows_one_zero() {
    let folder = Folder::new().with("t.csv", "x,n\nNaN,1\n0.0,2\n-0.0,3\n,4\n-inf,5\n0.0,6\n");
    let job = "[data.sources.t]\npath = \"t.csv\"\ncolumns = { x = \"double\" }\n[split]\nmethod = \"spark\"\nweights = [1, 0]";
    let ingested = ingest_locally(&folder.open(job).await.unwrap(), 1).await.unwrap();
    assert_eq!(ingested.part(0), ["", "-inf", "0.0", "-0.0", "0.0", "NaN"]);
}
