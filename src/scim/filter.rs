//! Filters (RFC 7644 §3.4.2.2): what the store answers by itself, and what is evaluated resource by resource.
//!
//! Invariant: a filter that cannot be answered is `invalidFilter`, never "all" and never "none".

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter, ValuePath};
use serde_json::Value;

use super::compare::{Comparison, indexed};
use super::error::{Error, ScimType};
use super::index::{Condition, Index, fold_case};
use super::path::AttributePath;
use super::quirks;
use super::redact;
use super::resource::{self, Document, Kind, ResourceId};
use super::schema::{Definition, ENTERPRISE_USER, Schema, Type};

/// What the store compares at once; a longer filter is evaluated.
const MOST_INDEXED: usize = 100;

/// What a list request asks for: the condition holds, and the rest of the filter as well.
#[derive(Clone, Debug)]
pub struct Search {
    /// What narrows the rows.
    pub condition: Condition,
    rest: Vec<Test>,
}

impl Search {
    /// Reads a filter as it came, after URL decoding. No filter selects everything. Where several kinds are asked,
    /// what is only in the schemas of the `others` has no value here (RFC 7644 §3.4.2.1).
    ///
    /// # Errors
    /// `invalidFilter` when the filter cannot be read, or asks for what no resource can have.
    pub fn parse(index: &Index, others: &[&Schema], text: Option<&str>) -> Result<Search, Error> {
        let Some(text) = text else {
            return Ok(Search { condition: Condition::ALWAYS, rest: Vec::new() });
        };
        let refuse =
            |reason: &str| Error::new(ScimType::InvalidFilter, format!("the filter {} {reason}", shorten(text)));
        let filter: Filter = quirks::filter(text).parse().map_err(|_| refuse("cannot be read"))?;
        let parts = match filter {
            Filter::And(parts) => parts.into_vec(),
            single => vec![single],
        };
        let (mut conditions, mut rest, mut tests) = (Vec::new(), Vec::new(), Vec::new());
        for part in &parts {
            let test = Test::new(index.schema(), others, part).map_err(|reason| refuse(&reason))?;
            match condition(index, part) {
                // Who is gone is nobody's manager, and still stands in the index: that only narrows the rows.
                Some(condition) if test.looks_at(Some(ENTERPRISE_USER), "manager") => {
                    conditions.extend(is_equality(part).then_some(condition));
                    rest.push(test);
                }
                Some(condition) => {
                    conditions.push(condition);
                    tests.push(test);
                }
                None => rest.push(test),
            }
        }
        let mut condition = Condition::All(conditions);
        if condition.size() > MOST_INDEXED {
            rest.append(&mut tests);
            condition = Condition::ALWAYS;
        }
        Ok(Search { condition, rest })
    }

    /// Whether the condition says everything, so that resources need not be looked at.
    pub fn is_indexed(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether the resource, as it is shown, fulfils the part of the filter that the condition leaves open.
    pub fn matches(&self, shown: &Document) -> bool {
        self.rest.iter().all(|test| test.holds(shown))
    }

    /// Whether the rest of the filter looks at a core attribute, such as `members`.
    pub fn looks_at(&self, extension: Option<&str>, name: &str) -> bool {
        self.rest.iter().any(|test| test.looks_at(extension, name))
    }

    /// Whether it looks at the manager, whose name stands in another resource.
    pub fn looks_at_manager(&self) -> bool {
        self.looks_at(Some(ENTERPRISE_USER), "manager")
    }
}

/// Whether it says that an attribute has a value, and no more.
fn is_equality(filter: &Filter) -> bool {
    matches!(filter, Filter::Attr(AttrExp::Comparison(_, CompareOp::Eq, value)) if *value != CompValue::Null)
}

fn shorten(text: &str) -> String {
    let start: String = redact::path(text).chars().take(200).collect();
    format!("'{start}'")
}

/// A filter whose paths and types were checked.
#[derive(Clone, Debug)]
enum Test {
    /// What is the same for all, since none has the attribute.
    Always(bool),
    Present(AttributePath),
    Compare(AttributePath, Comparison),
    /// Some value of a multi-valued attribute is selected.
    Selects(AttributePath, Selection),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
}

impl Test {
    fn new(schema: &Schema, others: &[&Schema], filter: &Filter) -> Result<Test, String> {
        let all = |filters: &[Filter]| {
            filters.iter().map(|filter| Test::new(schema, others, filter)).collect::<Result<Vec<Test>, String>>()
        };
        if let Some(path) = path_of(filter)
            && known(schema, path).is_err()
            && let Some(other) = others.iter().find(|other| known(other, path).is_ok())
        {
            // It must have an answer where there is such an attribute.
            Test::new(other, &[], filter)?;
            return Ok(Test::Always(holds_of_nothing(filter)));
        }
        Ok(match filter {
            Filter::Attr(AttrExp::Present(path)) => Test::Present(known(schema, path)?.0),
            Filter::Attr(AttrExp::Comparison(path, operator, value)) => {
                let (path, leaf) = known(schema, path)?;
                let comparison = Comparison::new(Some(leaf), operator, value).map_err(|reason| about(&path, reason))?;
                Test::Compare(path, comparison)
            }
            Filter::ValuePath(ValuePath { attr, filter }) => {
                let (path, definition) = known(schema, attr)?;
                let selection = Selection::new(Some(definition), filter, Strictness::Known)
                    .map_err(|reason| about(&path, &reason))?;
                Test::Selects(path, selection)
            }
            Filter::Not(inner) => Test::Not(Box::new(Test::new(schema, others, inner)?)),
            Filter::And(filters) => Test::All(all(filters)?),
            Filter::Or(filters) => Test::Any(all(filters)?),
        })
    }

    fn holds(&self, document: &Document) -> bool {
        match self {
            Test::Always(holds) => *holds,
            Test::Present(path) => !path.values(document).is_empty(),
            Test::Compare(path, comparison) => comparison.holds(&path.values(document)),
            Test::Selects(path, selection) => path.values(document).into_iter().any(|value| selection.selects(value)),
            Test::Not(inner) => !inner.holds(document),
            Test::All(tests) => tests.iter().all(|test| test.holds(document)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(document)),
        }
    }

    fn looks_at(&self, extension: Option<&str>, name: &str) -> bool {
        match self {
            Test::Always(_) => false,
            Test::Present(path) | Test::Compare(path, _) | Test::Selects(path, _) => {
                path.extension.as_deref() == extension && path.name == name
            }
            Test::Not(inner) => inner.looks_at(extension, name),
            Test::All(tests) | Test::Any(tests) => tests.iter().any(|test| test.looks_at(extension, name)),
        }
    }
}

/// The attribute that a filter is about, if it is about one.
fn path_of(filter: &Filter) -> Option<&AttrPath> {
    match filter {
        Filter::Attr(AttrExp::Present(path) | AttrExp::Comparison(path, ..)) => Some(path),
        Filter::ValuePath(value_path) => Some(&value_path.attr),
        Filter::Not(_) | Filter::And(_) | Filter::Or(_) => None,
    }
}

/// Whether a resource fulfils it that has no such attribute.
fn holds_of_nothing(filter: &Filter) -> bool {
    match filter {
        Filter::Attr(AttrExp::Comparison(_, CompareOp::Eq, value)) => *value == CompValue::Null,
        Filter::Attr(AttrExp::Comparison(_, CompareOp::Ne, value)) => *value != CompValue::Null,
        _ => false,
    }
}

fn about(path: &AttributePath, reason: &str) -> String {
    format!("cannot be answered for {path}: it {reason}")
}

/// The path, and what is known of where it leads. Attributes that nobody has told us of are refused: to answer "nobody"
/// where a name is mistyped makes Entra create everybody again.
fn known<'a>(schema: &'a Schema, path: &AttrPath) -> Result<(AttributePath, &'a Definition), String> {
    let path = AttributePath::resolve(schema, path.clone(), None, None);
    // The parts of a custom attribute whose form nobody declared are its own.
    let undeclared = || schema.attribute(&path).filter(|definition| !definition.declared);
    if let Some(leaf) = schema.leaf(&path).or_else(undeclared) {
        return Ok((path, leaf));
    }
    let hint = match path.extension {
        None => schema.nearest(&path.name).map(|known| format!("; did you mean {known}?")).unwrap_or_default(),
        Some(_) => String::new(),
    };
    Err(format!("asks for {path}, which is in no schema and in no attribute map{hint}"))
}

/// A filter in brackets, on the values of one attribute.
#[derive(Clone, Debug)]
enum Selection {
    Present(String),
    Compare(String, Comparison),
    Not(Box<Selection>),
    All(Vec<Selection>),
    Any(Vec<Selection>),
}

/// Whether sub-attributes must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    Known,
    Any,
}

impl Selection {
    fn new(attribute: Option<&Definition>, filter: &ValFilter, strictness: Strictness) -> Result<Selection, String> {
        let part = |path: &AttrPath| -> Result<(String, Option<&Definition>), String> {
            let name = quirks::sub_attribute(&path.name).to_owned();
            let definition = attribute.and_then(|attribute| match attribute.kind {
                Type::Complex => attribute.sub_attribute(&name),
                _ => Some(attribute).filter(|_| name.eq_ignore_ascii_case("value")),
            });
            let declared = attribute.is_none_or(|attribute| attribute.declared);
            if definition.is_none() && declared && strictness == Strictness::Known {
                return Err(format!("has no sub-attribute {name}"));
            }
            Ok((name, definition))
        };
        let all = |filters: &[ValFilter]| {
            filters.iter().map(|filter| Selection::new(attribute, filter, strictness)).collect::<Result<_, _>>()
        };
        Ok(match filter {
            ValFilter::Attr(AttrExp::Present(path)) => Selection::Present(part(path)?.0),
            ValFilter::Attr(AttrExp::Comparison(path, operator, value)) => {
                let (name, definition) = part(path)?;
                Selection::Compare(name, Comparison::new(definition, operator, value)?)
            }
            ValFilter::Not(inner) => Selection::Not(Box::new(Selection::new(attribute, inner, strictness)?)),
            ValFilter::And(filters) => Selection::All(all(filters)?),
            ValFilter::Or(filters) => Selection::Any(all(filters)?),
        })
    }

    fn selects(&self, value: &Value) -> bool {
        let part = |name: &str| match value {
            Value::Object(complex) => resource::attribute(complex, name),
            simple => name.eq_ignore_ascii_case("value").then_some(simple),
        };
        match self {
            Selection::Present(name) => part(name).is_some(),
            Selection::Compare(name, comparison) => {
                let values: Vec<&Value> = part(name).into_iter().collect();
                comparison.holds(&values)
            }
            Selection::Not(inner) => !inner.selects(value),
            Selection::All(selections) => selections.iter().all(|selection| selection.selects(value)),
            Selection::Any(selections) => selections.iter().any(|selection| selection.selects(value)),
        }
    }
}

/// Says so when [`selector`] cannot evaluate a filter in brackets.
pub(super) fn check_selection(attribute: Option<&Definition>, filter: &ValFilter) -> Result<(), String> {
    Selection::new(attribute, filter, Strictness::Any).map(|_| ())
}

/// What tells whether a filter in brackets selects a value of a multi-valued attribute.
pub(super) fn selector(attribute: Option<&Definition>, filter: &ValFilter) -> impl Fn(&Value) -> bool + use<> {
    let selection = Selection::new(attribute, filter, Strictness::Any).ok();
    move |value| selection.as_ref().is_some_and(|selection| selection.selects(value))
}

/// The filter as a condition, if the store can answer all of it.
fn condition(index: &Index, filter: &Filter) -> Option<Condition> {
    let all = |filters: &[Filter]| filters.iter().map(|filter| condition(index, filter)).collect::<Option<Vec<_>>>();
    let not = |condition: Condition| Condition::Not(Box::new(condition));
    if path_of(filter).is_some_and(|path| known(index.schema(), path).is_err()) {
        return Some(if holds_of_nothing(filter) { Condition::ALWAYS } else { Condition::NEVER });
    }
    match filter {
        Filter::Attr(AttrExp::Present(path)) => present(index, path),
        Filter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Null)) => present(index, path).map(not),
        Filter::Attr(AttrExp::Comparison(path, CompareOp::Ne, CompValue::Null)) => present(index, path),
        Filter::Attr(AttrExp::Comparison(path, operator, value)) => {
            let path = AttributePath::resolve(index.schema(), path.clone(), None, None);
            let text = indexed(value)?;
            match operator {
                CompareOp::Eq => equal(index, &path, text),
                CompareOp::Ne => equal(index, &path, text).map(not),
                CompareOp::Sw if !text.is_empty() => {
                    let covering = index.covering(&path)?;
                    index.short_entry(covering, &text).map(Condition::StartsWith)
                }
                _ => None,
            }
        }
        Filter::ValuePath(value_path) => {
            let conditions = match value_path.filter.as_ref() {
                ValFilter::And(conditions) => conditions.to_vec(),
                single => vec![single.clone()],
            };
            // `emails[type eq "work" and value eq "x"]` is found as `emails[type eq "work"].value`. More conditions
            // than two are nothing that is mapped.
            (0..conditions.len().min(2)).find_map(|position| {
                let mut others = conditions.clone();
                let ValFilter::Attr(AttrExp::Comparison(sub, CompareOp::Eq, value)) = others.remove(position) else {
                    return None;
                };
                let filter = ValFilter::all(others);
                let path = AttributePath::resolve(index.schema(), value_path.attr.clone(), filter, Some(sub.name));
                equal(index, &path, indexed(&value)?)
            })
        }
        Filter::Not(inner) => condition(index, inner).map(not),
        Filter::And(filters) => all(filters).map(Condition::All),
        Filter::Or(filters) => all(filters).map(Condition::Any),
    }
}

fn present(index: &Index, path: &AttrPath) -> Option<Condition> {
    let path = AttributePath::resolve(index.schema(), path.clone(), None, None);
    if is_members(index.schema(), &path) && path.sub.as_deref().is_none_or(|sub| sub == "value") {
        return Some(Condition::HasMembers);
    }
    // A complex value may be there and have no `value` to be found by, and so may one whose type nobody declared.
    let simple = index.schema().leaf(&path).is_some_and(|leaf| leaf.kind != Type::Complex && leaf.declared);
    index.covering(&path).filter(|_| simple).map(|path| Condition::Present(path.key()))
}

fn equal(index: &Index, path: &AttributePath, value: String) -> Option<Condition> {
    if path.extension.is_none() && path.filter.is_none() {
        if path.name == "id" {
            return Some(Condition::Id(ResourceId(value)));
        }
        if is_members(index.schema(), path) && path.sub.as_deref().is_none_or(|sub| sub == "value") {
            // Ids are lower case, and `members.value` compares without case (RFC 7643 §8.7.1).
            return Some(Condition::Member(ResourceId(fold_case(&value))));
        }
    }
    let covering = index.covering(path)?;
    index.short_entry(covering, &value).map(Condition::Equals)
}

fn is_members(schema: &Schema, path: &AttributePath) -> bool {
    schema.kind() == Kind::Group && path.extension.is_none() && path.name == "members" && path.filter.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager";

    fn users() -> Index {
        let schema = Schema::standard(Kind::User);
        let mapped = ["emails[type eq \"work\"].value", "manager"];
        let mapped = mapped.map(|path| AttributePath::parse(&schema, path).unwrap());
        Index::new(&schema, mapped)
    }

    fn groups() -> Index {
        Index::new(&Schema::standard(Kind::Group), [])
    }

    #[track_caller]
    fn check_condition(index: &Index, filter: &str, expected: &str) {
        let search = Search::parse(index, &[], Some(filter)).unwrap();
        assert!(search.is_indexed(), "{filter}");
        assert_eq!(write(&search.condition), expected);
    }

    fn write(condition: &Condition) -> String {
        let all = |inner: &[Condition], between: &str| inner.iter().map(write).collect::<Vec<_>>().join(between);
        match condition {
            Condition::All(inner) => all(inner, " & "),
            Condition::Any(inner) => format!("({})", all(inner, " | ")),
            Condition::Not(inner) => format!("!{}", write(inner)),
            Condition::Id(id) => format!("id={id}"),
            Condition::Member(id) => format!("member={id}"),
            Condition::HasMembers => "members".to_owned(),
            Condition::Equals(entry) => format!("{}={}", entry.key, entry.value),
            Condition::StartsWith(entry) => format!("{}={}*", entry.key, entry.value),
            Condition::Present(key) => format!("{key}=*"),
        }
    }

    #[test]
    fn what_the_store_finds_it_is_asked_for() {
        check_condition(&users(), "userName eq \"ADA@contoso.com\"", "username=ada@contoso.com");
        check_condition(&users(), "externalId eq Ada", "externalid=Ada");
        check_condition(&users(), "emails[type eq \"work\"].value eq \"A@x\"", "emails[type eq \"work\"].value=a@x");
        check_condition(
            &users(),
            "userName sw \"A\" and not (displayName pr or externalId ne \"x\")",
            "username=a* & !(displayname=* | !externalid=x)",
        );
        check_condition(&users(), "displayName eq null", "!displayname=*");
        check_condition(&groups(), "displayName eq \" Sales and Ops \"", "displayname= Sales and Ops ");
        check_condition(&groups(), "id eq \"G1\" and members eq \"U1\"", "id=G1 & member=u1");
        check_condition(&groups(), "members[value eq \"U1\"] or members pr", "(member=u1 | members)");
    }

    #[test]
    fn managers_are_looked_up_and_looked_at() {
        for (filter, condition) in [
            ("id eq \"U1\" and manager eq \"U2\"", format!("id=U1 & {MANAGER}=u2")),
            ("manager.value eq \"U2\"", format!("{MANAGER}=u2")),
            ("manager.value ne \"U2\"", String::new()),
            ("manager.value pr", String::new()),
            ("userName eq \"a\" or manager eq \"U2\"", String::new()),
        ] {
            let search = Search::parse(&users(), &[], Some(filter)).unwrap();
            assert_eq!((write(&search.condition), search.looks_at_manager()), (condition, true), "{filter}");
        }
    }

    #[test]
    fn what_only_others_have_has_no_value() {
        let standard = [Schema::standard(Kind::User), Schema::standard(Kind::Group)];
        let others: Vec<&Schema> = standard.iter().collect();
        for (filter, condition) in [
            ("userName eq \"a\" or displayName eq \"b\"", "(() | displayname=b)"),
            ("userName ne \"a\" and displayName eq \"b\"", " & displayname=b"),
            ("not (userName pr) and title eq null", "!() & "),
            ("emails[type eq \"work\"]", "()"),
        ] {
            let search = Search::parse(&groups(), &others, Some(filter)).unwrap();
            assert_eq!((write(&search.condition).as_str(), search.is_indexed()), (condition, true), "{filter}");
        }
        let search = Search::parse(&groups(), &others, Some("userName ne \"a\" and meta.version pr")).unwrap();
        assert!(search.matches(json!({"userName": "a", "meta": {"version": "1"}}).as_object().unwrap()));
        for filter in ["userNam pr", "active gt true", "name eq \"x\"", "emails[kind pr]"] {
            assert!(Search::parse(&groups(), &others, Some(filter)).is_err(), "{filter}");
        }
        assert!(Search::parse(&groups(), &[], Some("userName pr")).is_err());
    }

    #[test]
    fn a_filter_of_many_terms_is_evaluated() {
        let names: Vec<String> = (0..200).map(|number| format!("userName eq \"u{number}\"")).collect();
        let search = Search::parse(&users(), &[], Some(&names.join(" or "))).unwrap();
        assert_eq!(search.condition, Condition::ALWAYS);
        assert!(search.matches(json!({"userName": "U7"}).as_object().unwrap()));
        assert!(!search.matches(json!({"userName": "U200"}).as_object().unwrap()));
    }

    #[track_caller]
    fn check_matches(filter: &str, expected: bool) {
        let document = json!({"id": "U1", "userName": "Ada", "title": "Engineer", "active": false,
            "emails": [{"type": "work", "value": "w@x", "primary": true}, {"type": "home", "value": "h@x"}],
            "name": {"familyName": "Byron"},
            "x509Certificates": [{"value": "QUJD"}],
            "meta": {"created": "2026-01-02T03:04:05.678Z", "resourceType": "User"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"}});
        let index = Index::new(&Schema::standard(Kind::User), []);
        let search = Search::parse(&index, &[], Some(filter)).unwrap();
        assert_eq!(search.matches(document.as_object().unwrap()), expected, "{filter}");
    }

    #[test]
    fn the_rest_is_evaluated() {
        check_matches("title eq \"engineer\"", true);
        check_matches("title eq \"engine\"", false);
        check_matches("title sw \"engine\" and active eq false", true);
        check_matches("active eq \"False\" and active eq False", true);
        check_matches("emails[type eq \"home\" and value ew \"@x\"]", true);
        check_matches("emails[primary eq \"True\"].value eq \"w@x\"", true);
        check_matches("emails[not (type eq \"work\")] and emails co \"H@\"", true);
        check_matches("not (title pr) or nickName pr", false);
        check_matches("title ne \"engineer\"", false);
        check_matches("nickName eq null and name pr and addresses eq null", true);
        check_matches("title gt \"DEAN\" and title le \"ENGINEER\"", true);
        check_matches(
            "meta.created gt \"2026-01-02T03:04:05Z\" and meta.created lt \"2026-01-02T05:00:00+01:00\"",
            true,
        );
        check_matches("meta.resourceType eq \"User\" and name.familyName ew \"RON\"", true);
        check_matches("URN:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User:Department EQ \"r&d\"", true);
        check_matches("x509Certificates.value eq \"qujd\"", false);
        check_matches("id ge \"U1\" and id le \"U1\"", true);
        check_matches("profileUrl ne \"http://x\"", true);
    }

    #[track_caller]
    fn check_refused(index: &Index, filter: &str, reason: &str) {
        let error = Search::parse(index, &[], Some(filter)).unwrap_err();
        assert_eq!(error.scim_type, ScimType::InvalidFilter, "{filter}");
        assert!(error.detail.ends_with(reason), "{}", error.detail);
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        check_refused(&users(), "displayName", "cannot be read");
        check_refused(&users(), &"not (".repeat(1000), "cannot be read");
        check_refused(&users(), "userNam eq \"a\"", "did you mean userName?");
        check_refused(&users(), "urn:example:2.0:User:badge eq \"a\"", "which is in no schema and in no attribute map");
        check_refused(&users(), "name eq \"a\"", "compares a complex attribute: name one of its sub-attributes");
        check_refused(&users(), "emails[kind eq \"a\"]", "it has no sub-attribute kind");
        check_refused(&users(), "active gt true", "compares a boolean by another operator than eq or ne");
        check_refused(&users(), "meta.created gt \"noon\"", "compares a date with something else");
        check_refused(&users(), "title co null", "compares null by another operator than eq or ne");
        check_refused(&groups(), "not members", "cannot be read");
    }
}
