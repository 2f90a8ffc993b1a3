//! Partitions are defined by the data alone: their rows are the same for any number of workers and threads, and
//! each row is in exactly one of them.

use crate::cluster::{ingest_everywhere, ingest_locally};
use crate::job::Folder;

/// Lines `id,text,square`, of different lengths.
fn lines(ids: std::ops::Range<u32>) -> Vec<String> {
    ids.map(|id| format!("{id},{},{}", "x".repeat(id as usize % 23), id * id))
        .collect()
}

fn file(ids: std::ops::Range<u32>, line_end: &str, final_line_end: &str) -> String {
    format!(
        "id,text,square{line_end}{}{final_line_end}",
        lines(ids).join(line_end)
    )
}

fn job(partition_bytes: u64) -> String {
    format!(
        r#"
        [data]
        partition_bytes = {partition_bytes}
        [data.sources.rows]
        path = "parts/*.csv"
        columns = {{ id = "int", text = "string", square = "long" }}
        "#
    )
}

/// Three files, of which one ends its lines as Windows does and two have no line end at their end.
fn three_files() -> Folder {
    Folder::new()
        .with("parts/a.csv", file(0..70, "\n", "\n"))
        .with("parts/b.csv", file(70..110, "\r\n", ""))
        .with("parts/c.csv", file(110..150, "\n", ""))
        .with("parts/notes.txt", "not a source")
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_files_cut_anywhere_give_each_row_once() {
    let folder = three_files();
    // Shorter than a line, near a line's length, several lines, whole files.
    for bytes in [7, 24, 61, 1000, 1 << 20] {
        let plan = folder
            .open(&(job(bytes) + "\n[split]\nweights = [0.7, 0.3]\nseed = 5"))
            .await
            .unwrap();
        let ingested = ingest_everywhere(&plan).await;
        let mut expected = lines(0..150);
        expected.sort();
        assert_eq!(ingested.rows(), expected, "partition_bytes = {bytes}");
        assert_eq!(ingested.dataset.cleaning.rows_read, 150);
        if bytes == 1 << 20 {
            assert_eq!(ingested.dataset.partitions.len(), 3, "a file is one partition");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_files_order() {
    let folder = three_files();
    let plan = folder.open(&job(200)).await.unwrap();
    assert_eq!(ingest_locally(&plan, 5).await.unwrap().part(0), lines(0..150));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_makes_other_partitions_of_the_same_rows() {
    let folder = three_files();
    let small = ingest_locally(&folder.open(&job(100)).await.unwrap(), 2)
        .await
        .unwrap();
    let large = ingest_locally(&folder.open(&job(500)).await.unwrap(), 2)
        .await
        .unwrap();
    assert_eq!(small.rows(), large.rows());
    assert!(small.dataset.partitions.len() > large.dataset.partitions.len());
    assert_ne!(small.dataset.fingerprint, large.dataset.fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_value_changes_the_fingerprint() {
    let folder = three_files();
    let before = ingest_locally(&folder.open(&job(1000)).await.unwrap(), 2)
        .await
        .unwrap();
    let text = file(110..150, "\n", "").replace("149,", "148,");
    folder.write("parts/c.csv", text);
    let after = ingest_locally(&folder.open(&job(1000)).await.unwrap(), 2)
        .await
        .unwrap();
    assert_ne!(before.dataset.fingerprint, after.dataset.fingerprint);
    assert_eq!(before.dataset.part_rows, after.dataset.part_rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_may_have_any_name() {
    let folder = Folder::new().with("a[1] 100%/in.csv", "x\n1\n2\n");
    let base = folder.path().join("a[1] 100%");
    let job = "[data.sources.t]\npath = \"*.csv\"\ncolumns = { x = \"int\" }";
    let plan = crate::job::open_in(&base, job).await.unwrap();
    assert_eq!(ingest_locally(&plan, 1).await.unwrap().rows(), ["1", "2"]);
}
