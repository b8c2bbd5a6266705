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

    /// Seconds from `earlier` to this time, negative if `earlier` is later.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a lag in seconds needs no more than 52 bits"
        )]
        let millis = self.0.saturating_sub(earlier.0) as f64;
        millis / 1000.0
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
        text.parse::<Timestamp>().map(Self::from)
    }
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
