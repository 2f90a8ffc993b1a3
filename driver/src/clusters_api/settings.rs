//! What a client says of the cluster it wants.

use serde_json::{Map, Value};

use super::Refused;
use crate::named_clusters::{ClusterSettings, ClusterSize};

/// Most workers of a cluster: they are processes of one machine.
const WORKERS_MAX: u64 = 100;
/// The `spark_version` of a cluster for which nobody has said one.
pub(super) const UNKNOWN_VERSION: &str = "rookery";
/// Longest name, in characters.
const NAME_MAX: usize = 200;

/// The settings in a request to create or edit a cluster. What means nothing here is kept, and shown as it was said.
pub(super) fn of(mut fields: Map<String, Value>) -> Result<ClusterSettings, Refused> {
    fields.remove("cluster_id");
    if text(&fields, "spark_version")?.is_none_or(str::is_empty) {
        return Err(Refused::invalid("Missing required field: spark_version"));
    }
    let name = text(&fields, "cluster_name")?.unwrap_or_default().to_string();
    if name.chars().count() > NAME_MAX || name.contains(char::is_control) {
        return Err(Refused::invalid(format!(
            "cluster_name is longer than {NAME_MAX} characters, or holds control characters"
        )));
    }
    let minutes = match fields.get("autotermination_minutes") {
        None | Some(Value::Null) => 0.0,
        Some(value) => value.as_f64().filter(|minutes| *minutes >= 0.0).ok_or_else(|| {
            Refused::invalid(format!(
                "autotermination_minutes is {value}, expected a number of minutes"
            ))
        })?,
    };
    Ok(ClusterSettings {
        name,
        size: size(&fields)?,
        auto_terminate_minutes: Some(minutes).filter(|minutes| *minutes > 0.0),
        attributes: fields,
    })
}

/// The number of workers in a request; none is a single node.
pub(super) fn size(fields: &Map<String, Value>) -> Result<ClusterSize, Refused> {
    let autoscale = match fields.get("autoscale") {
        None | Some(Value::Null) => None,
        Some(Value::Object(bounds)) => Some(bounds),
        Some(other) => {
            return Err(Refused::invalid(format!(
                "autoscale is {other}, expected an object"
            )));
        }
    };
    let Some(bounds) = autoscale else {
        return Ok(match count(fields, "num_workers")?.unwrap_or(0) {
            0 => ClusterSize {
                is_single_node: true,
                min_workers: 1,
                max_workers: 1,
            },
            workers => ClusterSize {
                is_single_node: false,
                min_workers: workers,
                max_workers: workers,
            },
        });
    };
    let bound = |name: &str| {
        count(bounds, name)?
            .ok_or_else(|| Refused::invalid(format!("Missing required field: autoscale.{name}")))
    };
    // The driver computes nothing here: without a worker nothing would begin.
    let (min_workers, max_workers) = (bound("min_workers")?.max(1), bound("max_workers")?.max(1));
    if max_workers < min_workers {
        return Err(Refused::invalid(format!(
            "autoscale.max_workers is {max_workers}, expected at least min_workers, {min_workers}"
        )));
    }
    Ok(ClusterSize {
        is_single_node: false,
        min_workers,
        max_workers,
    })
}

fn count(fields: &Map<String, Value>, name: &str) -> Result<Option<usize>, Refused> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|count| *count <= WORKERS_MAX) {
            Some(count) => Ok(Some(count as usize)),
            None => Err(Refused::invalid(format!(
                "{name} is {value}, expected a whole number from 0 to {WORKERS_MAX}"
            ))),
        },
    }
}

/// A field that is a text, if it is there.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refused> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Refused::invalid(format!("{name} is {other}, expected a string"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: Value) -> Result<ClusterSettings, Refused> {
        of(value.as_object().unwrap().clone())
    }

    #[test]
    fn no_worker_is_a_single_node_and_nothing_that_was_said_is_lost() {
        let said = json!({
            "cluster_name": "clúster de Ñandú's",
            "spark_version": "15.4.x-cpu-ml-scala2.12",
            "num_workers": 0,
            "autotermination_minutes": 20,
            "spark_conf": {"spark.databricks.cluster.profile": "singleNode"},
        });
        let settings = settings(said.clone()).unwrap();
        assert!(settings.size.is_single_node);
        assert_eq!(settings.auto_terminate_minutes, Some(20.0));
        assert_eq!(Value::Object(settings.attributes), said);
    }

    #[test]
    fn sizes_are_checked() {
        let size =
            |value: Value| size(value.as_object().unwrap()).map(|size| (size.min_workers, size.max_workers));
        assert_eq!(size(json!({"num_workers": 3})), Ok((3, 3)));
        assert_eq!(
            size(json!({"autoscale": {"min_workers": 0, "max_workers": 4}})),
            Ok((1, 4))
        );
        for wrong in [
            json!({"num_workers": -1}),
            json!({"num_workers": 101}),
            json!({"num_workers": "two"}),
            json!({"autoscale": {"min_workers": 3, "max_workers": 2}}),
            json!({"autoscale": {"min_workers": 3}}),
            json!({"autoscale": 3}),
        ] {
            assert_eq!(
                size(wrong.clone()).unwrap_err().code,
                "INVALID_PARAMETER_VALUE",
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (said, named) in [
            (json!({"num_workers": 1}), "spark_version"),
            (
                json!({"spark_version": "x", "autotermination_minutes": -1}),
                "autotermination_minutes",
            ),
            (
                json!({"spark_version": "x", "cluster_name": "a\nb"}),
                "cluster_name",
            ),
            (json!({"spark_version": "x", "cluster_name": 7}), "cluster_name"),
        ] {
            assert!(settings(said).unwrap_err().message.contains(named), "{named}");
        }
    }
}
