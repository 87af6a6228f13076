//! Values of a mapped entry in the forms that the server's schema takes: `true` becomes `TRUE`, base64 becomes bytes.
//!
//! Not the forms themselves; those are [`Syntax`]'s. Invariant: a value is adapted once, however many rules lead to its
//! attribute, for what was adapted is no longer what SCIM writes.

use super::AttributeRule;
use crate::directory::{AttributeName, DesiredEntry, Schema, Syntax, Value};
use crate::scim::{Error, ScimType};

/// How much of a value a refusal shows: a photo is long.
const LONGEST_SHOWN: usize = 60;

/// Brings the values into the forms that the server's schema takes.
///
/// # Errors
/// Every value that has no such form, with the SCIM attribute, the LDAP attribute and the syntax.
pub fn fit_syntaxes(rules: &[AttributeRule], desired: &mut DesiredEntry, schema: &Schema) -> Result<(), Vec<Error>> {
    let mut problems = Vec::new();
    let named: Vec<AttributeName> = desired.rdn.parts().iter().map(|(name, _)| name.clone()).collect();
    for (index, rule) in rules.iter().enumerate() {
        let attribute = &rule.ldap;
        if rules.iter().take(index).any(|earlier| earlier.ldap == *attribute) {
            continue;
        }
        let leading: Vec<&AttributeRule> = rules.iter().filter(|rule| rule.ldap == *attribute).collect();
        let Some(syntax) = schema.syntax(attribute).filter(|syntax| applies(*syntax, &leading)) else {
            continue;
        };
        let values = desired.attributes.get_mut(attribute).map(|desired| &mut desired.values);
        for value in values.into_iter().flatten() {
            match syntax.adapt(value) {
                // What names the entry is the same there and here.
                Some(_) if named.contains(attribute) => {}
                Some(adapted) => *value = adapted,
                None => problems.push(refusal(&leading, attribute, value, syntax)),
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Bytes of any kind may be text, such as a password: they are base64 only where the SCIM attribute says so.
fn applies(syntax: Syntax, rules: &[&AttributeRule]) -> bool {
    syntax != Syntax::OctetString || rules.iter().any(|rule| rule.is_binary())
}

fn refusal(rules: &[&AttributeRule], attribute: &AttributeName, value: &Value, syntax: Syntax) -> Error {
    let sources: Vec<String> = rules.iter().map(|rule| rule.source.to_string()).collect();
    let text = value.as_str().unwrap_or_default();
    let start = text.char_indices().nth(LONGEST_SHOWN).and_then(|(end, _)| text.get(..end));
    Error::new(
        ScimType::InvalidValue,
        format!(
            "{} cannot be kept in the LDAP attribute {attribute}: '{}' is not of its syntax, {}",
            sources.join(" or "),
            start.map_or(text.to_owned(), |start| format!("{start}…")),
            syntax.describe()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{DesiredAttribute, Naming, Ownership, Rdn};
    use crate::mapping::{Source, Template};
    use crate::scim::schema::Type;
    use crate::scim::{AttributePath, Kind};

    const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";

    fn schema() -> Schema {
        let attributes = [
            "( 1 NAME 'uid' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
            "( 2 NAME 'userPassword' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40{128} )",
            "( 3 NAME 'siteKey' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )",
            "( 4 NAME 'jpegPhoto' SYNTAX 1.3.6.1.4.1.1466.115.121.1.28 )",
            "( 5 NAME 'postalAddress' EQUALITY caseIgnoreListMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.41 )",
            "( 6 NAME 'siteNumber' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )",
        ];
        Schema::parse(&attributes.map(Value::from), &[])
    }

    fn rule(ldap: &'static str, source: Source, scim_type: Option<Type>) -> AttributeRule {
        let ldap = AttributeName::of(ldap);
        AttributeRule { ldap, source, scim_type, default: None, reference: false, ownership: Ownership::Owned }
    }

    fn path(text: &str) -> Source {
        Source::Scim(AttributePath::parse(&crate::scim::Schema::standard(Kind::User), text).unwrap())
    }

    fn fit(rules: &[AttributeRule], text: &str) -> Result<Vec<Value>, Vec<String>> {
        let attribute = rules[0].ldap.clone();
        let mut desired = DesiredEntry {
            placement: crate::directory::Placement::Initial,
            parent: "ou=people".parse().unwrap(),
            rdn: Rdn::new(AttributeName::of("siteNumber"), Value::from("007")),
            naming: Naming::Part,
            attributes: [(attribute.clone(), DesiredAttribute::new(Ownership::Owned, vec![Value::from(text)]))].into(),
        };
        match fit_syntaxes(rules, &mut desired, &schema()) {
            Ok(()) => Ok(desired.attributes.remove(&attribute).unwrap().values),
            Err(problems) => Err(problems.into_iter().map(|problem| problem.detail).collect()),
        }
    }

    #[track_caller]
    fn check(rules: &[AttributeRule], text: &str, expected: &str) {
        assert_eq!(fit(rules, text), Ok(vec![Value::from(expected)]));
    }

    #[test]
    fn any_bytes_are_base64_only_where_the_scim_attribute_is_binary() {
        let badge = || path(&format!("{BADGES}:key"));
        check(&[rule("userPassword", Source::Constant(Vec::new()), None)], "c2VjcmV0", "c2VjcmV0");
        check(
            &[rule("userPassword", Source::Template(Template::compile("x").unwrap()), None)],
            "pass word",
            "pass word",
        );
        check(&[rule("siteKey", badge(), None)], "c2VjcmV0", "c2VjcmV0");
        check(&[rule("siteKey", badge(), Some(Type::Binary))], "c2VjcmV0", "secret");
        check(&[rule("siteKey", path("x509Certificates.value"), None)], "c2VjcmV0", "secret");
        check(&[rule("siteKey", path("x509Certificates[primary eq true]"), None)], "c2VjcmV0", "secret");
        check(&[rule("jpegPhoto", path("photos[type eq \"photo\"].value"), None)], "c2VjcmV0", "secret");
    }

    #[test]
    fn a_value_is_adapted_once_however_many_rules_lead_to_it() {
        let photos = [rule("jpegPhoto", path("photos.value"), None), rule("jpegPhoto", path("profileUrl"), None)];
        check(&photos, "YWJjZA==", "abcd");
        let addresses = [
            rule("postalAddress", path("addresses.formatted"), None),
            rule("postalAddress", path("addresses.locality"), None),
        ];
        check(&addresses, "a$b\nc", "a\\24b$c");
        let refused = fit(&photos, "no!").unwrap_err();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with("photos.value or profileUrl cannot be kept in the LDAP attribute jpegPhoto"));
    }

    #[test]
    fn what_names_the_entry_is_judged_and_not_changed() {
        let number = [rule("siteNumber", path("userName"), None)];
        check(&number, "007", "007");
        assert!(fit(&number, "seven").is_err());
    }

    #[test]
    fn a_refusal_shows_the_start_of_a_long_value() {
        let photo = [rule("jpegPhoto", path("photos.value"), None)];
        let refused = fit(&photo, &"é".repeat(100_000)).unwrap_err().concat();
        assert!(refused.contains(&format!("'{}…' is not", "é".repeat(60))), "{refused}");
        assert!(refused.ends_with("JPEG: a photo in base64"), "{refused}");
    }
}
