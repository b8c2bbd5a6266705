//! Points in time as the contract spells them, and where "now" comes from.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z. JSON spells it as RFC 3339
/// in UTC with three decimals, for example `2026-03-01T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The time this many milliseconds after 1970 (before it, if negative), kept within the years
    /// -9999 to 9999 that the text form can spell.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(
            Timestamp::MIN.as_millisecond(),
            Timestamp::MAX.as_millisecond(),
        ))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Microseconds since 1970, as DuckDB's `TIMESTAMP` counts.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0.saturating_mul(1000)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => f.write_str("1970-01-01T00:00:00.000Z"),
        }
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    /// Any RFC 3339 time; digits below a millisecond are cut.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Every entry has two of them in the form that the journal writes.
        match canonical_millis(text.as_bytes()) {
            Some(millis) => Ok(Self(millis)),
            None => text.parse::<Timestamp>().map(Self::from),
        }
    }
}

/// The time of `2026-03-01T12:00:00.000Z`, in exactly this form; `None` for any other form, and
/// for what is not a time.
fn canonical_millis(text: &[u8]) -> Option<i64> {
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
        b'.',
        f0,
        f1,
        f2,
        b'Z',
    ] = *text
    else {
        return None;
    };
    let year = number([y0, y1, y2, y3])?;
    let (month, day) = (number([m0, m1])?, number([d0, d1])?);
    let (hour, minute, second) = (number([h0, h1])?, number([n0, n1])?, number([s0, s1])?);
    let is_time = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    is_time.then_some(seconds * 1_000 + number([f0, f1, f2])?)
}

fn number<const N: usize>(digits: [u8; N]) -> Option<i64> {
    digits.into_iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        Some(number * 10 + digit)
    })
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days in the proleptic Gregorian calendar, with years that begin in March so that the leap day
/// comes last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time such as 2026-03-01T12:00:00.000Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Where "now" comes from, so that tests decide what time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. It may go back: nothing that must not go back may be derived from it.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time::from(Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_a_time_agrees_with_the_long_one() {
        let step = 37 * 86_400_000 + 3_661_001;
        let first = Time::from_str("0000-01-01T00:00:00.000Z").unwrap();
        let last = Time::from_str("9999-12-31T23:59:59.999Z").unwrap();
        let mut millis = first.as_millis();
        while millis <= last.as_millis() {
            let text = Time::from_millis(millis).to_string();
            assert_eq!(canonical_millis(text.as_bytes()), Some(millis), "{text}");
            assert_eq!(text.parse::<Timestamp>().unwrap().as_millisecond(), millis);
            millis += step;
        }
    }

    #[test]
    fn what_is_no_time_is_none_by_the_short_way_either() {
        for text in [
            "2026-02-29T12:00:00.000Z",
            "2026-13-01T12:00:00.000Z",
            "2026-00-01T12:00:00.000Z",
            "2026-04-31T12:00:00.000Z",
            "2026-03-00T12:00:00.000Z",
            "2026-03-01T24:00:00.000Z",
            "2026-03-01T12:60:00.000Z",
            "2026-03-01T12:00:0x.000Z",
            "1900-02-29T12:00:00.000Z",
            "2026-03-01 at noon, maybe",
        ] {
            assert_eq!(canonical_millis(text.as_bytes()), None, "{text}");
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        // A leap second is a time, and not one of the canonical form.
        assert!("2026-03-01T12:00:60.000Z".parse::<Time>().is_ok());
        assert!("2000-02-29T12:00:00.000Z".parse::<Time>().is_ok());
        for other in ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00.0009+01:00"] {
            let time: Time = other.parse().unwrap();
            assert_eq!(time.to_string(), "2026-03-01T12:00:00.000Z");
        }
    }
}
