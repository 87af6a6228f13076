//! `POST /oauth2/token`: an access token for a client's secret (RFC 6749 §4.4), at the root of the listener.
//!
//! Access tokens are random and kept as hashes, like all tokens here: a client that is revoked loses them at once, and
//! they survive a restart. Answers are JSON of OAuth, not of SCIM.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;

use super::caller::Caller;
use super::{Failure, Service, auth};
use crate::scim::{Scope, Scopes};
use crate::store::{NewAccessToken, Presented, new_token, token_hash};

/// Where it is answered.
pub const PATH: &str = "/oauth2/token";

/// A request has a few short parameters.
const LARGEST_BODY: usize = 64 * 1024;

/// Why there is no access token (RFC 6749 §5.2).
enum Refusal {
    InvalidRequest(String),
    InvalidClient(&'static str),
    UnsupportedGrantType(String),
    InvalidScope(String),
    /// The fault is ours.
    Failed(Failure),
}

impl From<crate::store::Error> for Refusal {
    fn from(error: crate::store::Error) -> Refusal {
        Refusal::Failed(Failure::Read(error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Refusal::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Refusal::InvalidClient(why) => (StatusCode::UNAUTHORIZED, "invalid_client", why.to_owned()),
            Refusal::UnsupportedGrantType(why) => (StatusCode::BAD_REQUEST, "unsupported_grant_type", why),
            Refusal::InvalidScope(why) => (StatusCode::BAD_REQUEST, "invalid_scope", why),
            Refusal::Failed(failure) => return failure.into_response(),
        };
        tracing::info!(error, why = description, "no access token is given");
        let mut response = answer(status, &json!({"error": error, "error_description": description}));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"scimbridge\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    (status, headers, body.to_string()).into_response()
}

/// Gives a client an access token.
pub(super) async fn token(State(service): State<Arc<Service>>, request: Request) -> Response {
    match give(&service, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn give(service: &Arc<Service>, request: Request) -> Result<Response, Refusal> {
    let caller = request.extensions().get::<Caller>().cloned();
    let (parts, body) = request.into_parts();
    let parameters = Parameters::read(body.into_data_stream()).await?;
    let (id, secret) = presented(&parts.headers, &parameters)?;
    let client = authenticate(service, &id, &secret).await?;
    match parameters.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let why = "the grant_type must be client_credentials".to_owned();
            return Err(Refusal::UnsupportedGrantType(why));
        }
        None => return Err(Refusal::InvalidRequest("grant_type is missing".to_owned())),
    }
    let scopes = narrowed(&client.scopes, parameters.get("scope").unwrap_or_default())?;
    // It does not outlive the secret.
    let after = auth::after(service.auth.access_token_lifetime);
    let expires = client.expires.clone().map_or(after.clone(), |expires| expires.min(after));
    let expires_in = auth::seconds_until(&expires);
    let token = new_token().map_err(|error| Refusal::Failed(Failure::Internal(error.to_string())))?;
    let given = NewAccessToken {
        hash: token_hash(&token),
        secret_hash: client.secret_hash.clone(),
        scopes: scopes.clone(),
        expires,
    };
    service.store.add_access_token(&given, &auth::now()).await?;
    auth::note_use(service, &client, caller);
    tracing::info!(client = client.name, scopes = %scopes, "gave a client an access token");
    let body = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "scope": scopes.to_string(),
    });
    Ok(answer(StatusCode::OK, &body))
}

/// The parameters of a form. An empty one is none, and none is there twice (RFC 6749 §3.2).
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    async fn read(mut chunks: axum::body::BodyDataStream) -> Result<Parameters, Refusal> {
        let wrong = |why: &str| Refusal::InvalidRequest(why.to_owned());
        let mut body = Vec::new();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|_| wrong("the body breaks off"))?);
            if body.len() > LARGEST_BODY {
                return Err(wrong("the body is too large"));
            }
        }
        Parameters::parse(&body)
    }

    fn parse(body: &[u8]) -> Result<Parameters, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if !value.is_empty() && parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::InvalidRequest("a parameter is there twice".to_owned()));
            }
        }
        Ok(Parameters(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Id and secret of the client, from the header, from the body, or the same from both: Entra can be told to send both.
fn presented(headers: &HeaderMap, parameters: &Parameters) -> Result<(String, String), Refusal> {
    let missing = Refusal::InvalidClient("client_id and client_secret are needed, in the header or in the body");
    let basic = match headers.get(AUTHORIZATION) {
        Some(header) => Some(basic(header).ok_or(Refusal::InvalidClient("the Authorization header is not Basic"))?),
        None => None,
    };
    let (id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
    match (basic, id, secret) {
        (Some((id, secret)), in_body, secret_in_body) => {
            let differs = |known: &str, other: Option<&str>| other.is_some_and(|other| other != known);
            if differs(&id, in_body) || differs(&secret, secret_in_body) {
                let why = "the header and the body name different clients or secrets".to_owned();
                return Err(Refusal::InvalidRequest(why));
            }
            Ok((id, secret))
        }
        (None, Some(id), Some(secret)) => Ok((id.to_owned(), secret.to_owned())),
        _ => Err(missing),
    }
}

/// Id and secret of a Basic header, each encoded as in a form (RFC 6749 §2.3.1).
fn basic(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(|text| text.into_owned())
}

/// The client is found by its secret's hash, so that how long it takes says nothing of the secret.
async fn authenticate(service: &Arc<Service>, id: &str, secret: &str) -> Result<Presented, Refusal> {
    let known = service.store.client_with_secret(&token_hash(secret)).await?;
    let client = known.filter(|client| client.client_id.as_deref() == Some(id));
    let client = client.ok_or(Refusal::InvalidClient("there is no such client, or its secret is another one"))?;
    if client.expires.as_ref().is_some_and(|expires| *expires <= auth::now()) {
        tracing::warn!(client = client.name, "the secret of a client has expired: `scimbridge client rotate`");
        return Err(Refusal::InvalidClient("the secret has expired"));
    }
    Ok(client)
}

/// What the token is to allow: of what the client may do, what it asks for. Words that are no scopes of ours, such as
/// the `…/.default` that Entra may be told to send, ask for nothing; who asks for nothing else gets all that they may.
fn narrowed(held: &Scopes, asked: &str) -> Result<Scopes, Refusal> {
    let known: Vec<Scope> = asked.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if let Some(refused) = known.iter().find(|scope| !held.allow(**scope)) {
        return Err(Refusal::InvalidScope(format!("the client does not have the scope {refused}")));
    }
    Ok(if known.is_empty() { held.clone() } else { known.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_allows_what_is_asked_for_and_held() {
        let narrow = |held: &str, asked: &str| {
            narrowed(&held.parse().unwrap(), asked).map(|scopes| scopes.to_string()).map_err(|_| ())
        };
        let held = "users:write groups:read";
        assert_eq!(narrow(held, ""), Ok("users:write groups:read".to_owned()));
        assert_eq!(narrow(held, "scim api://bridge/.default"), Ok("users:write groups:read".to_owned()));
        assert_eq!(narrow(held, "users:read scim"), Ok("users:read".to_owned()));
        assert_eq!(narrow(held, "groups:write"), Err(()));
        assert_eq!(narrow(held, "users:read groups:write"), Err(()));
    }

    #[test]
    fn a_basic_header_is_decoded_as_a_form() {
        let header = |text: &str| HeaderValue::from_str(text).unwrap();
        let encoded = |text: &str| header(&format!("Basic {}", STANDARD.encode(text)));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(basic(&encoded("id:secret")), pair("id", "secret"));
        assert_eq!(basic(&encoded("a%3Ab:c+d%2B%C3%A9")), pair("a:b", "c d+é"));
        assert_eq!(basic(&encoded("id:a:b")), pair("id", "a:b"));
        assert_eq!(basic(&encoded("id")), None);
        assert_eq!(basic(&encoded("id:%ff")), None);
        assert_eq!(basic(&header("Bearer aWQ6c2VjcmV0")), None);
        assert_eq!(basic(&header("Basic !")), None);
    }

    #[test]
    fn a_parameter_is_there_once() {
        let read = |body: &str| Parameters::parse(body.as_bytes()).ok();
        let parameters = read("grant_type=client_credentials&scope=&scope=a+b&other=").unwrap();
        assert_eq!(parameters.get("scope"), Some("a b"));
        assert_eq!(parameters.get("other"), None, "what is empty is not there");
        assert!(read("scope=a&scope=a").is_none());
    }
}
