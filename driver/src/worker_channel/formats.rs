//! The call that compares a model with what was written of it.

use rookery_formats::{Format, FormatParity, ModelFile, Parity, Written};
use rookery_ml::tree::Node;
use rookery_proto::{Failure, v1};

use super::{Holding, Task, WorkerChannel, key, pair, set};
use crate::error::internal;

impl WorkerChannel {
    pub(crate) async fn compare_formats(
        &self,
        task: &Task,
        holding: &Holding,
        model_json: &str,
        written: &[Written],
    ) -> Result<Vec<(Node, Parity)>, Failure> {
        let request = v1::CompareFormatsRequest {
            task: key(task),
            partitions: set(holding),
            model_json: model_json.to_string(),
            formats: written.iter().map(message).collect(),
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("compare_formats", Some(task), client.compare_formats(request))
            .await?;
        let pairs = response.parities.into_iter();
        pairs
            .map(|p| pair(p.node, Some(parity(p.formats)?), |parity| parity))
            .collect()
    }
}

fn message(written: &Written) -> v1::WrittenFormat {
    let file = |file: &ModelFile| v1::WrittenFile {
        path: file.path.clone(),
        content: file.content.clone(),
    };
    v1::WrittenFormat {
        format: written.format.name().to_string(),
        files: written.files.iter().map(file).collect(),
    }
}

fn parity(formats: Vec<v1::FormatParity>) -> Result<Parity, Failure> {
    let entry = |entry: v1::FormatParity| {
        let format = Format::from_name(&entry.format);
        let format = format.ok_or_else(|| internal("a worker compared a format that was not asked for"))?;
        let parity = FormatParity {
            rows: entry.rows,
            max_difference: entry.max_difference,
            differing_predictions: entry.differing_predictions,
            error: (!entry.error.is_empty()).then_some(entry.error),
        };
        Ok((format, parity))
    };
    let entries = formats.into_iter().map(entry).collect::<Result<_, Failure>>()?;
    Ok(Parity(entries))
}
