//! What can be seen of the program from outside: log lines, traces, metrics. Anything may be told here from anywhere.
//!
//! Not what was done to the directory, which the store keeps. Invariant: never a token, a password, a body or an
//! attribute value, in none of the three; and no metric has a label that grows with the number of users.

mod exposition;
mod json;
mod log;
mod series;
mod traces;

pub use exposition::{Exporter, ExporterError, seconds_since_epoch};
pub use log::{Format, Logging, start};
pub use series::*;
pub use traces::{Traces, TracesError};
