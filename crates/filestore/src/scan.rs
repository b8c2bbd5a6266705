//! The scan: the catalogue is made equal to what is on disk.
//!
//! ```text
//! walk ──listing──▶ compare ──differences──▶ scratch ──▶ match ──▶ write (transactions)
//!   (threads)      (per directory)          (on disk)  (moved?)
//! ```
//!
//! The walk tells each directory's listing, and it is compared at once, on the walk's threads, with
//! the nodes known in that directory ([`compare`]). An unchanged tree ends here: nothing is
//! written. Differences go to a scratch database on disk ([`scratch`]), since only after the whole
//! tree has been seen can a new name be told from a file that moved ([`matching`]); then they are
//! written in transactions of some thousands ([`write`]). Into a mount of which nothing is known
//! yet, they are written while the walk goes on.
//!
//! What follows from that:
//!
//! - Identity outlives the name. A file or directory that was renamed or moved behind Tidemark's
//!   back, swaps included, keeps its node; only identities that the filesystem gives are believed
//!   ([`crate::walk::Facts::is_same_file`] says when).
//! - If a moved file took the place of another one, it stays itself, and the other one is missing.
//!   A new file in the place of one that is nowhere else keeps the node: that is how editors save.
//! - A node that is gone is `missing`, never deleted, and comes back as itself: at its path, or
//!   wherever its identity is found.
//! - What cannot be seen is reported, and what is known of it stays as it is.
//! - A scan can be cut off anywhere and run again; memory does not grow with the tree.
//! - All entries of a scan carry one command id. It ends with `filestore.command.completed`, if
//!   anything changed.

mod compare;
mod job;
mod matching;
mod progress;
mod scratch;
#[cfg(test)]
mod tests;
mod visit;
mod write;

pub(crate) use job::Scans;
pub use job::{ScanJob, ScanJobStatus};
pub use progress::{ScanChanges, ScanCounts, ScanPhase, ScanProblem, ScanProgress, ScanReport};

use crate::store::mount::{BackendKind, Mount, MountState};
use crate::store::{Store, StoreError, WriteTx, node};
use crate::walk::{self, Facts, Identity, Tree};
use compare::Known;
use crossbeam_channel::Receiver;
use journal::{CommandCompleted, JournalId, NodeKind, Text};
use matching::Candidate;
use rusqlite::{Row, params};
use scratch::{Found, Scratch};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use visit::{Comparer, Difference, Lookup, NewIds, Unclear};
use write::{Step, Writing};

/// The command's name in the journal.
pub(crate) const COMMAND: &str = "scan";

/// Found names in one transaction while the walk goes on.
const FRESH_BATCH: usize = 5_000;

/// Messages between the walk and the one who writes, of at most some hundred differences each.
const CHANNEL: usize = 32;

/// How a scan is followed and stopped.
#[derive(Clone, Debug, Default)]
pub struct ScanOptions {
    /// Counts while the scan runs.
    pub progress: Arc<ScanProgress>,
    /// Stops the scan: what it has written stays.
    pub cancel: CancellationToken,
}

/// Why a scan ended early. What it had written stays, and is right; run it again.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It was told to stop.
    #[error("the scan was stopped")]
    Cancelled,
    /// There is no such mount.
    #[error("there is no mount {0}")]
    NoMount(i64),
    /// The mount's bytes are not on this machine.
    #[error("mount {0} is not local: only local mounts can be scanned")]
    NotLocal(i64),
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
        source: io::Error,
    },
    /// The catalogue cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The differences cannot be kept.
    #[error("the temporary database of the scan failed; is the temporary directory full?")]
    Scratch(#[from] rusqlite::Error),
    /// The scan has a defect.
    #[error("a thread of the scan panicked")]
    Panicked,
}

/// The directory a name stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A known node at its known place.
    Node(i64),
    /// A found directory, by the id it gets if it is new.
    Found(i64),
}

/// Scans a mount. Directories in `hidden` are treated as if they were not there.
pub(crate) fn run(
    store: &Store,
    mount: &Mount,
    hidden: &[PathBuf],
    options: &ScanOptions,
) -> Result<ScanReport, ScanError> {
    Scan::open(store, mount, hidden, options)?.run()
}

/// One run.
struct Scan<'s> {
    store: &'s Store,
    mount_id: i64,
    root_id: i64,
    /// Nothing but the root is known of the mount.
    is_fresh: bool,
    tree: Arc<Tree>,
    walk_options: walk::Options,
    options: &'s ScanOptions,
    started_at: journal::Time,
    started: Instant,
}

impl<'s> Scan<'s> {
    fn open(
        store: &'s Store,
        mount: &Mount,
        hidden: &[PathBuf],
        options: &'s ScanOptions,
    ) -> Result<Self, ScanError> {
        if mount.state != MountState::Active {
            return Err(ScanError::Inactive(mount.id));
        }
        let path = match (&mount.root_path, mount.backend_kind) {
            (Some(path), BackendKind::Local) => Path::new(path),
            _ => return Err(ScanError::NotLocal(mount.id)),
        };
        let tree = Tree::open(path).map_err(|source| ScanError::Root {
            path: path.to_owned(),
            source,
        })?;
        let (root_id, is_fresh) = store.read(|connection| {
            let root = node::root(connection, mount.id)?;
            let children = node::children(connection, root.id, None, 1)?;
            Ok::<_, StoreError>((root.id, children.is_empty()))
        })?;
        let crosses = mount
            .config
            .get("crossFilesystems")
            .and_then(serde_json::Value::as_bool);
        let hidden = hidden
            .iter()
            .filter_map(|path| tree.numbers_of(path))
            .collect();
        Ok(Self {
            store,
            mount_id: mount.id,
            root_id,
            is_fresh,
            tree: Arc::new(tree),
            walk_options: walk::Options {
                crosses_filesystems: crosses.unwrap_or(false),
                hidden,
                ..walk::Options::default()
            },
            options,
            started_at: store.clock().now(),
            started: Instant::now(),
        })
    }

    fn run(&self) -> Result<ScanReport, ScanError> {
        let scratch = Scratch::open()?;
        let (tree, progress) = (Arc::clone(&self.tree), Arc::clone(&self.options.progress));
        let writing = Writing::new(self.mount_id, scratch, tree, progress);
        let (writing, unclear) = self.walk(Box::new(writing))?;
        self.finish(writing, unclear)
    }

    /// What follows when the whole tree has been seen.
    fn finish(&self, mut writing: Box<Writing>, unclear: Unclear) -> Result<ScanReport, ScanError> {
        let expected = if self.is_fresh {
            0
        } else {
            writing.scratch.len()?
        };
        if expected > 0 {
            let progress = &self.options.progress;
            progress.expected.store(expected, Relaxed);
            progress.enter(ScanPhase::Matching);
            self.match_moved(&writing.scratch)?;
            progress.enter(ScanPhase::Writing);
            writing = self.write_all(writing, Writing::write_changed)?;
            writing = self.write_all(writing, Writing::write_found)?;
            writing = self.write_all(writing, Writing::write_lost)?;
        }
        self.complete(writing, unclear)
    }

    /// Goes over the tree; differences are taken down, or, in a fresh mount, written.
    fn walk(&self, writing: Box<Writing>) -> Result<(Box<Writing>, Unclear), ScanError> {
        let (sender, receiver) = crossbeam_channel::bounded(CHANNEL);
        let threads = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .clamp(2, 8);
        let comparer = || {
            Ok::<_, ScanError>(Comparer {
                lookup: if self.is_fresh {
                    None
                } else {
                    Some(self.lookup()?)
                },
                new_ids: self.new_ids(),
                progress: Arc::clone(&self.options.progress),
                cancel: self.options.cancel.clone(),
                sender: sender.clone(),
                unclear: Unclear::default(),
            })
        };
        let comparers = (0..threads)
            .map(|_| comparer())
            .collect::<Result<Vec<_>, _>>()?;
        drop(sender);
        std::thread::scope(|scope| {
            let walker = scope.spawn(|| {
                let root = Place::Node(self.root_id);
                let comparers = walk::walk(&self.tree, &self.walk_options, root, comparers)?;
                let mut unclear = Unclear::default();
                comparers
                    .into_iter()
                    .for_each(|comparer| unclear.merge(comparer.unclear));
                Ok::<_, ScanError>(unclear)
            });
            let taken = self.take_down(receiver, writing);
            let walked = walker.join().unwrap_or(Err(ScanError::Panicked));
            // If taking down failed, the walk only tells that nobody listened any more.
            let writing = taken?;
            Ok((writing, walked?))
        })
    }

    fn take_down(
        &self,
        receiver: Receiver<Difference>,
        mut writing: Box<Writing>,
    ) -> Result<Box<Writing>, ScanError> {
        let mut fresh = Vec::new();
        for difference in receiver {
            match difference {
                Difference::Found(mut found) if self.is_fresh => {
                    fresh.append(&mut found);
                    if fresh.len() >= FRESH_BATCH {
                        writing = self.write_fresh(writing, std::mem::take(&mut fresh))?;
                    }
                }
                Difference::Found(found) => {
                    found
                        .iter()
                        .try_for_each(|found| writing.scratch.add_found(found))?;
                }
                Difference::Changed(changed) => {
                    changed
                        .iter()
                        .try_for_each(|changed| writing.scratch.add_changed(changed))?;
                }
                Difference::Lost(lost) => {
                    lost.iter()
                        .try_for_each(|node| writing.scratch.add_lost(*node, false))?;
                }
            }
        }
        if fresh.is_empty() {
            Ok(writing)
        } else {
            self.write_fresh(writing, fresh)
        }
    }

    fn match_moved(&self, scratch: &Scratch) -> Result<(), ScanError> {
        let reader = self.store.open_reader()?;
        let candidates = |found: &Found, parent: Option<i64>| {
            let identity = found.facts.identity;
            let mut statement = reader.prepare_cached(include_str!("scan/candidates.sql"))?;
            let candidates = statement.query_map(
                params![
                    self.mount_id,
                    identity.ino,
                    identity.dev,
                    identity.born_ns,
                    found.path,
                    parent,
                    found.name
                ],
                |row| {
                    Ok(Candidate {
                        id: row.get(0)?,
                        path: row.get(1)?,
                        facts: facts(row, 2)?,
                    })
                },
            )?;
            Ok(candidates.collect::<Result<_, _>>()?)
        };
        let is_cancelled = || self.options.cancel.is_cancelled();
        let mut candidates =
            |found: &Found, parent| candidates(found, parent).map_err(|e: StoreError| e.into());
        matching::recognise(scratch, &self.tree, &mut candidates, &is_cancelled)
    }

    fn write_fresh(
        &self,
        writing: Box<Writing>,
        found: Vec<Found>,
    ) -> Result<Box<Writing>, ScanError> {
        let (writing, ()) =
            self.write(writing, move |writing, tx| writing.write_fresh(tx, &found))?;
        Ok(writing)
    }

    fn write_all(
        &self,
        mut writing: Box<Writing>,
        step: fn(&mut Writing, &mut WriteTx<'_>) -> Result<Step, ScanError>,
    ) -> Result<Box<Writing>, ScanError> {
        loop {
            if self.options.cancel.is_cancelled() {
                return Err(ScanError::Cancelled);
            }
            let (back, done) = self.write(writing, step)?;
            writing = back;
            if done == Step::Done {
                return Ok(writing);
            }
        }
    }

    /// Runs one transaction; what it needs goes to the writer's thread and comes back.
    fn write<T: Send + 'static>(
        &self,
        mut writing: Box<Writing>,
        job: impl FnOnce(&mut Writing, &mut WriteTx<'_>) -> Result<T, ScanError> + Send + 'static,
    ) -> Result<(Box<Writing>, T), ScanError> {
        self.store.write_blocking(move |tx| {
            let result = job(&mut writing, tx)?;
            Ok((writing, result))
        })
    }

    fn complete(&self, writing: Box<Writing>, unclear: Unclear) -> Result<ScanReport, ScanError> {
        let counts = self.options.progress.counts();
        let mut report = ScanReport {
            mount_id: self.mount_id,
            command_id: None,
            journal_id: None,
            directories: counts.directories,
            files: counts.files,
            bytes: counts.bytes,
            changes: writing.changes,
            problem_count: unclear.problem_count,
            problems: unclear.problems,
            gone: unclear.gone,
            started_at: self.started_at,
            duration_ms: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX),
        };
        if report.changes.total() > 0 {
            let told = report.clone();
            let command_id = writing.command_id.clone();
            let complete = move |tx: &mut WriteTx<'_>| append_completed(tx, &command_id, &told);
            report.journal_id = Some(self.store.write_blocking(complete)?);
            report.command_id = Some(writing.command_id);
        }
        self.options.progress.enter(ScanPhase::Done);
        Ok(report)
    }

    fn lookup(&self) -> Result<Lookup, ScanError> {
        let reader = self.store.open_reader()?;
        let read = move |directory: i64| -> Result<Vec<Known>, StoreError> {
            let mut statement = reader.prepare_cached(include_str!("scan/known.sql"))?;
            let known = statement.query_map([directory], |row| {
                Ok(Known {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    version: row.get(2)?,
                    is_active: row.get(3)?,
                    facts: facts(row, 4)?,
                })
            })?;
            Ok(known.collect::<Result<_, _>>()?)
        };
        Ok(Box::new(move |directory| Ok(read(directory)?)))
    }

    fn new_ids(&self) -> NewIds<'s> {
        let store = self.store;
        Box::new(move |count| store.allocate_node_ids(count).start)
    }
}

/// The facts in the seven columns of a row from `first` on.
fn facts(row: &Row<'_>, first: usize) -> rusqlite::Result<Facts> {
    let is_directory: bool = row.get(first)?;
    Ok(Facts {
        kind: if is_directory {
            NodeKind::Directory
        } else {
            NodeKind::File
        },
        is_symlink: row.get(first + 1)?,
        size_bytes: row.get(first + 2)?,
        modified_ns: row.get(first + 3)?,
        identity: Identity {
            dev: row.get(first + 4)?,
            ino: row.get(first + 5)?,
            born_ns: row.get(first + 6)?,
        },
    })
}

fn append_completed(
    tx: &mut WriteTx<'_>,
    command_id: &str,
    report: &ScanReport,
) -> Result<JournalId, ScanError> {
    let result = serde_json::value::to_raw_value(&report.changes).map_err(StoreError::from)?;
    let id = tx.append(CommandCompleted {
        journal_id: JournalId::ZERO,
        command: Text::from(COMMAND),
        backend_mount_id: report.mount_id,
        node_id: None,
        path: Text::from(""),
        idempotency_key: None,
        principal: None,
        result: &result,
        observed_at: tx.now(),
        command_id: Some(Text::from(command_id)),
        duration_ms: report.duration_ms,
        nodes_changed: i64::try_from(report.changes.total()).unwrap_or(i64::MAX),
    })?;
    Ok(id)
}
