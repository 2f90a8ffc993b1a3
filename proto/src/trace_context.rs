//! Carries the trace of a caller to whoever is called: W3C's `traceparent` in the metadata of a call. What it looks like
//! is up to the process, which sets OpenTelemetry's global propagator if it exports traces; if not, nothing is sent.

use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt as _;
use tonic::metadata::{Ascii, KeyRef, MetadataKey, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Sends the span in which a client calls with each of its calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct SendTraceContext;

impl Interceptor for SendTraceContext {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let context = Span::current().context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut Sent(request.metadata_mut()));
        });
        Ok(request)
    }
}

/// Makes a span that nothing has happened in yet the child of the one that came with a call.
pub fn set_parent(span: &Span, metadata: &MetadataMap) {
    if span.is_disabled() {
        return;
    }
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&Received(metadata)));
    // Nobody exports this span: then it needs no parent either.
    let _ = span.set_parent(parent);
}

/// The id of the trace a span belongs to; none unless traces are exported.
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| context.trace_id().to_string())
}

struct Sent<'a>(&'a mut MetadataMap);

impl Injector for Sent<'_> {
    fn set(&mut self, key: &str, value: String) {
        let key = MetadataKey::<Ascii>::from_bytes(key.as_bytes());
        if let (Ok(key), Ok(value)) = (key, MetadataValue::try_from(value)) {
            self.0.insert(key, value);
        }
    }
}

struct Received<'a>(&'a MetadataMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        let keys = self.0.keys();
        keys.map(|key| match key {
            KeyRef::Ascii(key) => key.as_str(),
            KeyRef::Binary(key) => key.as_str(),
        })
        .collect()
    }
}
