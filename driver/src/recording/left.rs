//! Runs that were left open: by a task that ended without saying how, or by a driver that was killed.

use rookery_proto::Failure;
use rookery_tracking::entities::TAG_END_REASON;
use rookery_tracking::{Run, Search, SearchRuns, Tag, TrackingError, TrackingStore, UpdateRun};

use super::TAG_JOB;
use super::run::status_of;
use crate::events::now_ms;

/// What a run is that has not ended.
const OPEN: &str = "attributes.status = 'RUNNING' AND ";

/// The runs of a job that match `condition`, which is empty or ends with AND.
pub(super) async fn runs(
    store: &dyn TrackingStore,
    job_id: &str,
    condition: &str,
) -> Result<Vec<Run>, TrackingError> {
    let mut search = SearchRuns {
        search: Search::matching(format!("{condition}tags.`{TAG_JOB}` = '{job_id}'")),
        ..SearchRuns::default()
    };
    let mut runs = Vec::new();
    loop {
        let page = store.search_runs(search.clone()).await?;
        runs.extend(page.items);
        match page.next_page_token {
            Some(token) => search.search.page_token = Some(token),
            None => return Ok(runs),
        }
    }
}

/// Ends what a job left open whose task ended without saying how, a panic for example. Its driver lives and keeps its
/// lease, so nobody else would.
pub(crate) async fn close_left_open(store: &dyn TrackingStore, job_id: &str, failure: &Failure) {
    let closed = async {
        for run in runs(store, job_id, OPEN).await? {
            let run_id = &run.info.run_id;
            store.set_tag(run_id, Tag::new(TAG_END_REASON, failure)).await?;
            store
                .update_run(run_id, UpdateRun::end(status_of(failure), now_ms()))
                .await?;
        }
        Ok::<_, TrackingError>(())
    };
    if let Err(error) = closed.await {
        tracing::error!(job_id, %error, "runs of the job were left open");
    }
}

/// Makes `owner` answer for the open runs of a job whose driver was killed, before that driver's lease runs out. Should it
/// have run out, the runs are opened again when the job comes to them.
pub(crate) async fn adopt(store: &dyn TrackingStore, job_id: &str, owner: &str) {
    let adopted = async {
        for run in runs(store, job_id, OPEN).await? {
            let change = UpdateRun {
                owner: Some(owner.to_string()),
                ..UpdateRun::default()
            };
            store.update_run(&run.info.run_id, change).await?;
        }
        Ok::<_, TrackingError>(())
    };
    if let Err(error) = adopted.await {
        tracing::error!(job_id, %error, "runs of the job were not taken over");
    }
}
