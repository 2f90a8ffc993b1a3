//! CSV as people write it.

use crate::cluster::{ingest_everywhere, ingest_locally};
use crate::job::{Folder, gzip};

/// The rows of a file read with `options`, in order.
async fn read(text: impl AsRef<[u8]>, options: &str) -> Vec<String> {
    let folder = Folder::new().with("t.csv", text);
    let job = format!("[data.sources.t]\npath = \"t.csv\"\n{options}\n[split]\nweights = [1, 0]");
    let plan = folder.open(&job).await.unwrap();
    let ingested = ingest_everywhere(&plan).await;
    ingested.part(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn delimiters_quotes_and_escapes() {
    assert_eq!(read("a;b\n1;x,y\n", "delimiter = \";\"").await, ["1,x,y"]);
    assert_eq!(read("a\tb\n1\t2\n", "delimiter = \"\\t\"").await, ["1,2"]);
    assert_eq!(read("a,b\n'x,y',2\n", "quote = \"'\"").await, ["x,y,2"]);
    assert_eq!(read("a,b\n\"x,\"\"y\",2\n", "").await, ["x,\"y,2"]);
    assert_eq!(
        read("a,b\n\"x,\\\"y\",2\n", "escape = \"\\\\\"").await,
        ["x,\"y,2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_and_empty_lines_are_skipped() {
    assert_eq!(
        read("# who\na,b\n# what\n1,2\n\n3,4\n#end\n", "comment = \"#\"").await,
        ["1,2", "3,4"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_mean_null() {
    let options = "null_tokens = [\"NA\", \"null\"]\ncolumns = { a = \"float\", b = \"string\" }";
    assert_eq!(
        read("a,b\nNA,x\n1.5,null\n,NAN\n", options).await,
        [",x", "1.5,", ",NAN"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_header_get_names() {
    assert_eq!(read("1,x\n2,y\n", "header = false").await, ["1,x", "2,y"]);
    let named = "header = false\ncolumns = { a = \"int\", b = \"string\" }";
    assert_eq!(read("1,x\n2,y\n", named).await, ["1,x", "2,y"]);
    let folder = Folder::new().with("t.csv", "1,x\n");
    let plan = folder
        .open("[data.sources.t]\npath = \"t.csv\"\nheader = false")
        .await
        .unwrap();
    assert_eq!(plan.column_names(), ["_c0", "_c1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_no_part_of_the_first_name_or_value() {
    assert_eq!(
        read("\u{feff}a,b\n1,2\n", "columns = { a = \"int\" }").await,
        ["1"]
    );
    let plain = "header = false\ncolumns = { a = \"int\", b = \"int\" }";
    assert_eq!(read("\u{feff}1,2\n3,4\n", plain).await, ["1,2", "3,4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_taken_by_name_in_the_order_asked_for() {
    let options = "columns = { c = \"boolean\", a = \"long\" }";
    assert_eq!(
        read("a,b,c\n9999999999,x,yes\n-1,y,0\n", options).await,
        ["true,9999999999", "false,-1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_spaces_dots_and_capitals() {
    let options = "columns = { \"Body Mass (g)\" = \"float\", \"a.B\" = \"int\" }";
    assert_eq!(read("Body Mass (g),a.B\n1.25,7\n", options).await, ["1.25,7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ending_tells_format_and_compression_unless_the_job_does() {
    let folder = Folder::new()
        .with("T.CSV.GZ", gzip("a\n1\n"))
        .with("data.bin", gzip("a\n2\n"));
    let plan = folder
        .open("[data.sources.t]\npath = \"T.CSV.GZ\"")
        .await
        .unwrap();
    assert_eq!(ingest_locally(&plan, 1).await.unwrap().rows(), ["1"]);
    let told = "[data.sources.t]\npath = \"data.bin\"\nformat = \"csv\"\ncompression = \"gzip\"";
    let plan = folder.open(told).await.unwrap();
    assert_eq!(ingest_locally(&plan, 1).await.unwrap().rows(), ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_of_several_members_is_read_to_its_end() {
    let mut bytes = gzip("a\n1\n");
    bytes.extend(gzip("2\n3\n"));
    let folder = Folder::new().with("t.csv.gz", bytes);
    let plan = folder
        .open("[data.sources.t]\npath = \"t.csv.gz\"")
        .await
        .unwrap();
    assert_eq!(ingest_everywhere(&plan).await.rows(), ["1", "2", "3"]);
}
