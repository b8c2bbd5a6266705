//! A point in time as a disk tells it.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

const NANOS: i64 = 1_000_000_000;

/// A point in time, exactly as a disk tells it: any second that 64 bits can count, and the
/// nanoseconds after it. One number of nanoseconds holds the years 1677 to 2262 only, and files have
/// other times too.
///
/// It takes as much room as a number of 64 bits beside it would, also as an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Spelled", into = "Spelled")]
pub struct Moment {
    seconds: i64,
    /// One more than the nanoseconds, so that there is a value to spare.
    nanos: NonZeroU32,
}

impl Moment {
    /// The moment so many seconds after 1970 (before it, if negative), and the nanoseconds after
    /// that. A second and more of nanoseconds is cut to less than one.
    #[must_use]
    pub fn new(seconds: i64, nanos: u32) -> Self {
        let nanos = nanos.min(999_999_999);
        Self {
            seconds,
            nanos: NonZeroU32::MIN.saturating_add(nanos),
        }
    }

    /// The moment so many nanoseconds after 1970.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Self {
        let rest = u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default();
        Self::new(nanos.div_euclid(NANOS), rest)
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// The nanoseconds after [`seconds`](Self::seconds), less than a second.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        self.nanos.get() - 1
    }

    /// Nanoseconds since 1970; `None` before 1677 and after 2262.
    #[must_use]
    pub fn as_nanos(self) -> Option<i64> {
        let nanos = i128::from(self.seconds) * i128::from(NANOS) + i128::from(self.subsec_nanos());
        i64::try_from(nanos).ok()
    }

    /// Milliseconds since 1970, rounded down. What 64 bits cannot count is the nearest they can.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        let millis = i64::from(self.subsec_nanos() / 1_000_000);
        self.seconds.saturating_mul(1_000).saturating_add(millis)
    }

    /// As bytes: no two moments have the same.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let parts = self.seconds.to_be_bytes().into_iter();
        let parts = parts.chain(self.subsec_nanos().to_be_bytes());
        bytes
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = from);
        bytes
    }

    /// The moment behind [`to_bytes`](Self::to_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, nanos @ ..] = bytes;
        Self::new(
            i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            u32::from_be_bytes(nanos),
        )
    }
}

/// How JSON spells it: nanoseconds where one number holds them, else seconds and nanoseconds.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Nanos(i64),
    Parts(i64, u32),
}

impl From<Moment> for Spelled {
    fn from(moment: Moment) -> Self {
        match moment.as_nanos() {
            Some(nanos) => Self::Nanos(nanos),
            None => Self::Parts(moment.seconds, moment.subsec_nanos()),
        }
    }
}

impl From<Spelled> for Moment {
    fn from(spelled: Spelled) -> Self {
        match spelled {
            Spelled::Nanos(nanos) => Self::from_nanos(nanos),
            Spelled::Parts(seconds, nanos) => Self::new(seconds, nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_moment_takes_no_more_room_than_a_number_of_nanoseconds_would() {
        assert_eq!(size_of::<Option<Moment>>(), size_of::<Option<i64>>());
    }

    #[test]
    fn times_that_nanoseconds_cannot_count_are_kept_as_they_are() {
        let year_1600 = Moment::new(-11_676_096_000, 1);
        assert_eq!(year_1600.as_nanos(), None);
        assert_eq!(year_1600.as_millis(), -11_676_096_000_000);
        let json = serde_json::to_string(&year_1600).unwrap();
        assert_eq!(json, "[-11676096000,1]");
        assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), year_1600);
        assert_eq!(Moment::new(i64::MAX, 0).as_millis(), i64::MAX);
        assert!(Moment::new(i64::MIN, 0) < year_1600);
        assert_eq!(
            serde_json::to_string(&Moment::new(-1, 5)).unwrap(),
            "-999999995"
        );
    }

    proptest! {
        #[test]
        fn a_moment_comes_back_from_bytes_nanoseconds_and_json(seconds: i64, nanos in 0..1_000_000_000_u32) {
            let moment = Moment::new(seconds, nanos);
            prop_assert_eq!(Moment::from_bytes(moment.to_bytes()), moment);
            let json = serde_json::to_string(&moment).unwrap();
            prop_assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), moment);
            let small = Moment::new(seconds / NANOS, nanos);
            prop_assert_eq!(small.as_nanos().map(Moment::from_nanos), Some(small));
        }
    }
}
