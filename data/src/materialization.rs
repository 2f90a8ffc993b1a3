//! [`Materialization`]: a dataset in the making. An attempt that fails, because a worker went, leaves the partitions that
//! the others have finished; the next attempt makes the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use datafusion::physical_plan::collect;

use crate::cache_exec::CacheSpec;
use crate::cache_node::CacheNode;
use crate::dataset::Dataset;
use crate::diagnose;
use crate::engine::Engine;
use crate::error::{DataError, DataErrorKind, Result};
use crate::gather::PartitionReport;
use crate::plan::IngestPlan;

/// What is known of a dataset's partitions so far.
#[derive(Debug)]
pub struct Materialization {
    id: String,
    plan: IngestPlan,
    /// Owner and report of each partition that is there.
    reports: BTreeMap<u32, (String, PartitionReport)>,
    attempts: u32,
}

impl Materialization {
    /// Nothing is known to be there yet; `id` is unique for each materialisation. Whoever goes on with one that another
    /// process began counts its attempts from a `first_attempt` that the other did not come to.
    pub fn new(plan: &IngestPlan, id: &str, first_attempt: u32) -> Self {
        Self {
            id: id.to_string(),
            plan: plan.clone(),
            reports: BTreeMap::new(),
            attempts: first_attempt,
        }
    }

    /// Forgets which partitions are there, to be told anew: a worker may have gone with some.
    pub fn forget(&mut self) {
        self.reports.clear();
    }

    /// Notes what the worker `owner` holds, as its [`inventory`](crate::cache::PartitionCache::inventory) says.
    ///
    /// # Errors
    /// The inventory is none.
    pub fn held(&mut self, owner: &str, inventory: &[String]) -> Result<()> {
        for json in inventory {
            let report: PartitionReport = serde_json::from_str(json)
                .map_err(|e| DataError::internal(format!("unreadable inventory: {e}")).at(owner))?;
            self.reports
                .entry(report.partition)
                .or_insert_with(|| (owner.to_string(), report));
        }
        Ok(())
    }

    /// How many partitions are there.
    pub fn done(&self) -> usize {
        self.reports.len()
    }

    /// Makes the partitions that are not there, on the workers of `engine`. A query that needs more memory than they may take
    /// is tried once more with joins that need less.
    ///
    /// # Errors
    /// As [`Dataset::materialize`].
    pub async fn attempt(&mut self, engine: &Engine, deadline: Duration) -> Result<()> {
        match self.attempt_once(engine, deadline).await {
            Err(error) if self.plan.could_sort_joins(&error) => {
                tracing::info!(dataset = self.id, %error, "joins are sorted now");
                self.plan = self.plan.sorting_joins();
                self.attempt_once(engine, deadline).await
            }
            done => done,
        }
    }

    async fn attempt_once(&mut self, engine: &Engine, deadline: Duration) -> Result<()> {
        let plan = match self.reports.is_empty() {
            true => self.plan.clone(),
            false => {
                let all = 0..self.plan.partition_count();
                let missing: BTreeSet<u32> =
                    all.filter(|number| !self.reports.contains_key(number)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                self.plan.only(missing)
            }
        };
        let attempt = self.attempts;
        self.attempts += 1;
        let made = run_bounded(engine, &plan, &self.id, attempt, deadline).await?;
        for (owner, report) in made {
            let number = report.partition;
            if let Some((other, _)) = self.reports.insert(number, (owner.clone(), report)) {
                return Err(DataError::internal(format!(
                    "partition {number} was computed by {other} and {owner}"
                )));
            }
        }
        Ok(())
    }

    /// The dataset.
    ///
    /// # Errors
    /// No rows were read, kept or are to be trained on.
    pub fn finish(self) -> Result<Dataset> {
        Dataset::from_reports(&self.id, &self.plan, self.reports, self.attempts)
    }
}

/// Carries out a plan within `deadline`; returns the owner and the report of each partition that it made, ascending by
/// number.
pub(crate) async fn run_bounded(
    engine: &Engine,
    plan: &IngestPlan,
    id: &str,
    attempt: u32,
    deadline: Duration,
) -> Result<Vec<(String, PartitionReport)>> {
    if engine.is_empty_cluster() {
        return Err(
            DataError::new(DataErrorKind::Unreachable, "there is no worker to run on")
                .hint("start a worker, or wait for one to join"),
        );
    }
    let mut reports = match tokio::time::timeout(deadline, run(engine, plan, id, attempt)).await {
        Ok(Ok(reports)) => reports,
        Ok(Err(error)) => return Err(locate(error, plan, deadline).await),
        Err(_) => {
            return Err(DataError::new(
                DataErrorKind::TimedOut,
                format!("ingestion did not finish within {} s", deadline.as_secs_f64()),
            ));
        }
    };
    // They come as chance has it; what is said of them must not depend on that.
    reports.sort_by(|(one, a), (other, b)| (a.partition, one).cmp(&(b.partition, other)));
    match reports.iter().find(|(owner, _)| !engine.has_worker(owner)) {
        Some((owner, report)) => Err(DataError::internal(format!(
            "partition {} was cached by {owner}, which is no worker of this plan",
            report.partition
        ))),
        None => Ok(reports),
    }
}

async fn run(
    engine: &Engine,
    plan: &IngestPlan,
    id: &str,
    attempt: u32,
) -> Result<Vec<(String, PartitionReport)>> {
    let session = engine.session(plan, id)?;
    let spec = CacheSpec {
        dataset: id.to_string(),
        split: plan.split.clone(),
        arrival: plan.arrival(),
        attempt,
    };
    let logical = CacheNode::plan(plan.logical(&session, id).await?, spec)?;
    let physical = session
        .execute_logical_plan(logical)
        .await?
        .create_physical_plan()
        .await?;
    tracing::debug!(plan = %datafusion::physical_plan::displayable(physical.as_ref()).indent(false), "ingest plan");
    let batches = collect(physical, session.task_ctx()).await?;
    batches.iter().flat_map(read_reports).collect()
}

fn read_reports(batch: &RecordBatch) -> Vec<Result<(String, PartitionReport)>> {
    let numbers = batch.column(0).as_primitive::<UInt32Type>();
    let (owners, reports) = (
        batch.column(1).as_string::<i32>(),
        batch.column(2).as_string::<i32>(),
    );
    (0..numbers.len())
        .map(|i| {
            let report = serde_json::from_str(reports.value(i)).map_err(|e| {
                DataError::internal(format!("partition {}: unreadable report: {e}", numbers.value(i)))
            })?;
            Ok((owners.value(i).to_string(), report))
        })
        .collect()
}

/// Adds file and line to an error about rows, if they are found before `deadline` has passed once more. Looking
/// for them reads the files again, away from the runtime's own threads.
async fn locate(error: DataError, plan: &IngestPlan, deadline: Duration) -> DataError {
    if error.kind != DataErrorKind::Data {
        return error;
    }
    let plan = plan.clone();
    let search = tokio::task::spawn_blocking(move || {
        plan.sources
            .iter()
            .find_map(|source| diagnose::first_bad_record(source, &plan))
    });
    match tokio::time::timeout(deadline, search).await {
        Ok(Ok(Some(found))) => found,
        _ => error,
    }
}
