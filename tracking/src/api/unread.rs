//! What is left of a body when its request was refused before the body was read.
//!
//! A connection on which an unread body is still arriving cannot be used again: hyper closes it, and the client's next
//! request fails, though it was right. So a little of the rest is read before the answer goes out.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt, stream};

/// The most that is read for nothing; behind that, a new connection is cheaper.
const MAX_BYTES: usize = 64 * 1024;
/// How long a client may take to send the rest.
const PATIENCE: Duration = Duration::from_secs(1);

/// A body that the handler and, after it, this module read from.
#[derive(Clone)]
struct Shared(Arc<Mutex<BodyDataStream>>);

impl Shared {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        // A panic while polling breaks this body, not the lock's meaning.
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.poll_next_unpin(context)
    }

    fn stream(&self) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + use<> {
        let shared = self.clone();
        stream::poll_fn(move |context| shared.poll(context))
    }
}

/// Reads what an error left unread. A client that waits to be asked for the body is not asked.
pub(super) async fn read_rest(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() || parts.headers.contains_key(EXPECT) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let shared = Shared(Arc::new(Mutex::new(body.into_data_stream())));
    let body = Body::from_stream(shared.stream());
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        // The rest may not come, or come broken: then the connection is of no use anyway.
        let _ = tokio::time::timeout(PATIENCE, discard(shared.stream())).await;
    }
    response
}

async fn discard(rest: impl Stream<Item = Result<Bytes, axum::Error>>) {
    let mut rest = std::pin::pin!(rest);
    let mut read = 0;
    while let Some(Ok(chunk)) = rest.next().await {
        read += chunk.len();
        if read > MAX_BYTES {
            return;
        }
    }
}
