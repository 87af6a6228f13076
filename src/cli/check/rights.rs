//! Whether the bridge's identity may write below the bases, asked of the server with nothing left behind.
//!
//! Entries are made up for it, as the maps make them, so that their classes are judged too. What is already there is
//! not asked about: changing, renaming and deleting take an entry, and people's own are not played with.

use serde_json::{Value as Json, json};

use super::{schema, unanswered, with_causes};
use crate::config::Settings;
use crate::directory::{AttributeName, Change, DesiredAttribute, DesiredEntry, Dn, Ownership, Rdn, Schema, Value};
use crate::ldap::{Directory, Error, Fault, Profile};
use crate::mapping::user::map_user;
use crate::mapping::{
    AttributeRule, Finding, GroupRules, References, Severity, Source, UserRules, fit_syntaxes, group::map_group, rules,
};
use crate::scim::{AttributePath, Document};

/// What the made-up resources refer to.
const REFERRED: &str = "scimbridge-check";

pub(super) async fn findings(settings: &Settings, directory: &Directory, profile: &Profile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for question in questions(settings, profile) {
        match directory.would_apply(&question.change).await {
            Ok(()) => {}
            Err(error) if error.is_unknown_control() => {
                findings.push(Finding::note(
                    "write rights cannot be seen: the server cannot be asked about a change without making it (No-Op)",
                    "`scimbridge check --probe` asks by writing entries that it deletes again",
                ));
                return findings;
            }
            Err(error) => findings.extend(question.refused(&settings.ldap.bind_dn, &error)),
        }
    }
    findings.push(Finding::note(
        "whether ldap.bind_dn may change, rename and delete entries is not asked: that takes an entry",
        "`scimbridge check --probe` asks by writing entries that it deletes again",
    ));
    findings
}

fn questions<'a>(settings: &'a Settings, profile: &Profile) -> Vec<Question<'a>> {
    let mut questions = Vec::new();
    if settings.user_actions.create {
        let knows_lock = profile.schema.knows_attribute(&profile.flavor.lock.attribute());
        let fits = is_taken(&schema::of_users(settings, profile)) && (knows_lock || !settings.users.disable.lock);
        questions.push(Question::new("users", &settings.users.base_dn, fits, || user(&settings.users, profile)));
    }
    if let Some(groups) = settings.groups.as_ref().filter(|_| settings.group_actions.create) {
        let fits = is_taken(&schema::of_groups(settings, profile));
        questions.push(Question::new("groups", &groups.base_dn, fits, || group(groups, &profile.schema)));
    }
    questions
}

fn is_taken(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}

/// An entry that might be added.
struct Question<'a> {
    section: &'static str,
    base: &'a Dn,
    change: Change,
    /// Whether the entry is as the map makes them, or a plain one, which tells of the right alone.
    mapped: bool,
}

impl<'a> Question<'a> {
    fn new(section: &'static str, base: &'a Dn, fits: bool, mapped: impl FnOnce() -> Option<Change>) -> Question<'a> {
        match mapped().filter(|_| fits) {
            Some(change) => Question { section, base, change, mapped: true },
            None => Question { section, base, change: throwaway(base), mapped: false },
        }
    }

    fn refused(&self, bind_dn: &Dn, error: &Error) -> Option<Finding> {
        let (section, base) = (self.section, self.base);
        if error.is_insufficient_access() {
            return Some(Finding::error(
                format!("{section}: ldap.bind_dn may not add an entry below {base}: {}", with_causes(error)),
                format!(
                    "give it the right to write there; on OpenLDAP by a rule before the others (olcAccess in \
                     cn=config):\naccess to dn.subtree=\"{base}\" by dn.exact=\"{bind_dn}\" write by * break"
                ),
            ));
        }
        if error.is_read_only() {
            return Some(Finding::error(
                format!("{section}: the server does not write below {base}: {}", with_causes(error)),
                "name a server in ldap.urls that is not a replica, and see that the database is not read-only",
            ));
        }
        if let Some(finding) = left_behind(section, error) {
            return Some(finding);
        }
        if error.fault() == Fault::Passing {
            return Some(unanswered(&format!("whether ldap.bind_dn may write below {base}"), error));
        }
        // That the base is not there has been told, and of a plain entry the classes say nothing.
        if error.is_no_such_object() || !self.mapped {
            return None;
        }
        if error.fault() == Fault::Refused && !error.is_object_class_violation() {
            return Some(Finding::note(
                format!(
                    "{section}: write rights cannot be seen, for the server refuses a made-up value: {}",
                    with_causes(error)
                ),
                "`scimbridge check --probe`, or see that an entry of the kind that Entra sends can be added",
            ));
        }
        Some(Finding::error(
            format!("{section}: an entry as the map makes it would be refused: {}", with_causes(error)),
            format!("correct {section}.object_classes and the map, or the rules of the server"),
        ))
    }
}

/// That a server ignored the control that forbids it to make a change, if it did.
pub(super) fn left_behind(section: &str, error: &Error) -> Option<Finding> {
    let Error::CarriedOut { dn, .. } = error else {
        return None;
    };
    Some(Finding::error(
        format!("{section}: {error}, although a critical control forbids it"),
        format!("delete the entry {dn}, and tell the makers of the server"),
    ))
}

/// A plain entry of a class that every server has (RFC 4519 §3.4).
pub(super) fn throwaway(base: &Dn) -> Change {
    let (name, cn) = (Value::from(name()), AttributeName::of("cn"));
    let classes = vec![Value::from("device")];
    let attributes = [(AttributeName::of("objectClass"), classes), (cn.clone(), vec![name.clone()])];
    Change::Add { dn: base.child(Rdn::new(cn, name)), attributes: attributes.into() }
}

/// A name that nobody has.
fn name() -> String {
    format!("scimbridge-check-{}", std::process::id())
}

/// A user with all that a map may ask for. Disabled: so that the lock is written too.
fn user(rules: &UserRules, profile: &Profile) -> Option<Change> {
    let name = format!("{}@check.invalid", name());
    let each_type = |value: &str| -> Json {
        ["work", "home", "other", "mobile", "fax", "pager"].map(|kind| json!({"type": kind, "value": value})).into()
    };
    let address = |kind: &str| {
        json!({"type": kind, "formatted": "1 Check Street", "streetAddress": "1 Check Street", "locality": "Check",
               "region": "Check", "postalCode": "12345", "country": "DE"})
    };
    let document = json!({
        "userName": name, "externalId": name, "displayName": name, "nickName": "check", "title": "check",
        "userType": "check", "profileUrl": "https://check.invalid/", "preferredLanguage": "en", "locale": "en-US",
        "timezone": "Europe/Berlin", "active": false,
        "name": {"formatted": name, "familyName": "check", "givenName": "check", "middleName": "check",
                 "honorificPrefix": "check", "honorificSuffix": "check"},
        "emails": each_type(&name),
        "phoneNumbers": each_type("+1 555 0100"),
        "addresses": [address("work"), address("home"), address("other")],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": "1", "costCenter": "1", "organization": "check", "division": "check",
            "department": "check", "manager": {"value": REFERRED}
        }
    });
    let document = filled(document, &rules.attributes)?;
    // An entry that is there, whatever it is.
    let references = References::from([(REFERRED.to_owned(), rules.base_dn.clone())]);
    let mut desired = map_user(rules, &document, &references).ok()?;
    desired.attributes.extend(rules.disable.barring(profile.flavor.lock, None));
    // A container that a template names need not be there yet.
    desired.parent = rules.base_dn.clone();
    Some(added(desired, &rules.attributes, &profile.schema))
}

fn group(rules: &GroupRules, schema: &Schema) -> Option<Change> {
    let document = filled(json!({"displayName": name(), "externalId": name()}), &rules.attributes)?;
    let desired = map_group(rules, &document).ok()?;
    let mut change = added(desired, &rules.attributes, schema);
    if let (Change::Add { attributes, .. }, Some(members)) = (&mut change, rules.dn_list())
        && schema.demands(&rules.object_classes, members)
    {
        attributes.insert(members.clone(), vec![Value::from(&rules.placeholder)]);
    }
    Some(change)
}

/// The document with something at each path of the map that leads to nothing yet.
fn filled(document: Json, rules: &[AttributeRule]) -> Option<Document> {
    let Json::Object(mut document) = document else {
        return None;
    };
    let paths = rules.iter().filter_map(|rule| match &rule.source {
        Source::Scim(path) => Some((path, if rule.reference { REFERRED } else { "1" })),
        _ => None,
    });
    for (path, value) in paths {
        if path.filter.is_none() && path.values(&document).is_empty() {
            fill(&mut document, path, value);
        }
    }
    Some(document)
}

fn fill(document: &mut Document, path: &AttributePath, value: &str) {
    let container = match &path.extension {
        Some(urn) => document.entry(urn.clone()).or_insert_with(|| json!({})).as_object_mut(),
        None => Some(document),
    };
    let Some(container) = container else {
        return;
    };
    match &path.sub {
        None => _ = container.insert(path.name.clone(), json!(value)),
        Some(sub) => {
            if let Some(complex) = container.entry(path.name.clone()).or_insert_with(|| json!({})).as_object_mut() {
                complex.insert(sub.clone(), json!(value));
            }
        }
    }
}

/// The entry as it would be added, without the made-up values that are not of their attributes' syntax.
fn added(mut desired: DesiredEntry, rules: &[AttributeRule], schema: &Schema) -> Change {
    for rule in rules {
        if fit_syntaxes(std::slice::from_ref(rule), &mut desired, schema).is_err() {
            desired.attributes.remove(&rule.ldap);
        } else if schema.is_single_valued(&rule.ldap)
            && let Some(attribute) = desired.attributes.get_mut(&rule.ldap)
        {
            attribute.values.truncate(1);
        }
    }
    for (attribute, range) in rules::allocated(rules) {
        let number = vec![Value::from(range.from.to_string())];
        desired.attributes.insert(attribute.clone(), DesiredAttribute::new(Ownership::Initial, number));
    }
    Change::Add { dn: desired.dn(), attributes: desired.initial_attributes() }
}
