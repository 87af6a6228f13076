//! When something ends, as operators write it and as they read it.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Nobody means a longer time.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Never,
    After(Duration),
    At(Timestamp),
}

impl FromStr for Expiry {
    type Err = String;

    /// `never`, a length such as `1y` or `90d`, or a date, which begins at midnight in UTC.
    fn from_str(text: &str) -> Result<Expiry, String> {
        if text == "never" {
            return Ok(Expiry::Never);
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Expiry::At(time));
        }
        if let Some(start) = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok()) {
            return Ok(Expiry::At(start.timestamp()));
        }
        let wrong =
            || format!("{text:?} is neither a length such as 1y or 90d, nor a date such as 2027-01-01, nor never");
        let length = humantime::parse_duration(text).map_err(|_| wrong())?;
        if length > LONGEST {
            return Err("that is longer than a hundred years; write never".to_owned());
        }
        Ok(Expiry::After(length))
    }
}

impl Expiry {
    /// The time, RFC 3339; `None` for never.
    ///
    /// # Errors
    /// It is over already.
    pub(super) fn time(self, now: Timestamp) -> Result<Option<String>, String> {
        let time = match self {
            Expiry::Never => return Ok(None),
            Expiry::After(length) => now.checked_add(length).map_err(|error| error.to_string())?,
            Expiry::At(time) => time,
        };
        if time <= now {
            return Err(format!("{time:.0} is over already"));
        }
        Ok(Some(rfc3339(time)))
    }
}

/// As the store keeps times, which it compares as texts.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// How long until a time, for people: in the largest unit of which there are two.
pub(super) fn until(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.duration_since(now).as_secs();
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    match unit {
        _ if time <= now => "expired".to_owned(),
        Some((length, name)) => format!("in {} {name}", seconds / length),
        None => format!("in {seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_expiry_is_a_length_a_date_or_never() {
        let now = time("2026-01-01T12:00:00Z");
        for (text, expected) in [
            ("never", Ok(None)),
            ("90d", Ok(Some("2026-04-01T12:00:00.000Z"))),
            ("1y", Ok(Some("2027-01-01T18:00:00.000Z"))),
            ("1s", Ok(Some("2026-01-01T12:00:01.000Z"))),
            ("2027-01-01", Ok(Some("2027-01-01T00:00:00.000Z"))),
            ("2027-01-01T08:00:00+02:00", Ok(Some("2027-01-01T06:00:00.000Z"))),
            ("2026-01-01", Err(())),
            ("0s", Err(())),
            ("2027-02-30", Err(())),
            ("1000y", Err(())),
            ("soon", Err(())),
            ("-1d", Err(())),
            ("", Err(())),
        ] {
            let read = text.parse::<Expiry>().and_then(|expiry| expiry.time(now)).map_err(|_| ());
            assert_eq!(read, expected.map(|time| time.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_is_left_is_told_in_the_largest_unit() {
        let now = time("2026-01-01T00:00:00Z");
        for (until_time, expected) in [
            ("2026-04-01T00:00:00Z", "in 90 days"),
            ("2026-01-02T23:00:00Z", "in 47 hours"),
            ("2026-01-01T01:59:00Z", "in 119 minutes"),
            ("2026-01-01T00:01:59Z", "in 119 seconds"),
            ("2026-01-01T00:00:00Z", "expired"),
            ("2025-12-31T23:59:59.9Z", "expired"),
        ] {
            assert_eq!(until(time(until_time), now), expected);
        }
    }
}
