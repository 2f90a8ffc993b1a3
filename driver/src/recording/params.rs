//! What runs are recorded with: parameters under Spark's names, as the lab logs them, and facts about the data.

use rookery_data::Dataset;
use rookery_ml::LogisticRegressionParams;
use rookery_proto::Failure;

use crate::error::internal;
use crate::job_spec::ValidJobSpec;

/// A run's parameters under Spark's names.
pub(crate) fn describe_params(params: &LogisticRegressionParams) -> Result<Vec<(String, String)>, Failure> {
    let value = serde_json::to_value(params).map_err(internal)?;
    let serde_json::Value::Object(fields) = value else {
        return Err(internal("params are no table"));
    };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(fields
        .into_iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(key, v)| (camel_case(&key), text(v)))
        .collect())
}

/// What the data of a job's runs were: split, seed, row counts.
pub(crate) fn data_params(spec: &ValidJobSpec, dataset: &Dataset) -> Vec<(String, String)> {
    let rows = |part: usize| dataset.part_rows.get(part).copied().unwrap_or(0).to_string();
    let split = &spec.split;
    [
        ("split.method", format!("{:?}", split.method).to_lowercase()),
        ("split.weights", format!("{:?}", split.weights)),
        ("split.seed", split.seed.to_string()),
        ("data.rows_read", dataset.cleaning.rows_read.to_string()),
        ("data.rows_kept", dataset.cleaning.rows_kept.to_string()),
        ("data.rows_train", rows(0)),
        ("data.rows_test", rows(1)),
        ("data.partitions", dataset.partitions.len().to_string()),
        ("label", spec.label.clone()),
        ("features", spec.features.clone()),
    ]
    .map(|(key, value)| (key.to_string(), value))
    .to_vec()
}

/// `reg_param` → `regParam`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_have_sparks_names() {
        let params = LogisticRegressionParams {
            max_iter: 5,
            reg_param: 0.5,
            ..Default::default()
        };
        let described = describe_params(&params).unwrap();
        for expected in [
            ("maxIter", "5"),
            ("regParam", "0.5"),
            ("tol", "1e-6"),
            ("fitIntercept", "true"),
            ("family", "auto"),
        ] {
            let found = described
                .iter()
                .find(|(key, _)| key == expected.0)
                .map(|(_, value)| value.as_str());
            assert_eq!(found, Some(expected.1), "{}", expected.0);
        }
        assert!(described.iter().all(|(key, _)| key != "thresholds"));
    }
}
