//! What the service says of itself (RFC 7644 §4): ServiceProviderConfig, ResourceTypes, Schemas.
//!
//! Invariant: nothing is advertised that is not so. The schemas are those that filters and PATCH go by.

use serde_json::{Value, json};

use super::bulk;
use super::list::{DEFAULT_COUNT, MAX_COUNT, Page, Paging};
use super::schema::Schema;

/// `GET /ServiceProviderConfig` (RFC 7643 §5).
pub fn service_provider_config(base_url: &str, users: &Schema) -> Value {
    json!({
        "schemas": [scim_v2::schema_urns::SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": true},
        "bulk": {"supported": true, "maxOperations": bulk::MAX_OPERATIONS, "maxPayloadSize": bulk::MAX_PAYLOAD},
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "changePassword": {"supported": users.has_password()},
        "sort": {"supported": true},
        "etag": {"supported": true},
        // RFC 9865 §4. No timeout is told: a cursor is a place, and good for ever.
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_COUNT,
            "maxPageSize": MAX_COUNT,
        },
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
pub fn resource_types(base_url: &str, schemas: &[&Schema]) -> Vec<Value> {
    let resource_type = |schema: &&Schema| {
        let kind = schema.kind();
        let required = schema.required();
        let extension = |urn: &str| {
            let is_required = required.iter().any(|path| path.extension.as_deref() == Some(urn));
            json!({"schema": urn, "required": is_required})
        };
        let extensions: Vec<Value> = schema.extensions().map(extension).collect();
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
    schemas.iter().map(resource_type).collect()
}

/// The schemas of what is offered (RFC 7643 §7).
pub fn schemas(base_url: &str, schemas: &[&Schema]) -> Vec<Value> {
    let mut documents: Vec<Value> = schemas.iter().flat_map(|schema| schema.documents()).collect();
    for document in &mut documents {
        let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
        let meta = json!({"resourceType": "Schema", "location": format!("{base_url}/Schemas/{id}")});
        if let Some(members) = document.as_object_mut() {
            members.insert("meta".to_owned(), meta);
        }
    }
    documents
}

/// A list of discovery documents, which is never paged (RFC 7644 §4).
pub fn list(documents: Vec<Value>) -> Value {
    let resources: Vec<_> = documents.into_iter().filter_map(|document| document.as_object().cloned()).collect();
    let page = Page { total: resources.len() as u64, resources, next_cursor: None };
    page.response(&Paging::Index { start_index: 1, count: MAX_COUNT })
}
