//! What Microsoft Entra ID sends outside the RFCs, turned into the RFC's own forms.
//!
//! Not a second dialect, and no question of who is talking: everybody's odd forms are read alike. Where a form changes
//! what an operation means, the change is made where the operation is; the list is here all the same. The fixtures are
//! in `tests/fixtures/entra`, one file per form.
//!
//! | form | what is done, against what the RFC has | where | fixture |
//! | --- | --- | --- | --- |
//! | `Add`, `REMOVE` | any case of letters | [`operation`] | `patch-user/op-capital` |
//! | `"True"`, `"false"` | a boolean | [`boolean`] | `patch-user/active-text-false` |
//! | `"7"` | a number, where one is asked for | [`number`] | |
//! | `null`, `""`, `[]` | the attribute is unassigned | [`without_nulls`] | `patch-user/clear-empty` |
//! | `[{"value": "x"}]` for a single value | the value | [`unwrap_single`] | `patch-user/scalar-in-list` |
//! | `"manager": "U2"` | `{"value": "U2"}` | [`complex_from_scalar`] | `patch-user/manager-text` |
//! | `$ref` beside `value`, or alone | the `value`, or the id at the end of `$ref` | [`reference()`] | `patch-user/manager-list` |
//! | a role as JSON text in `value` | the role | [`role`] | `patch-user/role-json-text` |
//! | members as texts, objects, one or many | their ids | [`member_ids`] | `patch-group/add-list-of-text` |
//! | values without quotes, `True`, in a path | as if quoted | [`path()`] | `patch-user/unquoted-boolean-in-path` |
//! | values without quotes, comparisons after a bracket | the RFC's filter | [`filter()`] | |
//! | keys without a path that are paths: `name.givenName` | an operation each (§3.5.2: attribute names) | `patch` | `patch-user/flag-several` |
//! | an enterprise attribute without its URN | that attribute (§3.10: the URN is required) | `path` | `patch-user/manager-list` |
//! | remove with a value | those values alone (§3.5.2.2: all) | `patch` | `patch-group/remove-plain` |
//! | replace where a filter selects nothing | the element is made (§3.5.2.3: `noTarget`) | `patch` | `patch-user/typed-email-replace-missing` |
//! | remove where a filter selects nothing | success (§3.5.2: `noTarget`) | `patch` | `patch-user/typed-remove-missing` |
//! | a filter on a single value: `manager[value eq "U2"]` | looked at (§3.5.2: for multi-valued ones) | `patch` | `patch-user/manager-remove-filter` |
//! | `active` replaced by null | it stays | `patch` | `patch-user/active-null` |
//! | no operations | nothing is changed | `patch` | `patch-user/no-operations` |
//! | attributes in no schema | kept and returned | `resource` | `patch-user/unknown-attribute` |
//! | an extension that `schemas` leaves out | kept and returned | `resource` | `create-user/extension-not-in-schemas` |
//! | `id`, `meta`, `password` in a body | not looked at (§3.3 for the first two) | `resource` | `create-user/id-of-the-client` |

use serde_json::{Number, Value, json};

use super::error::{Error, ScimType};
use super::patch::Op;
use super::resource::{self, Document, ResourceId};
use super::schema::{Definition, Type};

/// `Add`, `Replace`, `Remove` with capitals: Entra without the `aadOptscim062020` flag.
pub fn operation(text: &str) -> Option<Op> {
    match text.to_ascii_lowercase().as_str() {
        "add" => Some(Op::Add),
        "replace" => Some(Op::Replace),
        "remove" => Some(Op::Remove),
        _ => None,
    }
}

/// `"True"` and `"False"` for booleans: Entra without the flag; `"false"` where an administrator wrote
/// the mapping in lower case.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A number, or a text that is one: Entra without the flag writes other types as texts too.
pub fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A role that is JSON text inside `value`, as Entra without the flag patches app roles; decoded once, it is what Entra
/// posts. `None` when it is a role like any other.
pub fn role(definition: &Definition, element: &Document) -> Option<Document> {
    let text = element.iter().find(|(name, _)| name.eq_ignore_ascii_case("value"))?.1.as_str()?;
    if definition.name != "roles" || !text.trim_start().starts_with('{') {
        return None;
    }
    let decoded: Document = serde_json::from_str(text).ok()?;
    let others = element.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("value"));
    let others = others.map(|(name, value)| (name.clone(), value.clone()));
    Some(decoded.into_iter().chain(others).collect())
}

/// A reference by its `value` alone: `$ref` is made of that by the server, and whoever sends only `$ref` means the id at
/// its end. `None` when there is no `$ref`.
pub fn reference(definition: &Definition, element: &Document) -> Option<Document> {
    definition.sub_attribute(REFERENCE)?;
    let (key, reference) = element.iter().find(|(name, _)| name.eq_ignore_ascii_case(REFERENCE))?;
    let mut by_value = element.clone();
    by_value.shift_remove(key);
    let has_value = resource::attribute(&by_value, "value").and_then(without_nulls).is_some();
    let id = reference.as_str().and_then(|reference| reference.trim_end_matches('/').rsplit('/').next());
    if let Some(id) = id.filter(|id| !has_value && !id.is_empty()) {
        by_value.insert("value".to_owned(), Value::from(id));
    }
    Some(by_value)
}

/// The value without nulls, empty texts, empty arrays and empty objects, at any depth; `None` when
/// nothing is left. Entra clears an attribute with `null` or `""`; RFC 7643 §2.5 holds null and
/// absent equal, and a directory string cannot be empty.
pub fn without_nulls(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| value.clone()),
        Value::Array(elements) => {
            let kept: Vec<Value> = elements.iter().filter_map(without_nulls).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(attributes) => {
            let kept: Document =
                attributes.iter().filter_map(|(name, value)| Some((name.clone(), without_nulls(value)?))).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        other => Some(other.clone()),
    }
}

/// A single value sent as an array of one, `[{"$ref": null, "value": "U2"}]`: `manager`, and scalars of
/// Microsoft's older clients.
pub fn unwrap_single(definition: &Definition, value: Value) -> Value {
    let single = match value {
        Value::Array(mut elements) if elements.len() == 1 => elements.remove(0),
        other => return other,
    };
    match &single {
        Value::Object(complex) if definition.kind != Type::Complex => {
            resource::attribute(complex, "value").cloned().unwrap_or(single)
        }
        _ => single,
    }
}

/// `"manager": "U2"` for `{"value": "U2"}`, and the like for every complex attribute with a `value`.
pub fn complex_from_scalar(definition: &Definition, value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    definition.sub_attribute("value").map(|_| json!({ "value": text }))
}

/// The ids in a member list: an array of objects, one object, an array of texts, or one text.
///
/// # Errors
/// `invalidValue` when an element has no id.
pub fn member_ids(value: &Value) -> Result<Vec<ResourceId>, Error> {
    let elements = match value {
        Value::Null => Vec::new(),
        Value::Array(elements) => elements.iter().collect(),
        single => vec![single],
    };
    let id = |element: &Value| {
        let id = match element {
            Value::Object(member) => resource::attribute(member, "value").and_then(Value::as_str),
            other => other.as_str(),
        };
        id.filter(|id| !id.is_empty()).map(|id| ResourceId(id.to_owned())).ok_or_else(|| {
            Error::new(
                ScimType::InvalidValue,
                format!("the member {element} has no value, which must be the id of a user or group"),
            )
        })
    };
    elements.into_iter().map(id).collect()
}

/// A filter in the RFC's grammar, made from one of Entra's.
///
/// Three forms are outside the grammar (`tests/bridge/query.rs`): a value without quotes
/// (`externalId eq jyoung`), a comparison of what a value path selects
/// (`emails[type eq "work"].value eq "x"`, also without `.value`), and quotes or backslashes inside a
/// value that are not escaped. What none of them explains is left as it is, for the parser to refuse.
pub fn filter(text: &str) -> String {
    let mut tokens = tokens(text);
    quote_bare_values(&mut tokens);
    write(move_comparisons_into_brackets(tokens))
}

/// A path in the RFC's grammar, made from one of Entra's: a value in brackets without quotes, and `True` for `true`
/// (`roles[primary eq True].value`).
pub fn path(text: &str) -> String {
    if !text.contains('[') {
        return readable(text);
    }
    let mut tokens = tokens(text);
    quote_bare_values(&mut tokens);
    write(tokens)
}

/// RFC 7643 names a sub-attribute `$ref`, and the grammar of RFC 7644 has no `$` (erratum 8924); nor has that of
/// `scim_v2`, which is given another name to read.
const REFERENCE: &str = "$ref";
const READABLE_REFERENCE: &str = "ref--";

/// The sub-attribute that a parsed path names.
pub fn sub_attribute(parsed: &str) -> &str {
    let is_reference = parsed.eq_ignore_ascii_case(READABLE_REFERENCE);
    if is_reference { REFERENCE } else { parsed }
}

/// The tokens as a text. No blank stands inside a bracket: the grammar of `scim_v2` 1.0 reads the blank
/// and the first letters of `( primary` as its operator ` pr`.
fn write(tokens: Vec<Token>) -> String {
    let mut text = String::new();
    for token in tokens {
        let sub_attribute = matches!(&token, Token::Word(word) if word.starts_with('.') && text.ends_with(']'));
        let mark = matches!(token, Token::Mark('[' | ']' | ')'));
        let closes_up = mark || sub_attribute || text.ends_with(['[', '(']) || text.is_empty();
        if !closes_up {
            text.push(' ');
        }
        text.push_str(&token.into_text());
    }
    text
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A path, an operator or a value without quotes.
    Word(String),
    /// A value in quotes, as a JSON string.
    Quoted(String),
    /// A bracket or a parenthesis.
    Mark(char),
}

impl Token {
    fn into_text(self) -> String {
        match self {
            Token::Word(text) | Token::Quoted(text) => text,
            Token::Mark(mark) => mark.to_string(),
        }
    }

    fn is_word(&self, words: &[&str]) -> bool {
        matches!(self, Token::Word(word) if words.iter().any(|known| known.eq_ignore_ascii_case(word)))
    }
}

pub(super) const COMPARISONS: [&str; 9] = ["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"];

fn tokens(text: &str) -> Vec<Token> {
    let token = |piece: &str| match piece.chars().next()? {
        '"' => Some(Token::Quoted(json_string(piece))),
        mark if "[]()".contains(mark) => Some(Token::Mark(mark)),
        blank if blank.is_whitespace() => None,
        _ => Some(Token::Word(readable(piece))),
    };
    pieces(text).filter_map(token).collect()
}

/// What a filter or a path is made of, in order: words, values in quotes, brackets one by one, and the blanks between.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = match rest.chars().next()? {
            '"' => quoted_length(rest),
            '[' | ']' | '(' | ')' => 1,
            blank if blank.is_whitespace() => rest.len() - rest.trim_start().len(),
            _ => rest.find(|c: char| c.is_whitespace() || "[]()\"".contains(c)).unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

fn readable(word: &str) -> String {
    let found =
        word.len().checked_sub(REFERENCE.len()).and_then(|start| Some((word.get(..start)?, word.get(start..)?)));
    match found {
        Some((before, last)) if last.eq_ignore_ascii_case(REFERENCE) => format!("{before}{READABLE_REFERENCE}"),
        _ => word.to_owned(),
    }
}

/// How long the quoted value at the start of `text` is. It ends at the first quote after which a filter
/// can go on; a quote before anything else belongs to the value.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        let after = text.get(index + 1..).unwrap_or_default();
        if c == '"' && !escaped && can_end_before(after) {
            return index + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

fn can_end_before(after: &str) -> bool {
    let next = after.trim_start();
    // A few characters tell: looking at all that follows each quote would take quadratic time.
    let starts_with_word = |word: &str| {
        let (start, then) = (next.get(..word.len()), next.get(word.len()..));
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
            && then.is_none_or(|then| then.is_empty() || then.starts_with(|c: char| c.is_whitespace() || c == '('))
    };
    next.is_empty()
        || next.starts_with([']', ')'])
        || after.starts_with(char::is_whitespace) && (starts_with_word("and") || starts_with_word("or"))
}

/// The quoted text as a JSON string: as it is if it is one, else with its quotes and backslashes
/// taken literally. But what reads like one condition after another is nonsense and stays so: taken for a value, it would
/// find nobody.
fn json_string(quoted: &str) -> String {
    if serde_json::from_str::<String>(quoted).is_ok() || goes_on_as_a_filter(quoted) {
        return quoted.to_owned();
    }
    match quoted.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => Value::from(inner).to_string(),
        None => quoted.to_owned(),
    }
}

/// Whether a quote inside is followed by an operator, or by a word and an operator.
fn goes_on_as_a_filter(quoted: &str) -> bool {
    quoted.split('"').skip(2).any(|after| {
        // No path of an attribute is longer.
        let start: String = after.chars().take(200).collect();
        let is_operator = |word: &str| COMPARISONS.iter().any(|known| known.eq_ignore_ascii_case(word));
        start.starts_with(char::is_whitespace) && start.split_whitespace().take(2).any(is_operator)
    })
}

fn quote_bare_values(tokens: &mut [Token]) {
    let mut after_comparison = false;
    let mut previous_was_path = false;
    for token in tokens {
        if after_comparison && let Token::Word(word) = token {
            let literal = word.to_ascii_lowercase();
            *token = if ["true", "false", "null"].contains(&literal.as_str()) {
                Token::Word(literal)
            } else if word.starts_with('\'') {
                // In quotes that are none: taken for a part of the value, they would find nobody.
                continue;
            } else {
                Token::Quoted(Value::from(word.as_str()).to_string())
            };
        }
        after_comparison = previous_was_path && token.is_word(&COMPARISONS);
        previous_was_path = !after_comparison
            && matches!(token, Token::Word(_) | Token::Mark(']'))
            && !token.is_word(&["and", "or", "not"]);
    }
}

/// `emails [ F ] .value eq "x"` becomes `emails [ ( F ) and value eq "x" ]`.
fn move_comparisons_into_brackets(tokens: Vec<Token>) -> Vec<Token> {
    let mut moved: Vec<Token> = Vec::new();
    let mut open = None;
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if token == Token::Mark('[') {
            open = Some(moved.len());
        }
        // Each bracket is closed once: to insert behind the same one again and again would take quadratic time.
        let closed = open.take_if(|_| token == Token::Mark(']'));
        let Some(open) = closed else {
            moved.push(token);
            continue;
        };
        let sub = match rest.peek() {
            Some(Token::Word(word)) if word.starts_with('.') => Some(word.trim_start_matches('.').to_owned()),
            Some(word) if word.is_word(&COMPARISONS) => Some("value".to_owned()),
            _ => None,
        };
        if let Some(sub) = sub {
            rest.next_if(|token| !token.is_word(&COMPARISONS));
            moved.insert(open + 1, Token::Mark('('));
            moved.extend([Token::Mark(')'), Token::Word("and".to_owned()), Token::Word(sub)]);
            // The comparison and its value, whatever they are: the parser judges them.
            moved.extend(rest.by_ref().take(2));
        }
        moved.push(token);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scim_v2::filter::Filter;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let rewritten = filter(text);
        assert_eq!(rewritten.parse::<Filter>().unwrap(), expected.parse::<Filter>().unwrap(), "{rewritten}");
    }

    #[test]
    fn entras_filters_become_the_rfcs() {
        check("externalId eq jyoung", "externalId eq \"jyoung\"");
        check("externalId eq 0012", "externalId eq \"0012\"");
        check("id eq U1 and manager eq U2", "id eq \"U1\" and manager eq \"U2\"");
        check("emails[type eq \"work\"].value eq \"x\"", "emails[(type eq \"work\") and value eq \"x\"]");
        check("emails[type eq \"work\"] eq \"x\"", "emails[type eq \"work\" and value eq \"x\"]");
        check(
            "EMAILS[type EQ work].value Eq x and active eq true",
            "EMAILS[type eq \"work\" and value eq \"x\"] and active eq true",
        );
        check(
            "emails[type eq \"work\" or primary eq true].value eq \"x\"",
            "emails[(type eq \"work\" or primary eq true) and value eq \"x\"]",
        );
    }

    #[test]
    fn what_the_grammar_takes_keeps_its_meaning() {
        for text in [
            "userName eq \"a\"",
            "not (title pr) and (a eq \"1\" or b sw \"2\")",
            "emails[type eq \"work\"]",
            "displayName eq \"Research and Development\"",
            "displayName eq \"a ] b ) c\"",
            "displayName eq \"say \\\"hi\\\"\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq \"4711\"",
            "active eq false",
            "eq eq \"eq\"",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn quotes_and_backslashes_that_were_not_escaped_are_taken_literally() {
        check("displayName eq \"Smith \"JJ\" x\"", "displayName eq \"Smith \\\"JJ\\\" x\"");
        check("displayName eq \"R\\D\"", "displayName eq \"R\\\\D\"");
    }

    #[test]
    fn nonsense_stays_nonsense() {
        for text in [
            "",
            "userName",
            "userName eq",
            "userName eq \"a",
            "eq \"a\"",
            "userName eq \"a\" b",
            "emails[type eq \"work\"].value",
            "userName eq \"a\" userName eq \"b\"",
            "userName eq \"a\" eq \"b\"",
            "userName eq 'ada@x'",
            "a eq \"b\" and",
            "(a eq \"b\"",
        ] {
            assert!(filter(text).parse::<Filter>().is_err(), "{text:?} became {:?}", filter(text));
        }
    }

    proptest! {
        #[test]
        fn a_value_in_quotes_stays_one_value(value in ".{0,30}") {
            let text = format!("displayName eq {}", Value::from(value.as_str()));
            prop_assert_eq!(filter(&text).parse::<Filter>().unwrap(), text.parse::<Filter>().unwrap());
        }

        #[test]
        fn no_text_makes_the_rewriting_panic(text in "[a-z\"\\\\\\[\\]\\(\\). eqandor]{0,60}") {
            let _ = filter(&text).parse::<Filter>();
        }
    }
}
