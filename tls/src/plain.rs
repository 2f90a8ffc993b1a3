//! What a port on TLS answers to a client that speaks in the clear: one sentence, in the client's own protocol.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The sentence.
pub const SPEAKS_TLS: &str = "this port speaks TLS: use https://";

/// The first byte of every TLS connection.
pub(crate) const HANDSHAKE: u8 = 0x16;
/// What an HTTP/2 client that knows its server sends first.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// How much of what the client says is taken in, so that closing does not throw away the answer. In bytes.
const TAKEN_IN: usize = 16 << 10;
const READS: usize = 8;

/// Answers a client whose first bytes can be read, and closes the connection.
pub(crate) async fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut heard = [0; TAKEN_IN];
    let bytes = connection.read(&mut heard).await?;
    let answer = match heard[..bytes].starts_with(HTTP2_PREFACE) {
        true => http2_goodbye(),
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
