//! The metrics as Prometheus reads them.
//!
//! What happens is counted as it happens, from when the exporter is there; what is so, such as how much is pending, is
//! looked up when somebody asks, and forgotten: a token that is gone is not shown.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::series::{BUILD, PROCESS_START, begin_at_zero, describe, show};

/// Where durations are told apart, in seconds: what a directory takes for one operation, up to when it is given up.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// What metrics that are durations end in.
const DURATION: &str = "_duration_seconds";

/// Why nothing can be counted.
#[derive(Debug, thiserror::Error)]
#[error("cannot count anything for metrics")]
pub struct ExporterError(#[from] BuildError);

/// What was counted, for who asks.
#[derive(Clone, Debug)]
pub struct Exporter {
    counted: Arc<PrometheusHandle>,
    started: f64,
}

impl Exporter {
    /// Counts from now on. Once in a process.
    ///
    /// # Errors
    /// It does already.
    pub fn start() -> Result<Exporter, ExporterError> {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Suffix(DURATION.to_owned()), &SECONDS)?;
        let counted = Arc::new(builder.install_recorder()?);
        describe();
        begin_at_zero();
        Ok(Exporter { counted, started: seconds_since_epoch() })
    }

    /// All metrics as text: what was counted, then what `look` shows.
    pub fn render(&self, look: impl FnOnce()) -> String {
        // A recorder for this one answer, so that nothing is shown that is no longer so.
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1);
            show(PROCESS_START, self.started);
            look();
        });
        self.counted.render() + &recorder.handle().render()
    }

    /// Sums up what was measured: without it and without anybody who asks, memory would fill with single measurements.
    pub fn sum_up(&self) {
        self.counted.run_upkeep();
    }
}

/// The present time, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "here is the clock of metrics")]
pub fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
