//! Reading requests: paths with stray slashes, query strings, bodies.

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Uri};
use serde_json::Value;
use tokio_stream::StreamExt as _;

use super::{Failure, pace};
use crate::scim::bulk::MAX_PAYLOAD;
use crate::scim::list::Listing;
use crate::scim::{self, Paging, Precondition, Projection, Schema, ScimType, Sort, Versions};

/// Of a larger body so much is read and thrown away, so that the client hears the answer.
const LARGEST_REFUSED_BODY: usize = 64 * 1024 * 1024;

/// The request with `//` for `/` and no slash at the end: Tenant URLs are typed with and without one.
pub(super) fn with_plain_path(mut request: Request) -> Request {
    let path = request.uri().path();
    if path.contains("//") || path.len() > 1 && path.ends_with('/') {
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("/{}{query}", words.join("/")).parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// The last segment of the path: an id. One that cannot be decoded was never issued.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, Failure> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Segment(segment)),
            Err(_) => Err(Failure::NoSuchPath(parts.uri.path().to_owned())),
        }
    }
}

/// The query of a read. Keys that SCIM does not know, such as `aadOptscim062020`, are ignored.
#[derive(Debug, Default)]
pub(super) struct Query {
    filter: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    cursor: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    attributes: Option<String>,
    excluded_attributes: Option<String>,
}

impl Query {
    /// Decodes the query string once, as form data: `+` is a space.
    ///
    /// # Errors
    /// `invalidFilter` when the filter is not UTF-8.
    pub(super) fn read(uri: &Uri) -> Result<Query, scim::Error> {
        let mut query = Query::default();
        let sent = uri.query().unwrap_or_default();
        for (key, value) in url::form_urlencoded::parse(sent.as_bytes()) {
            if let Some(field) = query.field(&key) {
                *field = Some(value.into_owned());
            }
        }
        // What is not UTF-8 decodes to this character; to look for it would find nobody.
        let lost = query.filter.as_ref().is_some_and(|filter| filter.contains('\u{fffd}'));
        if lost && !sent.to_ascii_lowercase().contains("%ef%bf%bd") {
            return Err(scim::Error::new(ScimType::InvalidFilter, "the filter is not UTF-8"));
        }
        Ok(query)
    }

    /// The same from the body of a SearchRequest.
    ///
    /// # Errors
    /// `invalidSyntax` when the body is not an object, or a member is not what it should be.
    pub(super) fn from_body(body: &Value) -> Result<Query, scim::Error> {
        let wrong = |detail: String| scim::Error::new(ScimType::InvalidSyntax, detail);
        let members = body.as_object().ok_or_else(|| wrong("the body is not a JSON object".to_owned()))?;
        let mut query = Query::default();
        for (key, value) in members {
            let Some(field) = query.field(key) else {
                continue;
            };
            *field = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Array(names) if names.iter().all(Value::is_string) => {
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    Some(names.join(","))
                }
                _ => return Err(wrong(format!("{key} cannot be {value}"))),
            };
        }
        Ok(query)
    }

    fn field(&mut self, key: &str) -> Option<&mut Option<String>> {
        match key.to_ascii_lowercase().as_str() {
            "filter" => Some(&mut self.filter),
            "startindex" => Some(&mut self.start_index),
            "count" => Some(&mut self.count),
            "cursor" => Some(&mut self.cursor),
            "sortby" => Some(&mut self.sort_by),
            "sortorder" => Some(&mut self.sort_order),
            "attributes" => Some(&mut self.attributes),
            "excludedattributes" => Some(&mut self.excluded_attributes),
            _ => None,
        }
    }

    pub(super) fn filter(&self) -> Option<&str> {
        self.filter.as_deref()
    }

    pub(super) fn sort(&self, schemas: &[&Schema]) -> Result<Option<Sort>, scim::Error> {
        Sort::read(schemas, self.sort_by.as_deref(), self.sort_order.as_deref())
    }

    pub(super) fn paging(&self, listing: &Listing<'_>) -> Result<Paging, scim::Error> {
        listing.paging(self.start_index.as_deref(), self.count.as_deref(), self.cursor.as_deref())
    }

    pub(super) fn projection(&self, schema: &Schema) -> Result<Projection, scim::Error> {
        Projection::read(schema, self.attributes.as_deref(), self.excluded_attributes.as_deref())
    }

    pub(super) fn names_attributes(&self) -> bool {
        self.attributes.is_some() || self.excluded_attributes.is_some()
    }
}

/// What `If-Match` and `If-None-Match` demand (RFC 7644 §3.14).
pub(super) fn precondition(headers: &HeaderMap) -> Precondition {
    let versions = |name: HeaderName| {
        let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!lines.is_empty()).then(|| Versions::parse(&lines.join(",")))
    };
    Precondition { matches: versions(IF_MATCH), matches_none: versions(IF_NONE_MATCH) }
}

/// The body as JSON, whatever its media type is said to be.
pub(super) async fn json(body: Body) -> Result<Value, Failure> {
    let mut bytes = Vec::new();
    let mut read: usize = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| match pace::was_too_slow(&error) {
            true => Failure::TooSlow,
            false => Failure::Scim(scim::Error::new(ScimType::InvalidSyntax, "the body breaks off")),
        })?;
        read = read.saturating_add(chunk.len());
        if read > LARGEST_REFUSED_BODY {
            break;
        }
        if read <= MAX_PAYLOAD {
            bytes.extend_from_slice(&chunk);
        }
    }
    if read > MAX_PAYLOAD {
        return Err(Failure::TooLarge);
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::Scim(scim::Error::new(ScimType::InvalidSyntax, format!("the body is not JSON: {error}")))
    })
}
