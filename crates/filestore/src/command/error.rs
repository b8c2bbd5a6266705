//! Why a command was refused, by what the caller can do about it.

use crate::disk::DiskError;
use crate::hash::HashError;
use crate::path::PathError;
use crate::s3::S3Error;
use crate::store::StoreError;
use journal::NodeKind;

/// Why a command was refused, or failed. Unless it says otherwise, nothing has changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("there is no mount {0}")]
    NoMount(i64),
    #[error("mount {0:?} is inactive: set its state to active to use it")]
    InactiveMount(String),
    #[error("mount {0:?} is read-only: set its accessMode to rw to change files in it")]
    ReadOnly(String),
    #[error(
        "the mount's root {0:?} is another directory than before; is a disk not mounted there? If \
         the new one is meant, scan it once with acceptRoot"
    )]
    OtherRoot(String),
    #[error("{field}: the path {path:?} is refused: {reason}")]
    Path {
        /// The field it came in.
        field: &'static str,
        path: String,
        reason: PathError,
    },
    #[error("{0:?} belongs to Tidemark's own data directory, which commands do not touch")]
    OwnData(String),
    #[error("there is no node at {0:?}")]
    NoNodeAt(String),
    #[error("there is no node {0}")]
    NoNode(i64),
    #[error("node {node} is in mount {mount}, not in the one given")]
    OtherMount { node: i64, mount: i64 },
    #[error("{path:?} is there already: a {}", kind.as_str())]
    Exists { path: String, kind: NodeKind },
    #[error(
        "{0:?} is on disk already, and not catalogued: scan the mount, or allow overwriting a file"
    )]
    ExistsOnDisk(String),
    #[error("{path:?} is a {}, and a {} is needed", found.as_str(), needed.as_str())]
    WrongKind {
        path: String,
        found: NodeKind,
        needed: NodeKind,
    },
    #[error("{0:?} cannot be moved into itself")]
    IntoItself(String),
    #[error("directory {0:?} is not empty: delete it with recursive, or empty it first")]
    NotEmpty(String),
    #[error("node {node} is at version {found}, and version {expected} was expected")]
    Version {
        node: i64,
        expected: i64,
        found: i64,
    },
    #[error("{0} reconciliation jobs wait already")]
    TooManyJobs(i64),
    #[error("idempotency key {0:?} was used for another request")]
    KeyReused(String),
    #[error("the command of idempotency key {0:?} still runs: ask again with the same key")]
    StillRuns(String),
    #[error("{0}")]
    Hash(#[from] HashError),
    #[error("the disk does not have {0:?} as the catalogue says: scan the mount, then try again")]
    Drift(String),
    #[error("{0:?} changed while the command was prepared: try again")]
    Busy(String),
    #[error("{path:?} cannot be stored in this mount: {reason}")]
    Unstorable { path: String, reason: String },
    #[error("the copy of {0:?} is not what its source is: nothing was moved or replaced")]
    Corrupt(String),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Bucket(#[from] S3Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(StoreError::Json(error))
    }
}
