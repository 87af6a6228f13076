//! A list of members as it is against who is wanted: the one place where whole lists are compared.

use std::collections::{BTreeMap, HashMap};

use crate::directory::{Matching, Value};

/// How a list differs from who is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDrift<M> {
    /// Who is wanted and not listed.
    pub missing: Vec<M>,
    /// The values that stand for nobody who is wanted.
    pub surplus: Vec<Value>,
}

/// Compares a list with those who are wanted, each with the value that stands for them; several may share one.
///
/// Values are compared by the list's rule. Most are the same byte for byte, and only the rest is brought into the form
/// that equal values share: a list may have 50,000.
pub fn list_drift<M>(present: &[Value], wanted: impl Iterator<Item = (M, Value)>, matching: Matching) -> ListDrift<M> {
    /// Whether a value stands for somebody.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Use {
        Idle,
        Needed,
    }
    let mut uses: HashMap<&[u8], Use> = present.iter().map(|value| (value.as_bytes(), Use::Idle)).collect();
    let mut unlisted = Vec::new();
    for (member, value) in wanted {
        match uses.get_mut(value.as_bytes()) {
            Some(found) => *found = Use::Needed,
            None => unlisted.push((member, value)),
        }
    }
    let is_idle = |uses: &HashMap<&[u8], Use>, value: &Value| uses.get(value.as_bytes()) == Some(&Use::Idle);
    // Who shares a value with another that is written otherwise is listed by that one.
    let normalized = |value: &Value| matching.normalize(value);
    let mut by_form: BTreeMap<Vec<u8>, Use> = BTreeMap::new();
    if !unlisted.is_empty() {
        for value in present {
            let used = if is_idle(&uses, value) { Use::Idle } else { Use::Needed };
            by_form.insert(normalized(value), used);
        }
    }
    let mut missing = Vec::new();
    for (member, value) in unlisted {
        match by_form.get_mut(&normalized(&value)) {
            Some(found) => *found = Use::Needed,
            None => missing.push(member),
        }
    }
    let stands_for_nobody = |value: &&Value| {
        is_idle(&uses, value) && by_form.get(&normalized(value)).is_none_or(|found| *found == Use::Idle)
    };
    let surplus = present.iter().filter(stands_for_nobody).cloned().collect();
    ListDrift { missing, surplus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(present: &[&str], wanted: &[&str], missing: &[&str], surplus: &[&str]) {
        let present: Vec<Value> = present.iter().map(|value| Value::from(*value)).collect();
        let named = wanted.iter().map(|value| (*value, Value::from(*value)));
        let drift = list_drift(&present, named, Matching::DistinguishedName);
        assert_eq!(drift.missing, missing, "missing of {wanted:?} in {present:?}");
        assert_eq!(drift.surplus, surplus.iter().map(|value| Value::from(*value)).collect::<Vec<_>>());
    }

    #[test]
    fn lists_are_compared_by_their_rule() {
        check(&[], &[], &[], &[]);
        check(&["uid=a,ou=p"], &["uid=a,ou=p"], &[], &[]);
        check(&["UID=A, ou=p"], &["uid=a,ou=p"], &[], &[]);
        check(&["UID=A, ou=p", "uid=b,ou=p"], &["uid=a,ou=p", "uid=c,ou=p"], &["uid=c,ou=p"], &["uid=b,ou=p"]);
        check(&[r"cn=a\2Cb,ou=p"], &[r"cn=a\,b,ou=p"], &[], &[]);
        check(&["no name"], &["uid=a"], &["uid=a"], &["no name"]);
        check(&["uid=a"], &["uid=a", "UID=a"], &[], &[]);
        check(&[], &["uid=a", "uid=b"], &["uid=a", "uid=b"], &[]);
        check(&["uid=a", "uid=b"], &[], &[], &["uid=a", "uid=b"]);
    }
}
