//! Commands: what people ask to be done to files.
//!
//! A command changes the disk and the catalogue, which no transaction spans. So it goes in steps,
//! and a crash between any two of them is made good when the store is opened next ([`recovery`]):
//!
//! 1. An upload is *staged*: streamed into a file without a name on the mount's filesystem, its
//!    digests computed on the way. A small one is held in memory until all of it has come. Nothing
//!    holds a lock meanwhile, and a crash leaves nothing.
//! 2. The *intent* is written, durably: what is about to be done to which names.
//! 3. The *file operation* itself: one rename, unlink or mkdir each, which is atomic, and synced. A
//!    recursive deletion renames the tree to a name of our own first, and removes it after the
//!    commit.
//! 4. One *transaction* with the changes of the nodes, their journal entries, the answer for a
//!    client that asks again, and the end of the intent ([`apply`]).
//!
//! In a bucket nothing is renamed, and between two filesystems neither. There a move copies, compares,
//! commits, and only then deletes the source, of which another intent tells ([`transfer`]).
//!
//! After a crash an intent that is still there is looked at against the disk. If its operation took
//! place, step 4 is done now, so that the client's retry with its key gets the answer; if not, it
//! is dropped, and the retry does the work. Directories that it had made on the way to its target
//! get their nodes.
//!
//! Commands are blocking and run to their end once they have begun, whether or not the client still
//! waits. Two commands on one path, or on a directory and something in it, never run at once
//! ([`locks`]); neither do two with one idempotency key. A scan may see what a command does before
//! it is committed: so step 4 looks at the rows as they then are, and finds the node that the scan
//! has made of the file.

mod apply;
mod copy;
mod error;
mod locks;
pub(crate) mod recovery;
mod request;
mod run;
mod transfer;
mod tree;

pub(crate) use error::CommandError;
pub(crate) use request::{
    Actor, CopyNode, CreateDirectory, DeleteNode, MoveNode, PatchMetadata, Received, Upload,
    UploadedContent,
};

use crate::open_mount::{OpenMount, Opener};
use crate::reconcile::Reconciler;
use crate::view::NodeView;
use ::node::NodePath;
use ::node::{Facts, Identity};
use catalogue::idempotency::Fingerprint;
use catalogue::mounts::AccessMode;
use catalogue::{Catalogue, Node, nodes};
use locks::Locks;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use transfer::Copied;

/// What a command came to.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// It was done before, for the same idempotency key; this is what was answered then.
    pub idempotent: bool,
    /// The command's last journal entry: wait for it to read your write in the other books.
    pub journal_entry_id: u64,
    /// The node it was about.
    pub node: Option<NodeView>,
    /// What else there is to say.
    #[schema(value_type = Object)]
    pub result: Map<String, Value>,
}

/// The steps of a command, told to [`OnStep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The intent is durable, and nothing is done yet.
    Intended,
    /// The directories on the way to a target are there, and nothing else is done yet.
    DirectoriesMade,
    /// One file of a copy that goes to a bucket is there.
    Copied,
    /// The files are changed, and nothing is committed yet.
    FilesChanged,
    /// It is committed, and not answered yet. If it is a move that was a copy, the source is still
    /// there.
    Committed,
}

/// Called at each step of each command: for tests that crash there.
pub type OnStep = Arc<dyn Fn(Step) + Send + Sync>;

/// What is about to be done, as the intent keeps it: all that step 4 needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intent {
    command: String,
    command_id: String,
    actor: Actor,
    fingerprint: Fingerprint,
    accepted_at_ms: i64,
    action: Action,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
enum Action {
    CreateDirectory {
        mount_id: i64,
        path: NodePath,
        metadata: Option<Map<String, Value>>,
    },
    Upload(Put),
    Delete {
        mount_id: i64,
        path: NodePath,
        node_id: i64,
        /// Where a tree was renamed to.
        trash: Option<String>,
        /// A directory in a bucket that is deleted with all in it, object by object.
        #[serde(default)]
        is_tree: bool,
    },
    Move {
        mount_id: i64,
        path: NodePath,
        node_id: i64,
        target_mount_id: i64,
        target_path: NodePath,
        identity: Identity,
        /// How it is done where it is no rename.
        #[serde(default)]
        transfer: Option<Transfer>,
        /// What then is copied, and so goes from the source.
        #[serde(default)]
        copied: Copied,
    },
    Copy {
        mount_id: i64,
        path: NodePath,
        target_mount_id: i64,
        target_path: NodePath,
        staged: String,
        identity: Identity,
        #[serde(default)]
        transfer: Option<Transfer>,
    },
    /// The source of a move that was a copy, and is committed, goes.
    Discard {
        mount_id: i64,
        path: NodePath,
        target_mount_id: i64,
        target_path: NodePath,
        #[serde(default)]
        copied: Copied,
    },
    PatchMetadata {
        node_id: i64,
        set: Map<String, Value>,
        unset: Vec<String>,
    },
}

impl Action {
    /// A move as its intent has it.
    fn move_of(ask: &MoveNode, node: &Node, identity: Identity) -> Self {
        Self::Move {
            mount_id: ask.mount_id,
            path: ask.path.clone(),
            node_id: node.id,
            target_mount_id: ask.target_mount_id,
            target_path: ask.target_path.clone(),
            identity,
            transfer: None,
            copied: Copied::default(),
        }
    }
}

/// Where a copy to another filesystem, or from or to a bucket, stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "phase")]
enum Transfer {
    /// It is whole, under a name of our own on the target's disk, and is to be renamed to its place.
    Staged { name: String },
    /// Objects are being put at their places.
    Sending {
        /// What the object is known by; the server's own copies are known by what stood there.
        token: Option<String>,
        /// What stood at the target.
        previous: Option<Identity>,
        is_tree: bool,
    },
    /// All of them are there.
    Sent,
}

/// An upload that is staged, and goes to its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    mount_id: i64,
    path: NodePath,
    /// Its name until then; in a bucket, what it is known by.
    staged: String,
    /// What it is then; an object's are known when it is there.
    facts: Option<Facts>,
    checksum: Option<String>,
    content_hash: String,
    metadata: Option<Map<String, Value>>,
}

/// The commands of one filestore.
pub(crate) struct Commands {
    catalogue: Arc<Catalogue>,
    locks: Locks,
    opener: Arc<Opener>,
    reconciler: Arc<Reconciler>,
    running: Arc<Running>,
    on_step: Option<OnStep>,
}

/// How many commands run just now.
#[derive(Debug, Default)]
pub(crate) struct Running(AtomicUsize);

impl Running {
    /// Whether any does.
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Counted<'r>(&'r AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.0);
        work()
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands")
            .field("opener", &self.opener)
            .finish_non_exhaustive()
    }
}

impl Commands {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        opener: Arc<Opener>,
        reconciler: Arc<Reconciler>,
        on_step: Option<OnStep>,
    ) -> Self {
        Self {
            catalogue,
            locks: Locks::default(),
            opener,
            reconciler,
            running: Arc::default(),
            on_step,
        }
    }

    /// How many run just now.
    pub(crate) fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running)
    }

    /// Does work in the name of a command. Where it meets a file that is not as its node says, that
    /// is journalled, and a job is queued that sets the node right.
    pub(crate) fn telling<T>(
        &self,
        command: &'static str,
        work: impl FnOnce() -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let done = work();
        if let Err(CommandError::Drift { mount_id, path }) = &done {
            self.reconciler.drifted(*mount_id, path, command);
        }
        done
    }

    /// The mount, if it takes commands that change files.
    fn writable(&self, mount_id: i64) -> Result<OpenMount, CommandError> {
        let place = self.opener.by_id(mount_id)?;
        match place.mount.access_mode {
            AccessMode::ReadWrite => Ok(place),
            AccessMode::ReadOnly => Err(CommandError::ReadOnly(place.mount.mount_key)),
        }
    }

    fn node_at(&self, mount_id: i64, path: &NodePath) -> Result<Option<Node>, CommandError> {
        Ok(self
            .catalogue
            .read(|connection| nodes::at(connection, mount_id, path.as_str()))?)
    }

    fn step(&self, step: Step) {
        if let Some(on_step) = &self.on_step {
            on_step(step);
        }
    }
}

/// The disk is not as the catalogue says.
fn drift(mount_id: i64, path: impl ToString) -> CommandError {
    let path = path.to_string();
    CommandError::Drift { mount_id, path }
}

/// Our own data directory is no place for commands.
fn refuse_own(place: &OpenMount, path: &NodePath) -> Result<(), CommandError> {
    if place.is_own(path) {
        return Err(CommandError::OwnData(path.to_string()));
    }
    Ok(())
}
