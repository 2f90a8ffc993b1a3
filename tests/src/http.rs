//! One HTTP request, as any program would send it to a driver.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const JSON: &str = "Content-Type: application/json";

/// A server's answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// GETs `path` from the server at `url`.
pub async fn get(url: &str, path: &str, token: Option<&str>) -> Answer {
    send(url, "GET", path, token, &[JSON], b"").await
}

/// POSTs JSON to `path` of the server at `url`.
pub async fn post(url: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    send(url, "POST", path, token, &[JSON], body.to_string().as_bytes()).await
}

/// Sends a request without a body and with these header lines.
pub async fn ask(url: &str, method: &str, path: &str, token: Option<&str>, headers: &[&str]) -> Answer {
    send(url, method, path, token, &[&[JSON], headers].concat(), b"").await
}

/// POSTs a body of any type, or of none.
pub async fn post_as(
    url: &str,
    path: &str,
    token: Option<&str>,
    content_type: Option<&str>,
    body: &[u8],
) -> Answer {
    let header = content_type.map(|content_type| format!("Content-Type: {content_type}"));
    let headers: Vec<&str> = header.iter().map(String::as_str).collect();
    send(url, "POST", path, token, &headers, body).await
}

async fn send(
    url: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut connection = TcpStream::connect(host).await.expect("the server answers");
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    // HTTP/1.0: the body comes in one piece and ends with the connection.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n{}{headers}\r\n",
        body.len(),
        authorization.unwrap_or_default()
    );
    connection
        .write_all(&[request.as_bytes(), body].concat())
        .await
        .expect("the server reads");
    let mut answer = Vec::new();
    connection
        .read_to_end(&mut answer)
        .await
        .expect("the server answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.expect("a status"),
        head: head.to_string(),
        body: body.to_string(),
    }
}
