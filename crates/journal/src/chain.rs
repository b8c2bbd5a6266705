//! The chained digest that makes alignment provable.
//!
//! `digest(0)` is the BLAKE3 hash of the domain string and the epoch. `digest(n)` is the BLAKE3
//! hash of, in this order and without padding:
//!
//! | bytes | what |
//! |---|---|
//! | 32 | `digest(n − 1)` |
//! | 8 | journal id, little endian |
//! | 8 | node id, little endian, 0 where the entry has none |
//! | 8 | size delta in bytes, two's complement, little endian |
//! | 8 | length of the type in bytes, little endian |
//! | … | the type |
//! | 32 | BLAKE3 hash of the entry's `data`, the JSON text byte for byte |
//!
//! Whoever holds `digest(n)` of a journal holds the same first `n` entries as everyone else who
//! does.

use crate::{Entry, Epoch, JournalId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

const GENESIS_DOMAIN: &[u8] = b"tidemark journal 1\n";

/// A link of the chain: 32 bytes, spelled as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// Why a run of entries does not continue a book's history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An id is missing or out of order.
    #[error("journal entry {expected} was expected, {found} was read")]
    Gap {
        /// The id that had to come.
        expected: JournalId,
        /// The id that came.
        found: JournalId,
    },
    /// The entry's digest is not the one computed from its contents and the digest before.
    #[error("journal entry {id} does not continue the history before it (digest mismatch)")]
    Mismatch {
        /// The entry that does not fit.
        id: JournalId,
    },
}

impl Digest {
    /// The digest before the first entry of a journal.
    #[must_use]
    pub fn genesis(epoch: Epoch) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(GENESIS_DOMAIN);
        hasher.update(epoch.as_bytes());
        Self(hasher.finalize().into())
    }

    /// The digest of the entry that follows this one. `node_id` is `None` for entries that are
    /// not about a node.
    #[must_use]
    pub fn link(
        self,
        id: JournalId,
        node_id: Option<i64>,
        event_type: &str,
        size_delta: i64,
        data: &str,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(&id.get().to_le_bytes());
        hasher.update(&node_id.unwrap_or(0).to_le_bytes());
        hasher.update(&size_delta.to_le_bytes());
        hasher.update(&(event_type.len() as u64).to_le_bytes());
        hasher.update(event_type.as_bytes());
        hasher.update(blake3::hash(data.as_bytes()).as_bytes());
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of these bytes as a store holds them: `None` unless there are 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Checks that `entries` continue the history that ends at `after` with the digest `before`, and
/// gives the digest of the last of them (`before`, if there is none).
///
/// # Errors
/// The first entry that leaves a gap or does not fit.
pub fn verify(after: JournalId, before: Digest, entries: &[Entry]) -> Result<Digest, ChainError> {
    let mut last = (after, before);
    for entry in entries {
        let expected = last.0.next();
        if entry.id != expected {
            return Err(ChainError::Gap {
                expected,
                found: entry.id,
            });
        }
        let digest = last.1.link(
            entry.id,
            entry.node_id,
            entry.event_type.as_str(),
            entry.size_delta,
            entry.data.get(),
        );
        if digest != entry.digest {
            return Err(ChainError::Mismatch { id: entry.id });
        }
        last = (entry.id, digest);
    }
    Ok(last.1)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            de::Error::invalid_value(de::Unexpected::Str(&text), &"a digest of 64 hex digits")
        })
    }
}
