//! `[reconcile]`, from what was written to what is meant.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::raw;
use super::schedule::{self, Schedule};
use super::settings::Checker;
use crate::plan::{Budgets, Limit};

/// When runs of reconcile begin by themselves, what they may do, and how long they can be taken back.
#[derive(Clone, Debug)]
pub struct Reconcile {
    /// When a run begins by itself; `None`: never.
    pub schedule: Option<Schedule>,
    /// What one run may do.
    pub budgets: Budgets,
    /// How long the reverse of each change is kept.
    pub keep_undo: Duration,
}

/// Checks `[reconcile]`.
pub(super) fn check(checker: &mut Checker, written: raw::Reconcile) -> Reconcile {
    let zone = schedule::zone(&written.time_zone).unwrap_or_else(|detail| {
        checker.problem("reconcile.time_zone", detail);
        TimeZone::UTC
    });
    let schedule = match written.schedule.trim() {
        "" => None,
        text => checker.or_problem("reconcile.schedule", Schedule::parse(text, zone).map(Some)),
    };
    let mut limit = |key: &str, text: &str| {
        text.parse::<Limit>().unwrap_or_else(|error| {
            checker.problem(key, error.to_string());
            Limit::Number(0)
        })
    };
    let budgets = Budgets {
        max_deletes: limit("reconcile.max_deletes", &written.max_deletes),
        max_disables: limit("reconcile.max_disables", &written.max_disables),
        max_changes: limit("reconcile.max_changes", &written.max_changes),
        max_member_removals: limit("reconcile.max_member_removals", &written.max_member_removals),
        max_missing: limit("reconcile.max_missing", &written.max_missing),
    };
    let keep_undo = humantime::parse_duration(&written.keep_undo)
        .map_err(|error| format!("{:?}: {error}; write 30d", written.keep_undo));
    Reconcile { schedule, budgets, keep_undo: checker.or_problem("reconcile.keep_undo", keep_undo) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(written: raw::Reconcile) -> (Reconcile, Vec<String>) {
        let mut checker = Checker { problems: Vec::new() };
        let settings = check(&mut checker, written);
        (settings, checker.problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn what_is_not_written_is_as_the_example_says() {
        let (settings, problems) = checked(raw::Reconcile::default());
        assert_eq!(problems, [""; 0]);
        assert!(settings.schedule.is_some());
        assert_eq!(settings.budgets, Budgets::default());
        assert_eq!(settings.keep_undo, Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let written = raw::Reconcile {
            schedule: "sometimes".to_owned(),
            max_deletes: "120%".to_owned(),
            max_missing: "few".to_owned(),
            time_zone: "Atlantis".to_owned(),
            keep_undo: "long".to_owned(),
            ..raw::Reconcile::default()
        };
        let keys = ["time_zone", "schedule", "max_deletes", "max_missing", "keep_undo"];
        assert_eq!(checked(written).1, keys.map(|key| format!("reconcile.{key}")));
        let never = raw::Reconcile { schedule: " ".to_owned(), ..raw::Reconcile::default() };
        assert!(checked(never).0.schedule.is_none());
    }
}
