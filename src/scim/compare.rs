//! How values compare, by the type of their attribute (RFC 7644 §3.4.2.2, §3.4.2.3).
//!
//! Invariant: a comparison that has no meaning for an attribute is refused when the filter is read, and never answered
//! by "nobody".

use std::cmp::Ordering;

use scim_v2::ScimDateTime;
use scim_v2::filter::{CompValue, CompareOp};
use serde_json::{Number, Value};

use super::index::fold;
use super::path::text_of;
use super::quirks;
use super::resource;
use super::schema::{Definition, Type};

/// An operator and a value that an attribute can be compared by.
#[derive(Clone, Debug)]
pub struct Comparison {
    operator: CompareOp,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    /// No value at all.
    Nothing,
    Text {
        text: String,
        exact: bool,
    },
    Flag(bool),
    Number(Number),
    Instant(ScimDateTime),
}

impl Comparison {
    /// Checks that the comparison has a meaning for the attribute. Without a definition texts are compared, without
    /// regard to case.
    ///
    /// # Errors
    /// What does not fit, as the end of a sentence about the filter.
    pub fn new(
        definition: Option<&Definition>,
        operator: &CompareOp,
        value: &CompValue,
    ) -> Result<Comparison, &'static str> {
        use CompareOp::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
        let equality = matches!(operator, Eq | Ne);
        let in_part = matches!(operator, Co | Sw | Ew);
        let in_order = matches!(operator, Gt | Ge | Lt | Le);
        let Some(text) = text_of_literal(value) else {
            if !equality {
                return Err("compares null by another operator than eq or ne");
            }
            return Ok(Comparison { operator: operator.clone(), wanted: Wanted::Nothing });
        };
        let leaf = match definition {
            None => None,
            Some(definition) => {
                Some(definition.comparable().ok_or("compares a complex attribute: name one of its sub-attributes")?)
            }
        };
        let as_text = |exact: bool| Ok(Wanted::Text { text: fold(exact, &text), exact });
        let wanted = match leaf.map(|leaf| leaf.kind) {
            // RFC 7644 §3.4.2.2: no order among booleans and binary values.
            Some(Type::Boolean) if !equality => Err("compares a boolean by another operator than eq or ne"),
            Some(Type::Boolean) => quirks::boolean(&Value::from(text.as_str()))
                .map(Wanted::Flag)
                .ok_or("compares a boolean with something else than true or false"),
            Some(Type::Integer | Type::Decimal) if in_part => Err("looks for a part of a number"),
            Some(Type::Integer | Type::Decimal) => {
                text.parse().map(Wanted::Number).map_err(|_| "compares a number with something else")
            }
            Some(Type::DateTime) if in_part => as_text(true),
            Some(Type::DateTime) => instant(&text).map(Wanted::Instant).ok_or("compares a date with something else"),
            Some(Type::Binary) if in_order => Err("asks for an order of binary values"),
            _ => as_text(leaf.is_some_and(|leaf| leaf.case_exact)),
        }?;
        Ok(Comparison { operator: operator.clone(), wanted })
    }

    /// Whether the values of an attribute fulfil it: for `ne` none is equal, for all else one does.
    pub fn holds(&self, values: &[&Value]) -> bool {
        let nothing = matches!(self.wanted, Wanted::Nothing);
        match self.operator {
            CompareOp::Eq if nothing => values.is_empty(),
            CompareOp::Ne if nothing => !values.is_empty(),
            CompareOp::Ne => !values.iter().any(|value| self.compare(value) == Some(Ordering::Equal)),
            _ => values.iter().any(|value| self.fulfils(value)),
        }
    }

    fn fulfils(&self, value: &Value) -> bool {
        let ordering = |wanted: &[Ordering]| self.compare(value).is_some_and(|ordering| wanted.contains(&ordering));
        match self.operator {
            CompareOp::Eq => ordering(&[Ordering::Equal]),
            CompareOp::Gt => ordering(&[Ordering::Greater]),
            CompareOp::Ge => ordering(&[Ordering::Greater, Ordering::Equal]),
            CompareOp::Lt => ordering(&[Ordering::Less]),
            CompareOp::Le => ordering(&[Ordering::Less, Ordering::Equal]),
            CompareOp::Co => self.is_part(value, |text, part| text.contains(part)),
            CompareOp::Sw => self.is_part(value, |text, part| text.starts_with(part)),
            CompareOp::Ew => self.is_part(value, |text, part| text.ends_with(part)),
            // Told by all values together.
            CompareOp::Ne => false,
        }
    }

    fn is_part(&self, value: &Value, is_part: impl Fn(&str, &str) -> bool) -> bool {
        match (&self.wanted, text_of(value)) {
            (Wanted::Text { text: part, exact }, Some(text)) => is_part(&fold(*exact, &text), part),
            _ => false,
        }
    }

    /// How the value stands to the wanted one; `None` when the two cannot be compared.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match &self.wanted {
            Wanted::Nothing => None,
            Wanted::Text { text, exact } => Some(fold(*exact, &text_of(value)?).as_str().cmp(text.as_str())),
            Wanted::Flag(flag) => Some(quirks::boolean(simple(value)?)?.cmp(flag)),
            Wanted::Number(number) => compare_numbers(&number_of(simple(value)?)?, number),
            Wanted::Instant(wanted) => instant(&text_of(value)?)?.xsd_partial_cmp(wanted),
        }
    }
}

/// Of a complex value its `value`.
fn simple(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(complex) => resource::attribute(complex, "value"),
        simple => Some(simple),
    }
}

fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// By their exact values: whole numbers that are equal as floats are not equal, and an order that mixed both ways of
/// comparing would be none.
fn compare_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(left), None) => Some(compare_whole(left, right.as_f64()?)),
        (None, Some(right)) => Some(compare_whole(right, left.as_f64()?).reverse()),
        (None, None) => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn compare_whole(whole: i128, float: f64) -> Ordering {
    // A float beyond the range becomes the end of it, which is beyond every whole number that JSON is read as.
    let fraction = float.fract();
    whole.cmp(&(float.trunc() as i128)).then(if fraction > 0.0 {
        Ordering::Less
    } else if fraction < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    })
}

/// A point in time; one without an offset is taken for UTC, so that all can be compared.
pub(super) fn instant(text: &str) -> Option<ScimDateTime> {
    let instant: ScimDateTime = text.parse().ok()?;
    if instant.has_offset() { Some(instant) } else { format!("{text}Z").parse().ok() }
}

fn text_of_literal(value: &CompValue) -> Option<String> {
    match value {
        CompValue::Str(text) => Some(text.clone()),
        CompValue::True => Some("true".to_owned()),
        CompValue::False => Some("false".to_owned()),
        CompValue::Number(number) => Some(number.to_string()),
        CompValue::Null => None,
    }
}

/// The text that an index finds a literal under; `None` for null.
pub(super) fn indexed(value: &CompValue) -> Option<String> {
    text_of_literal(value)
}

/// What a resource is sorted by: one value of one attribute.
#[derive(Clone, Debug)]
pub enum SortKey {
    /// A boolean: false first.
    Flag(bool),
    /// A number.
    Number(Number),
    /// A point in time.
    Instant(ScimDateTime),
    /// A text, folded where case does not count.
    Text(String),
}

impl SortKey {
    /// The key that a value makes; `None` when it is not of the attribute's type.
    pub fn new(definition: &Definition, value: &Value) -> Option<SortKey> {
        let leaf = definition.comparable()?;
        match leaf.kind {
            Type::Boolean => quirks::boolean(simple(value)?).map(SortKey::Flag),
            Type::Integer | Type::Decimal => number_of(simple(value)?).map(SortKey::Number),
            Type::DateTime => instant(&text_of(value)?).map(SortKey::Instant),
            _ => Some(SortKey::Text(fold(leaf.case_exact, &text_of(value)?))),
        }
    }

    /// The key as JSON, from which [`SortKey::new`] makes it again.
    pub fn to_json(&self) -> Value {
        match self {
            SortKey::Flag(flag) => Value::from(*flag),
            SortKey::Number(number) => Value::Number(number.clone()),
            SortKey::Instant(instant) => Value::from(instant.as_str()),
            SortKey::Text(text) => Value::from(text.as_str()),
        }
    }
}

impl Ord for SortKey {
    /// By value; of different types, which one attribute never has, by type.
    fn cmp(&self, other: &SortKey) -> Ordering {
        let rank = |key: &SortKey| match key {
            SortKey::Flag(_) => 0,
            SortKey::Number(_) => 1,
            SortKey::Instant(_) => 2,
            SortKey::Text(_) => 3,
        };
        match (self, other) {
            (SortKey::Flag(left), SortKey::Flag(right)) => left.cmp(right),
            (SortKey::Text(left), SortKey::Text(right)) => left.cmp(right),
            (SortKey::Number(left), SortKey::Number(right)) => compare_numbers(left, right).unwrap_or(Ordering::Equal),
            (SortKey::Instant(left), SortKey::Instant(right)) => left.xsd_partial_cmp(right).unwrap_or(Ordering::Equal),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &SortKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &SortKey) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortKey {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(kind: &str, case_exact: bool) -> Definition {
        let urn = "urn:example:2.0:User";
        let schema = crate::scim::schema::Schema::standard(crate::scim::Kind::User);
        let path = crate::scim::AttributePath::parse(&schema, &format!("{urn}:a")).unwrap();
        let schema = crate::scim::schema::Schema::new(crate::scim::Kind::User, [(&path, Type::named(kind))], &[]);
        let mut definition = schema.leaf(&path).unwrap().clone();
        definition.case_exact = case_exact;
        definition
    }

    #[track_caller]
    fn check(kind: &str, value: Value, operator: CompareOp, wanted: &str, expected: Result<bool, &str>) {
        let definition = definition(kind, false);
        let comparison = Comparison::new(Some(&definition), &operator, &CompValue::Str(wanted.to_owned()));
        assert_eq!(comparison.map(|comparison| comparison.holds(&[&value])), expected);
    }

    #[test]
    fn each_type_compares_in_its_own_way() {
        check("integer", json!(9), CompareOp::Lt, "10", Ok(true));
        check("string", json!("9"), CompareOp::Lt, "10", Ok(false));
        check("decimal", json!(1.5), CompareOp::Ge, "1.50", Ok(true));
        check("decimal", json!(-1), CompareOp::Gt, "-1.5", Ok(true));
        check("decimal", json!(1e300), CompareOp::Gt, "18446744073709551615", Ok(true));
        check("decimal", json!(9_007_199_254_740_993_u64), CompareOp::Gt, "9007199254740992.0", Ok(true));
        check("integer", json!(u64::MAX), CompareOp::Eq, "18446744073709551614", Ok(false));
        check("integer", json!(9), CompareOp::Co, "9", Err("looks for a part of a number"));
        check("integer", json!(9), CompareOp::Eq, "nine", Err("compares a number with something else"));
        let before = "2026-01-01T00:30:00+01:00";
        check("dateTime", json!("2026-01-01T00:00:00Z"), CompareOp::Gt, before, Ok(true));
        check("dateTime", json!("2025-12-31T23:30:00.000Z"), CompareOp::Eq, before, Ok(true));
        check("dateTime", json!("2026-01-01T00:00:00Z"), CompareOp::Sw, "2026-01", Ok(true));
        check(
            "dateTime",
            json!("2026-01-01T00:00:00Z"),
            CompareOp::Gt,
            "noon",
            Err("compares a date with something else"),
        );
        check("boolean", json!(true), CompareOp::Eq, "True", Ok(true));
        check(
            "boolean",
            json!(true),
            CompareOp::Gt,
            "false",
            Err("compares a boolean by another operator than eq or ne"),
        );
        check("binary", json!("QUJD"), CompareOp::Gt, "QQ==", Err("asks for an order of binary values"));
        check("string", json!("Zoe"), CompareOp::Gt, "adam", Ok(true));
        check("string", json!("ÄRGER"), CompareOp::Eq, "ärger", Ok(true));
        check("string", json!("a"), CompareOp::Ne, "A", Ok(false));
    }
}
