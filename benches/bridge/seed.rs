//! Fills a store through the library, as `adopt` does: nothing here knows its tables.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use scimbridge::config::{self, Settings};
use scimbridge::directory::{Anchor, Link};
use scimbridge::scim::index::fold_case;
use scimbridge::scim::{Draft, Index, Kind, ResourceId};
use scimbridge::settle::Rules;
use scimbridge::store::{Adopted, Settled, SqliteStore, Store as _};
use serde_json::Value;

use super::people::{Group, Person};
use super::program::Workplace;

/// So many are written in one transaction: one of a million would make a log as large as the store.
const AT_ONCE: usize = 20_000;

/// A group and who is in it.
pub(crate) struct Seeded<'a> {
    pub(crate) group: Group<'a>,
    pub(crate) members: Vec<Person<'a>>,
}

/// Makes the store of a workplace, with these users and groups settled and linked.
pub(crate) async fn seed(
    workplace: &Workplace,
    people: impl Iterator<Item = Person<'_>> + Send,
    groups: impl Iterator<Item = Seeded<'_>> + Send,
) -> Result<()> {
    let settings = config::load(&workplace.configuration())?;
    let rules = rules(&settings);
    let (users, others) = (rules.index(Kind::User), rules.index(Kind::Group));
    let store = SqliteStore::open(&settings.store_url).await?;
    store.reindex(&[(Kind::User, &users), (Kind::Group, &others)]).await?;
    let mut failure = None;
    let mut position = 0;
    let people = people.map(|person| {
        let parts = Parts { id: person.id(), anchor: person.anchor(), dn: person.dn(), members: Vec::new() };
        adopted(Kind::User, &users, &person.scim(), parts)
    });
    let groups = groups.map(|Seeded { group, members }| {
        let members = members.iter().map(|member| ResourceId(member.id())).collect();
        let parts = Parts { id: group.id(), anchor: group.anchor(), dn: group.dn(), members };
        adopted(Kind::Group, &others, &group.scim(), parts)
    });
    let mut all = people.chain(groups).map_while(|adopted| {
        position += 1;
        adopted
            .map(|mut adopted| {
                // One after the other, as if they had come by themselves.
                adopted.settled.now = time(position);
                adopted
            })
            .map_err(|error| failure = Some(error))
            .ok()
    });
    let mut all = std::iter::from_fn(|| all.next()).fuse().peekable();
    while all.peek().is_some() {
        store.adopt(&mut all.by_ref().take(AT_ONCE)).await?;
    }
    drop(all);
    if let Some(error) = failure {
        return Err(error);
    }
    store.gather().await?;
    Ok(())
}

/// How the settings make entries of users and groups.
pub(crate) fn rules(settings: &Settings) -> Rules {
    Rules {
        users: settings.users.clone(),
        groups: settings.groups.clone(),
        references: settings.ldap.references.clone(),
    }
}

struct Parts {
    id: String,
    anchor: String,
    dn: String,
    members: Vec<ResourceId>,
}

fn adopted(kind: Kind, index: &Index, body: &Value, parts: Parts) -> Result<Adopted> {
    let draft = Draft::read(index.schema(), body).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let document = draft.document;
    let user_name = document.get("userName").and_then(Value::as_str);
    let settled = Settled {
        id: ResourceId(parts.id),
        link: Link { anchor: Anchor(parts.anchor), dn: parts.dn.parse().context("a DN")?, key: None, previous: None },
        index: index.entries(&document),
        shown_by: None,
        name_claim: user_name.map(fold_case),
        answered: true,
        inactive: false,
        now: time(0),
        document,
    };
    Ok(Adopted { kind, settled, members: parts.members })
}

fn time(position: u64) -> String {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
    humantime::format_rfc3339_millis(start + Duration::from_millis(position)).to_string()
}
