//! The data of a job as MLflow's datasets: one for the training part, one for the test part. Same rows, same digest,
//! on any cluster: it comes from the dataset's fingerprint.

use rookery_data::schema::ColumnType;
use rookery_data::stores::SourceFile;
use rookery_data::{Dataset, IngestPlan};
use rookery_tracking::artifacts::sha256_hex;
use rookery_tracking::entities::{DatasetId, DatasetInput};
use rookery_tracking::{Dataset as RecordedDataset, Tag};
use serde_json::{Value, json};

/// The tag that says what a dataset was used for.
const TAG_CONTEXT: &str = "mlflow.data.context";
/// Characters of a digest: enough to tell datasets apart, short enough to read. MLflow takes 36.
const DIGEST_CHARS: usize = 16;
/// The longest description of a source or schema that MLflow's databases hold.
const MAX_TEXT: usize = 65_535;

/// The parts of `dataset` that have rows, with what each is for.
pub(crate) fn dataset_inputs(job_name: &str, plan: &IngestPlan, dataset: &Dataset) -> Vec<DatasetInput> {
    let name = match plan.sources.as_slice() {
        [source] => source.name.as_str(),
        _ => job_name,
    };
    let source_type = plan.files().next().map_or("local", SourceFile::kind);
    let source = source_json(plan, source_type).to_string();
    let schema = schema_json(&dataset.columns);
    let digests = [
        dataset.fingerprint.clone(),
        sha256_hex(format!("{} test", dataset.fingerprint).as_bytes()),
    ];
    let parts = ["training", "eval"]
        .into_iter()
        .zip(digests)
        .zip(&dataset.part_rows);
    parts
        .filter(|(_, rows)| **rows > 0)
        .map(|((context, digest), rows)| DatasetInput {
            dataset: RecordedDataset {
                id: DatasetId {
                    name: name.to_string(),
                    digest: digest.chars().take(DIGEST_CHARS).collect(),
                },
                source_type: source_type.to_string(),
                source: source.clone(),
                schema: schema.clone(),
                profile: Some(
                    json!({ "num_rows": rows, "num_elements": rows * dataset.columns.len() as u64 })
                        .to_string(),
                ),
            },
            tags: vec![Tag::new(TAG_CONTEXT, context)],
        })
        .collect()
}

/// `uri`, or `url` on the web, is what MLflow reads: the first file. All of them are beside it, as far as there is room.
fn source_json(plan: &IngestPlan, source_type: &str) -> Value {
    let names: Vec<&str> = plan.files().map(|file| file.name.as_str()).collect();
    let key = if source_type == "http" { "url" } else { "uri" };
    let first = names.first().copied().unwrap_or_default();
    let all = json!({ key: first, "files": names });
    match all.to_string().len() <= MAX_TEXT {
        true => all,
        false => json!({ key: first, "file_count": names.len() }),
    }
}

/// The columns as MLflow shows them; nothing for tables too wide to be shown.
fn schema_json(columns: &[(String, ColumnType)]) -> Option<String> {
    let columns: Vec<Value> = columns
        .iter()
        .map(|(name, column_type)| column_spec(name, *column_type))
        .collect();
    Some(json!({ "mlflow_colspec": columns }).to_string()).filter(|text| text.len() <= MAX_TEXT)
}

/// A column in MLflow's words.
fn column_spec(name: &str, column_type: ColumnType) -> Value {
    let word = match column_type {
        ColumnType::Int => "integer",
        other => other.name(),
    };
    json!({ "type": word, "name": name, "required": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_mlflows_types() {
        let words = ColumnType::ALL.map(|column_type| column_spec("c", column_type)["type"].clone());
        assert_eq!(words, ["string", "boolean", "integer", "long", "float", "double"]);
    }
}
