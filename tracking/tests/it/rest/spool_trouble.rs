//! The spool against crashes, dead servers and refusals.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use rookery_tracking::rest::spool::TAG_REJECTED;
use rookery_tracking::rest::{SpooledStore, deliver_pending};
use rookery_tracking::{RunStatus, Tag, TrackingError, TrackingStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::server::{Server, Shared, Trouble, client};
use super::spool::{PATIENCE, assert_recorded, begin, end, open, points};

/// When runs that were left open are said to have ended.
const NOW_MS: i64 = 1_700_000_100_000;

/// As many requests as the job of these tests makes when all goes well.
const REQUESTS: usize = 13;
/// Long enough for a few attempts, which fail.
const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_server_that_comes_late_gets_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rest = client(&format!("http://{address}/").parse().unwrap());
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), &rest).await;
    let run = begin(&store).await;
    end(&store, &run.info.run_id).await;
    let pending = store.flush(A_MOMENT).await;
    assert_eq!((pending.operations, pending.rejected), (9, 0));

    let server = Server::on(TcpListener::bind(address).await.unwrap(), Shared::default()).await;
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    assert_recorded(&server.records, &run.info.run_id);
}

#[tokio::test]
async fn a_crash_at_any_operation_loses_nothing_and_makes_nothing_twice() {
    // The answer to one request after the other is lost after it was done, and then the process dies.
    for lost in 0..REQUESTS {
        let server = Server::start().await;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("job");
        server.script((0..lost).map(|_| Trouble::None).chain([Trouble::LostAfter]));
        let run_id = {
            let store = open(&path, &server.client()).await;
            let run_id = begin(&store).await.info.run_id;
            end(&store, &run_id).await;
            let reached = async {
                while server.paths().len() <= lost {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, reached)
                .await
                .expect("the job makes that many requests");
            run_id
        };
        let rest = server.client();
        let store = open(&path, &rest).await;
        assert_eq!(
            store.get_run(&run_id).await.unwrap().info.status,
            RunStatus::Finished
        );
        assert_eq!(store.flush(PATIENCE).await.operations, 0, "lost answer {lost}");
        assert_recorded(&server.records, &run_id);
    }
}

#[tokio::test]
async fn a_later_start_delivers_what_is_left_and_skips_what_is_in_use() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rest = client(&format!("http://{address}/").parse().unwrap());
    let root = TempDir::new().unwrap();
    let dead = open(&root.path().join("dead"), &rest).await;
    let run_id = begin(&dead).await.info.run_id;
    end(&dead, &run_id).await;
    dead.close(Duration::ZERO).await.unwrap();
    let alive = open(&root.path().join("alive"), &rest).await;

    let left = deliver_pending(root.path(), &rest, &rest.artifacts(), NOW_MS, A_MOMENT)
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0].0, left[0].1.operations), (&root.path().join("dead"), 9));

    let server = Server::on(TcpListener::bind(address).await.unwrap(), Shared::default()).await;
    let left = deliver_pending(root.path(), &rest, &rest.artifacts(), NOW_MS, PATIENCE)
        .await
        .unwrap();
    assert_eq!(left[0].1.operations, 0);
    assert_recorded(&server.records, &run_id);
    assert!(!root.path().join("dead").exists());
    drop(alive);
    let nothing = root.path().join("nothing");
    assert!(
        deliver_pending(&nothing, &rest, &rest.artifacts(), NOW_MS, PATIENCE)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_refused_operation_steps_aside_and_is_told() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("job");
    let store = open(&path, &server.client()).await;
    let run = begin(&store).await;
    let run_id = run.info.run_id.as_str();
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    server.script([Trouble::Refused]);
    store.log_batch(run_id, points(7..9)).await.unwrap();
    store.set_tag(run_id, Tag::new("after", "yes")).await.unwrap();
    let pending = store.flush(PATIENCE).await;
    assert_eq!((pending.operations, pending.rejected), (0, 1));
    let told = server.client().get_run("run-1").await.unwrap();
    assert_eq!(told.tag("after"), Some("yes"));
    assert!(told.tag(TAG_REJECTED).unwrap().contains("no, thank you"));
    let rejected = std::fs::read_to_string(path.join("rejected.jsonl")).unwrap();
    assert!(
        rejected.contains("no, thank you") && rejected.contains(r#""step":8"#),
        "{rejected}"
    );
    store.close(PATIENCE).await.unwrap();
    assert!(path.exists(), "what was refused stays");
    let again = open(&path, &server.client()).await;
    assert_eq!((again.pending().operations, again.pending().rejected), (0, 1));
}

#[tokio::test]
async fn what_needs_a_refused_run_is_refused_too_across_a_restart() {
    let server = Server::start().await;
    server.always("mlflow/runs/create", Trouble::Refused);
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), &server.client()).await;
    let run_id = begin(&store).await.info.run_id;
    assert_eq!(store.flush(PATIENCE).await.rejected, 2);
    drop(store);
    let store = open(folder.path(), &server.client()).await;
    store.set_tag(&run_id, Tag::new("a", "b")).await.unwrap();
    let pending = store.flush(PATIENCE).await;
    assert_eq!((pending.operations, pending.rejected), (0, 3));
    let rejected = std::fs::read_to_string(folder.path().join("rejected.jsonl")).unwrap();
    assert!(
        rejected.contains("which the server refused to make"),
        "{rejected}"
    );
}

#[tokio::test]
async fn wrong_credentials_hold_delivery_up_and_refuse_nothing() {
    let server = Server::start().await;
    server.always("mlflow/runs/create", Trouble::Status(401));
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), &server.client()).await;
    let run_id = begin(&store).await.info.run_id;
    end(&store, &run_id).await;
    let pending = store.flush(A_MOMENT).await;
    assert_eq!((pending.operations, pending.rejected), (8, 0));
    assert!(pending.last_error.unwrap().contains("401"));
    server.always("", Trouble::None);
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    assert_recorded(&server.records, &run_id);
}

#[tokio::test]
async fn a_line_that_was_not_finished_is_taken_away_and_a_broken_one_is_an_error() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let append = |text: &str| {
        let path = folder.path().join("operations.jsonl");
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let store = open(folder.path(), &server.client()).await;
    let run_id = begin(&store).await.info.run_id;
    drop(store);
    // Waits for the lock.
    drop(open(folder.path(), &server.client()).await);
    append(r#"{"sequence":4,"at_ms":1,"operation":{"do":"log_b"#);
    let store = open(folder.path(), &server.client()).await;
    end(&store, &run_id).await;
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    assert_recorded(&server.records, &run_id);
    drop(store);
    drop(open(folder.path(), &server.client()).await);
    append("{}\n{}\n");
    let rest = server.client();
    let error = SpooledStore::open(folder.path(), rest.clone(), rest.artifacts())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("operations.jsonl"), "{error}");
}

#[tokio::test]
async fn a_folder_belongs_to_one_process_and_open_runs_can_be_failed() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let rest = server.client();
    let store = Arc::new(open(folder.path(), &rest).await);
    let error = SpooledStore::open(folder.path(), rest.clone(), rest.artifacts())
        .await
        .unwrap_err();
    assert!(matches!(error, TrackingError::WrongState { .. }), "{error:?}");
    let run_id = begin(&store).await.info.run_id;
    let failed = store.fail_open_runs("the driver died", 50).await.unwrap();
    assert_eq!(failed, [run_id]);
    assert_eq!(
        store.fail_open_runs("again", 51).await.unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(store.flush(PATIENCE).await.operations, 0);
    let told = server.client().get_run("run-1").await.unwrap();
    assert_eq!(
        (told.info.status, told.info.end_time_ms),
        (RunStatus::Failed, Some(50))
    );
}
