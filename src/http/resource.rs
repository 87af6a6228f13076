//! `/Users` and `/Groups`: create, read, replace, patch, delete, list (RFC 7644 §3).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;

use super::auth::{self, Grant};
use super::caller::{By, requester};
use super::error::Scim;
use super::record::Asked;
use super::request::{self, Query, Segment};
use super::write::{self, Action, permit, to_its_end};
use super::{Failure, Service, list};
use crate::scim::{Kind, ResourceId, version};
use crate::settle;
use crate::store::{Requester, Verb};

type Shared = State<Arc<Service>>;

/// The routes of a kind of resource.
pub(super) fn routes(kind: Kind) -> Router<Arc<Service>> {
    let collection: MethodRouter<Arc<Service>> = get(move |service: Shared, uri: Uri| search(kind, service.0, uri))
        .post(move |service: Shared, request: Request| create(kind, service.0, request));
    let single: MethodRouter<Arc<Service>> = get(move |service: Shared, id: Segment, uri: Uri, headers: HeaderMap| {
        read(kind, service.0, ResourceId(id.0), uri, headers)
    })
    .put(move |service: Shared, id: Segment, request: Request| replace(kind, service.0, ResourceId(id.0), request))
    .patch(move |service: Shared, id: Segment, request: Request| patch(kind, service.0, ResourceId(id.0), request))
    .delete(move |service: Shared, by: By, id: Segment, headers: HeaderMap| {
        delete(kind, service.0, by.0, ResourceId(id.0), headers)
    });
    let searched: MethodRouter<Arc<Service>> =
        post(move |service: Shared, request: Request| search_by_post(vec![kind], service.0, request));
    let endpoint = kind.endpoint();
    Router::new()
        .route(&format!("/{endpoint}/.search"), searched)
        .route(&format!("/{endpoint}"), collection)
        .route(&format!("/{endpoint}/{{id}}"), single)
        .route_layer(from_fn(move |request: Request, next: Next| auth::require_scope(kind, request, next)))
}

async fn create(kind: Kind, service: Arc<Service>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let by = requester(&parts.extensions)?;
    let read = async {
        permit(&service, kind, Action::Create)?;
        let projection = Query::read(&parts.uri)?.projection(service.bridge.schema_of(kind))?;
        Ok((projection, request::json(body).await?))
    };
    let (projection, body) = Asked::create(kind).unless_refused(&service, &by, read.await).await?;
    let writing = service.clone();
    let created = to_its_end(&service, async move { write::create(kind, writing, &by, body).await }).await?;
    let headers = [(LOCATION, created.location(&service.base_url)), (ETAG, version::tag(created.version))];
    let shown = list::show(&service, &projection, created).await?;
    Ok((StatusCode::CREATED, headers, Scim(Value::Object(shown))).into_response())
}

async fn read(
    kind: Kind,
    service: Arc<Service>,
    id: ResourceId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let projection = Query::read(&uri)?.projection(service.bridge.schema_of(kind))?;
    let Some(resource) = service.store.get(kind, &id).await? else {
        return Err(Failure::NoSuchResource(kind, id));
    };
    let precondition = request::precondition(&headers);
    let tag = [(ETAG, version::tag(resource.version))];
    // RFC 9110 §13.2.2: If-Match is looked at first.
    if precondition.matches.as_ref().is_some_and(|versions| !versions.include(resource.version)) {
        return Err(settle::Error::OtherVersion { id, settled: resource.version }.into());
    }
    if precondition.is_known(resource.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    let shown = list::show(&service, &projection, resource).await?;
    Ok((tag, Scim(Value::Object(shown))).into_response())
}

async fn replace(kind: Kind, service: Arc<Service>, id: ResourceId, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let by = requester(&parts.extensions)?;
    let read = async {
        permit(&service, kind, Action::Update)?;
        let projection = Query::read(&parts.uri)?.projection(service.bridge.schema_of(kind))?;
        Ok((projection, request::json(body).await?))
    };
    let (projection, body) = Asked::of(Verb::Replace, kind, &id).unless_refused(&service, &by, read.await).await?;
    let precondition = request::precondition(&parts.headers);
    let writing = service.clone();
    let write = async move { write::replace(kind, writing, &by, id, body, precondition).await };
    let replaced = to_its_end(&service, write).await?;
    let tag = [(ETAG, version::tag(replaced.version))];
    let shown = list::show(&service, &projection, replaced).await?;
    Ok((tag, Scim(Value::Object(shown))).into_response())
}

async fn patch(kind: Kind, service: Arc<Service>, id: ResourceId, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let by = requester(&parts.extensions)?;
    let read = async {
        permit(&service, kind, Action::Update)?;
        let query = Query::read(&parts.uri)?;
        let projection = query.projection(service.bridge.schema_of(kind))?;
        Ok((query, projection, request::json(body).await?))
    };
    let (query, projection, body) = Asked::of(Verb::Patch, kind, &id).unless_refused(&service, &by, read.await).await?;
    let precondition = request::precondition(&parts.headers);
    let writing = service.clone();
    let write = async move { write::patch(kind, writing, &by, id, body, precondition).await };
    let patched = to_its_end(&service, write).await?;
    let tag = [(ETAG, version::tag(patched.version))];
    // Entra wants no member list back; a client that names attributes wants them (RFC 7644 §3.5.2).
    if kind == Kind::Group && !query.names_attributes() {
        return Ok((StatusCode::NO_CONTENT, tag).into_response());
    }
    let shown = list::show(&service, &projection, patched).await?;
    Ok((tag, Scim(Value::Object(shown))).into_response())
}

async fn delete(
    kind: Kind,
    service: Arc<Service>,
    by: Requester,
    id: ResourceId,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let permitted = permit(&service, kind, Action::Delete);
    Asked::of(Verb::Delete, kind, &id).unless_refused(&service, &by, permitted).await?;
    let (precondition, writing) = (request::precondition(&headers), service.clone());
    to_its_end(&service, async move { write::delete(kind, writing, &by, id, precondition).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn search(kind: Kind, service: Arc<Service>, uri: Uri) -> Result<Scim, Failure> {
    Ok(Scim(list::list_of(&service, &[kind], &Query::read(&uri)?).await?))
}

/// `POST …/.search` (RFC 7644 §3.4.3): the query in a body, for what is too long or too private for a URL.
async fn search_by_post(kinds: Vec<Kind>, service: Arc<Service>, request: Request) -> Result<Scim, Failure> {
    let query = Query::from_body(&request::json(request.into_body()).await?)?;
    list::list_of(&service, &kinds, &query).await.map(Scim)
}

/// `GET` and `POST /.search` of the base: users first, then groups (RFC 7644 §3.4.2.1); of them what the token allows
/// to be read.
pub(super) async fn search_everything(service: Shared, grant: Grant, uri: Uri) -> Result<Scim, Failure> {
    let kinds = grant.readable(service.kinds())?;
    list::list_of(&service, &kinds, &Query::read(&uri)?).await.map(Scim)
}

/// The same with the query in a body.
pub(super) async fn search_everything_by_post(
    service: Shared,
    grant: Grant,
    request: Request,
) -> Result<Scim, Failure> {
    let kinds = grant.readable(service.kinds())?;
    search_by_post(kinds, service.0, request).await
}
