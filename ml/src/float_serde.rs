//! Floats in JSON without loss.
//!
//! JSON has no infinity and no NaN, yet an intercept can be −∞ (one class only) and a line search can meet ∞.
//! Finite values are written as numbers (shortest digits that read back to the same bits), the others as the
//! strings `"Infinity"`, `"-Infinity"` and `"NaN"`.
//!
//! What no human reads and may be long, the state of a training, has its vectors packed: eight bytes a value,
//! little-endian, in base64.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Float {
    Number(f64),
    Name(FloatName),
}

#[derive(Serialize, Deserialize)]
enum FloatName {
    Infinity,
    #[serde(rename = "-Infinity")]
    NegativeInfinity,
    NaN,
}

impl From<f64> for Float {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Float::Number(value)
        } else if value.is_nan() {
            Float::Name(FloatName::NaN)
        } else if value > 0.0 {
            Float::Name(FloatName::Infinity)
        } else {
            Float::Name(FloatName::NegativeInfinity)
        }
    }
}

impl From<Float> for f64 {
    fn from(value: Float) -> Self {
        match value {
            Float::Number(number) => number,
            Float::Name(FloatName::Infinity) => f64::INFINITY,
            Float::Name(FloatName::NegativeInfinity) => f64::NEG_INFINITY,
            Float::Name(FloatName::NaN) => f64::NAN,
        }
    }
}

/// For one `f64`: `#[serde(with = "crate::float_serde::scalar")]`.
pub(crate) mod scalar {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Float::from(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Float::deserialize(deserializer).map(f64::from)
    }
}

/// For a `Vec<f64>`: `#[serde(with = "crate::float_serde::vector")]`.
pub(crate) mod vector {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| Float::from(*value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let floats = Vec::<Float>::deserialize(deserializer)?;
        Ok(floats.into_iter().map(f64::from).collect())
    }
}

/// For a `Vec<Vec<f64>>`: `#[serde(with = "crate::float_serde::vectors")]`.
pub(crate) mod vectors {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(values: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        let floats = |values: &Vec<f64>| values.iter().map(|value| Float::from(*value)).collect::<Vec<_>>();
        serializer.collect_seq(values.iter().map(floats))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f64>>, D::Error> {
        let floats = Vec::<Vec<Float>>::deserialize(deserializer)?;
        let values = |floats: Vec<Float>| floats.into_iter().map(f64::from).collect();
        Ok(floats.into_iter().map(values).collect())
    }
}

/// For a `Vec<f64>` that may be long: `#[serde(with = "crate::float_serde::packed")]`. Lists of numbers are read, too.
pub(crate) mod packed {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// So many values are written as a list: it is hardly longer, and can be read.
    const LISTED: usize = 16;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Packed {
        Text(String),
        List(Vec<Float>),
    }

    impl Packed {
        fn values<E: serde::de::Error>(self) -> Result<Vec<f64>, E> {
            let text = match self {
                Packed::List(values) => return Ok(values.into_iter().map(f64::from).collect()),
                Packed::Text(text) => text,
            };
            let bytes = STANDARD.decode(text).map_err(E::custom)?;
            match bytes.as_chunks() {
                (values, []) => Ok(values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()),
                (_, rest) => Err(E::invalid_length(rest.len(), &"eight bytes a value")),
            }
        }
    }

    pub(crate) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        if values.len() <= LISTED {
            return vector::serialize(values, serializer);
        }
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Packed::deserialize(deserializer)?.values()
    }

    /// For an `Option<Vec<f64>>`.
    pub(crate) mod option {
        use super::*;

        pub(crate) fn serialize<S: Serializer>(
            values: &Option<Vec<f64>>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match values {
                None => serializer.serialize_none(),
                Some(values) => packed::serialize(values, serializer),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Vec<f64>>, D::Error> {
            let packed = Option::<Packed>::deserialize(deserializer)?;
            packed.map(Packed::values).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Holder {
        #[serde(with = "super::scalar")]
        one: f64,
        #[serde(with = "super::vector")]
        many: Vec<f64>,
        #[serde(with = "super::packed")]
        packed: Vec<f64>,
        #[serde(with = "super::packed::option")]
        perhaps: Option<Vec<f64>>,
    }

    fn round_trip(values: &[f64]) {
        let holder = Holder {
            one: values[0],
            many: values.to_vec(),
            packed: values.repeat(20),
            perhaps: Some(values.to_vec()),
        };
        let text = serde_json::to_string(&holder).expect("floats can be written");
        let back: Holder = serde_json::from_str(&text).expect("what was written can be read");
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.many), bits(values), "{text}");
        assert_eq!(bits(&back.packed), bits(&holder.packed), "{text}");
        let perhaps = back.perhaps.as_deref().map(bits);
        assert_eq!(perhaps, Some(bits(values)), "{text}");
        assert_eq!(back.one.to_bits(), values[0].to_bits(), "{text}");
    }

    #[test]
    fn special_values_survive() {
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 5e-324, f64::MAX] {
            round_trip(&[value, 1.0]);
        }
    }

    #[test]
    fn lists_are_read_where_values_are_packed_now_and_broken_text_is_refused() {
        let read = |packed: &str| {
            let json = format!(r#"{{"one": 1.0, "many": [], "packed": {packed}, "perhaps": null}}"#);
            serde_json::from_str::<Holder>(&json).map(|holder| (holder.packed, holder.perhaps))
        };
        let list = read(r#"[1.5, "-Infinity"]"#).expect("a list");
        assert_eq!(list, (vec![1.5, f64::NEG_INFINITY], None));
        assert!(read(r#""AAAA""#).is_err() && read(r#""?""#).is_err() && read("7").is_err());
    }

    proptest! {
        #[test]
        fn every_finite_bit_pattern_survives(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            round_trip(&[value]);
        }
    }
}
