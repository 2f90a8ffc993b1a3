//! Reading, cleaning, splitting and caching, whoever goes meanwhile: what is there stays, the rest is read again.

use rookery_data::{Dataset, IngestPlan, Materialization};
use rookery_proto::{ErrorClass, Failure};
use url::Url;

use crate::error::of_data;
use crate::members::{MAX_RECOVERIES, Members, is_recoverable};

/// Carries `plan` out on the cluster's workers; `tell` hears of the workers that were lost. With a first attempt above 0 a
/// former driver made some, and what the workers hold of them is not read again.
///
/// # Errors
/// As [`Dataset::materialize`]; no worker is left and none comes.
pub(crate) async fn materialize(
    members: &Members,
    plan: &IngestPlan,
    first_attempt: u32,
    tell: impl Fn(String),
) -> Result<Dataset, Failure> {
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
        let workers = members.active().await?;
        let urls: Vec<Url> = workers.iter().map(|worker| worker.url.clone()).collect();
        members.hold(urls.iter().cloned().collect());
        let attempt = async {
            let engine = members.engine(&workers).await?;
            let done = materialization
                .attempt(&engine, members.config().ingest_deadline)
                .await;
            done.map_err(of_data)
        };
        let failure = match members.with(&urls, attempt).await {
            Ok(()) => return materialization.finish().map_err(of_data),
            Err(failure) if is_recoverable(&failure) || failure.class == ErrorClass::Internal => failure,
            Err(failure) => return Err(failure),
        };
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
