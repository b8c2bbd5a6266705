//! Mounts, opened.

use ::node::name::{os_path, spelled};
use ::node::{NodePath, Root};
use backend::{Backend, Buckets, Disk, Location, Settings};
use catalogue::mounts::{self, BackendKind, Mount, MountState};
use catalogue::{Catalogue, StoreError, nodes};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a mount was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("there is no mount {0}")]
    NoMount(i64),
    #[error("mount {0:?} is inactive: set its state to active to use it")]
    Inactive(String),
    #[error(
        "the mount's root {0:?} is another directory than before; is a disk not mounted there? If \
         the new one is meant, scan the mount once with --accept-root (acceptRoot=true over REST)"
    )]
    OtherRoot(String),
    #[error(transparent)]
    Backend(#[from] backend::Error),
    #[error(transparent)]
    Catalogue(#[from] StoreError),
}

/// Opens mounts.
#[derive(Debug)]
pub(crate) struct Opener {
    catalogue: Arc<Catalogue>,
    data_dir: PathBuf,
    /// What marks the names of our own as this store's.
    store: String,
    buckets: Arc<Buckets>,
}

/// A mount that is open.
#[derive(Debug)]
pub(crate) struct OpenMount {
    pub(crate) mount: Mount,
    pub(crate) backend: Arc<dyn Backend>,
    /// Where our own data directory is, if it is in this mount.
    own: Option<NodePath>,
}

impl Opener {
    /// `data_dir` is refused to commands where it lies within a mount.
    pub(crate) fn new(catalogue: Arc<Catalogue>, data_dir: &Path, buckets: Arc<Buckets>) -> Self {
        let data_dir = data_dir
            .canonicalize()
            .unwrap_or_else(|_| data_dir.to_owned());
        let epoch = catalogue.epoch().to_string();
        Self {
            catalogue,
            data_dir,
            store: epoch.split('-').next().unwrap_or_default().to_owned(),
            buckets,
        }
    }

    /// Opens the mount, if it is there, in use, and what the nodes were found in.
    pub(crate) fn by_id(&self, mount_id: i64) -> Result<OpenMount, OpenError> {
        let (mount, root_id, known) = self.catalogue.read(|tx| {
            let Some(mount) = mounts::by_id(tx, mount_id)? else {
                return Err(OpenError::NoMount(mount_id));
            };
            let root = nodes::root(tx, mount_id)?;
            let known = Root {
                identity: root.facts.identity,
                volume: mounts::volume(tx, mount_id)?,
            };
            Ok((mount, root.id, known))
        })?;
        let open = self.open(mount)?;
        self.check_root(&open, root_id, &known)?;
        Ok(open)
    }

    /// The root is the directory that the nodes were found in. Another one there is most likely
    /// an empty mount point whose disk is not mounted. Where nothing but the root is known, any
    /// will do.
    fn check_root(&self, open: &OpenMount, root_id: i64, known: &Root) -> Result<(), OpenError> {
        let is_other = open.backend.root()?.is_another_than(known);
        let has_nodes = || {
            self.catalogue
                .read(|tx| nodes::children(tx, root_id, None, 1))
        };
        if is_other && !has_nodes()?.is_empty() {
            let root = open.mount.root_path.clone().unwrap_or_default();
            return Err(OpenError::OtherRoot(root));
        }
        Ok(())
    }

    /// Opens a mount that is in use.
    pub(crate) fn open(&self, mount: Mount) -> Result<OpenMount, OpenError> {
        if mount.state != MountState::Active {
            return Err(OpenError::Inactive(mount.mount_key));
        }
        let (backend, own): (Arc<dyn Backend>, _) = match location(&mount)? {
            Location::Bucket(settings) => (self.buckets.bucket(mount.id, settings)?, None),
            Location::Directory(root) => {
                let own = self.data_dir.strip_prefix(&root).ok();
                let own = own.and_then(|own| NodePath::parse(&spelled(own)).ok());
                let disk = Disk::open(&root, &self.store)?;
                (Arc::new(disk), own)
            }
        };
        Ok(OpenMount {
            mount,
            backend,
            own,
        })
    }
}

/// Where a mount's bytes are.
pub(crate) fn location(mount: &Mount) -> Result<Location, backend::Error> {
    let (bucket, prefix) = (mount.bucket.as_deref(), mount.prefix.as_deref());
    match mount.backend_kind {
        BackendKind::Local => Ok(Location::Directory(root_of(mount))),
        BackendKind::S3 => Settings::parse(bucket, prefix, &mount.config)
            .map(Location::Bucket)
            .map_err(|error| error.of_bucket(bucket.unwrap_or_default())),
    }
}

/// The directory of a local mount.
pub(crate) fn root_of(mount: &Mount) -> PathBuf {
    os_path(mount.root_path.as_deref().unwrap_or_default())
}

impl OpenMount {
    /// Whether a command may not touch this path: our own data directory is no place for commands,
    /// nor is what it lies in to be moved away.
    pub(crate) fn is_own(&self, path: &NodePath) -> bool {
        self.own
            .as_ref()
            .is_some_and(|own| path.is_within(own) || own.is_within(path))
    }
}
