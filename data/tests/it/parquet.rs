//! Parquet files, whatever types their writers chose.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    LargeStringArray, StringArray, StringViewArray, UInt8Array,
};
use arrow::datatypes::Int32Type;

use crate::cluster::{ingest_everywhere, ingest_locally};
use crate::job::{Folder, batch};

fn numbers(ids: std::ops::Range<i64>) -> arrow::array::RecordBatch {
    let x: ArrayRef = Arc::new(Float64Array::from_iter(
        ids.clone().map(|id| (id % 4 != 0).then_some(id as f64 / 3.0)),
    ));
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    batch(vec![("id", id), ("x", x)])
}

#[tokio::test(flavor = "multi_thread")]
async fn row_groups_are_partitions_and_each_row_is_in_one() {
    let folder = Folder::new()
        .with_parquet("a.parquet", &numbers(0..100), 13)
        .with_parquet("b.parquet", &numbers(100..130), 30)
        .with_parquet("c.parquet", &numbers(130..190), 20);
    // A partition for each row group; and one for each file.
    for (bytes, partitions) in [(1, 12), (1 << 20, 3)] {
        let job = format!(
            "[data]\npartition_bytes = {bytes}\n[data.sources.t]\npath = \"*.parquet\"\n[split]\nweights = [1, 0]"
        );
        let plan = folder.open(&job).await.unwrap();
        assert_eq!(plan.partition_count(), partitions);
        let ingested = ingest_everywhere(&plan).await;
        let ids: Vec<i64> = ingested
            .part(0)
            .iter()
            .map(|row| row.split(',').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(ids, (0..190).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_with_nulls_are_dropped() {
    let folder = Folder::new().with_parquet("a.parquet", &numbers(0..100), 13);
    let plan = folder
        .open("[data]\ndrop_nulls = true\npartition_bytes = 1\n[data.sources.t]\npath = \"a.parquet\"")
        .await
        .unwrap();
    let ingested = ingest_everywhere(&plan).await;
    assert_eq!(
        ingested.dataset.cleaning.to_string(),
        "100 rows read, 75 kept, 25 dropped (null x)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_mean_what_they_mean_to_spark() {
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(39.1),
        Some(-2.9),
        Some(1e300),
        None,
    ]));
    let folder = Folder::new().with_parquet("a.parquet", &batch(vec![("x", doubles)]), 10);
    let job = |t: &str| {
        format!(
            "[data.sources.t]\npath = \"a.parquet\"\ncolumns = {{ x = \"{t}\" }}\n[split]\nweights = [1, 0]"
        )
    };
    let plan = folder.open(&job("float")).await.unwrap();
    let ingested = ingest_everywhere(&plan).await;
    assert_eq!(ingested.part(0), ["39.1", "-2.9", "inf", ""]);
    assert_eq!(ingested.dataset.columns[0].1.name(), "float");

    let small: ArrayRef = Arc::new(Float64Array::from(vec![Some(39.9), Some(-2.9), None]));
    let folder = Folder::new().with_parquet("a.parquet", &batch(vec![("x", small)]), 10);
    let plan = folder.open(&job("int")).await.unwrap();
    assert_eq!(
        ingest_locally(&plan, 1).await.unwrap().part(0),
        ["39", "-2", ""],
        "cut off, not rounded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_numbers_and_booleans_of_many_arrow_types() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("p"), None, Some("p")].into_iter().collect();
    let decimal = Decimal128Array::from(vec![Some(12345), None, Some(-5)])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "utf8",
            Arc::new(StringArray::from(vec![Some("é"), None, Some("")])),
        ),
        (
            "large",
            Arc::new(LargeStringArray::from(vec![Some("l"), None, Some("m")])),
        ),
        (
            "view",
            Arc::new(StringViewArray::from(vec![
                Some("v"),
                None,
                Some("a text longer than twelve bytes"),
            ])),
        ),
        ("dictionary", Arc::new(dictionary)),
        ("decimal", Arc::new(decimal)),
        ("byte", Arc::new(UInt8Array::from(vec![Some(255), None, Some(0)]))),
        (
            "int",
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ),
        (
            "digits",
            Arc::new(StringViewArray::from(vec![Some(" 39.1 "), None, Some("1e2")])),
        ),
    ];
    let folder = Folder::new().with_parquet("a.parquet", &batch(columns), 2);
    let all =
        "[data]\npartition_bytes = 1\n[data.sources.t]\npath = \"a.parquet\"\n[split]\nweights = [1, 0]";
    let ingested = ingest_everywhere(&folder.open(all).await.unwrap()).await;
    assert_eq!(
        ingested.part(0),
        [
            "é,l,v,p,123.45,255,-2147483648,true, 39.1 ",
            ",,,,,,,,",
            ",m,a text longer than twelve bytes,p,-0.05,0,2147483647,false,1e2"
        ]
    );
    let types: Vec<&str> = ingested.dataset.columns.iter().map(|(_, t)| t.name()).collect();
    assert_eq!(
        types,
        [
            "string", "string", "string", "string", "double", "int", "int", "boolean", "string"
        ]
    );

    let some = "[data.sources.t]\npath = \"a.parquet\"\ncolumns = { digits = \"float\", int = \"long\", decimal = \"float\" }\n[split]\nweights = [1, 0]";
    let ingested = ingest_everywhere(&folder.open(some).await.unwrap()).await;
    assert_eq!(
        ingested.part(0),
        ["39.1,-2147483648,123.45", ",,", "100.0,2147483647,-0.05"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_among_others_adds_nothing() {
    let folder = Folder::new()
        .with_parquet("a.parquet", &numbers(0..0), 10)
        .with_parquet("b.parquet", &numbers(0..5), 10);
    let plan = folder
        .open("[data.sources.t]\npath = \"*.parquet\"")
        .await
        .unwrap();
    assert_eq!(ingest_everywhere(&plan).await.rows().len(), 5);
}
