//! What the service says of itself (RFC 7644 §4): ServiceProviderConfig, ResourceTypes, Schemas.
//!
//! Invariant: nothing is advertised that is not so.

use serde_json::{Value, json};

use super::list::{self, MAX_COUNT, Paging};
use super::resource::Kind;
use super::schema;

/// `GET /ServiceProviderConfig` (RFC 7643 §5).
pub fn service_provider_config(base_url: &str) -> Value {
    json!({
        "schemas": [scim_v2::schema_urns::SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": false},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token made with `scimbridge token create`",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base_url}/ServiceProviderConfig"),
        },
    })
}

/// The resource types that are offered (RFC 7643 §6).
pub fn resource_types(base_url: &str, kinds: &[Kind]) -> Vec<Value> {
    let resource_type = |kind: &Kind| {
        let extensions = match kind {
            Kind::User => json!([{"schema": schema::ENTERPRISE_USER, "required": false}]),
            Kind::Group => json!([]),
        };
        json!({
            "schemas": [scim_v2::schema_urns::RESOURCE_TYPE],
            "id": kind.as_str(),
            "name": kind.as_str(),
            "endpoint": format!("/{}", kind.endpoint()),
            "schema": kind.schema(),
            "schemaExtensions": extensions,
            "meta": {
                "resourceType": "ResourceType",
                "location": format!("{base_url}/ResourceTypes/{kind}"),
            },
        })
    };
    kinds.iter().map(resource_type).collect()
}

/// The schemas of what is offered (RFC 7643 §7).
pub fn schemas(base_url: &str, kinds: &[Kind]) -> Vec<Value> {
    let mut schemas = Vec::new();
    for kind in kinds {
        match kind {
            Kind::User => schemas.extend([schema::document("user"), schema::document("enterprise_user")]),
            Kind::Group => schemas.push(schema::document("group")),
        }
    }
    for schema in &mut schemas {
        say_what_is_kept(schema);
        let id = schema.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("schemas".to_owned(), json!([scim_v2::schema_urns::SCHEMA]));
            schema.insert(
                "meta".to_owned(),
                json!({"resourceType": "Schema", "location": format!("{base_url}/Schemas/{id}")}),
            );
        }
    }
    schemas
}

/// Leaves out what is not kept, and tells how group names compare.
fn say_what_is_kept(schema: &mut Value) {
    let id = schema.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    // What a resource cannot be without, so that clients do not try to take it away.
    let required = [(Kind::User.schema(), "active"), (Kind::Group.schema(), "displayName")];
    let Some(attributes) = schema.get_mut("attributes").and_then(Value::as_array_mut) else {
        return;
    };
    let name_of = |attribute: &Value| attribute.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    attributes.retain(|attribute| !["password", "groups"].contains(&name_of(attribute).as_str()));
    for attribute in attributes.iter_mut() {
        let name = name_of(attribute);
        let Some(attribute) = attribute.as_object_mut() else {
            continue;
        };
        if required.contains(&(id.as_str(), name.as_str())) {
            attribute.insert("required".to_owned(), json!(true));
        }
        if id == Kind::Group.schema() && name == "displayName" {
            attribute.insert("caseExact".to_owned(), json!(true));
        }
    }
}

/// A list of discovery documents, which is never paged (RFC 7644 §4).
pub fn list(documents: Vec<Value>) -> Value {
    let documents: Vec<_> = documents.into_iter().filter_map(|document| document.as_object().cloned()).collect();
    list::response(documents.len() as u64, Paging { start_index: 1, count: MAX_COUNT }, documents)
}
