//! Where the values of an attribute come from, for people who ask. Pure.
//!
//! Not another map: the values are those that the rules give.

use super::{AttributeRule, References, Source};
use crate::directory::{AttributeName, Ownership, Value};
use crate::scim::Document;

/// What one line of the map makes of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// The attribute that it fills.
    pub attribute: AttributeName,
    /// From what.
    pub source: String,
    /// How far it reaches.
    pub ownership: Ownership,
    /// Where the values are from.
    pub provenance: Provenance,
    /// With what.
    pub values: Vec<Value>,
}

/// Where the values of a line of the map are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// What the line names.
    Source,
    /// The line's default, since what it names has none.
    Default,
    /// Nowhere: there are none.
    Nothing,
    /// A number, which is the store's and the directory's to tell.
    Allocated,
    /// It cannot be said, and why.
    Failed(String),
}

/// What the lines of a map make of a document.
pub fn derivations(rules: &[AttributeRule], document: &Document, references: &References) -> Vec<Derivation> {
    rules.iter().map(|rule| derivation(rule, document, references)).collect()
}

fn derivation(rule: &AttributeRule, document: &Document, references: &References) -> Derivation {
    let without_default = AttributeRule { default: None, ..rule.clone() };
    let (provenance, values) = match (rule.values(document, references), &rule.source) {
        (_, Source::Allocated(_)) => (Provenance::Allocated, Vec::new()),
        (Err(error), _) => (Provenance::Failed(error.detail), Vec::new()),
        (Ok(values), _) if values.is_empty() => (Provenance::Nothing, values),
        (Ok(values), _) => match without_default.values(document, references) {
            Ok(own) if own.is_empty() => (Provenance::Default, values),
            _ => (Provenance::Source, values),
        },
    };
    Derivation {
        attribute: rule.ldap.clone(),
        source: rule.source.to_string(),
        ownership: rule.ownership,
        provenance,
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::NumberRange;
    use crate::scim::{AttributePath, Kind, Schema};

    fn rule(source: Source, default: Option<&str>) -> AttributeRule {
        AttributeRule {
            ldap: AttributeName::of("title"),
            source,
            scim_type: None,
            default: default.map(str::to_owned),
            reference: false,
            ownership: Ownership::Owned,
        }
    }

    #[track_caller]
    fn check(rule: &AttributeRule, document: &str, expected: Provenance, values: &[&str]) {
        let document: Document = serde_json::from_str(document).unwrap();
        let found = derivation(rule, &document, &References::new());
        let values: Vec<Value> = values.iter().map(|text| Value::from(*text)).collect();
        assert_eq!((found.provenance, found.values), (expected, values), "{document:?}");
    }

    #[test]
    fn a_value_is_told_from_a_default() {
        let path = || Source::Scim(AttributePath::parse(&Schema::standard(Kind::User), "title").unwrap());
        let with_default = rule(path(), Some("none"));
        check(&with_default, r#"{"title": "x"}"#, Provenance::Source, &["x"]);
        check(&with_default, "{}", Provenance::Default, &["none"]);
        check(&rule(path(), None), "{}", Provenance::Nothing, &[]);
        check(&rule(Source::Constant(vec!["x".to_owned()]), None), "{}", Provenance::Source, &["x"]);
        let range = NumberRange { from: 1, to: 9 };
        check(&rule(Source::Allocated(range), None), "{}", Provenance::Allocated, &[]);
    }
}
