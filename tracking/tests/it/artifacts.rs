//! Artifacts: what is put can be got and listed; nothing leaves its run's directory.

use rookery_tracking::artifacts::{ArtifactEntry, sha256_hex};
use rookery_tracking::{ArtifactStore, ErrorCode, RunInfo, TrackingError};
use tempfile::TempDir;

use crate::fixture::Fixture;

/// Runs a check against a store in memory and one in a folder.
macro_rules! both {
    ($($case:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::artifacts::ArtifactStore::in_memory()).await;
            })+
        }
        mod local {
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::TempDir::new().unwrap();
                super::$case(crate::artifacts::ArtifactStore::local(folder.path().join("artifacts")).unwrap()).await;
            })+
        }
    };
}

both! {
    what_is_put_can_be_got,
    putting_again_replaces,
    a_listing_shows_one_directory,
    names_in_any_script_come_back_as_they_were,
    a_missing_artifact_is_named_in_the_error,
    runs_do_not_see_each_other,
    paths_that_lead_elsewhere_are_refused,
}

async fn run() -> RunInfo {
    Fixture::memory().await.unwrap().run().await.info
}

fn file(path: &str, size_bytes: u64) -> ArtifactEntry {
    ArtifactEntry {
        path: path.to_owned(),
        size_bytes: Some(size_bytes),
    }
}

fn directory(path: &str) -> ArtifactEntry {
    ArtifactEntry {
        path: path.to_owned(),
        size_bytes: None,
    }
}

async fn what_is_put_can_be_got(store: ArtifactStore) {
    let run = run().await;
    let stored = store.put(&run, "model/MLmodel", b"abc".to_vec()).await.unwrap();
    assert_eq!((stored.path.as_str(), stored.size_bytes), ("model/MLmodel", 3));
    assert_eq!(
        stored.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(store.get(&run, "model/MLmodel").await.unwrap(), b"abc");

    let empty = store.put(&run, "_SUCCESS", Vec::new()).await.unwrap();
    assert_eq!(empty.sha256, sha256_hex(b""));
    assert_eq!(store.get(&run, "_SUCCESS").await.unwrap(), b"");
}

async fn putting_again_replaces(store: ArtifactStore) {
    let run = run().await;
    store
        .put(&run, "loss.csv", b"a longer first version".to_vec())
        .await
        .unwrap();
    store.put(&run, "loss.csv", b"second".to_vec()).await.unwrap();
    assert_eq!(store.get(&run, "loss.csv").await.unwrap(), b"second");
    assert_eq!(store.list(&run, "").await.unwrap(), [file("loss.csv", 6)]);
}

async fn a_listing_shows_one_directory(store: ArtifactStore) {
    let run = run().await;
    assert_eq!(store.list(&run, "").await.unwrap(), []);
    for path in ["z.txt", "model/MLmodel", "model/data/part-00000", "modelo.txt"] {
        store.put(&run, path, vec![0; path.len()]).await.unwrap();
    }
    assert_eq!(
        store.list(&run, "").await.unwrap(),
        [directory("model"), file("modelo.txt", 10), file("z.txt", 5)]
    );
    assert_eq!(
        store.list(&run, "model").await.unwrap(),
        [file("model/MLmodel", 13), directory("model/data")]
    );
    assert_eq!(store.list(&run, "no such").await.unwrap(), []);
    assert_eq!(
        store.list_all(&run).await.unwrap(),
        [
            file("model/MLmodel", 13),
            file("model/data/part-00000", 21),
            file("modelo.txt", 10),
            file("z.txt", 5)
        ]
    );
}

async fn names_in_any_script_come_back_as_they_were(store: ArtifactStore) {
    let run = run().await;
    let names = [
        "Pronosticador de pingüinos/modelo.onnx",
        "ペンギン/モデル",
        "🐧.json",
        "50%.txt",
        "a%20b",
        "c#.txt",
        "what?.txt",
        "a&b=c+d;e,f",
        ".part-00000.crc",
        "...",
        "~tilde",
        "curly{}[]^|`<>\"*",
    ];
    for name in names {
        store.put(&run, name, name.as_bytes().to_vec()).await.unwrap();
        assert_eq!(store.get(&run, name).await.unwrap(), name.as_bytes(), "{name}");
    }
    let mut expected: Vec<&str> = names.to_vec();
    expected.sort_unstable();
    let listed: Vec<String> = store
        .list_all(&run)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    assert_eq!(listed, expected);
}

async fn a_missing_artifact_is_named_in_the_error(store: ArtifactStore) {
    let run = run().await;
    let error = store.get(&run, "model/MLmodel").await.unwrap_err();
    assert!(
        matches!(error, TrackingError::ArtifactNotFound { .. }),
        "{error:?}"
    );
    assert_eq!(error.code(), ErrorCode::ResourceDoesNotExist);
    assert_eq!(
        error.to_string(),
        format!("run {} has no artifact \"model/MLmodel\"", run.run_id)
    );
}

async fn runs_do_not_see_each_other(store: ArtifactStore) {
    let fixture = Fixture::memory().await.unwrap();
    let (one, two) = (fixture.run().await.info, fixture.run().await.info);
    store.put(&one, "a", b"1".to_vec()).await.unwrap();
    assert_eq!(store.list_all(&two).await.unwrap(), []);
    assert_eq!(
        store.get(&two, "a").await.unwrap_err().code(),
        ErrorCode::ResourceDoesNotExist
    );
}

async fn paths_that_lead_elsewhere_are_refused(store: ArtifactStore) {
    let run = run().await;
    let long_name = "x".repeat(256);
    let long_path = "ab/".repeat(400) + "c";
    let bad = [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "..\\x",
        "\\\\host\\share",
        "C:/x",
        "c:x",
        "a\0b",
        "a\nb",
        "a\u{85}b",
        "%2e%2e/x",
        "a/%2E%2e/b",
        "a%2fb",
        "a%5Cb",
        "x#12",
        "x#1/y",
        &long_name,
        &long_path,
    ];
    for path in bad {
        let put = store.put(&run, path, b"x".to_vec()).await.unwrap_err();
        let got = store.get(&run, path).await.unwrap_err();
        for error in [put, got] {
            assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{path:?}");
            assert!(
                error.to_string().starts_with("invalid artifact path: "),
                "{error}"
            );
        }
    }
    assert_eq!(
        store.list(&run, "..").await.unwrap_err().code(),
        ErrorCode::InvalidParameterValue
    );
    for id in ["..", "", "a/b", "a\\b"] {
        let forged = [
            RunInfo {
                run_id: id.to_owned(),
                ..run.clone()
            },
            RunInfo {
                experiment_id: id.to_owned(),
                ..run.clone()
            },
        ];
        for run in forged {
            let error = store.put(&run, "x", b"x".to_vec()).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{id:?}");
        }
    }
    assert_eq!(store.list_all(&run).await.unwrap(), []);
}

#[tokio::test]
async fn files_lie_where_mlflow_looks_for_them() {
    let folder = TempDir::new().unwrap();
    let store = ArtifactStore::local(folder.path()).unwrap();
    let run = run().await;
    store
        .put(&run, "modelo ü/MLmodel", b"abc".to_vec())
        .await
        .unwrap();
    let path = folder
        .path()
        .join("0")
        .join(&run.run_id)
        .join("artifacts")
        .join("modelo ü")
        .join("MLmodel");
    assert_eq!(std::fs::read(path).unwrap(), b"abc");
}
