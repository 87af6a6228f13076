//! The request that is previewed: read, and what it is found out.

use std::io::Read as _;

use anyhow::Context as _;
use serde_json::Value;

use crate::scim::schema::ENTERPRISE_USER;
use crate::scim::{Kind, resource};

/// What marks the body of a PATCH (RFC 7644 §3.5.2).
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What stands in the file.
pub(super) enum Input {
    /// JSON.
    Json(Value),
    /// Something else.
    Malformed(serde_json::Error),
}

impl Input {
    /// Reads a file, or standard input.
    pub(super) fn read(file: &str) -> anyhow::Result<Input> {
        let mut bytes = Vec::new();
        if file == "-" {
            std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        } else {
            bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
        }
        Ok(serde_json::from_slice(&bytes).map_or_else(Input::Malformed, Input::Json))
    }
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The operations of a PATCH.
    Patch,
    /// A whole resource, of a kind if it says so.
    Resource(Option<Kind>),
}

impl Body {
    /// Goes by `schemas`, and by what only one of them has where those are missing.
    pub(super) fn of(body: &Value) -> Body {
        let members = body.as_object();
        let member = |name: &str| members.and_then(|members| resource::attribute(members, name));
        let schemas: Vec<&str> =
            member("schemas").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let is_named = |urn: &str| schemas.iter().any(|schema| schema.eq_ignore_ascii_case(urn));
        if is_named(PATCH_OP) || member("Operations").is_some_and(Value::is_array) {
            return Body::Patch;
        }
        let resource_type = member("meta").and_then(|meta| meta.get("resourceType")).and_then(Value::as_str);
        let is_user = is_named(Kind::User.schema()) || is_named(ENTERPRISE_USER) || member("userName").is_some();
        Body::Resource(match is_user {
            true => Some(Kind::User),
            false if is_named(Kind::Group.schema()) => Some(Kind::Group),
            false => resource_type.and_then(Kind::named),
        })
    }

    /// The kind of resource that it says it is.
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            Body::Patch => None,
            Body::Resource(kind) => kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(body: Value, expected: Body) {
        assert_eq!(Body::of(&body), expected, "{body}");
    }

    #[test]
    fn a_body_says_what_it_is() {
        check(json!({"schemas": ["URN:ietf:params:scim:api:messages:2.0:patchop"]}), Body::Patch);
        check(json!({"operations": []}), Body::Patch);
        check(json!({"schemas": [Kind::User.schema()]}), Body::Resource(Some(Kind::User)));
        check(json!({"schemas": [Kind::Group.schema()], "displayName": "x"}), Body::Resource(Some(Kind::Group)));
        check(json!({"userName": "ada"}), Body::Resource(Some(Kind::User)));
        check(json!({"displayName": "x", "meta": {"resourceType": "Group"}}), Body::Resource(Some(Kind::Group)));
        check(json!({"displayName": "x"}), Body::Resource(None));
        check(json!([1]), Body::Resource(None));
    }
}
