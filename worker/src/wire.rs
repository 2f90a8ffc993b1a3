//! Conversions between the wire's messages and the types the work is done with.

use std::collections::BTreeMap;

use rookery_data::{Progress, Work};
use rookery_formats::{Format, ModelFile, Parity, Written};
use rookery_ml::tree::Node;
use rookery_ml::{
    Family, KernelCoefficients, MulticlassMetrics, Partial, Precision, RowSample, StageStatistics, Summary,
};
use rookery_proto::v1;
use rookery_proto::{ErrorClass, Failure};

use crate::executor::{LabelColumns, PartitionSet, Piece, ScoredPiece};

pub(crate) fn partition_set(set: Option<v1::PartitionSet>) -> Result<PartitionSet, Failure> {
    let set = set.ok_or_else(|| malformed("no partitions"))?;
    if set.partitions.len() != set.leaves.len() {
        return Err(malformed("partitions and leaves differ in number"));
    }
    Ok(PartitionSet {
        dataset: set.dataset_id,
        leaf_count: set.leaf_count,
        partitions: set.partitions.into_iter().zip(set.leaves).collect(),
    })
}

pub(crate) fn label_columns(label: String, weight: String) -> LabelColumns {
    LabelColumns {
        label,
        weight: (!weight.is_empty()).then_some(weight),
    }
}

pub(crate) fn coefficients(message: v1::KernelCoefficients) -> KernelCoefficients {
    KernelCoefficients {
        family: if message.binomial {
            Family::Binomial
        } else {
            Family::Multinomial
        },
        classes: message.classes as usize,
        width: message.width as usize,
        coefficients: message.coefficients,
        offsets: message.offsets,
        rows: RowSample {
            gradient: message.gradient_rows,
            hessian: message.hessian_rows,
        },
        class_weights: message.class_weights,
        precision: match message.fast {
            true => Precision::Fast,
            false => Precision::Double,
        },
    }
}

pub(crate) fn pieces(pieces: &[v1::Piece]) -> Vec<Piece> {
    let piece = |piece: &v1::Piece| Piece {
        partition: piece.partition,
        first_row: piece.first_row,
    };
    pieces.iter().map(piece).collect()
}

pub(crate) fn scored_piece((piece, scored): (Piece, ScoredPiece)) -> v1::ScoredPiece {
    use v1::scored_piece::Scored;
    let scored = match scored {
        ScoredPiece::Rows { rows, ipc } => Scored::Rows(v1::ScoredPieceRows { rows, arrow_ipc: ipc }),
        ScoredPiece::Refused { row, problem } => Scored::Refused(v1::RefusedRow { row, problem }),
    };
    v1::ScoredPiece {
        partition: piece.partition,
        scored: Some(scored),
    }
}

pub(crate) fn from_json<T: for<'de> serde::Deserialize<'de>>(what: &str, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|e| malformed(format!("{what}: {e}")))
}

fn malformed(what: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorClass::Internal, format!("malformed message: {what}"))
}

pub(crate) fn statistics(
    stages: BTreeMap<u32, StageStatistics>,
) -> Result<Vec<v1::StageStatistics>, serde_json::Error> {
    use v1::stage_statistics::Statistics;
    let entry = |(stage, statistics)| -> Result<_, serde_json::Error> {
        let statistics = match statistics {
            StageStatistics::LabelCounts(counts) => Statistics::LabelCounts(v1::LabelCounts {
                counts: counts
                    .into_iter()
                    .map(|(label, count)| v1::LabelCount { label, count })
                    .collect(),
            }),
            StageStatistics::Range { min, max, count } => Statistics::Range(v1::Range { min, max, count }),
            other => Statistics::Json(serde_json::to_string(&other)?),
        };
        Ok(v1::StageStatistics {
            stage,
            statistics: Some(statistics),
        })
    };
    stages.into_iter().map(entry).collect()
}

pub(crate) fn merge_node(node: Node) -> Option<v1::MergeNode> {
    Some(v1::MergeNode {
        level: node.level,
        index: node.index,
    })
}

pub(crate) fn subtree_summary((node, summary): (Node, Summary)) -> v1::SubtreeSummary {
    v1::SubtreeSummary {
        node: merge_node(node),
        summary: Some(self::summary(summary)),
    }
}

fn summary(summary: Summary) -> v1::Summary {
    v1::Summary {
        rows: summary.rows,
        weight_sum: summary.weight_sum,
        weight_square_sum: summary.weight_square_sum,
        mean: summary.mean,
        m2: summary.m2,
        label_weights: summary.label_weights,
    }
}

pub(crate) fn subtree_partial((node, partials): (Node, Vec<Partial>)) -> v1::SubtreePartial {
    v1::SubtreePartial {
        node: merge_node(node),
        partials: partials.into_iter().map(partial).collect(),
    }
}

/// What another worker sends for a subtree: as many partials as coefficients were asked for.
pub(crate) fn subtree(message: v1::SubtreePartial, expected: usize) -> Result<(Node, Vec<Partial>), Failure> {
    let node = message
        .node
        .ok_or_else(|| malformed("partials without their place"))?;
    let got = message.partials.len();
    if got != expected {
        return Err(malformed(format!("{got} partials for {expected} coefficients")));
    }
    let node = Node {
        level: node.level,
        index: node.index,
    };
    Ok((node, message.partials.into_iter().map(sums).collect()))
}

fn sums(message: v1::Partial) -> Partial {
    Partial {
        loss_sum: message.loss_sum,
        weight_sum: message.weight_sum,
        rows: message.rows,
        gradient_sum: message.gradient_sum,
        hessian_weight_sum: message.hessian_weight_sum,
        hessian_sum: message.hessian_sum,
    }
}

fn partial(partial: Partial) -> v1::Partial {
    v1::Partial {
        loss_sum: partial.loss_sum,
        weight_sum: partial.weight_sum,
        rows: partial.rows,
        gradient_sum: partial.gradient_sum,
        hessian_weight_sum: partial.hessian_weight_sum,
        hessian_sum: partial.hessian_sum,
    }
}

pub(crate) fn progress(progress: Progress) -> v1::GetProgressResponse {
    let work = |work: Work| {
        Some(v1::StreamWork {
            open: work.open,
            took_us: work.took.as_micros() as u64,
        })
    };
    v1::GetProgressResponse {
        bytes_read: progress.bytes_read,
        reading: work(progress.reading),
        keeping: work(progress.keeping),
    }
}

pub(crate) fn metrics(metrics: MulticlassMetrics) -> v1::ClassificationMetrics {
    let cells = metrics
        .cells
        .into_iter()
        .map(|cell| v1::ConfusionCell {
            label: cell.label,
            prediction: cell.prediction,
            weight: cell.weight,
            rows: cell.rows,
        })
        .collect();
    let ranking = metrics.ranking.scores();
    v1::ClassificationMetrics {
        cells,
        log_loss_sum: metrics.log_loss_sum,
        rows: metrics.rows,
        ranked_scores: ranking.iter().map(|ranked| ranked.score).collect(),
        ranked_positive: ranking.iter().map(|ranked| ranked.positive).collect(),
        ranked_negative: ranking.iter().map(|ranked| ranked.negative).collect(),
    }
}

pub(crate) fn written(formats: Vec<v1::WrittenFormat>) -> Result<Vec<Written>, Failure> {
    let file = |file: v1::WrittenFile| ModelFile {
        path: file.path,
        content: file.content,
    };
    let written = |written: v1::WrittenFormat| {
        let format = Format::from_name(&written.format);
        Ok(Written {
            format: format.ok_or_else(|| malformed(format!("unknown format {:?}", written.format)))?,
            files: written.files.into_iter().map(file).collect(),
        })
    };
    formats.into_iter().map(written).collect()
}

pub(crate) fn parity(parity: Parity) -> Vec<v1::FormatParity> {
    let entries = parity.0.into_iter();
    entries
        .map(|(format, parity)| v1::FormatParity {
            format: format.name().to_owned(),
            rows: parity.rows,
            max_difference: parity.max_difference,
            differing_predictions: parity.differing_predictions,
            error: parity.error.unwrap_or_default(),
        })
        .collect()
}
