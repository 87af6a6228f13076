//! The databases behind the bases: the indexes that the bridge's searches need, and the overlays that are on.

use std::collections::BTreeSet;

use super::bases;
use super::server::Advertised;
use crate::config::Settings;
use crate::directory::{AttributeName, Backend, Dn};
use crate::ldap::{Depth, Directory, Filter, Profile};
use crate::mapping::{AttributeRule, Finding, GroupRules, rules};

pub(super) async fn findings(
    settings: &Settings,
    directory: &Directory,
    profile: &Profile,
    server: &Advertised,
) -> Vec<Finding> {
    let (mut findings, mut without_indexes, mut without_overlays) = (Vec::new(), Vec::new(), Vec::new());
    for (_, base) in bases(settings) {
        let searched = searched(settings, base, directory.anchor());
        let seen = in_config(directory, server, base).await;
        match seen.as_ref().and_then(|backend| Some((backend, backend.indexed.as_ref()?))) {
            Some((backend, indexed)) => findings.extend(
                searched
                    .iter()
                    .filter(|(name, _)| profile.schema.lineage(name).is_disjoint(indexed))
                    .map(|(name, purpose)| missing_index(name, purpose, base, &backend.dn)),
            ),
            None => without_indexes.extend(searched.into_iter().map(|(name, _)| name)),
        }
        match behind(directory, server, base).await {
            Some(backend) => findings.extend(known_overlays(&backend.overlays)),
            None => without_overlays.push(base.to_string()),
        }
    }
    findings.extend(unseen_indexes(server, without_indexes));
    findings.extend(unseen_overlays(profile, &without_overlays));
    findings
}

/// The database that holds a base, as the configuration shows it, or as much as the monitor shows.
pub(super) async fn behind(directory: &Directory, server: &Advertised, base: &Dn) -> Option<Backend> {
    match in_config(directory, server, base).await {
        Some(backend) => Some(backend),
        None => in_monitor(directory, server, base).await,
    }
}

// What cannot be read is not seen, whatever the reason: the caller says so.
async fn in_config(directory: &Directory, server: &Advertised, base: &Dn) -> Option<Backend> {
    let classes = ["olcDatabaseConfig", "olcOverlayConfig"];
    let of_class = |class: &str| Filter::equal(AttributeName::of("objectClass"), class);
    let filter = Filter::Or(classes.map(of_class).to_vec());
    let names = Backend::CONFIG_ATTRIBUTES.map(AttributeName::of);
    let entries = directory.search(&server.config()?, Depth::Subtree, &filter, &names).await.ok()?;
    Backend::in_config(&entries, base)
}

async fn in_monitor(directory: &Directory, server: &Advertised, base: &Dn) -> Option<Backend> {
    let monitor = server.monitor()?;
    let filter = Filter::Present(AttributeName::of("monitoredInfo"));
    let names = Backend::MONITOR_ATTRIBUTES.map(AttributeName::of);
    let mut entries = directory.search(&monitor, Depth::Subtree, &filter, &names).await.ok()?;
    // What is deeper describes an overlay, and carries the suffix of its database too.
    let databases = format!("cn=Databases,{monitor}").parse::<Dn>().ok()?;
    entries.retain(|entry| entry.dn.parent().as_ref() == Some(&databases));
    Backend::in_monitor(&entries, base)
}

/// What the bridge searches by below a base, and what it finds so.
fn searched(settings: &Settings, base: &Dn, anchor: &AttributeName) -> Vec<(AttributeName, &'static str)> {
    let users = &settings.users;
    let mut searched = vec![
        (AttributeName::of("objectClass"), "entries of a kind are found"),
        (anchor.clone(), "entries that were renamed are found again"),
    ];
    searched.extend(settings.ldap.references.iter().map(|name| (name.clone(), "references to an entry are found")));
    if *base == users.base_dn {
        searched.push((users.match_attribute.clone(), "users are found"));
        let mapped = users.attributes.iter().filter(|rule| rule.reference).map(|rule| &rule.ldap);
        searched.extend(mapped.map(|name| (name.clone(), "references to an entry are found")));
        searched.extend(allocated(&users.attributes));
        let key = settings.groups.as_ref().and_then(GroupRules::key);
        searched.extend(key.map(|key| (key.clone(), "the user whom a group lists is found")));
    }
    if let Some(groups) = settings.groups.as_ref().filter(|groups| groups.base_dn == *base) {
        searched.push((groups.rdn.clone(), "groups are found"));
        let lists = groups.members.iter().map(|rule| (rule.attribute.clone(), "the groups of a user are found"));
        searched.extend(lists);
        searched.extend(allocated(&groups.attributes));
    }
    searched
}

fn allocated(rules: &[AttributeRule]) -> impl Iterator<Item = (AttributeName, &'static str)> {
    rules::allocated(rules).map(|(name, _)| (name.clone(), "numbers in use are found"))
}

fn missing_index(name: &AttributeName, purpose: &str, base: &Dn, database: &Dn) -> Finding {
    Finding::warning(
        format!("{name}, by which {purpose} below {base}, has no equality index: each search reads all entries"),
        format!(
            "add `index {name} eq` to the database in slapd.conf and run slapindex, or apply:\n\
             dn: {database}\nchangetype: modify\nadd: olcDbIndex\nolcDbIndex: {name} eq"
        ),
    )
}

fn unseen_indexes(server: &Advertised, names: Vec<AttributeName>) -> Option<Finding> {
    let names: BTreeSet<AttributeName> = names.into_iter().collect();
    let names: Vec<String> = names.iter().map(AttributeName::to_string).collect();
    let detail = match server.config() {
        Some(config) => format!("indexes cannot be seen: ldap.bind_dn may not read them in {config}"),
        None => "indexes cannot be seen: the server has no cn=config as OpenLDAP has it".to_owned(),
    };
    let remedy = format!("see for yourself that each of these has an equality index: {}", names.join(", "));
    (!names.is_empty()).then(|| Finding::note(detail, remedy))
}

fn unseen_overlays(profile: &Profile, bases: &[String]) -> Option<Finding> {
    let memberof = if profile.schema.knows_attribute(&AttributeName::of("memberOf")) {
        "; memberof may be on, for the schema knows memberOf"
    } else {
        ""
    };
    let detail = format!(
        "overlays cannot be seen: ldap.bind_dn may read the databases of {} neither in cn=config nor in \
         cn=Monitor{memberof}",
        bases.join(" and ")
    );
    let remedy = "nothing, unless overlays such as unique or constraint refuse what Entra sends: Entra hears so then";
    (!bases.is_empty()).then(|| Finding::note(detail, remedy))
}

fn known_overlays(overlays: &BTreeSet<String>) -> Vec<Finding> {
    let known = [
        ("memberof", "the server keeps memberOf in the entries of members itself"),
        ("refint", "references to a renamed or deleted entry follow by themselves, and scimbridge finds nothing left"),
        ("unique", "a value that another entry has is refused, and Entra hears so"),
    ];
    let on = known.iter().filter(|(name, _)| overlays.contains(*name));
    on.map(|(name, follows)| Finding::note(format!("the overlay {name} is on: {follows}"), "nothing")).collect()
}
