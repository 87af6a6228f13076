//! An explanation as text for people.

use std::fmt;

use crate::cli::reconcile::one_line;
use crate::directory::{AttributeName, Value};
use crate::plan::render::Shown;
use crate::settle::{Access, Agreement, Explained, Explanation, Found, Held, Listing, Membership, Roster};

/// How many values of an attribute are shown.
const VALUES_SHOWN: usize = 10;

/// An explanation as text.
pub(super) struct Text<'a>(pub(super) &'a Explanation);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text(explanation) = self;
        match &explanation.resource {
            Some(resource) => write_resource(f, resource)?,
            None => writeln!(f, "unmanaged: nobody pushed this entry, and it is left alone")?,
        }
        self.write_place(f)?;
        if let Some(adoption) = &explanation.adoption {
            writeln!(f, "  {}", one_line(adoption))?;
        }
        for other in &explanation.sharing {
            writeln!(f, "  shares its entry with the {} {:?} {}", other.kind.to_lowercase(), other.name, other.id)?;
        }
        for problem in &explanation.problems {
            writeln!(f, "  problem: {}", one_line(problem))?;
        }
        if let Some(access) = &explanation.access {
            write_access(f, access)?;
        }
        if !explanation.attributes.is_empty() {
            writeln!(f, "mapped:")?;
            explanation.attributes.iter().try_for_each(|row| write_row(f, row))?;
        }
        if !explanation.unmapped.is_empty() {
            writeln!(f, "not mapped, and left alone:")?;
        }
        for (name, values) in &explanation.unmapped {
            writeln!(f, "    {name}: {}", listed(name, values))?;
        }
        if let Some(roster) = &explanation.roster {
            write_roster(f, roster)?;
        }
        if !explanation.groups.is_empty() {
            writeln!(f, "in groups:")?;
        }
        explanation.groups.iter().try_for_each(|membership| write_membership(f, membership))
    }
}

impl Text<'_> {
    fn write_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text(explanation) = self;
        if let Some(link) = &explanation.link {
            let dn = one_line(&link.dn.to_string());
            writeln!(f, "  linked to {} {}, last seen at <{dn}>", link.anchor_attribute, one_line(&link.anchor))?;
            if let Some(previous) = &link.previous {
                writeln!(
                    f,
                    "  what refers to its former name <{}> is still to follow",
                    one_line(&previous.to_string())
                )?;
            }
        }
        match &explanation.found {
            Found::At(dn) => write!(f, "  stands at <{}>", one_line(&dn.to_string()))?,
            Found::Missing if explanation.link.is_none() => write!(f, "  has no entry yet")?,
            Found::Missing => write!(f, "  its entry is not in the directory, or not shown")?,
            Found::Unknown(reason) => write!(f, "  where its entry is, is not known: {}", one_line(reason))?,
        }
        if let Some(change) = &explanation.last_change {
            write!(f, ", {}", one_line(&change.to_string()))?;
        }
        writeln!(f)?;
        match &explanation.wanted_name {
            Some(dn) => writeln!(f, "  drifted: it should stand at <{}>", one_line(&dn.to_string())),
            None => Ok(()),
        }
    }
}

fn write_resource(f: &mut fmt::Formatter<'_>, resource: &Explained) -> fmt::Result {
    let Explained { kind, id, name, external_id, active, version, created, modified, pending } = resource;
    writeln!(f, "{} {name:?} {id}", kind.to_lowercase())?;
    if let Some(external_id) = external_id {
        writeln!(f, "  externalId {external_id:?}")?;
    }
    if let Some(active) = active {
        writeln!(f, "  {}", if *active { "active" } else { "not active" })?;
    }
    if let (Some(version), Some(created), Some(modified)) = (version, created, modified) {
        writeln!(f, "  version {version}, created {created}, modified {modified}")?;
    }
    match pending {
        Some(pending) => {
            let since = pending.since.as_deref().map(|since| format!(" since {since}")).unwrap_or_default();
            writeln!(f, "  pending: to {}{since}", pending.what)
        }
        None => writeln!(f, "  nothing pending"),
    }
}

fn write_access(f: &mut fmt::Formatter<'_>, access: &Access) -> fmt::Result {
    let wanted = if access.disabled { "is to be kept out" } else { "may log in" };
    let by = match &access.kept_out_by {
        None => "; what the entry says is not known".to_owned(),
        Some(by) if by.is_empty() => "; nothing of the entry keeps them out".to_owned(),
        Some(by) => format!("; kept out by {}", by.join(", ")),
    };
    let ours = if access.ours { "; it is ours to undo" } else { "" };
    writeln!(f, "login: {wanted}{}{ours}", one_line(&by))?;
    access.before.iter().try_for_each(|before| writeln!(f, "  before: {}", one_line(before)))
}

fn write_row(f: &mut fmt::Formatter<'_>, row: &Held) -> fmt::Result {
    let Held { attribute, sources, ownership, wanted, held, agreement } = row;
    let from = one_line(&sources.join(" and "));
    match agreement {
        Agreement::Agrees => {
            let held = held.as_deref().unwrap_or(wanted);
            writeln!(f, "  = {attribute}: {} ({ownership}, from {from})", listed(attribute, held))
        }
        Agreement::Unknown => {
            writeln!(f, "  ? {attribute}: {} ({ownership}, from {from})", listed(attribute, wanted))
        }
        Agreement::Drifted => {
            writeln!(f, "  ~ {attribute}: drifted ({ownership}, from {from})")?;
            writeln!(f, "      wanted: {}", listed(attribute, wanted))?;
            writeln!(f, "      holds:  {}", listed(attribute, held.as_deref().unwrap_or_default()))
        }
    }
}

fn write_roster(f: &mut fmt::Formatter<'_>, roster: &Roster) -> fmt::Result {
    let Roster { settled, renewing, joining, leaving, members, missing, strays, strangers, others } = roster;
    write!(f, "members: {settled} settled, {renewing} renewing, {joining} joining, {leaving} leaving")?;
    match missing {
        Some(missing) => {
            writeln!(f, "; {missing} missing in the directory, {strays} too many there, {strangers} strangers")?;
        }
        None => writeln!(f, "; what the directory lists is not known")?,
    }
    members.iter().try_for_each(|member| write_membership(f, member))?;
    let wanted = settled + renewing + joining;
    if wanted > members.len() as u64 {
        writeln!(f, "    … and {} more", wanted - members.len() as u64)?;
    }
    for (number, value) in others.iter().enumerate() {
        let what = if number < *strays { "too many" } else { "stranger" };
        writeln!(f, "  ! {what}: {}", listed(&AttributeName::of("member"), std::slice::from_ref(value)))?;
    }
    Ok(())
}

fn write_membership(f: &mut fmt::Formatter<'_>, membership: &Membership) -> fmt::Result {
    let Membership { named, state, listing } = membership;
    let (sign, said) = match listing {
        Listing::Listed => ('=', "in the directory"),
        Listing::Missing => ('~', "not in the directory"),
        Listing::Unknown => ('?', "the directory was not asked"),
    };
    writeln!(f, "  {sign} {} {:?} {}: {state}, {said}", named.kind.to_lowercase(), named.name, named.id)
}

fn listed(name: &AttributeName, values: &[Value]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let mut shown: Vec<String> = values.iter().take(VALUES_SHOWN).map(|value| Shown(name, value).to_string()).collect();
    if values.len() > VALUES_SHOWN {
        shown.push(format!("… and {} more", values.len() - VALUES_SHOWN));
    }
    shown.join(", ")
}
