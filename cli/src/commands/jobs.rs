//! `rookery jobs`: what a driver carries out.

use clap::{Args, Subcommand};
use rookery_proto::{ErrorClass, Failure};

use crate::args::{JsonFlag, Places};
use crate::client::DriverClient;
use crate::cluster_rows::JobRow;
use crate::commands::submit::JobSubmitted;
use crate::output::Output;
use crate::{report, table, times};

/// Look at the jobs of a cluster, and cancel them
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// List the jobs that the driver knows, the latest last
    List(ListArgs),
    /// Show one job
    Show(IdArgs),
    /// Show what has happened in a job
    Logs(LogsArgs),
    /// Ask jobs to end; their runs are recorded as killed
    Cancel(IdsArgs),
    /// Submit a job once more that failed because of the cluster, not because of its file or its rows
    Retry(IdArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct IdArgs {
    /// The job, as `submit` printed it
    #[arg(value_name = "JOB")]
    id: String,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct LogsArgs {
    #[command(flatten)]
    job: IdArgs,

    /// Follow the job to its end; the exit code is the job's, as for `submit --wait`
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Args)]
struct IdsArgs {
    /// The jobs
    #[arg(required = true, value_name = "JOB")]
    ids: Vec<String>,

    #[command(flatten)]
    json: JsonFlag,
}

impl JobsArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            JobsCommand::List(args) => &args.json,
            JobsCommand::Show(args) => &args.json,
            JobsCommand::Logs(args) => &args.job.json,
            JobsCommand::Cancel(args) => &args.json,
            JobsCommand::Retry(args) => &args.json,
        }
    }
}

pub(crate) async fn jobs(args: JobsArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let mut client = DriverClient::of(places)?;
    match args.command {
        JobsCommand::List(_) => list(&client.jobs().await?, output),
        JobsCommand::Show(args) => show(&find(&mut client, &args.id).await?, output),
        JobsCommand::Logs(args) => return logs(&args, &mut client, places, output).await,
        JobsCommand::Cancel(args) => {
            for id in &args.ids {
                client.cancel(id).await?;
            }
        }
        JobsCommand::Retry(args) => {
            let job_id = client.retry(&args.id).await?;
            match output.is_json() {
                true => output.object(&JobSubmitted {
                    event: "job_submitted",
                    job_id: &job_id,
                }),
                false => output.line(&job_id),
            }
        }
    }
    Ok(())
}

async fn find(client: &mut DriverClient, id: &str) -> Result<JobRow, Failure> {
    let found = client.jobs().await?.into_iter().find(|job| job.job_id == id);
    found.ok_or_else(|| {
        Failure::new(ErrorClass::Config, format!("the driver knows no job \"{id}\""))
            .hint("`rookery jobs list` shows those it knows")
    })
}

async fn logs(
    args: &LogsArgs,
    client: &mut DriverClient,
    places: &Places,
    output: &mut Output,
) -> Result<(), Failure> {
    find(client, &args.job.id).await?;
    if args.follow {
        return report::follow_to_end(client, &args.job.id, &places.state_dir()?, output).await;
    }
    for event in client.events_so_far(&args.job.id).await? {
        report::tell_event(&event, output);
    }
    Ok(())
}

fn list(jobs: &[JobRow], output: &Output) {
    if output.is_json() {
        return jobs.iter().for_each(|job| output.object(job));
    }
    if jobs.is_empty() {
        return output.note("no job was submitted to this driver yet");
    }
    let rows = jobs.iter().map(|job| {
        vec![
            job.job_id.clone(),
            job.state.to_string(),
            job.name.clone(),
            job.user.clone(),
            times::local(job.submitted_ms),
            job.started_ms
                .map_or_else(String::new, |start| times::duration(start, job.finished_ms)),
        ]
    });
    output.line(&table::table(
        &["JOB", "STATE", "NAME", "USER", "SUBMITTED", "TOOK"],
        rows,
    ));
}

fn show(job: &JobRow, output: &Output) {
    if output.is_json() {
        return output.object(job);
    }
    let time = |ms: Option<i64>| ms.map_or_else(String::new, times::local);
    let pairs = [
        ("name", job.name.clone()),
        ("state", job.state.to_string()),
        ("error", job.error.clone().unwrap_or_default()),
        ("user", job.user.clone()),
        ("priority", job.priority.to_string()),
        ("submitted", times::local(job.submitted_ms)),
        ("started", time(job.started_ms)),
        ("ended", time(job.finished_ms)),
    ];
    output.line(&job.job_id);
    for line in table::pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty())) {
        output.line(&line);
    }
}
