//! Rows for people.

use rookery_data::{DataErrorKind, show};

use crate::cluster::{DEADLINE, lines};
use crate::job::Folder;

fn file() -> Folder {
    let text = (0..50).fold("id,x\n".to_string(), |text, id| {
        text + &format!("{id},{}\n", f64::from(id) / 8.0)
    });
    Folder::new().with("t.csv", text)
}

const JOB: &str = "[data]\npartition_bytes = 40\n[data.sources.t]\npath = \"t.csv\"\ncolumns = { id = \"int\", x = \"float\" }";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rows_come_in_file_order() {
    let plan = file().open(JOB).await;
    let folder = file();
    assert!(plan.is_ok());
    let plan = folder.open(JOB).await.unwrap();
    for count in [0, 3, 20, 50, 1000] {
        let shown = show::head(&plan, count, DEADLINE).await.unwrap();
        let expected: Vec<String> = (0..count.min(50))
            .map(|id| format!("{id},{:?}", id as f64 / 8.0))
            .collect();
        assert_eq!(lines(&shown.rows), expected);
    }
    let few = show::head(&plan, 3, DEADLINE).await.unwrap();
    assert!(
        few.cleaning.rows_read < 50,
        "one partition is enough for three rows"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rows_of_a_query_that_mixes_rows_are_of_its_whole_result() {
    let folder = file();
    let job = JOB.replace("[data]", "[data]\nsql = \"select count(*) as n from t\"");
    let plan = folder.open(&job).await.unwrap();
    assert_eq!(lines(&show::head(&plan, 1, DEADLINE).await.unwrap().rows), ["50"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_in_file_order_and_repeatable() {
    let folder = file();
    let plan = folder.open(JOB).await.unwrap();
    let one = show::sample(&plan, 0.4, 9, DEADLINE).await.unwrap().rows;
    assert_eq!(one, show::sample(&plan, 0.4, 9, DEADLINE).await.unwrap().rows);
    assert_ne!(one, show::sample(&plan, 0.4, 10, DEADLINE).await.unwrap().rows);
    assert_eq!(
        show::sample(&plan, 1.0, 9, DEADLINE)
            .await
            .unwrap()
            .rows
            .num_rows(),
        50
    );
    assert_eq!(
        show::sample(&plan, 0.0, 9, DEADLINE)
            .await
            .unwrap()
            .rows
            .num_rows(),
        0
    );
    for fraction in [-0.1, 1.1, f64::NAN] {
        let error = show::sample(&plan, fraction, 9, DEADLINE).await.unwrap_err();
        assert_eq!(error.kind, DataErrorKind::Spec);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sparks_sample_of_several_partitions_is_sparks() {
    let spark: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/spark_sampling.json")).unwrap();
    for (files, name) in [
        (1, "range40_parts1_sample_0.3_seed42"),
        (4, "range40_parts4_sample_0.3_seed42"),
    ] {
        let folder = Folder::new();
        for file in 0..files {
            let ids = file * 40 / files..(file + 1) * 40 / files;
            folder.write(
                &format!("{file}.csv"),
                ids.fold("id\n".to_string(), |t, id| t + &format!("{id}\n")),
            );
        }
        let plan = folder.open("[data.sources.t]\npath = \"*.csv\"").await.unwrap();
        let shown = show::sample(&plan, 0.3, 42, DEADLINE).await.unwrap();
        let expected: Vec<u64> = serde_json::from_value(spark["range"][name].clone()).unwrap();
        assert_eq!(
            lines(&shown.rows),
            expected.iter().map(u64::to_string).collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_as_a_table_and_as_json() {
    let folder = Folder::new().with(
        "t.csv",
        "s,i,l,f,d,b\n\"a \"\"b\"\"\",1,9999999999,39.1,39.1,true\n,,,,,\n",
    );
    let job = "[data.sources.t]\npath = \"t.csv\"\ncolumns = { s = \"string\", i = \"int\", l = \"long\", f = \"float\", d = \"double\", b = \"boolean\" }";
    let plan = folder.open(job).await.unwrap();
    let rows = show::head(&plan, 2, DEADLINE).await.unwrap().rows;
    assert_eq!(
        show::to_json_lines(&rows).unwrap(),
        "{\"b\":true,\"d\":39.1,\"f\":39.1,\"i\":1,\"l\":9999999999,\"s\":\"a \\\"b\\\"\"}\n{}"
    );
    assert_eq!(
        show::to_table(&rows).unwrap(),
        "\
+-------+---+------------+------+------+------+
| s     | i | l          | f    | d    | b    |
+-------+---+------------+------+------+------+
| a \"b\" | 1 | 9999999999 | 39.1 | 39.1 | true |
|       |   |            |      |      |      |
+-------+---+------------+------+------+------+"
    );
}
