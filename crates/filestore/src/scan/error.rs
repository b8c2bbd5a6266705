//! Why a scan ended early.

use crate::open_mount::{OpenError, root_of};
use backend::Reason;
use catalogue::StoreError;
use catalogue::mounts::{BackendKind, Mount};
use catalogue::scratch::ScratchError;
use std::io;
use std::path::PathBuf;

/// Why a scan ended early. What it had written stays, and is right; run it again.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It was told to stop.
    #[error("the scan was stopped")]
    Cancelled,
    /// There is no such mount.
    #[error("there is no mount {0}")]
    NoMount(i64),
    /// The mount's bucket does not answer as it should.
    #[error("the mount's bucket cannot be listed: {0}")]
    Bucket(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mount is not in use.
    #[error("mount {0} is inactive: set its state to active to scan it")]
    Inactive(i64),
    /// The mount's root cannot be opened.
    #[error("the mount's root {} cannot be opened", path.display())]
    Root {
        /// The root.
        path: PathBuf,
        /// Why.
        #[source]
        reason: Reason,
    },
    /// The mount's root is not the directory that the nodes were found in.
    #[error(
        "the mount's root {} is another directory than before; is a disk not mounted there? If \
         the new one is meant, scan the mount once with --accept-root (acceptRoot=true over REST)", .0.display()
    )]
    OtherRoot(PathBuf),
    /// The catalogue cannot be read or written.
    #[error(transparent)]
    Catalogue(#[from] StoreError),
    /// The differences cannot be kept.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A thread for the scan cannot be started.
    #[error("a thread for the scan cannot be started")]
    Thread(#[source] io::Error),
    /// The scan has a defect.
    #[error("a thread of the scan panicked")]
    Panicked,
}

impl ScanError {
    /// The mount was not opened.
    pub(super) fn unopened(mount: &Mount, error: OpenError) -> Self {
        match error {
            OpenError::NoMount(id) => Self::NoMount(id),
            OpenError::Inactive(_) => Self::Inactive(mount.id),
            OpenError::OtherRoot(root) => Self::OtherRoot(root.into()),
            OpenError::Catalogue(error) => Self::Catalogue(error),
            OpenError::Backend(error) => match mount.backend_kind {
                BackendKind::Local => Self::Root {
                    path: root_of(mount),
                    reason: error.reason,
                },
                BackendKind::S3 => {
                    Self::Bucket(format!("{error}: {}", error.reason), Box::new(error))
                }
            },
        }
    }
}
