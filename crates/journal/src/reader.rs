//! How a journal is read.

use crate::{Digest, Entry, Epoch, JournalId, SnapshotNode};
use std::time::Duration;

/// Where a journal is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The journal's identity.
    pub epoch: Epoch,
    /// The last visible id; [`JournalId::ZERO`] while the journal is empty.
    pub head: JournalId,
    /// The last id that retention removed; [`JournalId::ZERO`] while all are there.
    pub trimmed: JournalId,
}

/// What one read gives.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where the journal was when the page was read.
    pub position: Position,
    /// The digest of the entry `after` itself, of the genesis for 0; `None` if `after` lies past
    /// the head. A consumer compares it with the digest in its checkpoint.
    pub after_digest: Option<Digest>,
    /// The entries after `after`, dense and ascending.
    pub entries: Vec<Entry>,
}

/// All live nodes at one journal id.
pub struct Snapshot<'a> {
    /// The journal's identity.
    pub epoch: Epoch,
    /// The id that the nodes are the state at.
    pub journal_id: JournalId,
    /// That entry's digest.
    pub digest: Digest,
    /// The nodes, in the order of their ids.
    pub nodes: Box<dyn Iterator<Item = Result<SnapshotNode, ReadError>> + Send + 'a>,
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("epoch", &self.epoch)
            .field("journal_id", &self.journal_id)
            .finish_non_exhaustive()
    }
}

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Retention has removed what was asked for. Start again from a snapshot.
    #[error(
        "the journal is trimmed up to entry {trimmed}, and entries after {after} were asked for"
    )]
    Trimmed {
        /// What was asked for.
        after: JournalId,
        /// The last id removed.
        trimmed: JournalId,
    },
    /// The journal cannot be reached now. Trying again may help.
    #[error("the journal cannot be read now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The journal holds, or the server sent, what no journal may hold. Trying again does not
    /// help.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

impl ReadError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// The read contract of a journal. Every method blocks: call it from a thread that may. All are
/// idempotent and may be called from many threads at once.
pub trait JournalReader: Send + Sync {
    /// Where the journal is now.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] or [`ReadError::Damaged`].
    fn position(&self) -> Result<Position, ReadError>;

    /// The entries after `after` (exclusive), at most `limit` of them: dense, ascending, from
    /// `after + 1` on, durable. Fewer than `limit` come where the head is reached, or where the
    /// reader bounds the bytes of a page; at least one comes if there is one and `limit > 0`.
    ///
    /// # Errors
    /// [`ReadError::Trimmed`] if `after` lies below the trimmed id and `limit > 0`; else as
    /// [`JournalReader::position`].
    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError>;

    /// Waits until the head lies past `after`, at most `timeout`, and tells where the journal
    /// then is. It may return earlier.
    ///
    /// # Errors
    /// As [`JournalReader::position`].
    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError>;

    /// All live nodes at one journal id.
    ///
    /// # Errors
    /// As [`JournalReader::position`]; the iterator ends with an error if the source fails midway.
    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError>;
}
