//! A cluster in one process: each worker is a tonic server of its own on a port the system chose, so that plans
//! and errors go through the real wire format.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use rookery_data::cache::PartitionCache;
use rookery_data::engine::{Channels, Engine, worker_service};
use rookery_data::spill::MemoryLimit;
use rookery_data::stores::WorkerSources;
use rookery_data::{DataError, Dataset, IngestPlan, Progress};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::server::TcpIncoming;
use url::Url;

/// No test waits longer than this for an ingestion.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Workers that stop when this is dropped. None: everything runs in the test's own process.
pub(crate) struct Cluster {
    caches: BTreeMap<String, Arc<PartitionCache>>,
    /// What each worker may read.
    sources: Vec<Arc<WorkerSources>>,
    urls: Vec<Url>,
    channels: Channels,
    /// What the workers may take, and where the rest goes.
    limits: Vec<(Arc<MemoryLimit>, TempDir)>,
    _stop: Vec<oneshot::Sender<()>>,
}

impl Cluster {
    /// Starts `count` workers. Their ports listen before this returns.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_as(count, Url::to_string).await
    }

    /// Starts `count` workers that call themselves what `name` makes of their URLs.
    pub(crate) async fn start_as(count: usize, name: impl Fn(&Url) -> String) -> Self {
        Self::start_with(count, name, None).await
    }

    /// Starts `count` workers with so much memory each.
    pub(crate) async fn start_limited(count: usize, bytes: usize) -> Self {
        Self::start_with(count, Url::to_string, Some(bytes)).await
    }

    async fn start_with(count: usize, name: impl Fn(&Url) -> String, memory: Option<usize>) -> Self {
        let mut cluster = Self {
            caches: BTreeMap::new(),
            sources: Vec::new(),
            urls: Vec::new(),
            channels: Channels::default(),
            limits: Vec::new(),
            _stop: Vec::new(),
        };
        for _ in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
            let limit = memory.map(|bytes| {
                let folder = TempDir::new().unwrap();
                let limit = MemoryLimit::new(bytes, folder.path(), url.as_str()).unwrap();
                cluster.limits.push((Arc::clone(&limit), folder));
                limit
            });
            let cache = PartitionCache::with_limit(name(&url), limit);
            let sources = WorkerSources::new(None, true, Duration::ZERO);
            let service = worker_service(Arc::clone(&cache), Channels::default(), Arc::clone(&sources));
            let (stop, stopped) = oneshot::channel::<()>();
            tokio::spawn(
                tonic::transport::Server::builder()
                    .add_service(service)
                    .serve_with_incoming_shutdown(TcpIncoming::from(listener), async {
                        let _ = stopped.await;
                    }),
            );
            cluster.caches.insert(url.to_string(), cache);
            cluster.sources.push(sources);
            cluster.urls.push(url);
            cluster._stop.push(stop);
        }
        cluster
    }

    /// The URLs of the workers.
    pub(crate) fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// Where each worker puts what it has no room for.
    pub(crate) fn spill_folders(&self) -> impl Iterator<Item = &Path> {
        self.limits.iter().map(|(_, folder)| folder.path())
    }

    /// Bytes of rows in the workers' memory and on their disks.
    pub(crate) fn held(&self) -> (usize, u64) {
        let memory = self.caches.values().map(|cache| cache.memory_bytes()).sum();
        (
            memory,
            self.limits.iter().map(|(limit, _)| limit.disk_bytes()).sum(),
        )
    }

    /// Carries out a plan on the workers, which keep what they cached under the name `test`.
    pub(crate) async fn materialize(&self, plan: &IngestPlan, threads: usize) -> Result<Dataset, DataError> {
        self.announce(plan, "test").await;
        let engine = Engine::cluster(self.urls.clone(), self.channels.clone(), threads);
        Dataset::materialize(&engine, plan, "test", DEADLINE).await
    }

    /// The cache of a worker.
    pub(crate) fn cache(&self, owner: &str) -> &Arc<PartitionCache> {
        &self.caches[owner]
    }

    /// What the workers say they have done for the dataset that was ingested last.
    pub(crate) fn progress(&self) -> Vec<Progress> {
        let sources = self.sources.iter();
        sources.map(|sources| sources.progress("test")).collect()
    }

    /// Tells the workers what they may read for a dataset.
    pub(crate) async fn announce(&self, plan: &IngestPlan, dataset: &str) {
        let announcement = plan.announcement(dataset).await.unwrap();
        for sources in &self.sources {
            sources.announce(&announcement).unwrap();
        }
    }

    /// Carries out a plan on the workers, and fetches what they cached.
    pub(crate) async fn ingest(&self, plan: &IngestPlan, threads: usize) -> Result<Ingested, DataError> {
        let dataset = self.materialize(plan, threads).await?;
        let ingested = Ingested::fetch(dataset, |owner| &self.caches[owner]);
        let cached: usize = self.caches.values().map(|cache| cache.release("test")).sum();
        assert_eq!(
            cached,
            ingested.dataset.partitions.len(),
            "every cached partition is a known one"
        );
        Ok(ingested)
    }
}

/// Carries out a plan in this process.
pub(crate) async fn ingest_locally(plan: &IngestPlan, threads: usize) -> Result<Ingested, DataError> {
    let cache = PartitionCache::new("here");
    let engine = Engine::local(Arc::clone(&cache), threads);
    let dataset = Dataset::materialize(&engine, plan, "test", DEADLINE).await?;
    Ok(Ingested::fetch(dataset, |_| &cache))
}

/// A dataset and the rows that its owners hold.
#[derive(Debug)]
pub(crate) struct Ingested {
    pub(crate) dataset: Dataset,
    /// For each partition its parts.
    pub(crate) partitions: BTreeMap<u32, Vec<RecordBatch>>,
}

impl Ingested {
    pub(crate) fn fetch<'a>(dataset: Dataset, cache: impl Fn(&str) -> &'a Arc<PartitionCache>) -> Self {
        let partitions = dataset
            .partitions
            .iter()
            .map(|p| {
                let held = cache(&p.owner).get(&dataset.id, p.number).unwrap().unwrap();
                let parts = 0..p.part_rows.len();
                let rows = |part| held.batch(part, 0, held.rows_of(part)).unwrap();
                (p.number, parts.map(rows).collect())
            })
            .collect();
        Self { dataset, partitions }
    }

    /// The rows of one part, over all partitions in their order, each as one line of text.
    pub(crate) fn part(&self, part: usize) -> Vec<String> {
        self.partitions
            .values()
            .flat_map(|parts| lines(&parts[part]))
            .collect()
    }

    /// All rows, sorted.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.partitions.values().flatten().flat_map(lines).collect();
        rows.sort();
        rows
    }
}

/// Each row as its values, with `,` between them and nothing for null.
pub(crate) fn lines(rows: &RecordBatch) -> Vec<String> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> = rows
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
        .collect();
    (0..rows.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|c| c.value(row).to_string())
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect()
}

/// Carries out a plan in this process with 1, 2 and 5 threads and on clusters of 1, 2, 3 and 7 workers; checks
/// that all give the same bytes, and returns them.
pub(crate) async fn ingest_everywhere(plan: &IngestPlan) -> Ingested {
    let first = ingest_locally(plan, 1).await.unwrap();
    for threads in [2, 5] {
        assert_same(
            &first,
            &ingest_locally(plan, threads).await.unwrap(),
            &format!("{threads} threads"),
        );
    }
    for (workers, threads) in [(1, 2), (1, 1), (2, 1), (2, 5), (3, 2), (7, 1)] {
        let cluster = Cluster::start(workers).await;
        let other = cluster.ingest(plan, threads).await.unwrap();
        assert_same(
            &first,
            &other,
            &format!("{workers} workers with {threads} threads"),
        );
    }
    first
}

pub(crate) fn assert_same(one: &Ingested, other: &Ingested, what: &str) {
    assert_eq!(one.dataset.cleaning, other.dataset.cleaning, "{what}");
    assert_eq!(one.partitions, other.partitions, "{what}");
    assert_eq!(one.dataset.fingerprint, other.dataset.fingerprint, "{what}");
    assert_eq!(one.dataset.part_rows, other.dataset.part_rows, "{what}");
}
