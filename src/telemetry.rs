//! Tracing: where log lines go and what is never in them.
//!
//! Rules: stderr, because stdout is data. A line stands alone; what can be searched for is a field. A failure is
//! logged once, at the boundary that handles it, under the request's id. Never a token, a password, a
//! body or an attribute value; DNs, which hold names, at debug only, but for the entry that a failure is about.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Starts logging at a level such as `info`, or by directives such as `info,scimbridge=debug`. `quiet` holds
/// directives for libraries that talk too much; those of the operator come after it and win.
pub fn start(format: Format, level: &str, quiet: &str) {
    let filter = EnvFilter::try_new(format!("{quiet},{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        Format::Json => lines.json().init(),
    }
}
