//! Configurations as they come: Databricks' JSON, in both of its generations, with what is ours beside it. Fields that
//! are not known are left alone, as Databricks leaves them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::endpoints::config::WorkloadSize;
use crate::endpoints::error::EndpointError;
use crate::endpoints::spec::{EntitySpec, Spec, Target};

/// After how long without a request a model is unloaded whose `scale_to_zero_enabled` says no more: as Databricks.
const DEFAULT_IDLE: Duration = Duration::from_secs(30 * 60);
/// The longest, in minutes.
const MAX_IDLE_MINUTES: f64 = 366.0 * 24.0 * 60.0;

/// `POST /api/2.0/serving-endpoints`.
#[derive(Debug, Deserialize)]
pub(super) struct CreateBody {
    pub(super) name: String,
    pub(super) config: Option<ConfigBody>,
    #[serde(default)]
    pub(super) tags: Vec<TagBody>,
}

/// `PUT …/config`, and the `config` of a new endpoint.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigBody {
    served_entities: Option<Vec<EntityBody>>,
    served_models: Option<Vec<EntityBody>>,
    traffic_config: Option<TrafficBody>,
}

/// `PATCH …/tags`.
#[derive(Debug, Deserialize)]
pub(super) struct TagsBody {
    #[serde(default)]
    pub(super) add_tags: Vec<TagBody>,
    #[serde(default)]
    pub(super) delete_tags: Vec<String>,
}

/// `POST …/promote`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PromoteBody {
    #[serde(alias = "served_model_name")]
    pub(super) served_entity_name: Option<String>,
    pub(super) reason: Option<String>,
}

/// `POST …/rollback`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RollBackBody {
    pub(super) config_version: Option<u32>,
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TagBody {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
struct TrafficBody {
    #[serde(default)]
    routes: Vec<RouteBody>,
}

#[derive(Debug, Deserialize)]
struct RouteBody {
    served_model_name: Option<String>,
    served_entity_name: Option<String>,
    traffic_percentage: i64,
}

#[derive(Debug, Deserialize)]
struct EntityBody {
    name: Option<String>,
    #[serde(alias = "model_name")]
    entity_name: Option<String>,
    #[serde(alias = "model_version")]
    entity_version: Option<VersionBody>,
    workload_size: Option<String>,
    workload_type: Option<String>,
    scale_to_zero_enabled: Option<bool>,
    external_model: Option<serde_json::Value>,
    // What is ours.
    entity_alias: Option<String>,
    scale_to_zero_minutes: Option<f64>,
    #[serde(default)]
    shadow: bool,
}

/// Databricks says `"1"`; people say 1.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum VersionBody {
    Number(u64),
    Text(String),
}

/// Reads a JSON object.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, EndpointError> {
    serde_json::from_slice(body)
        .map_err(|error| EndpointError::invalid(format!("the body can't be read: {error}")))
}

/// Reads a JSON object; nothing is an empty one.
pub(super) fn read_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, EndpointError> {
    match body.trim_ascii().is_empty() {
        true => Ok(T::default()),
        false => read(body),
    }
}

/// Tags by their keys; the last of a key counts.
pub(super) fn tags(tags: Vec<TagBody>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

impl ConfigBody {
    pub(super) fn spec(self) -> Result<Spec, EndpointError> {
        let entities = match (self.served_entities, self.served_models) {
            (Some(_), Some(_)) => {
                return Err(EndpointError::invalid(
                    "served_entities and served_models say the same: send one of them",
                ));
            }
            (Some(entities), None) | (None, Some(entities)) => entities,
            (None, None) => return Err(EndpointError::invalid("served_entities is missing")),
        };
        let entities = entities
            .into_iter()
            .map(EntityBody::spec)
            .collect::<Result<_, _>>()?;
        let routes = self.traffic_config.map(|traffic| traffic.routes);
        let routes = routes.filter(|routes| !routes.is_empty());
        let routes = routes.map(|routes| routes.into_iter().map(RouteBody::route).collect::<Result<_, _>>());
        Ok(Spec {
            entities,
            routes: routes.transpose()?,
        })
    }
}

impl RouteBody {
    fn route(self) -> Result<(String, i64), EndpointError> {
        let name = self.served_entity_name.or(self.served_model_name);
        let name = name
            .ok_or_else(|| EndpointError::invalid("a route of traffic_config names no served_model_name"))?;
        Ok((name, self.traffic_percentage))
    }
}

impl EntityBody {
    fn spec(self) -> Result<EntitySpec, EndpointError> {
        let invalid = |message: &str| EndpointError::invalid(message);
        if self.external_model.is_some() {
            return Err(invalid(
                "external_model is not served here: only registered models are",
            ));
        }
        if let Some(kind) = self
            .workload_type
            .filter(|kind| !kind.to_ascii_uppercase().starts_with("CPU"))
        {
            return Err(EndpointError::invalid(format!(
                "workload_type {kind:?}: models are scored on CPUs here"
            )));
        }
        let size = self.workload_size.as_deref().map(str::parse::<WorkloadSize>);
        Ok(EntitySpec {
            target: target(self.entity_version, self.entity_alias)?,
            model: self
                .entity_name
                .ok_or_else(|| invalid("entity_name is missing"))?,
            name: self.name.filter(|name| !name.is_empty()),
            shadow: self.shadow,
            size: size.transpose()?.unwrap_or_default(),
            idle: idle(self.scale_to_zero_enabled, self.scale_to_zero_minutes)?,
        })
    }
}

/// A version's number, or an alias: `"@champion"`, or in a field of its own.
fn target(version: Option<VersionBody>, alias: Option<String>) -> Result<Target, EndpointError> {
    if let Some(alias) = alias.filter(|alias| !alias.is_empty()) {
        return Ok(Target::Alias(alias));
    }
    let text = match version {
        Some(VersionBody::Number(number)) => number.to_string(),
        Some(VersionBody::Text(text)) => text,
        None => return Err(EndpointError::invalid("entity_version is missing")),
    };
    if let Some(alias) = text.strip_prefix('@').filter(|alias| !alias.is_empty()) {
        return Ok(Target::Alias(alias.to_string()));
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(Target::Version).ok_or_else(|| {
        EndpointError::invalid(format!(
            "entity_version {text:?} is no version: expected a number from 1 on, or an alias such as \"@champion\""
        ))
    })
}

fn idle(enabled: Option<bool>, minutes: Option<f64>) -> Result<Option<Duration>, EndpointError> {
    match (enabled, minutes) {
        (Some(false), _) | (None, None) => Ok(None),
        (Some(true), None) => Ok(Some(DEFAULT_IDLE)),
        (_, Some(minutes)) if minutes > 0.0 && minutes <= MAX_IDLE_MINUTES => {
            Ok(Some(Duration::from_secs_f64(minutes * 60.0)))
        }
        (_, Some(minutes)) => Err(EndpointError::invalid(format!(
            "scale_to_zero_minutes is {minutes}: expected a number above 0, and at most a year"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(body: Value) -> Result<Spec, EndpointError> {
        read::<ConfigBody>(body.to_string().as_bytes()).and_then(ConfigBody::spec)
    }

    #[test]
    fn both_generations_say_the_same() {
        let new = spec(json!({
            "name": "predict-penguin",
            "served_entities": [{
                "name": "current", "entity_name": "Pronosticador de pingüinos", "entity_version": "1",
                "workload_size": "Small", "scale_to_zero_enabled": true, "workload_type": "CPU",
                "environment_vars": {"A": "B"}, "something_new": []
            }],
            "traffic_config": {"routes": [{"served_model_name": "current", "traffic_percentage": 100}]}
        }));
        let old = spec(json!({
            "served_models": [{
                "name": "current", "model_name": "Pronosticador de pingüinos", "model_version": 1,
                "workload_size": "small", "scale_to_zero_enabled": true
            }],
            "traffic_config": {"routes": [{"served_entity_name": "current", "traffic_percentage": 100}]}
        }));
        let new = new.unwrap();
        assert_eq!(new, old.unwrap());
        assert_eq!(new.entities[0].target, Target::Version(1));
        assert_eq!(new.entities[0].idle, Some(DEFAULT_IDLE));
        assert_eq!(new.routes, Some(vec![("current".to_string(), 100)]));
    }

    #[test]
    fn an_alias_is_said_in_either_field() {
        let entity = |version: Value| {
            let body = json!({"served_entities": [{"entity_name": "m", "entity_version": version}]});
            spec(body).map(|spec| spec.entities[0].target.clone())
        };
        assert_eq!(
            entity(json!("@champion")).unwrap(),
            Target::Alias("champion".to_string())
        );
        let body = json!({"served_entities": [{"entity_name": "m", "entity_version": "3", "entity_alias": "champion"}]});
        let followed = spec(body).unwrap().entities[0].target.clone();
        assert_eq!(
            followed,
            Target::Alias("champion".to_string()),
            "what is shown can be sent back"
        );
        for wrong in [
            json!("0"),
            json!("one"),
            json!("-1"),
            json!("@"),
            json!(0),
            json!(1.5),
            json!(null),
        ] {
            assert!(entity(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let one = |more: Value| {
            let mut entity = json!({"entity_name": "m", "entity_version": "1"});
            entity
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            spec(json!({"served_entities": [entity]})).map_err(|error| error.message)
        };
        for (wrong, part) in [
            (
                json!({"workload_size": "Huge"}),
                "expected Small, Medium or Large",
            ),
            (json!({"workload_type": "GPU_SMALL"}), "CPUs"),
            (json!({"external_model": {}}), "external_model"),
            (json!({"scale_to_zero_minutes": 0}), "above 0"),
            (json!({"entity_name": null}), "entity_name is missing"),
            (json!({"shadow": "yes"}), "can't be read"),
        ] {
            let message = one(wrong.clone()).unwrap_err();
            assert!(message.contains(part), "{wrong}: {message}");
        }
        for body in [
            json!({}),
            json!([]),
            json!({"served_entities": [], "served_models": []}),
        ] {
            assert!(spec(body.clone()).is_err(), "{body}");
        }
        let half_a_minute = one(json!({"scale_to_zero_minutes": 0.5})).unwrap();
        assert_eq!(half_a_minute.entities[0].idle, Some(Duration::from_secs(30)));
    }
}
