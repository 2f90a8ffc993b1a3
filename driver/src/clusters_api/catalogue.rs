//! What clients choose a cluster's parts from. Here there is one runtime, this release, and one kind of machine, this one; the
//! names are those that clients look for.

use serde_json::{Value, json};

use crate::named_clusters::Machine;

/// What this machine is called among node types.
pub(super) const NODE_TYPE: &str = "rookery-local";

/// Long-term-support runtimes that clients ask for, with the Spark they stand for: each is run by this release.
const RUNTIMES: [(&str, &str); 4] = [
    ("16.4", "3.5.2"),
    ("15.4", "3.5.0"),
    ("14.3", "3.5.0"),
    ("13.3", "3.4.1"),
];

/// Runtimes, the newest first, with and without machine learning.
pub(super) fn versions() -> Value {
    let mut versions = Vec::new();
    for (runtime, spark) in RUNTIMES {
        for (key, name) in [("cpu-ml-", " ML"), ("", "")] {
            versions.push(json!({
                "key": format!("{runtime}.x-{key}scala2.12"),
                "name": format!("{runtime} LTS{name} (includes Apache Spark {spark}, Scala 2.12)"),
            }));
        }
    }
    json!({ "versions": versions })
}

/// This machine.
pub(super) fn node_types(machine: Machine) -> Value {
    json!({"node_types": [{
        "node_type_id": NODE_TYPE,
        "description": "This machine",
        "instance_type_id": NODE_TYPE,
        "category": "General Purpose",
        "memory_mb": machine.memory_mb,
        "num_cores": machine.cores as f64,
        "num_gpus": 0,
        "is_deprecated": false,
        "is_hidden": false,
        "is_io_cache_enabled": false,
        "is_graviton": false,
        "photon_worker_capable": false,
        "photon_driver_capable": false,
        "support_cluster_tags": true,
        "support_ebs_volumes": false,
        "support_port_forwarding": true,
        "display_order": 0,
        "node_info": {"status": []},
        "node_instance_type": {
            "instance_type_id": NODE_TYPE,
            "local_disks": 1,
            "local_disk_size_gb": 1,
            "local_nvme_disks": 0,
            "local_nvme_disk_size_gb": 0,
        },
    }]})
}

/// One zone.
pub(super) fn zones() -> Value {
    json!({"zones": ["local"], "default_zone": "local"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_for_machine_learning_is_there_under_the_name_that_clients_look_for() {
        let versions = versions();
        let keys: Vec<&str> = versions["versions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|v| v["name"].as_str().is_some_and(|name| name.contains("LTS ML")))
            .filter_map(|v| v["key"].as_str())
            .collect();
        assert!(keys.contains(&"15.4.x-cpu-ml-scala2.12") && keys.contains(&"13.3.x-cpu-ml-scala2.12"));
    }
}
