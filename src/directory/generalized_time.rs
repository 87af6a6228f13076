//! Points in time in the Generalized Time syntax (RFC 4517 §3.3.13), read from it or from RFC 3339.
//!
//! Not a clock, and not a calendar: whether a day exists is asked only where two times are compared.

use std::fmt;

const SECONDS_OF_DAY: i64 = 86_400;

/// A point in time as it is written: to the hour, the minute or the second, with its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralizedTime {
    /// `YYYYMMDDhh`, `YYYYMMDDhhmm` or `YYYYMMDDhhmmss`.
    digits: String,
    /// The digits of the fraction of the last unit; none where there is none.
    fraction: String,
    /// `Z`, `+hhmm` or `+hh`.
    zone: String,
}

impl GeneralizedTime {
    /// Reads a date and time of RFC 3339, or one that is in the syntax already.
    pub fn parse(text: &str) -> Option<GeneralizedTime> {
        let zone_at = text.rfind(['Z', 'z', '+']).or_else(|| text.rfind('-').filter(|at| *at > 9))?;
        let (time, zone) = (text.get(..zone_at)?, text.get(zone_at..)?);
        let zone = zone.replace(':', "").to_ascii_uppercase();
        let is_offset = zone.starts_with(['+', '-']) && [3, 5].contains(&zone.len());
        let is_zone = zone == "Z" || is_offset && is_number(zone.get(1..)?);
        let (whole, fraction) = match time.split_once(['.', ',']) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (time, None),
        };
        let digits: String = match whole.split_once(['T', 't', ' ']) {
            Some((date, clock)) if date.len() == 10 && clock.len() == 8 => {
                date.replace('-', "") + &clock.replace(':', "")
            }
            Some(_) => return None,
            None => whole.to_owned(),
        };
        let is_time =
            is_number(&digits) && [10, 12, 14].contains(&digits.len()) && fraction.is_none_or(is_number) && is_zone;
        is_time.then(|| GeneralizedTime { digits, fraction: fraction.unwrap_or_default().to_owned(), zone })
    }

    /// As RFC 3339 writes it; `None` for a fraction of hours or minutes, which it does not have.
    pub fn to_rfc3339(&self) -> Option<String> {
        if !self.fraction.is_empty() && self.digits.len() < 14 {
            return None;
        }
        let part = |from: usize, to: usize| self.digits.get(from..to).unwrap_or("00");
        let (date, clock) = ([part(0, 4), part(4, 6), part(6, 8)].join("-"), [part(8, 10), part(10, 12), part(12, 14)]);
        let fraction = if self.fraction.is_empty() { String::new() } else { format!(".{}", self.fraction) };
        let zone = match self.zone.get(1..3) {
            None => "Z".to_owned(),
            Some(hours) => {
                format!("{}{hours}:{}", self.zone.get(..1).unwrap_or("+"), self.zone.get(3..5).unwrap_or("00"))
            }
        };
        Some(format!("{date}T{}{fraction}{zone}", clock.join(":")))
    }

    /// The form that all writings of this moment share: the seconds since 1970 in UTC. `None` for a time that is none,
    /// such as the 30th of February, and for one in a leap second, which counts as no other.
    pub fn moment(&self) -> Option<String> {
        let part = |from: usize, below: i64| -> Option<i64> {
            let digits = self.digits.get(from..from + 2).unwrap_or("00");
            digits.parse().ok().filter(|number| *number < below)
        };
        let year: i64 = self.digits.get(..4)?.parse().ok()?;
        let days = days_since_1970(year, part(4, 13)?, part(6, 32)?)?;
        let seconds = days * SECONDS_OF_DAY + part(8, 24)? * 3_600 + part(10, 60)? * 60 + part(12, 60)?;
        // The fraction is one of the last unit that is written.
        let unit: u128 = match self.digits.len() {
            10 => 3_600,
            12 => 60,
            _ => 1,
        };
        let (more_seconds, fraction) = self.fraction_of(unit)?;
        Some(format!("{}.{fraction}", seconds + more_seconds - self.offset()?))
    }

    /// The fraction of a unit of so many seconds: whole seconds, and the digits of what is left.
    fn fraction_of(&self, unit: u128) -> Option<(i64, String)> {
        let written = self.fraction.trim_end_matches('0');
        if written.is_empty() {
            return Some((0, String::new()));
        }
        // More digits than can be counted with are no other moment than these alone.
        let scale = 10_u128.checked_pow(u32::try_from(written.len()).ok()?)?;
        let parts = written.parse::<u128>().ok()?.checked_mul(unit)?;
        let rest = format!("{:0width$}", parts % scale, width = written.len());
        Some((i64::try_from(parts / scale).ok()?, rest.trim_end_matches('0').to_owned()))
    }

    /// How far the zone is ahead of UTC, in seconds.
    fn offset(&self) -> Option<i64> {
        let number = |from: usize, below: i64| -> Option<i64> {
            let digits = self.zone.get(from..from + 2).unwrap_or("00");
            digits.parse().ok().filter(|number| *number < below)
        };
        let ahead = number(1, 24)? * 3_600 + number(3, 60)? * 60;
        Some(if self.zone.starts_with('-') { -ahead } else { ahead })
    }
}

impl fmt::Display for GeneralizedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)?;
        if !self.fraction.is_empty() {
            write!(f, ".{}", self.fraction)?;
        }
        f.write_str(&self.zone)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// The days from 1970-01-01 to a date of the Gregorian calendar; `None` when it has no such day.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month - 1).ok()?;
    let length: i64 = *lengths.get(before)?;
    let earlier_months: i64 = lengths.iter().take(before).sum();
    // Leap days in the years before this one, from the year 0 on, which is one.
    let leap_days = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let days = year * 365 + leap_days + earlier_months + day - 1;
    (1..=length).contains(&day).then_some(days - 719_528)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, written: Option<&str>, moment: Option<&str>) {
        let time = GeneralizedTime::parse(text);
        assert_eq!(time.as_ref().map(ToString::to_string).as_deref(), written, "{text}");
        assert_eq!(time.and_then(|time| time.moment()).as_deref(), moment, "{text}");
    }

    #[test]
    fn times_are_read_back() {
        for (text, expected) in [
            ("20260131080000Z", Some("2026-01-31T08:00:00Z")),
            ("20260131080000.250+0100", Some("2026-01-31T08:00:00.250+01:00")),
            ("20260131080000-05", Some("2026-01-31T08:00:00-05:00")),
            ("2026013108Z", Some("2026-01-31T08:00:00Z")),
            ("202601310830Z", Some("2026-01-31T08:30:00Z")),
            ("2026013108.5Z", None),
            ("20260131080000", None),
            ("2026-01-31T08:00:00Z", Some("2026-01-31T08:00:00Z")),
            ("20260131080000Z0100", None),
            ("Z", None),
            ("", None),
        ] {
            assert_eq!(GeneralizedTime::parse(text).and_then(|time| time.to_rfc3339()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_written_and_placed() {
        check("19700101000000Z", Some("19700101000000Z"), Some("0."));
        check("2026-01-31T08:00:00Z", Some("20260131080000Z"), Some("1769846400."));
        check("2026-01-31T09:00:00.250+01:00", Some("20260131090000.250+0100"), Some("1769846400.25"));
        check("2026-01-31 03:00:00-05:00", Some("20260131030000-0500"), Some("1769846400."));
        check("20260131080000.0z", Some("20260131080000.0Z"), Some("1769846400."));
        check("20260131080000,50Z", Some("20260131080000.50Z"), Some("1769846400.5"));
        check("2026013108Z", Some("2026013108Z"), Some("1769846400."));
        check("2026013103-05", Some("2026013103-05"), Some("1769846400."));
        check("2026013107.5Z", Some("2026013107.5Z"), Some("1769844600."));
        check("202601310800.01Z", Some("202601310800.01Z"), Some("1769846400.6"));
        check("20260131233000-0830", Some("20260131233000-0830"), Some("1769932800."));
        check("20260201080000Z", Some("20260201080000Z"), Some("1769932800."));
        check("20000229235959Z", Some("20000229235959Z"), Some("951868799."));
        check("000001010000Z", Some("000001010000Z"), Some("-62167219200."));
        check("99991231235959Z", Some("99991231235959Z"), Some("253402300799."));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for nonsense in [
            "yesterday",
            "2026-01-31",
            "2026-01-31T08:00:00",
            "2026-01-31TZ",
            "Z",
            "+",
            "",
            "20260131080000+1",
            "20260131080000.Z",
            "20260131080000Zulu",
            "2026-01-31T08:00Z",
            "２０２６0131080000Z",
        ] {
            check(nonsense, None, None);
        }
        // Written as a time, and yet none: the server judges it.
        for (text, written) in [
            ("20260230080000Z", "20260230080000Z"),
            ("21000229080000Z", "21000229080000Z"),
            ("20261301080000Z", "20261301080000Z"),
            ("2026013124Z", "2026013124Z"),
            ("20161231235960Z", "20161231235960Z"),
            ("2026013108+2500", "2026013108+2500"),
        ] {
            check(text, Some(written), None);
        }
    }

    proptest! {
        #[test]
        fn a_zone_moves_the_clock_and_not_the_moment(minutes in 0..1_440_i32, ahead in -720..=840_i32) {
            // The zone may lead to the day before or after the third.
            let at = |day: i32, minutes: i32, zone: &str| {
                let (day, minutes) = (day + minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
                format!("202603{day:02}{:02}{:02}00{zone}", minutes / 60, minutes % 60)
            };
            let sign = if ahead < 0 { '-' } else { '+' };
            let there = at(3, minutes + ahead, &format!("{sign}{:02}{:02}", ahead.abs() / 60, ahead.abs() % 60));
            let here = at(3, minutes, "Z");
            let moment = |text: &str| GeneralizedTime::parse(text).and_then(|time| time.moment());
            prop_assert!(moment(&here).is_some());
            prop_assert_eq!(moment(&there), moment(&here), "{} {}", there, here);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9TtZz:.,+ é-]{0,30}") {
            let _ = GeneralizedTime::parse(&text).and_then(|time| time.moment());
        }
    }
}
