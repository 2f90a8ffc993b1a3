//! Passes beside the rounds: rows summarised by the weights of their classes, and parts scored with a model.

use rookery_ml::tree::Node;
use rookery_ml::{ConfusionCell, MulticlassMetrics, RankedScore, Ranking, Summary};
use rookery_proto::{Failure, v1};

use super::subtrees::summary;
use super::{Holding, Task, WorkerChannel, key, pair, set};

/// What a model is judged on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judging<'a> {
    /// Part of the split: 1 is the test part, 2 the validation part.
    pub(crate) part: u32,
    /// Column of instance weights.
    pub(crate) weight: Option<&'a str>,
    /// Whether a metric needs to know how scores rank the rows.
    pub(crate) with_ranking: bool,
}

impl WorkerChannel {
    pub(crate) async fn summarize_blocks(
        &self,
        task: &Task,
        holding: &Holding,
        blocks_id: &str,
        class_weights: &[f64],
    ) -> Result<Vec<(Node, Summary)>, Failure> {
        let request = v1::SummarizeBlocksRequest {
            task: key(task),
            partitions: set(holding),
            blocks_id: blocks_id.to_string(),
            class_weights: class_weights.to_vec(),
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("summarize_blocks", Some(task), client.summarize_blocks(request))
            .await?;
        response
            .summaries
            .into_iter()
            .map(|s| pair(s.node, s.summary, summary))
            .collect()
    }

    pub(crate) async fn score_model(
        &self,
        task: &Task,
        holding: &Holding,
        model_json: String,
        label: &str,
        judging: &Judging<'_>,
    ) -> Result<Vec<(Node, MulticlassMetrics)>, Failure> {
        let request = v1::ScoreModelRequest {
            task: key(task),
            partitions: set(holding),
            model_json,
            label_column: label.to_string(),
            weight_column: judging.weight.unwrap_or_default().to_string(),
            part: judging.part,
            ranking: judging.with_ranking,
        };
        let mut client = self.client.clone();
        let response = self
            .bounded("score_model", Some(task), client.score_model(request))
            .await?;
        response
            .metrics
            .into_iter()
            .map(|m| pair(m.node, m.metrics, metrics))
            .collect()
    }
}

fn metrics(message: v1::ClassificationMetrics) -> MulticlassMetrics {
    let cells = message
        .cells
        .into_iter()
        .map(|cell| ConfusionCell {
            label: cell.label,
            prediction: cell.prediction,
            weight: cell.weight,
            rows: cell.rows,
        })
        .collect();
    MulticlassMetrics {
        cells,
        log_loss_sum: message.log_loss_sum,
        rows: message.rows,
        ranking: ranking(
            &message.ranked_scores,
            &message.ranked_positive,
            &message.ranked_negative,
        ),
    }
}

fn ranking(scores: &[f64], positive: &[f64], negative: &[f64]) -> Ranking {
    let weights = positive.iter().zip(negative);
    let ranked = scores
        .iter()
        .zip(weights)
        .map(|(score, (positive, negative))| RankedScore {
            score: *score,
            positive: *positive,
            negative: *negative,
        });
    Ranking::new(ranked.collect())
}
