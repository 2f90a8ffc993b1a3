//! [`Precision`]: with how many bits rounds compute.

use serde::{Deserialize, Serialize};

/// With how many bits rounds compute; what they add up is added up in doubles either way, in one order on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// With doubles: Spark's.
    #[default]
    Double,
    /// With floats where that is quicker, which is for the binomial family and blocks that have all features in columns; else
    /// with doubles, and where something leaves the floats. Sums of at most 1,024 rows are floats.
    Fast,
}

impl Precision {
    /// Returns the name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Double => "double",
            Precision::Fast => "fast",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
    pub(crate) fn is_double(&self) -> bool {
        *self == Precision::Double
    }
}
