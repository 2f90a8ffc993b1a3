//! A worker that does not answer ends an ingestion with an error that names it; nothing waits for ever.

use std::time::Duration;

use rookery_data::engine::{Channels, Engine, Patience};
use rookery_data::{DataError, DataErrorKind, Dataset, IngestPlan};
use tokio::net::TcpListener;
use url::Url;

use crate::cluster::{Cluster, DEADLINE};
use crate::job::Folder;

const SHORT: Patience = Patience {
    connect: Duration::from_millis(500),
    keepalive_interval: Duration::from_millis(200),
    keepalive_timeout: Duration::from_millis(200),
};

async fn plan(folder: &Folder) -> IngestPlan {
    let text = (0..100).fold("id\n".to_string(), |text, id| text + &format!("{id}\n"));
    folder.write("t.csv", text);
    folder
        .open("[data]\npartition_bytes = 20\n[data.sources.t]\npath = \"t.csv\"")
        .await
        .unwrap()
}

async fn listener() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, url)
}

/// The error of an ingestion on the working workers and `url`.
async fn ingest_with(working: &Cluster, url: &Url, deadline: Duration) -> DataError {
    let folder = Folder::new();
    let plan = plan(&folder).await;
    working.announce(&plan, "d").await;
    let urls = working.urls().iter().chain([url]).cloned().collect();
    let engine = Engine::cluster(urls, Channels::new(SHORT, None, None), 2);
    Dataset::materialize(&engine, &plan, "d", deadline)
        .await
        .unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_not_there_is_named() {
    for others in [0, 2] {
        let (closed, url) = listener().await;
        drop(closed);
        let error = ingest_with(&Cluster::start(others).await, &url, DEADLINE).await;
        assert_eq!(error.kind, DataErrorKind::Unreachable, "{error}");
        assert_eq!(error.location.as_deref(), Some(url.as_str()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_accepts_and_says_nothing_is_named() {
    for others in [0, 2] {
        let (silent, url) = listener().await;
        let accepting = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok(connection) = silent.accept().await {
                held.push(connection);
            }
        });
        let error = ingest_with(&Cluster::start(others).await, &url, DEADLINE).await;
        assert_eq!(error.kind, DataErrorKind::Unreachable, "{error}");
        assert_eq!(error.location.as_deref(), Some(url.as_str()), "{error}");
        accepting.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_up_is_named() {
    let (rude, url) = listener().await;
    let accepting = tokio::spawn(async move { while rude.accept().await.is_ok() {} });
    let error = ingest_with(&Cluster::start(1).await, &url, DEADLINE).await;
    assert_eq!(error.kind, DataErrorKind::Unreachable, "{error}");
    assert_eq!(error.location.as_deref(), Some(url.as_str()), "{error}");
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_wait() {
    let (_silent, url) = listener().await;
    let engine = Engine::cluster(vec![url], Channels::default(), 2);
    let folder = Folder::new();
    let error = Dataset::materialize(&engine, &plan(&folder).await, "d", Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error.kind, DataErrorKind::TimedOut);
    assert_eq!(error.message, "ingestion did not finish within 0.1 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_workers_is_an_error() {
    let folder = Folder::new();
    let engine = Engine::cluster(vec![], Channels::default(), 2);
    let error = Dataset::materialize(&engine, &plan(&folder).await, "d", DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (DataErrorKind::Unreachable, "there is no worker to run on")
    );
}
