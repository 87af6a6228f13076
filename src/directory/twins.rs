//! Names of groups that people take for one: they differ in case, in spaces or in how their letters are composed.
//!
//! The directory takes most of them for one too, and scimbridge does not: each is a group of its own.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization as _;

/// What names differ in, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Capitals and small letters.
    Case,
    /// Spaces at the ends or in a row, or of another kind.
    Spaces,
    /// How letters are composed (Unicode normal forms).
    Form,
}

/// Several names that people take for one.
#[derive(Clone, Debug, PartialEq)]
pub struct Twins<P> {
    /// What they differ in.
    pub differences: BTreeSet<Difference>,
    /// The names, and where each stands.
    pub names: BTreeMap<String, Vec<P>>,
}

/// The names that have twins among the others.
pub fn twins<P>(names: impl IntoIterator<Item = (String, P)>) -> Vec<Twins<P>> {
    let mut by_look: BTreeMap<String, BTreeMap<String, Vec<P>>> = BTreeMap::new();
    for (name, place) in names {
        let look = look(&name, None);
        by_look.entry(look).or_default().entry(name).or_default().push(place);
    }
    let several = by_look.into_values().filter(|names| names.len() > 1);
    several.map(|names| Twins { differences: differences(names.keys()), names }).collect()
}

fn differences<'a>(names: impl Iterator<Item = &'a String> + Clone) -> BTreeSet<Difference> {
    let differ = |kept: &Difference| {
        let looks: BTreeSet<String> = names.clone().map(|name| look(name, Some(*kept))).collect();
        looks.len() > 1
    };
    [Difference::Case, Difference::Spaces, Difference::Form].into_iter().filter(differ).collect()
}

/// What people see of a name; `kept` is what they look at closely.
fn look(name: &str, kept: Option<Difference>) -> String {
    let word = |word: &str| -> String {
        let composed = if kept == Some(Difference::Form) { word.to_owned() } else { word.nfkc().collect() };
        if kept == Some(Difference::Case) { composed } else { composed.chars().flat_map(char::to_lowercase).collect() }
    };
    if kept == Some(Difference::Spaces) {
        let parts = name.split_inclusive(char::is_whitespace).map(|part| {
            let text = part.trim_end_matches(char::is_whitespace);
            word(text) + part.get(text.len()..).unwrap_or_default()
        });
        return parts.collect();
    }
    name.split_whitespace().map(word).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: &[(&[Difference], &[&str])]) {
        let found = twins(names.iter().enumerate().map(|(place, name)| ((*name).to_owned(), place)));
        let found: Vec<(Vec<Difference>, Vec<&str>)> = found
            .iter()
            .map(|twins| {
                (twins.differences.iter().copied().collect(), twins.names.keys().map(String::as_str).collect())
            })
            .collect();
        let expected: Vec<(Vec<Difference>, Vec<&str>)> =
            expected.iter().map(|(differences, names)| (differences.to_vec(), names.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn twins_are_told_by_what_they_differ_in() {
        use Difference::{Case, Form, Spaces};
        check(&["Staff", "Sales", "Staff"], &[]);
        check(&["Research", "research", "Sales"], &[(&[Case], &["Research", "research"])]);
        check(&["a b", "a  b", "a b ", " A b"], &[(&[Case, Spaces], &[" A b", "a  b", "a b", "a b "])]);
        check(&["Zo\u{eb}", "Zoe\u{308}"], &[(&[Form], &["Zoe\u{308}", "Zo\u{eb}"])]);
        check(&["a\u{a0}b", "a b"], &[(&[Spaces], &["a b", "a\u{a0}b"])]);
    }
}
