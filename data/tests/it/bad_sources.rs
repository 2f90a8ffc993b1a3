//! Sources, files and settings that are wrong: said with their place, in the same words on any cluster.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

use crate::cluster::{Cluster, ingest_locally};
use crate::job::{Folder, batch, gzip};
use crate::refusal::{csv, job, long, refusal, shown};

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_there() {
    let folder = Folder::new().with("in/t.csv", "id,x\n1,1\n");
    let hint = "(relative paths start at the job file's folder; a folder's files are named by a glob such as \"parts/*.csv\")";
    assert_eq!(
        refusal(&folder, &job("t.csv", "")).await,
        format!("Spec: data.sources.t.path: \"t.csv\" matches no file {hint}")
    );
    assert_eq!(
        refusal(&folder, &job("in", "")).await,
        format!("Spec: data.sources.t.path: \"in\" is a folder {hint}")
    );
    assert_eq!(
        refusal(&folder, &job("in/*.parquet", "")).await,
        format!("Spec: data.sources.t.path: \"in/*.parquet\" matches no file {hint}")
    );
    assert!(
        refusal(&folder, &job("in/[", ""))
            .await
            .starts_with("Spec: data.sources.t.path: \"in/[\" is not a glob")
    );
    assert_eq!(
        refusal(&folder, &job("ftp://host/t.csv", "")).await,
        "Spec: data.sources.t.path: scheme \"ftp\" is not supported, expected a local path or glob, s3://, gs://, az://, abfss://, http:// or https://"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_rows() {
    assert_eq!(
        csv("").await,
        "Data: t.csv: the file is empty, expected at least a header (leave the file out of the glob, or write it with a header)"
    );
    assert_eq!(
        csv("id,x\n").await,
        "Data: source t: no row was read (the files hold a header only, or the query's conditions leave nothing)"
    );
    let folder = Folder::new().with("t.csv", "id,x\n,\n1,\n");
    assert_eq!(
        refusal(&folder, &job("t.csv", "drop_nulls = true")).await,
        "Data: source t: all rows were dropped: 2 rows read, 0 kept, 2 dropped (1 null id, x; 1 null x) (limit data.drop_nulls to the columns that matter, or check delimiter and null_tokens)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_are_not_there() {
    let folder = Folder::new()
        .with("t.csv", "id,y\n1,1\n")
        .with("two.csv", "id,id\n1,1\n");
    assert_eq!(
        refusal(&folder, &job("t.csv", "")).await,
        "Spec: data.sources.t.columns names column \"x\", which is not there (columns: id, y)"
    );
    let all = |data: &str, path: &str| format!("[data]\n{data}\n[data.sources.t]\npath = \"{path}\"");
    assert_eq!(
        refusal(&folder, &all("drop_nulls = [\"z\"]", "t.csv")).await,
        "Spec: data.drop_nulls names column \"z\", which is not there (columns: id, y)"
    );
    assert_eq!(
        refusal(&folder, &all("", "two.csv")).await,
        "Data: two.csv:1: column \"id\" is in the header twice"
    );
    let folder = Folder::new().with("t.csv", "id,__partition\n1,1\n");
    assert_eq!(
        refusal(&folder, &all("", "t.csv")).await,
        "Spec: data.sources.t: column \"__partition\" can't be read: names that start with __ are reserved"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_fit_together() {
    let folder = Folder::new()
        .with("a.csv", "id,x\n1,1\n")
        .with("b.csv", "x,id\n1,1\n");
    assert_eq!(
        refusal(&folder, &job("*.csv", "")).await,
        "Data: b.csv:1: the header is [x, id], expected [id, x] as in a.csv (files of one source share one header)"
    );
    let folder = Folder::new()
        .with("a.csv", "id,x\n1,1\n")
        .with("b.csv.gz", gzip("id,x\n1,1\n"));
    assert_eq!(
        refusal(&folder, &job("*.csv*", "")).await,
        "Spec: b.csv.gz: compressions differ: Gzip, but None for a.csv (make a source for each compression, or set compression)"
    );
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let folder = Folder::new()
        .with_parquet("a.parquet", &batch(vec![("id", ints)]), 1)
        .with_parquet("b.parquet", &batch(vec![("id", texts)]), 1);
    assert_eq!(
        refusal(&folder, "[data.sources.t]\npath = \"*.parquet\"").await,
        "Data: b.parquet: the columns are [id Utf8], expected [id Int64] as in a.parquet"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files() {
    let packed = gzip(&long("1,1"));
    let folder = Folder::new()
        .with("cut.csv.gz", &packed[..packed.len() / 2])
        .with("text.csv.gz", "id,x\n1,1\n");
    let hint = "(the file may be cut off or damaged)";
    let message = refusal(&folder, &job("cut.csv.gz", "")).await;
    assert!(
        message.starts_with("Data: cut.csv.gz: can't be read to its end: ") && message.ends_with(hint),
        "{message}"
    );
    let message = refusal(&folder, &job("text.csv.gz", "")).await;
    assert!(
        message.starts_with("Data: text.csv.gz:1: can't be read as CSV: "),
        "{message}"
    );

    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5000));
    let xs: ArrayRef = Arc::new(Float64Array::from_iter_values((0..5000).map(f64::from)));
    let folder = Folder::new().with_parquet("t.parquet", &batch(vec![("id", ids), ("x", xs)]), 1000);
    let mut bytes = std::fs::read(folder.path().join("t.parquet")).unwrap();
    folder.write("cut.parquet", &bytes[..bytes.len() - 10]);
    for byte in &mut bytes[4..40] {
        *byte = 0xee;
    }
    folder.write("bad.parquet", &bytes);
    for file in ["cut.parquet", "bad.parquet"] {
        let message = refusal(&folder, &job(file, "partition_bytes = 1")).await;
        assert!(
            message.starts_with(&format!("Data: {file}: can't be read as Parquet: ")),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_went_away_after_planning() {
    let folder = Folder::new().with("t.csv", "id,x\n1,1\n");
    let plan = folder.open(&job("t.csv", "")).await.unwrap();
    std::fs::remove_file(folder.path().join("t.csv")).unwrap();
    for error in [
        ingest_locally(&plan, 1).await.unwrap_err(),
        Cluster::start(2).await.ingest(&plan, 1).await.unwrap_err(),
    ] {
        let message = shown(&folder, &error);
        assert!(message.starts_with("Data: t.csv: can't be read: "), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn splits_that_can_not_be_made() {
    let folder = Folder::new().with("t.csv", "id,x\n1,1\n2,2\n");
    let with = |split: &str| job("t.csv", "") + "\n[split]\n" + split;
    assert_eq!(
        refusal(&folder, &with("weights = [0.7, -1]")).await,
        "Spec: split.weights holds -1, expected numbers of at least 0"
    );
    assert_eq!(
        refusal(&folder, &with("weights = [0, 1]")).await,
        "Spec: split.weights[0] is 0: no row would be left to train on"
    );
    assert_eq!(
        refusal(&folder, &with("weights = [1e-9, 1]")).await,
        "Data: split.weights: the training part is empty: 2 rows were kept, none fell into it"
    );
    assert_eq!(
        refusal(
            &folder,
            &with("weights = [1, 1]\nmethod = \"key\"\nkey = [\"who\"]")
        )
        .await,
        "Spec: split.key names column \"who\", which is not there (columns: id, x)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense() {
    let folder = Folder::new()
        .with("t.csv", "id,x\n1,1\n")
        .with("t.parquet.gz", gzip("x"));
    assert_eq!(
        refusal(&folder, &job("t.csv", "partition_bytes = 0")).await,
        "Spec: data.partition_bytes is 0, expected at least 1"
    );
    assert_eq!(
        refusal(&folder, &job("t.csv", "sql_partitions = 0")).await,
        "Spec: data.sql_partitions is 0, expected at least 1"
    );
    assert_eq!(
        refusal(&folder, &(job("t.csv", "") + "\nquote = \",\"")).await,
        "Spec: delimiter and quote are both ',', expected two characters"
    );
    let message = refusal(&folder, &job("t.parquet.gz", "")).await;
    assert!(
        message.starts_with("Spec: data.sources.t: a compressed Parquet file can't be read"),
        "{message}"
    );
    assert!(
        refusal(&folder, "[data.sources]")
            .await
            .starts_with("Spec: data.sources names no source")
    );
    let two = "[data.sources.a]\npath = \"t.csv\"\n[data.sources.b]\npath = \"t.csv\"";
    assert!(
        refusal(&folder, two)
            .await
            .starts_with("Spec: data.sources names 2 sources, but there is no data.sql")
    );
}
