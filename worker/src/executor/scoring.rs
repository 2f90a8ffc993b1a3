//! Scoring rows that somebody wants to keep: pieces of partitions, by the code that answers requests online.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use rookery_data::cache::CachedPartition;
use rookery_data::frame::to_frame;
use rookery_data::scored::{self, Scores};
use rookery_ml::Model;
use rookery_proto::Failure;
use rookery_serving::{ScoreError, Scored, Scorer};

use super::{Executor, TRAINING_PART, in_partition};
use crate::error::{internal, of_data, of_ml};

/// What one answer holds of one partition, about: a few of them fit into a message with room to spare.
const PIECE_BYTES: usize = 2 << 20;

/// Partitions on disk that stay in memory between two of their pieces: a driver asks for so many at once.
const BEGUN: usize = 4;

/// From where on a partition is to be scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) partition: u32,
    pub(crate) first_row: u64,
}

/// What came of a piece.
#[derive(Debug)]
pub(crate) enum ScoredPiece {
    /// So many rows from the first, as they travel.
    Rows { rows: u64, ipc: Vec<u8> },
    /// The model can't use a row.
    Refused { row: u64, problem: String },
}

/// The scorer that was asked for last: a job asks for the same again and again.
#[derive(Debug, Default)]
pub(super) struct LastScorer(Mutex<Option<(String, Arc<Scorer>)>>);

/// Partitions on disk of which a piece was scored: the next one is asked for soon.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<VecDeque<(String, u32, Arc<CachedPartition>)>>);

impl Begun {
    fn find(&self, dataset: &str, number: u32) -> Option<Arc<CachedPartition>> {
        let begun = self.lock();
        let found = begun
            .iter()
            .find(|(name, other, _)| name == dataset && *other == number);
        found.map(|(.., partition)| Arc::clone(partition))
    }

    /// Keeps a partition, and no more than a few.
    fn keep(&self, dataset: &str, number: u32, partition: &Arc<CachedPartition>) {
        let mut begun = self.lock();
        begun.retain(|(name, other, _)| name != dataset || *other != number);
        begun.push_back((dataset.to_string(), number, Arc::clone(partition)));
        if begun.len() > BEGUN {
            begun.pop_front();
        }
    }

    fn drop_one(&self, dataset: &str, number: u32) {
        self.lock()
            .retain(|(name, other, _)| name != dataset || *other != number);
    }

    pub(super) fn forget(&self, dataset: &str) {
        self.lock().retain(|(name, ..)| name != dataset);
    }

    pub(super) fn datasets(&self) -> Vec<String> {
        self.lock().iter().map(|(dataset, ..)| dataset.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, u32, Arc<CachedPartition>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor {
    /// The scorer of a model.
    pub(crate) fn scorer(&self, model_json: &str) -> Result<Arc<Scorer>, Failure> {
        let mut last = self.last_scorer.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((json, scorer)) = last.as_ref()
            && json == model_json
        {
            return Ok(Arc::clone(scorer));
        }
        let model = Model::from_json(model_json).map_err(|e| of_ml(&e))?;
        let policies = model.invalid_values;
        let scorer = Arc::new(Scorer::with_policies(model, policies)?);
        *last = Some((model_json.to_string(), Arc::clone(&scorer)));
        Ok(scorer)
    }

    /// Scores the pieces of a dataset; what comes back of each row are the columns of `keep` and the scores.
    pub(crate) fn score_rows(
        &self,
        dataset: &str,
        pieces: &[Piece],
        scorer: &Scorer,
        keep: &[String],
    ) -> Result<Vec<(Piece, ScoredPiece)>, Failure> {
        let score = |piece: &Piece| Ok((*piece, self.score_piece(dataset, *piece, scorer, keep)?));
        let scored: Vec<Result<_, Failure>> = self.pool.install(|| pieces.par_iter().map(score).collect());
        scored.into_iter().collect()
    }

    fn score_piece(
        &self,
        dataset: &str,
        piece: Piece,
        scorer: &Scorer,
        keep: &[String],
    ) -> Result<ScoredPiece, Failure> {
        let partition = match self.begun.find(dataset, piece.partition) {
            Some(partition) => partition,
            None => self.partition(dataset, piece.partition, TRAINING_PART)?,
        };
        let at_once = partition.rows_within(TRAINING_PART, PIECE_BYTES);
        let batch = partition
            .batch(TRAINING_PART, piece.first_row as usize, at_once)
            .map_err(of_data)?;
        let rows = batch.num_rows();
        match piece.first_row as usize + rows < partition.rows_of(TRAINING_PART) {
            true if partition.is_passing() => self.begun.keep(dataset, piece.partition, &partition),
            _ => self.begun.drop_one(dataset, piece.partition),
        }
        let inputs: Vec<usize> = (0..batch.num_columns())
            .filter(|i| {
                let name = batch.schema_ref().field(*i).name();
                scorer.model().inputs.iter().any(|input| input.name == *name)
            })
            .collect();
        let read = batch.project(&inputs).map_err(internal)?;
        let frame = to_frame(&read, 0, rows).map_err(of_data)?;
        let scored = match scorer.score(frame) {
            Ok(scored) => scored,
            Err(ScoreError::Values(values)) => {
                let first = values.told.iter().min_by_key(|wrong| wrong.row);
                let wrong = first.ok_or_else(|| internal(&values))?;
                return Ok(ScoredPiece::Refused {
                    row: piece.first_row + wrong.row as u64,
                    problem: wrong.problem(),
                });
            }
            Err(ScoreError::Model(error)) => return Err(in_partition(&error, piece.partition)),
        };
        let ipc = scored::encode(&batch, keep, by_column(&scored)).map_err(of_data)?;
        Ok(ScoredPiece::Rows {
            rows: rows as u64,
            ipc,
        })
    }
}

/// Scores as columns, with nothing for a row that is left out.
fn by_column(scored: &Scored) -> Scores {
    let positions = scored.positions();
    let classes = scored.predictions.classes;
    let of_class = |class: usize| {
        let probability =
            |position: &Option<usize>| position.map(|position| scored.probabilities(position)[class]);
        positions.iter().map(probability).collect()
    };
    Scores {
        prediction: scored.by_row(),
        probabilities: (0..classes).map(of_class).collect(),
    }
}
