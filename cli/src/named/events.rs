//! [`Events`]: what became of a named cluster, one JSON object a line, oldest first.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rookery_proto::Failure;
use rookery_tracking::{Environment as _, SystemEnvironment};
use serde::{Deserialize, Serialize};

use crate::diagnostic::internal;

/// What can happen to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Created,
    Starting,
    Running,
    WorkerJoined,
    WorkerDraining,
    WorkerLost,
    WorkerLeft,
    /// It was given more workers, or fewer.
    Resized,
    /// It is configured otherwise from now on.
    Edited,
    /// It is ended to be started again.
    Restarting,
    /// It is kept at the head of lists.
    Pinned,
    Unpinned,
    Terminating,
    Terminated,
}

impl Kind {
    /// In the words of people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Created => "created",
            Kind::Starting => "starting",
            Kind::Running => "running",
            Kind::WorkerJoined => "worker joined",
            Kind::WorkerDraining => "worker draining",
            Kind::WorkerLost => "worker lost",
            Kind::WorkerLeft => "worker left",
            Kind::Resized => "resized",
            Kind::Edited => "edited",
            Kind::Restarting => "restarting",
            Kind::Pinned => "pinned",
            Kind::Unpinned => "unpinned",
            Kind::Terminating => "terminating",
            Kind::Terminated => "terminated",
        }
    }
}

/// The circumstances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterEvent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) worker_id: Option<String>,
    /// How many workers there are to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workers: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) driver: Option<String>,
}

impl ClusterEvent {
    /// Something that a user did.
    pub(crate) fn by(user: String) -> Self {
        Self {
            user: Some(user),
            ..Self::default()
        }
    }

    /// Something that has a reason.
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::default()
        }
    }
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) event: Kind,
    pub(crate) cluster: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) timestamp_ms: i64,
    #[serde(flatten)]
    pub(crate) what: ClusterEvent,
}

/// The file of a cluster's events.
#[derive(Debug)]
pub(crate) struct Events {
    cluster: String,
    file: PathBuf,
}

impl Events {
    pub(super) fn of(cluster: &str, file: PathBuf) -> Self {
        Self {
            cluster: cluster.to_string(),
            file,
        }
    }

    /// Adds one, whole: a line goes out in one write.
    pub(crate) fn add(&self, event: Kind, what: ClusterEvent) -> Result<(), Failure> {
        let line = Line {
            event,
            cluster: self.cluster.clone(),
            timestamp_ms: SystemEnvironment.now_ms(),
            what,
        };
        let mut text = serde_json::to_string(&line).expect("plain values are JSON");
        text.push('\n');
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.file);
        opened
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| {
                internal(format!("the event can't be noted: {e}")).at(self.file.display().to_string())
            })
    }

    /// All of them, oldest first. Lines that are none, as a full disk can leave, are passed over.
    pub(crate) fn read(&self) -> Result<Vec<Line>, Failure> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                let message = format!("the events can't be read: {e}");
                return Err(internal(message).at(self.file.display().to_string()));
            }
        };
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// How far it has come since it was started last: `Terminated` as soon as that was said. `None` if it never was.
    pub(super) fn since_start(&self) -> Result<Option<Kind>, Failure> {
        let events = self.read()?;
        let Some(start) = events.iter().rposition(|line| line.event == Kind::Starting) else {
            return Ok(None);
        };
        let steps = [Kind::Terminated, Kind::Terminating, Kind::Running];
        let since = &events[start..];
        let reached = steps
            .into_iter()
            .find(|step| since.iter().any(|line| line.event == *step));
        Ok(Some(reached.unwrap_or(Kind::Starting)))
    }
}
