//! `scimbridge groups`: what the directory and the store have of groups.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Format, open_directory, open_store, print, talk};
use crate::config::Settings;
use crate::directory::{AttributeName, Difference, Twins, twins};
use crate::ldap::{self, Directory, Filter};
use crate::mapping::GroupRules;

use crate::scim::{Condition, Kind, resource};
use crate::store::{Position, Store};

/// How many groups are read from the store at a time.
const PAGE: u32 = 500;
/// How many groups the directory is asked for at a time.
const GROUPS_PER_PAGE: u16 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List names of groups that differ only in case, in spaces or in how letters are composed, in the directory and
    /// in scimbridge: to each of them Entra may mean another group
    Twins {
        /// text for people, json for programs
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    let Command::Twins { format } = command;
    let Some(rules) = &settings.groups else {
        bail!("groups are switched off: groups.enabled = false");
    };
    let mut names = in_directory(&settings, rules).await?;
    names.extend(in_store(&settings).await?);
    let found = twins(names);
    match format {
        Format::Json => print(&Value::from(found.iter().map(as_json).collect::<Vec<Value>>()).to_string()),
        Format::Text if found.is_empty() => {
            talk("no two groups have names that people would take for one\n");
            Ok(())
        }
        Format::Text => found.iter().try_for_each(|twins| print(&as_text(twins))),
    }
}

/// Where a name stands.
#[derive(Debug)]
enum Place {
    Directory(String),
    Store(String),
}

async fn in_directory(settings: &Settings, rules: &GroupRules) -> anyhow::Result<Vec<(String, Place)>> {
    let directory = open_directory(settings)?;
    let names = names_in(&directory, rules).await;
    directory.close().await;
    names.with_context(|| format!("cannot read the groups below {}", rules.base_dn))
}

async fn names_in(directory: &Directory, rules: &GroupRules) -> Result<Vec<(String, Place)>, ldap::Error> {
    let class = rules.object_classes.first().cloned();
    let of_class = |class| Filter::equal(AttributeName::of("objectClass"), class);
    let filter = class.map_or(Filter::Present(rules.rdn.clone()), of_class);
    let attributes = std::slice::from_ref(&rules.rdn);
    let mut pages = directory.search_pages(&rules.base_dn, &filter, attributes, GROUPS_PER_PAGE).await?;
    let mut names = Vec::new();
    while let Some(entries) = pages.next().await? {
        names.extend(entries.iter().flat_map(|entry| {
            let texts = entry.values(&rules.rdn).iter().filter_map(|value| value.as_str());
            texts.map(|name| (name.to_owned(), Place::Directory(entry.dn.to_string())))
        }));
    }
    Ok(names)
}

async fn in_store(settings: &Settings) -> anyhow::Result<Vec<(String, Place)>> {
    let store = open_store(settings).await?;
    let mut names = Vec::new();
    let mut position: Option<Position> = None;
    loop {
        let page = store.find_after(Kind::Group, &Condition::ALWAYS, position.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(names);
        };
        position = Some(Position { created: last.created.clone(), id: last.id.clone() });
        let named = page.iter().filter_map(|group| {
            let name = resource::text(&group.document, "displayName")?;
            Some((name.to_owned(), Place::Store(group.id.to_string())))
        });
        names.extend(named);
    }
}

/// Names are quoted with what cannot be seen written out, such as `\u{308}`.
fn as_text(twins: &Twins<Place>) -> String {
    let words: Vec<&str> = twins.differences.iter().map(|difference| word(*difference)).collect();
    let mut text = format!("{} names that differ in {}:", twins.names.len(), words.join(" and "));
    for (name, places) in &twins.names {
        text.push_str(&format!("\n  {name:?}"));
        for place in places {
            text.push_str(&match place {
                Place::Directory(dn) => format!("\n    directory   {dn}"),
                Place::Store(id) => format!("\n    scimbridge  {id}"),
            });
        }
    }
    text
}

fn as_json(twins: &Twins<Place>) -> Value {
    let differ: Vec<&str> = twins.differences.iter().map(|difference| word(*difference)).collect();
    let mut names: BTreeMap<&String, Value> = BTreeMap::new();
    for (name, places) in &twins.names {
        let pick = |wanted: fn(&Place) -> Option<&String>| places.iter().filter_map(wanted).collect::<Vec<&String>>();
        let directory = pick(|place| if let Place::Directory(dn) = place { Some(dn) } else { None });
        let scimbridge = pick(|place| if let Place::Store(id) = place { Some(id) } else { None });
        names.insert(name, json!({"directory": directory, "scimbridge": scimbridge}));
    }
    json!({"differ_in": differ, "names": names})
}

fn word(difference: Difference) -> &'static str {
    match difference {
        Difference::Case => "case",
        Difference::Spaces => "spaces",
        Difference::Form => "composition",
    }
}
