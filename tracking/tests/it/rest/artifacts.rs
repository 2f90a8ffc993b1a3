//! Files through the server's artifact proxy.

use rookery_tracking::TrackingError;
use tempfile::TempDir;

use super::server::{Server, Trouble};

const ROOT: &str = "mlflow-artifacts:/1/r/artifacts";

#[tokio::test]
async fn a_file_comes_back_whole_and_in_part_although_the_line_is_bad() {
    let server = Server::start().await;
    let artifacts = server.client().artifacts();
    server.script([
        Trouble::LostAfter,
        Trouble::Status(502),
        Trouble::None,
        Trouble::LostBefore,
    ]);
    artifacts
        .put(ROOT, "model/a%b ñ.bin", &b"0123456789"[..])
        .await
        .unwrap();
    assert_eq!(
        artifacts.get(ROOT, "model/a%b ñ.bin", None).await.unwrap(),
        &b"0123456789"[..]
    );
    assert_eq!(
        artifacts.get(ROOT, "model/a%b ñ.bin", Some(2..4)).await.unwrap(),
        &b"23"[..]
    );
    assert_eq!(
        artifacts.get(ROOT, "model/a%b ñ.bin", Some(8..40)).await.unwrap(),
        &b"89"[..]
    );
    let stored = server
        .records
        .lock()
        .unwrap()
        .files
        .keys()
        .cloned()
        .collect::<Vec<_>>();
    assert_eq!(stored, ["1/r/artifacts/model/a%25b%20%C3%B1.bin"]);
}

#[tokio::test]
async fn a_file_can_come_in_parts_and_those_of_a_broken_answer_are_not_taken_twice() {
    let server = Server::start().await;
    let artifacts = server.client().artifacts();
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    artifacts.put(ROOT, "big", content.clone()).await.unwrap();
    artifacts.put(ROOT, "empty", Vec::new()).await.unwrap();
    server.script([Trouble::LostBefore, Trouble::Status(503), Trouble::LostAfter]);
    let (mut parts, mut came) = (0, Vec::new());
    let length = artifacts
        .get_in_parts(ROOT, "big", |part| {
            parts += 1;
            came.extend_from_slice(part);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((length, came == content), (3_000_000, true));
    assert!(parts > 1, "not in one piece");
    let nothing = artifacts.get_in_parts(ROOT, "empty", |_| Ok(())).await.unwrap();
    assert_eq!(nothing, 0);

    let full = |_: &[u8]| Err(std::io::Error::other("the disk is full"));
    let error = artifacts.get_in_parts(ROOT, "big", full).await.unwrap_err();
    assert!(error.to_string().contains("big"), "{error}");
    let error = artifacts
        .get_in_parts(ROOT, "other", |_| Ok(()))
        .await
        .unwrap_err();
    assert!(matches!(error, TrackingError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_local_file_is_sent_without_being_read_into_memory() {
    let server = Server::start().await;
    let folder = TempDir::new().unwrap();
    let (big, empty) = (folder.path().join("big"), folder.path().join("empty"));
    std::fs::write(&big, vec![7; 3_000_000]).unwrap();
    std::fs::write(&empty, "").unwrap();
    let artifacts = server.client().artifacts();
    server.script([Trouble::LostBefore]);
    artifacts.put_file(ROOT, "big", &big).await.unwrap();
    artifacts.put_file(ROOT, "empty", &empty).await.unwrap();
    assert_eq!(artifacts.get(ROOT, "big", None).await.unwrap().len(), 3_000_000);
    assert_eq!(artifacts.get(ROOT, "empty", None).await.unwrap().len(), 0);
    let error = artifacts.get(ROOT, "other", None).await.unwrap_err();
    assert!(matches!(error, TrackingError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn other_storage_and_paths_that_climb_are_refused_by_name() {
    let server = Server::start().await;
    let artifacts = server.client().artifacts();
    for root in [
        "s3://bucket/1",
        "/mlruns/1",
        "file:///mlruns",
        "mlflow-artifacts://elsewhere:5000/1",
    ] {
        let error = artifacts.get(root, "a", None).await.unwrap_err();
        assert!(matches!(error, TrackingError::Unsupported { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(root) && text.contains("mlflow-artifacts:/"),
            "{text}"
        );
    }
    for path in ["../a", "a/../../b", "/a", "a%2e%2e"] {
        assert!(artifacts.put(ROOT, path, "x").await.is_err(), "{path}");
    }
    assert!(
        artifacts
            .put("mlflow-artifacts:/1/%2e%2e/2", "a", "x")
            .await
            .is_err()
    );
    assert!(server.paths().is_empty());
    let here = format!("mlflow-artifacts://127.0.0.1:{}/1", server.uri.port().unwrap());
    artifacts.put(&here, "a", "x").await.unwrap();
}
