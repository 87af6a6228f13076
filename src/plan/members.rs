//! Changes of a group's members, by value: the list itself is never read, replaced or deleted.

use super::{Plan, Reason};
use crate::directory::{Action, AttributeName, Change, Dn, Modification, Tolerance, Value};

/// How many values one change carries at most. OpenLDAP's `memberof` overlay writes every member's entry within the
/// operation, some two thousand a second, and an operation must end well within the timeout.
pub const VALUES_PER_CHANGE: usize = 1_000;

/// Who joins and who leaves one list of members.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberDelta {
    /// The list.
    pub attribute: AttributeName,
    /// What becomes a value of it.
    pub joining: Vec<Value>,
    /// What is a value of it no longer.
    pub leaving: Vec<Value>,
}

impl MemberDelta {
    /// Whether nobody joins or leaves.
    pub fn is_empty(&self) -> bool {
        self.joining.is_empty() && self.leaving.is_empty()
    }
}

/// The value of a list that stands in for "no members" where the class demands one.
#[derive(Clone, Copy, Debug)]
pub struct StandIn<'a> {
    /// The list.
    pub attribute: &'a AttributeName,
    /// The DN of nobody.
    pub dn: &'a Dn,
}

/// What happens to the value that stands in for "no members".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// It is neither there nor needed.
    Untouched,
    /// It goes with the first real member.
    Out,
    /// It comes with the departure of the last one.
    In,
}

/// The changes that let members join and leave, the placeholder swapped in the same modify as the first
/// or last real one.
pub fn member_changes(group: &Dn, deltas: &[MemberDelta], stand_in: Option<StandIn>, swap: Placeholder) -> Plan {
    let mut changes: Vec<Vec<Modification>> = Vec::new();
    for MemberDelta { attribute, joining, leaving } in deltas {
        for (action, values) in [(Action::Add, joining), (Action::Delete, leaving)] {
            let chunks = values.chunks(VALUES_PER_CHANGE);
            changes.extend(chunks.map(|values| vec![modification(attribute, action, values.to_vec())]));
        }
    }
    // A change of some members either way is one modify: all of it or nothing.
    if deltas.iter().map(|delta| delta.joining.len() + delta.leaving.len()).sum::<usize>() <= VALUES_PER_CHANGE {
        changes = vec![changes.concat()];
    }
    if let Some(StandIn { attribute, dn }) = stand_in {
        let is_of_list = |change: &&mut Vec<Modification>| change.iter().any(|one| one.attribute == *attribute);
        let swapped = match swap {
            Placeholder::Untouched => None,
            Placeholder::Out => changes.iter_mut().find(is_of_list).map(|first| (first, Action::Delete)),
            Placeholder::In => changes.iter_mut().rev().find(is_of_list).map(|last| (last, Action::Add)),
        };
        if let Some((change, action)) = swapped {
            change.push(modification(attribute, action, vec![Value::from(dn)]));
        }
    }
    let mut plan = Plan::default();
    for modifications in changes.into_iter().filter(|modifications| !modifications.is_empty()) {
        let change = Change::Modify { dn: group.clone(), modifications, tolerance: Tolerance::AlreadySo };
        plan.push(change, Reason::Members);
    }
    plan
}

fn modification(attribute: &AttributeName, action: Action, values: Vec<Value>) -> Modification {
    Modification { attribute: attribute.clone(), action, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize) -> Value {
        Value::from(format!("uid=u{number},ou=people"))
    }

    #[track_caller]
    fn check(joining: usize, leaving: usize, swap: Placeholder, expected: &[&[(Action, usize)]]) {
        let attribute = AttributeName::of("member");
        let delta = MemberDelta {
            attribute: attribute.clone(),
            joining: (0..joining).map(member).collect(),
            leaving: (joining..joining + leaving).map(member).collect(),
        };
        let group = "cn=g,ou=groups".parse().unwrap();
        let nobody = "cn=empty".parse().unwrap();
        let plan = member_changes(&group, &[delta], Some(StandIn { attribute: &attribute, dn: &nobody }), swap);
        let shapes: Vec<Vec<(Action, usize)>> = plan
            .steps
            .iter()
            .map(|step| match &step.change {
                Change::Modify { modifications, .. } => {
                    modifications.iter().map(|one| (one.action, one.values.len())).collect()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(shapes, expected);
    }

    #[test]
    fn the_placeholder_goes_and_comes_with_real_members() {
        use Action::{Add, Delete};
        check(0, 0, Placeholder::Untouched, &[]);
        check(2, 1, Placeholder::Untouched, &[&[(Add, 2), (Delete, 1)]]);
        check(1, 0, Placeholder::Out, &[&[(Add, 1), (Delete, 1)]]);
        check(0, 1, Placeholder::In, &[&[(Delete, 1), (Add, 1)]]);
        check(2_500, 0, Placeholder::Out, &[&[(Add, 1_000), (Delete, 1)], &[(Add, 1_000)], &[(Add, 500)]]);
        check(0, 1_500, Placeholder::In, &[&[(Delete, 1_000)], &[(Delete, 500), (Add, 1)]]);
    }
}
