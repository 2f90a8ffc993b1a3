//! Records that are well-formed and still can't be trained on are found again with their line.

use rookery_data::unusable::{UnusableRecord, first_unusable};

use crate::job::Folder;

async fn find(text: &str, more: &str) -> Option<(String, String, String)> {
    let folder = Folder::new().with("t.csv", text);
    let job = format!(
        "[data]\n{more}\n[data.sources.t]\npath = \"t.csv\"\ncolumns = {{ x = \"float\", y = \"double\", who = \"string\", label = \"int\" }}"
    );
    let plan = folder.open(&job).await.unwrap();
    let features: Vec<String> = ["x", "y", "who"].map(String::from).to_vec();
    let UnusableRecord { place, column, value } = first_unusable(&plan, &features, "label").await?;
    Some((folder.strip(&place), column, value))
}

fn found(place: &str, column: &str, value: &str) -> Option<(String, String, String)> {
    Some((place.to_string(), column.to_string(), value.to_string()))
}

#[tokio::test]
async fn missing_and_infinite_features_and_labels_that_are_no_class() {
    let good = "x,y,who,label\n1,1,a,0\n\n";
    assert_eq!(find(good, "").await, None);
    assert_eq!(
        find(&format!("{good}1,,b,1\n"), "").await,
        found("t.csv:4", "y", "")
    );
    assert_eq!(
        find(&format!("{good}NaN,1,b,1\n"), "").await,
        found("t.csv:4", "x", "NaN")
    );
    assert_eq!(
        find(&format!("{good}1,-inf,b,1\n"), "").await,
        found("t.csv:4", "y", "-inf")
    );
    assert_eq!(
        find(&format!("{good}1,1,,1\n"), "").await,
        found("t.csv:4", "who", "")
    );
    assert_eq!(
        find(&format!("{good}1,1,b,\n"), "").await,
        found("t.csv:4", "label", "")
    );
    assert_eq!(
        find(&format!("{good}1,1,b,-1\n"), "").await,
        found("t.csv:4", "label", "-1")
    );
}

#[tokio::test]
async fn a_number_too_large_for_its_type_is_infinite() {
    let text = "x,y,who,label\n1,1e39,a,0\n1e39,1,b,1\n";
    assert_eq!(find(text, "").await, found("t.csv:3", "x", "1e39"));
}

#[tokio::test]
async fn dropped_records_do_not_count_and_queries_have_no_lines() {
    let text = "x,y,who,label\n,1,a,0\n1,1,b,\n";
    assert_eq!(
        find(text, "drop_nulls = [\"x\"]").await,
        found("t.csv:3", "label", "")
    );
    assert_eq!(find(text, "drop_nulls = true").await, None);
    assert_eq!(find(text, "sql = \"select x, y, who, label from t\"").await, None);
}
