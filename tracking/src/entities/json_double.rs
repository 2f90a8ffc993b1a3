//! Doubles in JSON, which has no word for NaN or the infinities: MLflow writes them as strings, and reads numbers as
//! strings too.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(f64),
    Text(String),
}

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match *value {
        value if value.is_nan() => serializer.serialize_str("NaN"),
        f64::INFINITY => serializer.serialize_str("Infinity"),
        f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
        value => serializer.serialize_f64(value),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(value) => Ok(value),
        NumberOrText::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| D::Error::custom(format!("{text:?} is not a number, NaN, Infinity or -Infinity"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::entities::Metric;

    #[test]
    fn doubles_without_a_json_number_are_strings() {
        for (value, json) in [
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (-0.5, "-0.5"),
        ] {
            let metric = Metric {
                key: "m".to_owned(),
                value,
                timestamp_ms: 1,
                step: 2,
            };
            let text = serde_json::to_string(&metric).unwrap();
            assert_eq!(
                text,
                format!("{{\"key\":\"m\",\"value\":{json},\"timestamp_ms\":1,\"step\":2}}")
            );
            let back: Metric = serde_json::from_str(&text).unwrap();
            assert_eq!(back.value.to_string(), value.to_string());
        }
        let as_text = r#"{"key":"m","value":"1.5","timestamp_ms":1,"step":2}"#;
        assert_eq!(serde_json::from_str::<Metric>(as_text).unwrap().value, 1.5);
        let bad = r#"{"key":"m","value":"much","timestamp_ms":1,"step":2}"#;
        let error = serde_json::from_str::<Metric>(bad).unwrap_err().to_string();
        assert!(
            error.contains("\"much\" is not a number, NaN, Infinity or -Infinity"),
            "{error}"
        );
    }
}
