//! Counts of ascending keys as they travel: how far each key is from the one before it, and its count, in one list. Keys are
//! long and near to each other.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(counts: &[(u64, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut before = 0;
    serializer.collect_seq(counts.iter().flat_map(|(key, count)| {
        let step = key.wrapping_sub(before);
        before = *key;
        [step, *count]
    }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(u64, u64)>, D::Error> {
    let numbers = Vec::<u64>::deserialize(deserializer)?;
    let (pairs, []) = numbers.as_chunks() else {
        return Err(D::Error::custom("a key without a count"));
    };
    // The first step may be none: it leads to a key from zero.
    let ascend = pairs.iter().skip(1).all(|[step, _]| *step > 0);
    let mut before = Some(0_u64);
    let keys = pairs.iter().map(|[step, count]| {
        before = before?.checked_add(*step);
        Some((before?, *count))
    });
    let counts: Option<Vec<(u64, u64)>> = keys.collect();
    counts
        .filter(|_| ascend)
        .ok_or_else(|| D::Error::custom("keys that do not ascend"))
}

#[cfg(test)]
mod tests {
    use crate::buckets::Buckets;

    #[test]
    fn counts_come_back_and_nothing_else_does() {
        let mut buckets = Buckets::default();
        buckets.add_all(&[-1e300, -1.0, 0.0, 0.0, f64::INFINITY]);
        let json = serde_json::to_string(&buckets).expect("plain numbers");
        assert_eq!(serde_json::from_str::<Buckets>(&json).ok(), Some(buckets));
        let of = |counts: &str| {
            serde_json::from_str::<Buckets>(&format!(r#"{{"shift": 3, "counts": {counts}}}"#)).is_ok()
        };
        assert!(of("[]") && of("[0, 2, 5, 1]"));
        assert!(!of("[0, 2, 0, 1]"), "no step");
        assert!(!of("[5]") && !of("[5, 1, 0, 1]") && !of("[18446744073709551615, 1, 1, 1]"));
    }
}
