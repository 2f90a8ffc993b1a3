//! [`Spec`]: a configuration as a client asks for it, and the rules it must keep to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::config::{ServedEntity, WorkloadSize};
use super::error::EndpointError;
use super::name;

/// The most entities of one endpoint.
pub(super) const MAX_ENTITIES: usize = 16;
/// The most characters of a model's name, as in the registry.
const MAX_MODEL_CHARS: usize = 256;

/// What a client asks an endpoint to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The versions.
    pub entities: Vec<EntitySpec>,
    /// How much of the traffic each gets, in percent, by name; `None` where one gets it all.
    pub routes: Option<Vec<(String, i64)>>,
}

/// What a client says of one version.
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySpec {
    /// Its name within the endpoint; made from model and version if there is none.
    pub name: Option<String>,
    /// The registered model.
    pub model: String,
    /// Which version.
    pub target: Target,
    /// Whether it gets a copy of each request.
    pub shadow: bool,
    /// How many requests it scores at once.
    pub size: WorkloadSize,
    /// After how long without a request it is unloaded.
    pub idle: Option<Duration>,
}

/// Which version of a model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Version(u32),
    /// Whichever the alias points at, now and later.
    Alias(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Version(version) => write!(f, "{version}"),
            Target::Alias(alias) => write!(f, "@{alias}"),
        }
    }
}

/// An entity that keeps to the rules, but for the version's number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) spec: EntitySpec,
    pub(super) percent: u8,
}

impl Planned {
    /// The entity, now that the version is known.
    pub(super) fn at(self, version: u32) -> ServedEntity {
        let alias = match self.spec.target {
            Target::Version(_) => None,
            Target::Alias(alias) => Some(alias),
        };
        let idle_ms = |idle: Duration| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        ServedEntity {
            name: self.name,
            model: self.spec.model,
            version,
            alias,
            percent: self.percent,
            shadow: self.spec.shadow,
            size: self.spec.size,
            idle_ms: self.spec.idle.map(idle_ms),
        }
    }
}

impl Spec {
    /// Checks the rules.
    ///
    /// # Errors
    /// Which rule is broken, and by what.
    pub(super) fn plan(self) -> Result<Vec<Planned>, EndpointError> {
        let invalid = |message: String| Err(EndpointError::invalid(message));
        if self.entities.is_empty() || self.entities.len() > MAX_ENTITIES {
            return invalid(format!(
                "an endpoint serves 1 to {MAX_ENTITIES} entities, served_entities has {}",
                self.entities.len()
            ));
        }
        let mut planned = named(self.entities)?;
        match self.routes {
            Some(routes) => share_out(&mut planned, &routes)?,
            None => {
                let mut takers = planned.iter_mut().filter(|entity| !entity.spec.shadow);
                match (takers.next(), takers.next()) {
                    (Some(only), None) => only.percent = 100,
                    (None, _) => {
                        return invalid("every served entity is a shadow: one must answer".to_string());
                    }
                    _ => {
                        return invalid(
                            "several entities are served: traffic_config.routes must say how much traffic each gets"
                                .to_string(),
                        );
                    }
                }
            }
        }
        if let Some(entity) = planned.iter().find(|e| e.spec.shadow && e.percent > 0) {
            return invalid(format!(
                "{} is a shadow and has {} % of the traffic: a shadow has none",
                entity.name, entity.percent
            ));
        }
        Ok(planned)
    }
}

/// Gives a name to each entity.
fn named(entities: Vec<EntitySpec>) -> Result<Vec<Planned>, EndpointError> {
    let mut taken = BTreeSet::new();
    for name in entities.iter().filter_map(|entity| entity.name.as_ref()) {
        name::check("served entity", name)?;
        if !taken.insert(name.clone()) {
            return Err(EndpointError::invalid(format!(
                "two served entities are called {name}"
            )));
        }
    }
    let mut planned = Vec::with_capacity(entities.len());
    for spec in entities {
        let length = spec.model.chars().count();
        if length == 0 || length > MAX_MODEL_CHARS {
            return Err(EndpointError::invalid(format!(
                "entity_name must have 1 to {MAX_MODEL_CHARS} characters, it has {length}"
            )));
        }
        let name = spec.name.clone().unwrap_or_else(|| {
            let version = match &spec.target {
                Target::Version(version) => version.to_string(),
                Target::Alias(alias) => alias.clone(),
            };
            let name = name::of_entity(&spec.model, &version, &taken);
            taken.insert(name.clone());
            name
        });
        planned.push(Planned {
            name,
            spec,
            percent: 0,
        });
    }
    Ok(planned)
}

/// Gives each entity its share. A route names an entity by its name, or as Databricks would have called it:
/// `MODEL-VERSION`.
fn share_out(planned: &mut [Planned], routes: &[(String, i64)]) -> Result<(), EndpointError> {
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    for (i, entity) in planned.iter().enumerate() {
        by_name.insert(format!("{}-{}", entity.spec.model, entity.spec.target), i);
    }
    for (i, entity) in planned.iter().enumerate() {
        by_name.insert(entity.name.clone(), i);
    }
    let mut seen = BTreeSet::new();
    for (name, percent) in routes {
        let Some(i) = by_name.get(name).copied() else {
            let names: Vec<&str> = planned.iter().map(|entity| entity.name.as_str()).collect();
            return Err(EndpointError::invalid(format!(
                "traffic_config names {name:?}, which is not served: expected one of {}",
                names.join(", ")
            )));
        };
        if !seen.insert(i) {
            return Err(EndpointError::invalid(format!(
                "traffic_config names {name:?} twice"
            )));
        }
        planned[i].percent = u8::try_from(*percent)
            .ok()
            .filter(|percent| *percent <= 100)
            .ok_or_else(|| {
                EndpointError::invalid(format!(
                    "{name} gets {percent} % of the traffic: expected 0 to 100"
                ))
            })?;
    }
    let sum: u32 = planned.iter().map(|entity| u32::from(entity.percent)).sum();
    match sum {
        100 => Ok(()),
        _ => Err(EndpointError::invalid(format!(
            "the percentages of traffic_config sum to {sum}, expected 100"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: Option<&str>, model: &str, version: u32) -> EntitySpec {
        EntitySpec {
            name: name.map(str::to_string),
            model: model.to_string(),
            target: Target::Version(version),
            shadow: false,
            size: WorkloadSize::Small,
            idle: None,
        }
    }

    fn routes(routes: &[(&str, i64)]) -> Option<Vec<(String, i64)>> {
        Some(
            routes
                .iter()
                .map(|(name, percent)| ((*name).to_string(), *percent))
                .collect(),
        )
    }

    fn refused(entities: Vec<EntitySpec>, routes: Option<Vec<(String, i64)>>) -> String {
        Spec { entities, routes }.plan().unwrap_err().message
    }

    #[test]
    fn one_entity_gets_all_of_it() {
        let shadow = EntitySpec {
            shadow: true,
            ..entity(None, "Pronosticador de pingüinos", 2)
        };
        let spec = Spec {
            entities: vec![entity(None, "Pronosticador de pingüinos", 1), shadow],
            routes: None,
        };
        let planned = spec.plan().unwrap();
        assert_eq!((planned[0].percent, planned[1].percent), (100, 0));
        assert_eq!(planned[0].name, "Pronosticador-de-ping-inos-1");
    }

    #[test]
    fn a_route_may_use_the_name_that_databricks_would_have_given() {
        let entities = vec![
            entity(None, "pingüinos", 1),
            entity(Some("challenger"), "pingüinos", 2),
        ];
        let routes = routes(&[("pingüinos-1", 90), ("challenger", 10)]);
        let planned = Spec { entities, routes }.plan().unwrap();
        assert_eq!((planned[0].percent, planned[1].percent), (90, 10));
    }

    #[test]
    fn rules_are_kept() {
        let two = || vec![entity(Some("a"), "m", 1), entity(Some("b"), "m", 2)];
        let says = |message: String, part: &str| assert!(message.contains(part), "{message}");
        says(refused(Vec::new(), None), "has 0");
        says(refused(vec![entity(None, "m", 1); 17], None), "has 17");
        says(refused(two(), None), "must say how much");
        says(refused(two(), routes(&[("a", 90), ("b", 11)])), "sum to 101");
        says(
            refused(two(), routes(&[("a", 101), ("b", -1)])),
            "expected 0 to 100",
        );
        says(
            refused(two(), routes(&[("a", 100), ("c", 0)])),
            "expected one of a, b",
        );
        says(refused(two(), routes(&[("a", 50), ("a", 50)])), "twice");
        says(
            refused(vec![entity(Some("a"), "m", 1); 2], None),
            "two served entities",
        );
        says(
            refused(vec![entity(Some("a b"), "m", 1)], None),
            "served entity name",
        );
        says(refused(vec![entity(None, "", 1)], None), "1 to 256");
        let shadow = EntitySpec {
            shadow: true,
            ..entity(Some("s"), "m", 1)
        };
        says(
            refused(vec![shadow.clone()], None),
            "every served entity is a shadow",
        );
        says(refused(vec![shadow], routes(&[("s", 100)])), "a shadow has none");
    }
}
