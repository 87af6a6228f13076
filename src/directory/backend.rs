//! The database behind a tree: its indexes and overlays, as OpenLDAP shows them in `cn=config` or `cn=Monitor`.
//!
//! Only what can be read is judged; what an identity may not read is not there for it.

use std::collections::BTreeSet;

use super::attribute::{AttributeName, Value};
use super::dn::Dn;
use super::entry::Entry;

/// The databases that keep indexes of attributes.
const INDEXED_KINDS: [&str; 4] = ["mdb", "bdb", "hdb", "wt"];

/// The database that holds a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The entry that describes it.
    pub dn: Dn,
    /// The attributes with an equality index, in lower case; `None` where that is not shown or there are no indexes.
    pub indexed: Option<BTreeSet<String>>,
    /// The overlays that are on, those for all databases included.
    pub overlays: BTreeSet<String>,
}

impl Backend {
    /// What to ask for in `cn=config`.
    pub const CONFIG_ATTRIBUTES: [&str; 4] = ["olcDatabase", "olcSuffix", "olcDbIndex", "olcOverlay"];
    /// What to ask for in `cn=Monitor`.
    pub const MONITOR_ATTRIBUTES: [&str; 3] = ["monitoredInfo", "namingContexts", "monitorOverlay"];

    /// The database of `base`, among the entries of `cn=config`.
    pub fn in_config(entries: &[Entry], base: &Dn) -> Option<Backend> {
        let database = holder(entries, "olcSuffix", base)?;
        let kind = |entry: &Entry| texts(entry, "olcDatabase").next().map(|name| without_order(name).to_owned());
        let everywhere = entries.iter().filter(|entry| kind(entry).as_deref() == Some("frontend"));
        let places: Vec<&Dn> = everywhere.map(|entry| &entry.dn).chain([&database.dn]).collect();
        let is_on = |entry: &&Entry| entry.dn.parent().is_some_and(|parent| places.contains(&&parent));
        let overlays = entries.iter().filter(is_on).flat_map(|entry| texts(entry, "olcOverlay"));
        let keeps_indexes = kind(database).is_some_and(|kind| INDEXED_KINDS.contains(&kind.as_str()));
        let definitions: Vec<&str> = texts(database, "olcDbIndex").collect();
        Some(Backend {
            dn: database.dn.clone(),
            indexed: keeps_indexes.then(|| equality_indexes(&definitions)),
            overlays: overlays.map(|name| without_order(name).to_ascii_lowercase()).collect(),
        })
    }

    /// The database of `base`, among the entries one below `cn=Databases,cn=Monitor`.
    pub fn in_monitor(entries: &[Entry], base: &Dn) -> Option<Backend> {
        let is_frontend = |entry: &&Entry| texts(entry, "monitoredInfo").any(|kind| kind == "frontend");
        let databases: Vec<Entry> = entries.iter().filter(|entry| !is_frontend(entry)).cloned().collect();
        let database = holder(&databases, "namingContexts", base)?;
        let places = entries.iter().filter(is_frontend).chain([database]);
        let overlays = places.flat_map(|entry| texts(entry, "monitorOverlay"));
        Some(Backend {
            dn: database.dn.clone(),
            indexed: None,
            overlays: overlays.map(str::to_ascii_lowercase).collect(),
        })
    }
}

/// The entry with the longest suffix that `base` is in.
fn holder<'a>(entries: &'a [Entry], attribute: &'static str, base: &Dn) -> Option<&'a Entry> {
    let held = entries.iter().flat_map(|entry| {
        let suffixes = texts(entry, attribute).filter_map(|suffix| suffix.parse::<Dn>().ok());
        suffixes.filter(|suffix| suffix == base || base.is_under(suffix)).map(move |suffix| (suffix, entry))
    });
    let deepest = held.reduce(|best, other| if other.0.is_under(&best.0) { other } else { best });
    deepest.map(|(_, entry)| entry)
}

fn texts<'a>(entry: &'a Entry, attribute: &'static str) -> impl Iterator<Item = &'a str> {
    entry.values(&AttributeName::of(attribute)).iter().filter_map(Value::as_str)
}

/// `{1}mdb` is `mdb`, the second of its kind.
fn without_order(text: &str) -> &str {
    text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(text, |(_, name)| name)
}

/// Reads definitions such as `cn,sn eq,sub`; `default` says what a definition without kinds means (slapd-mdb(5)).
fn equality_indexes(definitions: &[&str]) -> BTreeSet<String> {
    let split = |definition: &&str| {
        let mut words = definition.split_whitespace();
        let attributes = words.next().unwrap_or_default().to_ascii_lowercase();
        (attributes, words.next().map(|kinds| kinds.split(',').any(|kind| kind.eq_ignore_ascii_case("eq"))))
    };
    let definitions: Vec<(String, Option<bool>)> = definitions.iter().map(split).collect();
    let by_default = definitions.iter().any(|(name, equality)| name == "default" && *equality == Some(true));
    let with_equality = definitions.iter().filter(|(_, equality)| equality.unwrap_or(by_default));
    let names = with_equality.flat_map(|(names, _)| names.split(',').map(str::to_owned));
    names.filter(|name| name != "default").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(dn: &str, attributes: &[(&'static str, &str)]) -> Entry {
        let mut entry = Entry { dn: dn.parse().unwrap(), attributes: Default::default() };
        for (name, value) in attributes {
            entry.attributes.entry(AttributeName::of(name)).or_default().push(Value::from(*value));
        }
        entry
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn index_definitions_are_read_as_slapd_reads_them() {
        for (definitions, expected) in [
            (&["uid eq"][..], &["uid"][..]),
            (&["cn,SN pres,eq,sub", "mail sub"], &["cn", "sn"]),
            (&["default pres,eq", "uid", "cn sub"], &["uid"]),
            (&["uid"], &[]),
            (&["default eq"], &[]),
        ] {
            assert_eq!(equality_indexes(definitions), set(expected), "{definitions:?}");
        }
    }

    #[test]
    fn the_database_with_the_longest_suffix_holds_a_tree() {
        let base: Dn = "ou=people,dc=example,dc=org".parse().unwrap();
        let entries = [
            entry("olcDatabase={-1}frontend,cn=config", &[("olcDatabase", "{-1}frontend")]),
            entry("olcOverlay={0}unique,olcDatabase={-1}frontend,cn=config", &[("olcOverlay", "{0}unique")]),
            entry("olcDatabase={1}mdb,cn=config", &[("olcDatabase", "{1}mdb"), ("olcSuffix", "dc=org")]),
            entry("olcOverlay={0}refint,olcDatabase={1}mdb,cn=config", &[("olcOverlay", "{0}refint")]),
            entry(
                "olcDatabase={2}mdb,cn=config",
                &[("olcDatabase", "{2}mdb"), ("olcSuffix", "dc=Example,dc=org"), ("olcDbIndex", "uid eq")],
            ),
            entry("olcOverlay={0}ppolicy,olcDatabase={2}mdb,cn=config", &[("olcOverlay", "{0}ppolicy")]),
        ];
        let found = Backend::in_config(&entries, &base).unwrap();
        assert_eq!(found.dn, entries[4].dn);
        assert_eq!(found.indexed, Some(set(&["uid"])));
        assert_eq!(found.overlays, set(&["ppolicy", "unique"]));
        assert_eq!(Backend::in_config(&entries, &"dc=net".parse().unwrap()), None);
        // Nothing but the names of the databases may be read.
        assert_eq!(Backend::in_config(&[entry("cn=config", &[])], &base), None);
    }

    #[test]
    fn the_monitor_knows_overlays_alone() {
        let base: Dn = "dc=example,dc=org".parse().unwrap();
        let entries = [
            entry("cn=Frontend,cn=Databases,cn=Monitor", &[("monitoredInfo", "frontend"), ("namingContexts", "")]),
            entry(
                "cn=Database 1,cn=Databases,cn=Monitor",
                &[("monitoredInfo", "mdb"), ("namingContexts", "dc=example,dc=org"), ("monitorOverlay", "ppolicy")],
            ),
        ];
        let found = Backend::in_monitor(&entries, &base).unwrap();
        assert_eq!((found.overlays, found.indexed), (set(&["ppolicy"]), None));
    }
}
