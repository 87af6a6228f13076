//! Changes of a group's members, by value: the list itself is never read, replaced or deleted.

use super::{Plan, Reason};
use crate::directory::{Action, AttributeName, Change, Dn, Modification, Tolerance, Value};

/// How many values one change carries at most. OpenLDAP's `memberof` overlay writes every member's entry within the
/// operation, some two thousand a second, and an operation must end well within the timeout.
pub const VALUES_PER_CHANGE: usize = 1_000;

/// Who joins and who leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberDelta {
    /// The DNs that become values.
    pub joining: Vec<Dn>,
    /// The DNs that are values no longer.
    pub leaving: Vec<Dn>,
}

impl MemberDelta {
    /// Whether nobody joins or leaves.
    pub fn is_empty(&self) -> bool {
        self.joining.is_empty() && self.leaving.is_empty()
    }
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
pub fn member_changes(
    group: &Dn,
    attribute: &AttributeName,
    delta: &MemberDelta,
    placeholder: (&Dn, Placeholder),
) -> Plan {
    let modification = |action, dns: &[Dn]| Modification {
        attribute: attribute.clone(),
        action,
        values: dns.iter().map(Value::from).collect(),
    };
    let (stand_in, swap) = placeholder;
    let mut changes: Vec<Vec<Modification>> = Vec::new();
    for dns in delta.joining.chunks(VALUES_PER_CHANGE) {
        changes.push(vec![modification(Action::Add, dns)]);
    }
    for dns in delta.leaving.chunks(VALUES_PER_CHANGE) {
        changes.push(vec![modification(Action::Delete, dns)]);
    }
    // A change of some members either way is one modify: all of it or nothing.
    if delta.joining.len() + delta.leaving.len() <= VALUES_PER_CHANGE {
        changes = vec![changes.concat()];
    }
    let swapped = match swap {
        Placeholder::Untouched => None,
        Placeholder::Out => changes.first_mut().map(|first| (first, Action::Delete)),
        Placeholder::In => changes.last_mut().map(|last| (last, Action::Add)),
    };
    if let Some((change, action)) = swapped {
        change.push(modification(action, std::slice::from_ref(stand_in)));
    }
    let mut plan = Plan::default();
    for modifications in changes.into_iter().filter(|modifications| !modifications.is_empty()) {
        let change = Change::Modify { dn: group.clone(), modifications, tolerance: Tolerance::AlreadySo };
        plan.push(change, Reason::Members);
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize) -> Dn {
        format!("uid=u{number},ou=people").parse().unwrap()
    }

    #[track_caller]
    fn check(joining: usize, leaving: usize, swap: Placeholder, expected: &[&[(Action, usize)]]) {
        let delta = MemberDelta {
            joining: (0..joining).map(member).collect(),
            leaving: (joining..joining + leaving).map(member).collect(),
        };
        let group = "cn=g,ou=groups".parse().unwrap();
        let plan = member_changes(&group, &AttributeName::of("member"), &delta, (&"cn=empty".parse().unwrap(), swap));
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
