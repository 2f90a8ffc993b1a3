//! A real connection: what was wrong with one request must not harm the next.

use std::time::Duration;

use rookery_tracking::ArtifactStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Server;
use crate::fixture::bounded;

#[tokio::test]
async fn a_refused_request_leaves_the_connection_usable() {
    bounded(async {
        let server = Server::with(ArtifactStore::in_memory(), Some("s3cret"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, server.router).await });

        let mut client = TcpStream::connect(address).await.unwrap();
        client.set_nodelay(true).unwrap();
        for (status, path, token, content_type) in [
            ("401", "/api/2.0/mlflow/runs/search", "wrong", "application/json"),
            ("404", "/nope", "s3cret", "application/json"),
            ("405", "/api/2.0/mlflow/runs/get", "s3cret", "application/json"),
            ("400", "/api/2.0/mlflow/runs/search", "s3cret", "text/plain"),
        ] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {content_type}\r\n\
                 Content-Length: 2\r\n\r\n"
            );
            client.write_all(head.as_bytes()).await.unwrap();
            // The body comes in a packet of its own, as Python's clients send it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.write_all(b"{}").await.unwrap();
            assert_eq!(answer(&mut client).await, status, "{path}");
            client.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            assert_eq!(answer(&mut client).await, "200", "after {path}");
        }
        serving.abort();
    })
    .await;
}

/// Reads one answer, and returns its status.
async fn answer(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    client.read_exact(&mut body).await.unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}
