//! The endpoints that tell what the service offers (RFC 7644 §4).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Uri;
use serde_json::Value;

use super::error::Scim;
use super::request::{Query, Segment};
use super::{Failure, Service};
use crate::scim::{Kind, discovery};

pub(super) async fn service_provider_config(State(service): State<Arc<Service>>) -> Scim {
    Scim(discovery::service_provider_config(&service.base_url, service.bridge.schema_of(Kind::User)))
}

pub(super) async fn resource_types(State(service): State<Arc<Service>>, uri: Uri) -> Result<Scim, Failure> {
    list(discovery::resource_types(&service.base_url, &service.schemas()), &uri)
}

pub(super) async fn resource_type(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    request: Request,
) -> Result<Scim, Failure> {
    one(discovery::resource_types(&service.base_url, &service.schemas()), &id, &request)
}

pub(super) async fn schemas(State(service): State<Arc<Service>>, uri: Uri) -> Result<Scim, Failure> {
    list(discovery::schemas(&service.base_url, &service.schemas()), &uri)
}

pub(super) async fn schema(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    request: Request,
) -> Result<Scim, Failure> {
    one(discovery::schemas(&service.base_url, &service.schemas()), &id, &request)
}

/// Paging and sorting are ignored here, and a filter is refused, lest a client believe that it was heard
/// (RFC 7644 §4).
fn list(documents: Vec<Value>, uri: &Uri) -> Result<Scim, Failure> {
    if Query::read(uri)?.filter().is_some() {
        return Err(Failure::NoFilterHere);
    }
    Ok(Scim(discovery::list(documents)))
}

fn one(documents: Vec<Value>, id: &str, request: &Request) -> Result<Scim, Failure> {
    let is_it = |document: &Value| {
        document.get("id").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(id))
    };
    let found = documents.into_iter().find(is_it);
    found.map(Scim).ok_or_else(|| Failure::NoSuchPath(request.uri().path().to_owned()))
}
