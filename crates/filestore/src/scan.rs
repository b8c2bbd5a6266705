//! The scan: the catalogue is made equal to what is on disk.
//!
//! ```text
//! walk ──listing──▶ compare ──differences──▶ scratch ──▶ match ──▶ write (transactions)
//!   (threads)      (per directory)          (on disk)  (moved?)
//! ```
//!
//! The walk tells each directory's listing, and it is compared at once, on the walk's threads, with
//! the nodes known in that directory ([`compare`]). An unchanged tree ends here: nothing is
//! written. Differences go to a scratch database on disk ([`catalogue::scratch`]), since only after the whole
//! tree has been seen can a new name be told from a file that moved ([`matching`]); then they are
//! written in transactions of some thousands ([`mod@write`]). Into a mount of which nothing is known
//! yet, they are written while the walk goes on.
//!
//! What follows from that:
//!
//! - Identity outlives the name. A file or directory that was renamed or moved behind Tidemark's
//!   back, swaps included, keeps its node; only identities that the filesystem gives are believed
//!   ([`::node::Facts::is_same_file`] says when).
//! - If a moved file took the place of another one, it stays itself, and the other one is missing.
//!   A new file in the place of one that is nowhere else keeps the node: that is how editors save.
//! - A node that is gone is `missing`, never deleted, and comes back as itself: at its path, or
//!   wherever its identity is found.
//! - If the file whose node a new one took over is found after all, in whichever scan, it gets its
//!   node back ([`former`]).
//! - What cannot be seen is reported, and what is known of it stays as it is.
//! - A root that is another directory than the one the nodes were found in is refused until
//!   somebody says that it is meant: most likely a disk is not mounted, and its empty mount point
//!   would make every node missing.
//! - A scan of parts (some names, some directories) is the same, begun at those places: so a rename
//!   is recognised if one of its two ends was looked at, since the other is asked about. What is
//!   below a directory that is new or came from elsewhere is always looked at.
//! - What a command that is not committed yet explains is left to the command.
//! - A scan that finds what is known to differ journals one `filestore.drift.detected` before the
//!   first change, and then the change of each node: never one drift a file, and none for a mount
//!   of which nothing was known.
//! - A scan can be cut off anywhere and run again. Memory does not grow with the tree. Of one
//!   directory at a time all names and facts are held, and no paths.
//! - All entries of a scan carry one command id. It ends with `filestore.command.completed`, if
//!   anything changed.

mod batch;
mod compare;
mod drift;
mod error;
mod former;
mod job;
mod matching;
mod metrics;
mod progress;
mod renames;
mod start;
mod starts;
mod task;
#[cfg(test)]
mod tests;
mod texts;
mod unfinished;
mod visit;
mod write;

pub use error::ScanError;
pub use job::{ScanJob, ScanJobStatus};
pub use progress::{ScanChanges, ScanCounts, ScanPhase, ScanProblem, ScanProgress, ScanReport};
pub(crate) use renames::Rename;
pub(crate) use start::{Entrances, Scanner};
pub(crate) use task::{Leftover, Part, Scope, Task};

use crate::mount::config::walk_options;
use crate::open_mount::root_of;
use ::node::{Facts, LongFact, Root};
use backend::Backend;
use backend::walk;
use batch::Batch;
use catalogue::Lookup;
use catalogue::mounts::{self, BackendKind, Mount, MountState};
use catalogue::scratch::{Changed, ParentRef, Scratch};
use catalogue::{Catalogue, StoreError, WriteTx, nodes};
use crossbeam_channel::Receiver;
use journal::{CommandCompleted, JournalId, Text};
use renames::Renames;
use starts::{Seen, Starts};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use texts::Texts;
use tokio_util::sync::CancellationToken;
use visit::{Comparer, Difference, NewIds, Unclear};
use write::{FirstScan, Step, Telling, Writing};

/// The command's name in the journal.
pub(crate) const COMMAND: &str = "scan";

/// Messages between the walk and the one who writes. Each is bounded ([`visit`]).
const CHANNEL: usize = 32;

/// How a scan is followed and stopped.
#[derive(Clone, Debug, Default)]
pub struct ScanOptions {
    /// Counts while the scan runs.
    pub progress: Arc<ScanProgress>,
    /// Stops the scan: what it has written stays.
    pub cancel: CancellationToken,
    /// The mount's root may be another directory than before ([`ScanError::OtherRoot`]).
    pub accept_root: bool,
}

fn check(mount: &Mount) -> Result<(), ScanError> {
    match mount.state {
        MountState::Active => Ok(()),
        MountState::Inactive => Err(ScanError::Inactive(mount.id)),
    }
}

/// Whether a mount can be watched at all: a bucket cannot.
pub(crate) fn is_watchable(mount: &Mount) -> bool {
    is_scannable(mount) && mount.backend_kind == BackendKind::Local
}

/// Whether a mount can be scanned at all.
pub(crate) fn is_scannable(mount: &Mount) -> bool {
    check(mount).is_ok()
}

/// Scans a mount. Directories in `hidden` are treated as if they were not there.
#[cfg(test)]
pub(crate) fn run(
    catalogue: &Catalogue,
    mount: &Mount,
    hidden: &[PathBuf],
    options: &ScanOptions,
) -> Result<ScanReport, ScanError> {
    let (report, _) = Scan::open(catalogue, mount, hidden, options)?.run()?;
    Ok(report)
}

/// One run.
struct Scan<'s> {
    catalogue: &'s Catalogue,
    task: Task,
    mount_id: i64,
    root_id: i64,
    /// The root, where the catalogue knows it otherwise or not at all.
    new_root: Option<Root>,
    /// Nothing but the root is known of the mount.
    is_fresh: bool,
    backend: Arc<dyn Backend>,
    walk_options: walk::Options,
    renames: Arc<Renames>,
    texts: Arc<Texts>,
    options: &'s ScanOptions,
    started_at: journal::Time,
    started: Instant,
}

impl<'s> Scan<'s> {
    #[cfg(test)]
    fn open(
        catalogue: &'s Catalogue,
        mount: &Mount,
        hidden: &[PathBuf],
        options: &'s ScanOptions,
    ) -> Result<Self, ScanError> {
        check(mount)?;
        let opened = crate::open_mount::location(mount).and_then(|location| match location {
            backend::Location::Directory(root) => {
                backend::Disk::open(&root, "test").map(|disk| Arc::new(disk) as Arc<dyn Backend>)
            }
            backend::Location::Bucket(settings) => {
                let bucket = backend::Buckets::default().bucket(mount.id, settings);
                bucket.map(|bucket| bucket as Arc<dyn Backend>)
            }
        });
        let backend = opened.map_err(|error| ScanError::unopened(mount, error.into()))?;
        Self::of(catalogue, mount, backend, hidden, options)
    }

    fn of(
        catalogue: &'s Catalogue,
        mount: &Mount,
        backend: Arc<dyn Backend>,
        hidden: &[PathBuf],
        options: &'s ScanOptions,
    ) -> Result<Self, ScanError> {
        let (root, known, is_fresh) = catalogue.read(|tx| {
            let root = nodes::root(tx, mount.id)?;
            let known = Root {
                identity: root.facts.identity,
                volume: mounts::volume(tx, mount.id)?,
            };
            let children = nodes::children(tx, root.id, None, 1)?;
            Ok::<_, StoreError>((root, known, children.is_empty()))
        })?;
        let new_root = backend.root().ok().filter(|new| *new != known);
        let is_other = new_root.is_some_and(|new| new.is_another_than(&known));
        if is_other && !is_fresh && !options.accept_root {
            return Err(ScanError::OtherRoot(root_of(mount)));
        }
        let hidden = hidden.iter().filter_map(|path| backend.numbers_of(path));
        Ok(Self {
            catalogue,
            task: Task::asked(),
            mount_id: mount.id,
            root_id: root.id,
            new_root,
            is_fresh,
            walk_options: walk::Options {
                hidden: hidden.collect(),
                ..walk_options(&mount.config)
            },
            renames: Arc::default(),
            texts: Arc::default(),
            backend,
            options,
            started_at: catalogue.clock().now(),
            started: Instant::now(),
        })
    }

    fn run(&self) -> Result<(ScanReport, Leftover), ScanError> {
        let (mut scope, mut given_back) = (self.task.scope.clone(), HashSet::new());
        loop {
            let scratch = Scratch::open()?;
            let writing = self.writing(scratch);
            let (mut writing, seen) = self.walk(Box::new(writing), &scope)?;
            let nodes = self.give_back(&writing.scratch)?;
            if nodes.is_empty() {
                writing.given_back = given_back;
                return self.finish(writing, seen);
            }
            scope.add(&nodes);
            given_back.extend(nodes.iter().map(|node| node.id));
            self.options.progress.start_over();
            if let Some(entrance) = &self.walk_options.entrance {
                entrance.start_over();
            }
        }
    }

    fn writing(&self, scratch: Scratch) -> Writing {
        let backend = Arc::clone(&self.backend);
        let progress = Arc::clone(&self.options.progress);
        let texts = Arc::clone(&self.texts);
        let sources = (Arc::clone(&backend), texts);
        let telling = Telling::new(self.mount_id, &self.task, sources, progress);
        Writing::new(&self.task, telling, scratch, backend)
    }

    /// What follows when all has been seen.
    fn finish(
        &self,
        mut writing: Box<Writing>,
        seen: Seen,
    ) -> Result<(ScanReport, Leftover), ScanError> {
        let expected = if self.is_fresh {
            0
        } else {
            writing.is_unfinished = self.resume(&writing.scratch)?;
            self.look_at_root(&writing.scratch)?;
            writing.scratch.differences()?
        };
        if expected > 0 {
            let progress = &self.options.progress;
            progress.expected.store(expected, Relaxed);
            progress.enter(ScanPhase::Matching);
            if !self.match_moved(&writing.scratch)? {
                // What an earlier scan left is left to the next one, too.
                writing.is_unfinished = false;
                let (report, mut leftover) = self.complete(writing, seen)?;
                leftover.is_undecided = true;
                return Ok((report, leftover));
            }
            let reads = writing.scratch.reads()?;
            writing.telling.drift = Some(self.drift(&writing.scratch, expected, reads)?);
            progress.enter(ScanPhase::Writing);
            writing = self.write_all(writing, Writing::write_changed)?;
            writing = self.write_all(writing, Writing::write_found)?;
            writing = self.write_all(writing, Writing::write_lost)?;
        }
        if let (Some(root), true) = (self.new_root, self.task.is_whole()) {
            let (root_id, mount_id) = (self.root_id, self.mount_id);
            self.catalogue.write(move |tx| {
                if let Some(volume) = root.volume {
                    tx.learn_volume(mount_id, volume)?;
                }
                tx.learn_identity(root_id, root.identity)
            })?;
        }
        if writing.scratch.has_agreeing()? {
            writing = self.write_all(writing, Writing::write_agreeing)?;
        }
        self.forget_formers()?;
        self.complete(writing, seen)
    }

    /// The root stands in no listing: a whole scan asks for what it is by itself.
    fn look_at_root(&self, scratch: &Scratch) -> Result<(), ScanError> {
        if !self.task.is_whole() {
            return Ok(());
        }
        let root = self.catalogue.read(|tx| nodes::root(tx, self.mount_id))?;
        let mut now = self.backend.facts("").ok().flatten();
        if self.walk_options.asks_attributes
            && let Some(facts) = &mut now
        {
            let attributes = self.backend.text(LongFact::Attributes, "").ok().flatten();
            let number = attributes.map(|attributes| attributes.number);
            facts.set_long(LongFact::Attributes, number);
        }
        let Some(facts) = now.filter(|now| now.is_told_after(&root.facts)) else {
            return Ok(());
        };
        // Which directory it is has been asked for already.
        let facts = Facts {
            identity: root.facts.identity,
            ..facts
        };
        let (node, version) = (root.id, root.version);
        scratch.add_changed(&Changed {
            node,
            version,
            facts,
            is_only_read: false,
        })?;
        Ok(())
    }

    /// Goes over the tree; differences are taken down, or, in a fresh mount, written.
    fn walk(
        &self,
        writing: Box<Writing>,
        begins: &Scope,
    ) -> Result<(Box<Writing>, Seen), ScanError> {
        let (sender, receiver) = crossbeam_channel::bounded(CHANNEL);
        let threads = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .clamp(2, 8);
        // What changes here and there is mostly a name or two.
        let threads = if self.task.is_deep { threads } else { 1 };
        let comparer = || {
            Ok::<_, ScanError>(Comparer {
                lookup: if self.is_fresh {
                    None
                } else {
                    Some(Lookup::open(self.catalogue, self.mount_id)?)
                },
                new_ids: self.new_ids(),
                is_deep: self.task.is_deep,
                tells_accesses: self.task.is_whole(),
                texts: Arc::clone(&self.texts),
                entrance: self.walk_options.entrance.clone(),
                renames: Arc::clone(&self.renames),
                progress: Arc::clone(&self.options.progress),
                cancel: self.options.cancel.clone(),
                sender: sender.clone(),
                unclear: Unclear::default(),
            })
        };
        let mut comparers = (0..threads)
            .map(|_| comparer())
            .collect::<Result<Vec<_>, _>>()?;
        drop(sender);
        std::thread::scope(|scope| {
            let walker = scope.spawn(|| {
                let mut seen = Seen::default();
                let starts = match begins {
                    Scope::Mount => vec![walk::Start {
                        path: String::new(),
                        identity: None,
                        context: ParentRef::Node(self.root_id),
                    }],
                    Scope::Parts(parts) => match comparers.first_mut() {
                        Some(comparer) => {
                            let mut starts =
                                Starts::new(&*self.backend, &self.walk_options, comparer);
                            parts.iter().try_for_each(|part| starts.add(part))?;
                            let (starts, unknown) = starts.finish()?;
                            seen.unknown = unknown;
                            starts
                        }
                        None => Vec::new(),
                    },
                };
                let comparers =
                    walk::walk_from(&*self.backend, &self.walk_options, starts, comparers)?;
                comparers
                    .into_iter()
                    .for_each(|comparer| seen.unclear.merge(comparer.unclear));
                Ok::<_, ScanError>(seen)
            });
            let taken = if self.is_fresh {
                self.write_found(receiver, writing)
            } else {
                Self::take_down(receiver, writing)
            };
            let walked = walker.join().unwrap_or(Err(ScanError::Panicked));
            // If taking down failed, the walk only tells that nobody listened any more.
            let writing = taken?;
            Ok((writing, walked?))
        })
    }

    /// Takes the differences down until the whole tree has been seen.
    fn take_down(
        receiver: Receiver<Difference>,
        writing: Box<Writing>,
    ) -> Result<Box<Writing>, ScanError> {
        let scratch = &writing.scratch;
        for difference in receiver {
            match difference {
                Difference::Found(found) => {
                    found
                        .iter()
                        .try_for_each(|found| scratch.add_found(found))?;
                }
                Difference::Changed(changed) => {
                    changed
                        .iter()
                        .try_for_each(|changed| scratch.add_changed(changed))?;
                }
                Difference::Lost(lost) => {
                    lost.iter()
                        .try_for_each(|node| scratch.add_lost(*node, false))?;
                }
                Difference::Agreeing(agreeing) => scratch.add_agreeing(&agreeing)?,
                // That is told in a fresh mount only.
                Difference::Listed(..) => {}
            }
        }
        Ok(writing)
    }

    /// Writes what is found in a fresh mount. One batch is gathered while another one is written,
    /// so neither the walk nor the writer waits for the other.
    fn write_found(
        &self,
        receiver: Receiver<Difference>,
        writing: Box<Writing>,
    ) -> Result<Box<Writing>, ScanError> {
        let (sender, batches) = crossbeam_channel::bounded::<Vec<FirstScan>>(0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let mut batches = batches.into_iter();
                batches.try_fold(writing, |writing, fresh| self.write_fresh(writing, fresh))
            });
            let mut batch = Batch::default();
            for difference in receiver {
                batch.add(difference);
                if batch.is_full() && sender.send(batch.take()).is_err() {
                    break;
                }
            }
            // If the writer has gone, it has an error to tell.
            let _ = sender.send(batch.take());
            drop(sender);
            writer.join().unwrap_or(Err(ScanError::Panicked))
        })
    }

    /// Whether all could be decided.
    fn match_moved(&self, scratch: &Scratch) -> Result<bool, ScanError> {
        let lookup = Lookup::open(self.catalogue, self.mount_id)?;
        let is_cancelled = || self.options.cancel.is_cancelled();
        matching::recognise(
            scratch,
            &*self.backend,
            &lookup,
            (&self.renames, self.task.waits),
            &is_cancelled,
        )
    }

    fn write_fresh(
        &self,
        writing: Box<Writing>,
        fresh: Vec<FirstScan>,
    ) -> Result<Box<Writing>, ScanError> {
        let (writing, ()) =
            self.write(writing, move |writing, tx| writing.write_fresh(tx, &fresh))?;
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
        self.catalogue.write(move |tx| {
            let result = job(&mut writing, tx)?;
            Ok((writing, result))
        })
    }

    fn complete(
        &self,
        writing: Box<Writing>,
        seen: Seen,
    ) -> Result<(ScanReport, Leftover), ScanError> {
        let Seen { unclear, unknown } = seen;
        let mount_id = self.mount_id;
        let is_marked = writing.telling.is_marked || writing.is_unfinished;
        let leftover = Leftover {
            unknown,
            is_postponed: writing.in_flight.postponed > 0,
            is_undecided: false,
        };
        let counts = self.options.progress.counts();
        let mut report = ScanReport {
            mount_id: self.mount_id,
            command_id: None,
            journal_id: None,
            directories: counts.directories,
            files: counts.files,
            bytes: counts.bytes,
            changes: writing.telling.changes,
            problem_count: unclear.problem_count,
            problems: unclear.problems,
            gone: unclear.gone,
            postponed: writing.in_flight.postponed,
            started_at: self.started_at,
            duration_ms: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX),
        };
        if report.changes.total() > 0 {
            let told = report.clone();
            let command_id = writing.telling.command_id.clone();
            let command = self.task.command;
            let complete = move |tx: &mut WriteTx<'_>| {
                tx.mark_scan(mount_id, true)?;
                append_completed(tx, command, &command_id, &told)
            };
            report.journal_id = Some(self.catalogue.write(complete)?);
            report.command_id = Some(writing.telling.command_id);
        } else if is_marked {
            self.catalogue
                .write(move |tx| tx.mark_scan(mount_id, true))?;
        }
        self.options.progress.enter(ScanPhase::Done);
        Ok((report, leftover))
    }

    fn new_ids(&self) -> NewIds<'s> {
        let catalogue = self.catalogue;
        Box::new(move |count| catalogue.allocate_node_ids(count).start)
    }
}

fn append_completed(
    tx: &mut WriteTx<'_>,
    command: &'static str,
    command_id: &str,
    report: &ScanReport,
) -> Result<JournalId, ScanError> {
    let result = serde_json::value::to_raw_value(&report.changes).map_err(StoreError::from)?;
    let id = tx.append(CommandCompleted {
        journal_id: JournalId::ZERO,
        command: Text::from(command),
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
