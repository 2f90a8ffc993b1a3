//! What is kept of an endpoint, and the acts that changed it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::Config;

/// The most configurations that can be gone back to.
const MAX_HISTORY: usize = 100;

/// An endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// Its name: unique among those that are there.
    pub name: String,
    /// Another one for each endpoint, also of the same name.
    pub id: String,
    /// Who made it.
    pub creator: String,
    /// In milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it was last changed, in milliseconds since the Unix epoch.
    pub updated_ms: i64,
    /// Notes on it.
    pub tags: BTreeMap<String, String>,
    /// What it serves; `None` until its first configuration took effect.
    pub active: Option<Config>,
    /// What is about to take effect.
    pub pending: Option<Pending>,
    /// How the last change went.
    pub last_update: LastUpdate,
    /// The number of the next configuration.
    pub next_config: u32,
    /// Configurations that took effect, oldest first.
    pub history: Vec<Config>,
}

/// A configuration whose models are being loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The configuration.
    pub config: Config,
    /// What it will have been.
    pub action: Action,
    /// Who asked for it.
    pub user: String,
    /// Why; may be empty.
    pub reason: String,
    /// In milliseconds since the Unix epoch.
    pub since_ms: i64,
}

/// How the last change of an endpoint went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum LastUpdate {
    /// It took effect.
    Done,
    /// It did not, and why.
    Failed {
        /// What was to take effect.
        config: Config,
        /// Why it did not.
        message: String,
    },
    /// Somebody took it back before it took effect.
    Canceled,
}

impl EndpointRecord {
    /// A configuration takes effect.
    pub(super) fn activate(&mut self, config: Config, now_ms: i64) {
        self.history.push(config.clone());
        let too_many = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..too_many);
        self.active = Some(config);
        self.pending = None;
        self.last_update = LastUpdate::Done;
        self.updated_ms = now_ms;
    }

    /// The number of the next configuration, which is used up with it.
    pub(super) fn take_number(&mut self) -> u32 {
        let number = self.next_config;
        self.next_config += 1;
        number
    }
}

/// Something that was done to an endpoint. Acts are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When it took effect, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The endpoint's name.
    pub endpoint: String,
    /// The endpoint's id.
    pub endpoint_id: String,
    /// What was done.
    pub action: Action,
    /// Who did it.
    pub user: String,
    /// Why; may be empty.
    pub reason: String,
    /// The configuration before.
    pub from: Option<u32>,
    /// The configuration since.
    pub to: Option<u32>,
    /// What has been served since.
    pub serving: Vec<Share>,
    /// What the machine has to say: why something failed, which alias moved.
    pub detail: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was made.
    Created,
    /// It got another configuration.
    Updated,
    /// One of its entities got all of the traffic.
    Promoted,
    /// It went back to an earlier configuration.
    RolledBack,
    /// An alias that it follows pointed at another version.
    AliasMoved,
    /// A configuration did not take effect.
    UpdateFailed,
    /// A configuration was taken back before it took effect.
    UpdateCanceled,
    /// Its tags changed.
    Tagged,
    /// It was deleted.
    Deleted,
}

impl Action {
    /// The word for it, such as `rolled_back`.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Promoted => "promoted",
            Action::RolledBack => "rolled_back",
            Action::AliasMoved => "alias_moved",
            Action::UpdateFailed => "update_failed",
            Action::UpdateCanceled => "update_canceled",
            Action::Tagged => "tagged",
            Action::Deleted => "deleted",
        }
    }
}

/// What one served entity got since an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The served entity.
    pub name: String,
    /// Its model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// Its share of the traffic, in percent.
    pub percent: u8,
    /// Whether it gets copies.
    pub shadow: bool,
}

/// The shares of a configuration.
pub(super) fn shares(config: &Config) -> Vec<Share> {
    let share = |entity: &super::ServedEntity| Share {
        name: entity.name.clone(),
        model: entity.model.clone(),
        version: entity.version,
        percent: entity.percent,
        shadow: entity.shadow,
    };
    config.entities.iter().map(share).collect()
}
