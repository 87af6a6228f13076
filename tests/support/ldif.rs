//! Directory entries as the tests see them: parsed from what `ldapsearch` prints, written out so that a person can
//! read them and a snapshot can hold them.
//!
//! The order is always the same (entries by DN, `objectClass` first, then attributes and values by text), base64 is
//! decoded where it is text, and a value whose first or last character is a space stands in quotes, because those
//! spaces are what some of the stories are about.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    attributes: BTreeMap<String, Vec<String>>,
}

impl Entry {
    /// The values of an attribute, sorted; none when it is not there. Names are compared as LDAP does, without case.
    pub(crate) fn values(&self, attribute: &str) -> Vec<String> {
        self.attributes
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute))
            .map(|(_, values)| values.clone())
            .unwrap_or_default()
    }

    /// All attributes with their values, sorted; values that are no text as base64.
    pub(crate) fn attributes(&self) -> &BTreeMap<String, Vec<String>> {
        &self.attributes
    }

    /// The DN of the entry above.
    pub(crate) fn parent(&self) -> &str {
        self.dn[self.rdn().len()..].trim_start_matches(',')
    }

    /// The first RDN as text, such as `cn=Staff`.
    pub(crate) fn rdn(&self) -> &str {
        // Values escape their commas (as `\2C` or `\,`), so a bare comma ends the RDN.
        let mut escaped = false;
        for (at, character) in self.dn.char_indices() {
            match character {
                ',' if !escaped => return &self.dn[..at],
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        &self.dn
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "dn: {}", self.dn)?;
        let is_class = |name: &str| name.eq_ignore_ascii_case("objectClass");
        let classes = self.attributes.iter().filter(|(name, _)| is_class(name));
        let others = self.attributes.iter().filter(|(name, _)| !is_class(name));
        for (name, values) in classes.chain(others) {
            for value in values {
                if value.starts_with(' ') || value.ends_with(' ') {
                    writeln!(out, "{name}: \"{value}\"")?;
                } else {
                    writeln!(out, "{name}: {value}")?;
                }
            }
        }
        Ok(())
    }
}

/// Reads what `ldapsearch -LLL -o ldif-wrap=no` prints.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = text.split("\n\n").filter_map(parse_entry).collect();
    entries.sort_by(|one, other| one.dn.cmp(&other.dn));
    entries
}

/// Entries one below the other, an empty line between them.
pub(crate) fn render(entries: &[Entry]) -> String {
    entries.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn parse_entry(block: &str) -> Option<Entry> {
    let mut dn = None;
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in block.lines().filter(|line| !line.starts_with('#')).filter_map(parse_line) {
        if name == "dn" {
            dn = Some(value);
        } else {
            attributes.entry(name).or_default().push(value);
        }
    }
    attributes.values_mut().for_each(|values| values.sort());
    dn.map(|dn| Entry { dn, attributes })
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.split_once(':')?;
    let value = match rest.strip_prefix(':') {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded.trim()).expect("ldapsearch writes base64");
            // Bytes that are no text stay as they were printed.
            String::from_utf8(bytes).unwrap_or_else(|_| encoded.trim().to_owned())
        }
        None => rest.strip_prefix(' ').unwrap_or(rest).to_owned(),
    };
    Some((name.to_owned(), value))
}
