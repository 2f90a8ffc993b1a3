//! `--null` and `--unseen`: what becomes of values that a model can't use, for those who know better than the model.

use clap::{Args, ValueEnum};
use rookery_ml::{InvalidValue, InvalidValues};

/// What becomes of values that the model can't use.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Policies {
    /// What becomes of a row with a null: it is refused, kept without a prediction, or the mean or most frequent category of
    /// training takes the null's place [default: as the model says, mostly error]
    #[arg(long, value_name = "POLICY")]
    null: Option<Policy>,

    /// The same for a category that training has not seen
    #[arg(long, value_name = "POLICY")]
    unseen: Option<Policy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    Error,
    Keep,
    Reference,
}

impl From<Policy> for InvalidValue {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Error => Self::Error,
            Policy::Keep => Self::Keep,
            Policy::Reference => Self::Reference,
        }
    }
}

impl Policies {
    /// These, and the model's own where none is named.
    pub(crate) fn over(self, own: InvalidValues) -> InvalidValues {
        InvalidValues {
            null: self.null.map_or(own.null, InvalidValue::from),
            unseen: self.unseen.map_or(own.unseen, InvalidValue::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_what_the_model_says() {
        let own = InvalidValues {
            null: InvalidValue::Keep,
            unseen: InvalidValue::Error,
        };
        let policies = |null, unseen| Policies { null, unseen }.over(own);
        assert_eq!(policies(None, None), own);
        let expected = InvalidValues {
            null: InvalidValue::Error,
            unseen: InvalidValue::Reference,
        };
        assert_eq!(policies(Some(Policy::Error), Some(Policy::Reference)), expected);
    }
}
