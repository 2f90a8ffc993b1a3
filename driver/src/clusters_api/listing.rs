//! Lists of clusters: which of them, in which order, page by page.

use serde_json::{Map, Value, json};

use super::{Answer, Refused, settings, view};
use crate::named_clusters::{ClusterInfo, Machine};

/// Clusters on a page at most; without a size, all of them.
const PAGE_MAX: usize = 100;

/// Where a cluster stands in a list: no two share a place, and it keeps its place while others come and go.
type Place = (bool, i64, String, String);

/// The page that `fields` ask for: the pinned first, then the newest, unless told otherwise.
pub(super) fn page(fields: &Map<String, Value>, clusters: &[ClusterInfo], machine: Machine) -> Answer {
    let order = Order::of(fields)?;
    let filter = Filter::of(fields)?;
    let size = match fields.get("page_size") {
        None => usize::MAX,
        Some(value) => number(value).filter(|size| *size <= PAGE_MAX).ok_or_else(|| {
            Refused::invalid(format!(
                "page_size is {value}, expected a whole number from 1 to {PAGE_MAX}"
            ))
        })?,
    };
    let after = settings::text(fields, "page_token")?
        .filter(|token| !token.is_empty())
        .map(|token| {
            let place: Result<Place, _> = serde_json::from_str(token);
            place.map_err(|_| Refused::invalid(format!("page_token {token:?} is none that a list has given")))
        })
        .transpose()?;
    let mut shown: Vec<(Place, Value)> = clusters
        .iter()
        .map(|cluster| (order.place(cluster), view::cluster(cluster, machine)))
        .filter(|(_, shown)| filter.takes(shown))
        .collect();
    shown.sort_by(|(one, _), (other, _)| order.compare(one, other));
    if let Some(after) = &after {
        shown.retain(|(place, _)| order.compare(place, after).is_gt());
    }
    let has_more = shown.len() > size;
    shown.truncate(size);
    let next = shown
        .last()
        .filter(|_| has_more)
        .map(|(place, _)| json!(place).to_string());
    let shown: Vec<Value> = shown.into_iter().map(|(_, shown)| shown).collect();
    let mut page = json!({ "clusters": shown });
    if let Some(next) = next {
        page["next_page_token"] = json!(next);
    }
    Ok(page)
}

fn number(value: &Value) -> Option<usize> {
    let number = match value {
        // What stands in an address is text.
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().map(|number| number as usize),
    };
    number.filter(|number| *number > 0)
}

/// `sort_by`.
#[derive(Debug, Clone, Copy)]
struct Order {
    is_by_name: bool,
    is_descending: bool,
}

impl Order {
    fn of(fields: &Map<String, Value>) -> Result<Self, Refused> {
        let is = |name: &str, usual: &str, other: &str| match settings::text(fields, name)? {
            None => Ok(false),
            Some(said) if said == usual => Ok(false),
            Some(said) if said == other => Ok(true),
            Some(said) => Err(Refused::invalid(format!(
                "{name} is {said}, expected {usual} or {other}"
            ))),
        };
        Ok(Self {
            is_by_name: is("sort_by.field", "DEFAULT", "CLUSTER_NAME")?,
            is_descending: is("sort_by.direction", "ASC", "DESC")?,
        })
    }

    fn place(self, cluster: &ClusterInfo) -> Place {
        let id = cluster.id.clone();
        match self.is_by_name {
            true => (false, 0, cluster.settings.name.clone(), id),
            false => (
                cluster.pinned_by.is_none(),
                -cluster.created_ms,
                String::new(),
                id,
            ),
        }
    }

    fn compare(self, one: &Place, other: &Place) -> std::cmp::Ordering {
        let ascending = one.cmp(other);
        match self.is_descending {
            true => ascending.reverse(),
            false => ascending,
        }
    }
}

/// `filter_by`: a cluster is listed if it is all of what is named.
#[derive(Debug)]
struct Filter {
    states: Vec<String>,
    sources: Vec<String>,
    is_pinned: Option<bool>,
    policy: Option<String>,
}

impl Filter {
    fn of(fields: &Map<String, Value>) -> Result<Self, Refused> {
        let several = |name: &str| match fields.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(all)) => Ok(all.iter().filter_map(Value::as_str).map(str::to_string).collect()),
            Some(other) => Err(Refused::invalid(format!("{name} is {other}, expected texts"))),
        };
        let states = several("filter_by.cluster_states")?;
        if let Some(unknown) = states
            .iter()
            .find(|state| !view::STATES.contains(&state.as_str()))
        {
            return Err(Refused::invalid(format!(
                "filter_by.cluster_states has {unknown:?}, expected {}",
                view::STATES.join(", ")
            )));
        }
        let is_pinned = match settings::text(fields, "filter_by.is_pinned")? {
            None => None,
            Some(said) => Some(said.to_lowercase().parse().map_err(|_| {
                Refused::invalid(format!("filter_by.is_pinned is {said}, expected true or false"))
            })?),
        };
        Ok(Self {
            states,
            sources: several("filter_by.cluster_sources")?,
            is_pinned,
            policy: settings::text(fields, "filter_by.policy_id")?.map(str::to_string),
        })
    }

    fn takes(&self, shown: &Value) -> bool {
        let is_one_of = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| shown[name] == wanted.as_str())
        };
        let is_pinned = shown.get("pinned_by_user_name").is_some();
        is_one_of(&self.states, "state")
            && is_one_of(&self.sources, "cluster_source")
            && self.is_pinned.is_none_or(|wanted| wanted == is_pinned)
            && self
                .policy
                .as_ref()
                .is_none_or(|wanted| shown["policy_id"] == wanted.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named_clusters::{ClusterLifecycle, ClusterSettings, ClusterSize};

    const MACHINE: Machine = Machine {
        cores: 2,
        memory_mb: 1024,
    };

    fn cluster(name: &str, created_ms: i64, lifecycle: ClusterLifecycle, is_pinned: bool) -> ClusterInfo {
        let said = json!({"policy_id": if created_ms % 2 == 0 { "even" } else { "odd" }});
        ClusterInfo {
            id: format!("id-{name}"),
            settings: ClusterSettings {
                name: name.to_string(),
                size: ClusterSize {
                    is_single_node: true,
                    min_workers: 1,
                    max_workers: 1,
                },
                auto_terminate_minutes: None,
                attributes: said.as_object().unwrap().clone(),
            },
            lifecycle,
            created_by: "ana".to_string(),
            created_ms,
            started_ms: None,
            terminated_ms: None,
            end_reason: None,
            driver: None,
            pinned_by: is_pinned.then(|| "ana".to_string()),
        }
    }

    fn all() -> Vec<ClusterInfo> {
        vec![
            cluster("b", 1, ClusterLifecycle::Running, false),
            cluster("a", 2, ClusterLifecycle::Terminated, true),
            cluster("c", 3, ClusterLifecycle::Running, false),
            cluster("d", 4, ClusterLifecycle::Pending, false),
        ]
    }

    fn names(page: &Value) -> String {
        let clusters = page["clusters"].as_array().unwrap().iter();
        clusters
            .map(|cluster| cluster["cluster_name"].as_str().unwrap())
            .collect()
    }

    fn asked(fields: &Value) -> Result<Value, Refused> {
        page(fields.as_object().unwrap(), &all(), MACHINE)
    }

    #[test]
    fn clusters_are_filtered_and_sorted() {
        for (fields, expected) in [
            (json!({}), "adcb"),
            (json!({"sort_by.direction": "DESC"}), "bcda"),
            (json!({"sort_by.field": "CLUSTER_NAME"}), "abcd"),
            (
                json!({"sort_by.field": "CLUSTER_NAME", "sort_by.direction": "DESC"}),
                "dcba",
            ),
            (json!({"filter_by.cluster_states": "RUNNING"}), "cb"),
            (json!({"filter_by.cluster_states": ["RUNNING", "PENDING"]}), "dcb"),
            (json!({"filter_by.is_pinned": "true"}), "a"),
            (json!({"filter_by.is_pinned": "False"}), "dcb"),
            (json!({"filter_by.policy_id": "even"}), "ad"),
            (
                json!({"filter_by.policy_id": "even", "filter_by.is_pinned": "false"}),
                "d",
            ),
            (json!({"filter_by.cluster_sources": ["API", "UI"]}), "adcb"),
            (json!({"filter_by.cluster_sources": "JOB"}), ""),
        ] {
            assert_eq!(names(&asked(&fields).unwrap()), expected, "{fields}");
        }
    }

    #[test]
    fn pages_hold_every_cluster_once_whatever_comes_and_goes() {
        for (sort, expected) in [("DEFAULT", "adcb"), ("CLUSTER_NAME", "abcd")] {
            let mut fields = json!({"page_size": "1", "sort_by.field": sort});
            let mut found = String::new();
            let mut clusters = all();
            for turn in 0..4 {
                let page = page(fields.as_object().unwrap(), &clusters, MACHINE).unwrap();
                found += &names(&page);
                assert_eq!(page.get("next_page_token").is_some(), turn < 3, "{page}");
                fields["page_token"] = page.get("next_page_token").cloned().unwrap_or_default();
                // The cluster that the token is about goes: the next page is the same.
                clusters.retain(|cluster| !names(&page).contains(&cluster.settings.name));
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (fields, named) in [
            (json!({"page_size": "0"}), "page_size"),
            (json!({"page_size": "101"}), "page_size"),
            (json!({"page_token": "7"}), "page_token"),
            (json!({"sort_by.field": "AGE"}), "sort_by.field"),
            (json!({"sort_by.direction": "UP"}), "sort_by.direction"),
            (
                json!({"filter_by.cluster_states": "ASLEEP"}),
                "filter_by.cluster_states",
            ),
            (json!({"filter_by.is_pinned": "maybe"}), "filter_by.is_pinned"),
        ] {
            let refused = asked(&fields).unwrap_err();
            assert!(refused.message.contains(named), "{fields}: {}", refused.message);
        }
    }
}
