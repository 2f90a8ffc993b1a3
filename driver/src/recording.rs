//! The record of a job: [`JobRecord`] is the job's own run when there are several, with one nested run for each
//! training; a [`RunRecord`] is one training's. Whatever happens, a record ends with a status and, if that is not
//! FINISHED, with a reason. FINISHED is the last thing said of a run, so a run that has it is complete.
//!
//! - [`run`]: one run from its start to its end; [`curve`]: its loss, written while it trains;
//! - [`job`]: the runs of a job, and which is the best;
//! - [`care`]: warnings, and how certain the coefficients are;
//! - [`begun`]: going on with a run that another driver began;
//! - [`left`]: what others left open: taken over, or ended;
//! - [`inputs`]: the data as MLflow's datasets; [`params`]: names and values;
//! - [`model`]: the model's files and its entries for both generations of MLflow's clients.

mod begun;
mod care;
mod curve;
mod inputs;
mod job;
mod left;
mod model;
mod params;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use inputs::dataset_inputs;
pub(crate) use job::{JobFacts, JobRecord};
pub(crate) use left::{adopt, close_left_open};
pub(crate) use params::{data_params, describe_params};
pub(crate) use run::{Outcome, RunRecord};

/// Where in a run's artifacts the model lies.
pub const MODEL_ARTIFACT: &str = "model/model.json";
/// Where in a run's artifacts the job file lies.
pub const JOB_ARTIFACT: &str = "job.toml";
/// Where in a run's artifacts it lies how certain the coefficients are.
pub const INFERENCE_ARTIFACT: &str = "inference.json";
/// The same as a table.
pub const INFERENCE_TABLE_ARTIFACT: &str = "inference.csv";
/// How the tags begin that hold what to be wary of.
pub const TAG_WARNING: &str = "rookery.warning.";
/// Name of the metric whose history is the loss curve: the objective at each iteration.
pub const LOSS_METRIC: &str = "loss";
/// The tag of a job's own run that names the best of its trainings.
pub const TAG_BEST_RUN: &str = "rookery.best_run_id";
/// The tag that says from which folder the relative paths of the job file start.
pub const TAG_BASE_DIR: &str = "rookery.base_dir";
/// The tag that ties runs to the job they belong to.
pub const TAG_JOB: &str = "rookery.job_id";
/// The tag that says which of its job's trainings a run is, from 0.
pub const TAG_INDEX: &str = "rookery.run_index";
