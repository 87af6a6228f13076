//! Failures as answers: whose fault it is decides the status.
//!
//! | fault | status |
//! | --- | --- |
//! | the client's | 400, 401, 403, 404, 405, 408, 412, 413, 429, 501 |
//! | the resource's: the directory will not hold it | 400, 409 |
//! | the directory's: away, busy, slow | 503 with `Retry-After` |
//! | too much at a time, or an administrator at work | 429, 503 with `Retry-After` |
//! | the operator's, or ours | 500 |
//!
//! Never 401 or 403 for a user or a group: Entra would put the whole job into quarantine for one entry. 403 answers a
//! token that does not allow what was asked, where quarantine is right, for every other request of the job would be
//! refused too until the operator gives it another; who may not ask from where they are; and a filter on a discovery
//! endpoint, which RFC 7644 §4 demands and Entra never sends.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::auth::Refusal;
use crate::scim::bulk::{MAX_OPERATIONS, MAX_PAYLOAD, Outcome};
use crate::scim::{self, Kind, ResourceId, ScimType, Scope, error};
use crate::settle::{self, Verdict};
use crate::store;

/// The media type of every answer (RFC 7644 §8.1).
const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");
/// Seconds after which a client may try again what a passing failure kept from being done.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("10");

/// A request that is not answered as asked.
#[derive(Debug)]
pub enum Failure {
    /// No token, or one that is not good.
    Unauthorized(Refusal),
    /// The token does not allow that.
    Forbidden {
        /// What the operator calls it.
        name: String,
        /// What would be needed.
        needed: Scope,
    },
    /// Whether a token is good cannot be said: the keys of its issuer cannot be had.
    IssuerAway(String),
    /// There is nothing at that path.
    NoSuchPath(String),
    /// There is no such resource.
    NoSuchResource(Kind, ResourceId),
    /// The path does not take that method.
    WrongMethod(Method),
    /// The operator has switched the action off.
    SwitchedOff {
        /// The setting that says so.
        setting: String,
        /// The methods that the path still takes.
        allow: String,
    },
    /// The body is too large.
    TooLarge,
    /// An operation of a bulk request after one that found the directory away.
    NotTried,
    /// A bulk request has too many operations.
    TooManyOperations(usize),
    /// A filter where none is answered.
    NoFilterHere,
    /// What the RFC offers and this service does not have.
    NotImplemented(&'static str),
    /// The request is wrong.
    Scim(scim::Error),
    /// A write did not succeed.
    Write(settle::Error),
    /// A read did not succeed.
    Read(store::Error),
    /// The service is about to end.
    Stopping,
    /// The address is not among those that are heard.
    Stranger(IpAddr),
    /// From there too many tokens were refused; nothing is heard for so long.
    TooManyGuesses(Duration),
    /// The token has sent too many requests; there is room for one in so long.
    TooManyRequests(Duration),
    /// Too many requests are being answered.
    Busy,
    /// The body took too long.
    TooSlow,
    /// An administrator has paused the service.
    Paused {
        /// Why, and until when.
        detail: String,
        /// When to try again.
        retry_in: Duration,
    },
    /// A defect of ours: a handler or a write panicked.
    Internal(String),
}

impl From<scim::Error> for Failure {
    fn from(error: scim::Error) -> Failure {
        Failure::Scim(error)
    }
}

impl From<settle::Error> for Failure {
    fn from(error: settle::Error) -> Failure {
        Failure::Write(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        Failure::Read(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let answer = self.report();
        let body = error::body(answer.status.as_u16(), answer.scim_type, &answer.detail);
        let mut response = (answer.status, Scim(body)).into_response();
        response.headers_mut().extend(answer.header);
        response
    }
}

fn log(status: StatusCode, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(status = status.as_u16(), error, "request failed");
}

struct Answer {
    status: StatusCode,
    scim_type: Option<ScimType>,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Failure {
    /// The answer, logged.
    fn report(&self) -> Answer {
        let answer = self.answer();
        if answer.status.is_server_error() {
            // Here the failure is handled, so here it is logged, with all its causes.
            match self {
                Failure::Write(error) => log(answer.status, error),
                Failure::Read(error) => log(answer.status, error),
                Failure::IssuerAway(cause) => {
                    tracing::warn!(status = answer.status.as_u16(), cause, "request put off");
                }
                Failure::Internal(cause) => {
                    tracing::error!(status = answer.status.as_u16(), cause, "request failed");
                }
                // Of that the log speaks once, not at each request.
                Failure::Paused { .. } => tracing::debug!("request put off: paused"),
                _ => tracing::warn!(status = answer.status.as_u16(), detail = answer.detail, "request put off"),
            }
        } else if let Failure::Write(_) | Failure::Scim(_) = self {
            // The detail is for the client and may hold names of people.
            let scim_type = answer.scim_type.map(ScimType::as_str).unwrap_or_default();
            tracing::info!(status = answer.status.as_u16(), scim_type, "request refused");
            tracing::debug!(detail = %answer.detail, "request refused");
        }
        answer
    }

    /// What a client is told, as the body of the answer.
    pub fn body(&self) -> Value {
        let answer = self.answer();
        error::body(answer.status.as_u16(), answer.scim_type, &answer.detail)
    }

    /// Status and body for the place of one operation in a bulk answer.
    pub(super) fn outcome(&self) -> Outcome {
        let answer = self.report();
        let status = answer.status.as_u16();
        Outcome::Failed { status, body: error::body(status, answer.scim_type, &answer.detail) }
    }

    /// Status and words of the answer.
    pub(super) fn told(&self) -> (u16, String) {
        let answer = self.answer();
        (answer.status.as_u16(), answer.detail)
    }

    /// Whether the request cannot succeed as it is: what a client sent is then worth a look.
    pub(super) fn is_refusal(&self) -> bool {
        [StatusCode::BAD_REQUEST, StatusCode::CONFLICT].contains(&self.answer().status)
    }

    /// Whether there is no use in trying another resource now.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Failure::Write(error) => error.is_outage(),
            Failure::Read(_) | Failure::Stopping => true,
            _ => false,
        }
    }

    fn answer(&self) -> Answer {
        let plain = |status, detail: String| Answer { status, scim_type: None, detail, header: None };
        let after = |status, detail: &str, time: Duration| Answer {
            status,
            scim_type: None,
            detail: detail.to_owned(),
            header: Some((RETRY_AFTER, HeaderValue::from(time.as_secs_f64().ceil().max(1.0) as u64))),
        };
        let later = |detail: String| Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            scim_type: None,
            detail,
            header: Some((RETRY_AFTER, RETRY_SECONDS)),
        };
        match self {
            Failure::Unauthorized(refusal) => unauthorized(refusal),
            Failure::Forbidden { name, needed } => Answer {
                status: StatusCode::FORBIDDEN,
                scim_type: None,
                detail: format!(
                    "{name} does not have the scope {needed}; `scimbridge token create --scope {needed}` makes a \
                     token that has"
                ),
                header: challenge(&format!(", error=\"insufficient_scope\", scope=\"{needed}\"")),
            },
            Failure::IssuerAway(_) => later("the keys of the token's issuer cannot be fetched".to_owned()),
            Failure::NoSuchPath(path) => plain(StatusCode::NOT_FOUND, format!("there is nothing at {path}")),
            Failure::NoSuchResource(kind, id) => plain(StatusCode::NOT_FOUND, format!("{kind} {id} not found")),
            Failure::WrongMethod(method) => {
                plain(StatusCode::METHOD_NOT_ALLOWED, format!("{method} cannot be used here"))
            }
            Failure::SwitchedOff { setting, allow } => Answer {
                status: StatusCode::METHOD_NOT_ALLOWED,
                scim_type: None,
                detail: format!("the operator has switched this action off: {setting} = false"),
                header: HeaderValue::from_str(allow).ok().map(|allow| (ALLOW, allow)),
            },
            Failure::TooLarge => {
                let megabytes = MAX_PAYLOAD / 1024 / 1024;
                plain(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {megabytes} MB"))
            }
            Failure::NotTried => later("not tried, since an earlier operation found the directory away".to_owned()),
            Failure::TooManyOperations(count) => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the request has {count} operations, and {MAX_OPERATIONS} are the most"),
            ),
            Failure::NoFilterHere => plain(StatusCode::FORBIDDEN, "discovery cannot be filtered".to_owned()),
            Failure::NotImplemented(what) => {
                plain(StatusCode::NOT_IMPLEMENTED, format!("scimbridge does not have {what}"))
            }
            Failure::Scim(error) => refusal(error.scim_type, error.detail.clone()),
            Failure::Stranger(address) => {
                plain(StatusCode::FORBIDDEN, format!("nobody is heard here who asks from {address}"))
            }
            Failure::TooManyGuesses(left) => {
                after(StatusCode::TOO_MANY_REQUESTS, "too many tokens from this address were refused", *left)
            }
            Failure::TooManyRequests(left) => {
                after(StatusCode::TOO_MANY_REQUESTS, "this token sends too many requests at a time", *left)
            }
            Failure::Busy => {
                let detail = "too many requests are being answered; try again";
                after(StatusCode::SERVICE_UNAVAILABLE, detail, Duration::from_secs(1))
            }
            Failure::TooSlow => Answer {
                status: StatusCode::REQUEST_TIMEOUT,
                scim_type: None,
                detail: "the body of the request took too long".to_owned(),
                // The rest of it may still come.
                header: Some((CONNECTION, HeaderValue::from_static("close"))),
            },
            Failure::Paused { detail, retry_in } => after(StatusCode::SERVICE_UNAVAILABLE, detail, *retry_in),
            Failure::Stopping => later("the service is stopping; try again".to_owned()),
            Failure::Internal(_) | Failure::Read(_) => internal(),
            Failure::Write(error) => match error.verdict() {
                Verdict::Refused(error) => refusal(error.scim_type, error.detail),
                Verdict::NotFound(id) => plain(StatusCode::NOT_FOUND, format!("resource {id} not found")),
                Verdict::OtherVersion(detail) => plain(StatusCode::PRECONDITION_FAILED, detail),
                Verdict::Later(detail) => later(detail),
                Verdict::Operator(detail) => plain(StatusCode::INTERNAL_SERVER_ERROR, detail),
                Verdict::Internal => internal(),
            },
        }
    }
}

fn unauthorized(refusal: &Refusal) -> Answer {
    let description = match refusal {
        Refusal::Missing | Refusal::Unknown => None,
        Refusal::Expired(Some(expires)) => Some(format!("the token has expired, on {expires}")),
        Refusal::Expired(None) => Some("the token has expired".to_owned()),
        Refusal::NotYetValid => Some("the token is not valid yet: compare the clocks".to_owned()),
    };
    let parameters = match (refusal, &description) {
        // RFC 6750 §3.1: who shows nothing hears nothing of errors.
        (Refusal::Missing, _) => String::new(),
        (_, None) => ", error=\"invalid_token\"".to_owned(),
        (_, Some(description)) => format!(", error=\"invalid_token\", error_description=\"{description}\""),
    };
    let unknown = || "a valid bearer token is needed; `scimbridge token create` makes one".to_owned();
    Answer {
        status: StatusCode::UNAUTHORIZED,
        scim_type: None,
        detail: description.unwrap_or_else(unknown),
        header: challenge(&parameters),
    }
}

fn challenge(parameters: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&format!("Bearer realm=\"scimbridge\"{parameters}"));
    value.ok().map(|value| (WWW_AUTHENTICATE, value))
}

fn refusal(scim_type: ScimType, detail: String) -> Answer {
    let status = if scim_type == ScimType::Uniqueness { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
    Answer { status, scim_type: Some(scim_type), detail, header: None }
}

fn internal() -> Answer {
    Answer {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        scim_type: None,
        detail: "the service failed; its log says why, under the id in the X-Request-Id header".to_owned(),
        header: None,
    }
}

/// A body of SCIM JSON.
pub(super) struct Scim(pub(super) Value);

impl IntoResponse for Scim {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, SCIM_JSON)], self.0.to_string()).into_response()
    }
}
