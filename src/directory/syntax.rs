//! Syntaxes of attributes (RFC 4517 §3.3): the form that a server takes values in.
//!
//! Only those are told that SCIM writes otherwise, or that people often get wrong; the server judges the rest.

use super::attribute::Value;

/// A syntax that values are brought into before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `TRUE` or `FALSE` (RFC 4517 §3.3.3).
    Boolean,
    /// A whole number (RFC 4517 §3.3.16).
    Integer,
    /// `20260131080000Z` (RFC 4517 §3.3.13).
    GeneralizedTime,
    /// ASCII (RFC 4517 §3.3.15).
    Ia5String,
}

const SYNTAXES: [(Syntax, &str, &str); 4] = [
    (Syntax::Boolean, "1.3.6.1.4.1.1466.115.121.1.7", "Boolean: true or false"),
    (Syntax::Integer, "1.3.6.1.4.1.1466.115.121.1.27", "Integer: a whole number"),
    (Syntax::GeneralizedTime, "1.3.6.1.4.1.1466.115.121.1.24", "Generalized Time: a date and time with its zone"),
    (Syntax::Ia5String, "1.3.6.1.4.1.1466.115.121.1.26", "IA5 String: plain ASCII without umlauts or accents"),
];

impl Syntax {
    /// The syntax of that OID, with or without a length behind it.
    pub fn of(oid: &str) -> Option<Syntax> {
        let oid = oid.split('{').next().unwrap_or_default().trim_matches('\'');
        SYNTAXES.iter().find(|(_, known, _)| *known == oid).map(|(syntax, ..)| *syntax)
    }

    /// Its name and what it takes, for people.
    pub fn describe(self) -> &'static str {
        SYNTAXES.iter().find(|(syntax, ..)| *syntax == self).map(|(.., text)| *text).unwrap_or_default()
    }

    /// The value in the form of the syntax; `None` when it has none.
    pub fn adapt(self, value: &Value) -> Option<Value> {
        let text = value.as_str()?;
        match self {
            Syntax::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::from("TRUE")),
            Syntax::Boolean if text.eq_ignore_ascii_case("false") => Some(Value::from("FALSE")),
            Syntax::Boolean => None,
            Syntax::Integer => text.trim().parse::<i128>().ok().map(|number| Value::from(number.to_string().as_str())),
            Syntax::GeneralizedTime => generalized_time(text).map(|time| Value::from(time.as_str())),
            Syntax::Ia5String => text.is_ascii().then(|| value.clone()),
        }
    }
}

/// A date and time of RFC 3339, or one that is in the syntax already, in the syntax.
fn generalized_time(text: &str) -> Option<String> {
    let zone_at = text.rfind(['Z', 'z', '+']).or_else(|| text.rfind('-').filter(|at| *at > 10))?;
    let (time, zone) = (text.get(..zone_at)?, text.get(zone_at..)?);
    let zone = zone.replace(':', "").to_ascii_uppercase();
    let is_zone = zone == "Z" || zone.len() == 5 && zone.chars().skip(1).all(|c| c.is_ascii_digit());
    let (whole, fraction) = time.split_once('.').map_or((time, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits: String = match whole.split_once(['T', 't', ' ']) {
        Some((date, clock)) if date.len() == 10 && clock.len() == 8 => date.replace('-', "") + &clock.replace(':', ""),
        Some(_) => return None,
        None => whole.to_owned(),
    };
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_time = is_number(&digits) && [10, 12, 14].contains(&digits.len()) && fraction.is_none_or(is_number);
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    (is_zone && is_time).then(|| format!("{digits}{fraction}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(syntax: Syntax, text: &str, expected: Option<&str>) {
        assert_eq!(syntax.adapt(&Value::from(text)), expected.map(Value::from), "{text}");
    }

    #[test]
    fn values_take_the_form_of_the_syntax() {
        check(Syntax::Boolean, "true", Some("TRUE"));
        check(Syntax::Boolean, "False", Some("FALSE"));
        check(Syntax::Boolean, "maybe", None);
        check(Syntax::Integer, "007", Some("7"));
        check(Syntax::Integer, "-1", Some("-1"));
        check(Syntax::Integer, "1.5", None);
        check(Syntax::Ia5String, "ada@x", Some("ada@x"));
        check(Syntax::Ia5String, "ädä@x", None);
        let time = Syntax::GeneralizedTime;
        check(time, "2026-01-31T08:00:00Z", Some("20260131080000Z"));
        check(time, "2026-01-31T08:00:00.250+01:00", Some("20260131080000.250+0100"));
        check(time, "2026-01-31T08:00:00-05:00", Some("20260131080000-0500"));
        check(time, "20260131080000Z", Some("20260131080000Z"));
        check(time, "2026013108Z", Some("2026013108Z"));
        for nonsense in ["yesterday", "2026-01-31", "2026-01-31T08:00:00", "2026-01-31TZ", "Z", "+", "20260131080000+1"]
        {
            check(time, nonsense, None);
        }
    }

    #[test]
    fn syntaxes_are_known_by_their_oids() {
        assert_eq!(Syntax::of("1.3.6.1.4.1.1466.115.121.1.26{256}"), Some(Syntax::Ia5String));
        assert_eq!(Syntax::of("1.3.6.1.4.1.1466.115.121.1.15"), None);
    }
}
