//! Serving endpoints: names under which models answer, as in Databricks.
//!
//! An endpoint has a configuration: which versions it serves, how much of the traffic each gets, and which merely listen
//! (shadows). It is never changed, only replaced, as one logged act. The path of a change: [`api`] decodes it, `spec`
//! checks it, `apply` loads what it needs, writes the new `record` down together with the [`Act`], and swaps the
//! `routing`: requests in flight end on the old one, the next ones go by the new one.
//!
//! The path of a request: [`api`] → `invoke` → the routing chooses a served entity → it waits for its turn (`turns`), gets
//! the model (`slot`: loaded, or loaded now), and answers; shadows (`shadow`) get a copy afterwards.
//!
//! `tend` does what nobody asks for: it unloads idle models, follows aliases, and tries again what did not load. Where
//! models come from and where endpoints are kept is behind the traits [`ModelSource`] and [`EndpointStore`].

pub mod api;
mod apply;
mod bounds;
mod config;
mod endpoint;
mod error;
mod invoke;
mod manager;
mod metrics;
mod name;
mod ports;
mod promote;
mod record;
mod routing;
mod shadow;
mod slot;
mod spec;
mod stats;
mod tend;
#[cfg(test)]
mod tests;
mod traffic;
mod turns;

pub use bounds::Bounds;
pub use config::{Config, ServedEntity, WorkloadSize};
pub use endpoint::Endpoint;
pub use error::{EndpointError, Kind};
pub use invoke::{Invocation, Invoked};
pub use manager::{Author, Endpoints};
pub use metrics::{EndpointLabels, EndpointMetrics};
pub use ports::{EndpointStore, LoadedModel, ModelSource, Score, StoreError};
pub use record::{Act, Action, EndpointRecord, LastUpdate, Pending, Share};
pub use spec::{EntitySpec, Spec, Target};
