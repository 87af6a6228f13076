//! What is wrong with a request, and the error body that says so (RFC 7644 §3.12).
//!
//! Not the HTTP status of everything: failures of the store and the directory get theirs in `http`.

use serde_json::{Value, json};

/// The SCIM detail error keywords of RFC 7644 §3.12, table 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// The request body is not what the operation takes.
    InvalidSyntax,
    /// The filter cannot be read, or asks what cannot be answered.
    InvalidFilter,
    /// The path of a PATCH operation cannot be read.
    InvalidPath,
    /// A value is missing or does not fit its attribute.
    InvalidValue,
    /// The attribute cannot be changed by a client.
    Mutability,
    /// The path of a PATCH operation leads nowhere.
    NoTarget,
    /// A value that must be unique is taken.
    Uniqueness,
    /// The cursor was not issued for this query (RFC 9865 §2.1).
    InvalidCursor,
    /// A page cannot hold so many (RFC 9865 §2.1).
    InvalidCount,
}

impl ScimType {
    /// The keyword on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            ScimType::InvalidSyntax => "invalidSyntax",
            ScimType::InvalidFilter => "invalidFilter",
            ScimType::InvalidPath => "invalidPath",
            ScimType::InvalidValue => "invalidValue",
            ScimType::Mutability => "mutability",
            ScimType::NoTarget => "noTarget",
            ScimType::Uniqueness => "uniqueness",
            ScimType::InvalidCursor => "invalidCursor",
            ScimType::InvalidCount => "invalidCount",
        }
    }
}

/// A request that the client must change before it can succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// The keyword that a client can act on.
    pub scim_type: ScimType,
    /// A sentence for the administrator who reads the provisioning log.
    pub detail: String,
}

impl Error {
    /// An error with its sentence.
    pub fn new(scim_type: ScimType, detail: impl Into<String>) -> Error {
        Error { scim_type, detail: detail.into() }
    }

    /// Several problems of one request as one error of the first one's kind.
    pub fn all(problems: Vec<Error>) -> Option<Error> {
        let scim_type = problems.first()?.scim_type;
        let details: Vec<String> = problems.into_iter().map(|problem| problem.detail).collect();
        Some(Error { scim_type, detail: details.join("; ") })
    }
}

/// How much of a detail is told: a path may be as long as a request.
const LONGEST_DETAIL: usize = 2_000;

/// The body of an error answer. `status` is a string on the wire (RFC 7644 §3.12).
pub fn body(status: u16, scim_type: Option<ScimType>, detail: &str) -> Value {
    let mut body = json!({
        "schemas": [scim_v2::schema_urns::ERROR],
        "status": status.to_string(),
    });
    if let (Some(scim_type), Some(members)) = (scim_type, body.as_object_mut()) {
        members.insert("scimType".to_owned(), scim_type.as_str().into());
    }
    if let Some(members) = body.as_object_mut() {
        let told = detail.char_indices().nth(LONGEST_DETAIL).and_then(|(end, _)| detail.get(..end));
        members.insert("detail".to_owned(), told.map_or(detail.to_owned(), |start| format!("{start}…")).into());
    }
    body
}
