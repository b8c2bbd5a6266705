//! The hashing of one mount: its thread finds the files and writes the hashes, its readers read.

use super::due::{Candidate, Due};
use super::pace::Pace;
use super::status::{HashingState, LeftOut, Progress};
use super::{COMMAND, Hasher, POLL};
use crate::mount::Policy;
use backend::hash::content::{HashConditions, Hashed};
use backend::{Backend, Reason};
use catalogue::{Catalogue, Cause, StoreError, Verb, nodes};
use crossbeam_channel::{Receiver, Sender, bounded};
use process::{Chain, Stop};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hashes in one transaction, and how long the first of them waits for the others.
const BATCH: usize = 100;
const BATCH_TIME: Duration = Duration::from_secs(1);

/// How long a file must have been quiet: longer than a step of any filesystem's clock.
pub(super) const QUIET_MS: i64 = 2_000;

/// How long a file that is not quiet, changes or breaks off is left alone.
const LATER: Duration = Duration::from_secs(3);

/// How often such a file is tried.
const ATTEMPTS: u32 = 5;

/// How long a mount that cannot be reached is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// How long one read waits for commands, at most.
const YIELD: Duration = Duration::from_millis(250);

/// Files that are longer have a reader of their own, so that the others do not wait for them.
const LONG_BYTES: u64 = 1 << 30;

/// Long files that wait for it; what comes after that goes with the others.
const LONG_WAITING: usize = 1_000;

/// Why a file is left out that is [`Hashed::TooLong`].
pub(super) const TOO_LONG: &str = "it is longer than 16 TiB, and most of that is holes";

/// One mount's hashing.
pub(super) struct Work {
    hasher: Arc<Hasher>,
    mount_id: i64,
    policy: Policy,
    pace: Pace,
    progress: Arc<Progress>,
    stop: Stop,
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

/// A file, what came of it, and whether the reader of long files read it.
type Done = (Candidate, Outcome, bool);

/// What the readers have, and the long files that wait.
#[derive(Default)]
struct Lanes {
    under_way: usize,
    is_long_under_way: bool,
    long: VecDeque<Candidate>,
}

/// How a round ended.
enum Round {
    Done,
    Unreachable(String),
}

impl Work {
    pub(super) fn new(
        hasher: Arc<Hasher>,
        mount_id: i64,
        policy: Policy,
        progress: Arc<Progress>,
        stop: Stop,
    ) -> Self {
        let now = hasher.catalogue.clock().now();
        Self {
            pace: Pace::new(policy.bytes_per_second, now),
            hasher,
            mount_id,
            policy,
            progress,
            stop,
        }
    }

    /// Until it is told to stop.
    pub(super) fn run(self) {
        let all = || {
            let head = self.hasher.catalogue.head().id;
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
                    self.hasher.catalogue.wait_for_head(due.after(), POLL);
                }
                Ok(Round::Done) => {}
                Ok(Round::Unreachable(reason)) => self.wait(&reason),
                Err(StoreError::Closed) => return,
                Err(error) => {
                    self.wait(&Chain(&error).to_string());
                    // What was under way is lost, and the nodes still tell it.
                    (due, is_counted) = (all(), false);
                }
            }
        }
        self.progress.enter(HashingState::Off);
    }

    fn is_over(&self) -> bool {
        self.hasher.closing.is_cancelled() || self.stop.is_set()
    }

    /// The mount, or the catalogue, cannot be reached.
    fn wait(&self, reason: &str) {
        if self.progress.wait(reason) {
            let mount_id = self.mount_id;
            tracing::warn!(mount_id, reason, "hashing waits, and tries again");
        }
        let until = Instant::now() + RETRY;
        while !self.hasher.closing.is_cancelled() && Instant::now() < until {
            if self.stop.wait(POLL) {
                return;
            }
        }
    }

    fn count(&self, due: &Due) -> Result<(), StoreError> {
        self.progress.enter(HashingState::Counting);
        let counted = due.count(&self.hasher.catalogue, &|| !self.is_over())?;
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
            let (long_jobs, long_waiting) = bounded(1);
            let (results, done) = bounded(most + 1);
            for _ in 0..self.policy.concurrency {
                let (waiting, results) = (waiting.clone(), results.clone());
                scope.spawn(move || self.read_all(&waiting, &results, false));
            }
            drop(waiting);
            scope.spawn(move || self.read_all(&long_waiting, &results, true));
            self.feed(due, (&jobs, &long_jobs), &done)
        })
    }

    fn next(&self, due: &mut Due) -> Result<Option<Candidate>, StoreError> {
        let found = &mut |found: &Candidate| self.progress.found(1, found.bytes().into());
        due.next(&self.hasher.catalogue, &|| !self.is_over(), found)
    }

    /// Gives the readers what is next, and writes what they have done.
    fn feed(
        &self,
        due: &mut Due,
        (jobs, long_jobs): (&Sender<Candidate>, &Sender<Candidate>),
        done: &Receiver<Done>,
    ) -> Result<Round, StoreError> {
        let (mut goes_on, mut unreachable) = (true, None);
        let mut lanes = Lanes::default();
        let mut batch = Batch::default();
        loop {
            let mut is_more = goes_on;
            while is_more && lanes.under_way < self.policy.concurrency * 2 {
                match self.next(due)? {
                    None => is_more = false,
                    Some(next) if next.bytes() > LONG_BYTES && lanes.long.len() < LONG_WAITING => {
                        lanes.long.push_back(next);
                    }
                    // There is room for it, so this does not wait.
                    Some(next) => lanes.under_way += usize::from(jobs.send(next).is_ok()),
                }
            }
            if goes_on
                && !lanes.is_long_under_way
                && let Some(next) = lanes.long.pop_front()
            {
                lanes.is_long_under_way = long_jobs.send(next).is_ok();
            }
            let is_idle = lanes.under_way == 0 && !lanes.is_long_under_way;
            if batch.is_due() || is_idle {
                batch.write(&self.hasher.catalogue, &self.progress)?;
            }
            if is_idle {
                break;
            }
            let Ok((candidate, outcome, is_long)) = done.recv_timeout(POLL) else {
                continue;
            };
            match is_long {
                true => lanes.is_long_under_way = false,
                false => lanes.under_way -= 1,
            }
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
                    (goes_on, unreachable) = (false, Some(reason));
                }
                Outcome::Stopped => goes_on = false,
            }
        }
        lanes.long.into_iter().for_each(|long| due.give_back(long));
        Ok(unreachable.map_or(Round::Done, Round::Unreachable))
    }

    /// One reader.
    fn read_all(&self, waiting: &Receiver<Candidate>, results: &Sender<Done>, is_long: bool) {
        for candidate in waiting {
            let outcome = self.read(&candidate);
            if results.send((candidate, outcome, is_long)).is_err() {
                return;
            }
        }
    }

    fn read(&self, candidate: &Candidate) -> Outcome {
        let place = match self.hasher.opener.by_id(self.mount_id) {
            Ok(place) => place,
            Err(error) => return Outcome::Unreachable(Chain(&error).to_string()),
        };
        let now = self.hasher.catalogue.clock().now().as_millis();
        let conditions = HashConditions {
            facts: Some(candidate.facts),
            quiet_since_ms: Some(now.saturating_sub(QUIET_MS)),
            read_bytes: self.pace.read_bytes(),
        };
        let gate = &mut |read| self.may_read_on(read);
        let backend = &*place.backend;
        let hashed = backend.hash(&candidate.path, &conditions, gate);
        match hashed.map_err(|error| refused(backend, &error)) {
            Ok(Hashed::Hash(hash, _)) => Outcome::Hashed(hash),
            Ok(Hashed::TooLong) => Outcome::LeftOut(
                LeftOut::Unreadable,
                Some(format!("{}: {TOO_LONG}", candidate.path)),
            ),
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
            if self.hasher.closing.is_cancelled() {
                return false;
            }
            let must_yield = self.hasher.scanner.is_scanning(self.mount_id)
                || self.hasher.commands.is_any() && began.elapsed() < YIELD;
            let wait = match must_yield {
                true => POLL / 10,
                false => self.pace.wait(self.hasher.catalogue.clock().now()),
            };
            if wait.is_zero() {
                return !self.is_over();
            }
            // Not all of it at once: the clock may be turned.
            if self.stop.wait(wait.min(POLL)) {
                return false;
            }
        }
    }
}

/// Whether it is the file or the mount.
fn refused(backend: &dyn Backend, error: &backend::Error) -> Outcome {
    let reason = Chain(error).to_string();
    match error.reason {
        Reason::Unavailable | Reason::NoBucket => Outcome::Unreachable(reason),
        Reason::Forbidden => match backend.probe() {
            Ok(()) => Outcome::LeftOut(LeftOut::Unreadable, Some(reason)),
            Err(error) => Outcome::Unreachable(Chain(&error).to_string()),
        },
        Reason::Local => Outcome::Later(LeftOut::Unreadable, Some(reason)),
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
    fn write(&mut self, catalogue: &Catalogue, progress: &Progress) -> Result<(), StoreError> {
        self.since = None;
        let hashes = std::mem::take(&mut self.hashes);
        if hashes.is_empty() {
            return Ok(());
        }
        let all = hashes.len();
        let written = catalogue.write(move |tx| {
            let mut written = Vec::new();
            for (candidate, hash) in hashes {
                let Some(before) = nodes::by_id(tx, candidate.node_id)? else {
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
        let bytes = written.iter().copied().fold(0, u64::saturating_add);
        progress.hashed(files, bytes);
        Ok(())
    }
}
