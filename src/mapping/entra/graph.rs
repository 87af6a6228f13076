//! The same as Microsoft Graph has it: fragments of a synchronization schema (`synchronizationSchema`).
//!
//! Fragments, to be merged into the schema that the application has: its rule has an id that Entra gave, and what is put
//! there replaces everything. A mapping whose source the administrator has to choose is not among them.

use serde_json::{Value, json};

use super::{Advice, Advised, Applied, Custom, Mapping, Sent};
use crate::scim::Kind;
use crate::scim::schema::ENTERPRISE_USER;

/// The name of the target directory of an application that is not of the gallery.
const TARGET: &str = "customappsso";

/// What Entra may do with resources of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Flows {
    /// Create them.
    pub add: bool,
    /// Update and disable them.
    pub update: bool,
    /// Delete them.
    pub delete: bool,
}

/// A kind of resource, as it is to be provisioned. `None` for what is told of it: not at all.
#[derive(Clone, Copy, Debug)]
pub struct Provisioned<'a> {
    /// The kind.
    pub kind: Kind,
    /// What is to be done with Entra's mappings.
    pub advised: Option<&'a Advised>,
    /// What Entra may do.
    pub flows: Flows,
}

/// The fragments for all kinds: one rule with its object mappings, and the attributes of the target directory.
pub fn synchronization_schema(kinds: &[Provisioned<'_>]) -> Value {
    let mappings: Vec<Value> = kinds.iter().map(object_mapping).collect();
    let objects: Vec<Value> = kinds.iter().filter_map(object).collect();
    json!({
        "synchronizationRules": [{
            "name": "USERGROUP_OUTBOUND_USERGROUP",
            "sourceDirectoryName": "Microsoft Entra ID",
            "targetDirectoryName": TARGET,
            "objectMappings": mappings,
        }],
        "directories": [{"name": TARGET, "objects": objects}],
    })
}

fn object_mapping(provisioned: &Provisioned<'_>) -> Value {
    let Provisioned { kind, advised, flows } = provisioned;
    let flows = [("Add", flows.add), ("Update", flows.update), ("Delete", flows.delete)];
    let allowed: Vec<&str> = flows.into_iter().filter(|(_, allowed)| *allowed).map(|(flow, _)| flow).collect();
    let attributes: Vec<Value> =
        advised.iter().flat_map(|advised| used(advised)).filter_map(attribute_mapping).collect();
    json!({
        "name": format!("Provision Microsoft Entra ID {kind}s"),
        "enabled": advised.is_some(),
        "flowTypes": allowed.join(","),
        "sourceObjectName": kind.as_str(),
        "targetObjectName": target_object(*kind),
        "attributeMappings": attributes,
    })
}

fn used(advised: &Advised) -> impl Iterator<Item = &Mapping> {
    advised.mappings.iter().filter(|mapping| mapping.advice != Advice::Delete)
}

fn target_object(kind: Kind) -> &'static str {
    match kind {
        Kind::User => ENTERPRISE_USER,
        Kind::Group => Kind::Group.schema(),
    }
}

fn attribute_mapping(mapping: &Mapping) -> Option<Value> {
    let source = match mapping.source {
        Sent::Direct(name) => {
            json!({"expression": format!("[{name}]"), "name": name, "type": "Attribute", "parameters": []})
        }
        // What the parts of a function are called is Entra's: it reads them from the expression.
        Sent::Expression(expression) => {
            let name = expression.split('(').next().unwrap_or_default();
            json!({"expression": expression, "name": name, "type": "Function", "parameters": []})
        }
        Sent::Chosen => return None,
    };
    let flow_type = match mapping.applied {
        Applied::Always => "Always",
        Applied::OnCreation => "ObjectAddOnly",
    };
    Some(json!({
        "targetAttributeName": mapping.target,
        "flowType": flow_type,
        "flowBehavior": "FlowWhenChanged",
        "matchingPriority": mapping.matching.unwrap_or(0),
        "defaultValue": null,
        "exportMissingReferences": false,
        "source": source,
    }))
}

fn object(provisioned: &Provisioned<'_>) -> Option<Value> {
    let advised = provisioned.advised?;
    let object = target_object(provisioned.kind);
    let anchor = definition("id", "String", false, object);
    let anchor = with(anchor, &[("anchor", json!(true)), ("mutability", json!("ReadOnly"))]);
    let mapped = used(advised).map(|mapping| {
        let known = definition(&mapping.target, mapping.value_type, mapping.required, object);
        let is_custom = advised.customs.iter().any(|custom: &Custom| custom.name == mapping.target);
        if is_custom {
            with(known, &[("metadata", json!([{"key": "IsCustomerDefined", "value": "True"}]))])
        } else {
            known
        }
    });
    let attributes: Vec<Value> = std::iter::once(anchor).chain(mapped).collect();
    Some(json!({"name": object, "attributes": attributes}))
}

fn definition(name: &str, value_type: &str, required: bool, object: &str) -> Value {
    // Members are users, and groups that are provisioned themselves.
    let referenced = match value_type {
        "Reference" if object == ENTERPRISE_USER => vec![ENTERPRISE_USER],
        "Reference" => vec![ENTERPRISE_USER, Kind::Group.schema()],
        _ => Vec::new(),
    };
    let referenced: Vec<Value> = referenced
        .into_iter()
        .map(|object| json!({"referencedObjectName": object, "referencedProperty": ""}))
        .collect();
    json!({
        "name": name,
        "anchor": false,
        "type": value_type,
        "mutability": "ReadWrite",
        "caseExact": false,
        "required": required,
        "multivalued": name == "members",
        "flowNullValues": false,
        "defaultValue": null,
        "referencedObjects": referenced,
        "apiExpressions": [],
        "metadata": [],
    })
}

fn with(mut definition: Value, changes: &[(&str, Value)]) -> Value {
    if let Value::Object(members) = &mut definition {
        members.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    definition
}
