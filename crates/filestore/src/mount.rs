//! Mounts: made, found, changed.

use crate::Filestore;
use crate::hashing::Policy;
use crate::s3::{self, S3Error, Settings, SettingsError};
use crate::store::mount::{self, AccessMode, BackendKind, Mount, MountState};
use crate::store::{Cause, StoreError};
use crate::walk::Tree;
use crate::{name, store};
use rusqlite::Connection;
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
    Store(#[from] StoreError),
}

impl From<SettingsError> for MountError {
    fn from(SettingsError { field, reason }: SettingsError) -> Self {
        Self::Settings { field, reason }
    }
}

impl From<S3Error> for MountError {
    fn from(error: S3Error) -> Self {
        let reason = format!("{error}: {}", error.refusal);
        Self::Bucket(reason, Box::new(error))
    }
}

/// How a mount's root is spelled in the catalogue.
pub(crate) fn spelled(path: &Path) -> String {
    name::from_bytes(path.as_os_str().as_bytes())
}

/// The path behind that spelling.
pub(crate) fn os_path(spelling: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&name::to_bytes(spelling)))
}

impl Filestore {
    /// The local mount with this root, made if there is none. Its key is derived from the
    /// directory's name. Blocks.
    ///
    /// # Errors
    /// The root is no directory that can be opened, or the catalogue cannot be written.
    pub fn ensure_local_mount(&self, root: &Path) -> Result<Mount, MountError> {
        let (root, _) = open_root(root)?;
        let known = self
            .store
            .read(|connection| mount::by_root(connection, &spelled(&root)))?;
        match known {
            Some(mount) => Ok(mount),
            None => self.create_mount(NewMount {
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
    pub fn mounts(&self) -> Result<Vec<Mount>, StoreError> {
        self.store.read(mount::all)
    }

    /// The mount of this id. Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn mount(&self, id: i64) -> Result<Option<Mount>, StoreError> {
        self.store.read(|connection| mount::by_id(connection, id))
    }

    pub(crate) fn create_mount(&self, new: NewMount) -> Result<Mount, MountError> {
        Policy::parse(&new.config)?;
        if let Some(key) = &new.mount_key
            && !is_key(key)
        {
            return Err(MountError::Key(key.clone()));
        }
        let found = self.find_root(&new)?;
        let made = self.store.write_blocking(move |tx| {
            let connection = tx.connection();
            if let Some(mount_key) = found.taken_by(&mount::all(connection)?) {
                return Err(MountError::RootTaken {
                    field: found.field(),
                    at: found.shown,
                    mount_key,
                });
            }
            let mount_key = match new.mount_key {
                None => free_key(connection, &found.name)?,
                Some(key) if mount::by_key(connection, &key)?.is_some() => {
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
            let facts = found.facts;
            let cause = Cause {
                command: "createMount",
                ..Cause::default()
            };
            mount::insert(tx, &cause, &mut made, facts)?;
            Ok(made)
        });
        self.hashing.mounts_changed();
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
        let unreachable = |refusal| S3Error {
            what: "open",
            path: String::new(),
            bucket: bucket.clone(),
            refusal,
        };
        let opened = self.buckets.connect(settings).map_err(unreachable)?;
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

    pub(crate) fn update_mount(&self, id: i64, patch: MountPatch) -> Result<Mount, MountError> {
        let changed = self.store.write_blocking(move |tx| {
            let mut mount =
                store::mount::by_id(tx.connection(), id)?.ok_or(MountError::NoMount(id))?;
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
                s3::refuse_secrets(&config)?;
                Policy::parse(&config)?;
                mount.config = config;
            }
            if mount.backend_kind == BackendKind::S3 {
                let (bucket, prefix) = (mount.bucket.as_deref(), mount.prefix.as_deref());
                Settings::parse(bucket, prefix, &mount.config)?;
            }
            check_notes(&mount)?;
            store::mount::update(tx, &mut mount)?;
            Ok(mount)
        });
        self.hashing.mounts_changed();
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
    facts: crate::walk::Facts,
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
fn open_root(path: &Path) -> Result<(PathBuf, crate::walk::Facts), MountError> {
    let failed = |source| MountError::Root {
        path: path.to_owned(),
        source,
    };
    let root = path.canonicalize().map_err(failed)?;
    if !root.metadata().map_err(failed)?.is_dir() {
        return Err(MountError::NotADirectory(path.to_owned()));
    }
    let tree = Tree::open(&root).map_err(failed)?;
    let facts = tree.facts("").map_err(|errno| failed(errno.into()))?;
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
fn free_key(connection: &Connection, name: &str) -> Result<String, StoreError> {
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
    while mount::by_key(connection, &candidate)?.is_some() {
        number += 1;
        candidate = format!("{key}-{number}");
    }
    Ok(candidate)
}
