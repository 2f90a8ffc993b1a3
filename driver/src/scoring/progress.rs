//! [`Progress`]: how far each partition is scored, and the first row that the model can't use.

use std::collections::BTreeMap;

use rookery_data::Dataset;
use rookery_proto::v1::scored_piece::Scored;
use rookery_proto::{Failure, v1};

use crate::error::internal;
use crate::worker_channel::Holding;

/// Pieces that one worker is asked for at once: enough to keep its threads busy, few enough for one message.
const PIECES: usize = 4;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Pieces are missing.
    Score,
    /// All rows are scored.
    Done,
    /// This is the first row, in the order of the input, that the model can't use.
    Refused {
        partition: u32,
        row: u64,
        problem: String,
    },
}

#[derive(Debug)]
pub(super) struct Progress {
    /// By number.
    partitions: BTreeMap<u32, Standing>,
    /// By place: the first counts, whoever found it. Nothing after it is scored any more.
    refused: Option<((u32, u64), String)>,
}

#[derive(Debug)]
struct Standing {
    /// Its position among the partitions with rows.
    part: u32,
    rows: u64,
    scored: u64,
}

impl Progress {
    pub(super) fn of(dataset: &Dataset) -> Self {
        let partitions = dataset.partitions.iter().map(|partition| {
            (
                partition.number,
                partition.part_rows.first().copied().unwrap_or_default(),
            )
        });
        Self::new(partitions)
    }

    /// Nothing of these partitions, given with their rows, is scored yet.
    fn new(partitions: impl Iterator<Item = (u32, u64)>) -> Self {
        let standing = |((number, rows), part)| {
            let scored = 0;
            (number, Standing { part, rows, scored })
        };
        Self {
            partitions: partitions.zip(0..).map(standing).collect(),
            refused: None,
        }
    }

    fn is_wanted(&self, number: u32) -> bool {
        let is_before = self
            .refused
            .as_ref()
            .is_none_or(|((refused, _), _)| number < *refused);
        let standing = self.partitions.get(&number);
        is_before && standing.is_some_and(|standing| standing.scored < standing.rows)
    }

    pub(super) fn step(&self) -> Step {
        if self.partitions.keys().any(|number| self.is_wanted(*number)) {
            return Step::Score;
        }
        match self.refused.clone() {
            None => Step::Done,
            Some(((partition, row), problem)) => Step::Refused {
                partition,
                row,
                problem,
            },
        }
    }

    /// The next pieces of what a worker holds.
    pub(super) fn pieces(&self, holding: &Holding) -> Vec<v1::Piece> {
        let wanted = holding
            .partitions
            .iter()
            .filter(|(number, _)| self.is_wanted(*number));
        let piece = |(number, _): &(u32, u32)| v1::Piece {
            partition: *number,
            first_row: self.partitions[number].scored,
        };
        wanted.take(PIECES).map(piece).collect()
    }

    /// Notes a piece; returns its rows for the client.
    ///
    /// # Errors
    /// It is none that was asked for.
    pub(super) fn take(&mut self, piece: v1::ScoredPiece) -> Result<Option<v1::ScoredRows>, Failure> {
        let number = piece.partition;
        let standing = self.partitions.get_mut(&number);
        let standing = standing.ok_or_else(|| internal(format!("partition {number} was not asked for")))?;
        match piece.scored {
            Some(Scored::Rows(v1::ScoredPieceRows { rows, arrow_ipc })) => {
                standing.scored += rows;
                if rows == 0 || standing.scored > standing.rows {
                    return Err(internal(format!(
                        "partition {number}: {rows} rows came, {} of {} are scored",
                        standing.scored, standing.rows
                    )));
                }
                Ok(Some(v1::ScoredRows {
                    part: standing.part,
                    arrow_ipc,
                    ends_part: standing.scored == standing.rows,
                }))
            }
            Some(Scored::Refused(v1::RefusedRow { row, problem })) => {
                let place = (number, row);
                if self.refused.as_ref().is_none_or(|(first, _)| place < *first) {
                    self.refused = Some((place, problem));
                }
                Ok(None)
            }
            None => Err(internal("a worker's answer lacks a field")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(numbers: &[u32]) -> Holding {
        Holding {
            dataset: "d".to_string(),
            leaf_count: 9,
            partitions: numbers.iter().map(|number| (*number, 0)).collect(),
        }
    }

    fn rows(partition: u32, rows: u64) -> v1::ScoredPiece {
        let scored = Some(Scored::Rows(v1::ScoredPieceRows {
            rows,
            arrow_ipc: Vec::new(),
        }));
        v1::ScoredPiece { partition, scored }
    }

    fn refused(partition: u32, row: u64) -> v1::ScoredPiece {
        let scored = Some(Scored::Refused(v1::RefusedRow {
            row,
            problem: format!("row {row}"),
        }));
        v1::ScoredPiece { partition, scored }
    }

    #[test]
    fn pieces_follow_one_another_until_all_rows_are_scored() {
        let mut progress = Progress::new([(2, 10), (5, 3)].into_iter());
        let asked = progress.pieces(&holding(&[2, 5, 7]));
        assert_eq!(
            asked
                .iter()
                .map(|p| (p.partition, p.first_row))
                .collect::<Vec<_>>(),
            [(2, 0), (5, 0)]
        );
        assert!(!progress.take(rows(2, 6)).unwrap().unwrap().ends_part);
        let ended = progress.take(rows(5, 3)).unwrap().unwrap();
        assert_eq!((ended.part, ended.ends_part), (1, true));
        let asked = progress.pieces(&holding(&[2, 5]));
        assert_eq!(
            asked
                .iter()
                .map(|p| (p.partition, p.first_row))
                .collect::<Vec<_>>(),
            [(2, 6)]
        );
        assert_eq!(progress.step(), Step::Score);
        progress.take(rows(2, 4)).unwrap();
        assert_eq!(progress.step(), Step::Done);
        assert!(progress.take(rows(2, 1)).is_err(), "more rows than there are");
        assert!(
            progress.take(rows(9, 1)).is_err(),
            "a partition that is not there"
        );
    }

    #[test]
    fn the_first_refused_row_of_the_input_counts() {
        let mut progress = Progress::new([(0, 4), (1, 4), (2, 4)].into_iter());
        progress.take(refused(2, 1)).unwrap();
        assert_eq!(
            progress.pieces(&holding(&[0, 1, 2])).len(),
            2,
            "what comes before is scored still"
        );
        progress.take(refused(1, 3)).unwrap();
        assert_eq!(progress.step(), Step::Score);
        progress.take(rows(0, 4)).unwrap();
        let expected = Step::Refused {
            partition: 1,
            row: 3,
            problem: "row 3".to_string(),
        };
        assert_eq!(progress.step(), expected);
    }
}
