//! What a rebuild begins with, what it may lose, and how far it is.

use crate::Checkpoint;
use journal::{JournalId, Time};
use serde::Serialize;

/// A new book that is about to be made beside the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewBook {
    /// What it begins with.
    pub base: Base,
    /// Where in the journal reading begins: the base is the state at this entry. For a snapshot,
    /// which brings its own, where the journal was.
    pub checkpoint: Checkpoint,
    /// Whether the present book holds an earlier state of the same history. Where it does not
    /// (another journal, or one that was restored and written on), a node id of the present book
    /// may mean another node now.
    pub is_same_history: bool,
}

impl NewBook {
    /// For a sink that has made room for it.
    #[must_use]
    pub const fn begun(self) -> Rebuild {
        Rebuild(self)
    }
}

/// A rebuild that a sink has begun: whoever holds it fills the new book, and finishes or abandons
/// it.
#[derive(Debug)]
pub struct Rebuild(NewBook);

impl std::ops::Deref for Rebuild {
    type Target = NewBook;

    fn deref(&self) -> &NewBook {
        &self.0
    }
}

/// What a new book begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing: every entry is read again, from the first.
    Empty,
    /// What the present book holds of entries up to and with this one.
    Kept(JournalId),
    /// A snapshot of the nodes, because the journal is trimmed.
    Snapshot,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildRequest {
    /// Replay: read again after this entry, and keep what the book says of entries up to it.
    /// Without it the whole book is rebuilt.
    pub from: Option<JournalId>,
    /// Go on although entries cannot be had again from anywhere.
    pub accepts_loss: bool,
}

/// Why a rebuild did not begin. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// One runs already.
    #[error("the book is being rebuilt already; its health tells how far that is")]
    Running,
    /// It would lose what nobody could bring back.
    #[error("{0}")]
    WouldLose(String),
    /// The journal cannot be replayed from there.
    #[error("{0}")]
    NotReplayable(String),
    /// The consumer, the journal or the store cannot answer now.
    #[error("the book cannot be rebuilt now: {0}")]
    Unavailable(String),
}

/// How a rebuild goes, or went.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebuildStatus {
    /// Whether it goes on.
    pub state: RebuildState,
    /// The whole book, or a part of it.
    pub kind: RebuildKind,
    /// What the new book began with.
    pub base: RebuildBase,
    /// After which entry the journal is read again.
    #[schema(value_type = u64)]
    pub after: JournalId,
    /// How far the new book is.
    #[schema(value_type = u64)]
    pub journal_id: JournalId,
    /// The journal's last entry, as last seen.
    #[schema(value_type = u64)]
    pub head: JournalId,
    /// Entries read into it.
    pub entries: u64,
    /// Entries of them that could not be applied.
    pub parked: u64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Time,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Time>,
    /// Why it failed, or what it waits for.
    pub last_error: Option<String>,
}

/// Whether a rebuild goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RebuildState {
    /// The new book is being filled; everyone reads the old one.
    Running,
    /// The new book is the book.
    Done,
    /// It ended early; the old book is as it was.
    Failed,
    /// A person ended it; the old book is as it was.
    Cancelled,
}

/// How much is rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RebuildKind {
    /// All of it.
    Rebuild,
    /// What entries after one say.
    Replay,
}

/// What a new book began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RebuildBase {
    /// Nothing.
    Empty,
    /// The book's own contents up to `after`.
    Kept,
    /// A snapshot of the nodes.
    Snapshot,
}

impl From<Base> for RebuildBase {
    fn from(base: Base) -> Self {
        match base {
            Base::Empty => Self::Empty,
            Base::Kept(_) => Self::Kept,
            Base::Snapshot => Self::Snapshot,
        }
    }
}
