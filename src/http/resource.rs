//! `/Users` and `/Groups`: create, read, replace, patch, delete, list (RFC 7644 §3).

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;
use tracing::Instrument;

use super::error::Scim;
use super::request::{self, Query, Segment};
use super::{Allowed, Failure, Service};
use crate::scim::filter::Search;
use crate::scim::list::{self, Paging};
use crate::scim::{Document, Draft, Kind, Patch, Projection, Resource, ResourceId};
use crate::store::Found;

type Shared = State<Arc<Service>>;

/// How many resources are read at a time where each must be looked at.
const SCAN: u32 = 500;

/// The routes of a kind of resource.
pub(super) fn routes(kind: Kind) -> Router<Arc<Service>> {
    let collection: MethodRouter<Arc<Service>> = get(move |service: Shared, uri: Uri| search(kind, service.0, uri))
        .post(move |service: Shared, request: Request| create(kind, service.0, request));
    let single: MethodRouter<Arc<Service>> =
        get(move |service: Shared, id: Segment, uri: Uri| read(kind, service.0, ResourceId(id.0), uri))
            .put(move |service: Shared, id: Segment, request: Request| {
                replace(kind, service.0, ResourceId(id.0), request)
            })
            .patch(move |service: Shared, id: Segment, request: Request| {
                patch(kind, service.0, ResourceId(id.0), request)
            })
            .delete(move |service: Shared, id: Segment| delete(kind, service.0, ResourceId(id.0)));
    let searched: MethodRouter<Arc<Service>> =
        post(move |service: Shared, request: Request| search_by_post(vec![kind], service.0, request));
    let endpoint = kind.endpoint();
    Router::new()
        .route(&format!("/{endpoint}/.search"), searched)
        .route(&format!("/{endpoint}"), collection)
        .route(&format!("/{endpoint}/{{id}}"), single)
}

async fn create(kind: Kind, service: Arc<Service>, request: Request) -> Result<Response, Failure> {
    permit(&service, kind, Action::Create)?;
    let (query, body) = take(request)?;
    let draft = Draft::read(kind, &request::json(body).await?)?;
    let bridge = service.clone();
    let created = to_its_end(&service, async move { Ok(bridge.bridge.create(kind, draft).await?) }).await?;
    let location = created.location(&service.base_url);
    let shown = show(&service, &query.projection(kind)?, &created).await?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], Scim(Value::Object(shown))).into_response())
}

async fn read(kind: Kind, service: Arc<Service>, id: ResourceId, uri: Uri) -> Result<Scim, Failure> {
    let projection = Query::read(&uri)?.projection(kind)?;
    let Some(resource) = service.store.get(kind, &id).await? else {
        return Err(Failure::NoSuchResource(kind, id));
    };
    Ok(Scim(Value::Object(show(&service, &projection, &resource).await?)))
}

async fn replace(kind: Kind, service: Arc<Service>, id: ResourceId, request: Request) -> Result<Scim, Failure> {
    permit(&service, kind, Action::Update)?;
    let (query, body) = take(request)?;
    let projection = query.projection(kind)?;
    let draft = Draft::read(kind, &request::json(body).await?)?;
    let bridge = service.clone();
    let replaced = to_its_end(&service, async move { Ok(bridge.bridge.replace(kind, &id, draft).await?) }).await?;
    Ok(Scim(Value::Object(show(&service, &projection, &replaced).await?)))
}

async fn patch(kind: Kind, service: Arc<Service>, id: ResourceId, request: Request) -> Result<Response, Failure> {
    permit(&service, kind, Action::Update)?;
    let (query, body) = take(request)?;
    let projection = query.projection(kind)?;
    let patch = Patch::read(kind, &request::json(body).await?)?;
    let bridge = service.clone();
    let patched = to_its_end(&service, async move { Ok(bridge.bridge.patch(kind, &id, patch).await?) }).await?;
    // Entra wants no member list back; a client that names attributes wants them (RFC 7644 §3.5.2).
    if kind == Kind::Group && !query.names_attributes() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Scim(Value::Object(show(&service, &projection, &patched).await?)).into_response())
}

async fn delete(kind: Kind, service: Arc<Service>, id: ResourceId) -> Result<StatusCode, Failure> {
    permit(&service, kind, Action::Delete)?;
    let bridge = service.clone();
    to_its_end(&service, async move { Ok(bridge.bridge.delete(kind, &id).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn search(kind: Kind, service: Arc<Service>, uri: Uri) -> Result<Scim, Failure> {
    list_of(&service, &[kind], &Query::read(&uri)?).await
}

/// `POST …/.search` (RFC 7644 §3.4.3): the query in a body, for what is too long or too private for a URL.
async fn search_by_post(kinds: Vec<Kind>, service: Arc<Service>, request: Request) -> Result<Scim, Failure> {
    let query = Query::from_body(&request::json(request.into_body()).await?)?;
    list_of(&service, &kinds, &query).await
}

/// `GET` and `POST /.search` of the base: users first, then groups (RFC 7644 §3.4.2.1).
pub(super) async fn search_everything(service: Shared, uri: Uri) -> Result<Scim, Failure> {
    list_of(&service, &service.kinds(), &Query::read(&uri)?).await
}

/// The same with the query in a body.
pub(super) async fn search_everything_by_post(service: Shared, request: Request) -> Result<Scim, Failure> {
    let kinds = service.kinds();
    search_by_post(kinds, service.0, request).await
}

async fn list_of(service: &Service, kinds: &[Kind], query: &Query) -> Result<Scim, Failure> {
    let paging = query.paging()?;
    // What one kind cannot be asked, none of its resources fulfils; what no kind can be asked is a mistake.
    let parsed = kinds
        .iter()
        .map(|kind| Search::parse(service.bridge.index_of(*kind), query.filter()).map(|search| (*kind, search)));
    let (searches, refused): (Vec<_>, Vec<_>) = parsed.partition(Result::is_ok);
    if let (true, Some(Err(error))) = (searches.is_empty(), refused.into_iter().next()) {
        return Err(error.into());
    }
    let (mut total, mut shown) = (0, Vec::new());
    for (kind, search) in searches.into_iter().flatten() {
        let projection = query.projection(kind)?;
        let rest = paging.after(total, shown.len());
        let found = if search.is_indexed() {
            service.store.find(kind, &search.terms, rest.start_index - 1, rest.count).await?
        } else {
            scan(service, kind, &search, rest).await?
        };
        total += found.total;
        for resource in &found.resources {
            shown.push(show(service, &projection, resource).await?);
        }
    }
    Ok(Scim(list::response(total, paging, shown)))
}

/// Looks at every resource that the terms leave, a page at a time, and keeps those of the page asked for.
async fn scan(service: &Service, kind: Kind, search: &Search, paging: Paging) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut offset = 0;
    loop {
        let page = service.store.find(kind, &search.terms, offset, SCAN).await?;
        if page.resources.is_empty() {
            return Ok(found);
        }
        offset = offset.saturating_add(SCAN);
        for resource in page.resources.into_iter().filter(|resource| search.matches(resource)) {
            found.total += 1;
            let wanted = found.total >= u64::from(paging.start_index) && found.resources.len() < paging.count as usize;
            if wanted {
                found.resources.push(resource);
            }
        }
    }
}

/// The resource as the client wants to see it. Members are read only when they are shown.
async fn show(service: &Service, projection: &Projection, resource: &Resource) -> Result<Document, Failure> {
    let members = match resource.kind {
        Kind::Group if projection.shows("members") => Some(service.store.members(&resource.id).await?),
        _ => None,
    };
    Ok(projection.apply(resource.representation(&service.base_url, members.as_deref())))
}

fn take(request: Request) -> Result<(Query, Body), Failure> {
    Ok((Query::read(request.uri())?, request.into_body()))
}

/// Carries a write to its end even when the client hangs up in the middle.
async fn to_its_end<T: Send + 'static>(
    service: &Service,
    write: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let task = service.writes.spawn(write.instrument(tracing::Span::current()));
    task.await.unwrap_or_else(|error| Err(Failure::Internal(format!("a write panicked: {error}"))))
}

#[derive(Clone, Copy)]
enum Action {
    Create,
    Update,
    Delete,
}

/// An action that the operator has switched off is 405, and nothing else changes: 401 and 403 would put
/// the whole provisioning job into quarantine.
fn permit(service: &Service, kind: Kind, action: Action) -> Result<(), Failure> {
    let Some(Allowed { create, update, delete }) = service.allowed(kind) else {
        return Err(Failure::NoSuchPath(format!("/{}", kind.endpoint())));
    };
    let (allowed, name) = match action {
        Action::Create => (create, "create"),
        Action::Update => (update, "update"),
        Action::Delete => (delete, "delete"),
    };
    if allowed {
        return Ok(());
    }
    let methods: &[(&str, bool)] = match action {
        Action::Create => &[("GET", true)],
        Action::Update | Action::Delete => &[("GET", true), ("PUT", update), ("PATCH", update), ("DELETE", delete)],
    };
    let allow: Vec<&str> = methods.iter().filter(|(_, allowed)| *allowed).map(|(method, _)| *method).collect();
    let section = kind.endpoint().to_lowercase();
    Err(Failure::SwitchedOff { setting: format!("{section}.{name}"), allow: allow.join(", ") })
}
