//! How the partials of a round come together: each holder answers the driver, or, along a tree over the workers, each answers
//! the one before it, which merges. The tree is a shorter way for the same numbers: its answers are complete subtrees of the
//! merge tree, as those of single workers are, and whatever does not come by it is asked for directly.

use std::str::FromStr;

mod branches;
mod cost;
mod trees;

pub(crate) use branches::Branch;
pub(crate) use cost::Sizes;
pub(crate) use trees::Trees;

/// How the partials of rounds come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Along a tree where that takes less time, by a model of calls and bytes.
    #[default]
    Auto,
    /// Every worker answers the driver.
    Flat,
    /// Along a tree, however few workers there are.
    Tree {
        /// How many workers each asks at most; `None` for what takes the least time.
        fan_out: Option<usize>,
    },
}

impl FromStr for Reduction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fan_out = |text: &str| text.parse().ok().filter(|fan_out| *fan_out >= 2);
        match text {
            "auto" => Ok(Self::Auto),
            "flat" => Ok(Self::Flat),
            "tree" => Ok(Self::Tree { fan_out: None }),
            _ => match text.strip_prefix("tree:").and_then(fan_out) {
                Some(fan_out) => Ok(Self::Tree {
                    fan_out: Some(fan_out),
                }),
                None => Err("expected auto, flat, tree or tree:N with N of at least 2".to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let tree = |fan_out| Ok(Reduction::Tree { fan_out });
        for (text, expected) in [
            ("auto", Ok(Reduction::Auto)),
            ("flat", Ok(Reduction::Flat)),
            ("tree", tree(None)),
            ("tree:2", tree(Some(2))),
        ] {
            assert_eq!(Reduction::from_str(text), expected);
        }
        for wrong in ["", "Tree", "tree:", "tree:1", "tree:x", "flat:2"] {
            assert!(Reduction::from_str(wrong).is_err(), "{wrong}");
        }
    }
}
