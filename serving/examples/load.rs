//! A load generator: the same POST over kept-alive connections, one thread each, for some seconds; prints what came of it.
//!
//! ```sh
//! cargo run --release -p rookery-serving --example load -- 127.0.0.1:5001 /invocations body.json 64 5
//! ```
//!
//! The arguments are address, path, a file with the body (JSON), connections, seconds and, if it is not to be 5, how many seconds
//! an answer may take; the token comes from `ROOKERY_TOKEN`. A request that is not answered in time is counted as timed out, and
//! its connection is made anew: it holds up no other. What is still on its way when the time is over counts for nothing. The
//! answer is a line of JSON: requests that were answered, refused, timed out, connections that broke, answers per second, and
//! latencies of the answers in microseconds.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// How long a server may take for one answer, unless told otherwise.
const PATIENCE_SECONDS: f64 = 5.0;
/// How long it may take for all that comes before the clock starts.
const WARM_UP_WITHIN: Duration = Duration::from_secs(60);
/// Requests before the clock starts, on all connections together; each makes two at least.
const WARM_UP: usize = 320;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some([address, path, file, connections, seconds]), patience) =
        (arguments.first_chunk(), arguments.get(5))
    else {
        return Err("usage: load IP:PORT PATH BODY_FILE CONNECTIONS SECONDS [PATIENCE_SECONDS]".into());
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
    let patience = patience.map_or(Ok(PATIENCE_SECONDS), |patience| patience.parse())?;
    let load = Arc::new(Load {
        address: address.parse()?,
        request,
        patience: Duration::from_secs_f64(patience),
        warm_up: (WARM_UP / connections.max(1)).max(2),
        for_time: Duration::from_secs_f64(seconds),
        barrier: Barrier::new(connections),
    });
    let clients = (0..connections).map(|_| {
        let load = Arc::clone(&load);
        std::thread::spawn(move || Client::new(&load).ask())
    });
    let clients: Vec<_> = clients.collect();
    let mut seen = Seen::default();
    for client in clients {
        let more = client.join().map_err(|_| "a client has failed")?;
        seen.latencies.extend(more.latencies);
        seen.refused += more.refused;
        seen.timed_out += more.timed_out;
        seen.broken += more.broken;
    }
    seen.latencies.sort_unstable();
    writeln!(std::io::stdout(), "{}", seen.summary(seconds))?;
    Ok(())
}

/// What is asked, and how.
struct Load {
    address: SocketAddr,
    request: Vec<u8>,
    patience: Duration,
    /// Requests of each connection before the clock starts.
    warm_up: usize,
    for_time: Duration,
    barrier: Barrier,
}

/// What came of it while the clock ran.
#[derive(Default)]
struct Seen {
    /// Of the requests that were answered.
    latencies: Vec<Duration>,
    refused: usize,
    timed_out: usize,
    /// Connections that could not be made or were closed by the server.
    broken: usize,
}

impl Seen {
    fn summary(&self, seconds: f64) -> serde_json::Value {
        let quantile = |share: f64| {
            let position = (self.latencies.len() as f64 * share) as usize;
            let found = self
                .latencies
                .get(position.min(self.latencies.len().saturating_sub(1)));
            found.map(|latency| latency.as_nanos() as f64 / 1e3)
        };
        serde_json::json!({
            "requests": self.latencies.len(),
            "refused": self.refused,
            "timed_out": self.timed_out,
            "broken": self.broken,
            "per_second": self.latencies.len() as f64 / seconds,
            "p50_us": quantile(0.5),
            "p99_us": quantile(0.99),
            "max_us": quantile(1.0),
        })
    }
}

/// One connection, made anew when it did not answer.
struct Client<'a> {
    load: &'a Load,
    connection: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl<'a> Client<'a> {
    fn new(load: &'a Load) -> Self {
        Self {
            load,
            connection: None,
            buffer: vec![0; 64 << 10],
        }
    }

    fn ask(mut self) -> Seen {
        let warm_until = Instant::now() + WARM_UP_WITHIN;
        for _ in 0..self.load.warm_up {
            // A server that does not even answer now is found out when the clock runs.
            if self.exchange(warm_until).is_err() {
                self.connection = None;
            }
        }
        self.load.barrier.wait();
        let (began, mut seen) = (Instant::now(), Seen::default());
        let end = began + self.load.for_time;
        while Instant::now() < end {
            let sent = Instant::now();
            match self.exchange(end) {
                Ok(_) if Instant::now() > end => {}
                Ok(status) => {
                    seen.latencies.push(sent.elapsed());
                    seen.refused += usize::from(status != 200);
                }
                Err(error) => {
                    self.connection = None;
                    let is_late = sent.elapsed() >= self.load.patience;
                    let is_timeout = error
                        .downcast_ref::<std::io::Error>()
                        .is_some_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                    seen.timed_out += usize::from(is_timeout && is_late);
                    if !is_timeout {
                        seen.broken += 1;
                        pause();
                    }
                }
            }
        }
        seen
    }

    /// Sends the request and reads the answer, until the patience or the time is over; returns its status.
    fn exchange(&mut self, end: Instant) -> Result<u16> {
        let until = end.min(Instant::now() + self.load.patience);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = TcpStream::connect_timeout(&self.load.address, left(until))?;
                connection.set_nodelay(true)?;
                none.insert(connection)
            }
        };
        exchange(connection, &self.load.request, &mut self.buffer, until)
    }
}

/// So that connections are not tried again as fast as the machine can.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own that has nothing to wait for"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// The time until then, but some: none would be for ever.
fn left(until: Instant) -> Duration {
    until
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

/// Sends the request and reads the whole answer; returns its status.
fn exchange(connection: &mut TcpStream, request: &[u8], buffer: &mut [u8], until: Instant) -> Result<u16> {
    connection.set_write_timeout(Some(left(until)))?;
    connection.write_all(request)?;
    let mut filled = 0;
    loop {
        connection.set_read_timeout(Some(left(until)))?;
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
