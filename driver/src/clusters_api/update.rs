//! A change of some of a cluster's settings: what a mask names, and nothing else.

use serde_json::{Map, Value, json};

use super::settings::{self, UNKNOWN_VERSION};
use super::{Refused, catalogue};
use crate::named_clusters::ClusterSettings;

/// What a mask may name as a whole: the fields of the clients' `UpdateClusterResource` that hold one value, a list or a map.
const WHOLE: [&str; 27] = [
    "autotermination_minutes",
    "cluster_name",
    "custom_tags",
    "data_security_mode",
    "dependency_mode",
    "driver_instance_pool_id",
    "driver_node_type_id",
    "enable_elastic_disk",
    "enable_local_disk_encryption",
    "init_scripts",
    "instance_pool_id",
    "is_single_node",
    "kind",
    "node_type_id",
    "num_workers",
    "policy_id",
    "remote_disk_throughput",
    "runtime_engine",
    "single_user_name",
    "spark_conf",
    "spark_env_vars",
    "spark_version",
    "ssh_public_keys",
    "total_initial_remote_disk_size",
    "use_ml_runtime",
    "driver_node_type_flexibility",
    "worker_node_type_flexibility",
];
/// Of these a mask may name a part, too: `autoscale.max_workers`.
const WITH_PARTS: [&str; 7] = [
    "autoscale",
    "aws_attributes",
    "azure_attributes",
    "cluster_log_conf",
    "docker_image",
    "gcp_attributes",
    "workload_type",
];

/// The settings that a cluster has after a request to update it.
///
/// `update_mask` is a list of paths with commas: each is what the request's `cluster` says there, or is taken away if that says
/// nothing. `*` stands for all. A number of workers and bounds for it replace one another.
pub(super) fn updated(
    fields: &Map<String, Value>,
    before: &ClusterSettings,
) -> Result<ClusterSettings, Refused> {
    let empty = Map::new();
    let wanted = match fields.get("cluster") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(wanted)) => wanted,
        Some(other) => {
            return Err(Refused::invalid(format!(
                "cluster is {other}, expected an object"
            )));
        }
    };
    let mask = settings::text(fields, "update_mask")?.unwrap_or_default();
    let paths: Vec<&str> = mask.split(',').map(str::trim).collect();
    if paths.iter().any(|path| path.is_empty()) {
        return Err(Refused::invalid(
            "Missing required field: update_mask, the fields to change, separated by commas",
        ));
    }
    if paths.contains(&"*") {
        return settings::of(wanted.clone());
    }
    let mut said = all_of(before);
    for path in &paths {
        replace(&mut said, path, wanted)?;
    }
    // Whichever of the two the request is about: it can't be both.
    let names = |field: &str| {
        let is_named = paths.iter().any(|path| path.split('.').next() == Some(field));
        is_named && wanted.get(field).is_some_and(|value| !value.is_null())
    };
    match (names("autoscale"), names("num_workers")) {
        (true, _) => said.remove("num_workers"),
        (false, true) => said.remove("autoscale"),
        (false, false) => None,
    };
    settings::of(said)
}

/// All that is known of a cluster's settings, as if it had been said in one request.
fn all_of(settings: &ClusterSettings) -> Map<String, Value> {
    let mut said = settings.attributes.clone();
    let size = settings.size;
    said.remove("num_workers");
    said.remove("autoscale");
    match (size.is_single_node, size.min_workers == size.max_workers) {
        (true, _) => said.insert("num_workers".to_string(), json!(0)),
        (false, true) => said.insert("num_workers".to_string(), json!(size.min_workers)),
        (false, false) => said.insert(
            "autoscale".to_string(),
            json!({"min_workers": size.min_workers, "max_workers": size.max_workers}),
        ),
    };
    said.insert("cluster_name".to_string(), json!(settings.name));
    // As clients are shown it.
    let minutes = settings.auto_terminate_minutes.unwrap_or(0.0) as u64;
    said.insert("autotermination_minutes".to_string(), json!(minutes));
    // One that was created by command has said neither.
    for (name, value) in [
        ("spark_version", UNKNOWN_VERSION),
        ("node_type_id", catalogue::NODE_TYPE),
    ] {
        said.entry(name).or_insert_with(|| json!(value));
    }
    said
}

/// Puts what is `wanted` at a path in the place of what was `said` there.
fn replace(said: &mut Map<String, Value>, path: &str, wanted: &Map<String, Value>) -> Result<(), Refused> {
    let (field, part) = match path.split_once('.') {
        None => (path, None),
        Some((field, part)) => (field, Some(part)),
    };
    let is_known = match part {
        None => WHOLE.contains(&field) || WITH_PARTS.contains(&field),
        Some(part) => WITH_PARTS.contains(&field) && !part.split('.').any(str::is_empty),
    };
    if !is_known {
        let why = match WHOLE.contains(&field) {
            true => format!("{field} is replaced as a whole"),
            false => format!("a cluster has no field {field} that can be updated"),
        };
        return Err(Refused::invalid(format!("update_mask names {path:?}: {why}")));
    }
    put(said, &path.split('.').collect::<Vec<_>>(), Some(wanted));
    Ok(())
}

fn put(said: &mut Map<String, Value>, path: &[&str], wanted: Option<&Map<String, Value>>) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let found = wanted.and_then(|wanted| wanted.get(*name));
    if rest.is_empty() {
        match found.filter(|value| !value.is_null()) {
            Some(value) => said.insert((*name).to_string(), value.clone()),
            None => said.remove(*name),
        };
        return;
    }
    let inner = said.entry(*name).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, found.and_then(Value::as_object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before() -> ClusterSettings {
        let said = json!({
            "cluster_name": "equipo",
            "spark_version": "15.4.x-scala2.12",
            "num_workers": 2,
            "autotermination_minutes": 20,
            "custom_tags": {"team": "a", "cost": "b"},
            "aws_attributes": {"zone_id": "a", "ebs_volume_count": 1},
        });
        settings::of(said.as_object().unwrap().clone()).unwrap()
    }

    fn after(request: Value) -> Result<Map<String, Value>, Refused> {
        updated(request.as_object().unwrap(), &before()).map(|settings| settings.attributes)
    }

    #[test]
    fn only_what_the_mask_names_changes() {
        let attributes = after(json!({
            "cluster": {"num_workers": 3, "cluster_name": "not this", "custom_tags": {"team": "c"}},
            "update_mask": "num_workers,custom_tags",
        }))
        .unwrap();
        assert_eq!(attributes["num_workers"], 3);
        assert_eq!(
            attributes["custom_tags"],
            json!({"team": "c"}),
            "maps are replaced as a whole"
        );
        assert_eq!(attributes["cluster_name"], "equipo");
        assert_eq!(attributes["spark_version"], "15.4.x-scala2.12");
        // Nothing said is nothing left.
        let attributes =
            after(json!({"cluster": {}, "update_mask": "autotermination_minutes,custom_tags"})).unwrap();
        assert_eq!(
            (
                attributes.get("custom_tags"),
                attributes.get("autotermination_minutes")
            ),
            (None, None)
        );
        // A part of an object leaves the others.
        let attributes = after(json!({
            "cluster": {"aws_attributes": {"zone_id": "b", "ebs_volume_count": 9}},
            "update_mask": "aws_attributes.zone_id",
        }))
        .unwrap();
        assert_eq!(
            attributes["aws_attributes"],
            json!({"zone_id": "b", "ebs_volume_count": 1})
        );
    }

    #[test]
    fn a_number_of_workers_and_bounds_replace_one_another() {
        let bounds = json!({"cluster": {"autoscale": {"min_workers": 1, "max_workers": 4}}, "update_mask": "autoscale"});
        let scaling = updated(bounds.as_object().unwrap(), &before()).unwrap();
        assert_eq!((scaling.size.min_workers, scaling.size.max_workers), (1, 4));
        assert_eq!(scaling.attributes.get("num_workers"), None);
        let one =
            json!({"cluster": {"autoscale": {"max_workers": 2}}, "update_mask": "autoscale.max_workers"});
        let narrower = updated(one.as_object().unwrap(), &scaling).unwrap();
        assert_eq!((narrower.size.min_workers, narrower.size.max_workers), (1, 2));
        let fixed = json!({"cluster": {"num_workers": 0}, "update_mask": "num_workers"});
        let fixed = updated(fixed.as_object().unwrap(), &scaling).unwrap();
        assert!(fixed.size.is_single_node && fixed.attributes.get("autoscale").is_none());
    }

    #[test]
    fn a_star_is_all_of_it_and_the_rest_is_refused_by_name() {
        let all =
            after(json!({"cluster": {"spark_version": "16.4.x-scala2.12"}, "update_mask": "*"})).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        for (request, named) in [
            (json!({"cluster": {"num_workers": 1}}), "update_mask"),
            (
                json!({"cluster": {"num_workers": 1}, "update_mask": "num_workers,"}),
                "update_mask",
            ),
            (
                json!({"cluster": {"num_worker": 1}, "update_mask": "num_worker"}),
                "num_worker",
            ),
            (
                json!({"cluster": {}, "update_mask": "custom_tags.team"}),
                "custom_tags",
            ),
            (json!({"cluster": {}, "update_mask": "cluster_id"}), "cluster_id"),
            (
                json!({"cluster": {}, "update_mask": "spark_version"}),
                "spark_version",
            ),
            (json!({"cluster": 7, "update_mask": "num_workers"}), "cluster"),
            (
                json!({"cluster": {"num_workers": -1}, "update_mask": "num_workers"}),
                "num_workers",
            ),
        ] {
            let refused = after(request.clone()).unwrap_err();
            assert_eq!(refused.code, "INVALID_PARAMETER_VALUE");
            assert!(refused.message.contains(named), "{request}: {}", refused.message);
        }
    }
}
