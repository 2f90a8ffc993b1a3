//! [`RowSample`]: which rows of a block a round looks at.

use serde::{Deserialize, Serialize};

use crate::lanes::LANES;

/// The rows of each block that a round looks at: so many from its first on. Blocks cover the data evenly, so the first
/// rows of all of them are a sample that follows from the data alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowSample {
    /// Most rows of a block that count for loss and gradient.
    pub gradient: u32,
    /// Most rows of a block that count for second derivatives; never more than for the gradient.
    pub hessian: u32,
}

impl RowSample {
    /// All rows, without second derivatives.
    pub const GRADIENT: RowSample = RowSample {
        gradient: u32::MAX,
        hessian: 0,
    };
    /// All rows, with second derivatives.
    pub const HESSIAN: RowSample = RowSample {
        gradient: u32::MAX,
        hessian: u32::MAX,
    };

    /// Returns how many rows of a block of `rows` rows count for the gradient: whole lanes, unless all do.
    pub(crate) fn gradient_rows(self, rows: usize) -> usize {
        whole_lanes(self.gradient, rows)
    }

    /// Returns how many rows of a block of `rows` rows count for second derivatives.
    pub(crate) fn hessian_rows(self, rows: usize) -> usize {
        whole_lanes(self.hessian.min(self.gradient), rows)
    }
}

impl Default for RowSample {
    fn default() -> Self {
        RowSample::GRADIENT
    }
}

fn whole_lanes(wanted: u32, rows: usize) -> usize {
    (wanted as usize).next_multiple_of(LANES).min(rows)
}
