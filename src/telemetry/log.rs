//! Log lines: where they go and what is never in them.
//!
//! Rules: stderr, because stdout is data. A line stands alone; what can be searched for is a field. A failure is
//! logged once, at the boundary that handles it, under the request's id. Never a token, a password, a
//! body or an attribute value; DNs, which hold names, at debug only, but for the entry that a failure is about.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use super::json::Flat;
use super::traces::{Traces, TracesError};

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people when stderr is a terminal, else for programs.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// What is logged, how, and where traces go.
#[derive(Clone, Copy, Debug)]
pub struct Logging<'a> {
    /// The form of the lines.
    pub format: Format,
    /// A level such as `info`, or directives such as `info,scimbridge=debug`.
    pub level: &'a str,
    /// Directives for libraries that talk too much; those of the operator come after them and win.
    pub quiet: &'a str,
    /// The OpenTelemetry collector that spans are sent to; `None`: they are not.
    pub otlp_endpoint: Option<&'a str>,
}

/// Starts logging, and the sending of traces, which the caller finishes.
///
/// # Errors
/// The collector's address cannot be used.
pub fn start(logging: &Logging<'_>) -> Result<Option<Traces>, TracesError> {
    let directives = format!("{},{}", logging.quiet, logging.level);
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let traces = logging.otlp_endpoint.map(Traces::to).transpose()?;
    // What is sent is ours alone, whatever is logged: libraries have spans of their own.
    let ours = Targets::new().with_target(env!("CARGO_PKG_NAME"), LevelFilter::INFO);
    let sent = traces.as_ref().map(|traces| traces.layer().with_filter(ours));
    tracing_subscriber::registry().with(lines(logging.format).with_filter(filter)).with(sent).init();
    log_panics();
    Ok(traces)
}

fn lines<S: Subscriber + for<'span> LookupSpan<'span>>(format: Format) -> Box<dyn Layer<S> + Send + Sync> {
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Auto if !is_terminal => lines.fmt_fields(JsonFields::new()).event_format(Flat).boxed(),
        Format::Json => lines.fmt_fields(JsonFields::new()).event_format(Flat).boxed(),
        Format::Auto | Format::Text => lines.with_ansi(is_terminal).with_target(false).boxed(),
    }
}

/// A panic is a line like any other, under the request's id: what the standard library writes is neither.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let said = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, said = said.unwrap_or_default(), "panicked");
    }));
}
