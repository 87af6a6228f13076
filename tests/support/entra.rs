//! The bodies and the encoding that Entra ID uses.

use serde_json::{Value, json};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(crate) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// A user as Entra's default mapping creates one: `ada` is `ada@contoso.com`.
pub(crate) fn person(name: &str) -> Value {
    let given = capitalised(name);
    json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": name,
        "userName": format!("{name}@contoso.com"),
        "active": true,
        "displayName": format!("{given} Contoso"),
        "name": {"formatted": format!("{given} Contoso"), "familyName": "Contoso", "givenName": given},
        "emails": [{"primary": true, "type": "work", "value": format!("{name}@contoso.com")}],
        "meta": {"resourceType": "User"}
    })
}

/// The same with a few attributes set otherwise; null takes one away.
pub(crate) fn person_with(name: &str, changes: Value) -> Value {
    let mut person = person(name);
    let (Value::Object(fields), Value::Object(changes)) = (&mut person, changes) else {
        panic!("attributes are an object");
    };
    for (field, value) in changes {
        if value.is_null() {
            fields.remove(&field);
        } else {
            fields.insert(field, value);
        }
    }
    person
}

/// A group as Entra creates one: empty, with its object id as `externalId`.
pub(crate) fn group(name: &str) -> Value {
    group_with(name, &format!("entra-{name}"), &[])
}

pub(crate) fn group_with(name: &str, external_id: &str, members: &[&str]) -> Value {
    json!({
        "schemas": [GROUP],
        "externalId": external_id,
        "displayName": name,
        "members": member_values(members),
        "meta": {"resourceType": "Group"}
    })
}

pub(crate) fn patch(operations: Value) -> Value {
    json!({"schemas": [PATCH_OP], "Operations": operations})
}

/// Members as Entra lists them, with a `$ref` that is null.
pub(crate) fn member_values<I: AsRef<str>>(ids: &[I]) -> Value {
    ids.iter().map(|id| json!({"$ref": null, "value": id.as_ref()})).collect()
}

pub(crate) fn add_members<I: AsRef<str>>(ids: &[I]) -> Value {
    json!([{"op": "Add", "path": "members", "value": member_values(ids)}])
}

/// The removal of members without Entra's RFC flag: a path, and the members as its value.
pub(crate) fn remove_members<I: AsRef<str>>(ids: &[I]) -> Value {
    json!([{"op": "Remove", "path": "members", "value": member_values(ids)}])
}

/// One removal with Entra's RFC flag: a value path.
pub(crate) fn remove_member_by_path(id: &str) -> Value {
    json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}])
}

/// Form encoding as in Entra's traces: a space is `+`, the rest in lower-case hexadecimal.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02x}")),
        }
    }
    encoded
}

/// A value as it stands between the quotes of a filter.
pub(crate) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().collect::<String>() + characters.as_str()).unwrap_or_default()
}
