//! `rookery data`: a job's rows, read in this process.

use std::time::Duration;

use clap::{Args, Subcommand};
use rookery_data::IngestPlan;
use rookery_data::show::{self, Shown};
use rookery_proto::Failure;

use crate::args::JsonFlag;
use crate::job_file::{JobArgs, JobFile};
use crate::output::Output;
use crate::store_environment::store_environment;
use rookery_driver::failure_of_data as of_data;

/// How long reading may take.
const DEADLINE: Duration = Duration::from_secs(3600);
const DEFAULT_ROWS: usize = 20;
const DEFAULT_FRACTION: f64 = 0.2;
const DEFAULT_SEED: i64 = 0;

/// Look at a job's rows as they are after typing and cleaning, without a cluster
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Show the first rows
    Show(ShowArgs),
    /// Show a random sample without replacement: the rows of Spark's sample(fraction, seed)
    Sample(SampleArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    job: JobArgs,

    /// How many rows [default: 20]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct SampleArgs {
    #[command(flatten)]
    job: JobArgs,

    /// Share of the rows, from 0 to 1 [default: 0.2]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    fraction: Option<f64>,

    /// Seed of the random numbers; the same seed gives the same rows [default: 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    seed: Option<i64>,

    #[command(flatten)]
    json: JsonFlag,
}

impl DataArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            DataCommand::Show(args) => &args.json,
            DataCommand::Sample(args) => &args.json,
        }
    }
}

pub(crate) async fn data(args: DataArgs, output: &mut Output) -> Result<(), Failure> {
    let shown = match args.command {
        DataCommand::Show(args) => {
            let (job, plan) = open(&args.job).await?;
            let rows = args.rows.unwrap_or(DEFAULT_ROWS);
            show::head(&plan, rows, DEADLINE)
                .await
                .map_err(|e| job.locate(of_data(e)))?
        }
        DataCommand::Sample(args) => {
            let (job, plan) = open(&args.job).await?;
            let (fraction, seed) = (
                args.fraction.unwrap_or(DEFAULT_FRACTION),
                args.seed.unwrap_or(DEFAULT_SEED),
            );
            show::sample(&plan, fraction, seed, DEADLINE)
                .await
                .map_err(|e| job.locate(of_data(e)))?
        }
    };
    print(&shown, output)
}

async fn open(args: &JobArgs) -> Result<(JobFile, IngestPlan), Failure> {
    let job = JobFile::read(args)?;
    let environment = store_environment();
    let plan = IngestPlan::open(&job.spec.data, &job.spec.split, &job.base_dir, &environment).await;
    let plan = plan.map_err(|e| job.locate(of_data(e)))?;
    Ok((job, plan))
}

fn print(shown: &Shown, output: &Output) -> Result<(), Failure> {
    let cleaning = shown.cleaning.to_string();
    if !output.is_json() {
        output.line(&show::to_table(&shown.rows).map_err(of_data)?);
        output.line(&format!("{} rows shown", shown.rows.num_rows()));
        output.line(&cleaning);
        return Ok(());
    }
    if shown.rows.num_rows() > 0 {
        output.line(&show::to_json_lines(&shown.rows).map_err(of_data)?);
    }
    // Beside the rows: each line of stdout is a row.
    output.note(&cleaning);
    Ok(())
}
