//! What a port on TLS answers to a client that speaks in the clear: one sentence, in the client's own protocol.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The sentence.
pub const SPEAKS_TLS: &str = "this port speaks TLS: use https://";

/// The first byte of every TLS connection.
pub(crate) const HANDSHAKE: u8 = 0x16;
/// What an HTTP/2 client that knows its server sends first.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long an HTTP/2 client is given to say what it wants: to one that has not, the answer would be no answer to anything.
const REQUEST_WITHIN: Duration = Duration::from_secs(1);
/// How much of what the client says is taken in, so that closing does not throw away the answer. In bytes.
const TAKEN_IN: usize = 16 << 10;
const READS: usize = 8;

/// Answers a client whose first bytes can be read, and closes the connection.
pub(crate) async fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut heard = [0; TAKEN_IN];
    let bytes = connection.read(&mut heard).await?;
    let said = &heard[..bytes];
    let is_http2 = HTTP2_PREFACE.starts_with(&said[..bytes.min(HTTP2_PREFACE.len())]) && bytes > 0;
    let answer = match is_http2 {
        true => {
            let request = hear_request(&mut connection, &mut heard, bytes);
            // Without one it is told all the same.
            if let Ok(heard) = tokio::time::timeout(REQUEST_WITHIN, request).await {
                heard?;
            }
            http2_goodbye()
        }
        false => http1_refusal().into_bytes(),
    };
    connection.write_all(&answer).await?;
    connection.shutdown().await?;
    for _ in 0..READS {
        if connection.read(&mut heard).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads on until an HTTP/2 client has sent the head of a request, or the end of what is taken in.
async fn hear_request(connection: &mut TcpStream, heard: &mut [u8], mut bytes: usize) -> std::io::Result<()> {
    while !holds_request(&heard[..bytes]) && bytes < heard.len() {
        match connection.read(&mut heard[bytes..]).await? {
            0 => return Ok(()),
            more => bytes += more,
        }
    }
    Ok(())
}

/// Whether a frame of type HEADERS begins after the preface (RFC 9113, section 4.1).
fn holds_request(said: &[u8]) -> bool {
    const FRAME_HEAD: usize = 9;
    const HEADERS: u8 = 1;
    let mut rest = said.get(HTTP2_PREFACE.len()..).unwrap_or_default();
    while let Some(head) = rest.get(..FRAME_HEAD) {
        if head[3] == HEADERS {
            return true;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        rest = rest.get(FRAME_HEAD + length..).unwrap_or_default();
    }
    false
}

/// In the form of MLflow's errors, which its clients show.
fn http1_refusal() -> String {
    let body = format!("{{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"{SPEAKS_TLS}\"}}\n");
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Empty settings, as the protocol wants them first, and GOAWAY with the reason INADEQUATE_SECURITY.
fn http2_goodbye() -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: u8 = 7;
    const INADEQUATE_SECURITY: u32 = 0xc;
    let length = 8 + SPEAKS_TLS.len() as u32;
    let mut answer = SETTINGS.to_vec();
    answer.extend(&length.to_be_bytes()[1..]);
    answer.extend([GOAWAY, 0, 0, 0, 0, 0]);
    // No stream was looked at.
    answer.extend(0_u32.to_be_bytes());
    answer.extend(INADEQUATE_SECURITY.to_be_bytes());
    answer.extend(SPEAKS_TLS.as_bytes());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_behind_other_frames() {
        let mut said = HTTP2_PREFACE.to_vec();
        assert!(!holds_request(&said));
        // SETTINGS with one setting, then half a frame.
        said.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]);
        assert!(!holds_request(&said));
        said.extend([0, 0, 1]);
        assert!(!holds_request(&said));
        said.extend([1, 4, 0, 0, 0, 1, 0x82]);
        assert!(holds_request(&said));
        assert!(!holds_request(b"GET / HTTP/1.1"));
    }
}
