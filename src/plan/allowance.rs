//! What a run may do: the parts of the changes that a plan showed, and none beside them.
//!
//! Not the order of the changes, and not how often each is made. Invariant: a change is let through only when every
//! part of it was shown. Parts are kept as digests of 128 bits: a plan may have a hundred thousand steps.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::hidden::{HIDDEN, is_password};
use super::proposal::Proposal;
use crate::directory::{Action, AttributeName, Attributes, Change, Dn, Modification, Rdn, Value};

/// A part of a change.
type Part = [u8; 16];

/// What a run may do.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    parts: HashSet<Part>,
}

impl Allowance {
    /// Allows what the steps of a proposal do.
    pub fn of(proposal: &Proposal) -> Allowance {
        let steps = proposal.items.iter().flat_map(|item| &item.steps);
        Allowance { parts: steps.flat_map(|proposed| parts(&proposed.step.change)).collect() }
    }

    /// Whether every part of a change was planned. Names of entries are compared by their meaning, values byte for
    /// byte, and one password is as good as another.
    pub fn permits(&self, change: &Change) -> bool {
        parts(change).iter().all(|part| self.parts.contains(part))
    }
}

fn parts(change: &Change) -> Vec<Part> {
    match change {
        Change::Add { dn, attributes } => add_parts(&dn.normalized(), attributes),
        Change::Modify { dn, modifications, .. } => {
            let dn = dn.normalized();
            modifications.iter().flat_map(|modification| modify_parts(&dn, modification)).collect()
        }
        Change::Rename { dn, new_rdn, new_parent } => {
            let parent = new_parent.clone().or_else(|| dn.parent()).unwrap_or_default();
            vec![rename_part(dn, new_rdn, &parent)]
        }
        Change::Delete { dn } => vec![part(&[b"delete", dn.normalized().as_bytes()])],
    }
}

fn add_parts(dn: &str, attributes: &Attributes) -> Vec<Part> {
    let mut parts = vec![part(&[b"add", dn.as_bytes()])];
    for (name, values) in attributes {
        let folded = name.folded();
        let of = |value: &Value| part(&[b"add", dn.as_bytes(), folded.as_bytes(), shown(name, value)]);
        parts.extend(values.iter().map(of));
    }
    parts
}

fn modify_parts(dn: &str, modification: &Modification) -> Vec<Part> {
    let Modification { attribute, action, values } = modification;
    let folded = attribute.folded();
    let verb: &[u8] = match action {
        Action::Add => b"modify add",
        Action::Delete => b"modify delete",
        Action::Replace => b"modify replace",
    };
    let start = [verb, dn.as_bytes(), folded.as_bytes()];
    // All values are one part where they are not named one by one.
    if *action == Action::Replace || values.is_empty() {
        let mut all: Vec<&[u8]> = values.iter().map(|value| shown(attribute, value)).collect();
        all.sort_unstable();
        all.dedup();
        return vec![part(&[&start[..], &[b"all"], &all[..]].concat())];
    }
    values.iter().map(|value| part(&[&start[..], &[b"one", shown(attribute, value)]].concat())).collect()
}

fn rename_part(dn: &Dn, new_rdn: &Rdn, parent: &Dn) -> Part {
    let (dn, parent) = (dn.normalized(), parent.normalized());
    // The order of the parts of a name does not count (RFC 4514 §2.2).
    let mut named: Vec<(String, &[u8])> =
        new_rdn.parts().iter().map(|(name, value)| (name.folded(), value.as_bytes())).collect();
    named.sort_unstable();
    let named = named.iter().flat_map(|(name, value)| [name.as_bytes(), *value]);
    let fields: Vec<&[u8]> =
        [b"rename".as_slice(), dn.as_bytes(), parent.as_bytes()].into_iter().chain(named).collect();
    part(&fields)
}

fn shown<'a>(attribute: &AttributeName, value: &'a Value) -> &'a [u8] {
    if is_password(attribute) { HIDDEN.as_bytes() } else { value.as_bytes() }
}

/// The digest of fields, each with its length before it, so that no two lists of fields are one text.
fn part(fields: &[&[u8]]) -> Part {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    let mut part = Part::default();
    part.iter_mut().zip(digest.finalize()).for_each(|(kept, byte)| *kept = byte);
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::Tolerance;
    use crate::plan::random::{any_change, any_proposal};
    use crate::plan::{Item, Plan, Proposed, Reason};

    fn allowance(changes: &[&str]) -> Allowance {
        let mut plan = Plan::default();
        changes.iter().for_each(|text| plan.push(read(text), Reason::Differs));
        let steps = plan.steps.into_iter();
        let steps = steps.map(|step| Proposed { step, before: Attributes::new(), last_change: None }).collect();
        Allowance::of(&Proposal { items: vec![Item { steps, ..Item::default() }], ..Proposal::default() })
    }

    fn read(text: &str) -> Change {
        serde_json::from_str(text).unwrap()
    }

    #[track_caller]
    fn check(planned: &str, change: &str, expected: bool) {
        assert_eq!(allowance(&[planned]).permits(&read(change)), expected, "{planned}\n{change}");
    }

    fn add(attributes: &str) -> String {
        format!(r#"{{"operation": "add", "dn": "uid=a,ou=p", "attributes": {attributes}}}"#)
    }

    fn modify(dn: &str, action: &str, values: &str) -> String {
        let modification = format!(r#"{{"attribute": "mail", "action": "{action}", "values": {values}}}"#);
        format!(r#"{{"operation": "modify", "dn": "{dn}", "modifications": [{modification}]}}"#)
    }

    #[test]
    fn what_was_planned_may_be_done_and_less_of_it() {
        let planned = add(r#"{"uid": ["a"], "userPassword": ["{SSHA}x"]}"#);
        check(&planned, &add(r#"{"UID": ["a"], "userPassword": ["{SSHA}y"]}"#), true);
        check(&planned, &add(r#"{"uid": ["a"]}"#), true);
        check(&planned, &add(r#"{"uid": ["A"]}"#), false);
        check(&planned, &add(r#"{"uid": ["a"], "sn": ["b"]}"#), false);
        check(&add("{}"), &add(r#"{"userPassword": ["x"]}"#), false);
        let planned = modify("uid=a,ou=p", "add", r#"["x", "y"]"#);
        check(&planned, &modify("UID=A, ou=P", "add", r#"["y"]"#), true);
        check(&planned, &modify("uid=a,ou=p", "delete", r#"["y"]"#), false);
        check(&planned, &modify("uid=a,ou=p", "add", r#"["x", "y", "z"]"#), false);
        check(&planned, &modify("uid=b,ou=p", "add", r#"["x"]"#), false);
        check(&planned, r#"{"operation": "delete", "dn": "uid=a,ou=p"}"#, false);
    }

    #[test]
    fn values_that_come_instead_of_all_others_come_together() {
        let planned = modify("uid=a", "replace", r#"["x", "y"]"#);
        check(&planned, &modify("uid=a", "replace", r#"["y", "x"]"#), true);
        check(&planned, &modify("uid=a", "replace", r#"["x"]"#), false);
        check(&planned, &modify("uid=a", "replace", "[]"), false);
        // Taking all values away is not what taking one away was.
        check(&modify("uid=a", "delete", r#"["x"]"#), &modify("uid=a", "delete", "[]"), false);
        check(&modify("uid=a", "delete", r#"["all"]"#), &modify("uid=a", "delete", "[]"), false);
    }

    #[test]
    fn a_rename_leads_where_it_was_planned_to() {
        let rename = |rdn: &str, parent: &str| {
            format!(r#"{{"operation": "rename", "dn": "uid=a,ou=p", "new_rdn": "{rdn}"{parent}}}"#)
        };
        let planned = rename("uid=b+ou=x", "");
        check(&planned, &rename("OU=x+uid=b", r#", "new_parent": "OU=P""#), true);
        check(&planned, &rename("uid=b", ""), false);
        check(&planned, &rename("uid=B+ou=x", ""), false);
        check(&planned, &rename("uid=b+ou=x", r#", "new_parent": "ou=q""#), false);
    }

    proptest! {
        #[test]
        fn a_proposal_permits_itself(proposal in any_proposal()) {
            let allowance = Allowance::of(&proposal);
            for proposed in proposal.items.iter().flat_map(|item| &item.steps) {
                prop_assert!(allowance.permits(&proposed.step.change));
            }
        }

        #[test]
        fn one_value_more_is_refused(proposal in any_proposal(), change in any_change()) {
            let allowance = Allowance::of(&proposal);
            // No value that is made at random looks like this one.
            let more = Value::from("one more");
            let more = match change {
                Change::Add { dn, mut attributes } => {
                    attributes.entry(AttributeName::of("mail")).or_default().push(more);
                    Change::Add { dn, attributes }
                }
                change => {
                    let attribute = AttributeName::of("mail");
                    let modification = Modification { attribute, action: Action::Add, values: vec![more] };
                    let dn = change.dn().clone();
                    Change::Modify { dn, modifications: vec![modification], tolerance: Tolerance::Exact }
                }
            };
            prop_assert!(!allowance.permits(&more));
        }
    }
}
