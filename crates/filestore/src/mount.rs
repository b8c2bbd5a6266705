//! Mounts: made, found, changed.

pub(crate) mod config;
mod policy;

pub(crate) use policy::{BYTES_PER_SECOND, Policy};

use ::node::name::spelled;
use backend::s3::{self, Settings, SettingsError};
use backend::{Backend as _, Buckets, Disk};
use catalogue::ReadTx;
use catalogue::mounts::{self, AccessMode, BackendKind, Mount, MountState};
use catalogue::{Catalogue, Cause, StoreError};
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest key of a mount.
const KEY_BYTES: usize = 64;

/// Labels of a mount, at most.
const LABELS: usize = 32;

/// A mount that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewMount {
    /// Derived from the root's or the bucket's name if `None`.
    pub(crate) mount_key: Option<String>,
    pub(crate) access_mode: AccessMode,
    pub(crate) at: NewAt,
    pub(crate) notes: Notes,
    pub(crate) labels: Vec<String>,
    pub(crate) state: MountState,
    pub(crate) config: Map<String, Value>,
}

/// What people note of a mount.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) display_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) state_reason: Option<String>,
}

/// Where its bytes are.
#[derive(Clone, Debug)]
pub(crate) enum NewAt {
    Directory(PathBuf),
    Bucket {
        bucket: Option<String>,
        prefix: Option<String>,
    },
}

/// What is to change of a mount.
#[derive(Clone, Debug, Default)]
pub(crate) struct MountPatch {
    pub(crate) access_mode: Option<AccessMode>,
    /// `Some(None)` takes it away.
    pub(crate) display_name: Option<Option<String>>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) contact: Option<Option<String>>,
    pub(crate) state_reason: Option<Option<String>>,
    pub(crate) labels: Option<Vec<String>>,
    pub(crate) state: Option<MountState>,
    pub(crate) config: Option<Map<String, Value>>,
}

/// Why a mount was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The root cannot be used.
    #[error("rootPath {} cannot be used: {source}", path.display())]
    Root {
        /// What was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root is no directory.
    #[error("rootPath {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The key cannot be used.
    #[error(
        "mountKey {0:?} is refused: use 1 to {KEY_BYTES} letters, digits, dots, dashes and \
         underscores"
    )]
    Key(String),
    /// Another mount has the key.
    #[error("mountKey {0:?} is taken by another mount")]
    KeyTaken(String),
    /// Another mount has the root.
    #[error("{at} is mounted already, as {mount_key:?}")]
    RootTaken {
        /// The field that names it.
        field: &'static str,
        /// The root, or the bucket and prefix.
        at: String,
        /// The key of the mount that has it.
        mount_key: String,
    },
    /// There is no such mount.
    #[error("there is no mount {0}")]
    NoMount(i64),
    /// The settings cannot be used.
    #[error("{field}: {reason}")]
    Settings {
        /// As a JSON pointer.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bucket does not answer as it should.
    #[error("the bucket cannot be used: {0}")]
    Bucket(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The catalogue cannot be read or written.
    #[error(transparent)]
    Catalogue(#[from] StoreError),
}

impl From<SettingsError> for MountError {
    fn from(SettingsError { field, reason }: SettingsError) -> Self {
        Self::Settings { field, reason }
    }
}

impl From<backend::Error> for MountError {
    fn from(error: backend::Error) -> Self {
        let reason = format!("{error}: {}", error.reason);
        Self::Bucket(reason, Box::new(error))
    }
}

/// The mounts of one filestore.
#[derive(Debug)]
pub(crate) struct Mounts {
    catalogue: Arc<Catalogue>,
    buckets: Arc<Buckets>,
    /// Moves when one was made or changed.
    changes: AtomicU64,
}

impl Mounts {
    pub(crate) fn new(catalogue: Arc<Catalogue>, buckets: Arc<Buckets>) -> Self {
        Self {
            catalogue,
            buckets,
            changes: AtomicU64::default(),
        }
    }

    /// A number that moves when a mount was made or changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The local mount with this root, made if there is none. Its key is derived from the
    /// directory's name. Blocks.
    ///
    /// # Errors
    /// The root is no directory that can be opened, or the catalogue cannot be written.
    pub(crate) fn ensure_local(&self, root: &Path) -> Result<Mount, MountError> {
        let (root, _) = open_root(root)?;
        let known = self
            .catalogue
            .read(|connection| mounts::by_root(connection, &spelled(&root)))?;
        match known {
            Some(mount) => Ok(mount),
            None => self.create(NewMount {
                mount_key: None,
                access_mode: AccessMode::ReadWrite,
                at: NewAt::Directory(root),
                notes: Notes::default(),
                labels: Vec::new(),
                state: MountState::Active,
                config: Map::new(),
            }),
        }
    }

    /// All mounts, by id. Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<Mount>, StoreError> {
        self.catalogue.read(mounts::all)
    }

    /// The mount of this id. Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub(crate) fn by_id(&self, id: i64) -> Result<Option<Mount>, StoreError> {
        self.catalogue
            .read(|connection| mounts::by_id(connection, id))
    }

    pub(crate) fn create(&self, new: NewMount) -> Result<Mount, MountError> {
        if let Some(key) = &new.mount_key
            && !is_key(key)
        {
            return Err(MountError::Key(key.clone()));
        }
        let found = self.find_root(&new)?;
        let made = self.catalogue.write(move |tx| {
            let connection: &ReadTx<'_> = tx;
            if let Some(mount_key) = found.taken_by(&mounts::all(connection)?) {
                return Err(MountError::RootTaken {
                    field: found.field(),
                    at: found.shown,
                    mount_key,
                });
            }
            let mount_key = match new.mount_key {
                None => free_key(connection, &found.name)?,
                Some(key) if mounts::by_key(connection, &key)?.is_some() => {
                    return Err(MountError::KeyTaken(key));
                }
                Some(key) => key,
            };
            let mut made = Mount {
                id: 0,
                mount_key,
                backend_kind: found.kind,
                access_mode: new.access_mode,
                root_path: found.root_path,
                bucket: found.bucket,
                prefix: found.prefix,
                display_name: new.notes.display_name,
                description: new.notes.description,
                contact: new.notes.contact,
                labels: new.labels,
                state: new.state,
                state_reason: new.notes.state_reason,
                config: new.config,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            check_notes(&made)?;
            config::check(&made)?;
            let facts = found.facts;
            let cause = Cause {
                command: "createMount",
                ..Cause::default()
            };
            mounts::insert(tx, &cause, &mut made, facts)?;
            Ok(made)
        });
        self.changes.fetch_add(1, Ordering::Release);
        made
    }

    /// Looks at what is to be mounted; a bucket must answer.
    fn find_root(&self, new: &NewMount) -> Result<FoundRoot, MountError> {
        s3::refuse_secrets(&new.config)?;
        let (bucket, prefix) = match &new.at {
            NewAt::Directory(root) => {
                let (root, facts) = open_root(root)?;
                let root_path = spelled(&root);
                let name = root.file_name().map(OsStr::to_string_lossy);
                return Ok(FoundRoot {
                    kind: BackendKind::Local,
                    name: name.unwrap_or_default().into_owned(),
                    shown: root.display().to_string(),
                    root_path: Some(root_path),
                    bucket: None,
                    prefix: None,
                    base: None,
                    facts,
                });
            }
            NewAt::Bucket { bucket, prefix } => (bucket, prefix),
        };
        let settings = Settings::parse(bucket.as_deref(), prefix.as_deref(), &new.config)?;
        let (base, prefix) = (settings.base.clone(), settings.prefix.clone());
        let bucket = settings.bucket.clone();
        let opened = self.buckets.connect(settings)?;
        if new.state == MountState::Active {
            opened.probe()?;
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(FoundRoot {
            kind: BackendKind::S3,
            name: format!("{bucket}-{prefix}"),
            shown: format!("{bucket}/{prefix}"),
            root_path: None,
            bucket: Some(bucket),
            prefix: Some(prefix),
            base: Some(base),
            facts: s3::directory_facts(),
        })
    }

    pub(crate) fn update(&self, id: i64, patch: MountPatch) -> Result<Mount, MountError> {
        let changed = self.catalogue.write(move |tx| {
            let mut mount = mounts::by_id(tx, id)?.ok_or(MountError::NoMount(id))?;
            mount.access_mode = patch.access_mode.unwrap_or(mount.access_mode);
            mount.state = patch.state.unwrap_or(mount.state);
            if let Some(display_name) = patch.display_name {
                mount.display_name = display_name;
            }
            if let Some(description) = patch.description {
                mount.description = description;
            }
            if let Some(contact) = patch.contact {
                mount.contact = contact;
            }
            if let Some(state_reason) = patch.state_reason {
                mount.state_reason = state_reason;
            }
            if let Some(labels) = patch.labels {
                mount.labels = labels;
            }
            if let Some(config) = patch.config {
                mount.config = config;
                config::check(&mount)?;
            }
            check_notes(&mount)?;
            mounts::update(tx, &mut mount)?;
            Ok(mount)
        });
        self.changes.fetch_add(1, Ordering::Release);
        changed
    }
}

/// What is to be mounted.
struct FoundRoot {
    kind: BackendKind,
    /// What a key is made of.
    name: String,
    shown: String,
    root_path: Option<String>,
    bucket: Option<String>,
    prefix: Option<String>,
    /// The bucket's URL.
    base: Option<String>,
    facts: ::node::Facts,
}

impl FoundRoot {
    fn field(&self) -> &'static str {
        match self.kind {
            BackendKind::Local => "/rootPath",
            BackendKind::S3 => "/bucket",
        }
    }

    /// The key of the mount that has it already.
    fn taken_by(&self, mounts: &[Mount]) -> Option<String> {
        let is_it = |mount: &&Mount| match self.kind {
            BackendKind::Local => mount.root_path.is_some() && mount.root_path == self.root_path,
            BackendKind::S3 => {
                let (bucket, prefix) = (mount.bucket.as_deref(), mount.prefix.as_deref());
                let settings = Settings::parse(bucket, prefix, &mount.config).ok();
                mount.backend_kind == BackendKind::S3
                    && mount.prefix == self.prefix
                    && settings.map(|settings| settings.base) == self.base
            }
        };
        mounts
            .iter()
            .find(is_it)
            .map(|mount| mount.mount_key.clone())
    }
}

/// What people note is as long as AppHub's clients take it, and nothing is empty.
fn check_notes(mount: &Mount) -> Result<(), MountError> {
    let wrong = |field: &str, reason: String| MountError::Settings {
        field: format!("/{field}"),
        reason,
    };
    for (field, note, most) in [
        ("displayName", &mount.display_name, 128),
        ("description", &mount.description, 1_024),
        ("contact", &mount.contact, 256),
        ("stateReason", &mount.state_reason, 256),
    ] {
        if let Some(note) = note
            && !is_note(note, most)
        {
            return Err(wrong(field, format!("use 1 to {most} characters, or null")));
        }
    }
    if mount.labels.len() > LABELS {
        return Err(wrong("labels", format!("use at most {LABELS} labels")));
    }
    match mount.labels.iter().position(|label| !is_note(label, 64)) {
        Some(at) => Err(wrong(
            &format!("labels/{at}"),
            "use 1 to 64 characters".to_owned(),
        )),
        None => Ok(()),
    }
}

fn is_note(note: &str, most: usize) -> bool {
    !note.trim().is_empty() && note.chars().count() <= most
}

/// The root's one true path, and its facts.
fn open_root(path: &Path) -> Result<(PathBuf, ::node::Facts), MountError> {
    let failed = |source| MountError::Root {
        path: path.to_owned(),
        source,
    };
    let root = path.canonicalize().map_err(failed)?;
    if !root.metadata().map_err(failed)?.is_dir() {
        return Err(MountError::NotADirectory(path.to_owned()));
    }
    let refused = |error: backend::Error| failed(io::Error::other(error.reason));
    let disk = Disk::open(&root, "").map_err(refused)?;
    let facts = disk.facts("").map_err(refused)?;
    let facts = facts.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    Ok((root, facts))
}

fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The name as a key, with a number behind it if it is taken.
fn free_key(connection: &ReadTx<'_>, name: &str) -> Result<String, StoreError> {
    let key: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(KEY_BYTES - 8)
        .collect();
    let key = match key.trim_matches('-') {
        "" => "root",
        key => key,
    };
    let mut candidate = key.to_owned();
    let mut number = 1;
    while mounts::by_key(connection, &candidate)?.is_some() {
        number += 1;
        candidate = format!("{key}-{number}");
    }
    Ok(candidate)
}
