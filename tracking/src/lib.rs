//! Remembers what was trained: experiments, runs, parameters, metric curves, tags and artifacts.
//!
//! The life of a record: the driver asks for an experiment by name, creates a run under it with itself as
//! *owner*, logs batches while rounds finish, puts the model's files into the artifact store, and ends the run
//! with a status. It renews its *lease* all the while; should it die, whoever looks next closes what it left open
//! ([`TrackingStore::close_orphans`]), so that no run stays `RUNNING` for ever.
//!
//! Entities, limits, names and error codes are MLflow's, so that its protocol can be served from the same store.
//!
//! In reading order:
//! - [`entities`]: experiments, runs, metrics, parameters and tags, as plain data;
//! - [`error`]: what can go wrong, with MLflow's code and a hint;
//! - [`page`]: one page of a long answer, and where the next one starts;
//! - [`store`]: the [`TrackingStore`] trait; [`registry`]: the [`ModelRegistry`] trait;
//! - [`search`]: the filter and order strings of MLflow's searches, parsed;
//! - [`sql`]: [`SqlStore`], both traits on SQLite (a file, or memory) and PostgreSQL;
//! - [`rest`]: [`RestStore`](rest::RestStore), both traits on another server, and a spool for when it is down;
//! - [`validate`]: MLflow's limits and naming rules, checked before a store sees a value;
//! - [`run_name`]: names for runs that came without one;
//! - [`environment`]: where stores take time and randomness from;
//! - [`artifacts`]: the files of a run;
//! - [`api`]: MLflow's REST protocol, served from all of them.

pub mod api;
pub mod artifacts;
pub mod entities;
pub mod environment;
pub mod error;
pub mod page;
pub mod registry;
pub mod rest;
pub mod run_name;
pub mod search;
pub mod sql;
pub mod store;
mod time;
pub mod validate;

pub use api::{Api, MLFLOW_VERSION, router};
pub use artifacts::ArtifactStore;
pub use entities::{
    Actor, Dataset, DatasetId, DatasetInput, Experiment, LifecycleStage, LoggedModel, LoggedModelStatus,
    Metric, MetricSummary, ModelMetric, ModelOutput, ModelVersion, Param, RegisteredModel, Run, RunInfo,
    RunStatus, Tag, ViewType,
};
pub use environment::{Environment, FixedEnvironment, SystemEnvironment};
pub use error::{ErrorCode, TrackingError};
pub use page::Page;
pub use registry::{CreateModelVersion, CreateRegisteredModel, JournalQuery, ModelRegistry};
pub use sql::SqlStore;
pub use store::{
    CreateExperiment, CreateLoggedModel, CreateRun, DatasetFilter, LogBatch, LogInputs, LogOutputs,
    MetricHistory, Search, SearchExperiments, SearchLoggedModels, SearchRuns, TrackingStore, UpdateRun,
};
