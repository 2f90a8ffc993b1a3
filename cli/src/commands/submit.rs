//! `rookery submit`: a job for a running cluster.

use clap::Args;
use rookery_proto::{ErrorClass, Failure};
use serde::Serialize;

use crate::args::{JsonFlag, Places};
use crate::client::DriverClient;
use crate::job_event::JobOutcome;
use crate::job_file::{JobArgs, JobFile};
use crate::output::Output;
use crate::state_dir::StateDir;
use crate::{report, signals, token};

/// Submit a job to a running cluster
///
/// The job file is checked here first. The cluster is the one of the state directory, or the one --driver names.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,

    /// Follow the job to its end; the exit code is the job's
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// What programs read once the driver has taken the job.
#[derive(Debug, Serialize)]
struct JobSubmitted<'a> {
    event: &'static str,
    job_id: &'a str,
}

pub(crate) async fn submit(args: SubmitArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = places.state_dir()?;
    let submitted = start(&args, places, &state).await;
    let (client, job_id) = match submitted {
        Ok(submitted) => submitted,
        Err(failure) if args.wait => {
            return report::conclude(JobOutcome::lost(None, Vec::new(), failure), &state, output);
        }
        Err(failure) => return Err(failure),
    };
    match (output.is_json(), args.wait) {
        (true, _) => output.object(&JobSubmitted {
            event: "job_submitted",
            job_id: &job_id,
        }),
        (false, true) => output.line(&format!("job {job_id}")),
        // Alone on its line, for shell scripts.
        (false, false) => output.line(&job_id),
    }
    match args.wait {
        true => wait(&client, &job_id, &state, output).await,
        false => Ok(()),
    }
}

async fn start(
    args: &SubmitArgs,
    places: &Places,
    state: &StateDir,
) -> Result<(DriverClient, String), Failure> {
    let job = JobFile::read(&args.job)?;
    let url = state.find_driver(places.driver().as_deref())?;
    let mut client = DriverClient::new(url, token::of_client(state)?.as_ref())?;
    let job_id = client.submit(&job).await?;
    Ok((client, job_id))
}

async fn wait(
    client: &DriverClient,
    job_id: &str,
    state: &StateDir,
    output: &mut Output,
) -> Result<(), Failure> {
    let interrupted = signals::shutdown()?;
    let outcome = tokio::select! {
        outcome = report::follow(client, job_id, output) => outcome,
        () = interrupted.cancelled() => {
            let failure = Failure::new(ErrorClass::Cancelled, format!("no longer waiting for {job_id}"))
                .hint("the job goes on; `rookery runs list` shows its runs");
            JobOutcome::lost(Some(job_id.to_string()), Vec::new(), failure)
        }
    };
    output.end_progress();
    report::conclude(outcome, state, output)
}
