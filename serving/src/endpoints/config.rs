//! [`Config`]: what an endpoint serves. It is never changed, only followed by the next one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::EndpointError;

/// One configuration of an endpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Counted from 1 within the endpoint; a number is never used twice.
    pub version: u32,
    /// What it serves.
    pub entities: Vec<ServedEntity>,
    /// The configuration that a rollback goes to.
    pub previous: Option<u32>,
}

/// One version of a model within a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedEntity {
    /// Its name within the endpoint.
    pub name: String,
    /// The registered model.
    pub model: String,
    /// The version that answers.
    pub version: u32,
    /// The alias that is followed, if the version was named by one.
    pub alias: Option<String>,
    /// Its share of the traffic, in percent.
    pub percent: u8,
    /// Whether it gets a copy of each request.
    pub shadow: bool,
    /// How many requests it scores at once.
    pub size: WorkloadSize,
    /// After how long without a request the model is unloaded, in milliseconds; `None` for never.
    pub idle_ms: Option<u64>,
}

impl ServedEntity {
    /// After how long without a request the model is unloaded.
    pub fn idle(&self) -> Option<Duration> {
        self.idle_ms.map(Duration::from_millis)
    }
}

impl Config {
    /// The entity of that name.
    pub fn entity(&self, name: &str) -> Option<&ServedEntity> {
        self.entities.iter().find(|entity| entity.name == name)
    }
}

/// Databricks' sizes: how many requests are scored at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WorkloadSize {
    /// 4 at once.
    #[default]
    Small,
    /// 16 at once.
    Medium,
    /// 64 at once.
    Large,
}

impl WorkloadSize {
    /// How many requests are scored at once.
    pub fn concurrency(self) -> usize {
        match self {
            WorkloadSize::Small => 4,
            WorkloadSize::Medium => 16,
            WorkloadSize::Large => 64,
        }
    }

    /// Databricks' word for it.
    pub fn name(self) -> &'static str {
        match self {
            WorkloadSize::Small => "Small",
            WorkloadSize::Medium => "Medium",
            WorkloadSize::Large => "Large",
        }
    }
}

impl std::str::FromStr for WorkloadSize {
    type Err = EndpointError;

    /// Reads a size in any case.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        [WorkloadSize::Small, WorkloadSize::Medium, WorkloadSize::Large]
            .into_iter()
            .find(|size| size.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                EndpointError::invalid(format!(
                    "workload_size {text:?} is not known: expected Small, Medium or Large"
                ))
            })
    }
}
