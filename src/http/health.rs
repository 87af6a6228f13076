//! `/healthz` and `/readyz`: whether the service is alive, and whether it can do its work.
//!
//! Neither asks for a token, so neither says more than that: no names, no addresses, no reasons, which the log has.
//! Invariant: however often they are asked, the store and the directory are looked at once a second at most, one look at
//! a time, and each look ends in bounded time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::pause::Paused;
use super::{Service, edge};

/// How long what was found is told again.
const FRESH: Duration = Duration::from_secs(1);
/// How long a look may take. Those who ask, such as Kubernetes, seldom wait longer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// What the log does not tell at every request.
#[derive(Clone, Copy)]
pub(super) struct Unremarkable;

/// What was last found, and when.
#[derive(Default)]
struct Found(Mutex<Option<(Instant, Parts)>>);

/// What the service stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Parts {
    store: Part,
    directory: Part,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Usable,
    Unusable,
    Silent,
}

#[derive(Clone)]
struct Asked {
    service: Arc<Service>,
    paused: Arc<Paused>,
    found: Arc<Found>,
}

/// The two routes, with the state that they need.
pub(super) fn routes(service: Arc<Service>, paused: Arc<Paused>) -> Router<Arc<Service>> {
    let asked = Asked { service: service.clone(), paused, found: Arc::default() };
    Router::new()
        .route("/healthz", get(async || answer(StatusCode::OK, &json!({"status": "alive"}))))
        .route("/readyz", get(ready))
        .layer(middleware::from_fn_with_state(service, edge::refuse_strangers_but_neighbours))
        .with_state(asked)
}

/// A service that is paused is ready: it answers, and what it answers is what the administrator wants. Were it not,
/// whoever watches it would take it out of use or start it anew.
async fn ready(State(asked): State<Asked>) -> Response {
    let parts = asked.found.now(&asked.service).await;
    let is_stopping = asked.service.stopping.is_cancelled();
    let is_ready = parts == Parts { store: Part::Usable, directory: Part::Usable } && !is_stopping;
    let (status, word) = match (is_ready, is_stopping) {
        (true, _) => (StatusCode::OK, "ready"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let body = json!({
        "status": word,
        "store": parts.store.word(),
        "directory": parts.directory.word(),
        "paused": asked.paused.now().is_some(),
    });
    answer(status, &body)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (status, headers, body.to_string()).into_response();
    response.extensions_mut().insert(Unremarkable);
    response
}

impl Found {
    async fn now(&self, service: &Service) -> Parts {
        // Who asks meanwhile waits for what is being found out.
        let mut found = self.0.lock().await;
        if let Some((when, parts)) = &*found
            && when.elapsed() < FRESH
        {
            return *parts;
        }
        let before = found.as_ref().map(|(_, parts)| *parts);
        let (store, directory) = tokio::join!(
            timeout(LONGEST_LOOK, service.store.prove_writable()),
            timeout(LONGEST_LOOK, service.bridge.reach_directory()),
        );
        let parts = Parts {
            store: Part::of(store.map(|found| found.map_err(|error| note("the store cannot be written", &error)))),
            directory: Part::of(directory.map(|found| found.map_err(|error| note("no directory", &error)))),
        };
        if before.is_some_and(|before| before != parts) {
            let (store, directory) = (parts.store.word(), parts.directory.word());
            tracing::warn!(store, directory, "what the service stands on has changed");
        }
        *found = Some((Instant::now(), parts));
        parts
    }
}

fn note(what: &'static str, error: &(dyn std::error::Error + 'static)) {
    tracing::debug!(error, "not ready: {what}");
}

impl Part {
    fn of(found: Result<Result<(), ()>, tokio::time::error::Elapsed>) -> Part {
        match found {
            Ok(Ok(())) => Part::Usable,
            Ok(Err(())) => Part::Unusable,
            Err(_) => Part::Silent,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Part::Usable => "ok",
            Part::Unusable => "cannot be used",
            Part::Silent => "does not answer in time",
        }
    }
}
