//! [`Collector`]: takes the traces that processes send, as an OpenTelemetry collector does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A collector on a free port of this machine.
#[derive(Debug)]
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<TracedSpan>>>,
    serving: JoinHandle<()>,
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedSpan {
    /// The `service.name` of the process.
    pub service: String,
    /// The trace.
    pub trace: Vec<u8>,
    /// The span itself.
    pub id: Vec<u8>,
    /// The span that it is a part of; empty for a root.
    pub parent: Vec<u8>,
    /// What was done.
    pub name: String,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
}

impl TracedSpan {
    /// The span that this one is a part of.
    pub fn parent_in<'a>(&self, spans: &'a [TracedSpan]) -> &'a TracedSpan {
        let found = spans
            .iter()
            .find(|other| other.id == self.parent && other.trace == self.trace);
        found.unwrap_or_else(|| panic!("{self:?} has no parent"))
    }
}

impl Collector {
    /// Starts listening.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let spans = Arc::default();
        let service = TraceServiceServer::new(Door(Arc::clone(&spans)));
        let serving = tokio::spawn(async move {
            let served = Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener));
            served.await.expect("the collector serves");
        });
        Self { url, spans, serving }
    }

    /// Where processes send to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What has come so far.
    pub fn spans(&self) -> Vec<TracedSpan> {
        self.spans.lock().expect("no panic").clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Door(Arc<Mutex<Vec<TracedSpan>>>);

#[tonic::async_trait]
impl TraceService for Door {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut all = self.0.lock().expect("no panic");
        for resource in request.into_inner().resource_spans {
            let process = attributes(resource.resource.map(|r| r.attributes).unwrap_or_default());
            let service = process.get("service.name").cloned().unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                all.push(TracedSpan {
                    service: service.clone(),
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    name: span.name,
                    attributes: attributes(span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs
        .into_iter()
        .filter_map(|pair| Some((pair.key, text(pair.value?.value?))))
        .collect()
}
