//! What the next configuration is when one of the present is promoted, taken back, or has an alias that moved: pure
//! decisions, taken here and carried out in [`apply`](super::apply).

use super::config::Config;
use super::error::EndpointError;
use super::record::EndpointRecord;

/// Gives all of the traffic to one entity; the others stay loaded and get none, so that going back takes no time.
pub(super) fn promoted(record: &mut EndpointRecord, wanted: Option<&str>) -> Result<Config, EndpointError> {
    let active = active(record)?;
    let name = match wanted {
        Some(name) => match active.entity(name) {
            Some(entity) => entity.name.clone(),
            None => return Err(not_served(&record.name, &active, name)),
        },
        None => {
            let mut others = active.entities.iter().filter(|entity| entity.percent < 50);
            match (others.next(), others.next()) {
                (Some(entity), None) => entity.name.clone(),
                _ => {
                    return Err(EndpointError::invalid(format!(
                        "which of the served entities is promoted: {}?",
                        names(&active)
                    )));
                }
            }
        }
    };
    if active.entity(&name).is_some_and(|entity| entity.percent == 100) {
        return Err(EndpointError::conflict(format!(
            "{name} has all of the traffic already"
        )));
    }
    let mut next = Config {
        version: record.take_number(),
        previous: Some(active.version),
        ..active
    };
    for entity in &mut next.entities {
        let is_chosen = entity.name == name;
        entity.percent = if is_chosen { 100 } else { 0 };
        entity.shadow &= !is_chosen;
    }
    Ok(next)
}

/// Goes back to the configuration before, or to the one of that number. Aliases are no longer followed: what is gone
/// back to are the versions that answered then. Going back twice goes back two.
pub(super) fn rolled_back(record: &mut EndpointRecord, to: Option<u32>) -> Result<Config, EndpointError> {
    let active = active(record)?;
    let wanted = to.or(active.previous).ok_or_else(|| {
        EndpointError::conflict(format!(
            "configuration {} of {} is the first: there is nothing to go back to",
            active.version, record.name
        ))
    })?;
    let Some(earlier) = record
        .history
        .iter()
        .find(|config| config.version == wanted)
        .cloned()
    else {
        let known: Vec<String> = record
            .history
            .iter()
            .map(|config| config.version.to_string())
            .collect();
        return Err(EndpointError::not_found(format!(
            "{} has no configuration {wanted} to go back to: it knows {}",
            record.name,
            known.join(", ")
        )));
    };
    let mut next = Config {
        version: record.take_number(),
        ..earlier
    };
    for entity in &mut next.entities {
        entity.alias = None;
    }
    Ok(next)
}

/// Aliases point at other versions than in configuration `seen`: names of the entities, and the versions.
pub(super) fn followed(
    record: &mut EndpointRecord,
    seen: u32,
    moves: &[(String, u32)],
) -> Result<Config, EndpointError> {
    let active = active(record)?;
    if active.version != seen {
        return Err(EndpointError::conflict(format!(
            "configuration {seen} of {} is no longer in effect",
            record.name
        )));
    }
    let mut next = Config {
        version: record.take_number(),
        previous: Some(active.version),
        ..active
    };
    for entity in &mut next.entities {
        if let Some((_, version)) = moves.iter().find(|(name, _)| *name == entity.name) {
            entity.version = *version;
        }
    }
    Ok(next)
}

fn active(record: &EndpointRecord) -> Result<Config, EndpointError> {
    record.active.clone().ok_or_else(|| {
        EndpointError::conflict(format!(
            "no configuration of {} has taken effect yet",
            record.name
        ))
    })
}

/// There is no entity of that name.
pub(super) fn not_served(endpoint: &str, config: &Config, name: &str) -> EndpointError {
    EndpointError::not_found(format!(
        "{endpoint} serves nothing called {name:?}: it serves {}",
        names(config)
    ))
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config
        .entities
        .iter()
        .map(|entity| entity.name.as_str())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::endpoints::{Kind, LastUpdate, ServedEntity, WorkloadSize};

    fn entity(name: &str, version: u32, percent: u8) -> ServedEntity {
        ServedEntity {
            name: name.to_string(),
            model: "m".to_string(),
            version,
            alias: None,
            percent,
            shadow: false,
            size: WorkloadSize::Small,
            idle_ms: None,
        }
    }

    fn record(entities: Vec<ServedEntity>) -> EndpointRecord {
        let mut record = EndpointRecord {
            name: "e".to_string(),
            id: "1".to_string(),
            creator: String::new(),
            created_ms: 0,
            updated_ms: 0,
            tags: BTreeMap::new(),
            active: None,
            pending: None,
            last_update: LastUpdate::Done,
            next_config: 1,
            history: Vec::new(),
        };
        let config = Config {
            version: record.take_number(),
            entities,
            previous: None,
        };
        record.activate(config, 0);
        record
    }

    fn percents(config: &Config) -> Vec<u8> {
        config.entities.iter().map(|entity| entity.percent).collect()
    }

    #[test]
    fn the_promoted_one_gets_everything_and_the_others_stay() {
        let mut record = record(vec![entity("a", 1, 90), entity("b", 2, 10)]);
        let next = promoted(&mut record, None).unwrap();
        assert_eq!(
            (percents(&next), next.version, next.previous),
            (vec![0, 100], 2, Some(1))
        );
        record.activate(next, 1);
        assert_eq!(promoted(&mut record, Some("b")).unwrap_err().kind, Kind::Conflict);
        assert_eq!(promoted(&mut record, Some("c")).unwrap_err().kind, Kind::NotFound);
        assert_eq!(record.next_config, 3, "a refusal uses up no number");
    }

    #[test]
    fn a_shadow_that_is_promoted_answers() {
        let shadow = ServedEntity {
            shadow: true,
            ..entity("s", 2, 0)
        };
        let mut record = record(vec![entity("a", 1, 100), shadow]);
        let next = promoted(&mut record, Some("s")).unwrap();
        assert_eq!(percents(&next), [0, 100]);
        assert!(!next.entities[1].shadow);
        let of_three = vec![entity("a", 1, 100), entity("b", 2, 0), entity("c", 3, 0)];
        let mut record = self::record(of_three);
        assert!(
            promoted(&mut record, None)
                .unwrap_err()
                .message
                .contains("a, b, c")
        );
    }

    #[test]
    fn going_back_twice_goes_back_two() {
        let mut record = record(vec![entity("a", 1, 100), entity("b", 2, 0), entity("c", 3, 0)]);
        for name in ["b", "c"] {
            let next = promoted(&mut record, Some(name)).unwrap();
            record.activate(next, 0);
        }
        for expected in [[0, 100, 0], [100, 0, 0]] {
            let next = rolled_back(&mut record, None).unwrap();
            assert_eq!(percents(&next), expected);
            record.activate(next, 0);
        }
        assert_eq!(record.active.as_ref().unwrap().version, 5);
        assert_eq!(rolled_back(&mut record, None).unwrap_err().kind, Kind::Conflict);
        assert_eq!(
            rolled_back(&mut record, Some(9)).unwrap_err().kind,
            Kind::NotFound
        );
        assert_eq!(percents(&rolled_back(&mut record, Some(3)).unwrap()), [0, 0, 100]);
    }

    #[test]
    fn a_rollback_pins_what_followed_an_alias() {
        let mut followed_one = entity("a", 1, 100);
        followed_one.alias = Some("champion".to_string());
        let mut record = record(vec![followed_one]);
        let next = followed(&mut record, 1, &[("a".to_string(), 2)]).unwrap();
        assert_eq!((next.entities[0].version, next.previous), (2, Some(1)));
        record.activate(next, 0);
        let back = rolled_back(&mut record, None).unwrap();
        assert_eq!(
            (back.entities[0].version, back.entities[0].alias.as_deref()),
            (1, None)
        );
        record.activate(back, 0);
        let late = followed(&mut record, 1, &[("a".to_string(), 2)]).unwrap_err();
        assert_eq!(late.kind, Kind::Conflict, "what was seen has been replaced");
    }
}
