//! The hashing of one mount: its thread finds the files and writes the hashes, its readers read.

use super::due::{Candidate, Due};
use super::pace::Pace;
use super::status::{HashingState, LeftOut, Progress};
use super::{COMMAND, POLL, Policy};
use crate::Filestore;
use crate::backend::Backend;
use crate::hash::content::{self, Hashed, Terms};
use crate::s3::{Bucket, Refusal, S3Error};
use crate::scan::with_sources;
use crate::store::{Cause, Store, StoreError, Verb, node};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hashes in one transaction, and how long the first of them waits for the others.
const BATCH: usize = 100;
const BATCH_TIME: Duration = Duration::from_secs(1);

/// How long a file must have been quiet: longer than a step of any filesystem's clock.
const QUIET_MS: i64 = 2_000;

/// How long a file that is not quiet, changes or breaks off is left alone.
const LATER: Duration = Duration::from_secs(3);

/// How often such a file is tried.
const ATTEMPTS: u32 = 5;

/// How long a mount that cannot be reached is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// How long one read waits for commands, at most.
const YIELD: Duration = Duration::from_millis(250);

/// One mount's hashing.
pub(super) struct Work {
    filestore: Arc<Filestore>,
    mount_id: i64,
    policy: Policy,
    pace: Pace,
    progress: Arc<Progress>,
    stopped: Receiver<Infallible>,
}

/// What a reader came to.
enum Outcome {
    Hashed(String),
    LeftOut(LeftOut, Option<String>),
    Later(LeftOut, Option<String>),
    /// The mount cannot be reached: this file has not been tried.
    Unreachable(String),
    Stopped,
}

/// How a round ended.
enum Round {
    Done,
    Unreachable(String),
}

impl Work {
    pub(super) fn new(
        filestore: Arc<Filestore>,
        mount_id: i64,
        policy: Policy,
        progress: Arc<Progress>,
        stopped: Receiver<Infallible>,
    ) -> Self {
        let now = filestore.store.clock().now();
        Self {
            pace: Pace::new(policy.bytes_per_second, now),
            filestore,
            mount_id,
            policy,
            progress,
            stopped,
        }
    }

    /// Until it is told to stop.
    pub(super) fn run(self) {
        let all = || {
            let head = self.filestore.store.head().id;
            Due::new(self.mount_id, self.policy.clone(), head)
        };
        let (mut due, mut is_counted) = (all(), false);
        while !self.is_over() {
            let round = match is_counted {
                true => self.round(&mut due),
                false => self.count(&due).map(|()| {
                    is_counted = true;
                    Round::Done
                }),
            };
            match round {
                Ok(Round::Done) if due.is_through() => {
                    if due.put_off_count() == 0 {
                        self.progress.enter(HashingState::Idle);
                    }
                    self.filestore.store.wait_for_head(due.after(), POLL);
                }
                Ok(Round::Done) => {}
                Ok(Round::Unreachable(reason)) => self.wait(&reason),
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.wait(&with_sources(&error));
                    // What was under way is lost, and the nodes still tell it.
                    (due, is_counted) = (all(), false);
                }
            }
        }
        self.progress.enter(HashingState::Off);
    }

    fn is_over(&self) -> bool {
        self.filestore.closing.is_cancelled() || self.is_over_within(Duration::ZERO)
    }

    fn is_over_within(&self, wait: Duration) -> bool {
        !matches!(
            self.stopped.recv_timeout(wait),
            Err(RecvTimeoutError::Timeout)
        )
    }

    /// The mount, or the catalogue, cannot be reached.
    fn wait(&self, reason: &str) {
        if self.progress.wait(reason) {
            let mount_id = self.mount_id;
            tracing::warn!(mount_id, reason, "hashing waits, and tries again");
        }
        let until = Instant::now() + RETRY;
        while !self.filestore.closing.is_cancelled() && Instant::now() < until {
            if self.is_over_within(POLL) {
                return;
            }
        }
    }

    fn count(&self, due: &Due) -> Result<(), StoreError> {
        self.progress.enter(HashingState::Counting);
        let counted = due.count(&self.filestore.store, &|| !self.is_over())?;
        let (files, bytes) = counted.unwrap_or_default();
        self.progress.found(files, bytes);
        Ok(())
    }

    /// Hashes what waits, until nothing does or the mount cannot be reached.
    fn round(&self, due: &mut Due) -> Result<Round, StoreError> {
        let Some(first) = self.next(due)? else {
            return Ok(Round::Done);
        };
        due.give_back(first);
        self.progress.enter(HashingState::Hashing);
        let most = self.policy.concurrency * 2;
        std::thread::scope(|scope| {
            let (jobs, waiting) = bounded(most);
            let (results, done) = bounded(most);
            for _ in 0..self.policy.concurrency {
                let (waiting, results) = (waiting.clone(), results.clone());
                scope.spawn(move || self.read_all(&waiting, &results));
            }
            drop((waiting, results));
            self.feed(due, &jobs, &done)
        })
    }

    fn next(&self, due: &mut Due) -> Result<Option<Candidate>, StoreError> {
        let found = &mut |found: &Candidate| self.progress.found(1, found.bytes());
        due.next(&self.filestore.store, &|| !self.is_over(), found)
    }

    /// Gives the readers what is next, and writes what they have done.
    fn feed(
        &self,
        due: &mut Due,
        jobs: &Sender<Candidate>,
        done: &Receiver<(Candidate, Outcome)>,
    ) -> Result<Round, StoreError> {
        let (mut under_way, mut is_more, mut unreachable) = (0, true, None);
        let mut batch = Batch::default();
        loop {
            while is_more && under_way < self.policy.concurrency * 2 {
                let next = self.next(due)?;
                // There is room for it, so this does not wait.
                is_more = next.is_some_and(|next| jobs.send(next).is_ok());
                under_way += usize::from(is_more);
            }
            if batch.is_due() || under_way == 0 {
                batch.write(&self.filestore.store, &self.progress)?;
            }
            if under_way == 0 {
                break;
            }
            let Ok((candidate, outcome)) = done.recv_timeout(POLL) else {
                continue;
            };
            under_way -= 1;
            match outcome {
                Outcome::Hashed(hash) => {
                    self.progress.took(candidate.bytes());
                    batch.add(candidate, hash);
                }
                Outcome::Later(..) if candidate.attempts + 1 < ATTEMPTS => {
                    due.put_off(&candidate, LATER);
                }
                Outcome::Later(reason, why) | Outcome::LeftOut(reason, why) => {
                    self.progress.took(candidate.bytes());
                    self.progress.left_out(reason, why);
                }
                Outcome::Unreachable(reason) => {
                    due.give_back(candidate);
                    (is_more, unreachable) = (false, Some(reason));
                }
                Outcome::Stopped => is_more = false,
            }
        }
        Ok(unreachable.map_or(Round::Done, Round::Unreachable))
    }

    /// One reader.
    fn read_all(&self, waiting: &Receiver<Candidate>, results: &Sender<(Candidate, Outcome)>) {
        for candidate in waiting {
            let outcome = self.read(&candidate);
            if results.send((candidate, outcome)).is_err() {
                return;
            }
        }
    }

    fn read(&self, candidate: &Candidate) -> Outcome {
        let place = match self.filestore.commands.place(self.mount_id) {
            Ok(place) => place,
            Err(error) => return Outcome::Unreachable(with_sources(&error)),
        };
        let now = self.filestore.store.clock().now().as_millis();
        let terms = Terms {
            facts: Some(candidate.facts),
            quiet_since_ms: Some(now.saturating_sub(QUIET_MS)),
            read_bytes: self.pace.read_bytes(),
        };
        let gate = &mut |read| self.may_read_on(read);
        let hashed = match &place.backend {
            Backend::Disk(disk) => content::hash_once(disk, &candidate.path, &terms, gate)
                .map_err(|error| Outcome::LeftOut(LeftOut::Unreadable, Some(with_sources(&error)))),
            Backend::Bucket(bucket) => content::hash_object(bucket, &candidate.path, &terms, gate)
                .map_err(|error| of_bucket(bucket, &error)),
        };
        match hashed {
            Ok(Hashed::Hash(hash, _)) => Outcome::Hashed(hash),
            Ok(Hashed::Other | Hashed::Gone) => Outcome::LeftOut(LeftOut::Outdated, None),
            Ok(Hashed::Fresh | Hashed::Changing) => Outcome::Later(LeftOut::Changing, None),
            Ok(Hashed::Stopped) => Outcome::Stopped,
            Err(outcome) => outcome,
        }
    }

    /// Waits until more may be read. `false` if it is over.
    fn may_read_on(&self, read: usize) -> bool {
        self.pace.spend(read);
        self.progress.read(read);
        let began = Instant::now();
        loop {
            if self.filestore.closing.is_cancelled() {
                return false;
            }
            let must_yield = self.filestore.scans.is_scanning(self.mount_id)
                || self.filestore.has_commands() && began.elapsed() < YIELD;
            let wait = match must_yield {
                true => POLL / 10,
                false => self.pace.wait(self.filestore.store.clock().now()),
            };
            if wait.is_zero() {
                return !self.is_over();
            }
            // Not all of it at once: the clock may be turned.
            if self.is_over_within(wait.min(POLL)) {
                return false;
            }
        }
    }
}

/// Whether it is the object or the bucket.
fn of_bucket(bucket: &Bucket, error: &S3Error) -> Outcome {
    let reason = with_sources(error);
    match &error.refusal {
        Refusal::Unavailable(_) | Refusal::NoBucket => Outcome::Unreachable(reason),
        Refusal::Forbidden(_) => match bucket.probe() {
            Ok(()) => Outcome::LeftOut(LeftOut::Unreadable, Some(reason)),
            Err(error) => Outcome::Unreachable(with_sources(&error)),
        },
        Refusal::Local(_) => Outcome::Later(LeftOut::Unreadable, Some(reason)),
        _ => Outcome::LeftOut(LeftOut::Unreadable, Some(reason)),
    }
}

/// Hashes that are written together.
#[derive(Default)]
struct Batch {
    hashes: Vec<(Candidate, String)>,
    since: Option<Instant>,
}

impl Batch {
    fn add(&mut self, candidate: Candidate, hash: String) {
        self.since.get_or_insert_with(Instant::now);
        self.hashes.push((candidate, hash));
    }

    fn is_due(&self) -> bool {
        let has_waited = self
            .since
            .is_some_and(|since| since.elapsed() >= BATCH_TIME);
        has_waited || self.hashes.len() >= BATCH
    }

    /// A hash is of a file as it was seen: if its node is of another state, it is not its hash.
    fn write(&mut self, store: &Store, progress: &Progress) -> Result<(), StoreError> {
        self.since = None;
        let hashes = std::mem::take(&mut self.hashes);
        if hashes.is_empty() {
            return Ok(());
        }
        let all = hashes.len();
        let written = store.write_blocking(move |tx| {
            let mut written = Vec::new();
            for (candidate, hash) in hashes {
                let Some(before) = node::by_id(tx.connection(), candidate.node_id)? else {
                    continue;
                };
                if !before.is_on_disk()
                    || before.facts != candidate.facts
                    || before.content_hash.is_some()
                {
                    continue;
                }
                let mut after = before.clone();
                after.content_hash = Some(hash);
                let cause = Cause {
                    command: COMMAND,
                    ..Cause::default()
                };
                tx.change(&cause, Verb::Updated, Some(&before), &mut after)?;
                written.push(candidate.bytes());
            }
            Ok::<_, StoreError>(written)
        })?;
        for _ in written.len()..all {
            progress.left_out(LeftOut::Outdated, None);
        }
        let files = u64::try_from(written.len()).unwrap_or(u64::MAX);
        progress.hashed(files, written.iter().sum());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hashing;
    use super::super::status::HashingStatus;
    use super::*;
    use crate::{Options, ScanOptions};

    const LONG: Duration = Duration::from_secs(60);

    struct Bench {
        filestore: Arc<Filestore>,
        hashing: Hashing,
        mounts: [i64; 2],
        _dirs: tempfile::TempDir,
    }

    impl Bench {
        /// Two mounts with a file each, and nothing to be hashed yet.
        fn new() -> Self {
            let dirs = tempfile::tempdir().unwrap();
            let filestore = Filestore::open(Options::new(dirs.path().join("data"))).unwrap();
            let mounts = ["a", "b"].map(|name| {
                let root = dirs.path().join(name);
                std::fs::create_dir(&root).unwrap();
                std::fs::write(root.join("file"), "file").unwrap();
                let mount = filestore.ensure_local_mount(&root).unwrap();
                filestore.scan(mount.id, &ScanOptions::default()).unwrap();
                mount.id
            });
            let hashing = Hashing::start(Arc::clone(&filestore)).unwrap();
            Self {
                filestore,
                hashing,
                mounts,
                _dirs: dirs,
            }
        }

        fn hash_all(&self) {
            for mount in self.mounts {
                let serde_json::Value::Object(config) = serde_json::json!({ "hashing": true })
                else {
                    unreachable!()
                };
                let patch = crate::mount::MountPatch {
                    config: Some(config),
                    ..Default::default()
                };
                self.filestore.update_mount(mount, patch).unwrap();
            }
        }

        fn status(&self, mount: i64) -> HashingStatus {
            let mount = self.filestore.mount(mount).unwrap().unwrap();
            self.filestore.hashing_status(&mount).unwrap()
        }

        fn wait_for(&self, mount: i64, state: HashingState) -> HashingStatus {
            testkit::wait_for("the state", LONG, || {
                let status = self.status(mount);
                if status.state == state {
                    Ok(status)
                } else {
                    Err(status)
                }
            })
        }

        fn close(self) {
            self.hashing.stop();
            self.filestore.close();
        }
    }

    #[test]
    fn nothing_is_read_of_a_mount_while_it_is_scanned() {
        let bench = Bench::new();
        let [busy, idle] = bench.mounts;
        let turn = bench
            .filestore
            .scans
            .start(busy, &ScanOptions::default())
            .unwrap();
        bench.hash_all();
        assert_eq!(bench.wait_for(idle, HashingState::Idle).hashed_files, 1);
        let waiting = bench.wait_for(busy, HashingState::Hashing);
        assert_eq!((waiting.read_bytes, waiting.hashed_files), (0, 0));
        drop(turn);
        assert_eq!(bench.wait_for(busy, HashingState::Idle).hashed_files, 1);
        bench.close();
    }

    #[test]
    fn commands_that_never_cease_do_not_keep_it_from_its_work() {
        let bench = Bench::new();
        let command = Arc::clone(&bench.filestore.command_slots)
            .try_acquire_owned()
            .unwrap();
        assert!(bench.filestore.has_commands());
        bench.hash_all();
        for mount in bench.mounts {
            assert_eq!(bench.wait_for(mount, HashingState::Idle).hashed_files, 1);
        }
        drop(command);
        assert!(!bench.filestore.has_commands());
        bench.close();
    }
}
