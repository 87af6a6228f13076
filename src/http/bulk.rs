//! `POST /Bulk` (RFC 7644 §3.7): each operation is the request that it stands for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use serde_json::Value;

use super::auth::Grant;
use super::caller::requester;
use super::error::Scim;
use super::record::Asked;
use super::write::{self, Action, permit, to_its_end};
use super::{Failure, Service, request};
use crate::scim::bulk::{Bulk, MAX_OPERATIONS, Outcome, Progress, Step, Task};
use crate::scim::{Access, Kind, Precondition, Resource, Versions};
use crate::store::{Requester, Verb};

/// Carries the operations out, one after another.
pub(super) async fn bulk(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<impl IntoResponse + use<>, Failure> {
    let (by, grant) = (requester(request.extensions())?, Grant::of(request.extensions())?);
    let bulk = Bulk::read(&request::json(request.into_body()).await?)?;
    if bulk.len() > MAX_OPERATIONS {
        return Err(Failure::TooManyOperations(bulk.len()));
    }
    let working = service.clone();
    let answer = to_its_end(&service, async move { Ok(carry_out(working, &by, &grant, bulk).await) }).await?;
    Ok(Scim(answer))
}

async fn carry_out(service: Arc<Service>, by: &Requester, grant: &Grant, bulk: Bulk) -> Value {
    let mut progress = Progress::new(bulk);
    let mut outage = None;
    while let Some(Step { position, task }) = progress.next_step() {
        let outcome = match &outage {
            // Waiting for the directory a thousand times would help nobody.
            Some(outcome) => {
                let not_tried: Result<(), Failure> = Err(Failure::NotTried);
                _ = asked(&task).unless_refused(&service, by, not_tried).await;
                Outcome::clone(outcome)
            }
            None => match carry_out_one(&service, by, grant, task).await {
                Ok(outcome) => outcome,
                Err(failure) => {
                    let outcome = failure.outcome();
                    if failure.is_outage() || service.stopping.is_cancelled() {
                        outage = Some(Failure::NotTried.outcome());
                    }
                    outcome
                }
            },
        };
        progress.note(position, outcome);
    }
    progress.response(&service.base_url)
}

async fn carry_out_one(service: &Arc<Service>, by: &Requester, grant: &Grant, task: Task) -> Result<Outcome, Failure> {
    grant.require(task.target().0, Access::Write)?;
    let done = |status: u16, resource: Resource| Outcome::Done {
        status,
        kind: resource.kind,
        version: Some(resource.version),
        id: resource.id,
    };
    let demanded = |version: Option<Versions>| Precondition { matches: version, matches_none: None };
    let permitted = match &task {
        Task::Create(kind, _) => permit(service, *kind, Action::Create),
        Task::Replace(kind, ..) | Task::Patch(kind, ..) => permit(service, *kind, Action::Update),
        Task::Delete(kind, ..) => permit(service, *kind, Action::Delete),
    };
    asked(&task).unless_refused(service, by, permitted).await?;
    match task {
        Task::Create(kind, data) => Ok(done(201, write::create(kind, service.clone(), by, data).await?)),
        Task::Replace(kind, id, data, version) => {
            Ok(done(200, write::replace(kind, service.clone(), by, id, data, demanded(version)).await?))
        }
        Task::Patch(kind, id, data, version) => {
            // As the request alone would be answered.
            let status = if kind == Kind::Group { 204 } else { 200 };
            Ok(done(status, write::patch(kind, service.clone(), by, id, data, demanded(version)).await?))
        }
        Task::Delete(kind, id, version) => {
            write::delete(kind, service.clone(), by, id.clone(), demanded(version)).await?;
            Ok(Outcome::Done { status: 204, id, kind, version: None })
        }
    }
}

fn asked(task: &Task) -> Asked {
    match task {
        Task::Create(kind, data) => Asked::create(*kind).named(data),
        Task::Replace(kind, id, ..) => Asked::of(Verb::Replace, *kind, id),
        Task::Patch(kind, id, ..) => Asked::of(Verb::Patch, *kind, id),
        Task::Delete(kind, id, _) => Asked::of(Verb::Delete, *kind, id),
    }
}
