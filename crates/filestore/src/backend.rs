//! Where a mount's bytes are, opened.
//!
//! A local directory ([`Disk`]) and a bucket ([`Bucket`]) do the same things to files, and the one
//! suite of conformance tests is run over both. They differ in what is atomic: a disk renames, and
//! an object appears as a whole and no more. So the commands are written for each of them where
//! they must be ([`crate::command`]), and what is the same is here.

use crate::disk::{Disk, DiskError};
use crate::path::NodePath;
use crate::s3::{Bucket, Buckets, S3Error};
use crate::store::mount::{BackendKind, Mount, MountState};
use crate::walk::Facts;
use journal::Epoch;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open mount's bytes.
#[derive(Debug)]
pub(crate) enum Backend {
    Disk(Disk),
    Bucket(Arc<Bucket>),
}

/// What a backend refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    S3(#[from] S3Error),
}

/// Why a mount was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("mount {0:?} is inactive: set its state to active to use it")]
    Inactive(String),
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Opens mounts.
#[derive(Debug)]
pub(crate) struct Opener {
    data_dir: PathBuf,
    /// What marks the names of our own as this store's.
    store: String,
    buckets: Arc<Buckets>,
}

/// A mount that is open.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) mount: Mount,
    pub(crate) backend: Backend,
    /// Where our own data directory is, if it is in this mount.
    own: Option<NodePath>,
}

impl Opener {
    /// `data_dir` is refused to commands where it lies within a mount.
    pub(crate) fn new(data_dir: &Path, epoch: Epoch, buckets: Arc<Buckets>) -> Self {
        let data_dir = data_dir
            .canonicalize()
            .unwrap_or_else(|_| data_dir.to_owned());
        let epoch = epoch.to_string();
        Self {
            data_dir,
            store: epoch.split('-').next().unwrap_or_default().to_owned(),
            buckets,
        }
    }

    /// Opens a mount that is in use.
    pub(crate) fn open(&self, mount: Mount) -> Result<Place, OpenError> {
        if mount.state != MountState::Active {
            return Err(OpenError::Inactive(mount.mount_key));
        }
        if mount.backend_kind == BackendKind::S3 {
            let bucket = self.buckets.bucket(&mount).map_err(BackendError::from)?;
            return Ok(Place {
                mount,
                backend: Backend::Bucket(bucket),
                own: None,
            });
        }
        let root = crate::mount::os_path(mount.root_path.as_deref().unwrap_or_default());
        let own = self.data_dir.strip_prefix(&root).ok();
        let own = own.and_then(|own| NodePath::parse(&crate::mount::spelled(own)).ok());
        let disk = Disk::open(&root, &self.store).map_err(BackendError::from)?;
        Ok(Place {
            mount,
            backend: Backend::Disk(disk),
            own,
        })
    }
}

impl Place {
    /// Whether a command may not touch this path: our own data directory is no place for commands,
    /// nor is what it lies in to be moved away.
    pub(crate) fn is_own(&self, path: &NodePath) -> bool {
        self.own
            .as_ref()
            .is_some_and(|own| path.is_within(own) || own.is_within(path))
    }
}

/// A path and its facts, with those that belong to it: what is above it, or what is below it.
pub(crate) type Line = Vec<(String, Facts)>;

impl Backend {
    /// What stands at the path: `None` if nothing does.
    pub(crate) fn facts(&self, path: &str) -> Result<Option<Facts>, BackendError> {
        Ok(match self {
            Self::Disk(disk) => disk.facts(path)?,
            Self::Bucket(bucket) => bucket.facts(path)?,
        })
    }

    /// The facts of a path and of all directories above it, from the top, without the root; it
    /// ends where nothing stands.
    pub(crate) fn lineage(&self, path: &NodePath) -> Result<Line, BackendError> {
        Ok(match self {
            Self::Disk(disk) => disk.lineage(path)?,
            Self::Bucket(bucket) => bucket.lineage(path)?,
        })
    }

    /// Makes the directory and those above it that are missing. Gives them all, from the top.
    /// Doing it again does no harm.
    pub(crate) fn make_directory(&self, path: &NodePath) -> Result<Line, BackendError> {
        Ok(match self {
            Self::Disk(disk) => disk.make_directories(path)?,
            Self::Bucket(bucket) => bucket.make_directory(path)?,
        })
    }

    /// The facts of a path and of everything below it, parents first.
    pub(crate) fn tree_facts(&self, path: &str) -> Result<Line, BackendError> {
        Ok(match self {
            Self::Disk(disk) => disk.tree_facts(path)?,
            Self::Bucket(bucket) => bucket.tree_facts(path)?,
        })
    }
}
