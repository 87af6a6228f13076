//! Filters (RFC 7644 §3.4.2.2): what the store's index answers, and what is evaluated value by value.
//!
//! Invariant: a filter that cannot be answered is `invalidFilter`, never "all" and never "none".

use std::collections::BTreeMap;

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter, ValuePath};
use serde_json::Value;

use super::error::{Error, ScimType};
use super::path::{AttributePath, text_of};
use super::quirks;
use super::resource::{self, Document, Kind, Resource, ResourceId};
use super::schema;

/// A value path with more conditions than this is evaluated, and not looked for in the index.
const MOST_INDEXED_CONDITIONS: usize = 8;

/// Which attributes of a kind of resource are found by equality without reading documents.
#[derive(Clone, Debug)]
pub struct Index {
    kind: Kind,
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
    /// An index of `userName`, `externalId`, `displayName` and the given paths.
    pub fn new(kind: Kind, paths: impl IntoIterator<Item = AttributePath>) -> Index {
        let always = ["userName", "externalId", "displayName"].into_iter();
        let always = always.filter_map(|name| AttributePath::parse(kind, name).ok());
        Index { kind, paths: always.chain(paths).map(|path| (path.key(), path)).collect() }
    }

    /// The paths that the index covers: when they change, the index must be made anew.
    pub fn keys(&self) -> Vec<String> {
        self.paths.keys().cloned().collect()
    }

    /// Under which values a document is found.
    pub fn entries(&self, document: &Document) -> Vec<IndexEntry> {
        let of_path = |path: &AttributePath| {
            let texts = path.texts(document).into_iter();
            texts.map(|text| self.entry(path, &text)).collect::<Vec<IndexEntry>>()
        };
        let mut entries: Vec<IndexEntry> = self.paths.values().flat_map(of_path).collect();
        entries.sort();
        entries.dedup();
        entries
    }

    /// The index entry that stands for "the value at `path` is `text`".
    pub fn entry(&self, path: &AttributePath, text: &str) -> IndexEntry {
        IndexEntry { key: path.key(), value: fold(schema::case_exact(self.kind, path), text) }
    }

    fn covers(&self, path: &AttributePath) -> bool {
        self.paths.contains_key(&path.key())
    }
}

fn fold(case_exact: bool, text: &str) -> String {
    if case_exact { text.to_owned() } else { text.to_lowercase() }
}

/// A condition that the store answers by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// The resource of that id.
    Id(ResourceId),
    /// A group with that member.
    Member(ResourceId),
    /// A resource found under that value.
    Index(IndexEntry),
}

/// What a list request asks for: all terms hold, and the rest of the filter as well.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What narrows the rows.
    pub terms: Vec<Term>,
    kind: Option<Kind>,
    rest: Vec<Filter>,
}

impl Search {
    /// Reads a filter as it came, after URL decoding. No filter selects everything.
    ///
    /// # Errors
    /// `invalidFilter` when the filter cannot be read or asks for what is not supported.
    pub fn parse(index: &Index, text: Option<&str>) -> Result<Search, Error> {
        let kind = index.kind;
        let mut search = Search { kind: Some(kind), ..Search::default() };
        let Some(text) = text else {
            return Ok(search);
        };
        let refuse =
            |reason: &str| Error::new(ScimType::InvalidFilter, format!("the filter {} {reason}", shorten(text)));
        let filter: Filter = quirks::filter(text).parse().map_err(|_| refuse("cannot be read"))?;
        let conditions = match filter {
            Filter::And(conditions) => conditions.into_vec(),
            single => vec![single],
        };
        for condition in conditions {
            match term(index, &condition) {
                Some(term) => search.terms.push(term),
                None => search.rest.push(condition),
            }
        }
        for condition in &search.rest {
            check_supported(index, condition).map_err(|reason| refuse(&reason))?;
        }
        Ok(search)
    }

    /// Whether the terms say everything, so that documents need not be looked at.
    pub fn is_indexed(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether the resource fulfils the part of the filter that the terms leave open.
    pub fn matches(&self, resource: &Resource) -> bool {
        let Some(kind) = self.kind else {
            return true;
        };
        let document = resource.representation("", None);
        self.rest.iter().all(|condition| holds(kind, condition, &document))
    }
}

fn shorten(text: &str) -> String {
    let start: String = text.chars().take(200).collect();
    format!("{start:?}")
}

/// The condition as a term, if the store can answer it.
fn term(index: &Index, condition: &Filter) -> Option<Term> {
    match condition {
        Filter::Attr(AttrExp::Comparison(path, CompareOp::Eq, value)) => {
            let path = AttributePath::resolve(index.kind, path.clone(), None, None);
            term_for(index, &path, comparable(value)?)
        }
        Filter::ValuePath(value_path) => {
            let conditions = match value_path.filter.as_ref() {
                ValFilter::And(conditions) if conditions.len() <= MOST_INDEXED_CONDITIONS => conditions.to_vec(),
                ValFilter::And(_) => return None,
                single => vec![single.clone()],
            };
            // `emails[type eq "work" and value eq "x"]` is found as `emails[type eq "work"].value`.
            (0..conditions.len()).find_map(|position| {
                let mut others = conditions.clone();
                let ValFilter::Attr(AttrExp::Comparison(sub, CompareOp::Eq, value)) = others.remove(position) else {
                    return None;
                };
                let path =
                    AttributePath::resolve(index.kind, value_path.attr.clone(), ValFilter::all(others), Some(sub.name));
                term_for(index, &path, comparable(&value)?)
            })
        }
        _ => None,
    }
}

fn term_for(index: &Index, path: &AttributePath, value: String) -> Option<Term> {
    if path.extension.is_none() && path.filter.is_none() {
        if path.name == "id" {
            return Some(Term::Id(ResourceId(value)));
        }
        if is_members(index.kind, path) && path.sub.as_deref().is_none_or(|sub| sub == "value") {
            return Some(Term::Member(ResourceId(value)));
        }
    }
    // `manager.value` is what `manager` compares by.
    let plain = AttributePath { sub: path.sub.clone().filter(|sub| sub != "value"), ..path.clone() };
    let covered = [path, &plain].into_iter().find(|path| index.covers(path))?;
    Some(Term::Index(index.entry(covered, &value)))
}

fn is_members(kind: Kind, path: &AttributePath) -> bool {
    kind == Kind::Group && path.extension.is_none() && path.name == "members"
}

fn comparable(value: &CompValue) -> Option<String> {
    match value {
        CompValue::Str(text) => Some(text.clone()),
        CompValue::True => Some("true".to_owned()),
        CompValue::False => Some("false".to_owned()),
        CompValue::Number(number) => Some(number.to_string()),
        CompValue::Null => None,
    }
}

/// Refuses what cannot be evaluated on a document, and attributes that nobody has told us of: to answer
/// "nobody" where a name is mistyped makes Entra create everybody again.
fn check_supported(index: &Index, filter: &Filter) -> Result<(), String> {
    let kind = index.kind;
    let check_path = |path: &AttrPath| {
        let path = AttributePath::resolve(kind, path.clone(), None, None);
        if is_members(kind, &path) {
            return Err(
                "asks for members in a way that is not supported: use members eq \"id\", alone or joined by and"
                    .to_owned(),
            );
        }
        let common = path.extension.is_none() && ["meta", "schemas"].contains(&path.name.as_str());
        if common || schema::defines(kind, &path) || index.covers(&path) {
            return Ok(());
        }
        Err(format!("asks for {path}, which is in no schema and in no attribute map"))
    };
    match filter {
        Filter::Attr(AttrExp::Present(path)) => check_path(path),
        Filter::Attr(AttrExp::Comparison(path, operator, _)) => {
            check_operator(operator)?;
            check_path(path)
        }
        Filter::ValuePath(ValuePath { attr, filter }) => {
            check_path(attr)?;
            let mut parts = Vec::new();
            parts_of(filter, &mut parts);
            let mut parts = parts.into_iter().map(|part| AttrPath { sub_attr: Some(part.to_owned()), ..attr.clone() });
            parts.try_for_each(|path| check_path(&path))?;
            check_value_filter(filter)
        }
        Filter::Not(inner) => check_supported(index, inner),
        Filter::And(all) | Filter::Or(all) => all.iter().try_for_each(|filter| check_supported(index, filter)),
    }
}

/// The sub-attributes that a value filter names.
fn parts_of<'a>(filter: &'a ValFilter, parts: &mut Vec<&'a str>) {
    match filter {
        ValFilter::Attr(AttrExp::Present(part) | AttrExp::Comparison(part, _, _)) => parts.push(&part.name),
        ValFilter::Not(inner) => parts_of(inner, parts),
        ValFilter::And(all) | ValFilter::Or(all) => all.iter().for_each(|filter| parts_of(filter, parts)),
    }
}

/// Says so when [`selects`] cannot evaluate a value filter.
pub(super) fn check_value_filter(filter: &ValFilter) -> Result<(), String> {
    match filter {
        ValFilter::Attr(AttrExp::Present(_)) => Ok(()),
        ValFilter::Attr(AttrExp::Comparison(_, operator, _)) => check_operator(operator),
        ValFilter::Not(inner) => check_value_filter(inner),
        ValFilter::And(all) | ValFilter::Or(all) => all.iter().try_for_each(check_value_filter),
    }
}

fn check_operator(operator: &CompareOp) -> Result<(), String> {
    match operator {
        CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
            Err(format!("uses {operator}, which is not supported: use eq, ne, co, sw, ew or pr"))
        }
        CompareOp::Eq | CompareOp::Ne | CompareOp::Co | CompareOp::Sw | CompareOp::Ew => Ok(()),
    }
}

fn holds(kind: Kind, filter: &Filter, document: &Document) -> bool {
    match filter {
        Filter::Attr(AttrExp::Present(path)) => {
            !AttributePath::resolve(kind, path.clone(), None, None).values(document).is_empty()
        }
        Filter::Attr(AttrExp::Comparison(path, operator, wanted)) => {
            let path = AttributePath::resolve(kind, path.clone(), None, None);
            let case_exact = schema::case_exact(kind, &path);
            let values = path.values(document);
            compare_any(&values, operator, wanted, case_exact)
        }
        Filter::ValuePath(ValuePath { attr, filter }) => {
            let path = AttributePath::resolve(kind, attr.clone(), Some(filter.as_ref().clone()), None);
            !path.values(document).is_empty()
        }
        Filter::Not(inner) => !holds(kind, inner, document),
        Filter::And(all) => all.iter().all(|filter| holds(kind, filter, document)),
        Filter::Or(all) => all.iter().any(|filter| holds(kind, filter, document)),
    }
}

/// `ne` holds when no value is equal; every other comparison when some value fulfils it.
fn compare_any(values: &[&Value], operator: &CompareOp, wanted: &CompValue, case_exact: bool) -> bool {
    match operator {
        CompareOp::Ne => !compare_any(values, &CompareOp::Eq, wanted, case_exact),
        CompareOp::Eq if *wanted == CompValue::Null => values.is_empty(),
        _ => values.iter().any(|value| compare(value, operator, wanted, case_exact)),
    }
}

fn compare(value: &Value, operator: &CompareOp, wanted: &CompValue, case_exact: bool) -> bool {
    let (Some(value), Some(wanted)) = (text_of(value), comparable(wanted)) else {
        return false;
    };
    // Entra writes `primary eq "True"`: a boolean has one meaning in any case.
    let case_exact = case_exact && !["true", "false"].contains(&value.as_str());
    let (value, wanted) = (fold(case_exact, &value), fold(case_exact, &wanted));
    match operator {
        CompareOp::Eq => value == wanted,
        CompareOp::Co => value.contains(&wanted),
        CompareOp::Sw => value.starts_with(&wanted),
        CompareOp::Ew => value.ends_with(&wanted),
        // Refused by `check_operator`, in filters as in paths.
        CompareOp::Ne | CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => false,
    }
}

/// Whether a value path's filter selects this value of a multi-valued attribute.
pub fn selects(filter: &ValFilter, value: &Value) -> bool {
    let part = |path: &AttrPath| match value {
        Value::Object(complex) => resource::attribute(complex, &path.name),
        simple => path.name.eq_ignore_ascii_case("value").then_some(simple),
    };
    match filter {
        ValFilter::Attr(AttrExp::Present(path)) => part(path).is_some(),
        ValFilter::Attr(AttrExp::Comparison(path, operator, wanted)) => {
            let values: Vec<&Value> = part(path).into_iter().collect();
            compare_any(&values, operator, wanted, false)
        }
        ValFilter::Not(inner) => !selects(inner, value),
        ValFilter::And(all) => all.iter().all(|filter| selects(filter, value)),
        ValFilter::Or(all) => all.iter().any(|filter| selects(filter, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn users() -> Index {
        let mapped = ["emails[type eq \"work\"].value", "manager"];
        Index::new(Kind::User, mapped.map(|path| AttributePath::parse(Kind::User, path).unwrap()))
    }

    #[track_caller]
    fn check_terms(index: &Index, filter: &str, expected: &[(&str, &str)]) {
        let search = Search::parse(index, Some(filter)).unwrap();
        assert!(search.is_indexed(), "{filter}");
        let terms: Vec<(String, String)> = search
            .terms
            .into_iter()
            .map(|term| match term {
                Term::Id(id) => ("id".to_owned(), id.0),
                Term::Member(id) => ("members".to_owned(), id.0),
                Term::Index(entry) => (entry.key, entry.value),
            })
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(terms, expected);
    }

    #[test]
    fn equality_is_answered_by_the_index() {
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager";
        check_terms(&users(), "userName eq \"ADA@contoso.com\"", &[("username", "ada@contoso.com")]);
        check_terms(&users(), "externalId eq Ada", &[("externalid", "Ada")]);
        check_terms(
            &users(),
            "emails[type eq \"work\"].value eq \"A@x\"",
            &[("emails[type eq \"work\"].value", "a@x")],
        );
        check_terms(&users(), "id eq \"U1\" and manager eq \"U2\"", &[("id", "U1"), (manager, "u2")]);
        check_terms(&users(), "manager.value eq \"U2\"", &[(manager, "u2")]);
        let groups = Index::new(Kind::Group, []);
        check_terms(&groups, "displayName eq \" Sales and Ops \"", &[("displayname", " Sales and Ops ")]);
        check_terms(&groups, "id eq \"G1\" and members eq \"U1\"", &[("id", "G1"), ("members", "U1")]);
        check_terms(&groups, "members[value eq \"U1\"]", &[("members", "U1")]);
    }

    #[track_caller]
    fn check_matches(filter: &str, expected: bool) {
        let document = json!({"userName": "Ada", "title": "Engineer", "active": false,
            "emails": [{"type": "work", "value": "w@x", "primary": true}, {"type": "home", "value": "h@x"}]});
        let resource = Resource {
            id: ResourceId("U1".to_owned()),
            kind: Kind::User,
            document: document.as_object().unwrap().clone(),
            version: 1,
            created: String::new(),
            modified: String::new(),
        };
        let index = Index::new(Kind::User, []);
        assert_eq!(Search::parse(&index, Some(filter)).unwrap().matches(&resource), expected, "{filter}");
    }

    #[test]
    fn the_rest_is_evaluated() {
        check_matches("title eq \"engineer\"", true);
        check_matches("title eq \"engine\"", false);
        check_matches("title sw \"engine\" and active eq false", true);
        check_matches("active eq \"False\"", true);
        check_matches("emails[type eq \"home\" and value ew \"@x\"]", true);
        check_matches("emails[primary eq \"True\"].value eq \"w@x\"", true);
        check_matches("not (title pr) or nickName pr", false);
        check_matches("title ne \"engineer\"", false);
        check_matches("nickName eq null", true);
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let groups = Index::new(Kind::Group, []);
        for filter in [
            "members co \"U\"",
            "members eq \"U1\" or displayName eq \"x\"",
            "displayName gt \"a\"",
            "displayName",
            "not members",
        ] {
            let error = Search::parse(&groups, Some(filter)).unwrap_err();
            assert_eq!(error.scim_type, ScimType::InvalidFilter, "{filter}");
        }
        assert!(Search::parse(&groups, Some(&"not (".repeat(1000))).is_err());
    }
}
