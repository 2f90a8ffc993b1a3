//! The end-to-end tests: the real binary, real processes, real ports. They read as a tour of the product.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bad_input; // what is wrong, where, what was expected, and the exit code
mod batch; // whole files of rows, scored on the cluster
mod care; // standard errors, weights of classes, early stopping, deadlines
mod chaos; // random faults, by a seed
mod cluster; // workers that are missing, late or killed
mod databricks; // clusters by REST, with the stock client
mod deploy; // the files under `deploy`
mod determinism; // the same bits on any cluster
mod elsewhere; // jobs that are recorded on another server
mod endpoints; // models that answer requests, while everything around them changes
mod formats; // models in ONNX, Spark, PMML and MLflow, read by those systems
mod jobs; // the queue, and letting jobs and workers go
mod lifecycle; // a cluster in the background
mod lone_workers; // workers that do not share the driver's disk
mod machines; // a cluster of machines that share nothing, and a link that is cut
mod main_job; // the README's first command, and what it leaves behind
mod mlflow; // the stock MLflow client, and a real MLflow server to be compared with
mod named; // clusters with a name
mod object_stores; // sources by URL: S3 and the web
mod out_of_core; // data larger than the workers' memory limit
mod profile; // what training saw of the model's inputs
mod records; // everything that was recorded, looked at and changed
mod recovery; // workers that come, go and hang while a job runs
mod reduction; // rounds along a tree over the workers, and trees that break
mod restart; // a driver that is killed and started again
mod secrets; // what nobody must find anywhere
mod serving; // a model behind MLflow's scoring protocol
mod slow_workers; // workers that lag while a job runs
mod stages;
mod sweep; // every kind of feature stage in one job
mod tidy; // the shape of the repository itself
mod tls; // a cluster between machines, and who is not let in
mod traces; // what a collector of OpenTelemetry hears
mod tracking; // what MLflow sees of a job, and what becomes of it when the driver dies

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_rookery");

/// The repository's folder.
fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace's folder")
        .to_path_buf()
}

/// The lab's job file.
fn lab() -> String {
    repository().join("data/penguins/job.toml").display().to_string()
}
