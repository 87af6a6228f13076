//! Who sent a request: from where, under which id the log speaks of it, and with whose token it came.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use super::auth::Grant;
use super::{Failure, proxies};
use crate::store::Requester;

/// The headers in which clients send an id of a request, the best first: the last two are Microsoft's.
const REQUEST_IDS: [&str; 3] = ["x-request-id", "client-request-id", "request-id"];
const LONGEST_REQUEST_ID: usize = 128;

/// The other end of a connection: a proxy, where one stands between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// From where a request came, and under which id the log speaks of it. Every request has one.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Under which id the log speaks of it: the client's own, if it sent one that can be shown.
    pub(super) request_id: String,
    /// Where it came from; where trusted proxies stand between, what they say of it.
    pub(super) address: Option<IpAddr>,
}

impl Caller {
    pub(super) fn of(request: &Request, trusted_proxies: &[IpNet]) -> Caller {
        let peer = request.extensions().get::<Peer>();
        Caller {
            request_id: sent_id(request.headers()).unwrap_or_else(new_id),
            address: peer.map(|Peer(peer)| proxies::origin(*peer, request.headers(), trusted_proxies)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "here ids of requests are made")]
fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What a client calls its request, as long as that can stand in a log line.
fn sent_id(headers: &HeaderMap) -> Option<String> {
    let is_id = |text: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let mut sent = REQUEST_IDS.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    sent.find(is_id).map(str::to_owned)
}

/// Whose request it is, as the record of what was done keeps it.
pub(super) fn requester(extensions: &Extensions) -> Result<Requester, Failure> {
    let (caller, grant) = (extensions.get::<Caller>(), extensions.get::<Grant>());
    let (Some(caller), Some(grant)) = (caller, grant) else {
        return Err(Failure::Internal("a handler runs before it is known who asks".to_owned()));
    };
    Ok(Requester {
        token: grant.name.clone(),
        address: caller.address.map(|address| address.to_string()).unwrap_or_default(),
        request: caller.request_id.clone(),
    })
}

/// The same for handlers that do not take the request whole.
pub(super) struct By(pub(super) Requester);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<By, Failure> {
        requester(&parts.extensions).map(By)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Option<&str>) {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        assert_eq!(sent_id(&headers.collect()).as_deref(), expected);
    }

    #[test]
    fn an_id_is_taken_that_can_be_shown() {
        check(&[], None);
        check(&[("x-request-id", "one"), ("client-request-id", "two")], Some("one"));
        check(&[("request-id", "three"), ("client-request-id", "two")], Some("two"));
        for bad in ["", "a b", "a\tb", "bücher", &"x".repeat(129)] {
            check(&[("x-request-id", bad)], None);
            check(&[("x-request-id", bad), ("request-id", "three")], Some("three"));
        }
        check(&[("x-request-id", &"x".repeat(128))], Some(&"x".repeat(128)));
    }
}
