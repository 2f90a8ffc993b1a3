//! Which part a row goes to: [`Splitter`]. A function of the seed and the row's place or key, never of time,
//! worker or thread, so that the parts are the same on any cluster.
//!
//! `spark` gives the rows of Spark's `DataFrame.randomSplit`, one for one: one [`XorShiftRandom`] for each
//! partition, seeded with `seed + partition`, one draw for each row of the partition *sorted by every column*,
//! and cells of cumulated weights (`BernoulliCellSampler`).

use twox_hash::XxHash64;

use crate::error::{DataError, Result};
use crate::spec::{SplitMethod, SplitSpec};

/// Most parts a split may have.
const PARTS_MAX: usize = 16;

/// A checked split.
#[derive(Debug, Clone, PartialEq)]
pub struct Splitter {
    /// What decides where a row goes.
    pub method: SplitMethod,
    /// The seed.
    pub seed: i64,
    /// The key columns, for [`SplitMethod::Key`].
    pub key: Vec<String>,
    /// Upper bound of each part's cell in [0, 1); the cell starts at the former bound.
    bounds: Vec<f64>,
}

impl Splitter {
    /// Checks weights and key columns against the columns there are.
    pub fn new(spec: &SplitSpec, columns: &[String]) -> Result<Self> {
        let weights = &spec.weights;
        if weights.len() < 2 || weights.len() > PARTS_MAX {
            return Err(DataError::spec(format!(
                "split.weights has {} values, expected 2 to {PARTS_MAX}",
                weights.len()
            ))
            .hint("weights = [0.7, 0.3] trains on 70 % of the rows and tests on 30 %"));
        }
        if let Some(bad) = weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
            return Err(DataError::spec(format!(
                "split.weights holds {bad}, expected numbers of at least 0"
            )));
        }
        let sum: f64 = weights.iter().sum();
        if sum <= 0.0 {
            return Err(DataError::spec(
                "split.weights sums to 0, expected a positive sum",
            ));
        }
        if weights[0] == 0.0 {
            return Err(DataError::spec(
                "split.weights[0] is 0: no row would be left to train on",
            ));
        }
        check_key(spec, columns)?;
        // Spark cumulates the normalised weights from the left.
        let bounds = weights
            .iter()
            .scan(0.0, |bound, weight| {
                *bound += weight / sum;
                Some(*bound)
            })
            .collect();
        Ok(Self {
            method: spec.method,
            seed: spec.seed,
            key: spec.key.clone(),
            bounds,
        })
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.bounds.len()
    }

    /// The part whose cell holds `x`, a number in [0, 1). `None` when rounding left a gap below 1.
    pub fn cell(&self, x: f64) -> Option<usize> {
        self.bounds.iter().position(|bound| x < *bound)
    }

    /// The part of a row by its place: its position in its partition, counted before rows are dropped.
    pub fn part_of_row(&self, partition: u32, ordinal: u64) -> usize {
        let mut place = [0; 12];
        place[..4].copy_from_slice(&partition.to_le_bytes());
        place[4..].copy_from_slice(&ordinal.to_le_bytes());
        self.part_of_bytes(&place)
    }

    /// The part of a row by the bytes of its key.
    pub fn part_of_bytes(&self, key: &[u8]) -> usize {
        let hash = XxHash64::oneshot(self.seed as u64, key);
        let x = (hash >> 11) as f64 * 2f64.powi(-53);
        self.cell(x).unwrap_or(self.bounds.len() - 1)
    }
}

fn check_key(spec: &SplitSpec, columns: &[String]) -> Result<()> {
    if spec.method != SplitMethod::Key {
        return match spec.key.is_empty() {
            true => Ok(()),
            false => Err(
                DataError::spec("split.key is given, but split.method is not \"key\"")
                    .hint("add method = \"key\" under [split]"),
            ),
        };
    }
    if spec.key.is_empty() {
        return Err(DataError::spec(
            "split.method = \"key\" needs split.key, a list of columns",
        ));
    }
    match spec.key.iter().find(|name| !columns.contains(name)) {
        Some(name) => Err(unknown_column("split.key", name, columns)),
        None => Ok(()),
    }
}

/// The error for a column that is not there, with the ones that are.
pub(crate) fn unknown_column(place: &str, name: &str, columns: &[String]) -> DataError {
    DataError::spec(format!("{place} names column \"{name}\", which is not there"))
        .hint(format!("columns: {}", columns.join(", ")))
}

/// Spark's `org.apache.spark.util.random.XORShiftRandom`, bit for bit.
#[derive(Debug, Clone)]
pub struct XorShiftRandom {
    state: u64,
}

impl XorShiftRandom {
    /// A generator whose first state is the hashed seed.
    pub fn new(seed: i64) -> Self {
        // Scala's MurmurHash3.arraySeed; the second half is seeded with the first.
        const ARRAY_SEED: u32 = 0x3c07_4a61;
        let bytes = seed.to_be_bytes();
        let low = murmur3(&bytes, ARRAY_SEED);
        let high = murmur3(&bytes, low);
        Self {
            state: (u64::from(high) << 32) | u64::from(low),
        }
    }

    fn next(&mut self, bits: u32) -> u64 {
        self.state ^= self.state << 21;
        self.state ^= self.state >> 35;
        self.state ^= self.state << 4;
        self.state & ((1 << bits) - 1)
    }

    /// The next number in [0, 1), as `java.util.Random.nextDouble` makes it of 26 and 27 bits.
    pub fn next_double(&mut self) -> f64 {
        let high = self.next(26) << 27;
        (high + self.next(27)) as f64 * 2f64.powi(-53)
    }
}

/// MurmurHash3 x86 32-bit of whole 4-byte words (Austin Appleby, public domain), as `scala.util.hashing` uses it.
fn murmur3(bytes: &[u8; 8], seed: u32) -> u32 {
    let mut hash = seed;
    for word in bytes.chunks_exact(4) {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let mixed = word
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593);
        hash = (hash ^ mixed)
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn splitter(method: SplitMethod, weights: &[f64], seed: i64) -> Splitter {
        let key = if method == SplitMethod::Key {
            vec!["k".to_string()]
        } else {
            vec![]
        };
        let spec = SplitSpec {
            method,
            weights: weights.to_vec(),
            seed,
            key,
        };
        Splitter::new(&spec, &["k".to_string()]).unwrap()
    }

    #[test]
    fn the_generator_is_sparks() {
        let mut random = XorShiftRandom::new(42);
        assert_eq!(random.state, 0x3807_8a85_4d18_b285);
        let first: Vec<f64> = (0..3).map(|_| random.next_double()).collect();
        assert_eq!(first, [0.619189370225301, 0.5096018842446481, 0.8325259388871524]);
    }

    #[test]
    fn seven_and_three_tenths_make_cells_up_to_one() {
        assert_eq!(splitter(SplitMethod::Spark, &[0.7, 0.3], 42).bounds, [0.7, 1.0]);
    }

    #[test]
    fn bad_weights_are_refused_with_their_value() {
        let message = |weights: &[f64]| {
            let spec = SplitSpec {
                method: SplitMethod::Row,
                weights: weights.to_vec(),
                seed: 0,
                key: vec![],
            };
            Splitter::new(&spec, &[]).map_err(|e| e.message).unwrap_err()
        };
        assert_eq!(
            message(&[0.7, -0.3]),
            "split.weights holds -0.3, expected numbers of at least 0"
        );
        assert_eq!(
            message(&[0.7, f64::NAN]),
            "split.weights holds NaN, expected numbers of at least 0"
        );
        assert_eq!(message(&[1.0]), "split.weights has 1 values, expected 2 to 16");
        assert_eq!(
            message(&[0.0, 0.0]),
            "split.weights sums to 0, expected a positive sum"
        );
    }

    #[test]
    fn a_key_must_be_a_column() {
        let spec = SplitSpec {
            method: SplitMethod::Key,
            weights: vec![1.0, 1.0],
            seed: 0,
            key: vec!["who".to_string()],
        };
        let error = Splitter::new(&spec, &["k".to_string()]).unwrap_err();
        assert_eq!(
            error.message,
            "split.key names column \"who\", which is not there"
        );
        assert_eq!(error.hint.as_deref(), Some("columns: k"));
    }

    proptest! {
        #[test]
        fn every_row_has_a_part(partition: u32, ordinal: u64, seed: i64, weight in 0.01..100.0f64) {
            let splitter = splitter(SplitMethod::Row, &[weight, 1.0], seed);
            prop_assert!(splitter.part_of_row(partition, ordinal) < 2);
        }
    }

    #[test]
    fn parts_have_about_the_weights_asked_for() {
        let splitter = splitter(SplitMethod::Row, &[0.7, 0.3], 7);
        let train = (0..100_000).filter(|i| splitter.part_of_row(3, *i) == 0).count();
        assert!((69_000..71_000).contains(&train), "{train} of 100000");
    }
}
