//! What can go wrong with the store.

use process::{Chain, Holder};
use rusqlite::ErrorCode;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the store could not be opened. Every message names what to do about it or where to look.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the data directory.
    #[error("data directory {} is in use by {holder}", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process that holds it.
        holder: Holder,
    },
    /// The data directory or a file in it cannot be made or opened.
    #[error("data directory {} cannot be used", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("database {} cannot be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The database was written by a later version.
    #[error(
        "database {} has schema version {found}, this program knows versions up to {known}: use \
         the program that wrote it, or a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The last version known here.
        known: i64,
    },
    /// The journal is not what it was when it was written.
    #[error(
        "the journal in {} is damaged: {reason}; restore the data directory from a backup",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A thread could not be started.
    #[error("the writer's thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// What an earlier run left half done could not be looked at.
    #[error("commands that an earlier run left half done could not be finished")]
    Recovery(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a job of the store, or a read, failed. Nothing of it has then taken effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement failed.
    #[error("the catalogue cannot be read or written")]
    Sqlite(#[from] rusqlite::Error),
    /// The job went well, and the transaction that it was part of could not be committed.
    #[error("the catalogue could not commit")]
    Commit(#[source] Arc<rusqlite::Error>),
    /// The node is not as the change supposes; look again.
    #[error("node {0} has changed meanwhile")]
    Stale(i64),
    /// An event or a stored answer is no JSON.
    #[error("the catalogue holds, or was given, what is no JSON")]
    Json(#[from] serde_json::Error),
    /// A row holds what no row may hold.
    #[error("the catalogue is damaged: {0}")]
    Damaged(String),
    /// The job panicked.
    #[error("a job of the catalogue's writer panicked")]
    Panicked,
    /// The store was closed.
    #[error("the catalogue is closed")]
    Closed,
}

impl StoreError {
    /// Whether the disk that the database lies on is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.has_code(ErrorCode::DiskFull)
    }

    /// Whether what was written takes the place of something else that is there: a path that
    /// another node holds.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.has_code(ErrorCode::ConstraintViolation)
    }

    /// What is wrong with the store, in one line.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Damaged(reason) => reason.clone(),
            error => Chain(error).to_string(),
        }
    }

    fn has_code(&self, code: ErrorCode) -> bool {
        let found = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Commit(error) => error.sqlite_error_code(),
            _ => None,
        };
        found == Some(code)
    }
}
