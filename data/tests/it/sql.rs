//! Queries over the sources: any of them gives the same partitions on any cluster, or is refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use rookery_data::{DataErrorKind, IngestPlan};

use crate::cluster::{Cluster, Ingested, ingest_everywhere, ingest_locally};
use crate::job::{Folder, batch};

/// `Orders.csv` (60 rows) and `prices.parquet` (6 rows in 3 row groups).
fn shop() -> Folder {
    let orders = (0..60).fold("Id,Item,Count\n".to_string(), |text, id| {
        let count = if id % 10 == 9 {
            String::new()
        } else {
            (id * 7 % 13).to_string()
        };
        text + &format!("{id},item {},{count}\n", id % 6)
    });
    let items: ArrayRef = Arc::new(StringArray::from_iter_values((0..6).map(|i| format!("item {i}"))));
    let prices: ArrayRef = Arc::new(Float64Array::from_iter_values((0..6).map(|i| f64::from(i) + 0.5)));
    Folder::new().with("Orders.csv", orders).with_parquet(
        "prices.parquet",
        &batch(vec![("Item", items), ("Price", prices)]),
        2,
    )
}

fn job(sql: &str) -> String {
    format!(
        r#"
        [data]
        partition_bytes = 100
        sql = """{sql}"""
        sql_partitions = 5
        [data.sources.Orders]
        path = "Orders.csv"
        columns = {{ Id = "int", Item = "string", Count = "int" }}
        [data.sources.prices]
        path = "prices.parquet"
        "#
    )
}

async fn everywhere(sql: &str) -> (IngestPlan, Ingested) {
    let folder = shop();
    let plan = folder.open(&job(sql)).await.unwrap();
    let ingested = ingest_everywhere(&plan).await;
    (plan, ingested)
}

async fn refusal(sql: &str) -> String {
    let error = shop().open(&job(sql)).await.unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Spec, "{error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_projections_keep_the_files_partitions() {
    let sql = "with big as (select Id, Count * 2 as Twice, Item from Orders where Count > 3)
               select Twice, b.Id from big b where Item <> 'item 2'";
    let (plan, ingested) = everywhere(sql).await;
    assert!(plan.to_string().contains("query (InOrder)"), "{plan}");
    assert_eq!(plan.partition_count(), 8);
    let count = |id: u32| id * 7 % 13;
    let expected: Vec<String> = (0..60)
        .filter(|id| id % 10 != 9 && count(*id) > 3 && id % 6 != 2)
        .map(|id| format!("{},{id}", count(id) * 2))
        .collect();
    let mut rows = ingested.rows();
    rows.sort_by_key(|row| row.split(',').nth(1).unwrap().parse::<u32>().unwrap());
    assert_eq!(rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_of_csv_and_parquet_is_the_same_everywhere() {
    let sql = "select o.Id, o.Count * p.Price as Total from Orders o join prices p on o.Item = p.Item";
    let (plan, ingested) = everywhere(sql).await;
    assert!(plan.to_string().contains("query (Shuffled)"), "{plan}");
    assert_eq!(plan.partition_count(), 5);
    assert_eq!(ingested.dataset.cleaning.rows_kept, 60);
    assert!(
        ingested.rows().contains(&"11,66.0".to_string()),
        "{:?}",
        ingested.rows()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_the_same_everywhere() {
    let sql =
        "select Item, sum(Count) as Sum, count(*) as Rows, avg(Count) as Mean from Orders group by Item";
    let (_, ingested) = everywhere(sql).await;
    let mut sums = [0u32; 6];
    let mut counted = [0u32; 6];
    for id in (0..60).filter(|id| id % 10 != 9) {
        sums[id as usize % 6] += id * 7 % 13;
        counted[id as usize % 6] += 1;
    }
    let expected: Vec<String> = (0..6)
        .map(|i| {
            let mean = f64::from(sums[i]) / f64::from(counted[i]);
            format!("item {i},{},10,{mean:?}", sums[i])
        })
        .collect();
    assert_eq!(ingested.rows(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_of_one_row_is_cached_by_a_worker() {
    let (_, ingested) = everywhere("select max(Id) as Last, count(Count) as Counted from Orders").await;
    assert_eq!(ingested.rows(), ["59,54"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_union_keeps_every_row() {
    let sql = "select Item from Orders union all select Item from prices union all select Item from prices";
    let (_, ingested) = everywhere(sql).await;
    assert_eq!(ingested.rows().len(), 72);
    assert_eq!(
        ingested.rows().iter().filter(|item| *item == "item 3").count(),
        12
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sorted_limit_is_the_same_everywhere_even_among_equals() {
    // Ten rows share each item: the limit cuts through a group of equals.
    let (_, ingested) = everywhere("select Id from Orders order by Item limit 15").await;
    let mut ids: Vec<u32> = ingested.rows().iter().map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 6, 7, 12, 13, 18, 19, 24, 25, 30, 36, 42, 48, 54]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_shapes_of_queries_are_the_same_everywhere() {
    let (folder, clusters) = (shop(), [Cluster::start(1).await, Cluster::start(3).await]);
    for sql in [
        "select distinct Count from Orders",
        "select Id from Orders order by Id desc",
        "select Item, Price from prices where Price > (select avg(Price) from prices)",
        "select Id from Orders where Item in (select Item from prices where Price < 2)",
        "select Id, sum(Count) over (partition by Item order by Id) as Running from Orders",
        "select o.Id, p.Item from Orders o cross join prices p where o.Id < 3",
        "select o.Id, p.Price from Orders o left join prices p on o.Id = p.Price - 0.5",
        "select Id from Orders except select Count from Orders",
    ] {
        let plan = folder.open(&job(sql)).await.unwrap();
        let local = ingest_locally(&plan, 1).await.unwrap();
        assert!(!local.rows().is_empty(), "{sql}");
        for cluster in &clusters {
            let distributed = cluster.ingest(&plan, 2).await.unwrap();
            assert_eq!(local.partitions, distributed.partitions, "{sql}");
            assert_eq!(
                local.dataset.fingerprint, distributed.dataset.fingerprint,
                "{sql}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_querys_nulls_are_dropped_after_it() {
    let folder = shop();
    let sql = "select Id, Count + 1 as More from Orders";
    let job = job(sql).replace("partition_bytes", "drop_nulls = [\"More\"]\npartition_bytes");
    let ingested = ingest_everywhere(&folder.open(&job).await.unwrap()).await;
    assert_eq!(
        ingested.dataset.cleaning.to_string(),
        "60 rows read, 54 kept, 6 dropped (null More)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_keep_their_case_and_keywords_do_not_care() {
    let folder = shop();
    let sql = "SELECT Item, COUNT(*) AS N, Max(Id) AS LastId FROM Orders GROUP BY Item";
    let plan = folder.open(&job(sql)).await.unwrap();
    assert_eq!(plan.column_names(), ["Item", "N", "LastId"]);
    assert_eq!(ingest_locally(&plan, 2).await.unwrap().rows().len(), 6);
    let error = folder.open(&job("select item from Orders")).await.unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Spec);
    assert!(error.message.contains("No field named item"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_querys_literal_rows_are_cached_by_workers() {
    let (_, ingested) = everywhere("select Id from Orders where Id < 2 union all values (100), (101)").await;
    assert_eq!(ingested.rows(), ["0", "1", "100", "101"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_change_from_run_to_run_are_refused() {
    assert!(
        refusal("select random() as R from Orders")
            .await
            .contains("random() gives other values each time")
    );
    assert!(
        refusal("select Id, now() as T from Orders")
            .await
            .contains("now() gives other values each time")
    );
    assert!(
        refusal("select uuid() as U from Orders")
            .await
            .contains("uuid() gives other values each time")
    );
    let limit = "data.sql: LIMIT without ORDER BY takes other rows each time";
    assert_eq!(refusal("select Id from Orders limit 5").await, limit);
    assert_eq!(
        refusal("select Id from (select Id from Orders limit 5) order by Id limit 3").await,
        limit
    );
    assert_eq!(
        refusal("select Id from Orders where Id in (select Id from Orders limit 5)").await,
        limit
    );
    assert!(
        refusal("select Item, first_value(Id) as F from Orders group by Item")
            .await
            .contains("order of the rows")
    );
    assert!(
        refusal("select Id, row_number() over () as N from Orders")
            .await
            .contains("order of the rows")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_can_not_be_cached_are_refused() {
    assert!(
        refusal("select Id, Count as Id from Orders")
            .await
            .contains("\"Id\" which would be ambiguous")
    );
    assert_eq!(
        refusal("select o.Item, p.Item from Orders o join prices p on o.Item = p.Item").await,
        "data.sql: the query returns two columns named \"Item\""
    );
    assert_eq!(
        refusal("select Id as __partition from Orders").await,
        "data.sql: column \"__partition\": names that start with __ are reserved"
    );
    assert!(
        refusal("select __partition from Orders")
            .await
            .contains("No field named __partition")
    );
    assert_eq!(
        refusal("select array_agg(Id order by Id) as A from Orders").await,
        "data.sql: column \"A\" has type List(Int32), which can't be trained on"
    );
    for statement in [
        "create table t as select Id from Orders",
        "drop table Orders",
        "copy (select Id from Orders) to 'out.csv'",
        "insert into Orders select Id, Item, Count from Orders",
        "explain select Id from Orders",
        "set datafusion.execution.batch_size = 1",
    ] {
        assert_eq!(
            refusal(statement).await,
            "data.sql: the statement is no query, expected SELECT",
            "{statement}"
        );
    }
    assert!(refusal("selec Id from Orders").await.contains("selec"));
    assert!(refusal("select Id from nowhere").await.contains("nowhere"));
    assert!(refusal("select * from '/etc/passwd'").await.contains("not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_leaves_nothing_is_an_error() {
    let folder = shop();
    for sql in [
        "select Id from Orders where Id > 1000",
        "select Id from Orders where 1 = 0",
    ] {
        let plan = folder.open(&job(sql)).await.unwrap();
        let error = ingest_locally(&plan, 2).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (DataErrorKind::Data, "no row was read")
        );
    }
}
