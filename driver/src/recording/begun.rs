//! Going on with a run that a former driver began.

use std::collections::BTreeSet;

use rookery_proto::Failure;
use rookery_tracking::entities::TAG_END_REASON;
use rookery_tracking::{
    LoggedModel, MetricHistory, Run, RunStatus, SearchLoggedModels, TrackingError, TrackingStore, UpdateRun,
};

use super::LOSS_METRIC;
use crate::error::of_tracking;
use crate::records::JobRecords;

/// Opens the run again if it was ended meanwhile, because its driver gave no sign of life; returns it with the number of
/// steps that its loss curve has. One that is FINISHED stays so.
pub(super) async fn go_on(
    store: &dyn TrackingStore,
    run: Run,
    owner: Option<&str>,
) -> Result<(Run, usize), Failure> {
    let opened = async {
        let run_id = run.info.run_id.clone();
        if run.info.status == RunStatus::Finished {
            return Ok((run, 0));
        }
        let change = UpdateRun {
            status: Some(RunStatus::Running),
            owner: owner.map(str::to_string),
            ..UpdateRun::default()
        };
        store.update_run(&run_id, change).await?;
        if run.tag(TAG_END_REASON).is_some() {
            store.delete_tag(&run_id, TAG_END_REASON).await?;
        }
        let steps = steps(store, &run_id).await?;
        Ok::<_, TrackingError>((store.get_run(&run_id).await?, steps))
    };
    opened.await.map_err(|e| of_tracking(&e))
}

/// The steps of the loss curve that are recorded: they are written in order, so these are the first ones.
async fn steps(store: &dyn TrackingStore, run_id: &str) -> Result<usize, TrackingError> {
    let mut request = MetricHistory::of(run_id, LOSS_METRIC);
    let mut steps = BTreeSet::new();
    loop {
        let page = store.metric_history(request.clone()).await?;
        steps.extend(page.items.iter().map(|point| point.step));
        match page.next_page_token {
            Some(token) => request.page_token = Some(token),
            None => return Ok(steps.len()),
        }
    }
}

/// Whether a metric of that name was logged.
pub(super) async fn has_metric(records: &JobRecords, run_id: &str, key: &str) -> Result<bool, Failure> {
    let run = records.store.get_run(run_id).await.map_err(|e| of_tracking(&e))?;
    Ok(run.metric(key).is_some())
}

/// The logged model that was created for the run, if it came to that.
pub(super) async fn model(records: &JobRecords, run: &Run) -> Result<Option<LoggedModel>, Failure> {
    let search = SearchLoggedModels {
        filter: format!("source_run_id = '{}'", run.info.run_id),
        ..SearchLoggedModels::of(vec![run.info.experiment_id.clone()])
    };
    let found = records.store.search_logged_models(search).await;
    Ok(found.map_err(|e| of_tracking(&e))?.items.into_iter().next())
}
