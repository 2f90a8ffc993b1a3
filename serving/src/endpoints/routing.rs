//! [`Routing`]: a configuration in action. It is replaced as a whole; requests in flight end on the one they began with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::{Config, ServedEntity};
use super::slot::{Slot, SlotState};
use super::stats::Stats;
use super::traffic::Split;
use super::turns::Turns;

/// One entity in action.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) entity: ServedEntity,
    pub(super) slot: Arc<Slot>,
    pub(super) turns: Arc<Turns>,
    pub(super) stats: Arc<Stats>,
}

/// A configuration in action.
#[derive(Debug)]
pub(super) struct Routing {
    pub(super) config: Config,
    pub(super) served: Vec<Arc<Served>>,
    split: Split,
}

/// The counts of an endpoint's versions: by served entity and version.
#[derive(Debug, Default)]
pub(super) struct AllStats(Mutex<BTreeMap<StatsKey, Arc<Stats>>>);

/// Whose counts they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StatsKey {
    pub(super) served: String,
    pub(super) model: String,
    pub(super) version: u32,
}

impl AllStats {
    fn of(&self, entity: &ServedEntity) -> Arc<Stats> {
        let key = StatsKey {
            served: entity.name.clone(),
            model: entity.model.clone(),
            version: entity.version,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(key).or_default())
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(StatsKey, Arc<Stats>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(key, stats)| (key.clone(), Arc::clone(stats)))
            .collect()
    }
}

impl Routing {
    /// Sets a configuration up. What the one before has loaded is taken over; the rest begins in the state `begin`.
    pub(super) fn new(config: Config, before: Option<&Routing>, stats: &AllStats, begin: &SlotState) -> Self {
        let mut slots: Vec<Arc<Slot>> = before.map(Routing::slots).unwrap_or_default();
        let mut served = Vec::with_capacity(config.entities.len());
        for entity in &config.entities {
            let known = slots
                .iter()
                .find(|s| s.model == entity.model && s.version == entity.version);
            let slot = known.cloned().unwrap_or_else(|| {
                let slot = Arc::new(Slot::new(&entity.model, entity.version, begin.clone()));
                slots.push(Arc::clone(&slot));
                slot
            });
            let turns = before
                .and_then(|before| before.named(&entity.name))
                .map(|served| &served.turns);
            let turns = turns
                .filter(|turns| turns.most() == entity.size.concurrency())
                .cloned();
            served.push(Arc::new(Served {
                entity: entity.clone(),
                slot,
                turns: turns.unwrap_or_else(|| Arc::new(Turns::new(entity.size.concurrency()))),
                stats: stats.of(entity),
            }));
        }
        let percents: Vec<u8> = config.entities.iter().map(|entity| entity.percent).collect();
        Self {
            split: Split::new(&percents),
            config,
            served,
        }
    }

    /// Who answers the next request.
    pub(super) fn next(&self) -> Option<&Arc<Served>> {
        self.split.next().and_then(|position| self.served.get(position))
    }

    /// The entity of that name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Served>> {
        self.served.iter().find(|served| served.entity.name == name)
    }

    /// Who gets copies.
    pub(super) fn shadows(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.served.iter().filter(|served| served.entity.shadow)
    }

    /// The places in memory, each once.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        for served in &self.served {
            if !slots.iter().any(|slot| Arc::ptr_eq(slot, &served.slot)) {
                slots.push(Arc::clone(&served.slot));
            }
        }
        slots
    }

    /// Whether requests would be answered, whomever they go to.
    pub(super) fn is_ready(&self) -> bool {
        let mut routed = self.served.iter().filter(|served| served.entity.percent > 0);
        routed.all(|served| served.slot.state().answers())
    }

    /// Unloads what nobody has asked for so long as it says. A place that several use must be idle for all of them.
    pub(super) fn unload_idle(&self) {
        for slot in self.slots() {
            let mut users = self
                .served
                .iter()
                .filter(|served| Arc::ptr_eq(&served.slot, &slot));
            let is_idle = |served: &Arc<Served>| {
                let idle = served.entity.idle();
                idle.is_some_and(|idle| slot.idle_for() >= idle) && served.turns.running() == 0
            };
            if users.all(is_idle) {
                slot.unload();
            }
        }
    }
}
