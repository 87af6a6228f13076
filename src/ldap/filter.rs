//! Search filters (RFC 4515), built from values and never from pieces of text.

use std::fmt;

use crate::directory::{AttributeName, Value};

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
}
