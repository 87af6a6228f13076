//! The endpoints that tell what the service offers (RFC 7644 §4).

use std::sync::Arc;

use axum::extract::{Request, State};
use serde_json::Value;

use super::error::Scim;
use super::request::Segment;
use super::{Failure, Service};
use crate::scim::discovery;

pub(super) async fn service_provider_config(State(service): State<Arc<Service>>) -> Scim {
    Scim(discovery::service_provider_config(&service.base_url))
}

pub(super) async fn resource_types(State(service): State<Arc<Service>>) -> Scim {
    Scim(discovery::list(discovery::resource_types(&service.base_url, &service.kinds())))
}

pub(super) async fn resource_type(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    request: Request,
) -> Result<Scim, Failure> {
    one(discovery::resource_types(&service.base_url, &service.kinds()), &id, &request)
}

pub(super) async fn schemas(State(service): State<Arc<Service>>) -> Scim {
    Scim(discovery::list(discovery::schemas(&service.base_url, &service.kinds())))
}

pub(super) async fn schema(
    State(service): State<Arc<Service>>,
    Segment(id): Segment,
    request: Request,
) -> Result<Scim, Failure> {
    one(discovery::schemas(&service.base_url, &service.kinds()), &id, &request)
}

fn one(documents: Vec<Value>, id: &str, request: &Request) -> Result<Scim, Failure> {
    let is_it = |document: &Value| {
        document.get("id").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(id))
    };
    let found = documents.into_iter().find(is_it);
    found.map(Scim).ok_or_else(|| Failure::NoSuchPath(request.uri().path().to_owned()))
}
