//! `GET /metrics`, at an address of its own and nothing else there: what monitoring asks.
//!
//! No token is asked for: it is for an address that only the machine or its own network reaches. Invariant: nothing is
//! shown that names or counts anybody in particular.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::tls::Certificate;
use crate::store::{Backlog, Census, Credential, Drift, Error, Reconciled, Store};
use crate::telemetry::{self, Exporter, Stopwatch, Up, seconds_since_epoch};

/// The media type of Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long a count of everything is taken to be right: it costs the size of the store.
const CENSUS_LASTS: Duration = Duration::from_secs(60);
/// How often measurements are summed up when nobody asks for them.
const SUM_UP_EVERY: Duration = Duration::from_secs(10);

/// What is looked up when somebody asks for metrics.
pub struct Measures {
    store: Arc<dyn Store>,
    certificate: Option<Arc<Certificate>>,
    exporter: Exporter,
    census: Mutex<Option<(Stopwatch, Census)>>,
}

impl Measures {
    /// The metrics of a store, of the certificate that clients are shown, and of what the exporter counts.
    pub fn new(store: Arc<dyn Store>, certificate: Option<Arc<Certificate>>, exporter: Exporter) -> Measures {
        Measures { store, certificate, exporter, census: Mutex::new(None) }
    }

    async fn look(&self) -> Result<Seen, Error> {
        Ok(Seen {
            census: self.census().await?,
            backlog: self.store.backlog().await?,
            size: self.store.size()?,
            reconciliations: self.store.reconciliations().await?,
            tokens: self.store.credentials().await?,
        })
    }

    async fn census(&self) -> Result<Census, Error> {
        let known = *self.census.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, census)) = known.filter(|(counted, _)| counted.elapsed() < CENSUS_LASTS) {
            return Ok(census);
        }
        let (counted, census) = (Stopwatch::start(), self.store.census().await?);
        *self.census.lock().unwrap_or_else(PoisonError::into_inner) = Some((counted, census));
        Ok(census)
    }
}

/// What was looked up.
struct Seen {
    census: Census,
    backlog: Backlog,
    size: u64,
    reconciliations: Vec<Reconciled>,
    tokens: Vec<Credential>,
}

/// Shows metrics until `stopping`.
///
/// # Errors
/// The listener fails.
pub async fn serve_metrics(listener: TcpListener, measures: Measures, stopping: CancellationToken) -> io::Result<()> {
    let summing_up = {
        let (exporter, stopping) = (measures.exporter.clone(), stopping.clone());
        async move {
            while stopping.run_until_cancelled(tokio::time::sleep(SUM_UP_EVERY)).await.is_some() {
                exporter.sum_up();
            }
        }
    };
    tokio::spawn(summing_up);
    let app = Router::new().route("/metrics", get(metrics)).with_state(Arc::new(measures));
    axum::serve(listener, app).with_graceful_shutdown(stopping.cancelled_owned()).await
}

async fn metrics(State(measures): State<Arc<Measures>>) -> impl IntoResponse {
    let seen = measures.look().await;
    if let Err(error) = &seen {
        tracing::warn!(error = error as &dyn std::error::Error, "cannot look up what metrics tell of the store");
    }
    let text = measures.exporter.render(|| {
        if let Some(ends) = measures.certificate.as_ref().and_then(|certificate| since_epoch(certificate.ends())) {
            telemetry::show(telemetry::TLS_CERTIFICATE_EXPIRY, ends);
        }
        match &seen {
            Ok(seen) => seen.show(),
            Err(_) => telemetry::show_store_up(Up::No),
        }
    });
    ([(CONTENT_TYPE, TEXT)], text)
}

impl Seen {
    fn show(&self) {
        telemetry::show_store_up(Up::Yes);
        telemetry::show(telemetry::STORE_SIZE, number(self.size));
        telemetry::show(telemetry::USERS, number(self.census.users));
        telemetry::show(telemetry::GROUPS, number(self.census.groups));
        telemetry::show(telemetry::MEMBERSHIPS, number(self.census.memberships));
        telemetry::show(telemetry::PENDING_RESOURCES, number(self.backlog.resources));
        let oldest = self.backlog.oldest.as_deref().and_then(seconds);
        let age = oldest.map(|oldest| (seconds_since_epoch() - oldest).max(0.0));
        telemetry::show(telemetry::PENDING_OLDEST_AGE, age.unwrap_or_default());
        telemetry::show_token_expiries(expiries(&self.tokens));
        self.show_reconciliations();
    }

    fn show_reconciliations(&self) {
        for ended in &self.reconciliations {
            let finished = seconds(&ended.finished).unwrap_or_default();
            telemetry::show_reconcile_last_run(ended.conclusion.as_str(), finished);
        }
        let success = self.reconciliations.iter().find(|ended| ended.is_success());
        let success = success.and_then(|ended| seconds(&ended.finished));
        telemetry::show(telemetry::RECONCILE_LAST_SUCCESS, success.unwrap_or_default());
        if let Some(last) = self.reconciliations.first()
            && let (Some(started), Some(finished)) = (seconds(&last.started), seconds(&last.finished))
        {
            telemetry::show(telemetry::RECONCILE_LAST_DURATION, finished - started);
        }
        // One that could not compare says nothing of what there was before it.
        if let Some(drift) = self.reconciliations.iter().find_map(|ended| ended.drift) {
            telemetry::show(telemetry::RECONCILE_DRIFT_RESOURCES, number(drift.resources));
            let Drift { resources: _, adds, modifies, renames, deletes } = drift;
            for (operation, changes) in [("add", adds), ("modify", modifies), ("rename", renames), ("delete", deletes)]
            {
                telemetry::show_reconcile_drift_changes(operation, number(changes));
            }
        }
    }
}

/// When each token expires, by its name, in seconds since 1970; those that never do are left out.
fn expiries(tokens: &[Credential]) -> Vec<(String, f64)> {
    let expiry = |token: &Credential| Some((token.label(), token.expires().and_then(seconds)?));
    tokens.iter().filter_map(expiry).collect()
}

/// A time as the store keeps it, in seconds since 1970.
fn seconds(time: &str) -> Option<f64> {
    humantime::parse_rfc3339(time).ok().and_then(since_epoch)
}

fn since_epoch(time: SystemTime) -> Option<f64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|age| age.as_secs_f64())
}

fn number(count: u64) -> f64 {
    count as f64
}
