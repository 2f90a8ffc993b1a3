//! [`WorkerConnection`]: a connection that shows who is calling.

use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tonic::body::Body;
use tonic::transport::Channel;
use tower::Service;

/// A connection to a worker. It puts the caller's `authorization` into every request.
#[derive(Debug, Clone)]
pub struct WorkerConnection {
    channel: Channel,
    /// Marked as sensitive: it is not shown in logs.
    authorization: Option<HeaderValue>,
}

impl WorkerConnection {
    pub(super) fn new(channel: Channel, authorization: Option<HeaderValue>) -> Self {
        Self {
            channel,
            authorization,
        }
    }
}

impl Service<Request<Body>> for WorkerConnection {
    type Response = <Channel as Service<Request<Body>>>::Response;
    type Error = <Channel as Service<Request<Body>>>::Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.channel.call(request)
    }
}
