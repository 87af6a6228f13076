//! The attribute maps, from what was written to what is meant.

use std::collections::BTreeMap;

use super::settings::Checker;
use super::{password, raw};
use crate::directory::{AccountLock, AttributeName, Dn, NumberRange, Ownership, Value};
use crate::mapping::disable::PASSWORD_ATTRIBUTE;
use crate::mapping::{
    AttributeRule, Disable, GroupRules, MemberOwnership, MemberRule, MemberValue, OnCollision, Place, Source, Template,
    UserRules,
};
use crate::scim::schema::Type;
use crate::scim::{AttributePath, Kind, Schema};

/// Checks `[users]`.
pub(super) fn users(checker: &mut Checker, users: raw::Users) -> UserRules {
    on_delete(checker, "users.on_delete", &users.on_delete);
    let mut written = users.attribute;
    let password = password::take(checker, &mut written, &users.password_storage);
    let attributes = attributes(checker, Kind::User, "users", written);
    let rdn = checker.attribute("users.rdn", &users.rdn);
    let match_attribute = checker.attribute("users.match", &users.match_attribute);
    for (key, name) in [("users.rdn", &rdn), ("users.match", &match_attribute)] {
        if !attributes.iter().any(|rule| rule.ldap == *name) {
            checker.problem(key, format!("no [[users.attribute]] says where {name} comes from"));
        }
    }
    let place = place(checker, &users.base_dn, users.create_containers);
    let disable = disable(checker, users.disable, &place.base, [&rdn, &match_attribute]);
    UserRules {
        base_dn: place.base.clone(),
        place,
        create_containers: users.create_containers,
        object_classes: classes(checker, "users.object_classes", users.object_classes),
        rdn,
        match_attribute,
        attributes,
        disable,
        password,
    }
}

/// Checks `users.base_dn`, whose values may be templates.
fn place(checker: &mut Checker, text: &str, create_containers: bool) -> Place {
    const KEY: &str = "users.base_dn";
    if !text.contains("{{") {
        return Place { base: checker.dn(KEY, text), containers: Vec::new() };
    }
    let place = checker.or_problem(KEY, Place::parse(text));
    for container in place.containers.iter().filter(|container| create_containers && container.object_class().is_none())
    {
        let detail = format!("it is not known of which class an entry named by {} is", container.attribute());
        checker.problem("users.create_containers", format!("{detail}; only ou, o, l, c and dc are created"));
    }
    place
}

/// Checks `[users.disable]`.
fn disable(checker: &mut Checker, written: raw::Disable, base: &Dn, identifying: [&AttributeName; 2]) -> Disable {
    let move_to = written.move_to.map(|text| checker.dn("users.disable.move_to", &text));
    if move_to.as_ref() == Some(base) {
        checker.problem("users.disable.move_to", "is users.base_dn itself: nobody would be moved");
    } else if let Some(branch) = move_to.as_ref().filter(|branch| base.is_under(branch)) {
        let detail =
            format!("users.base_dn is below {branch}: everybody stands there already, and nobody would be moved");
        checker.problem("users.disable.move_to", detail);
    }
    let mut set = BTreeMap::new();
    for (index, written) in written.set.into_iter().enumerate() {
        let key = format!("users.disable.set[{}]", index + 1);
        let ldap = checker.attribute(&format!("{key}.ldap"), &written.ldap);
        if is_lock(&ldap) {
            checker.problem(format!("{key}.ldap"), format!("{ldap} is set by users.disable.lock"));
        } else if ldap == AttributeName::of(PASSWORD_ATTRIBUTE) {
            checker.problem(format!("{key}.ldap"), "passwords are made unusable by users.disable.password");
        } else if identifying.contains(&&ldap) || ldap == AttributeName::of("objectClass") {
            checker.problem(format!("{key}.ldap"), format!("{ldap} tells whose entry it is, and cannot be set"));
        }
        if written.value.is_empty() || written.value.iter().any(String::is_empty) {
            checker.problem(format!("{key}.value"), "is empty: an LDAP attribute has no empty value");
        }
        if set.insert(ldap.clone(), written.value.into_iter().map(Value::from).collect()).is_some() {
            checker.problem(key, format!("{ldap} is set twice; give it a list as value"));
        }
    }
    Disable { lock: written.lock, password: written.password, move_to, set }
}

fn is_lock(ldap: &AttributeName) -> bool {
    AccountLock::ALL.iter().any(|lock| lock.attribute() == *ldap)
}

/// Checks `[groups]`.
pub(super) fn groups(checker: &mut Checker, groups: raw::Groups) -> GroupRules {
    on_delete(checker, "groups.on_delete", &groups.on_delete);
    let attributes = attributes(checker, Kind::Group, "groups", groups.attribute);
    let rdn = checker.attribute("groups.rdn", &groups.rdn);
    let names_it = |rule: &AttributeRule| {
        rule.ldap == rdn && matches!(&rule.source, Source::Scim(path) if path.to_string() == "displayName")
    };
    if attributes.iter().filter(|rule| rule.ldap == rdn).count() > 1 {
        checker.problem("groups.rdn", format!("{rdn} has several [[groups.attribute]]: a group has one name"));
    }
    if !attributes.iter().any(names_it) {
        let detail = format!(
            "needs a [[groups.attribute]] with ldap = \"{rdn}\" and scim = \"displayName\": group names are matched by it"
        );
        checker.problem("groups.rdn", detail);
    }
    let members = members(checker, &groups.member, &groups.member_value);
    for member in members.iter().map(|rule| &rule.attribute) {
        if attributes.iter().any(|rule| rule.ldap == *member) {
            let detail = format!("{member} is managed by value and cannot be in [[groups.attribute]] too");
            checker.problem("groups.member", detail);
        }
    }
    let ownerships = [
        ("owned", MemberOwnership::Owned),
        ("shared", MemberOwnership::Shared),
        ("exclusive", MemberOwnership::Exclusive),
    ];
    let collisions = [("distinguish", OnCollision::Distinguish), ("reject", OnCollision::Reject)];
    GroupRules {
        base_dn: checker.dn("groups.base_dn", &groups.base_dn),
        object_classes: classes(checker, "groups.object_classes", groups.object_classes),
        rdn,
        members,
        member_ownership: checker.choice(
            "groups.member_ownership",
            &groups.member_ownership,
            &ownerships,
            MemberOwnership::Shared,
        ),
        placeholder: checker.dn("groups.placeholder", &groups.placeholder),
        on_collision: checker.choice("groups.on_collision", &groups.on_collision, &collisions, OnCollision::Reject),
        distinguish_with: groups.distinguish_with.map(|name| checker.attribute("groups.distinguish_with", &name)),
        attributes,
    }
}

/// Checks `groups.member` and `groups.member_value`: as many of the one as of the other.
fn members(checker: &mut Checker, attributes: &[String], values: &[String]) -> Vec<MemberRule> {
    if attributes.is_empty() || attributes.len() != values.len() {
        let detail = format!("has {} values for the {} of groups.member", values.len(), attributes.len());
        checker.problem("groups.member_value", detail);
    }
    let mut rules: Vec<MemberRule> = Vec::new();
    for (attribute, value) in attributes.iter().zip(values) {
        let attribute = checker.attribute("groups.member", attribute);
        let by = match value.as_str() {
            "dn" => MemberValue::Dn,
            key => MemberValue::Attribute(checker.attribute("groups.member_value", key)),
        };
        let is_dn = by == MemberValue::Dn;
        if rules.iter().any(|other| other.attribute == attribute) {
            checker.problem("groups.member", format!("names {attribute} twice"));
        } else if rules.iter().any(|other| (other.by == MemberValue::Dn) == is_dn) {
            let detail = "two lists of members are one by dn and one by an attribute of theirs";
            checker.problem("groups.member_value", detail);
        }
        rules.push(MemberRule { attribute, by });
    }
    rules
}

fn on_delete(checker: &mut Checker, key: &str, text: &str) {
    match text {
        "delete" => {}
        "disable" => checker.later(key, "disabling instead of deleting"),
        _ => checker.problem(key, format!("{text:?} is not one of delete, disable")),
    }
}

fn classes(checker: &mut Checker, key: &str, names: Vec<String>) -> Vec<Value> {
    if names.is_empty() {
        checker.problem(key, "is empty: an entry needs a structural object class");
    }
    names.into_iter().map(Value::from).collect()
}

fn attributes(checker: &mut Checker, kind: Kind, section: &str, written: Vec<raw::Attribute>) -> Vec<AttributeRule> {
    let mut rules: Vec<AttributeRule> = Vec::new();
    for (index, attribute) in written.into_iter().enumerate() {
        if attribute.is_taken {
            continue;
        }
        let key = format!("{section}.attribute[{}]", index + 1);
        let Some(rule) = attribute_rule(checker, kind, &key, attribute) else {
            continue;
        };
        if let Some(other) = rules.iter().find(|other| other.ldap == rule.ldap)
            && other.ownership != rule.ownership
        {
            checker.problem(&key, format!("{} has another ownership in an earlier [[{section}.attribute]]", rule.ldap));
        }
        let gives = |rule: &AttributeRule| matches!(rule.source, Source::Allocated(_));
        if rules.iter().any(|other| other.ldap == rule.ldap && (gives(other) || gives(&rule))) {
            checker.problem(&key, format!("{} is allocated and has another [[{section}.attribute]]", rule.ldap));
        }
        rules.push(rule);
    }
    rules
}

/// A core attribute that no schema defines is a mistake; an extension may define what it likes.
fn check_known(checker: &mut Checker, kind: Kind, key: &str, path: &AttributePath) {
    let schema = Schema::standard(kind);
    if path.extension.is_none() && schema.leaf(path).is_none() {
        let hint = schema.nearest(&path.name).map(|known| format!("; did you mean {known}?"));
        checker.problem(key, format!("{kind} has no attribute {path}{}", hint.unwrap_or_default()));
    }
}

fn attribute_rule(checker: &mut Checker, kind: Kind, key: &str, written: raw::Attribute) -> Option<AttributeRule> {
    let ldap = checker.attribute(&format!("{key}.ldap"), &written.ldap);
    if written.allocate.is_some() {
        return number_rule(checker, key, ldap, &written);
    }
    if ldap == AttributeName::of("objectClass") {
        checker.problem(key, "objectClass is set by object_classes");
    }
    let ownerships = [("owned", Ownership::Owned), ("shared", Ownership::Shared), ("initial", Ownership::Initial)];
    let ownership = written.ownership.as_deref().unwrap_or("owned");
    let ownership = checker.choice(&format!("{key}.ownership"), ownership, &ownerships, Ownership::Owned);
    let source = match (written.scim, written.template, written.value) {
        (Some(path), None, None) => match AttributePath::parse(&Schema::standard(kind), &path) {
            Ok(path) => {
                check_known(checker, kind, &format!("{key}.scim"), &path);
                Source::Scim(path)
            }
            Err(error) => {
                checker.problem(format!("{key}.scim"), error.to_string());
                return None;
            }
        },
        (None, Some(template), None) => match Template::compile(&template) {
            Ok(template) => Source::Template(template),
            Err(error) => {
                checker.problem(format!("{key}.template"), format!("the template of {ldap}: {error}"));
                return None;
            }
        },
        (None, None, Some(values)) => Source::Constant(values),
        _ => {
            checker.problem(key, format!("{ldap} needs exactly one of scim, template and value"));
            return None;
        }
    };
    if written.reference && written.default.is_some() {
        checker.problem(format!("{key}.default"), "has no effect on a reference; remove it");
    }
    if is_lock(&ldap) {
        checker.problem(format!("{key}.ldap"), format!("{ldap} is set by users.disable.lock"));
    }
    if written.reference && !(matches!(source, Source::Scim(_)) && kind == Kind::User) {
        checker.problem(format!("{key}.reference"), "is for users' attributes with a scim path");
    }
    let scim_type = scim_type(checker, kind, &format!("{key}.type"), written.scim_type.as_deref(), &source);
    Some(AttributeRule { ldap, source, scim_type, default: written.default, reference: written.reference, ownership })
}

/// An attribute whose numbers are given out here.
fn number_rule(
    checker: &mut Checker,
    key: &str,
    ldap: AttributeName,
    written: &raw::Attribute,
) -> Option<AttributeRule> {
    let range = written.allocate.as_ref()?;
    // 4294967295 is -1 to the system calls that take one, and means "no change".
    if range.from > range.to || range.from == 0 || range.to == u32::MAX {
        let detail = format!(
            "{} to {} is no range: from is 1 or more and not above to, and to is below 4294967295",
            range.from, range.to
        );
        checker.problem(format!("{key}.allocate"), detail);
    }
    let others = [
        ("scim", written.scim.is_some()),
        ("template", written.template.is_some()),
        ("value", written.value.is_some()),
        ("default", written.default.is_some()),
        ("reference", written.reference),
        ("type", written.scim_type.is_some()),
    ];
    for (other, _) in others.iter().filter(|(_, is_set)| *is_set) {
        checker.problem(format!("{key}.{other}"), "makes no sense beside allocate, which gives the value; remove one");
    }
    if written.ownership.as_deref().is_some_and(|ownership| ownership != "initial") {
        checker.problem(format!("{key}.ownership"), "a number is given once and stays: initial, or leave it out");
    }
    Some(AttributeRule {
        ldap,
        source: Source::Allocated(NumberRange { from: range.from, to: range.to }),
        scim_type: None,
        default: None,
        reference: false,
        ownership: Ownership::Initial,
    })
}

/// The type of a custom attribute; those of RFC 7643 have theirs.
fn scim_type(checker: &mut Checker, kind: Kind, key: &str, written: Option<&str>, source: &Source) -> Option<Type> {
    let written = written?;
    match source {
        Source::Scim(path) if path.extension.is_some() && Schema::standard(kind).attribute(path).is_none() => {}
        Source::Scim(path) => {
            checker.problem(key, format!("RFC 7643 says what {path} is; the key is for custom extensions"));
            return None;
        }
        Source::Template(_) | Source::Constant(_) | Source::Allocated(_) => {
            checker.problem(key, "is for attributes with a scim path");
            return None;
        }
    }
    let types = [Type::String, Type::Boolean, Type::Integer, Type::Decimal, Type::DateTime, Type::Binary];
    let types: Vec<(&str, Type)> = types.into_iter().map(|known| (known.as_str(), known)).collect();
    Some(checker.choice(key, written, &types, Type::String))
}
