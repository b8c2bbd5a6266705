//! A new book beside the old one.
//!
//! A rebuild reads the journal a second time, from the first entry (or after one that a person
//! names, or from a snapshot where the journal is trimmed), into a second book that only the sink
//! sees. The old book goes on following meanwhile: [`Follower::step`] and
//! [`Follower::rebuild_step`] take turns, on one thread and with one page of the journal in memory
//! each. When the new book has reached the head it is past the old one, and the sink makes it the
//! book in one transaction with its checkpoint. Readers see the old book until then and the new one
//! from then on. A process that dies before leaves the old book as it was.
//!
//! It asks nothing of the old book but its checkpoint, so it is the way out of every [`Halt`] that
//! is not the journal's own damage. What the old book alone holds (entries that the journal has
//! trimmed) is kept only if its digest proves that it is of the same history; what would be lost is
//! said, and needs a person's word.
//!
//! [`Halt`]: super::Halt

use super::Follower;
use super::sifted::Sifted;
use crate::rebuild::{
    Base, NewBook, Rebuild, RebuildBase, RebuildError, RebuildKind, RebuildRequest, RebuildState,
    RebuildStatus,
};
use crate::{Batch, Checkpoint, Sink, SinkError};
use journal::{Digest, Entry, JournalId, Page, ReadError, chain};
use process::Chain;
use std::sync::Arc;

/// Entries read into the new book at once, at most: the old book waits for as long as that takes.
const FILL_MAX_ENTRIES: usize = 4_000;

/// What became of a rebuild, and of the one before.
#[derive(Debug, Default)]
pub(super) struct Rebuilds {
    running: Option<Running>,
    last: Option<RebuildStatus>,
}

#[derive(Debug)]
struct Running {
    rebuild: Rebuild,
    /// How far the new book is.
    checkpoint: Checkpoint,
    status: RebuildStatus,
}

/// What one [`Follower::rebuild_step`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildStep {
    /// No rebuild runs.
    Idle,
    /// The new book has grown.
    Filled,
    /// The new book is the book.
    Done,
    /// Nothing happened; the same step may succeed later.
    Retry(String),
    /// The rebuild has ended; the old book is as it was.
    Failed(String),
}

/// Why a step of a rebuild ended early.
enum Ended {
    Retry(String),
    Fail(String),
}

impl From<SinkError> for Ended {
    fn from(error: SinkError) -> Self {
        let reason = Chain(&error).to_string();
        match error {
            SinkError::Damaged(..) => Self::Fail(reason),
            _ => Self::Retry(reason),
        }
    }
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Self {
        let reason = Chain(&error).to_string();
        match error {
            ReadError::Unavailable(_) => Self::Retry(reason),
            ReadError::Trimmed { .. } => Self::Fail(format!("{reason}; begin the rebuild again")),
            ReadError::Damaged(_) => Self::Fail(reason),
        }
    }
}

impl<S: Sink> Follower<S> {
    /// Begins a rebuild, or a replay.
    ///
    /// # Errors
    /// As [`RebuildError`] says; nothing has then changed.
    pub fn begin_rebuild(
        &mut self,
        request: RebuildRequest,
    ) -> Result<RebuildStatus, RebuildError> {
        if self.rebuilds.running.is_some() {
            return Err(RebuildError::Running);
        }
        self.land();
        let (new, head) = self.plan(request)?;
        let rebuild = self
            .sink
            .begin_rebuild(new)
            .map_err(|error| unavailable(&error))?;
        let status = RebuildStatus {
            state: RebuildState::Running,
            kind: match request.from {
                Some(_) => RebuildKind::Replay,
                None => RebuildKind::Rebuild,
            },
            base: RebuildBase::from(new.base),
            after: new.checkpoint.journal_id,
            journal_id: new.checkpoint.journal_id,
            head,
            entries: 0,
            parked: 0,
            started_at: self.clock.now(),
            finished_at: None,
            last_error: None,
        };
        self.rebuilds.running = Some(Running {
            rebuild,
            checkpoint: new.checkpoint,
            status: status.clone(),
        });
        Ok(status)
    }

    /// Whether a rebuild runs.
    #[must_use]
    pub const fn is_rebuilding(&self) -> bool {
        self.rebuilds.running.is_some()
    }

    /// How the rebuild goes, or how the last one went.
    #[must_use]
    pub fn rebuild_status(&self) -> Option<&RebuildStatus> {
        let running = self.rebuilds.running.as_ref();
        running
            .map(|running| &running.status)
            .or(self.rebuilds.last.as_ref())
    }

    /// Ends a rebuild that runs; the old book is as it was. Whether one ran.
    pub fn cancel_rebuild(&mut self) -> bool {
        self.land();
        match self.rebuilds.running.take() {
            Some(running) => {
                self.sink.abandon_rebuild(running.rebuild);
                self.end(running.status, RebuildState::Cancelled, None);
                true
            }
            None => false,
        }
    }

    /// Takes the rebuild that runs a step further.
    pub fn rebuild_step(&mut self) -> RebuildStep {
        let Some(mut running) = self.rebuilds.running.take() else {
            return RebuildStep::Idle;
        };
        self.land();
        match self.advance(&mut running) {
            Ok(false) => {
                running.status.last_error = None;
                self.rebuilds.running = Some(running);
                RebuildStep::Filled
            }
            Ok(true) => {
                // The book is another one now.
                self.checkpoint = None;
                self.dead_letters = None;
                self.end(running.status, RebuildState::Done, None);
                RebuildStep::Done
            }
            Err(Ended::Retry(reason)) => {
                running.status.last_error = Some(reason.clone());
                self.rebuilds.running = Some(running);
                RebuildStep::Retry(reason)
            }
            Err(Ended::Fail(reason)) => {
                self.sink.abandon_rebuild(running.rebuild);
                self.end(running.status, RebuildState::Failed, Some(reason.clone()));
                RebuildStep::Failed(reason)
            }
        }
    }

    fn end(&mut self, mut status: RebuildStatus, state: RebuildState, error: Option<String>) {
        status.state = state;
        status.last_error = error;
        status.finished_at = Some(self.clock.now());
        self.rebuilds.last = Some(status);
    }

    /// What the new book begins with, and the journal's head.
    fn plan(&mut self, request: RebuildRequest) -> Result<(NewBook, JournalId), RebuildError> {
        let stored = self
            .sink
            .checkpoint()
            .map_err(|error| unavailable(&error))?;
        let reader = Arc::clone(self.pages.reader());
        let digest_at = |id| reader.read(id, 0).map_err(|error| unavailable(&error));
        let at = stored.map_or(JournalId::ZERO, |stored| stored.journal_id);
        let page = digest_at(at)?;
        let position = page.position;
        let (head, trimmed) = (position.head, position.trimmed);
        // Below the trimmed id the journal can no longer tell; the epoch has to do, as it does for
        // every consumer that has fallen behind.
        let is_same_history = stored.is_none_or(|stored| {
            stored.epoch == position.epoch
                && at <= head
                && (at < trimmed || page.after_digest == Some(stored.digest))
        });
        let new = |base, journal_id, digest| NewBook {
            base,
            checkpoint: Checkpoint {
                epoch: position.epoch,
                journal_id,
                digest,
            },
            is_same_history,
        };
        let floor = self
            .sink
            .replay_floor()
            .map_err(|error| unavailable(&error))?;
        let kept = |after: JournalId| {
            let digest = digest_at(after)?.after_digest.ok_or_else(|| {
                RebuildError::Unavailable(format!("the journal has no digest of entry {after}"))
            })?;
            Ok(new(Base::Kept(after), after, digest))
        };
        let can_keep = stored.is_some() && is_same_history && at >= trimmed;
        let genesis = Digest::genesis(position.epoch);
        let new = match request.from {
            Some(from) => {
                replayable(from, at, trimmed, floor, can_keep)?;
                kept(from)?
            }
            None if trimmed == JournalId::ZERO => new(Base::Empty, JournalId::ZERO, genesis),
            None if !self.sink.keeps_history() || stored.is_none() || request.accepts_loss => {
                if can_keep && self.sink.keeps_history() {
                    kept(trimmed.max(floor))?
                } else {
                    new(Base::Snapshot, JournalId::ZERO, genesis)
                }
            }
            None if can_keep => kept(trimmed.max(floor))?,
            None => return Err(RebuildError::WouldLose(loss(is_same_history, at, trimmed))),
        };
        Ok((new, head))
    }

    /// Whether the new book became the book.
    fn advance(&mut self, running: &mut Running) -> Result<bool, Ended> {
        if running.rebuild.base == Base::Snapshot {
            return self.advance_by_snapshot(running).map(|()| true);
        }
        let limit = self.options.batch_max_entries.min(FILL_MAX_ENTRIES);
        let page = self
            .pages
            .reader()
            .read(running.checkpoint.journal_id, limit)?;
        check(running.checkpoint, &page)?;
        running.status.head = page.position.head;
        if let Some(last) = page.entries.last() {
            let Checkpoint {
                epoch,
                journal_id,
                digest,
            } = running.checkpoint;
            let digest = chain::verify(journal_id, digest, &page.entries)
                .map_err(|error| Ended::Fail(error.to_string()))?;
            let checkpoint = Checkpoint {
                epoch,
                journal_id: last.id,
                digest,
            };
            self.fill(running, &page.entries, checkpoint)?;
            running.checkpoint = checkpoint;
            running.status.journal_id = last.id;
            running.status.entries += page.entries.len() as u64;
        }
        if running.checkpoint.journal_id < page.position.head {
            return Ok(false);
        }
        self.sink
            .finish_rebuild(&running.rebuild, running.checkpoint)?;
        Ok(true)
    }

    fn advance_by_snapshot(&mut self, running: &mut Running) -> Result<(), Ended> {
        let reader = Arc::clone(self.pages.reader());
        let snapshot = reader.snapshot()?;
        if snapshot.epoch != running.rebuild.checkpoint.epoch {
            return Err(Ended::Fail(
                "the journal was exchanged for another one meanwhile; begin the rebuild again"
                    .to_owned(),
            ));
        }
        let checkpoint = Checkpoint {
            epoch: snapshot.epoch,
            journal_id: snapshot.journal_id,
            digest: snapshot.digest,
        };
        self.sink
            .fill_rebuild_from_snapshot(&running.rebuild, snapshot)?;
        self.sink.finish_rebuild(&running.rebuild, checkpoint)?;
        running.status.journal_id = checkpoint.journal_id;
        running.status.head = running.status.head.max(checkpoint.journal_id);
        Ok(())
    }

    fn fill(
        &mut self,
        running: &mut Running,
        entries: &[Entry],
        checkpoint: Checkpoint,
    ) -> Result<(), Ended> {
        let events: Vec<_> = entries.iter().map(Entry::event).collect();
        let mut sifted = Sifted::new(entries, &events, &*self.clock);
        loop {
            let count = running.status.parked + sifted.parked.len() as u64;
            if count > self.options.dead_letters_max {
                return Err(Ended::Fail(format!(
                    "{count} entries cannot be applied, and at most {} may be parked",
                    self.options.dead_letters_max
                )));
            }
            let is_applied = sifted.apply(|items, parked| {
                let batch = Batch {
                    items,
                    parked,
                    resolved: &[],
                    checkpoint,
                };
                self.sink.fill_rebuild(&running.rebuild, &batch)
            })?;
            if is_applied {
                break;
            }
        }
        running.status.parked += sifted.parked.len() as u64;
        Ok(())
    }
}

/// The page must continue what the new book holds.
fn check(checkpoint: Checkpoint, page: &Page) -> Result<(), Ended> {
    if page.position.epoch != checkpoint.epoch || page.after_digest != Some(checkpoint.digest) {
        return Err(Ended::Fail(format!(
            "the journal was exchanged or restored while the book was rebuilt (entry {}); begin \
             the rebuild again",
            checkpoint.journal_id
        )));
    }
    Ok(())
}

fn replayable(
    from: JournalId,
    at: JournalId,
    trimmed: JournalId,
    floor: JournalId,
    can_keep: bool,
) -> Result<(), RebuildError> {
    let refusal = if !can_keep {
        "what the book holds is not proven to be of this journal's history, so a part of it cannot \
         be kept: rebuild the book"
            .to_owned()
    } else if from < trimmed {
        format!(
            "the journal holds entries after {trimmed} only: replay from {trimmed} or later, or \
             rebuild the book"
        )
    } else if from < floor {
        format!(
            "the book began with a snapshot at entry {floor}: replay from {floor} or later, or \
             rebuild the book"
        )
    } else if from > at {
        format!("the book is at entry {at}: replay from {at} or earlier")
    } else {
        return Ok(());
    };
    Err(RebuildError::NotReplayable(refusal))
}

fn loss(is_same_history: bool, at: JournalId, trimmed: JournalId) -> String {
    if is_same_history {
        format!(
            "entries {} to {trimmed} are in this book no more than in the journal, which was \
             trimmed; accept their loss to keep what is here and go on from a snapshot of the nodes",
            at.next()
        )
    } else {
        format!(
            "the journal was trimmed up to entry {trimmed}, and what this book holds of those \
             entries is of another history; accept the loss to set the book's rows aside under \
             another name and begin with a snapshot of the nodes"
        )
    }
}

fn unavailable(error: &dyn std::error::Error) -> RebuildError {
    RebuildError::Unavailable(Chain(error).to_string())
}
