//! Rows stay on the workers, each partition on one of them, the same one each time.

use std::sync::Arc;

use rookery_data::cache::PartitionCache;
use rookery_data::engine::{Channels, Engine};
use rookery_data::{DataErrorKind, Dataset};

use crate::cluster::{Cluster, DEADLINE};
use crate::job::{Folder, gzip, zstd};

fn rows(ids: std::ops::Range<u32>) -> String {
    ids.fold("id,name\n".to_string(), |text, id| {
        text + &format!("{id},\"n {id}\"\n")
    })
}

fn job(path: &str, more: &str) -> String {
    format!(
        "[data]\npartition_bytes = 50\n[data.sources.t]\npath = \"{path}\"\ncolumns = {{ id = \"int\", name = \"string\" }}\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_worker_caches_the_rows_not_the_driver() {
    let folder = Folder::new().with("t.csv", rows(0..40));
    // Many partitions, and one.
    for partition_bytes in [50, 1 << 20] {
        let job = job("t.csv", "").replace("50", &partition_bytes.to_string());
        let plan = folder.open(&job).await.unwrap();
        let cluster = Cluster::start(1).await;
        let ingested = cluster.ingest(&plan, 1).await.unwrap();
        assert!(
            ingested
                .dataset
                .partitions
                .iter()
                .all(|p| p.owner == cluster.urls()[0].as_str())
        );
        assert_eq!(ingested.rows().len(), 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_worker_gets_a_share_and_the_same_one_each_time() {
    let folder = Folder::new().with("t.csv", rows(0..40));
    let plan = folder.open(&job("t.csv", "")).await.unwrap();
    let cluster = Cluster::start(3).await;
    let first = cluster.ingest(&plan, 5).await.unwrap().dataset;
    for url in cluster.urls() {
        let share = first
            .partitions
            .iter()
            .filter(|p| p.owner == url.as_str())
            .count();
        assert!(
            share.abs_diff(first.partitions.len() / 3) <= 1,
            "{share} of {}",
            first.partitions.len()
        );
    }
    for _ in 0..3 {
        assert_eq!(
            cluster.ingest(&plan, 5).await.unwrap().dataset.partitions,
            first.partitions
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_files_are_read_whole_and_once_by_workers() {
    for (ending, pack) in [("gz", gzip as fn(&str) -> Vec<u8>), ("zst", zstd)] {
        let folder = Folder::new();
        for i in 0..5 {
            folder.write(&format!("{i}.csv.{ending}"), pack(&rows(i * 40..(i + 1) * 40)));
        }
        let plan = folder.open(&job(&format!("*.csv.{ending}"), "")).await.unwrap();
        assert_eq!(plan.partition_count(), 5, "a compressed file is one partition");
        let ingested = crate::cluster::ingest_everywhere(&plan).await;
        let mut expected: Vec<String> = (0..200).map(|id| format!("{id},n {id}")).collect();
        expected.sort();
        assert_eq!(ingested.rows(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_line_breaks_in_fields_are_read_whole_and_once() {
    let text = |ids: std::ops::Range<u32>| {
        ids.fold("id,name\n".to_string(), |text, id| {
            text + &format!("{id},\"two\n{id}\"\n")
        })
    };
    let folder = Folder::new()
        .with("a.csv", text(0..30))
        .with("b.csv", text(30..60));
    let plan = folder.open(&job("*.csv", "multiline = true")).await.unwrap();
    assert_eq!(plan.partition_count(), 2);
    let ingested = crate::cluster::ingest_everywhere(&plan).await;
    let mut expected: Vec<String> = (0..60).map(|id| format!("{id},two\n{id}")).collect();
    expected.sort();
    assert_eq!(ingested.rows(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_is_there_is_not_computed_again() {
    let folder = Folder::new().with("t.csv", rows(0..40));
    let plan = folder.open(&job("t.csv", "")).await.unwrap();
    let cache = PartitionCache::new("here");
    let engine = Engine::local(Arc::clone(&cache), 2);
    let dataset = Dataset::materialize(&engine, &plan, "d", DEADLINE).await.unwrap();
    assert_eq!(cache.len(), dataset.partitions.len());
    assert!(dataset.memory_bytes > 0);
    assert_eq!(cache.memory_bytes() as u64, dataset.memory_bytes);
    let error = Dataset::materialize(&engine, &plan, "d", DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Internal);
    assert!(
        error.message.contains("of dataset d was computed twice"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ingestions_at_the_same_time_do_not_mix() {
    let folder = Folder::new()
        .with("t.csv", rows(0..40))
        .with("u.csv", rows(40..60));
    let (one, two) = (
        folder.open(&job("t.csv", "")).await.unwrap(),
        folder.open(&job("u.csv", "")).await.unwrap(),
    );
    let cluster = Cluster::start(2).await;
    for (plan, dataset) in [(&one, "a"), (&two, "b"), (&one, "c")] {
        cluster.announce(plan, dataset).await;
    }
    let engine = Engine::cluster(cluster.urls().to_vec(), Channels::default(), 2);
    let (first, second, third) = tokio::join!(
        Dataset::materialize(&engine, &one, "a", DEADLINE),
        Dataset::materialize(&engine, &two, "b", DEADLINE),
        Dataset::materialize(&engine, &one, "c", DEADLINE),
    );
    let (first, second, third) = (first.unwrap(), second.unwrap(), third.unwrap());
    assert_eq!((first.cleaning.rows_read, second.cleaning.rows_read), (40, 20));
    assert_eq!(first.partitions, third.partitions);
    assert_eq!(first.fingerprint, third.fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_cached_by_a_stranger_are_refused() {
    let folder = Folder::new().with("t.csv", rows(0..40));
    let plan = folder.open(&job("t.csv", "")).await.unwrap();
    // The worker calls itself by a name that the driver does not know it by.
    let cluster = Cluster::start_as(1, |_| "http://elsewhere:1/".to_string()).await;
    cluster.announce(&plan, "d").await;
    let engine = Engine::cluster(cluster.urls().to_vec(), Channels::default(), 2);
    let error = Dataset::materialize(&engine, &plan, "d", DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Internal);
    assert_eq!(
        error.message,
        "partition 0 was cached by http://elsewhere:1/, which is no worker of this plan"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_a_released_dataset_is_given_back() {
    let folder = Folder::new().with("t.csv", rows(0..40));
    let plan = folder.open(&job("t.csv", "")).await.unwrap();
    let cache = PartitionCache::new("here");
    let engine = Engine::local(Arc::clone(&cache), 2);
    let dataset = Dataset::materialize(&engine, &plan, "d", DEADLINE).await.unwrap();
    assert_eq!(cache.release("other"), 0);
    assert_eq!(cache.release("d"), dataset.partitions.len());
    assert_eq!((cache.memory_bytes(), cache.is_empty()), (0, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_count_what_they_do_from_a_scan_and_from_a_shuffle() {
    let folder = Folder::new().with("t.csv", rows(0..40));
    let self_join = "sql = \"select a.id, b.name from t a join t b on a.id = b.id\"\n";
    for query in ["", self_join] {
        let job = job("t.csv", "").replace("[data]\n", &format!("[data]\n{query}"));
        let plan = folder.open(&job).await.unwrap();
        assert_eq!(plan.shuffles(), !query.is_empty());
        let cluster = Cluster::start(2).await;
        cluster.ingest(&plan, 2).await.unwrap();
        for progress in cluster.progress() {
            assert!(progress.bytes_read > 0, "{progress:?}");
            for work in [progress.reading, progress.keeping] {
                assert_eq!(work.open, 0, "{progress:?}");
                assert!(!work.took.is_zero(), "{progress:?}");
            }
        }
    }
}
