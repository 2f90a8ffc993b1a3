//! Reading, cleaning, splitting and caching, whoever goes or lags meanwhile: what is there stays, the rest is
//! read again.

use std::collections::BTreeSet;
use std::time::Duration;

use rookery_data::{Dataset, IngestPlan, Materialization};
use rookery_proto::{ErrorClass, Failure};
use tokio::time::Instant;
use url::Url;

use crate::error::of_data;
use crate::members::{MAX_RECOVERIES, Members, is_recoverable};
use crate::pass;
use crate::watching::{Trouble, watched};
use crate::workers::WorkerInfo;

/// A dataset that was made.
#[derive(Debug)]
pub(crate) struct Materialized {
    pub(crate) dataset: Dataset,
    /// Workers that let the others wait, and hold nothing of it.
    pub(crate) slow: BTreeSet<Url>,
    /// How long it took, times its workers: what one of them alone may need for all of it. `None` if this driver did not see
    /// all of it made.
    pub(crate) alone: Option<Duration>,
}

/// Carries `plan` out on the cluster's workers; `tell` hears of the workers that were lost or slow. With a first attempt above 0 a
/// former driver made some, and what the workers hold of them is not read again.
///
/// # Errors
/// As [`Dataset::materialize`]; no worker is left and none comes.
pub(crate) async fn materialize(
    members: &Members,
    plan: &IngestPlan,
    first_attempt: u32,
    tell: impl Fn(String),
) -> Result<Materialized, Failure> {
    let began = Instant::now();
    let mut slow = BTreeSet::new();
    let mut materialization = Materialization::new(plan, members.dataset(), first_attempt);
    if first_attempt > 0 {
        let workers = members.active().await?;
        let urls: Vec<Url> = workers.into_iter().map(|worker| worker.url).collect();
        for (url, held) in members.probe(&urls).await {
            note_held(&mut materialization, &url, held)?;
        }
        tell(format!("{} are still there", there(&materialization, plan)));
    }
    for _ in 0..MAX_RECOVERIES {
        let workers = without_slow(members.active().await?, &slow);
        let mut urls: Vec<Url> = workers.iter().map(|worker| worker.url.clone()).collect();
        members.hold(urls.iter().cloned().collect());
        let attempt = async {
            let engine = members.engine(&workers).await?;
            let reading = async {
                let done = materialization.attempt(&engine, members.config().ingest_deadline);
                done.await.map_err(of_data)
            };
            watched(members, &urls, plan.shuffles(), reading).await
        };
        let Trouble { failure, slow: late } = match members.with(&urls, attempt).await {
            Ok(()) => {
                let dataset = materialization.finish().map_err(of_data)?;
                let alone = (first_attempt == 0).then(|| began.elapsed() * workers.len() as u32);
                return Ok(Materialized { dataset, slow, alone });
            }
            Err(trouble)
                if is_recoverable(&trouble.failure) || trouble.failure.class == ErrorClass::Internal =>
            {
                trouble
            }
            Err(trouble) => return Err(trouble.failure),
        };
        // What the late ones have is dropped: who reads slowly answers slowly.
        urls.retain(|url| !late.contains(url));
        let everything = late.iter().map(|url| (url.clone(), Vec::new()));
        members.release_partitions(everything.collect()).await;
        slow.extend(late);
        // Who is still there, and with what?
        let answers = members.probe(&urls).await;
        let is_defect = failure.class == ErrorClass::Internal;
        if is_defect && answers.iter().all(|(_, held)| held.is_some()) {
            return Err(failure);
        }
        materialization.forget();
        for (url, held) in answers {
            note_held(&mut materialization, &url, held)?;
        }
        let there = there(&materialization, plan);
        tell(format!("{failure}; {there} are there, the others are read again"));
    }
    Err(lost_too_often())
}

/// Leaves slow workers out, unless there are no others.
fn without_slow(mut workers: Vec<WorkerInfo>, slow: &BTreeSet<Url>) -> Vec<WorkerInfo> {
    let active = workers.iter().map(|worker| worker.url.clone()).collect();
    let quick = pass::quick(&active, slow);
    workers.retain(|worker| quick.contains(&worker.url));
    workers
}

fn note_held(
    materialization: &mut Materialization,
    url: &Url,
    held: Option<Vec<String>>,
) -> Result<(), Failure> {
    let held = held.unwrap_or_default();
    materialization.held(url.as_str(), &held).map_err(of_data)
}

fn there(materialization: &Materialization, plan: &IngestPlan) -> String {
    format!(
        "{} of {} partitions",
        materialization.done(),
        plan.partition_count()
    )
}

/// The end of a job whose workers go again and again.
pub(crate) fn lost_too_often() -> Failure {
    Failure::new(
        ErrorClass::Unreachable,
        format!("workers were lost {MAX_RECOVERIES} times while the job ran"),
    )
    .hint("see the workers' logs; the job may need more memory than they have")
}
