//! A worker reads what was announced, whatever plan it is sent.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedConfig, DistributedExt,
    SessionStateBuilderExt, WorkerResolver,
};
use rookery_data::engine::{Channels, Engine};
use rookery_data::stores::Identity;
use rookery_data::{DataErrorKind, Dataset};
use url::Url;

use crate::cluster::{Cluster, DEADLINE};
use crate::job::Folder;

const JOB: &str = "[data]\npartition_bytes = 50\n[data.sources.t]\npath = \"t.csv\"";

fn rows() -> String {
    (0..100).fold("id\n".to_string(), |text, id| text + &format!("{id}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_which_nothing_was_announced_is_refused() {
    let folder = Folder::new().with("t.csv", rows());
    let plan = folder.open(JOB).await.unwrap();
    let cluster = Cluster::start(2).await;
    let engine = Engine::cluster(cluster.urls().to_vec(), Channels::default(), 2);
    // What was announced for one dataset is no permission for another.
    cluster.announce(&plan, "a").await;
    let error = Dataset::materialize(&engine, &plan, "b", DEADLINE)
        .await
        .unwrap_err();
    assert!(
        error.message.contains("reads what its driver announced"),
        "{error}"
    );
    Dataset::materialize(&engine, &plan, "a", DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_beside_the_announced_ones_is_refused() {
    let folder = Folder::new().with("t.csv", rows()).with("u.csv", rows());
    let one = folder.open(JOB).await.unwrap();
    let both = folder.open(&JOB.replace("t.csv", "*.csv")).await.unwrap();
    let cluster = Cluster::start(2).await;
    cluster.announce(&one, "d").await;
    let engine = Engine::cluster(cluster.urls().to_vec(), Channels::default(), 2);
    let error = Dataset::materialize(&engine, &both, "d", DEADLINE)
        .await
        .unwrap_err();
    assert!(error.message.contains("was announced"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_since_it_was_planned_is_an_error_of_the_data() {
    let folder = Folder::new().with("t.csv", rows());
    let plan = folder.open(JOB).await.unwrap();
    folder.write("t.csv", rows().replace("7", "8"));
    let file = std::fs::File::options()
        .append(true)
        .open(folder.path().join("t.csv"))
        .unwrap();
    let (_, _, planned) = &plan.local_files()[0];
    let now = Identity::of_disk(&file.metadata().unwrap());
    if now == *planned {
        // The clock of this file system is too coarse to tell.
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    let cluster = Cluster::start(2).await;
    let error = cluster.ingest(&plan, 2).await.unwrap_err();
    assert_eq!(error.kind, DataErrorKind::Data);
    assert!(
        error.message.contains("has changed since the job was planned"),
        "{error}"
    );
}

/// The workers by their URLs.
struct Urls(Vec<Url>);

impl WorkerResolver for Urls {
    fn get_urls(&self) -> datafusion::common::Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

fn two_tasks(
    _event: DesiredTaskCountEvent,
) -> Option<datafusion::common::Result<DesiredTaskCountEventResponse>> {
    Some(Ok(DesiredTaskCountEventResponse::desired(2)))
}

/// A session of a driver that does not play by the rules: it sends workers plans over any file.
fn rude_session(cluster: &Cluster) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_distributed_option_extension(DistributedConfig::default());
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_distributed_worker_resolver(Urls(cluster.urls().to_vec()))
        .with_distributed_channel_resolver(Channels::default())
        .with_distributed_planner()
        .with_distributed_desired_task_count_handler(two_tasks)
        .build();
    SessionContext::from(state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_over_a_file_of_the_system_is_refused() {
    let folder = Folder::new().with("t.csv", rows());
    let cluster = Cluster::start(2).await;
    cluster.announce(&folder.open(JOB).await.unwrap(), "d").await;
    let options = CsvReadOptions::new()
        .has_header(false)
        .delimiter(b':')
        .file_extension("");
    let session = rude_session(&cluster);
    session
        .register_csv("passwd", "/etc/passwd", options)
        .await
        .unwrap();
    let query = session
        .sql("select column_7, count(*) from passwd group by column_7")
        .await
        .unwrap();
    let plan = query.create_physical_plan().await.unwrap();
    assert!(
        plan.name().contains("Distributed"),
        "it goes to workers: {}",
        plan.name()
    );
    let ran = datafusion::physical_plan::collect(plan, Arc::clone(&session.task_ctx())).await;
    let error = ran.unwrap_err().to_string();
    assert!(error.contains("may not read from file:///"), "{error}");
}
