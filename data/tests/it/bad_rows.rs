//! Rows that break a rule: said with file, line, column and value, in the same words on any cluster.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray};
use arrow::datatypes::Int32Type;
use rookery_data::DataErrorKind;

use crate::cluster::{Cluster, ingest_locally};
use crate::job::{Folder, batch, gzip, zstd};
use crate::refusal::{csv, job, long, refusal};

const DECLARE: &str = "declare the column as string, or add null_tokens = ";
const QUOTE: &str =
    "a field that holds the delimiter must be quoted; set multiline = true if quoted fields hold line breaks";

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_their_column() {
    assert_eq!(
        csv("id,x\n1,1\n2,high\n").await,
        format!(
            "Data: t.csv:3: column \"x\" holds \"high\", expected float ({DECLARE}[\"high\"] if it means null)"
        )
    );
    assert_eq!(
        csv("id,x\n2147483648,1\n").await,
        format!(
            "Data: t.csv:2: column \"id\" holds \"2147483648\", expected int ({DECLARE}[\"2147483648\"] if it means null)"
        )
    );
    assert_eq!(
        csv("id,x\n1.0,1\n").await,
        format!(
            "Data: t.csv:2: column \"id\" holds \"1.0\", expected int ({DECLARE}[\"1.0\"] if it means null)"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_is_right_in_later_partitions_of_a_file() {
    let folder = Folder::new().with("t.csv", long("oops,1"));
    let expected = |file: &str| {
        format!(
            "Data: {file}:2002: column \"id\" holds \"oops\", expected int ({DECLARE}[\"oops\"] if it means null)"
        )
    };
    assert_eq!(
        refusal(&folder, &job("t.csv", "partition_bytes = 500")).await,
        expected("t.csv")
    );
    let windows = Folder::new().with("t.csv", long("oops,1").replace('\n', "\r\n"));
    assert_eq!(
        refusal(&windows, &job("t.csv", "partition_bytes = 500")).await,
        expected("t.csv")
    );
    let packed = Folder::new()
        .with("t.csv.gz", gzip(&long("oops,1")))
        .with("u.csv.zst", zstd(&long("oops,1")));
    assert_eq!(refusal(&packed, &job("t.csv.gz", "")).await, expected("t.csv.gz"));
    assert_eq!(
        refusal(&packed, &job("u.csv.zst", "")).await,
        expected("u.csv.zst")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_without_a_record_count_as_lines() {
    let text = "# made by hand\nid,x\n\n1,1\n# the next one is bad\n\n2,high\n";
    let folder = Folder::new()
        .with("t.csv", text)
        .with("u.csv", text.replace('\n', "\r\n"));
    for file in ["t.csv", "u.csv"] {
        let job = job(file, "") + "\ncomment = \"#\"";
        let message = refusal(&folder, &job).await;
        assert!(
            message.starts_with(&format!("Data: {file}:7: column \"x\" holds \"high\"")),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_bad_records_the_first_is_named_whichever_worker_fails_first() {
    let folder = Folder::new()
        .with("a.csv", "id,x\n1,1\n")
        .with("b.csv", long("2,late") + "3,later\n")
        .with("c.csv", "id,x\nearly,1\n");
    let message = refusal(&folder, &job("*.csv", "partition_bytes = 300")).await;
    assert!(
        message.starts_with("Data: b.csv:2002: column \"x\" holds \"late\""),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_with_a_wrong_number_of_fields() {
    assert_eq!(
        csv("id,x\n1,1\n2,2,2\n").await,
        format!("Data: t.csv:3: 3 fields, expected 2 ({QUOTE})")
    );
    assert_eq!(
        csv("id,x\n1,1\n2\n").await,
        format!("Data: t.csv:3: 1 fields, expected 2 ({QUOTE})")
    );
    let folder = Folder::new().with("t.csv", long("1,1,1"));
    assert_eq!(
        refusal(&folder, &job("t.csv", "partition_bytes = 500")).await,
        format!("Data: t.csv:2002: 3 fields, expected 2 ({QUOTE})")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_utf8() {
    assert_eq!(
        csv(b"id,x\n1,1\n2,\xff\xfe\n").await,
        "Data: t.csv:3: column \"x\" holds bytes that are not UTF-8 (save the file as UTF-8)"
    );
    let header = csv(b"id,\xff\n1,1\n").await;
    assert!(
        header.starts_with("Data: t.csv:1: can't be read as CSV"),
        "{header}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_in_a_row_that_is_dropped_does_no_harm() {
    let folder = Folder::new().with("t.csv", "id,x\n1,1\noops,\n2,2\n");
    let plan = folder.open(&job("t.csv", "drop_nulls = [\"x\"]")).await.unwrap();
    assert_eq!(ingest_locally(&plan, 1).await.unwrap().rows(), ["1,1.0", "2,2.0"]);
    let x: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None]));
    let big: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX]));
    let folder = Folder::new().with_parquet("t.parquet", &batch(vec![("id", big), ("x", x)]), 10);
    let plan = folder
        .open(&job("t.parquet", "drop_nulls = [\"x\"]"))
        .await
        .unwrap();
    assert_eq!(ingest_locally(&plan, 1).await.unwrap().rows(), ["1,1.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_values_and_types_that_do_not_fit() {
    let xs: ArrayRef = Arc::new(Float64Array::from_iter_values(
        (0..3000).map(|i| if i < 2500 { 1.0 } else { 3e9 }),
    ));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..3000).map(|i| if i == 1700 { "?" } else { "7" }),
    ));
    let folder = Folder::new().with_parquet("t.parquet", &batch(vec![("id", ids), ("x", xs)]), 500);
    assert_eq!(
        refusal(&folder, &job("t.parquet", "partition_bytes = 1")).await,
        "Data: t.parquet, row 1701: column \"id\" holds \"?\", expected int (declare the column with a type that holds the value)"
    );
    let only_x =
        "[data]\npartition_bytes = 1\n[data.sources.t]\npath = \"t.parquet\"\ncolumns = { x = \"int\" }";
    let message = refusal(&folder, only_x).await;
    assert!(
        message.starts_with("Data: t.parquet, row 2501: column \"x\" holds \"3000000000.0\", expected int"),
        "{message}"
    );

    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(
        1,
    )])]));
    let folder = Folder::new().with_parquet("t.parquet", &batch(vec![("l", lists)]), 1);
    let message = refusal(&folder, "[data.sources.t]\npath = \"t.parquet\"").await;
    assert!(
        message.starts_with("Spec: data.sources.t: column \"l\" has type List(Int32)"),
        "{message}"
    );
    let message = refusal(
        &folder,
        "[data.sources.t]\npath = \"t.parquet\"\ncolumns = { l = \"float\" }",
    )
    .await;
    assert!(message.starts_with("Spec: data.sources.t.columns"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_met_by_a_query_has_its_place_too() {
    let folder = Folder::new().with("t.csv", long("oops,1"));
    let data = "partition_bytes = 500\nsql = \"select x, sum(id) as s from t group by x\"";
    let message = refusal(&folder, &job("t.csv", data)).await;
    assert!(
        message.starts_with("Data: t.csv:2002: column \"id\" holds \"oops\""),
        "{message}"
    );
    let division = "sql = \"select 1 / (id - 1000) as y from t\"";
    let good = Folder::new().with("t.csv", long("1,1"));
    let plan = good.open(&job("t.csv", division)).await.unwrap();
    let error = Cluster::start(2).await.ingest(&plan, 2).await.unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Data, "{error}");
}
