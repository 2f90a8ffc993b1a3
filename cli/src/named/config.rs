//! [`ClusterConfig`]: how a named cluster is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_data::spec::ByteSize;
use rookery_proto::Failure;
use serde::{Deserialize, Serialize};

use crate::diagnostic::config as wrong;
use crate::driver_port::Access;
use crate::listen::Advertised;
use crate::memory::{self, MemoryArgs};

/// Its file in the cluster's folder.
pub(super) const FILE: &str = "cluster.toml";

/// How a named cluster is started, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) min_workers: usize,
    pub(crate) max_workers: usize,
    /// Of each worker; without it the machine's cores are shared out over `max_workers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<u16>,
    /// Of each worker; without it there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_limit: Option<ByteSize>,
    /// Where what has no room in memory goes; without it, to the state directory of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spill_dir: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auto_terminate_minutes: Option<f64>,
    /// After how many minutes without a job the workers above `min_workers` go.
    pub(crate) scale_down_minutes: f64,
    /// `IP:PORT` of the driver.
    pub(crate) listen: String,
    /// Whether it is on TLS on an address of this machine alone, too.
    #[serde(default)]
    pub(crate) tls: bool,
    /// The name by which other machines reach this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    /// The release of rookery that it was created with.
    pub(crate) runtime_version: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) created_ms: i64,
    pub(crate) created_by: String,
}

/// How many machines' worth of workers a cluster is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// One worker, with every core.
    SingleNode,
    MultiNode,
}

impl Mode {
    /// As the file and `--json` write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::SingleNode => "single-node",
            Mode::MultiNode => "multi-node",
        }
    }
}

impl ClusterConfig {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let bad = |e: String| {
            wrong(format!("the cluster's configuration can't be used: {e}")).at(file.display().to_string())
        };
        let text = std::fs::read_to_string(file).map_err(|e| bad(e.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|e| bad(e.message().to_string()))?;
        config.check().map_err(bad)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let folder = super::check_name(&self.name).map_err(|failure| failure.message);
        folder?;
        if self.min_workers == 0 || self.max_workers < self.min_workers {
            let (min, max) = (self.min_workers, self.max_workers);
            return Err(format!(
                "{min} to {max} workers, expected at least 1 and no fewer at most"
            ));
        }
        self.access()?;
        self.memory_limit.map_or(Ok(()), memory::check)?;
        let minutes = [Some(self.scale_down_minutes), self.auto_terminate_minutes];
        match minutes
            .into_iter()
            .flatten()
            .find(|minutes| duration(*minutes).is_none())
        {
            Some(minutes) => Err(format!("{minutes} minutes, expected a number above 0")),
            None => Ok(()),
        }
    }

    /// Keeps the configuration in place of the one in the file.
    pub(super) fn write(&self, file: &Path) -> Result<(), Failure> {
        let place = file.display().to_string();
        self.check()
            .map_err(|e| wrong(format!("the cluster can't be configured so: {e}")).at(&place))?;
        replace(file, &self.to_toml())
            .map_err(|e| wrong(format!("the cluster can't be kept: {e}")).at(&place))
    }

    pub(super) fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain values are TOML")
    }

    /// Who may call its driver, and how.
    pub(super) fn access(&self) -> Result<Access, String> {
        let advertise = self.advertise.as_deref().map(Advertised::parse).transpose()?;
        Ok(Access::of(self.tls, advertise))
    }

    /// How much memory each of its workers may take.
    pub(super) fn memory(&self) -> MemoryArgs {
        MemoryArgs::of(self.memory_limit, self.spill_dir.as_deref())
    }

    /// After how long without a job it ends by itself.
    pub(crate) fn auto_terminate(&self) -> Option<Duration> {
        self.auto_terminate_minutes.and_then(duration)
    }

    /// After how long without a job it has its fewest workers.
    pub(crate) fn scale_down_after(&self) -> Duration {
        duration(self.scale_down_minutes).unwrap_or(Duration::MAX)
    }

    /// `2`, or `2 to 4`.
    pub(crate) fn workers_text(&self) -> String {
        match self.min_workers == self.max_workers {
            true => self.min_workers.to_string(),
            false => format!("{} to {}", self.min_workers, self.max_workers),
        }
    }
}

/// Puts a text in the place of a file, whole: whoever reads meanwhile finds the one or the other.
pub(super) fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, file)
}

/// Minutes as a duration; `None` unless they are above 0.
pub(crate) fn duration(minutes: f64) -> Option<Duration> {
    Some(minutes * 60.0)
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
