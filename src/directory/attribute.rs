//! Attribute names and values, and when two values count as equal (RFC 4517 §4.2, RFC 4518).
//!
//! Not the schema: which rule an attribute has is read from the server ([`super::Schema`]).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use unicode_normalization::UnicodeNormalization;

use super::dn::Dn;
use super::generalized_time::GeneralizedTime;

/// The attribute that holds passwords (RFC 4519 §2.41).
pub const PASSWORD_ATTRIBUTE: &str = "userPassword";

/// An attribute description such as `givenName`: compared without case (RFC 4512 §2.5), shown as written.
#[derive(Clone, Debug)]
pub struct AttributeName(String);

impl AttributeName {
    /// Parses an attribute description: a name or an OID, with options.
    ///
    /// Returns `None` for anything else, such as a name with a blank in it.
    pub fn parse(text: &str) -> Option<AttributeName> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_');
        (starts_well && text.chars().all(allowed)).then(|| AttributeName(text.to_owned()))
    }

    /// A name that this program writes itself and that is known to be well formed.
    pub fn of(text: &'static str) -> AttributeName {
        AttributeName(text.to_owned())
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that equal names share.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The attribute type that the description is of, without options, in lower case: what a schema defines.
    pub fn attribute_type(&self) -> String {
        self.0.split(';').next().unwrap_or_default().to_ascii_lowercase()
    }

    /// Whether the description has that option (RFC 4512 §2.5), in any case.
    pub fn has_option(&self, option: &str) -> bool {
        self.0.split(';').skip(1).any(|known| known.eq_ignore_ascii_case(option))
    }
}

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for AttributeName {}

impl Hash for AttributeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl Ord for AttributeName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl PartialOrd for AttributeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value of an attribute: bytes, compared as bytes. Meaning-aware comparison is [`Matching`]'s.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Vec<u8>);

impl Value {
    /// The bytes as they go over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value(text.into_bytes())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        Value(bytes)
    }
}

impl From<&Dn> for Value {
    fn from(dn: &Dn) -> Value {
        Value::from(dn.to_string())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// An equality matching rule, as far as it changes which values are the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// `caseIgnoreMatch` and its kin: case and repeated blanks do not count.
    CaseIgnore,
    /// `caseExactMatch` and its kin: repeated blanks do not count.
    CaseExact,
    /// `caseIgnoreListMatch`: the same, line by line of a postal address.
    CaseIgnoreList,
    /// `telephoneNumberMatch`: case, blanks and hyphens do not count.
    Telephone,
    /// `numericStringMatch`: blanks do not count.
    NumericString,
    /// `integerMatch`: the number counts, not its writing.
    Integer,
    /// `booleanMatch`.
    Boolean,
    /// `generalizedTimeMatch`: the moment counts, not its writing.
    GeneralizedTime,
    /// `distinguishedNameMatch`: spelling of the DN does not count.
    DistinguishedName,
    /// Every byte counts.
    Octets,
}

impl Matching {
    /// The form that all values share which the rule holds equal.
    pub fn normalize(self, value: &Value) -> Vec<u8> {
        let Some(text) = value.as_str() else {
            return value.0.clone();
        };
        // A value that is none by its rule counts with every byte.
        let normalized = match self {
            Matching::CaseIgnore => Some(fold_blanks(&fold_case(text))),
            Matching::CaseExact => Some(fold_blanks(&text.nfkc().collect::<String>())),
            Matching::CaseIgnoreList => {
                let lines: Vec<String> = text.split('$').map(|line| fold_blanks(&fold_case(line))).collect();
                Some(lines.join("$"))
            }
            Matching::Telephone => Some(fold_case(text).replace(|c: char| c == '-' || c.is_whitespace(), "")),
            Matching::NumericString => Some(text.replace(' ', "")),
            Matching::Integer => whole_number(text),
            Matching::Boolean => Some(text.to_ascii_uppercase()),
            Matching::GeneralizedTime => GeneralizedTime::parse(text).and_then(|time| time.moment()),
            Matching::DistinguishedName => text.parse::<Dn>().ok().map(|dn| dn.normalized()),
            Matching::Octets => None,
        };
        normalized.map_or_else(|| value.0.clone(), String::into_bytes)
    }

    /// Whether the rule holds the two values equal.
    pub fn equal(self, left: &Value, right: &Value) -> bool {
        left == right || self.normalize(left) == self.normalize(right)
    }
}

/// A whole number of any length as RFC 4517 §3.3.16 writes it: no plus sign, no zeros before it.
pub(super) fn whole_number(text: &str) -> Option<String> {
    let (minus, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    is_number.then(|| match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{minus}{digits}"),
    })
}

/// Case folding and compatibility composition, in the order of RFC 4518 §2.2 to §2.3.
fn fold_case(text: &str) -> String {
    text.to_lowercase().nfkc().collect()
}

/// RFC 4518 §2.6.1: leading and trailing blanks go, inner runs become one.
fn fold_blanks(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: Matching, left: &str, right: &str, expected: bool) {
        assert_eq!(rule.equal(&left.into(), &right.into()), expected, "{left:?} {right:?}");
    }

    #[test]
    fn rules_hold_equal_what_the_directory_holds_equal() {
        check(Matching::CaseIgnore, "Sales  EMEA ", " sales emea", true);
        check(Matching::CaseIgnore, "Österreich", "o\u{308}sterreich", true);
        check(Matching::CaseIgnore, "Sales", "Sale s", false);
        check(Matching::CaseExact, "Sales", "sales", false);
        check(Matching::Telephone, "+1 555-0100", "+15550100", true);
        check(Matching::DistinguishedName, "CN=a , dc=B", "cn=A,DC=b", true);
        check(Matching::DistinguishedName, "no name", "No name", false);
        check(Matching::CaseIgnoreList, "1 Main St $ Springfield", "1  main st$SPRINGFIELD", true);
        check(Matching::CaseIgnoreList, "1 Main St$Springfield", "1 Main St Springfield", false);
        check(Matching::CaseIgnoreList, "\\5CA\\24", "\\5ca\\24", true);
        check(Matching::NumericString, "15 079 672", "15079672", true);
        check(Matching::NumericString, "15079672", "15079673", false);
        check(Matching::Integer, "007", "7", true);
        check(Matching::Integer, "-0", "0", true);
        check(Matching::Integer, "-1", "1", false);
        check(Matching::Boolean, "true", "TRUE", true);
        check(Matching::Boolean, "TRUE", "FALSE", false);
        for same in ["20260131080000.0Z", "20260131080000+0000", "20260131090000+0100", "202601310800Z", "2026013108Z"]
        {
            check(Matching::GeneralizedTime, "20260131080000Z", same, true);
        }
        for other in ["20260131080000.1Z", "20260131080001Z", "20260131080000+0100", "20260231080000Z", "soon"] {
            check(Matching::GeneralizedTime, "20260131080000Z", other, false);
        }
        check(Matching::GeneralizedTime, "20260230080000Z", "20260302080000Z", false);
        check(Matching::Octets, "a", "A", false);
    }

    #[test]
    fn names_ignore_case_and_refuse_what_is_not_a_name() {
        assert_eq!(AttributeName::of("givenName"), AttributeName::of("GIVENNAME"));
        assert_eq!(AttributeName::of("cn;Lang-DE").attribute_type(), "cn");
        assert_ne!(AttributeName::of("cn;lang-de"), AttributeName::of("cn"));
        assert!(AttributeName::parse("userCertificate;x-a;BINARY").unwrap().has_option("binary"));
        assert!(!AttributeName::of("binary;lang-de").has_option("binary"));
        assert!(AttributeName::parse("given name").is_none());
        assert!(AttributeName::parse("").is_none());
        assert!(AttributeName::parse("a)(b=*").is_none());
    }
}
