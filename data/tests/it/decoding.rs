//! Jobs without a query read CSV by a decoder of our own; `select *` has the engine read it. Nobody can tell which it was.

use crate::cluster::{Ingested, ingest_everywhere, ingest_locally};
use crate::job::Folder;

/// A job over `text` with or without a query.
fn job(options: &str, data: &str, sql: &str, split: &str) -> String {
    format!(
        "[data]\npartition_bytes = 300\n{data}\n{sql}\n[data.sources.t]\npath = \"t.csv\"\n{options}\n[split]\n{split}"
    )
}

async fn both(text: &str, options: &str, drop: &str, split: &str) -> [Ingested; 2] {
    let folder = Folder::new().with("t.csv", text);
    let plain = folder.open(&job(options, drop, "", split)).await.unwrap();
    let asked = folder
        .open(&job(options, drop, "sql = \"select * from t\"", split))
        .await
        .unwrap();
    [
        ingest_everywhere(&plain).await,
        ingest_locally(&asked, 2).await.unwrap(),
    ]
}

async fn check(text: &str, options: &str, drop: &str) {
    for split in [
        "weights = [3, 1]\nseed = 5",
        "method = \"spark\"\nweights = [3, 1]",
        "method = \"key\"\nkey = [\"b\"]\nweights = [1, 1]",
    ] {
        let [plain, asked] = both(text, options, drop, split).await;
        assert!(plain.dataset.partitions.len() > 1, "one partition shows little");
        assert_eq!(plain.rows(), asked.rows());
        assert_eq!((plain.part(0), plain.part(1)), (asked.part(0), asked.part(1)));
        assert_eq!(plain.dataset.fingerprint, asked.dataset.fingerprint);
        assert_eq!(plain.dataset.cleaning, asked.dataset.cleaning);
    }
}

const COLUMNS: &str = "columns = { c = \"double\", a = \"float\", b = \"string\", d = \"long\" }";

#[tokio::test(flavor = "multi_thread")]
async fn plain_lines() {
    let row = |i: i32| {
        format!(
            "{},n{},{},{},skipped\r\n",
            f64::from(i) / 7.0,
            i % 3,
            f64::from(i) * 0.1,
            i - 50
        )
    };
    let text = (0..100).fold("a,b,c,d,e\r\n".to_string(), |text, i| text + &row(i));
    check(&text, COLUMNS, "").await;
    check(text.trim_end(), COLUMNS, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_quotes_and_odd_lines() {
    let row = |i: i32| match i % 9 {
        0 => format!("NA,\"n, {i}\",{i},{i},\n"),
        1 => format!("\n{i},,{i}.5,,x\n"),
        2 => format!("{i},\"say \"\"{i}\"\"\",1e{i},{i},\"\"\n"),
        // Refused, if the row were not dropped.
        3 => format!(",\u{e9},none,{i},\n"),
        4 => format!("-0,NaN,NaN,{i},\n"),
        _ => format!(" {i} ,\"n\",\"{i}\",+{i},\n"),
    };
    let text = (0..100).fold("\"a\",\"b\",c,d,e\n".to_string(), |text, i| text + &row(i));
    let options = format!("null_tokens = [\"NA\"]\n{COLUMNS}");
    // A query drops rows after the casts, so with it no value may be unfit.
    check(
        &text.replace(",none,", ",7,"),
        &options,
        "drop_nulls = [\"a\", \"d\"]",
    )
    .await;
    let folder = Folder::new().with("t.csv", &text);
    let job = job(&options, "drop_nulls = [\"a\", \"d\"]", "", "weights = [1, 0]");
    let read = ingest_everywhere(&folder.open(&job).await.unwrap()).await;
    let dropped: Vec<(&str, u64)> = read
        .dataset
        .cleaning
        .dropped
        .iter()
        .map(|(why, rows)| (why.as_str(), *rows))
        .collect();
    assert_eq!(dropped, [("null a", 23), ("null d", 11)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_told_alike() {
    let row = |i: i32| format!("{i},n,{i},{i},\n");
    for bad in [
        "1,n,one,1,\n",
        "1,n,1\n",
        "1,n,1,1,1,1\n",
        "1,n,1,2.5,\n",
        "x,\"n\",1,1,\n",
    ] {
        let text =
            (0..60).fold("a,b,c,d,e\n".to_string(), |text, i| text + &row(i)) + bad + &row(1).repeat(30);
        let folder = Folder::new().with("t.csv", &text);
        let mut told = Vec::new();
        for sql in ["", "sql = \"select * from t\""] {
            let plan = folder
                .open(&job(COLUMNS, "", sql, "weights = [1, 1]"))
                .await
                .unwrap();
            told.push(ingest_locally(&plan, 2).await.unwrap_err());
        }
        assert_eq!(told[0], told[1]);
        assert!(
            told[0].location.as_ref().unwrap().ends_with("t.csv:62"),
            "{:?}",
            told[0]
        );
    }
}
