//! What the map says of passwords: taken out of it, for they are set and not compared.

use super::raw;
use super::settings::Checker;
use crate::directory::AttributeName;
use crate::mapping::Template;
use crate::mapping::disable::PASSWORD_ATTRIBUTE;
use crate::mapping::password::{PasswordRule, PasswordSource, Storage};

/// Takes the line of the map that gives passwords out of it, and checks it.
pub(super) fn take(checker: &mut Checker, written: &mut [raw::Attribute], storage: &str) -> Option<PasswordRule> {
    let storages = [("server", Storage::Server), ("{SSHA512}", Storage::Ssha512), ("{ARGON2}", Storage::Argon2)];
    let storage = checker.choice("users.password_storage", storage, &storages, Storage::Server);
    let gives_one = |attribute: &raw::Attribute| {
        AttributeName::parse(&attribute.ldap) == Some(AttributeName::of(PASSWORD_ATTRIBUTE)) && !is_plain(attribute)
    };
    let index = written.iter().position(gives_one)?;
    let key = format!("users.attribute[{}]", index + 1);
    let line = written.get(index)?;
    let source = source(checker, &key, line);
    let others = [("value", line.value.is_some()), ("default", line.default.is_some()), ("reference", line.reference)];
    for (other, _) in others.iter().filter(|(_, is_set)| *is_set) {
        checker.problem(format!("{key}.{other}"), "makes no sense for a password; remove it");
    }
    if written
        .iter()
        .filter(|line| AttributeName::parse(&line.ldap) == Some(AttributeName::of(PASSWORD_ATTRIBUTE)))
        .count()
        > 1
    {
        checker.problem(&key, format!("{PASSWORD_ATTRIBUTE} has another [[users.attribute]]; it can have one"));
    }
    // The other lines keep their numbers in what is said of them.
    if let Some(line) = written.get_mut(index) {
        line.is_taken = true;
    }
    Some(PasswordRule { source: source?, storage })
}

fn source(checker: &mut Checker, key: &str, line: &raw::Attribute) -> Option<PasswordSource> {
    let initial = match line.ownership.as_deref() {
        None | Some("owned") => false,
        Some("initial") => true,
        Some(other) => {
            checker
                .problem(format!("{key}.ownership"), format!("{other:?} is not one of owned, initial for a password"));
            false
        }
    };
    match (line.scim.as_deref(), line.template.as_deref()) {
        (Some("password"), None) if initial => Some(PasswordSource::PushedOnCreation),
        (Some("password"), None) => Some(PasswordSource::Pushed),
        (None, Some(template)) if initial => match Template::compile(template) {
            Ok(template) => Some(PasswordSource::Initial(template)),
            Err(error) => {
                checker.problem(format!("{key}.template"), format!("the template of {PASSWORD_ATTRIBUTE}: {error}"));
                None
            }
        },
        (None, Some(_)) => {
            let detail = "a password that is made of attributes would be set back with every change; write \
                          ownership = \"initial\"";
            checker.problem(format!("{key}.ownership"), detail);
            None
        }
        _ => {
            let detail = "a password comes from scim = \"password\", from a template with ownership = \"initial\", or \
                          is a value with a scheme such as {SASL}{{ userName }}";
            checker.problem(key, detail);
            None
        }
    }
}

/// Whether the value is no password but says where passwords are, such as `{SASL}{{ userName }}`: an attribute like
/// others.
fn is_plain(line: &raw::Attribute) -> bool {
    let has_scheme = |text: &str| {
        let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| !scheme.is_empty() && !scheme.starts_with(['{', '%', '#']))
    };
    let values = line.value.iter().flatten().map(String::as_str).chain(line.template.as_deref());
    line.scim.is_none() && values.clone().count() > 0 && values.into_iter().all(has_scheme)
}
