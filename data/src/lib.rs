//! Raw files → cleaned, split, cached partitions. The only crate that names DataFusion.
//!
//! The path of a job's rows: a [`spec::DataSpec`] is opened into an [`IngestPlan`] ([`source`]: files found,
//! headers and footers read, files cut into partitions that the data alone defines; [`stores`]: wherever the files
//! are). [`Dataset::materialize`]
//! hands the plan to the [`engine`], which runs it on the workers: scan, null tokens, casts ([`schema`]), the
//! user's query, the reason why a row is dropped. At the head of the worker stage the cache operator leaves
//! those rows out, splits the others ([`split`]) and keeps them as Arrow batches in the process'
//! [`cache::PartitionCache`]. Only one small report row for each partition comes back to the driver.
//!
//! From then on the engine is out of the loop: workers turn cached partitions into [`frame`]s and blocks, and
//! train on those.

mod activity;
pub mod cache;
mod cache_exec;
mod cache_node;
pub mod clean;
mod codec;
mod columns;
mod compression;
mod content;
mod csv_decode;
pub mod csv_dialect;
mod dataset;
mod diagnose;
pub mod engine;
pub mod error;
pub mod frame;
mod functions;
mod gather;
mod lean;
mod materialization;
pub mod parquet_pieces;
mod partition;
mod plan;
mod reproducible;
mod rowwise;
pub mod schema;
pub mod scored;
pub mod show;
pub mod source;
mod sources_of_plan;
pub mod spec;
pub mod spill;
pub mod split;
pub mod stores;
mod table;
pub mod unusable;
mod watched_scan;

pub use activity::{Progress, Work};
pub use dataset::{Dataset, PartitionInfo};
pub use error::{DataError, DataErrorKind};
pub use materialization::Materialization;
pub use plan::IngestPlan;
