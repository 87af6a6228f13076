//! A proposal as text for people: a line for each step, the values below it, and what it all comes to.
//!
//! Not for programs: what is long is cut short here, and JSON has all of it.

use std::fmt;

use super::{Amount, OneLine, Report, Sign, grouped};
use crate::directory::{Action, AttributeName, Attributes, Change, Modification, Value};
use crate::plan::hidden::{HIDDEN, is_password};
use crate::plan::proposal::{Item, Proposed, Subject};

/// How many values of an attribute are shown that come, and how many that go.
const VALUES_SHOWN: usize = 20;

/// A proposal as text.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub Report<'a>);

/// What is to be done for one resource, as text.
#[derive(Clone, Copy, Debug)]
pub struct ItemText<'a>(pub &'a Item);

impl fmt::Display for ItemText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_item(f, self.0)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { proposal, excesses, .. } = self.0;
        proposal.items.iter().try_for_each(|item| write_item(f, item))?;
        for dn in &proposal.unmanaged {
            writeln!(f, "unmanaged <{}>: nobody pushed it; left alone", OneLine(dn))?;
        }
        self.write_counts(f)?;
        excesses.iter().try_for_each(|excess| writeln!(f, "refused: {excess}"))
    }
}

impl Text<'_> {
    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { proposal, tally, .. } = self.0;
        let census = proposal.census;
        let users = Amount(census.users, "user", "users");
        let groups = Amount(census.groups, "group", "groups");
        let unmanaged = match proposal.unmanaged.len() as u64 {
            0 => String::new(),
            number => format!("; {} unmanaged", grouped(number)),
        };
        if proposal.is_in_sync() {
            return writeln!(f, "in sync: {users} and {groups}{unmanaged}");
        }
        let done = [
            (tally.adds, "entry added", "entries added"),
            (tally.modifies, "modified", "modified"),
            (tally.renames, "renamed or moved", "renamed or moved"),
            (tally.deletes, "deleted", "deleted"),
            (tally.disables, "user disabled", "users disabled"),
            (tally.member_adds, "member added", "members added"),
            (tally.member_removals, "member taken out", "members taken out"),
        ];
        let done = done.into_iter().filter(|(number, ..)| *number > 0);
        let done: Vec<String> = done.map(|(number, one, several)| Amount(number, one, several).to_string()).collect();
        write!(f, "{}", Amount(tally.resources, "resource to change", "resources to change"))?;
        if !done.is_empty() {
            write!(f, ": {}", done.join(", "))?;
        }
        if tally.problems > 0 {
            write!(f, "; {} cannot be brought in sync", grouped(tally.problems))?;
        }
        writeln!(f, "\n{users} and {groups} managed{unmanaged}")
    }
}

/// A change that was made, as text: a line, and one for each value.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// The change, as it may be shown.
    pub change: &'a Change,
    /// Why it was made.
    pub reason: &'a str,
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Sign::for_reason(self.change, self.reason).as_char();
        writeln!(f, "{sign} <{}>: {}", OneLine(self.change.dn()), OneLine(self.reason))?;
        write_values_of(f, self.change, &Attributes::new())
    }
}

fn write_item(f: &mut impl fmt::Write, item: &Item) -> fmt::Result {
    for proposed in &item.steps {
        write_step(f, &item.subject, proposed)?;
    }
    if item.steps.is_empty() && (item.problem.is_some() || !item.notes.is_empty()) {
        writeln!(f, "? {}", Named(&item.subject))?;
    }
    item.notes.iter().try_for_each(|note| writeln!(f, "    note: {}", OneLine(note)))?;
    item.problem.iter().try_for_each(|problem| writeln!(f, "    cannot: {}", OneLine(problem)))
}

/// What people know a resource by.
struct Named<'a>(&'a Subject);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", OneLine(&self.0.kind), self.0.name)
    }
}

/// Writes a step: a line, and one for each value.
///
/// # Errors
/// The writer's.
pub(in crate::plan) fn write_step(f: &mut impl fmt::Write, subject: &Subject, proposed: &Proposed) -> fmt::Result {
    let Proposed { step, last_change, .. } = proposed;
    let (sign, dn) = (Sign::of(step).as_char(), step.change.dn());
    write!(f, "{sign} <{}>: {}, {}", OneLine(dn), Named(subject), step.reason)?;
    if let Some(last_change) = last_change {
        write!(f, "; {}", OneLine(last_change))?;
    }
    f.write_char('\n')?;
    write_values_of(f, &step.change, &proposed.before)
}

/// Writes a line for each value that a change brings or takes.
fn write_values_of(f: &mut impl fmt::Write, change: &Change, before: &Attributes) -> fmt::Result {
    match change {
        Change::Add { attributes, .. } => {
            attributes.iter().try_for_each(|(name, values)| write_values(f, '+', name, &all(values)))
        }
        Change::Delete { .. } => before.iter().try_for_each(|(name, values)| write_values(f, '-', name, &all(values))),
        Change::Modify { modifications, .. } => {
            modifications.iter().try_for_each(|modification| write_modification(f, modification, before))
        }
        Change::Rename { dn, new_rdn, new_parent } => {
            let parent = new_parent.clone().or_else(|| dn.parent()).unwrap_or_default();
            writeln!(f, "    + dn: <{}>", OneLine(parent.child(new_rdn.clone())))
        }
    }
}

fn write_modification(f: &mut impl fmt::Write, modification: &Modification, before: &Attributes) -> fmt::Result {
    let Modification { attribute, action, values } = modification;
    let before = before.get(attribute).map(Vec::as_slice).unwrap_or_default();
    match action {
        Action::Add => write_values(f, '+', attribute, &all(values)),
        Action::Delete if values.is_empty() => write_all_gone(f, attribute, before),
        Action::Delete => write_values(f, '-', attribute, &all(values)),
        Action::Replace if values.is_empty() => write_all_gone(f, attribute, before),
        Action::Replace => {
            write_values(f, '-', attribute, &missing(before, values))?;
            write_values(f, '+', attribute, &missing(values, before))
        }
    }
}

/// The attribute goes, whatever it holds.
fn write_all_gone(f: &mut impl fmt::Write, attribute: &AttributeName, before: &[Value]) -> fmt::Result {
    if before.is_empty() {
        return writeln!(f, "    - {attribute}: (all values)");
    }
    write_values(f, '-', attribute, &all(before))
}

fn all(values: &[Value]) -> Vec<&Value> {
    values.iter().collect()
}

/// The values of a list that another one lacks.
fn missing<'a>(values: &'a [Value], other: &[Value]) -> Vec<&'a Value> {
    values.iter().filter(|value| !other.contains(value)).collect()
}

fn write_values(f: &mut impl fmt::Write, sign: char, attribute: &AttributeName, values: &[&Value]) -> fmt::Result {
    // Lists come in the order of ids, which tells people nothing.
    let mut sorted = values.to_vec();
    sorted.sort();
    for value in sorted.iter().take(VALUES_SHOWN) {
        writeln!(f, "    {sign} {attribute}: {}", Shown(attribute, value))?;
    }
    if values.len() > VALUES_SHOWN {
        let more = (values.len() - VALUES_SHOWN) as u64;
        writeln!(f, "    {sign} {attribute}: … and {} more (--format json shows all)", grouped(more))?;
    }
    Ok(())
}

/// A value on one line.
pub struct Shown<'a>(pub &'a AttributeName, pub &'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(attribute, value) = self;
        match value.as_str() {
            Some(HIDDEN) => f.write_str(HIDDEN),
            _ if is_password(attribute) => f.write_str(HIDDEN),
            Some(text) => write!(f, "{text:?}"),
            None => write!(f, "{}", Amount(value.as_bytes().len() as u64, "byte", "bytes")),
        }
    }
}
