//! Named clusters: configurations that can be started, terminated and started again. Each is a folder,
//! `STATE_DIR/clusters/NAME`: `cluster.toml` says how it is started, `events.jsonl` what became of it, `state` is the state
//! directory of its driver, whose records are those of the state directory above. Whoever runs it holds the file `lock`, which
//! the operating system takes back however that process ends.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_proto::Failure;

use crate::diagnostic::{config as wrong, internal};
use crate::state_dir::{StateDir, quoted};

mod attributes;
mod config;
mod events;
mod keeper;
mod name;
mod processes;
mod seen;
mod service;

pub(crate) use config::{ClusterConfig, Mode, duration};
pub(crate) use events::{ClusterEvent, Events, Kind};
pub(crate) use keeper::serve;
pub(crate) use name::check as check_name;
pub(crate) use service::ClusterService;

/// How often, and after which pause, a lock is tried that another command may hold while it looks.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The named clusters of a state directory.
#[derive(Debug)]
pub(crate) struct Clusters {
    parent: StateDir,
    root: PathBuf,
}

impl Clusters {
    pub(crate) fn of(parent: &StateDir) -> Self {
        Self {
            parent: parent.clone(),
            root: parent.path().join("clusters"),
        }
    }

    /// Every cluster, by name.
    ///
    /// # Errors
    /// Class config: a configuration can't be read, or makes no sense.
    pub(crate) fn all(&self) -> Result<Vec<NamedCluster>, Failure> {
        self.names()?.iter().map(|name| self.open(name)).collect()
    }

    /// Every cluster whose configuration makes sense, by name.
    ///
    /// # Errors
    /// Class config: their folder can't be read.
    fn readable(&self) -> Result<Vec<NamedCluster>, Failure> {
        let names = self.names()?;
        Ok(names.iter().filter_map(|name| self.open(name).ok()).collect())
    }

    /// Whether there is one of that name, or was.
    fn is_taken(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }

    /// # Errors
    /// Class config: there is none of that name, or its configuration makes no sense.
    pub(crate) fn find(&self, name: &str) -> Result<NamedCluster, Failure> {
        check_name(name)?;
        if self.root.join(name).is_dir() {
            return self.open(name);
        }
        let names = self.names()?;
        let hint = match names.is_empty() {
            true => format!(
                "there is none yet; make one with `rookery cluster create {}`",
                quoted(name)
            ),
            false => format!("there are: {}", names.join(", ")),
        };
        Err(wrong(format!("there is no cluster \"{name}\""))
            .at(self.root.display().to_string())
            .hint(hint))
    }

    /// Keeps a new configuration. It appears whole or not at all.
    ///
    /// # Errors
    /// Class config: there is one of that name, or the folder can't be written.
    pub(crate) fn create(&self, config: &ClusterConfig) -> Result<NamedCluster, Failure> {
        let folder = self.root.join(&config.name);
        let taken = || {
            wrong(format!("there is a cluster \"{}\" already", config.name))
                .at(folder.display().to_string())
                .hint("take another name, or delete it: `rookery cluster delete NAME`")
        };
        if folder.exists() {
            return Err(taken());
        }
        let draft = self.root.join(format!(".draft-{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&draft)?;
            fs::write(draft.join(config::FILE), config.to_toml())?;
            fs::rename(&draft, &folder)
        };
        write().map_err(|e| {
            let _ = fs::remove_dir_all(&draft);
            match e.kind() {
                ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => taken(),
                _ => wrong(format!("the cluster can't be kept: {e}")).at(folder.display().to_string()),
            }
        })?;
        self.open(&config.name)
    }

    fn open(&self, name: &str) -> Result<NamedCluster, Failure> {
        let folder = self.root.join(name);
        Ok(NamedCluster {
            config: ClusterConfig::read(&folder.join(config::FILE))?,
            state: self.parent.of_cluster(folder.join("state"), name),
            folder,
        })
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                return Err(
                    wrong(format!("the clusters can't be read: {e}")).at(self.root.display().to_string())
                );
            }
        };
        let names = entries.flatten().filter(|entry| entry.path().is_dir());
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| check_name(name).is_ok()).collect();
        names.sort();
        Ok(names)
    }
}

/// How far a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Driver and workers are being started.
    Pending,
    Running,
    /// It was told to end: its jobs are being cancelled.
    Terminating,
    Terminated,
}

impl Lifecycle {
    /// In the words of people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Lifecycle::Pending => "pending",
            Lifecycle::Running => "running",
            Lifecycle::Terminating => "terminating",
            Lifecycle::Terminated => "terminated",
        }
    }
}

/// A cluster that was created.
#[derive(Debug)]
pub(crate) struct NamedCluster {
    pub(crate) config: ClusterConfig,
    folder: PathBuf,
    state: StateDir,
}

impl NamedCluster {
    /// What its driver keeps, but for the records.
    pub(crate) fn state_dir(&self) -> &StateDir {
        &self.state
    }

    /// Where all of it is kept.
    fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration as it is now: it may have been changed since.
    fn present_config(&self) -> Result<ClusterConfig, Failure> {
        ClusterConfig::read(&self.folder.join(config::FILE))
    }

    /// The cluster with another configuration, which is kept. Whoever runs it takes the number of workers from there.
    ///
    /// # Errors
    /// Class config: it makes no sense, or can't be written.
    fn reconfigured(self, config: &ClusterConfig) -> Result<Self, Failure> {
        config.write(&self.folder.join(config::FILE))?;
        Ok(Self {
            config: self.present_config()?,
            ..self
        })
    }

    /// What became of it.
    pub(crate) fn events(&self) -> Events {
        Events::of(&self.config.name, self.folder.join("events.jsonl"))
    }

    /// How far it is. If the process that ran it is gone without a word, that is noted among the events.
    pub(crate) fn lifecycle(&self) -> Result<Lifecycle, Failure> {
        if let Some(_idle) = self.try_hold()? {
            if self
                .events()
                .since_start()?
                .is_some_and(|last| last != Kind::Terminated)
            {
                let crash = ClusterEvent::because("crashed: its process ended without a word");
                self.events().add(Kind::Terminated, crash)?;
            }
            return Ok(Lifecycle::Terminated);
        }
        Ok(match self.events().since_start()? {
            Some(Kind::Running) => Lifecycle::Running,
            Some(Kind::Terminating) => Lifecycle::Terminating,
            // Its last word is said, and it is about to go.
            Some(Kind::Terminated) => Lifecycle::Terminating,
            _ => Lifecycle::Pending,
        })
    }

    /// Runs it, or sees to it that nobody else does, as long as the value lives.
    ///
    /// # Errors
    /// Class config: another process runs it.
    pub(crate) async fn hold(&self) -> Result<File, Failure> {
        for _ in 0..LOCK_TRIES {
            if let Some(file) = self.try_hold()? {
                return Ok(file);
            }
            // Commands that look hold it for a moment.
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        let name = quoted(&self.config.name);
        Err(
            wrong(format!("cluster \"{}\" runs", self.config.name)).hint(format!(
                "`rookery cluster show {name}` says where, `rookery cluster terminate {name}` stops it"
            )),
        )
    }

    fn try_hold(&self) -> Result<Option<File>, Failure> {
        let path = self.folder.join("lock");
        let failed = |e: std::io::Error| {
            internal(format!("the cluster's lock can't be used: {e}")).at(path.display().to_string())
        };
        let file = open_lock(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Forgets the configuration, the events and the jobs. What was recorded stays.
    ///
    /// # Errors
    /// Class config: it runs.
    pub(crate) async fn delete(self) -> Result<(), Failure> {
        let _held = self.hold().await?;
        fs::remove_dir_all(&self.folder).map_err(|e| {
            internal(format!("the cluster can't be deleted: {e}")).at(self.folder.display().to_string())
        })
    }
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

#[cfg(test)]
mod tests;
