//! [`NamedClusters`]: what the driver's REST interface asks of whoever keeps clusters under names. Clusters are processes,
//! and a driver starts none.

use rookery_proto::Failure;
use serde_json::{Map, Value};

/// How many workers a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterSize {
    /// One worker with every core, beside the driver.
    pub is_single_node: bool,
    /// Workers when there is no work.
    pub min_workers: usize,
    /// Workers while jobs wait or run.
    pub max_workers: usize,
}

/// How a client wants a cluster to be.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSettings {
    /// What people call it: any text, and not unique.
    pub name: String,
    /// How many workers it has.
    pub size: ClusterSize,
    /// After how many minutes without a job it ends by itself.
    pub auto_terminate_minutes: Option<f64>,
    /// All that the client said, to be shown to clients as it was said.
    pub attributes: Map<String, Value>,
}

/// How far a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterLifecycle {
    /// Driver and workers are being started.
    Pending,
    /// It takes jobs.
    Running,
    /// It ends, to be started again.
    Restarting,
    /// Workers are added, or let go.
    Resizing,
    /// It was told to end.
    Terminating,
    /// It can be started.
    Terminated,
}

/// A cluster as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterInfo {
    /// Its id; it never changes.
    pub id: String,
    /// How it is configured.
    pub settings: ClusterSettings,
    /// How far it is.
    pub lifecycle: ClusterLifecycle,
    /// Who created it.
    pub created_by: String,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it was started last.
    pub started_ms: Option<i64>,
    /// When it ended last, if it has ended since.
    pub terminated_ms: Option<i64>,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// Where its driver answers.
    pub driver: Option<String>,
    /// Who keeps it at the head of lists, if somebody does.
    pub pinned_by: Option<String>,
}

/// What happened to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterHappening {
    /// What it was.
    pub what: Happening,
    /// When, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Who did it.
    pub user: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How many workers there are to be.
    pub workers: Option<usize>,
}

/// Kinds of happenings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Happening {
    Created,
    Starting,
    Running,
    WorkerJoined,
    WorkerLost,
    Resized,
    Edited,
    Restarting,
    Pinned,
    Unpinned,
    Terminated,
}

/// What a cluster is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterAction {
    /// Be configured so from now on; one that runs is started again with it.
    Edit(ClusterSettings),
    /// Start.
    Start,
    /// End and start again.
    Restart,
    /// Have so many workers.
    Resize(ClusterSize),
    /// End.
    Terminate,
    /// End, and be forgotten.
    Delete,
    /// Be at the head of lists.
    Pin,
    /// Be no longer so.
    Unpin,
}

/// Why a cluster does not do what it is asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRefusal {
    /// There is none of that id.
    Missing,
    /// Not in this state.
    WrongState(ClusterLifecycle),
    /// It can't be done.
    Failed(Failure),
}

impl From<Failure> for ClusterRefusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The machine that clusters are started on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Its cores.
    pub cores: usize,
    /// Its memory in MiB.
    pub memory_mb: u64,
}

/// Keeps clusters under names.
#[async_trait::async_trait]
pub trait NamedClusters: std::fmt::Debug + Send + Sync {
    /// Keeps a new cluster and begins to start it; returns its id.
    async fn create(&self, settings: ClusterSettings) -> Result<String, ClusterRefusal>;

    /// Every cluster.
    async fn all(&self) -> Result<Vec<ClusterInfo>, ClusterRefusal>;

    /// Begins to do something with a cluster. What takes long goes on when this has returned.
    async fn act(&self, id: &str, action: ClusterAction) -> Result<(), ClusterRefusal>;

    /// What happened to a cluster, oldest first.
    async fn events(&self, id: &str) -> Result<Vec<ClusterHappening>, ClusterRefusal>;

    /// The machine they are started on.
    fn machine(&self) -> Machine;
}
