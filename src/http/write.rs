//! The writes, one request's or one of a bulk request: read what a client sent, and hand it to the bridge.

use std::future::Future;
use std::sync::Arc;

use serde_json::Value;
use tracing::Instrument as _;

use super::record::Asked;
use super::{Allowed, Failure, Service};
use crate::scim::{Draft, Kind, Patch, Precondition, Resource, ResourceId, redact};
use crate::store::{Requester, Verb};

pub(super) async fn create(
    kind: Kind,
    service: Arc<Service>,
    by: &Requester,
    body: Value,
) -> Result<Resource, Failure> {
    let draft = Draft::read(service.bridge.schema_of(kind), &body).map_err(Failure::from);
    let draft = Asked::create(kind).named(&body).unless_refused(&service, by, draft).await?;
    Ok(service.bridge.push(by).create(kind, draft).await?)
}

pub(super) async fn replace(
    kind: Kind,
    service: Arc<Service>,
    by: &Requester,
    id: ResourceId,
    body: Value,
    precondition: Precondition,
) -> Result<Resource, Failure> {
    let draft = Draft::read(service.bridge.schema_of(kind), &body).map_err(Failure::from);
    let draft = Asked::of(Verb::Replace, kind, &id).unless_refused(&service, by, draft).await?;
    Ok(service.bridge.push(by).replace(kind, &id, draft, &precondition).await?)
}

pub(super) async fn patch(
    kind: Kind,
    service: Arc<Service>,
    by: &Requester,
    id: ResourceId,
    body: Value,
    precondition: Precondition,
) -> Result<Resource, Failure> {
    let patched = async {
        let patch = Patch::read(service.bridge.schema_of(kind), &body).map_err(Failure::from);
        let patch = Asked::of(Verb::Patch, kind, &id).unless_refused(&service, by, patch).await?;
        Ok(service.bridge.push(by).patch(kind, &id, patch, &precondition).await?)
    };
    let patched: Result<Resource, Failure> = patched.await;
    if patched.as_ref().is_err_and(Failure::is_refusal) {
        // Microsoft adds forms of its own now and then: what was sent tells which, and no value of anybody.
        tracing::info!(operations = redact::operations(&body), "PATCH refused");
    }
    patched
}

pub(super) async fn delete(
    kind: Kind,
    service: Arc<Service>,
    by: &Requester,
    id: ResourceId,
    precondition: Precondition,
) -> Result<(), Failure> {
    Ok(service.bridge.push(by).delete(kind, &id, &precondition).await?)
}

/// Carries a write to its end even when the client hangs up in the middle.
pub(super) async fn to_its_end<T: Send + 'static>(
    service: &Service,
    write: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let task = service.writes.spawn(write.instrument(tracing::Span::current()));
    task.await.unwrap_or_else(|error| Err(Failure::Internal(format!("a write panicked: {error}"))))
}

/// What a client wants to do with a resource.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Create,
    Update,
    Delete,
}

/// An action that the operator has switched off is 405, and nothing else changes: 401 and 403 would put
/// the whole provisioning job into quarantine.
pub(super) fn permit(service: &Service, kind: Kind, action: Action) -> Result<(), Failure> {
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
