//! `rookery run`: a job on a cluster that lives as long as the job.

use std::time::Duration;

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;

use crate::args::{JsonFlag, Places};
use crate::cluster::{ClusterArgs, LocalCluster};
use crate::diagnostic::config;
use crate::driver_port::Access;
use crate::job_event::JobOutcome;
use crate::job_file::{JobArgs, JobFile};
use crate::local_driver::KeptJobs;
use crate::output::Output;
use crate::state_dir::StateDir;
use crate::{report, signals};

/// How long a job may take to end once it was told to stop.
const CANCEL_WITHIN: Duration = Duration::from_secs(15);

/// Run a job on this machine: start a cluster, train, record, stop the cluster
///
/// Nothing needs to be started before, and nothing stays behind but the records. Ctrl-C cancels the job; its runs
/// are recorded as killed.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

pub(crate) async fn run(args: RunArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = places.state_dir()?;
    let outcome = match JobFile::read(&args.job) {
        Ok(job) => on_own_cluster(&job, &args.cluster, &state, output).await,
        Err(failure) => Err(failure),
    };
    let outcome = outcome.unwrap_or_else(|failure| JobOutcome::lost(None, Vec::new(), failure));
    report::conclude(outcome, &state, output)
}

/// Starts a cluster, lets it do the job, and stops it again.
///
/// # Errors
/// There is no cluster, or it did not take the job.
pub(crate) async fn on_own_cluster(
    job: &JobFile,
    cluster: &ClusterArgs,
    state: &StateDir,
    output: &mut Output,
) -> Result<JobOutcome, Failure> {
    if cluster.workers() == 0 {
        return Err(config("no worker: a job needs at least 1")
            .at("--workers 0")
            .hint("leave --workers out for 2"));
    }
    let shutdown = signals::shutdown()?;
    let mut cluster = LocalCluster::start(
        cluster,
        "127.0.0.1:0",
        &Access::default(),
        KeptJobs::NONE,
        state,
        &shutdown,
    )
    .await?;
    if output.is_json() {
        output.object(&cluster.object(state, None));
    }
    let outcome = carry_out(&mut cluster, job, output, &shutdown).await;
    if let Err(failure) = cluster.stop().await {
        tracing::warn!(%failure, "the cluster did not stop in order");
    }
    outcome
}

async fn carry_out(
    cluster: &mut LocalCluster,
    job: &JobFile,
    output: &mut Output,
    shutdown: &CancellationToken,
) -> Result<JobOutcome, Failure> {
    let mut client = cluster.driver.client()?;
    let job_id = client.submit(job, 0, None).await?;
    let lost = |failure| JobOutcome::lost(Some(job_id.clone()), Vec::new(), failure);
    let outcome = tokio::select! {
        outcome = report::follow(&client, &job_id, output) => outcome,
        // The driver has been told as well, cancels the job and says so: that is the normal end.
        () = too_late(shutdown) => {
            lost(Failure::new(ErrorClass::Cancelled, "stopped; the job did not say in time how it ended"))
        }
    };
    output.end_progress();
    Ok(outcome)
}

async fn too_late(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(CANCEL_WITHIN).await;
}
