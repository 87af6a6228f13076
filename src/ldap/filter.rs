//! Search filters (RFC 4515), built from values and never from pieces of text.

use std::fmt;

use crate::directory::{AttributeName, Entry, Schema, Value};

/// A search filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// The attribute is there.
    Present(AttributeName),
    /// The attribute holds the value.
    Equal(AttributeName, Value),
    /// All hold.
    And(Vec<Filter>),
    /// One holds.
    Or(Vec<Filter>),
}

impl Filter {
    /// The attribute holds the value.
    pub fn equal(attribute: AttributeName, value: impl Into<Value>) -> Filter {
        Filter::Equal(attribute, value.into())
    }

    /// Whether a server would select the entry, if it is given in full. What is asked of an attribute is asked of its
    /// subtypes and of all its options too (RFC 4511 §4.5.1.7), and what has no answer is not so.
    pub fn matches(&self, entry: &Entry, schema: &Schema) -> bool {
        match self {
            Filter::Present(attribute) => {
                entry.attributes.iter().any(|(held, values)| !values.is_empty() && is_about(attribute, held, schema))
            }
            Filter::Equal(attribute, value) => {
                entry.attributes.iter().filter(|(held, _)| is_about(attribute, held, schema)).any(|(held, values)| {
                    // An entry of a class is of the superiors of the class too (RFC 4512 §3.3).
                    let is_class = held.attribute_type() == "objectclass";
                    let name = || value.as_str().unwrap_or_default().to_ascii_lowercase();
                    let is_value = |other: &Value| rule_holds(held, other, value, schema);
                    values.iter().any(is_value) || (is_class && schema.class_lineage(values).contains(&name()))
                })
            }
            Filter::And(all) => all.iter().all(|filter| filter.matches(entry, schema)),
            Filter::Or(all) => all.iter().any(|filter| filter.matches(entry, schema)),
        }
    }
}

fn is_about(asked: &AttributeName, held: &AttributeName, schema: &Schema) -> bool {
    schema.knows_attribute(asked) && schema.covers(asked, held)
}

fn rule_holds(attribute: &AttributeName, left: &Value, right: &Value, schema: &Schema) -> bool {
    schema.matching(attribute).is_some_and(|rule| rule.equal(left, right))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::Present(attribute) => write!(f, "({attribute}=*)"),
            Filter::Equal(attribute, value) => {
                write!(f, "({attribute}=")?;
                for byte in value.as_bytes() {
                    // Whatever is not plainly harmless goes as hex (RFC 4515 §3).
                    if byte.is_ascii_alphanumeric() {
                        write!(f, "{}", char::from(*byte))?;
                    } else {
                        write!(f, "\\{byte:02x}")?;
                    }
                }
                f.write_str(")")
            }
            Filter::And(all) => {
                f.write_str("(&")?;
                all.iter().try_for_each(|filter| write!(f, "{filter}"))?;
                f.write_str(")")
            }
            Filter::Or(all) => {
                f.write_str("(|")?;
                all.iter().try_for_each(|filter| write!(f, "{filter}"))?;
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_place() {
        let filter = Filter::And(vec![
            Filter::equal(AttributeName::of("cn"), "a*)(uid=\0å"),
            Filter::Present(AttributeName::of("objectClass")),
        ]);
        assert_eq!(filter.to_string(), "(&(cn=a\\2a\\29\\28uid\\3d\\00\\c3\\a5)(objectClass=*))");
    }

    #[test]
    fn filters_select_in_memory_as_a_server_does() {
        let attributes = [
            "( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch )",
            "( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch )",
            "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
            "( 2.5.4.31 NAME 'member' EQUALITY distinguishedNameMatch )",
            "( 1 NAME 'fax' )",
        ];
        let classes = ["( 2 NAME 'person' )", "( 3 NAME 'employee' SUP person )"];
        let schema = Schema::parse(&attributes.map(Value::from), &classes.map(Value::from));
        let held = [
            ("objectClass", "employee"),
            ("cn;lang-de", "Ada Größe"),
            ("member", "cn=a,dc=b"),
            ("fax", "1"),
            ("strange", "x"),
        ];
        let attributes = held.map(|(name, value)| (AttributeName::of(name), vec![Value::from(value)])).into();
        let entry = Entry { dn: "cn=a".parse().unwrap(), attributes };
        for (name, value, expected) in [
            ("cn", "ada  GRÖSSE", false),
            ("cn", "ada  GRÖßE", true),
            ("CommonName", "Ada Größe", true),
            ("name", "Ada Größe", true),
            ("cn;lang-de", "Ada Größe", true),
            ("cn;lang-en", "Ada Größe", false),
            ("cn;lang-de;x-y", "Ada Größe", false),
            ("member", "CN=A, DC=B", true),
            ("member", "cn=b", false),
            ("objectClass", "Person", true),
            ("objectClass", "group", false),
            ("fax", "1", false),
            ("strange", "x", false),
        ] {
            let filter = Filter::equal(AttributeName::of(name), value);
            assert_eq!(filter.matches(&entry, &schema), expected, "{filter}");
        }
        for (name, expected) in [("cn", true), ("name", true), ("fax", true), ("sn", false), ("strange", false)] {
            let filter = Filter::Present(AttributeName::of(name));
            assert_eq!(filter.matches(&entry, &schema), expected, "{filter}");
            let both = Filter::And(vec![Filter::Present(AttributeName::of("objectClass")), filter.clone()]);
            assert_eq!(both.matches(&entry, &schema), expected, "{both}");
            let one = Filter::Or(vec![Filter::Present(AttributeName::of("sn")), filter]);
            assert_eq!(one.matches(&entry, &schema), expected, "{one}");
        }
        assert!(Filter::And(Vec::new()).matches(&entry, &schema) && !Filter::Or(Vec::new()).matches(&entry, &schema));
    }
}
