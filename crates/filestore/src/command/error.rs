//! Why a command was refused, by what the caller can do about it.

use crate::open_mount::OpenError;
use ::node::{NodePath, PathError};
use backend::hash::HashError;
use backend::{Operation, Reason};
use catalogue::StoreError;
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
         the new one is meant, scan the mount once with --accept-root (acceptRoot=true over REST)"
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
    #[error("idempotency key {0:?} was used for another request")]
    KeyReused(String),
    #[error("the command of idempotency key {0:?} still runs: ask again with the same key")]
    StillRuns(String),
    #[error("{0}")]
    Hash(#[from] HashError),
    #[error(
        "the disk does not have {path:?} as the catalogue says: scan the mount, then try again"
    )]
    Drift { mount_id: i64, path: String },
    /// A backend has no such file. It is a drift if the command works on it.
    #[error("the disk does not have {0:?} as the catalogue says: scan the mount, then try again")]
    Gone(String),
    #[error("{0:?} changed while the command was prepared: try again")]
    Busy(String),
    #[error("{path:?} cannot be stored in this mount: {reason}")]
    Unstorable { path: String, reason: String },
    #[error("the copy of {0:?} is not what its source is: nothing was moved or replaced")]
    Corrupt(String),
    #[error(transparent)]
    Backend(backend::Error),
    #[error(transparent)]
    Catalogue(#[from] StoreError),
}

impl CommandError {
    /// What it means for a command that works on this file: that a part of it is gone is a drift
    /// there.
    pub(super) fn about(self, about: Option<(i64, &NodePath)>) -> Self {
        match (self, about) {
            (Self::Gone(path), Some((mount_id, about))) => {
                let is_within = NodePath::parse(&path).is_ok_and(|path| path.is_within(about));
                let path = if is_within { path } else { about.to_string() };
                Self::Drift { mount_id, path }
            }
            (error, _) => error,
        }
    }
}

/// What the backend's refusal means for a command.
impl From<backend::Error> for CommandError {
    fn from(error: backend::Error) -> Self {
        let wrong_kind = |path, found, needed| Self::WrongKind {
            path,
            found,
            needed,
        };
        let (file, directory) = (NodeKind::File, NodeKind::Directory);
        match (error.reason, error.operation) {
            (Reason::Exists, _) => Self::ExistsOnDisk(error.path),
            (Reason::Changed, _) => Self::Busy(error.path),
            (Reason::OddKey(reason), _) => Self::Unstorable {
                path: error.path,
                reason: reason.to_string(),
            },
            (Reason::IsADirectory, Operation::Rename) => wrong_kind(error.path, directory, file),
            (Reason::NotADirectory, Operation::Enter | Operation::Create) => {
                wrong_kind(error.path, file, directory)
            }
            (Reason::NotEmpty, Operation::Delete) => Self::NotEmpty(error.path),
            (Reason::NotFound, Operation::OpenRoot) => Self::Backend(error),
            (Reason::NotFound | Reason::NotADirectory | Reason::IsADirectory, _) => {
                Self::Gone(error.path)
            }
            _ => Self::Backend(error),
        }
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoMount(mount) => Self::NoMount(mount),
            OpenError::Inactive(mount) => Self::InactiveMount(mount),
            OpenError::OtherRoot(root) => Self::OtherRoot(root),
            OpenError::Backend(error) => Self::Backend(error),
            OpenError::Catalogue(error) => error.into(),
        }
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::Catalogue(StoreError::Json(error))
    }
}
