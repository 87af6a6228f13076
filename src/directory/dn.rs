//! Distinguished names (RFC 4514), parsed and printed so that every value survives.
//!
//! Kept here because the printing of the published crates leaves commas and plus signs in values
//! unescaped. Invariant: `dn.to_string().parse()` is `dn` again, with the same bytes in its values.

use std::fmt;
use std::str::FromStr;

use super::attribute::{AttributeName, Matching, Value};

/// Why a text is not a DN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a distinguished name: {reason} at byte {position}")]
pub struct DnError {
    text: String,
    reason: &'static str,
    position: usize,
}

/// A distinguished name: relative names from the entry up to the suffix. Empty: the root.
#[derive(Clone, Debug, Default)]
pub struct Dn {
    rdns: Vec<Rdn>,
}

impl Dn {
    /// The entry's own, leftmost name; `None` for the root.
    pub fn rdn(&self) -> Option<&Rdn> {
        self.rdns.first()
    }

    /// The name of the entry above; `None` for the root.
    pub fn parent(&self) -> Option<Dn> {
        let (_, above) = self.rdns.split_first()?;
        Some(Dn { rdns: above.to_vec() })
    }

    /// The name of an entry directly below this one.
    pub fn child(&self, rdn: Rdn) -> Dn {
        let mut rdns = vec![rdn];
        rdns.extend(self.rdns.iter().cloned());
        Dn { rdns }
    }

    /// Whether this entry is somewhere below `base` (not `base` itself).
    pub fn is_under(&self, base: &Dn) -> bool {
        self.rdns.len() > base.rdns.len()
            && self.rdns.iter().rev().zip(base.rdns.iter().rev()).all(|(mine, theirs)| mine == theirs)
    }

    /// The form that equal names share: what `distinguishedNameMatch` compares.
    pub fn normalized(&self) -> String {
        let rdns: Vec<String> = self.rdns.iter().map(Rdn::normalized).collect();
        rdns.join(",")
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl Eq for Dn {}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.rdns.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{rdn}")?;
        }
        Ok(())
    }
}

/// One level of a DN: a value, or several joined by `+`.
#[derive(Clone, Debug)]
pub struct Rdn {
    parts: Vec<(AttributeName, Value)>,
}

impl Rdn {
    /// A name of one part.
    pub fn new(attribute: AttributeName, value: Value) -> Rdn {
        Rdn { parts: vec![(attribute, value)] }
    }

    /// The same name with one more part.
    pub fn and(mut self, attribute: AttributeName, value: Value) -> Rdn {
        self.parts.push((attribute, value));
        self
    }

    /// The parts, in the order written.
    pub fn parts(&self) -> &[(AttributeName, Value)] {
        &self.parts
    }

    /// The value of the part named `attribute`.
    pub fn value(&self, attribute: &AttributeName) -> Option<&Value> {
        self.parts.iter().find(|(name, _)| name == attribute).map(|(_, value)| value)
    }

    /// The same name with the value of `attribute` exchanged, other parts kept.
    pub fn with_value(&self, attribute: &AttributeName, value: Value) -> Rdn {
        let exchange = |(name, old): &(AttributeName, Value)| {
            (name.clone(), if name == attribute { value.clone() } else { old.clone() })
        };
        Rdn { parts: self.parts.iter().map(exchange).collect() }
    }

    /// The form that equal names share. Naming attributes are directory strings in practice, so
    /// values are folded as `caseIgnoreMatch` does.
    fn normalized(&self) -> String {
        let fold = |(name, value): &(AttributeName, Value)| {
            let folded = Value::from(Matching::CaseIgnore.normalize(value));
            format!("{}={}", name.folded(), Escaped(&folded))
        };
        let mut parts: Vec<String> = self.parts.iter().map(fold).collect();
        parts.sort();
        parts.join("+")
    }
}

impl PartialEq for Rdn {
    fn eq(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }
}

impl Eq for Rdn {}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (attribute, value)) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            write!(f, "{attribute}={}", Escaped(value))?;
        }
        Ok(())
    }
}

/// A value as RFC 4514 §2.4 writes it.
struct Escaped<'a>(&'a Value);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = self.0.as_str() else {
            return self.0.as_bytes().iter().try_for_each(|byte| write!(f, "\\{byte:02X}"));
        };
        let last = text.chars().count().saturating_sub(1);
        for (index, c) in text.chars().enumerate() {
            match c {
                ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => write!(f, "\\{c}")?,
                '#' if index == 0 => f.write_str("\\#")?,
                ' ' if index == 0 || index == last => f.write_str("\\20")?,
                c if c.is_ascii_control() => write!(f, "\\{:02X}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Dn, DnError> {
        let mut cursor = Cursor { text, rest: text.as_bytes() };
        let mut rdns = Vec::new();
        cursor.skip_blanks();
        while !cursor.rest.is_empty() {
            let mut parts = vec![cursor.part()?];
            while cursor.take(b'+') {
                parts.push(cursor.part()?);
            }
            rdns.push(Rdn { parts });
            if cursor.rest.is_empty() {
                break;
            }
            // `;` is the separator of LDAPv2 (RFC 1779), still met in old configuration files.
            if !cursor.take(b',') && !cursor.take(b';') {
                return Err(cursor.error("expected a comma"));
            }
            cursor.skip_blanks();
            if cursor.rest.is_empty() {
                return Err(cursor.error("ends in a comma"));
            }
        }
        Ok(Dn { rdns })
    }
}

/// What is left to read of a DN.
struct Cursor<'a> {
    text: &'a str,
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn error(&self, reason: &'static str) -> DnError {
        DnError { text: self.text.to_owned(), reason, position: self.text.len() - self.rest.len() }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.next();
        }
        found
    }

    fn skip_blanks(&mut self) {
        while self.take(b' ') {}
    }

    /// `attribute=value`, blanks allowed around each (RFC 2253 §4).
    fn part(&mut self) -> Result<(AttributeName, Value), DnError> {
        self.skip_blanks();
        let mut name = Vec::new();
        while let Some(byte) = self.rest.first().copied().filter(|byte| !b"=,+;".contains(byte)) {
            name.push(byte);
            self.next();
        }
        let name = String::from_utf8_lossy(&name).trim_end().to_owned();
        if !self.take(b'=') {
            return Err(self.error("expected ="));
        }
        let attribute = AttributeName::parse(&name).ok_or_else(|| self.error("bad attribute name"))?;
        self.skip_blanks();
        let value = match self.rest.first() {
            Some(b'#') => self.hex_value()?,
            Some(b'"') => self.quoted_value()?,
            _ => self.plain_value()?,
        };
        Ok((attribute, Value::from(value)))
    }

    fn plain_value(&mut self) -> Result<Vec<u8>, DnError> {
        let mut value = Vec::new();
        let mut significant = 0;
        while let Some(byte) = self.rest.first().copied() {
            match byte {
                b',' | b'+' | b';' => break,
                b'"' | b'<' | b'>' | 0 => return Err(self.error("character must be escaped")),
                b'\\' => {
                    self.next();
                    value.push(self.escaped()?);
                    significant = value.len();
                }
                byte => {
                    self.next();
                    value.push(byte);
                    if byte != b' ' {
                        significant = value.len();
                    }
                }
            }
        }
        value.truncate(significant);
        Ok(value)
    }

    /// What follows a backslash: two hex digits, or the character itself.
    fn escaped(&mut self) -> Result<u8, DnError> {
        let first = self.next().ok_or_else(|| self.error("ends in a backslash"))?;
        let Some(high) = hex_digit(first) else {
            return Ok(first);
        };
        let low = self.next().and_then(hex_digit).ok_or_else(|| self.error("expected a hex digit"))?;
        Ok(high * 16 + low)
    }

    /// `"…"`, the quoting of LDAPv2 (RFC 1779).
    fn quoted_value(&mut self) -> Result<Vec<u8>, DnError> {
        self.next();
        let mut value = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => value.push(self.escaped()?),
                Some(byte) => value.push(byte),
                None => return Err(self.error("quote is not closed")),
            }
        }
        self.skip_blanks();
        Ok(value)
    }

    /// `#` and the hex digits of the value's BER encoding; the content octets are the value.
    fn hex_value(&mut self) -> Result<Vec<u8>, DnError> {
        self.next();
        let mut encoded = Vec::new();
        while let Some(high) = self.rest.first().copied().and_then(hex_digit) {
            self.next();
            let low = self.next().and_then(hex_digit).ok_or_else(|| self.error("expected a hex digit"))?;
            encoded.push(high * 16 + low);
        }
        self.skip_blanks();
        match encoded.as_slice() {
            [_tag, length, content @ ..] if usize::from(*length) == content.len() => Ok(content.to_vec()),
            _ => Err(self.error("not a short BER value")),
        }
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(text.parse::<Dn>().unwrap().to_string(), expected);
    }

    #[test]
    fn prints_what_it_parsed() {
        check("", "");
        check("dc=example,dc=org", "dc=example,dc=org");
        check("cn = a , dc = b", "cn=a,dc=b");
        check(
            r#"cn=Smith\2C John \"JJ\" \3Cx\3E\3B #1 \2B \3D,dc=b"#,
            r#"cn=Smith\, John \"JJ\" \<x\>\; #1 \+ \=,dc=b"#,
        );
        check(r"cn=\20Sales\ ,dc=b", r"cn=\20Sales\20,dc=b");
        check(r"cn=\C3\A5sa,dc=b", "cn=åsa,dc=b");
        check(r"cn=#04024869,dc=b", "cn=Hi,dc=b");
        check(r#"cn="a, b";dc=b"#, r"cn=a\, b,dc=b");
        check("cn=a+ou=1,dc=b", "cn=a+ou=1,dc=b");
    }

    #[test]
    fn refuses_what_is_no_dn() {
        for text in ["cn", "cn=a,", "=a", "cn=a\"b", r"cn=a\", "cn=#0", "a b=c", ",cn=a", r"cn=\4"] {
            assert!(text.parse::<Dn>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn knows_what_is_below() {
        let base: Dn = "ou=People,dc=example,dc=org".parse().unwrap();
        let inside: Dn = "uid=a,OU=people, dc=Example,dc=org".parse().unwrap();
        assert!(inside.is_under(&base));
        assert!(!base.is_under(&base));
        assert!(!"uid=a,ou=peoplex,dc=example,dc=org".parse::<Dn>().unwrap().is_under(&base));
        assert_eq!(inside.parent().unwrap(), base);
    }

    #[test]
    fn multi_part_names_are_equal_in_any_order() {
        let left: Dn = "cn=A+ou=x,dc=b".parse().unwrap();
        let right: Dn = "OU=X+CN=a,dc=b".parse().unwrap();
        assert_eq!(left, right);
    }

    proptest! {
        #[test]
        fn any_value_survives_printing_and_parsing(bytes in prop::collection::vec(any::<u8>(), 1..20)) {
            let value = Value::from(bytes);
            let dn = Dn::default().child(Rdn::new(AttributeName::of("cn"), value.clone()));
            let again: Dn = dn.to_string().parse().unwrap();
            prop_assert_eq!(again.rdn().unwrap().value(&AttributeName::of("cn")), Some(&value));
        }

        #[test]
        fn any_text_value_survives(text in "\\PC{1,20}| [ #,+\"\\\\<>;=]{1,8} ") {
            let dn = Dn::default().child(Rdn::new(AttributeName::of("cn"), Value::from(text.as_str())));
            let again: Dn = dn.to_string().parse().unwrap();
            prop_assert_eq!(again.rdn().unwrap().parts()[0].1.as_str(), Some(text.as_str()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<Dn>();
        }
    }
}
