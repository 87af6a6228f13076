//! What the store finds without reading documents: the values that resources are looked up by, and the conditions on
//! them.
//!
//! Not the filter: that is [`super::Search`], which puts as much of itself into a [`Condition`] as it can.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;

use super::path::AttributePath;
use super::resource::{Document, ResourceId};
use super::schema::{Definition, Schema, Type};

/// How many bytes of a value resources are found by. A photo is one of a megabyte, and nobody looks for it.
const LONGEST: usize = 1_000;

/// Which attributes of a kind of resource are found without reading documents.
#[derive(Clone, Debug)]
pub struct Index {
    schema: Schema,
    /// The paths by their keys.
    paths: BTreeMap<String, AttributePath>,
}

/// A value under which a resource is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexEntry {
    /// The path, as [`AttributePath::key`] writes it.
    pub key: String,
    /// The value, folded where case does not count.
    pub value: String,
}

impl Index {
    /// An index of `userName`, `externalId`, `displayName`, `manager` and the given paths, as far as the kind has them.
    pub fn new(schema: &Schema, paths: impl IntoIterator<Item = AttributePath>) -> Index {
        let always = ["userName", "externalId", "displayName", "manager"].into_iter();
        let always = always.filter_map(|name| AttributePath::parse(schema, name).ok());
        let always = always.filter(|path| schema.attribute(path).is_some());
        Index { schema: schema.clone(), paths: always.chain(paths).map(|path| (path.key(), path)).collect() }
    }

    /// What is known of the attributes.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The paths that the index covers, and how they compare: when one changes, the index must be made anew.
    pub fn keys(&self) -> Vec<String> {
        let key = |(key, path): (&String, &AttributePath)| {
            if self.schema.case_exact(path) { format!("{key} exact") } else { key.clone() }
        };
        self.paths.iter().filter(|(_, path)| self.compares_as_text(path)).map(key).collect()
    }

    /// Under which values a document is found.
    pub fn entries(&self, document: &Document) -> Vec<IndexEntry> {
        let of_path = |path: &AttributePath| {
            let texts = path.texts(document).into_iter();
            texts.map(|text| self.entry(path, &text)).collect::<Vec<IndexEntry>>()
        };
        let answered = self.paths.values().filter(|path| self.compares_as_text(path));
        let mut entries: Vec<IndexEntry> = answered.flat_map(of_path).collect();
        entries.sort();
        entries.dedup();
        entries
    }

    /// The index entry that stands for "the value at `path` is `text`"; of a very long one, that it starts so.
    pub fn entry(&self, path: &AttributePath, text: &str) -> IndexEntry {
        let mut value = fold(self.schema.case_exact(path), text);
        value.truncate(value.floor_char_boundary(LONGEST));
        IndexEntry { key: path.key(), value }
    }

    /// The same as a condition; `None` when the value is too long for the index to tell.
    pub(super) fn short_entry(&self, path: &AttributePath, text: &str) -> Option<IndexEntry> {
        // The end of a very long one may have been cut off within a letter.
        Some(self.entry(path, text)).filter(|entry| entry.value.len() < LONGEST - 4)
    }

    /// Where those are found who show the name of that user as their manager's.
    pub fn reports_to(&self, manager: &ResourceId) -> Option<IndexEntry> {
        let path = AttributePath::parse(&self.schema, "manager").ok()?;
        self.paths.contains_key(&path.key()).then(|| self.entry(&path, manager.as_str()))
    }

    /// The path in the index that stands for this one, if its values compare as texts do.
    pub(super) fn covering(&self, path: &AttributePath) -> Option<&AttributePath> {
        // `manager.value` is what `manager` compares by.
        let plain = AttributePath { sub: path.sub.clone().filter(|sub| sub != "value"), ..path.clone() };
        let covering = [path, &plain].into_iter().find_map(|path| self.paths.get(&path.key()))?;
        self.compares_as_text(covering).then_some(covering)
    }

    fn compares_as_text(&self, path: &AttributePath) -> bool {
        let leaf = self.schema.leaf(path).and_then(Definition::comparable);
        leaf.is_none_or(|leaf| matches!(leaf.kind, Type::String | Type::Reference))
    }
}

/// The value by which texts are compared.
pub(super) fn fold(case_exact: bool, text: &str) -> String {
    if case_exact { text.to_owned() } else { fold_case(text) }
}

/// A text without regard to case: equal for all that differ in case alone, and the same for a part of a text as for that
/// part by itself (`str::to_lowercase` writes a sigma at the end of a word otherwise than within it), and for letters that
/// are composed in one way or another (RFC 7644 §5, RFC 8265 §3.3).
pub fn fold_case(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// A condition that the store answers by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every one of these holds; of none, always.
    All(Vec<Condition>),
    /// One of these holds.
    Any(Vec<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
    /// The resource of that id.
    Id(ResourceId),
    /// A group with that member.
    Member(ResourceId),
    /// A group with any member.
    HasMembers,
    /// A resource found under that value.
    Equals(IndexEntry),
    /// A resource found under a value that starts like that.
    StartsWith(IndexEntry),
    /// A resource that has a value at the path of that key.
    Present(String),
}

impl Condition {
    /// What every resource fulfils.
    pub const ALWAYS: Condition = Condition::All(Vec::new());
    /// What no resource fulfils.
    pub const NEVER: Condition = Condition::Any(Vec::new());

    /// How many values are compared.
    pub(super) fn size(&self) -> usize {
        match self {
            Condition::All(inner) | Condition::Any(inner) => inner.iter().map(Condition::size).sum(),
            Condition::Not(inner) => inner.size(),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_folded_as_it_is_in_the_whole() {
        assert_eq!(fold_case("ÄRGER ΟΔΟΣ"), "ärger οδοσ");
        assert!(fold_case("ΟΔΟΣΗΣ").starts_with(&fold_case("οδος")));
        assert_eq!(fold_case(&fold_case("İΣẞ")), fold_case("İΣẞ"));
        assert_eq!(fold_case("Zoe\u{308}"), "zoë");
    }

    #[test]
    fn a_very_long_value_is_found_by_its_beginning_alone() {
        let schema = Schema::standard(crate::scim::Kind::User);
        let path = |text: &str| AttributePath::parse(&schema, text).unwrap();
        let index = Index::new(&schema, [path("title"), path("x509Certificates.value")]);
        let long = "ü".repeat(LONGEST);
        let document = serde_json::json!({"title": long, "x509Certificates": [{"value": "YQ=="}]});
        let entries = index.entries(document.as_object().unwrap());
        assert_eq!(entries.len(), 1, "bytes are not looked for");
        assert_eq!(entries[0].value.len(), LONGEST);
        assert_eq!(index.short_entry(&path("title"), &long), None);
        assert!(index.short_entry(&path("title"), "ü").is_some());
    }
}
