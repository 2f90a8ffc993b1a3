//! [`Traces`]: what driver and workers do, told to a collector of OpenTelemetry's protocol (OTLP over gRPC). Only when the
//! environment names one, by OpenTelemetry's own variables. Spans are sent in the background; those that can't be are dropped.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

/// OpenTelemetry's variables: one of the first two names the collector, the others change or forbid what is sent.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// The one protocol that is spoken here.
const GRPC: &str = "grpc";
/// How long the end of the process waits for its last spans to be sent.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// The way to a collector.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// The collector that the environment names, for a process that calls itself `service` if the environment does not
    /// name that too. `None` if no collector is named. Must be called inside the runtime, which will do the sending.
    ///
    /// # Errors
    /// Why no traces are sent although they were asked for.
    pub(crate) fn of_environment(service: &'static str) -> Result<Option<Self>, String> {
        if ENDPOINTS.iter().all(|name| variable(name).is_none())
            || variable(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true"))
            || variable(EXPORTER).is_some_and(|text| text == "none")
        {
            return Ok(None);
        }
        if let Some(protocol) = PROTOCOLS.iter().find_map(|name| variable(name))
            && protocol != GRPC
        {
            return Err(format!("the protocol is {protocol}, but only {GRPC} is spoken"));
        }
        let exporter = SpanExporter::builder()
            .with_tonic()
            .build()
            .map_err(|e| e.to_string())?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource(service))
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Some(Self { provider }))
    }

    /// What takes the spans of this program, down to rounds and tasks.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = FilterFn::new(is_told).with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("rookery"))
            .with_filter(ours)
    }

    /// Sends what is left; what the collector does not take in time is lost.
    pub(crate) fn flush(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_WITHIN) {
            tracing::info!(%error, "the last traces were not sent");
        }
    }
}

/// Our own spans, and what is logged in them. Not those of the libraries, of which one does the sending.
fn is_told(metadata: &Metadata<'_>) -> bool {
    let is_worth_it = metadata.is_span() || *metadata.level() <= Level::INFO;
    metadata.target().starts_with("rookery") && is_worth_it
}

/// Who sends.
fn resource(service: &'static str) -> Resource {
    let process = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    let resource = Resource::builder().with_attributes(process);
    let is_named = variable(SERVICE_NAME).is_some()
        || variable(RESOURCE).is_some_and(|text| {
            let mut pairs = text.split(',');
            pairs.any(|pair| pair.trim_start().starts_with("service.name="))
        });
    match is_named {
        true => resource.build(),
        false => resource.with_service_name(service).build(),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .map(|text| text.trim().to_string())
        .filter(|text| !text.is_empty())
}
