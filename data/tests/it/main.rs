//! The crate as a job uses it: files in, cached partitions out, on this process alone and on clusters of
//! in-process workers reached by real gRPC.

mod cluster;
mod job;

mod penguins;
