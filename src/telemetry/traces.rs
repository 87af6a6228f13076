//! Traces: the spans of requests, sent to an OpenTelemetry collector by OTLP over HTTP.
//!
//! Not needed for anything: what cannot be sent is dropped, and the log says so once. Headers that a collector wants,
//! such as a token, come by the variable that the specification names, `OTEL_EXPORTER_OTLP_HEADERS`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

const PATIENCE: Duration = Duration::from_secs(10);
/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot send traces to {endpoint}")]
pub struct TracesError {
    endpoint: String,
    #[source]
    source: ExporterBuildError,
}

/// The sending of spans to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    pub(super) fn to(endpoint: &str) -> Result<Traces, TracesError> {
        let failed = |source| TracesError { endpoint: endpoint.to_owned(), source };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/').trim_end_matches(PATH)))
            .build()
            .map_err(failed)?;
        let resource = Resource::builder().with_service_name(env!("CARGO_PKG_NAME"));
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        // Sends in batches, from a thread of its own.
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Traces { provider })
    }

    pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> OpenTelemetryLayer<S, Tracer> {
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false)
    }

    /// Sends what is left.
    pub async fn finish(self) {
        // It waits for the thread that sends, and must not keep the others from working meanwhile.
        _ = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
    }
}

/// Says of the request whose span this is what OpenTelemetry's conventions call for.
pub(super) fn describe_request(method: &'static str, route: &str, status: u16) {
    let span = tracing::Span::current();
    span.set_attribute("http.request.method", method);
    span.set_attribute("http.route", route.to_owned());
    span.set_attribute("http.response.status_code", i64::from(status));
}

/// The way to the collector. Blocks, which is what the sending thread is for.
#[derive(Debug)]
struct Client {
    agent: ureq::Agent,
    /// Whether the last attempt failed: an outage is told when it begins and when it ends.
    fails: AtomicBool,
}

impl Client {
    fn new() -> Client {
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots = roots.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots.collect::<Vec<_>>()))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let settings = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(PATIENCE))
            // What a status means is the exporter's to judge.
            .http_status_as_error(false);
        Client { agent: settings.build().into(), fails: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (parts, body) = request.into_parts();
        let (parts, mut body) = self.agent.run(Request::from_parts(parts, body.to_vec()))?.into_parts();
        Ok(Response::from_parts(parts, Bytes::from(body.read_to_vec()?)))
    }

    fn note(&self, failure: Option<String>) {
        let failed = self.fails.swap(failure.is_some(), Ordering::Relaxed);
        match (failed, failure) {
            (false, Some(error)) => tracing::warn!(error, "traces cannot be sent, and are dropped until they can"),
            (true, None) => tracing::info!("traces are sent again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        self.note(match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        });
        Ok(sent?)
    }
}
