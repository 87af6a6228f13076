//! `[history]`, from what was written to what is meant.

use std::collections::BTreeSet;
use std::time::Duration;

use super::raw;
use super::settings::Checker;
use crate::directory::AttributeName;

/// What a size is counted in, and how many bytes that is.
const UNITS: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// How long what was done is told of, and what of it is not shown.
#[derive(Clone, Debug)]
pub struct History {
    /// How long a write is kept.
    pub keep: Duration,
    /// How many bytes all of them may have.
    pub max_size: u64,
    /// The attributes whose values are not shown, beside passwords.
    pub hide: BTreeSet<AttributeName>,
}

/// Checks `[history]`.
pub(super) fn check(checker: &mut Checker, written: raw::History) -> History {
    let keep =
        humantime::parse_duration(&written.keep).map_err(|error| format!("{:?}: {error}; write 90d", written.keep));
    let max_size =
        bytes(&written.max_size).ok_or_else(|| format!("{:?} is not a size such as 500MB or 1GB", written.max_size));
    History {
        keep: checker.or_problem("history.keep", keep),
        max_size: checker.or_problem("history.max_size", max_size),
        hide: written.hide.iter().map(|name| checker.attribute("history.hide", name)).collect(),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_its_unit() {
        for (text, expected) in [
            ("1GB", Some(1_000_000_000)),
            ("20 kb", Some(20_000)),
            (" 5B ", Some(5)),
            ("0MB", Some(0)),
            ("12", None),
            ("GB", None),
            ("1.5GB", None),
            ("1GiB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut checker = Checker { problems: Vec::new() };
        let defaults = check(&mut checker, raw::History::default());
        assert_eq!((checker.problems.len(), defaults.keep.as_secs()), (0, 90 * 86_400));
        let written =
            raw::History { keep: "long".to_owned(), max_size: "much".to_owned(), hide: vec!["a b".to_owned()] };
        check(&mut checker, written);
        let keys: Vec<&str> = checker.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["history.keep", "history.max_size", "history.hide"]);
    }
}
