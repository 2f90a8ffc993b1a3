//! What only a file can do: outlive its process, be shared, be locked, be the wrong file.

use std::sync::Arc;
use std::time::Duration;

use rookery_tracking::entities::Extreme;
use rookery_tracking::{
    ErrorCode, MetricHistory, RunStatus, SearchExperiments, SearchRuns, SqlStore, Tag, TrackingError,
    TrackingStore, UpdateRun,
};
use rusqlite::Connection;

use crate::fixture::{START_MS, bounded, database, metric, metrics, params, run_in, search};

#[tokio::test]
async fn records_outlive_the_store() {
    let (_folder, path) = database();
    let store = SqlStore::open(&path).await.unwrap();
    let experiment = store
        .get_or_create_experiment("Predicción de pingüinos")
        .await
        .unwrap();
    let run_id = store
        .create_run(run_in(&experiment.experiment_id))
        .await
        .unwrap()
        .info
        .run_id;
    store
        .log_batch(&run_id, params(&[("solver", "lbfgs")]))
        .await
        .unwrap();
    store
        .log_batch(
            &run_id,
            metrics([metric("loss", 0.1 + 0.2, 1), metric("loss", 0.25, 2)]),
        )
        .await
        .unwrap();
    store.set_tag(&run_id, Tag::new("note", "1")).await.unwrap();
    store
        .update_run(&run_id, UpdateRun::end(RunStatus::Finished, START_MS + 1))
        .await
        .unwrap();
    let run = store.get_run(&run_id).await.unwrap();
    let history = store
        .metric_history(MetricHistory::of(&run_id, "loss"))
        .await
        .unwrap();
    drop(store);

    let store = SqlStore::open(&path).await.unwrap();
    assert_eq!(store.get_run(&run_id).await.unwrap(), run);
    assert_eq!(
        store
            .metric_history(MetricHistory::of(&run_id, "loss"))
            .await
            .unwrap(),
        history
    );
    assert_eq!(
        store.get_experiment(&experiment.experiment_id).await.unwrap(),
        experiment
    );
    assert_eq!(
        store
            .get_or_create_experiment("next")
            .await
            .unwrap()
            .experiment_id,
        "2"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_write_to_one_file_at_once() {
    bounded(async {
        let (_folder, path) = database();
        let stores = [
            Arc::new(SqlStore::open(&path).await.unwrap()),
            Arc::new(SqlStore::open(&path).await.unwrap()),
        ];
        let run_id: Arc<str> = stores[0]
            .create_run(run_in("0"))
            .await
            .unwrap()
            .info
            .run_id
            .into();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (store, run_id) = (Arc::clone(&stores[writer % 2]), Arc::clone(&run_id));
                tokio::spawn(async move {
                    for step in 0..25 {
                        let points = [
                            metric(&format!("writer {writer}"), 0.5, step),
                            metric("shared", writer as f64, step),
                        ];
                        store.log_batch(&run_id, metrics(points)).await.unwrap();
                        store.get_run(&run_id).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        for store in stores {
            let run = store.get_run(&run_id).await.unwrap();
            assert_eq!(run.metrics.len(), 9);
            assert_eq!(run.metric("shared"), Some(7.0));
            for writer in 0..8 {
                let request = MetricHistory::of(&*run_id, format!("writer {writer}"));
                assert_eq!(store.metric_history(request).await.unwrap().items.len(), 25);
            }
            let shared = store
                .metric_history(MetricHistory::of(&*run_id, "shared"))
                .await
                .unwrap();
            assert_eq!(shared.items.len(), 8 * 25);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_may_be_opened_by_many_at_once() {
    bounded(async {
        let (_folder, path) = database();
        let openers: Vec<_> = (0..6)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move {
                    let store = SqlStore::open(path).await.unwrap();
                    store
                        .search_experiments(SearchExperiments::default())
                        .await
                        .unwrap()
                        .items
                        .len()
                })
            })
            .collect();
        for opener in openers {
            assert_eq!(opener.await.unwrap(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_write_waits_for_another_process_and_a_read_does_not() {
    bounded(async {
        let (_folder, path) = database();
        let store = Arc::new(SqlStore::open(&path).await.unwrap());
        let run_id = store.create_run(run_in("0")).await.unwrap().info.run_id;
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();

        let (writing_store, writing_run_id) = (Arc::clone(&store), run_id.clone());
        let mut write = tokio::spawn(async move {
            writing_store
                .log_batch(&writing_run_id, params(&[("a", "1")]))
                .await
        });
        assert!(store.get_run(&run_id).await.unwrap().params.is_empty());
        let waited = tokio::time::timeout(Duration::from_millis(300), &mut write).await;
        assert!(waited.is_err(), "the write did not wait: {waited:?}");

        other.execute_batch("COMMIT").unwrap();
        write.await.unwrap().unwrap();
        assert_eq!(store.get_run(&run_id).await.unwrap().param("a"), Some("1"));
    })
    .await;
}

#[tokio::test]
async fn a_failing_write_takes_no_other_of_its_group_with_it() {
    bounded(async {
        let (_folder, path) = database();
        let store = Arc::new(SqlStore::open(&path).await.unwrap());
        let run_id = store.create_run(run_in("0")).await.unwrap().info.run_id;
        store.log_batch(&run_id, params(&[("fixed", "1")])).await.unwrap();
        // While the file is locked, writes gather in the queue and then share a commit.
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let writes: Vec<_> = (0..20)
            .map(|n| {
                let (store, run_id) = (Arc::clone(&store), run_id.clone());
                let fixed = if n % 2 == 0 { "1" } else { "2" };
                let own = format!("own {n}");
                tokio::spawn(async move {
                    store
                        .log_batch(&run_id, params(&[(own.as_str(), "x"), ("fixed", fixed)]))
                        .await
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.execute_batch("ROLLBACK").unwrap();
        for (n, write) in writes.into_iter().enumerate() {
            assert_eq!(write.await.unwrap().is_ok(), n % 2 == 0, "write {n}");
        }
        assert_eq!(store.get_run(&run_id).await.unwrap().params.len(), 1 + 10);
    })
    .await;
}

/// What the first released version wrote is there, and what came with later ones is right for it.
#[tokio::test]
async fn a_file_of_version_1_is_brought_up_to_date() {
    let (_folder, path) = database();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../src/sql/schema/sqlite/0001_runs.sql"))
        .unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1;
         INSERT INTO experiments VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 1, 1),
             (7, 'lab', 'mlflow-artifacts:/7', 'active', 2, 2), (8, 'gone', 'mlflow-artifacts:/8', 'active', 2, 2);
         DELETE FROM experiments WHERE experiment_id = 8;
         INSERT INTO runs VALUES
             ('r1', 'first', 7, 'ada', 'RUNNING', 10, NULL, 'active', 'mlflow-artifacts:/7/r1/artifacts', 'driver 1');
         INSERT INTO params VALUES ('r1', 'lr', '0.1');
         INSERT INTO tags VALUES ('r1', 'mlflow.runName', 'first');
         INSERT INTO curves VALUES (1, 'r1', 'loss', 3, 13, 0, 0.5), (2, 'r1', 'nan', 1, 11, 1, 0.0);
         INSERT INTO points VALUES (1, 11, 1, 0, 0.5), (1, 12, 2, 0, 2.0), (1, 13, 3, 0, 0.5), (1, 12, 2, 1, 0.0),
             (2, 11, 1, 1, 0.0);",
    )
    .unwrap();
    drop(old);

    let store = SqlStore::open(&path).await.unwrap();
    let run = store.get_run("r1").await.unwrap();
    assert_eq!((run.metric("loss"), run.param("lr")), (Some(0.5), Some("0.1")));
    let summaries = store.metric_summaries("r1").await.unwrap();
    let extremes: Vec<_> = summaries
        .iter()
        .map(|summary| {
            let in_short = |extreme: Option<Extreme>| extreme.map(|extreme| (extreme.value, extreme.step));
            (
                summary.key.as_str(),
                summary.count,
                in_short(summary.min),
                in_short(summary.max),
            )
        })
        .collect();
    assert_eq!(
        extremes,
        [
            ("loss", 4, Some((0.5, 1)), Some((2.0, 2))),
            ("nan", 1, None, None)
        ]
    );
    // What was there is found in its experiment by the index that came later.
    let in_lab = SearchRuns {
        experiment_ids: Some(vec!["7".to_owned()]),
        search: search("metrics.loss < 1", &["metrics.loss"], 10),
        ..SearchRuns::default()
    };
    let found = store.search_runs(in_lab).await.unwrap().items;
    let ids: Vec<&str> = found.iter().map(|run| run.info.run_id.as_str()).collect();
    assert_eq!(ids, ["r1"]);
    // A point goes on from there; the numbers of experiments do too, past one that is gone.
    store
        .log_batch("r1", metrics([metric("loss", 0.25, 4)]))
        .await
        .unwrap();
    let loss = store.metric_summaries("r1").await.unwrap().remove(0);
    assert_eq!((loss.count, loss.latest.value), (5, 0.25));
    let next = store.get_or_create_experiment("next").await.unwrap();
    assert_eq!(next.experiment_id, "9");
    // Nobody has renewed a lease yet.
    assert_eq!(store.close_orphans(START_MS).await.unwrap(), ["r1"]);
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_alone() {
    let (_folder, path) = database();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let newer = Connection::open(&path).unwrap();
    newer
        .execute_batch("CREATE TABLE future (x); PRAGMA user_version = 1000")
        .unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();

    let error = SqlStore::open(&path).await.unwrap_err();
    assert!(
        matches!(
            error,
            TrackingError::SchemaTooNew {
                found: 1000,
                supported: 3,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.code(), ErrorCode::InvalidState);
    assert!(error.to_string().contains("tracking.db"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_in_the_error() {
    let (_folder, path) = database();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "species,island\n".repeat(100)).unwrap();
    let error = SqlStore::open(&path).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InternalError);
    assert!(error.to_string().contains("tracking.db"), "{error}");
    assert!(error.to_string().contains("not a database"), "{error}");

    let folder_instead = path.parent().unwrap().to_owned();
    assert_eq!(
        SqlStore::open(folder_instead).await.unwrap_err().code(),
        ErrorCode::InternalError
    );
}
