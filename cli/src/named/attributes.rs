//! [`Attributes`]: what REST clients said of a named cluster, beside its configuration: shown to them as they said it.

use std::path::Path;

use rookery_proto::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ClusterConfig;
use super::config::replace;
use crate::diagnostic::internal;

/// Its file in the cluster's folder.
const FILE: &str = "attributes.json";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    /// What people call the cluster: any text.
    pub(super) name: String,
    /// The rest of what was said.
    pub(super) said: Map<String, Value>,
    /// Who keeps it at the head of lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pinned_by: Option<String>,
}

impl Attributes {
    /// Those in a cluster's folder; one that was created by command has its name and nothing else.
    pub(super) fn read(folder: &Path, config: &ClusterConfig) -> Self {
        let text = std::fs::read_to_string(folder.join(FILE)).ok();
        let read = text.and_then(|text| serde_json::from_str(&text).ok());
        read.unwrap_or_else(|| Self {
            name: config.name.clone(),
            said: Map::new(),
            pinned_by: None,
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).expect("plain values are JSON");
        let file = folder.join(FILE);
        replace(&file, &text)
            .map_err(|e| internal(format!("the cluster can't be kept: {e}")).at(file.display().to_string()))
    }
}

/// The id of a cluster, which follows from its folder and from when it was created: `0512-093015-` and eight digits.
pub(super) fn id_of(config: &ClusterConfig) -> String {
    let created = chrono::DateTime::from_timestamp_millis(config.created_ms).unwrap_or_default();
    // FNV-1a: the same in every release.
    let bytes = config.name.bytes().chain(config.created_ms.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{}-{hash:08x}", created.format("%m%d-%H%M%S"))
}

/// A folder's name for a cluster that people call `name`, which may be any text: the name itself where it can be, else what is
/// left of it, with a number if others have it.
pub(super) fn folder_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let allowed = |c: char| {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ') {
            c
        } else {
            '-'
        }
    };
    let mut mapped = String::new();
    for c in name.chars().map(allowed) {
        // Room for a number.
        if mapped.chars().count() >= 56 || mapped.len() + c.len_utf8() > 190 {
            break;
        }
        mapped.push(c);
    }
    let mapped = mapped.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mapped = match mapped.trim_end_matches([' ', '.', '-']) {
        "" => "cluster",
        mapped => mapped,
    };
    let numbered = (2_u32..).map(|number| format!("{mapped} {number}"));
    std::iter::once(mapped.to_string())
        .chain(numbered)
        .find(|name| !is_taken(name))
        .unwrap_or_else(|| mapped.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named::check_name;

    #[test]
    fn any_name_has_a_folder() {
        for (name, folder) in [
            ("lab", "lab 3"),
            ("clúster de Ñandú", "clúster de Ñandú"),
            ("Ada's / \"cluster\"", "Ada-s - -cluster"),
            ("../../etc", "etc"),
            ("", "cluster"),
            ("🐧🐧", "cluster"),
            ("ペンギン", "ペンギン"),
        ] {
            let found = folder_name(name, |taken| ["lab", "lab 2"].contains(&taken));
            assert_eq!(found, folder, "{name:?}");
            check_name(&found).unwrap();
        }
        check_name(&folder_name(&"ペ".repeat(300), |_| false)).unwrap();
        check_name(&folder_name(&"a".repeat(300), |name| !name.ends_with('9'))).unwrap();
    }
}
