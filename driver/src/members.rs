//! [`Members`]: the cluster as one job uses it: who can be given work, who is asked how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join_all, select_all, try_join_all};
use rookery_data::engine::{Channels, Engine};
use rookery_data::{IngestPlan, Progress};
use rookery_proto::{ErrorClass, Failure};
use url::Url;

use crate::config::DriverConfig;
use crate::error::of_data;
use crate::metrics::Counters;
use crate::pass::View;
use crate::served_files::{ServedFiles, Serving};
use crate::worker_channel::WorkerChannel;
use crate::workers::{WorkerInfo, Workers};

/// How often a job bears that workers are lost: one that kills every worker it meets must end too.
pub(crate) const MAX_RECOVERIES: u32 = 50;

/// How long a worker may take to say that it is there, and to drop a dataset.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a worker may take to say how far it is.
const PROGRESS_DEADLINE: Duration = Duration::from_secs(1);

/// How long a worker may take to hear what it may read.
const PREPARE_DEADLINE: Duration = Duration::from_secs(30);

/// The workers of a job's dataset.
#[derive(Debug)]
pub(crate) struct Members {
    dataset: String,
    /// What its sources are: each worker is told before it reads them.
    plan: IngestPlan,
    /// Those on this machine's disk are served as long as this lives.
    _serving: Serving,
    workers: Arc<Workers>,
    channels: Channels,
    config: DriverConfig,
    /// Every worker that was given work.
    used: Mutex<BTreeSet<Url>>,
    /// The view at a version of the workers.
    view: Mutex<Option<(u64, Arc<View>)>>,
}

impl Members {
    pub(crate) fn new(
        dataset: String,
        plan: &IngestPlan,
        served: &Arc<ServedFiles>,
        workers: Arc<Workers>,
        channels: Channels,
        config: DriverConfig,
    ) -> Self {
        Self {
            plan: plan.clone(),
            _serving: served.serve(&dataset, plan),
            dataset,
            workers,
            channels,
            config,
            used: Mutex::default(),
            view: Mutex::default(),
        }
    }

    pub(crate) fn dataset(&self) -> &str {
        &self.dataset
    }

    pub(crate) fn config(&self) -> &DriverConfig {
        &self.config
    }

    /// The workers that can be given work; waits for one if there is none.
    ///
    /// # Errors
    /// None came within the configured time.
    pub(crate) async fn active(&self) -> Result<Vec<WorkerInfo>, Failure> {
        self.workers.active_within(self.config.replacement_wait).await
    }

    /// The workers that can be given work now.
    pub(crate) fn active_now(&self) -> Vec<WorkerInfo> {
        self.workers.active().unwrap_or_default()
    }

    /// The cluster as a pass over the data sees it. A pass looks after each answer, so it is kept until something changes.
    pub(crate) fn view(&self) -> Arc<View> {
        let version = self.workers.version();
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        match &*view {
            Some((seen, view)) if *seen == version => Arc::clone(view),
            _ => {
                let now = Arc::new(View::of(&self.workers.all()));
                *view = Some((version, Arc::clone(&now)));
                now
            }
        }
    }

    /// The workers that can be asked for what they hold.
    fn there(&self) -> BTreeSet<Url> {
        self.view().there.clone()
    }

    /// An engine over these workers, which have been told what they may read for it and are from now on told when the
    /// dataset is no longer needed.
    ///
    /// # Errors
    /// A worker is lost, or can't use a source's store; the credentials of a store can't be had.
    pub(crate) async fn engine(&self, workers: &[WorkerInfo]) -> Result<Engine, Failure> {
        let urls: Vec<Url> = workers.iter().map(|worker| worker.url.clone()).collect();
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(urls.iter().cloned());
        let announcement = self.plan.announcement(&self.dataset).await.map_err(of_data)?;
        let prepare = |url: &Url| {
            let worker = WorkerChannel::new(&self.channels, url.clone(), PREPARE_DEADLINE);
            let announcement = &announcement;
            async move { worker?.prepare_sources(announcement).await }
        };
        try_join_all(urls.iter().map(prepare)).await?;
        let threads = workers.iter().map(|worker| worker.threads).max().unwrap_or(1);
        Ok(Engine::cluster(urls, self.channels.clone(), threads))
    }

    /// Counts what is done, for whoever watches the cluster.
    pub(crate) fn counters(&self) -> &Counters {
        &self.workers.counters
    }

    /// Notes who holds partitions: those may not go without notice.
    pub(crate) fn hold(&self, holders: BTreeSet<Url>) {
        self.workers.hold(&self.dataset, holders);
    }

    pub(crate) fn channel(&self, url: &Url) -> Result<WorkerChannel, Failure> {
        self.channel_within(url, self.config.round_deadline)
    }

    /// A channel whose calls may take so long.
    pub(crate) fn channel_within(&self, url: &Url, deadline: Duration) -> Result<WorkerChannel, Failure> {
        WorkerChannel::new(&self.channels, url.clone(), deadline)
    }

    /// The result of `work` that needs these workers, or a failure as soon as one of them is gone.
    pub(crate) async fn with<T, E: From<Failure>>(
        &self,
        urls: &[Url],
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let gone = urls.iter().map(|url| {
            Box::pin(async move {
                let reason = self.workers.gone(url).await;
                Failure::new(ErrorClass::Unreachable, format!("worker {url} is lost: {reason}"))
            })
        });
        let gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return work.await;
        }
        tokio::select! {
            // What is done is done, whoever goes at the same moment.
            biased;
            done = work => done,
            (failure, ..) = select_all(gone) => Err(failure.into()),
        }
    }

    /// Asks each worker what it holds; one that does not answer is lost. `None` for those.
    pub(crate) async fn probe(&self, urls: &[Url]) -> Vec<(Url, Option<Vec<String>>)> {
        let ask = |url: &Url| {
            let url = url.clone();
            let worker = WorkerChannel::new(&self.channels, url.clone(), PROBE_DEADLINE);
            async move {
                let held = async { worker?.list_partitions(&self.dataset).await };
                match self.with(std::slice::from_ref(&url), held).await {
                    Ok(held) => (url, Some(held)),
                    Err(failure) => {
                        let prefix = format!("worker {url} is lost: ");
                        let reason = failure.message.strip_prefix(&prefix).unwrap_or(&failure.message);
                        self.workers.suspect(&url, reason);
                        self.channels.forget(&url);
                        (url, None)
                    }
                }
            }
        };
        join_all(urls.iter().map(ask)).await
    }

    /// Asks each worker what it has done until now; one that does not say is left out, and lost only if others find it so.
    pub(crate) async fn progress(&self, urls: &[Url]) -> Vec<(Url, Progress)> {
        let ask = |url: &Url| {
            let worker = WorkerChannel::new(&self.channels, url.clone(), PROGRESS_DEADLINE);
            let url = url.clone();
            async move {
                let progress = async { worker?.progress(&self.dataset).await }.await;
                progress.ok().map(|progress| (url, progress))
            }
        };
        join_all(urls.iter().map(ask))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// Tells workers to drop partitions that others hold now, or make again; all if none are named.
    pub(crate) async fn release_partitions(&self, moved: BTreeMap<Url, Vec<u32>>) {
        let release = |(url, numbers): (Url, Vec<u32>)| async move {
            let worker = WorkerChannel::new(&self.channels, url.clone(), PROBE_DEADLINE);
            let released = async { worker?.release(&self.dataset, numbers).await }.await;
            if let Err(failure) = released {
                // A worker that waited for this to go may be gone.
                tracing::debug!(worker = %url, %failure, "partitions that were moved away were not released");
            }
        };
        join_all(moved.into_iter().map(release)).await;
    }

    /// Tells every worker that was used to drop the dataset. One that can't be told learns it from its next heartbeat,
    /// or loses it when it ends.
    pub(crate) async fn release(&self) {
        self.workers.let_go(&self.dataset);
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let release = |url: Url| async move {
            let worker = WorkerChannel::new(&self.channels, url.clone(), PROBE_DEADLINE);
            let released = async { worker?.release(&self.dataset, Vec::new()).await };
            if let Err(failure) = self.with(std::slice::from_ref(&url), released).await {
                tracing::warn!(worker = %url, %failure, "the dataset was not released");
            }
        };
        join_all(
            self.there()
                .into_iter()
                .filter(|url| used.contains(url))
                .map(release),
        )
        .await;
    }
}

/// Whether the work may succeed on other workers. An engine whose worker went may call it anything. A source's store that
/// can't be reached was tried long enough: it is the same for all.
pub(crate) fn is_recoverable(failure: &Failure) -> bool {
    failure.class == ErrorClass::Unreachable && !is_about_a_source(failure)
}

fn is_about_a_source(failure: &Failure) -> bool {
    let location = failure.location.as_deref();
    location.is_some_and(|location| location.starts_with("data.sources."))
}
