//! What Entra can ask: the SCIM endpoints over HTTP.
//!
//! A handler parses, calls the bridge or reads the store, and answers; it never builds a change of the
//! directory. Invariant: every answer of a handler is SCIM's, errors included, and no handler runs before the
//! token was looked at; but for `oauth`, which gives out tokens, and `health`, which tells nothing of users and groups.

mod auth;
mod bulk;
mod caller;
mod connection;
mod discovery;
mod edge;
mod error;
mod guessing;
mod health;
mod list;
mod metrics;
mod oauth;
mod pace;
mod pause;
mod proxies;
mod rate;
mod recent;
mod record;
mod request;
mod request_line;
mod resource;
pub mod tls;
mod write;

pub use auth::{Auth, AuthSettings, FetchError, IssuerSettings, KeySource, NamedBy, Refusal};
pub use edge::{Edge, EdgeSettings};
pub use error::Failure;
pub use metrics::{Measures, serve_metrics};
pub use oauth::PATH as TOKEN_ENDPOINT;
pub use pace::Patience;
pub use rate::Rate;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use caller::Caller;
use health::Unremarkable;
use pause::Paused;

use crate::scim::{Kind, Schema};
use crate::settle::Bridge;
use crate::store::Store;
use crate::telemetry::RequestInFlight;

/// What clients may do with a kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// POST.
    pub create: bool,
    /// PUT and PATCH.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
}

/// What the handlers need.
pub struct Service {
    /// Who is let through to the handlers, and how much of it.
    pub edge: Edge,
    /// The way to every write.
    pub bridge: Bridge,
    /// What is read.
    pub store: Arc<dyn Store>,
    /// What clients are told the service's address is.
    pub base_url: String,
    /// Its path, without a slash at the end.
    pub base_path: String,
    /// By what clients are let in.
    pub auth: Auth,
    /// What may be done with users.
    pub users: Allowed,
    /// What may be done with groups; `None` when they are not offered.
    pub groups: Option<Allowed>,
    /// Writes under way: they go on when a client hangs up, and the service ends after them.
    pub writes: TaskTracker,
    /// Set once the service is to end.
    pub stopping: CancellationToken,
}

impl Service {
    /// What may be done with that kind of resource; `None` when it is not offered.
    fn allowed(&self, kind: Kind) -> Option<Allowed> {
        match kind {
            Kind::User => Some(self.users),
            Kind::Group => self.groups,
        }
    }

    /// The kinds that are offered.
    fn kinds(&self) -> Vec<Kind> {
        [Kind::User, Kind::Group].into_iter().filter(|kind| self.allowed(*kind).is_some()).collect()
    }

    /// What is known of their attributes.
    fn schemas(&self) -> Vec<&Schema> {
        self.kinds().into_iter().map(|kind| self.bridge.schema_of(kind)).collect()
    }
}

/// Answers requests until the service is to end, and those then under way to their end.
///
/// # Errors
/// TLS cannot be had.
pub async fn serve(listener: TcpListener, service: Arc<Service>) -> io::Result<()> {
    let paused = Arc::new(Paused::default());
    paused.look(&*service.store).await;
    tokio::spawn(paused.clone().keep_looking(service.store.clone(), service.stopping.clone()));
    if let Some(certificate) = service.edge.certificate() {
        tokio::spawn(certificate.clone().keep_current(service.stopping.clone()));
    }
    let plain: fn(Request) -> Request = request::with_plain_path;
    let app = tower::util::MapRequest::new(router(service.clone(), paused), plain);
    connection::accept(listener, app, &service.edge, &service.stopping).await?;
    service.writes.close();
    service.writes.wait().await;
    Ok(())
}

fn router(service: Arc<Service>, paused: Arc<Paused>) -> Router {
    let mut scim = Router::new()
        .route("/ServiceProviderConfig", get(discovery::service_provider_config))
        .route("/ResourceTypes", get(discovery::resource_types))
        .route("/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/Schemas", get(discovery::schemas))
        .route("/Schemas/{id}", get(discovery::schema))
        .route("/", get(resource::search_everything))
        .route("/.search", post(resource::search_everything_by_post))
        .route("/Bulk", post(bulk::bulk))
        .route("/Me", any(no_me))
        .route("/Me/{*rest}", any(no_me));
    for kind in service.kinds() {
        scim = scim.merge(resource::routes(kind));
    }
    let base = if service.base_path.is_empty() {
        Router::new().merge(scim)
    } else {
        Router::new().nest(&service.base_path, scim)
    };
    // Read from below: the last layer is the first that sees a request.
    base.route(oauth::PATH, post(oauth::token))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(paused.clone(), pause::put_off))
        .layer(middleware::from_fn_with_state(service.clone(), refuse_when_stopping))
        .layer(middleware::from_fn_with_state(service.clone(), edge::limit))
        .layer(middleware::from_fn_with_state(service.clone(), auth::require_token))
        .layer(middleware::from_fn_with_state(service.clone(), edge::slow_guesses_down))
        .layer(middleware::from_fn_with_state(service.clone(), edge::refuse_strangers))
        .merge(health::routes(service.clone(), paused))
        .layer(middleware::from_fn_with_state(service.clone(), edge::time_bodies))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Failure::Internal(format!("a handler panicked: {said}")).into_response()
        }))
        .layer(middleware::from_fn_with_state(service.clone(), log_request))
        .with_state(service)
}

async fn no_such_path(request: Request) -> Failure {
    Failure::NoSuchPath(request.uri().path().to_owned())
}

/// RFC 7644 §3.11: a token stands for a client, not for a user.
async fn no_me() -> Failure {
    Failure::NotImplemented("/Me: its tokens stand for no user")
}

async fn wrong_method(request: Request) -> Failure {
    Failure::WrongMethod(request.method().clone())
}

async fn refuse_when_stopping(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if service.stopping.is_cancelled() {
        return Failure::Stopping.into_response();
    }
    next.run(request).await
}

/// One line per request: no query, which holds names, and no header, which holds the token.
async fn log_request(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let caller = Caller::of(&request, service.edge.trusted_proxies());
    let (id, address) = (caller.request_id.clone(), caller.address);
    request.extensions_mut().insert(caller);
    let span = tracing::info_span!("request", request.id = %id);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let counted = RequestInFlight::come(method.as_str(), route);
    async move {
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        let milliseconds = format!("{:.1}", counted.answered(status).as_secs_f64() * 1000.0);
        let address = address.map(tracing::field::display);
        if response.extensions().get::<Unremarkable>().is_some() {
            tracing::debug!(%method, path, status, milliseconds, address, "answered");
        } else {
            tracing::info!(%method, path, status, milliseconds, address, "answered");
        }
        if let Ok(id) = id.parse() {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }
    .instrument(span)
    .await
}
