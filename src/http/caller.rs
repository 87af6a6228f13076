//! Who sent a request: from where, under which id the log speaks of it, and with whose token it came.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{FromRequestParts, Request};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::serve::IncomingStream;

use super::Failure;
use super::auth::Grant;
use super::request_line::Tolerant;
use crate::store::Requester;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Tolerant>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Tolerant>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// From where a request came, and under which id the log speaks of it. Every request has one.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Under which id the log speaks of it.
    pub(super) request_id: String,
    /// Where it came from.
    pub(super) address: Option<IpAddr>,
}

impl Caller {
    #[expect(clippy::disallowed_methods, reason = "here ids of requests are made")]
    pub(super) fn of(request: &Request) -> Caller {
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        Caller {
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            address: peer.map(|ConnectInfo(Peer(address))| address.ip().to_canonical()),
        }
    }
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
