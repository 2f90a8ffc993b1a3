//! [`FileServer`]: a web server for the files of a folder, with byte ranges or without.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A web server; it ends when this value goes.
#[derive(Debug)]
pub struct FileServer {
    url: String,
    task: JoinHandle<()>,
}

impl FileServer {
    /// Serves `folder`; requests for ranges are answered with ranges, or always with the whole file.
    pub async fn start(folder: &Path, has_ranges: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let folder = folder.to_path_buf();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, folder.clone(), has_ranges));
            }
        });
        Self { url, task }
    }

    /// Where it answers, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request; the connection ends with it.
async fn answer(mut connection: TcpStream, folder: PathBuf, has_ranges: bool) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    let response = match std::fs::read(folder.join(path)) {
        Ok(file) => found(&file, range(&request).filter(|_| has_ranges)),
        Err(_) => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    };
    // Who asked may have gone.
    let _ = connection.write_all(&response).await;
}

/// First and last byte of the range that is asked for.
fn range(request: &str) -> Option<(usize, usize)> {
    let mut lines = request.lines().map(str::to_ascii_lowercase);
    let line = lines.find(|line| line.starts_with("range: bytes="))?;
    let (first, last) = line.trim_start_matches("range: bytes=").split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn found(file: &[u8], range: Option<(usize, usize)>) -> Vec<u8> {
    let size = file.len();
    let (status, body, more) = match range {
        None => ("200 OK", file, String::new()),
        Some((first, last)) => {
            let last = last.min(size - 1);
            let more = format!("Content-Range: bytes {first}-{last}/{size}\r\n");
            ("206 Partial Content", &file[first..=last], more)
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"{size}\"\r\n{more}Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
