//! An entry's place in the journal, and the journal's own identity.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// An entry's place in the journal. The first entry has id 1; ids are dense, so the next entry
/// always has `id + 1`. [`JournalId::ZERO`] is the place before the first entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JournalId(u64);

impl JournalId {
    /// Before the first entry: the checkpoint of an empty book.
    pub const ZERO: Self = Self(0);
    /// The largest id: SQL stores ids as signed 64-bit integers.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The id with this number; numbers above [`JournalId::MAX`] become it.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        if id > Self::MAX.0 {
            Self::MAX
        } else {
            Self(id)
        }
    }

    /// The id of a signed SQL integer; negative numbers become [`JournalId::ZERO`].
    #[must_use]
    pub const fn from_i64(id: i64) -> Self {
        Self(if id < 0 { 0 } else { id.unsigned_abs() })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as SQL stores it.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The id of the entry after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.saturating_add(1))
    }

    /// How many entries lie between `earlier` and this id: 0 if `earlier` is not earlier.
    #[must_use]
    pub const fn entries_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for JournalId {
    fn from(id: u64) -> Self {
        Self::new(id)
    }
}

impl FromStr for JournalId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self::new)
    }
}

/// The identity of a journal: a UUID made when the journal is made. A consumer that follows one
/// epoch refuses every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(Uuid);

impl Epoch {
    /// The epoch of a journal that is being made now.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    /// The 16 bytes of the UUID.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<Uuid> for Epoch {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self)
    }
}
