//! `rookery validate`: whether a job can be submitted.

use clap::Args;
use rookery_proto::Failure;
use serde::Serialize;

use crate::args::JsonFlag;
use crate::job_file::{JobArgs, JobFile};
use crate::output::Output;
use crate::store_environment::store_environment;

/// Check a job without running it: the file, its sources' headers and footers, and every column it names
///
/// Nothing is read beyond that, and no cluster is needed. Rows can be looked at with `rookery data show`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

#[derive(Debug, Serialize)]
struct Valid<'a> {
    event: &'static str,
    job: &'a str,
    sources: usize,
    partitions: u32,
    columns: Vec<Column>,
    stages: usize,
    runs: usize,
}

#[derive(Debug, Serialize)]
struct Column {
    name: String,
    r#type: &'static str,
}

pub(crate) async fn validate(args: ValidateArgs, output: &Output) -> Result<(), Failure> {
    let job = JobFile::read(&args.job)?;
    let plan = rookery_driver::plan(&job.spec, &job.base_dir, &store_environment()).await;
    let plan = plan.map_err(|failure| job.locate(failure))?;
    let column = |(name, column_type): &(String, rookery_data::schema::ColumnType)| Column {
        name: name.clone(),
        r#type: column_type.name(),
    };
    let valid = Valid {
        event: "job_valid",
        job: &job.spec.name,
        sources: plan.sources.len(),
        partitions: plan.partition_count(),
        columns: plan.columns.iter().map(column).collect(),
        stages: job.spec.pipeline.stages.len(),
        runs: job.spec.runs.len(),
    };
    if output.is_json() {
        output.object(&valid);
        return Ok(());
    }
    let columns = valid
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.r#type));
    let columns: Vec<String> = columns.collect();
    output.line(&format!(
        "{}: {} source(s), {} partition(s), {} stage(s), {} run(s)",
        valid.job, valid.sources, valid.partitions, valid.stages, valid.runs
    ));
    output.line(&format!("columns: {}", columns.join(", ")));
    Ok(())
}
