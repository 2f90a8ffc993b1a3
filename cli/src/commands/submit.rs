//! `rookery submit`: a job for a running cluster.

use clap::Args;
use rookery_proto::Failure;
use serde::Serialize;

use crate::args::{JsonFlag, Places};
use crate::client::DriverClient;
use crate::job_event::JobOutcome;
use crate::job_file::{JobArgs, JobFile};
use crate::output::Output;
use crate::report;

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

    /// Return when the driver has taken the job, and print its id: what happens without --wait
    #[arg(long, conflicts_with = "wait")]
    detach: bool,

    /// Of jobs that wait the one with the highest priority comes first [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,

    /// Submit the job once, however often this is repeated: the same key gives the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// What programs read once the driver has taken the job.
#[derive(Debug, Serialize)]
pub(crate) struct JobSubmitted<'a> {
    pub(crate) event: &'static str,
    pub(crate) job_id: &'a str,
}

pub(crate) async fn submit(args: SubmitArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = places.state_dir()?;
    let submitted = start(&args, places).await;
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
        true => report::follow_to_end(&client, &job_id, &state, output).await,
        false => Ok(()),
    }
}

async fn start(args: &SubmitArgs, places: &Places) -> Result<(DriverClient, String), Failure> {
    let job = JobFile::read(&args.job)?;
    let mut client = DriverClient::of(places)?;
    let job_id = client
        .submit(&job, args.priority.unwrap_or(0), args.idempotency_key.as_deref())
        .await?;
    Ok((client, job_id))
}
