//! Every kind of feature stage in one job: the same bits on any cluster, and formats that answer alike.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rookery_tests::{Rookery, TestCluster};
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;

const SOURCE: &str = r#"
[data.sources.rows]
path = "rows.csv"
columns = { island = "string", length = "double", mass = "float", year = "int", wild = "boolean", label = "int" }
"#;

/// Stages that every format can say; they make the vector `features`.
pub(crate) const SAYABLE: &str = r#"
[[stages]]
type = "Imputer"
inputs = ["length", "mass"]
outputs = ["length_full", "mass_full"]
strategy = "median"

[[stages]]
type = "StringIndexer"
inputs = ["island", "year"]
outputs = ["island_index", "year_index"]
handle_invalid = "keep"

[[stages]]
type = "QuantileDiscretizer"
input = "length_full"
output = "length_bucket"
num_buckets = 4

[[stages]]
type = "Bucketizer"
input = "mass_full"
output = "mass_bucket"
splits = [-inf, 3000, 4000.5, inf]

[[stages]]
type = "OneHotEncoder"
inputs = ["island_index", "year_index", "length_bucket"]
outputs = ["island_vec", "year_vec", "length_vec"]

[[stages]]
type = "VectorAssembler"
inputs = ["length_full", "mass_full", "wild"]
output = "numbers"

[[stages]]
type = "StandardScaler"
input = "numbers"
output = "scaled"
with_mean = true

[[stages]]
type = "VectorAssembler"
inputs = ["scaled"]
output = "scaled_again"

[[stages]]
type = "Interaction"
inputs = ["island_vec", "scaled_again"]
output = "crossed"
"#;

/// Stages that Spark alone can say.
const SPARK_ONLY: &str = r#"
[[stages]]
type = "SQLTransformer"
statement = """SELECT *, ln(mass_full / 1000) + CASE WHEN island IN ('Biscoe') THEN 1 ELSE 0 END AS ratio,
               coalesce(length, -1) > 45 AS is_long FROM __THIS__"""

[[stages]]
type = "FeatureHasher"
inputs = ["island", "year", "is_long"]
output = "hashed"
num_features = 64
categorical_cols = ["year"]
"#;

fn assembler(inputs: &str) -> String {
    format!("\n[[stages]]\ntype = \"VectorAssembler\"\ninputs = [{inputs}]\noutput = \"features\"\n")
}

/// Rows with nulls among the numbers; some islands are rare.
fn write_rows(file: &Path, rows: u64) {
    let mut state = 17_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % bound
    };
    let islands = ["Biscoe", "Dream", "Torgersen", "ペンギン"];
    let mut text = "island,length,mass,year,wild,label\n".to_owned();
    for _ in 0..rows {
        let pick = below(10).min(3) as usize;
        let length = 30.0 + below(4000) as f64 / 100.0;
        let length_text = if below(9) == 0 {
            String::new()
        } else {
            length.to_string()
        };
        let mass = if below(7) == 0 {
            String::new()
        } else {
            (2500 + below(3000)).to_string()
        };
        let (year, wild) = (2007 + below(3), below(2) == 1);
        let label = (pick as u64 + u64::from(length > 50.0) + below(2)) % 3;
        writeln!(
            text,
            "{},{length_text},{mass},{year},{wild},{label}",
            islands[pick]
        )
        .unwrap();
    }
    std::fs::write(file, text).unwrap();
}

fn write_job(folder: &Path, name: &str, stages: &str) -> PathBuf {
    let text = format!(
        "[job]\nname = \"{name}\"\n\n[data]\npartition_bytes = 20000\n{SOURCE}\n\
         [split]\nweights = [0.7, 0.3]\nseed = 3\n{stages}\n\
         [training]\nlabel = \"label\"\nfeatures = \"features\"\n\n\
         [training.logistic_regression]\nmax_iter = 15\nreg_param = 0.01\n"
    );
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    file
}

fn report<'a>(outcome: &'a Value, format: &str) -> Option<&'a Value> {
    let reports = outcome["runs"][0]["formats"].as_array().unwrap();
    reports.iter().find(|report| report["format"] == format)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_gives_the_same_bits_on_any_cluster_and_in_every_format() {
    let folder = TempDir::new().unwrap();
    write_rows(&folder.path().join("rows.csv"), 6000);
    let sayable = SAYABLE.to_owned() + &assembler(r#""crossed", "year_vec", "length_vec", "mass_bucket""#);
    let all = SAYABLE.to_owned()
        + SPARK_ONLY
        + &assembler(r#""crossed", "year_vec", "length_vec", "mass_bucket", "ratio", "hashed""#);
    let jobs = [
        write_job(folder.path(), "sayable", &sayable),
        write_job(folder.path(), "all", &all),
    ];
    let mut expected: Option<Vec<Vec<String>>> = None;
    for workers in [1, 3] {
        let cluster = TestCluster::new(BINARY).workers(workers).start().await;
        let mut digests = Vec::new();
        for job in &jobs {
            let output = cluster.submit(job, &[]).await.succeeded();
            digests.push(output.digests());
            let outcome = output.last_json();
            let is_all = job.ends_with("all.toml");
            for format in ["onnx", "spark", "pmml"] {
                let report = report(&outcome, format).unwrap_or_else(|| panic!("{format}: {outcome}"));
                if is_all && format != "spark" {
                    assert!(
                        report.to_string().contains("FeatureHasher")
                            || report.to_string().contains("SQLTransformer"),
                        "{report}"
                    );
                } else {
                    assert_eq!(report["holds"], true, "{report}");
                    assert!(report["rows"].as_u64().unwrap() > 1000, "{report}");
                }
            }
        }
        match &expected {
            None => expected = Some(digests),
            Some(expected) => assert_eq!(&digests, expected, "{workers} workers"),
        }
    }
}

#[tokio::test]
async fn a_mistake_in_a_stage_is_told_with_its_place_before_any_row_is_read() {
    let (rookery, folder) = (Rookery::new(BINARY), TempDir::new().unwrap());
    write_rows(&folder.path().join("rows.csv"), 50);
    for (stage, words) in [
        (
            "type = \"SQLTransformer\"\nstatement = \"SELECT *, rand() AS features FROM __THIS__\"",
            "line 1, column 11: rand() is not known here",
        ),
        (
            "type = \"SQLTransformer\"\nstatement = \"SELECT *, lenght + 1 AS features FROM __THIS__\"",
            "unknown column lenght; available columns: ",
        ),
        (
            "type = \"Bucketizer\"\ninput = \"length\"\noutput = \"features\"\nsplits = [2, 1]",
            "Bucketizer parameter splits given invalid value [2.0,1.0].",
        ),
        (
            "type = \"OneHotEncoder\"\ninputs = [\"island\"]\noutputs = [\"features\"]",
            "Column island must be of type numeric but was actually of type string.",
        ),
    ] {
        let job = write_job(folder.path(), "wrong", &format!("\n[[stages]]\n{stage}\n"));
        let output = rookery.run(&["validate", job.to_str().unwrap()]).await;
        assert_eq!(output.code, 2, "{output}");
        assert!(output.stderr.contains(words), "{words}: {output}");
    }
}
