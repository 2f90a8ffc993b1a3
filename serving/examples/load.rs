//! A load generator: the same POST over kept-alive connections, one thread each, for some seconds; prints what came of it.
//!
//! ```sh
//! cargo run --release -p rookery-serving --example load -- 127.0.0.1:5001 /invocations body.json 64 5
//! ```
//!
//! The arguments are address, path, a file with the body (JSON), connections and seconds; the token comes from
//! `ROOKERY_TOKEN`. The answer is a line of JSON: requests, refused, requests per second, and latencies in microseconds.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(100);
/// Requests before the clock starts, on each connection.
const WARM_UP: usize = 20;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, file, connections, seconds] = &arguments[..] else {
        return Err("usage: load IP:PORT PATH BODY_FILE CONNECTIONS SECONDS".into());
    };
    let body = std::fs::read(file)?;
    let authorization = match std::env::var("ROOKERY_TOKEN") {
        Ok(token) => format!("Authorization: Bearer {token}\r\n"),
        Err(_) => String::new(),
    };
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{authorization}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    let (connections, seconds): (usize, f64) = (connections.parse()?, seconds.parse()?);
    let (request, barrier) = (Arc::new(request), Arc::new(std::sync::Barrier::new(connections)));
    let clients = (0..connections).map(|_| {
        let (address, request, barrier) = (address.clone(), Arc::clone(&request), Arc::clone(&barrier));
        std::thread::spawn(move || ask(&address, &request, &barrier, Duration::from_secs_f64(seconds)))
    });
    let clients: Vec<_> = clients.collect();
    let (mut latencies, mut refused, mut longest) = (Vec::new(), 0, Duration::ZERO);
    for client in clients {
        let asked = client.join().map_err(|_| "a client has failed")??;
        latencies.extend(asked.latencies);
        refused += asked.refused;
        longest = longest.max(asked.took);
    }
    latencies.sort_unstable();
    let quantile = |share: f64| {
        let position = (latencies.len() as f64 * share) as usize;
        latencies
            .get(position.min(latencies.len().saturating_sub(1)))
            .map(|us| us.as_nanos() as f64 / 1e3)
    };
    let summary = serde_json::json!({
        "requests": latencies.len(),
        "refused": refused,
        "per_second": latencies.len() as f64 / longest.as_secs_f64(),
        "p50_us": quantile(0.5),
        "p99_us": quantile(0.99),
        "max_us": quantile(1.0),
    });
    writeln!(std::io::stdout(), "{summary}")?;
    Ok(())
}

/// What one connection saw.
struct Asked {
    latencies: Vec<Duration>,
    refused: usize,
    took: Duration,
}

fn ask(address: &str, request: &[u8], barrier: &std::sync::Barrier, for_time: Duration) -> Result<Asked> {
    let mut buffer = vec![0; 64 << 10];
    let warmed = warm_up(address, request, &mut buffer);
    // Everybody comes here, so that nobody waits for one that failed.
    barrier.wait();
    let mut connection = warmed?;
    let (began, mut latencies, mut refused) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < for_time {
        let sent = Instant::now();
        let status = exchange(&mut connection, request, &mut buffer)?;
        latencies.push(sent.elapsed());
        refused += usize::from(status != 200);
    }
    Ok(Asked {
        latencies,
        refused,
        took: began.elapsed(),
    })
}

fn warm_up(address: &str, request: &[u8], buffer: &mut [u8]) -> Result<TcpStream> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    for _ in 0..WARM_UP {
        exchange(&mut connection, request, buffer)?;
    }
    Ok(connection)
}

/// Sends the request and reads the whole answer; returns its status.
fn exchange(connection: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<u16> {
    connection.write_all(request)?;
    let mut filled = 0;
    loop {
        let read = connection.read(buffer.get_mut(filled..).ok_or("the answer is too long")?)?;
        if read == 0 {
            return Err("the server has closed the connection".into());
        }
        filled += read;
        if let Some((status, length)) = complete(&buffer[..filled])?
            && filled >= length
        {
            return Ok(status);
        }
    }
}

/// The status of an answer and how long it is in all; `None` until its head is there.
fn complete(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>())
    });
    Ok(Some((status, end + 4 + length.ok_or("no Content-Length")??)))
}
