//! HTTP requests, as any program would send them to a driver.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
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
    /// The value of a header, if it is there; names in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// A connection that is used for one request after the other, as clients under load do.
#[derive(Debug)]
pub struct Caller {
    connection: BufReader<TcpStream>,
    host: String,
    token: String,
}

impl Caller {
    /// Connects to the server at `url`.
    pub async fn connect(url: &str, token: &str) -> Self {
        let host = url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_string();
        let connection = TcpStream::connect(&host).await.expect("the server answers");
        connection.set_nodelay(true).expect("a socket");
        Self {
            connection: BufReader::new(connection),
            host,
            token: token.to_string(),
        }
    }

    /// POSTs JSON and waits for the answer.
    pub async fn post(&mut self, path: &str, body: &str) -> Answer {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            self.token,
            body.len()
        );
        self.connection
            .get_mut()
            .write_all(request.as_bytes())
            .await
            .expect("the server reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self
                .connection
                .read_line(&mut head)
                .await
                .expect("the server answers");
            assert!(read > 0, "the server closed the connection: {head:?}");
        }
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or_else(|| panic!("no length: {head}"))];
        self.connection.read_exact(&mut body).await.expect("a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            status: status.expect("a status"),
            body: String::from_utf8_lossy(&body).into_owned(),
            head,
        }
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

/// PUTs JSON to `path` of the server at `url`.
pub async fn put(url: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    send(url, "PUT", path, token, &[JSON], body.to_string().as_bytes()).await
}

/// Sends a request with any body.
pub async fn request(url: &str, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
    send(url, method, path, token, &[JSON], body.as_bytes()).await
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
