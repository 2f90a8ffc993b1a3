//! The crate as a job uses it: files in, cached partitions out, on this process alone and on clusters of
//! in-process workers reached by real gRPC.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod cluster;
mod job;
mod refusal;

mod bad_rows;
mod bad_sources;
mod beyond_memory;
mod decoding;
mod dialects;
mod parquet;
mod partitions;
mod penguins;
mod permission;
mod placement;
mod showing;
mod splits;
mod sql;
mod unreachable;
mod unusable;
