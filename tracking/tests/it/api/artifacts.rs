//! Files through the server: streamed in and out, whole or in part, and never outside of the root.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use futures::stream;
use rookery_tracking::ArtifactStore;
use serde_json::json;
use tempfile::TempDir;

use super::{Reply, Server};

const ROOT: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// A server in memory and one on a folder, which is removed with the guard.
fn both() -> Vec<(Server, Option<TempDir>)> {
    let folder = TempDir::new().unwrap();
    let local = ArtifactStore::local(folder.path().join("artifacts")).unwrap();
    vec![(Server::new(), None), (Server::with(local, None), Some(folder))]
}

async fn put(server: &Server, path: &str, content: impl Into<Body>) -> Reply {
    server.at(Method::PUT, &format!("{ROOT}/{path}"), content).await
}

async fn get(server: &Server, path: &str) -> Reply {
    server
        .at(Method::GET, &format!("{ROOT}/{path}"), Body::empty())
        .await
}

async fn list(server: &Server, path: &str) -> serde_json::Value {
    let uri = format!("{ROOT}?path={path}");
    server.at(Method::GET, &uri, Body::empty()).await.ok()
}

#[tokio::test]
async fn what_is_put_can_be_got_and_listed() {
    for (server, _folder) in both() {
        for (path, content) in [
            ("1/r/MLmodel", "abc"),
            ("1/r/sub/x.py", "hello"),
            ("1/r/empty.bin", ""),
        ] {
            assert_eq!(put(&server, path, content).await.status, 200);
            let got = get(&server, path).await;
            assert_eq!(
                (got.status.as_u16(), got.body.as_slice()),
                (200, content.as_bytes())
            );
            assert_eq!(got.header("content-length"), content.len().to_string());
            assert_eq!(got.header("accept-ranges"), "bytes");
            assert_eq!(got.header("x-content-type-options"), "nosniff");
        }
        let files = json!([
            {"path": "MLmodel", "is_dir": false, "file_size": 3},
            {"path": "empty.bin", "is_dir": false},
            {"path": "sub", "is_dir": true},
        ]);
        assert_eq!(list(&server, "1%2Fr").await, json!({"files": files}));
        assert_eq!(
            list(&server, "").await,
            json!({"files": [{"path": "1", "is_dir": true}]})
        );
        for nothing in ["1/none", "1/r/MLmodel", "1/r/MLmodel/x"] {
            assert_eq!(list(&server, nothing).await, json!({}), "{nothing}");
        }
        let head = server
            .at(Method::HEAD, &format!("{ROOT}/1/r/MLmodel"), Body::empty())
            .await;
        assert_eq!((head.header("content-length"), head.body.len()), ("3", 0));
    }
}

#[tokio::test]
async fn names_in_any_script_come_back() {
    for (server, _folder) in both() {
        put(&server, "1/%C3%B1%20%26.md", "x").await;
        let got = get(&server, "1/%C3%B1%20%26.md").await;
        assert_eq!(got.header("content-type"), "text/plain");
        let disposition = got.header("content-disposition");
        assert_eq!(
            disposition,
            "attachment; filename=\" &.md\"; filename*=UTF-8''%C3%B1%20&.md"
        );
        assert_eq!(list(&server, "1").await["files"][0]["path"], "ñ &.md");
    }
}

#[tokio::test]
async fn a_range_is_a_part_of_the_file() {
    for (server, _folder) in both() {
        put(&server, "1/f", "0123456789").await;
        put(&server, "1/empty", "").await;
        let range = async |path: &str, range: &str| {
            let request = Request::get(format!("{ROOT}/{path}")).header("Range", range);
            server.send(request.body(Body::empty()).unwrap()).await
        };
        for (asked, content, content_range) in [
            ("bytes=1-2", "12", "bytes 1-2/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=-4", "6789", "bytes 6-9/10"),
            ("bytes=-99", "0123456789", "bytes 0-9/10"),
            ("bytes=8-99", "89", "bytes 8-9/10"),
        ] {
            let got = range("1/f", asked).await;
            assert_eq!(
                (got.status.as_u16(), got.body.as_slice()),
                (206, content.as_bytes()),
                "{asked}"
            );
            assert_eq!(got.header("content-range"), content_range);
            assert_eq!(got.header("content-length"), content.len().to_string());
        }
        for (path, asked) in [("1/f", "bytes=10-"), ("1/f", "bytes=-0"), ("1/empty", "bytes=0-")] {
            let got = range(path, asked).await;
            got.error(416, "INVALID_PARAMETER_VALUE");
            assert!(got.header("content-range").starts_with("bytes */"));
        }
        assert_eq!(range("1/f", "bytes=0-1,4-5").await.body, b"0123456789");
    }
}

#[tokio::test]
async fn a_large_file_arrives_in_parts_and_a_broken_one_not_at_all() {
    for (server, _folder) in both() {
        let chunk = |byte: u8| Ok::<_, std::io::Error>(Bytes::from(vec![byte; 1024 * 1024]));
        let whole = (0..20).map(chunk);
        let stored = put(&server, "1/large", Body::from_stream(stream::iter(whole))).await;
        assert_eq!(stored.status, 200);
        let got = get(&server, "1/large").await;
        assert_eq!(got.body.len(), 20 * 1024 * 1024);
        assert!(
            got.body
                .chunks(1024 * 1024)
                .zip(0..)
                .all(|(chunk, byte)| chunk.iter().all(|&b| b == byte))
        );

        for before in [1, 20] {
            let broken = (0..before).map(chunk).chain([Err(std::io::Error::other("gone"))]);
            let reply = put(&server, "1/broken", Body::from_stream(stream::iter(broken))).await;
            reply.error(400, "INVALID_PARAMETER_VALUE");
            get(&server, "1/broken")
                .await
                .error(404, "RESOURCE_DOES_NOT_EXIST");
        }
        assert_eq!(list(&server, "1").await["files"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn nothing_leads_out_of_the_root() {
    for (server, folder) in both() {
        if let Some(folder) = &folder {
            std::fs::write(folder.path().join("secret"), "x").unwrap();
        }
        for path in [
            "../secret",
            "..%2Fsecret",
            "1/../../secret",
            "%2e%2e/secret",
            "%252e%252e/secret",
            "1/..%5csecret",
            "%2Fetc/passwd",
            "1/a%00b",
            "1//b",
            "c:/x",
        ] {
            for reply in [get(&server, path).await, put(&server, path, "x").await] {
                let message = reply.error(400, "INVALID_PARAMETER_VALUE");
                assert!(message.starts_with("Invalid path"), "{path}: {message}");
            }
            let uri = format!("{ROOT}?path={path}");
            server
                .at(Method::GET, &uri, Body::empty())
                .await
                .error(400, "INVALID_PARAMETER_VALUE");
        }
        if let Some(folder) = &folder {
            assert_eq!(std::fs::read(folder.path().join("secret")).unwrap(), b"x");
        }
    }
}

#[tokio::test]
async fn files_and_directories_do_not_mix() {
    for (server, folder) in both() {
        put(&server, "1/dir/f", "x").await;
        get(&server, "1/none").await.error(404, "RESOURCE_DOES_NOT_EXIST");
        get(&server, "1/dir/f/g")
            .await
            .error(404, "RESOURCE_DOES_NOT_EXIST");
        let message = get(&server, "1/dir").await.error(400, "INVALID_PARAMETER_VALUE");
        assert_eq!(
            message,
            "Artifact path refers to a directory, not a file: '1/dir'"
        );
        if folder.is_some() {
            for path in ["1/dir", "1/dir/f/g"] {
                put(&server, path, "x")
                    .await
                    .error(400, "INVALID_PARAMETER_VALUE");
            }
        }
        let long = format!("1/{}", "x".repeat(256));
        put(&server, &long, "x")
            .await
            .error(400, "INVALID_PARAMETER_VALUE");
    }
}

#[tokio::test]
async fn deleting_is_harmless_twice() {
    for (server, _folder) in both() {
        for path in ["1/f", "1/dir/a", "1/dir/b/c", "2/f"] {
            put(&server, path, "x").await;
        }
        for path in ["1/f", "1/f", "1/dir", "1/dir", "1/none"] {
            let uri = format!("{ROOT}/{path}");
            assert_eq!(
                server.at(Method::DELETE, &uri, Body::empty()).await.ok(),
                json!({})
            );
        }
        assert_eq!(
            list(&server, "").await,
            json!({"files": [{"path": "2", "is_dir": true}]})
        );
    }
}

#[tokio::test]
async fn files_of_a_run_by_its_id() {
    let server = Server::new();
    let run = server.run().await;
    let uploaded = server
        .at(
            Method::POST,
            &format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=sub/x.txt"),
            "data",
        )
        .await;
    assert_eq!(uploaded.status, 200);
    let root_uri = format!("mlflow-artifacts:/0/{run}/artifacts");
    let listed = server.get(&format!("artifacts/list?run_id={run}")).await;
    assert_eq!(
        listed,
        json!({"root_uri": root_uri, "files": [{"path": "sub", "is_dir": true}]})
    );
    let listed = server.get(&format!("artifacts/list?run_id={run}&path=sub")).await;
    assert_eq!(
        listed["files"],
        json!([{"path": "sub/x.txt", "is_dir": false, "file_size": 4}])
    );
    let listed = server
        .get(&format!("artifacts/list?run_id={run}&path=none"))
        .await;
    assert_eq!(listed, json!({"root_uri": root_uri}));
    for uri in ["/get-artifact", "/ajax-api/2.0/mlflow/get-artifact"] {
        let uri = format!("{uri}?run_id={run}&path=sub%2Fx.txt");
        assert_eq!(server.at(Method::GET, &uri, Body::empty()).await.body, b"data");
    }
    let climbing = server
        .try_get(&format!("artifacts/list?run_id={run}&path=../x"))
        .await;
    climbing.error(400, "INVALID_PARAMETER_VALUE");
    let large = vec![0; 10 * 1024 * 1024 + 1];
    let uri = format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=large");
    server
        .at(Method::POST, &uri, large)
        .await
        .error(400, "INVALID_PARAMETER_VALUE");
}
