//! When a run begins by itself: five fields of cron in a time zone.
//!
//! Not a timer. Invariant: the answer depends on the time that is asked about alone, so that a clock that was set is
//! no other case than one that went on.

use std::time::SystemTime;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// From when on a schedule that is read must come true once: the beginning of 2024.
const CHECKED_FROM: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// When a run begins by itself.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads minute, hour, day of month, month and day of week; `*/15 * * * *` is every quarter of an hour.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Schedule, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| {
            let fields = "minute, hour, day of month, month, day of week, such as \"*/15 * * * *\"";
            let reason = error.to_string();
            format!("{text:?} is no schedule: {}; write five fields: {fields}", reason.trim_end_matches('.'))
        })?;
        let schedule = Schedule { cron, zone };
        match schedule.next(CHECKED_FROM) {
            Some(_) => Ok(schedule),
            None => Err(format!("{text:?} never comes: no year has such a day")),
        }
    }

    /// The first time of the schedule after another one. A time that the clock leaves out when summer begins comes when
    /// it goes on, one that it shows twice when summer ends comes once; what is told in steps (`*/15`) goes on in steps.
    ///
    /// `None`: beyond what can be counted with, which is some thousand years away.
    pub fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        let next = self.next(Timestamp::try_from(time).ok()?)?;
        let next = SystemTime::from(next);
        (next > time).then_some(next)
    }

    fn next(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&time.to_zoned(self.zone.clone()), false).ok()?;
        Some(next.timestamp())
    }
}

/// The time zone of a name.
///
/// # Errors
/// There is none of that name.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = |_| format!("{name:?} is not the name of a time zone such as UTC or Europe/Berlin");
    TimeZone::get(name).map_err(unknown)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn schedule(text: &str, zone_name: &str) -> Schedule {
        Schedule::parse(text, zone(zone_name).unwrap()).unwrap()
    }

    fn time(text: &str) -> SystemTime {
        SystemTime::from(text.parse::<Timestamp>().unwrap())
    }

    /// The next times in a row, from `start` on.
    #[track_caller]
    fn check(text: &str, zone: &str, start: &str, expected: &[&str]) {
        let schedule = schedule(text, zone);
        let mut now = time(start);
        for next in expected {
            now = schedule.next_after(now).unwrap();
            assert_eq!(Timestamp::try_from(now).unwrap().to_string(), *next, "{text} in {zone} after {start}");
        }
    }

    #[test]
    fn the_next_time_is_after_the_one_that_is_asked_about() {
        check("*/15 * * * *", "UTC", "2026-01-31T23:44:59.5Z", &["2026-01-31T23:45:00Z", "2026-02-01T00:00:00Z"]);
        check("30 2 * * *", "UTC", "2026-01-31T02:30:00Z", &["2026-02-01T02:30:00Z"]);
        check("30 2 * * *", "UTC", "2026-01-31T02:30:00.000000001Z", &["2026-02-01T02:30:00Z"]);
        check("0 4 * * MON-FRI", "Europe/Berlin", "2026-01-30T12:00:00Z", &["2026-02-02T03:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]);
    }

    #[test]
    fn when_summer_begins_a_time_that_is_left_out_comes_at_once() {
        // At 01:00Z it is 02:00 in Berlin, and then 03:00.
        check("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        check(
            "*/15 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            &["2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"],
        );
    }

    #[test]
    fn when_summer_ends_a_time_that_comes_twice_counts_once() {
        // At 01:00Z it is 03:00 in Berlin, and then 02:00 again.
        check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26T01:30:00Z"]);
        let steps = ["2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:30:00Z"];
        check("*/15 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", &steps);
    }

    #[test]
    fn a_clock_that_was_set_is_no_other_case() {
        for text in ["30 2 * * *", "*/15 * * * *", "0 0 29 2 *"] {
            let schedule = schedule(text, "Europe/Berlin");
            let year = Duration::from_secs(366 * 86_400);
            let today = time("2026-03-29T01:00:00Z");
            let far =
                [SystemTime::UNIX_EPOCH - 100 * year, SystemTime::UNIX_EPOCH, today - 10 * year, today + 200 * year];
            for now in far {
                let next = schedule.next_after(now).unwrap();
                assert!(next > now && next < now + 9 * year, "{text}");
            }
            // Beyond all calendars there is none.
            for beyond in [7_000, 20_000] {
                assert_eq!(schedule.next_after(today + beyond * year), None);
            }
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let refused = |text: &str| Schedule::parse(text, TimeZone::UTC).unwrap_err();
        for text in ["", "* * * *", "* * * * * *", "61 * * * *", "* * * * MO", "often", "*/0 * * * *"] {
            assert!(refused(text).contains("is no schedule"), "{text:?}: {}", refused(text));
        }
        assert_eq!(refused("0 0 31 2 *"), "\"0 0 31 2 *\" never comes: no year has such a day");
        assert!(zone("Europe/Bärlin").unwrap_err().contains("such as UTC or Europe/Berlin"));
    }
}
