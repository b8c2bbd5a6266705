//! A mount in an S3 bucket: the objects whose keys begin with the mount's prefix.
//!
//! `object_store` signs, retries, uploads in parts, downloads, copies and finds the credentials.
//! Its type for keys, though, cannot name a directory's marker (`dir/`), and its listings fail as a
//! whole on one key that it cannot name (`a//b`). So listings, markers and deletions are requests
//! of our own ([`list`], [`delete`]), signed by its signer.
//!
//! - **Directories** are prefixes. One that holds nothing is kept by an object of no bytes with
//!   the key `dir/`. Commands make such a marker where a directory would vanish with its last child,
//!   and never else.
//! - **Where `a` and `a/b` are both objects**, the directory is the node, and `a` cannot be seen.
//! - **Identity** is what S3 tells: the `ETag`, the size and the time of last modification, which
//!   S3 gives in seconds. A rename is a copy and a deletion there, so that is how it looks.
//! - **Names** must be such that key and path give each other back ([`key`]). A key that is not so
//!   is reported by a scan, and left alone.
//! - An object is there whole or not at all; several objects are not. So what a command does to a
//!   tree is made good after a crash by the commands.
//!
//! Requests run on a runtime of their own ([`Buckets`]); the functions here block, and are called
//! from the threads of commands and scans.

mod backend;
mod cache;
mod client;
mod config;
mod credentials;
mod delete;
mod error;
mod key;
mod list;
mod objects;
mod registry;
mod tags;
mod tree;

pub use cache::ListingCache;
pub use config::{CONFIG_FIELDS, Settings, SettingsError, refuse_secrets};
pub use key::KeyError;
pub use registry::Buckets;

use crate::{Error, Operation};
use error::Refusal;
use journal::NodeKind;
use node::{Facts, Identity, Moment, ObjectFacts, ObjectOwner, StorageClass, USUAL_CLASS};
use object_store::aws::AmazonS3;
use object_store::client::HttpClient;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// What stands in for the device in the identity of an object: no disk has this number.
const DEVICE: i64 = node::OBJECT_DEVICE;

/// How long one request may take, all its attempts together.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open bucket.
#[derive(Debug)]
pub struct Bucket {
    store: AmazonS3,
    http: HttpClient,
    settings: Settings,
    runtime: Handle,
    /// What parts that are under way hold in memory, in MiB.
    held: Arc<Semaphore>,
    /// Whose the objects are that are put here, once a listing has told it.
    owner: OnceLock<ObjectOwner>,
}

/// An object as a listing or a HEAD tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was put, in seconds since 1970.
    pub modified_seconds: i64,
    /// With its quotes.
    pub etag: String,
    /// Its class; `None` where only a listing tells it.
    pub storage_class: Option<StorageClass>,
    /// Whose it is; `None` where only a listing tells it.
    pub owner: Option<ObjectOwner>,
    /// What stands for its tags; `None` where nobody has asked.
    pub tags: Option<i64>,
}

impl Object {
    /// What a walk tells of it.
    pub fn facts(&self) -> Facts {
        let modified = Moment::new(self.modified_seconds, 0);
        let [a, b, c, d, e, f, g, h, ..] =
            *blake3::hash(self.etag.trim_matches('"').as_bytes()).as_bytes();
        Facts {
            kind: NodeKind::File,
            is_symlink: false,
            size_bytes: i64::try_from(self.size_bytes).unwrap_or(i64::MAX),
            modified_ns: Some(modified),
            changed_ns: None,
            identity: Identity {
                dev: DEVICE,
                ino: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
                born_ns: Some(modified),
            },
            inode: None,
            object: ObjectFacts {
                storage_class: self.storage_class,
                owner: self.owner,
                tags: self.tags,
            },
        }
    }

    /// The same of an object that was put just now: without a class being named, S3 gives it this one.
    #[must_use]
    pub fn facts_when_put(&self) -> Facts {
        let facts = self.facts();
        let usual = || StorageClass::named(USUAL_CLASS);
        Facts {
            object: ObjectFacts {
                storage_class: self.storage_class.or_else(usual),
                ..facts.object
            },
            ..facts
        }
    }
}

/// The facts of every directory: it is nothing but its name.
pub const fn directory_facts() -> Facts {
    Facts {
        kind: NodeKind::Directory,
        is_symlink: false,
        size_bytes: 0,
        modified_ns: None,
        changed_ns: None,
        identity: Identity {
            dev: DEVICE,
            ino: 0,
            born_ns: None,
        },
        inode: None,
        object: ObjectFacts::NONE,
    }
}

/// What it is when the bucket refuses.
fn failed(bucket: &str, operation: Operation, path: &str) -> impl FnOnce(Refusal) -> Error {
    let (bucket, path) = (bucket.to_owned(), path.to_owned());
    move |refusal| {
        let (reason, source) = refusal.told();
        Error {
            operation,
            path,
            bucket: Some(bucket),
            reason,
            source,
        }
    }
}

impl Bucket {
    /// Waits for a request.
    fn wait<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }

    /// The key of a path; the mount's prefix for its root.
    fn key(&self, path: &str) -> Result<String, Error> {
        key::of_path(&self.settings.prefix, path)
            .map_err(|reason| self.failed(Operation::Name, path)(Refusal::Key(reason)))
    }

    /// What the keys of all that is below a directory begin with.
    fn below(&self, path: &str) -> Result<String, Error> {
        if path.is_empty() {
            return Ok(self.settings.prefix.clone());
        }
        Ok(format!("{}/", self.key(path)?))
    }

    fn failed(&self, operation: Operation, path: &str) -> impl FnOnce(Refusal) -> Error {
        failed(&self.settings.bucket, operation, path)
    }

    /// Whether objects can be copied from one to the other by the server.
    pub fn is_same_bucket(&self, other: &Self) -> bool {
        self.settings.base == other.settings.base
    }
}
