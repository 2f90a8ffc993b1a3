//! What a job leaves in the store, however it ends.

use std::path::Path;
use std::time::{Duration, Instant};

use rookery_ml::Metric;
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::entities::{TAG_END_REASON, TAG_PARENT_RUN_ID};
use rookery_tracking::{ArtifactStore, LogBatch, MetricHistory, Run, RunStatus, SqlStore, SystemEnvironment};
use std::sync::Arc;

use super::job::{JobFacts, JobRecord};
use super::{LOSS_METRIC, TAG_BEST_RUN};
use crate::records::JobRecords;

fn records() -> JobRecords {
    JobRecords {
        store: Arc::new(SqlStore::in_memory(Arc::new(SystemEnvironment)).unwrap()),
        artifacts: Arc::new(ArtifactStore::in_memory()),
        delivery: None,
    }
}

async fn start(records: &JobRecords, trainings: usize) -> JobRecord<'static> {
    let facts = JobFacts {
        id: "job-1",
        name: "penguins",
        experiment: "birds",
        user: "ada",
        owner: "driver-1",
        toml: "[job]",
        base_dir: Path::new("/data"),
        fingerprint: "0123456789abcdef",
        params: vec![("split.seed".into(), "42".into())],
        inputs: Vec::new(),
        trainings,
        started_ms: 1000,
        started: Instant::now(),
        cores: 2,
    };
    JobRecord::start(records, facts, false).await.unwrap()
}

async fn parent_of(records: &JobRecords, run: &Run) -> Run {
    let parent = run.tag(TAG_PARENT_RUN_ID).unwrap();
    records.store.get_run(parent).await.unwrap()
}

#[tokio::test]
async fn a_job_that_trains_once_is_one_run() {
    let records = records();
    let job = start(&records, 1).await;
    let training = job.start_training(0, Some("only"), Vec::new()).await.unwrap();
    let run = records.store.get_run(training.run_id()).await.unwrap();
    assert_eq!(run.tag(TAG_PARENT_RUN_ID), None);
    assert_eq!(
        (run.info.run_name.as_str(), run.param("split.seed")),
        ("only", Some("42"))
    );
    assert_eq!(run.info.owner.as_deref(), Some("driver-1"));
    training.end_finished(LogBatch::default()).await.unwrap();
    job.end(Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_jobs_own_run_names_the_best_of_its_trainings() {
    for (metric, best) in [(Metric::Accuracy, 1), (Metric::HammingLoss, 0)] {
        let records = records();
        let job = start(&records, 3).await;
        let mut ids = Vec::new();
        for value in [0.25, 0.5, f64::NAN] {
            let training = job.start_training(0, None, Vec::new()).await.unwrap();
            job.judge(training.run_id(), &[(metric, value)]);
            training.end_finished(LogBatch::default()).await.unwrap();
            ids.push(training.run_id().to_string());
        }
        job.end(Ok(())).await.unwrap();
        let child = records.store.get_run(&ids[0]).await.unwrap();
        let parent = parent_of(&records, &child).await;
        assert_eq!(parent.info.status, RunStatus::Finished);
        assert_eq!(
            (parent.info.run_name.as_str(), parent.info.start_time_ms),
            ("penguins", 1000)
        );
        assert_eq!(parent.tag(TAG_BEST_RUN), Some(ids[best].as_str()), "{metric}");
        assert_eq!(
            parent.metric(&format!("best_{metric}")),
            Some([0.25, 0.5][best]),
            "a search for the best {metric} must find the training, not the job"
        );
        assert_eq!(parent.metric(metric.name()), None);
    }
}

#[tokio::test]
async fn what_stops_a_training_stops_its_job_with_the_same_reason() {
    for (class, status) in [
        (ErrorClass::Cancelled, RunStatus::Killed),
        (ErrorClass::Unreachable, RunStatus::Failed),
    ] {
        let records = records();
        let job = start(&records, 2).await;
        let training = job.start_training(0, None, Vec::new()).await.unwrap();
        training.progress(&[1.0, 0.5], None, &[]);
        let failure = Failure::new(class, "worker w1 was lost");
        training.fail(&failure).await;
        job.end(Err(failure)).await.unwrap_err();
        let child = records.store.get_run(training.run_id()).await.unwrap();
        for run in [&child, &parent_of(&records, &child).await] {
            assert_eq!(run.info.status, status);
            assert_eq!(run.tag(TAG_END_REASON), Some("worker w1 was lost"));
            assert!(run.info.end_time_ms.is_some());
        }
        assert_eq!(child.metric(LOSS_METRIC), Some(0.5), "the curve so far stays");
    }
}

#[tokio::test]
async fn the_loss_curve_is_there_while_the_run_trains() {
    let records = records();
    let job = start(&records, 1).await;
    let training = job.start_training(0, None, Vec::new()).await.unwrap();
    training.progress(&[1.0], None, &[]);
    training.progress(&[1.0, 0.5, 0.25], None, &[]);
    training.progress(&[1.0, 0.5, 0.25], None, &[]);
    let history = || async {
        let request = MetricHistory::of(training.run_id(), LOSS_METRIC);
        records.store.metric_history(request).await.unwrap().items
    };
    let grown = async {
        while history().await.len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), grown)
        .await
        .unwrap();
    let points = history().await;
    let curve: Vec<(i64, f64)> = points.iter().map(|point| (point.step, point.value)).collect();
    assert_eq!(curve, [(0, 1.0), (1, 0.5), (2, 0.25)]);
    let run = records.store.get_run(training.run_id()).await.unwrap();
    assert_eq!(run.info.status, RunStatus::Running);
}
