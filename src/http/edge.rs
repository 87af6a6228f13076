//! The edge of the service, which the internet touches: what is let through to the handlers, and how much of it.
//!
//! Each layer here refuses in SCIM's form. The order is that of the router: networks, then guessing, then the token, and
//! only for those who have one how many and how often. Invariant: who has no token can neither use up what those who
//! have one need, nor learn more than that a token is needed.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::auth::Grant;
use super::caller::Caller;
use super::guessing::{Guard, RetryAfter, Verdict};
use super::pace::{self, Patience};
use super::proxies::any_contains;
use super::rate::{Rate, Rates};
use super::recent::{Origin, Recent};
use super::tls::Certificate;
use super::{Failure, Service};

/// How much later a refused token hears so: with as many connections as there may be, guesses are few.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);
/// After how long the log speaks of the same stranger again.
const STRANGER_AGAIN: Duration = Duration::from_secs(60 * 60);
/// How many strangers the log speaks of in a minute.
const STRANGERS_A_MINUTE: u32 = 10;
const STRANGERS: usize = 1_000;
const A_MINUTE: Duration = Duration::from_secs(60);

/// What an operator decided of the edge.
#[derive(Debug)]
pub struct EdgeSettings {
    /// With what TLS is ended; `None` where another does it.
    pub certificate: Option<Arc<Certificate>>,
    /// Who is believed when it says for whom it asks.
    pub trusted_proxies: Vec<IpNet>,
    /// From where clients are heard; empty: from everywhere.
    pub allowed_networks: Vec<IpNet>,
    /// How many connections are open at most.
    pub max_connections: usize,
    /// How many requests with a good token are answered at a time.
    pub max_requests_in_flight: usize,
    /// How many requests one token may send; `None`: any number.
    pub rate: Option<Rate>,
    /// How long a client may take.
    pub patience: Patience,
}

/// The edge, with what it remembers.
#[derive(Debug)]
pub struct Edge {
    settings: EdgeSettings,
    guard: Guard,
    rates: Option<Rates>,
    in_flight: Semaphore,
    log: Mutex<Noted>,
}

/// Of what the log has spoken.
#[derive(Debug)]
struct Noted {
    strangers: Recent<Origin, Instant>,
    since: Instant,
    count: u32,
    full: Option<Instant>,
}

impl Edge {
    /// An edge that has seen nobody yet.
    pub fn new(settings: EdgeSettings) -> Edge {
        Edge {
            guard: Guard::new(),
            rates: settings.rate.map(Rates::new),
            in_flight: Semaphore::new(settings.max_requests_in_flight.min(Semaphore::MAX_PERMITS)),
            log: Mutex::new(Noted { strangers: Recent::new(STRANGERS), since: Instant::now(), count: 0, full: None }),
            settings,
        }
    }

    /// What clients are shown where TLS ends here.
    pub fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.settings.certificate.as_ref()
    }

    pub(super) fn max_connections(&self) -> usize {
        self.settings.max_connections.min(Semaphore::MAX_PERMITS)
    }

    pub(super) fn patience(&self) -> Patience {
        self.settings.patience
    }

    pub(super) fn trusted_proxies(&self) -> &[IpNet] {
        &self.settings.trusted_proxies
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        self.settings.allowed_networks.is_empty() || any_contains(&self.settings.allowed_networks, address)
    }

    /// Says that no more connections are accepted, once a minute.
    pub(super) fn note_full(&self) {
        let now = Instant::now();
        let mut noted = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.full.is_none_or(|last| now.duration_since(last) >= A_MINUTE) {
            noted.full = Some(now);
            let most = self.settings.max_connections;
            tracing::warn!("server.max_connections: {most} connections are open, and others wait");
        }
    }

    /// Says that somebody was refused for where they are: once for each, and not for too many of them.
    fn note_stranger(&self, address: IpAddr) {
        let now = Instant::now();
        let mut noted = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = Origin::from(address);
        let is_known = noted.strangers.get(&origin).is_some_and(|last| now.duration_since(*last) < STRANGER_AGAIN);
        if is_known {
            return;
        }
        if now.duration_since(noted.since) >= A_MINUTE {
            (noted.since, noted.count) = (now, 0);
        }
        noted.count += 1;
        match noted.count {
            // Of those who are not spoken of now the log speaks when they come again.
            ..=STRANGERS_A_MINUTE => {
                *noted.strangers.seen(&origin, now, || now) = now;
                tracing::warn!(%address, "refused: the address is not in auth.allowed_networks");
            }
            count if count == STRANGERS_A_MINUTE + 1 => {
                tracing::warn!("refused: more addresses that are not in auth.allowed_networks");
            }
            _ => {}
        }
    }
}

fn address(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Caller>().and_then(|caller| caller.address)
}

/// Refuses who is not in `auth.allowed_networks`.
pub(super) async fn refuse_strangers(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    match address(&request) {
        Some(address) if !service.edge.is_allowed(address) => {
            service.edge.note_stranger(address);
            Failure::Stranger(address).into_response()
        }
        _ => next.run(request).await,
    }
}

/// The same where no user or group is shown: whoever watches the service from this machine, or is a trusted proxy
/// itself, may be elsewhere than its clients.
pub(super) async fn refuse_strangers_but_neighbours(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    match address(&request) {
        Some(address) if address.is_loopback() || any_contains(service.edge.trusted_proxies(), address) => {
            next.run(request).await
        }
        _ => refuse_strangers(State(service), request, next).await,
    }
}

/// Does not hear who guesses, and lets who was refused wait a little. By the status of the answer, so that it is for
/// whatever looks at tokens to say who is refused.
pub(super) async fn slow_guesses_down(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let Some(address) = address(&request) else {
        return next.run(request).await;
    };
    let guard = &service.edge.guard;
    if let Err(RetryAfter(left)) = guard.check(address) {
        return Failure::TooManyGuesses(left).into_response();
    }
    let is_forwarded = request.headers().contains_key("x-forwarded-for") || request.headers().contains_key("forwarded");
    let response = next.run(request).await;
    match response.status() {
        StatusCode::UNAUTHORIZED => {
            if let Verdict::ShutOut(RetryAfter(silence)) = guard.refused(address) {
                let seconds = silence.as_secs();
                tracing::warn!(%address, seconds, "too many tokens were refused: nothing is heard from there for a while");
                if is_forwarded && !any_contains(service.edge.trusted_proxies(), address) {
                    let hint = "if that is your own proxy, name it in server.trusted_proxies";
                    tracing::warn!(%address, hint, "requests from there say that they are forwarded");
                }
            }
            tokio::select! {
                () = service.stopping.cancelled() => {}
                () = tokio::time::sleep(REFUSAL_DELAY) => {}
            }
        }
        // Whatever else is answered may be answered to anybody.
        status if status.is_success() => guard.accepted(address),
        _ => {}
    }
    response
}

/// How many requests there may be at a time, and how many a second from one token.
pub(super) async fn limit(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if let (Some(rates), Some(grant)) = (&service.edge.rates, request.extensions().get::<Grant>())
        && let Err(left) = rates.take(&grant.name)
    {
        return Failure::TooManyRequests(left).into_response();
    }
    let Ok(_under_way) = service.edge.in_flight.try_acquire() else {
        return Failure::Busy.into_response();
    };
    next.run(request).await
}

/// Gives the body of a request its time, whoever reads it.
pub(super) async fn time_bodies(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    next.run(request.map(|body| pace::timed(body, service.edge.settings.patience.body))).await
}
