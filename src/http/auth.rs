//! Who may ask: whoever holds a token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Failure, Service};
use crate::store::token_hash;

/// Lets a request through that carries a known bearer token (RFC 6750 §2.1); the same answer for every
/// other one, on every path.
pub(super) async fn require_token(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|header| header.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return Failure::Unauthorized.into_response();
    };
    // Hashes are compared, so that how long a comparison takes says nothing of the token.
    let hash = token_hash(token.trim());
    let name = if service.extra_token_hash.as_ref() == Some(&hash) {
        "auth.token".to_owned()
    } else {
        match service.store.token_named(&hash).await {
            Ok(Some(name)) => name,
            Ok(None) => return Failure::Unauthorized.into_response(),
            Err(error) => return Failure::Read(error).into_response(),
        }
    };
    request.extensions_mut().insert(Grant { name });
    next.run(request).await
}

/// What a client was let in with.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What the operator called it.
    pub(super) name: String,
}
