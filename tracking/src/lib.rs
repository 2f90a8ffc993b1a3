//! Remembers what was trained: experiments, runs, parameters, metric curves, tags and artifacts.
//!
//! The life of a record: the driver asks for an experiment by name, creates a run under it with itself as
//! *owner*, logs batches while rounds finish, puts the model's files into the artifact store, and ends the run
//! with a status. Should that driver die, the next one closes what it left open
//! ([`TrackingStore::close_orphans`]), so that no run stays `RUNNING` for ever.
//!
//! Entities, limits, names and error codes are MLflow's, so that its protocol can be served from the same store.
//!
//! In reading order:
//! - [`entities`]: experiments, runs, metrics, parameters and tags, as plain data;
//! - [`error`]: what can go wrong, with MLflow's code and a hint;
//! - [`page`]: one page of a long answer, and where the next one starts;
//! - [`store`]: the [`TrackingStore`] trait and its two implementations, [`MemoryStore`] and [`SqliteStore`];
//! - [`validate`]: MLflow's limits and naming rules, checked before a store sees a value;
//! - [`run_name`]: names for runs that came without one;
//! - [`environment`]: where stores take time and randomness from;
//! - [`artifacts`]: the files of a run.

pub mod artifacts;
pub mod entities;
pub mod environment;
pub mod error;
pub mod page;
pub mod run_name;
pub mod store;
pub mod validate;

pub use artifacts::ArtifactStore;
pub use entities::{Experiment, LifecycleStage, Metric, Param, Run, RunInfo, RunStatus, Tag, ViewType};
pub use environment::{Environment, FixedEnvironment, SystemEnvironment};
pub use error::{ErrorCode, TrackingError};
pub use page::Page;
pub use store::memory::MemoryStore;
pub use store::sqlite::SqliteStore;
pub use store::{
    CloseOrphans, CreateExperiment, CreateRun, ListExperiments, ListRuns, LogBatch, MetricHistory, Owners,
    TrackingStore, UpdateRun,
};
