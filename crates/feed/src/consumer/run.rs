//! The thread that steps, waits and backs off.

use super::handle::{ConsumerHandle, DeadLetterError, Progress, Request, Rest};
use super::{Backoff, Follower, FollowerOptions, Pages, RebuildStep, Step};
use crate::{BusState, ConsumerState, DeadLetter, Sink};
use journal::{Clock, JournalId};
use process::Chain;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a consumer follows.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// Most entries in one batch (`FEED_BATCH_MAX_ENTRIES`).
    pub batch_max_entries: usize,
    /// Most dead letters parked at a time.
    pub dead_letters_max: u64,
    /// How often the journal is looked at while the bus is not live (`FEED_POLL_INTERVAL`).
    pub poll_interval: Duration,
    /// How often it is looked at while the bus is live, in case a signal was lost.
    pub idle_interval: Duration,
    /// At the head, batches begin no sooner after each other: entries that come singly are committed
    /// a few at a time. The first one after a pause is taken at once, and so is everything while
    /// somebody waits for an entry.
    pub gathers_for: Duration,
    /// The first delay before trying again (`TIMESTORE_FILESTORE_RETRY_MS`).
    pub retry_first: Duration,
    /// The longest delay before trying again.
    pub retry_longest: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            batch_max_entries: 4_000,
            dead_letters_max: 10_000,
            poll_interval: Duration::from_secs(1),
            idle_interval: Duration::from_secs(5),
            gathers_for: Duration::from_millis(4),
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(5),
        }
    }
}

/// Starts a consumer on a thread of its own. It goes on until [`ConsumerHandle::stop`]. It reads the
/// journal with a thread that reads ahead, alone or with others that have the same [`Pages`].
///
/// # Errors
/// The thread cannot be started.
pub fn spawn<S: Sink>(
    sink: S,
    pages: impl Into<Pages>,
    clock: Arc<dyn Clock>,
    options: ConsumerOptions,
) -> std::io::Result<ConsumerHandle> {
    crate::metric::describe();
    let pages = pages.into();
    pages.read_ahead()?;
    let mut consumer = Consumer::new(sink, pages, clock, options);
    let handle = consumer.handle().clone();
    std::thread::Builder::new()
        .name(format!("consume-{}", handle.name()))
        .spawn(move || {
            // The end is told even if the loop panics, so that nobody waits for ever.
            let _end = EndGuard(consumer.handle.clone());
            consumer.run();
        })?;
    Ok(handle)
}

struct EndGuard(ConsumerHandle);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.shared.status.lock().status.state = if std::thread::panicking() {
            ConsumerState::Halted
        } else {
            ConsumerState::Stopped
        };
        self.0.end();
    }
}

/// A follower with the life around it, a turn at a time. [`spawn`] gives it a thread; the model
/// test gives it a schedule.
#[derive(Debug)]
pub struct Consumer<S> {
    handle: ConsumerHandle,
    follower: Follower<S>,
    backoff: Backoff,
    options: ConsumerOptions,
}

impl<S: Sink> Consumer<S> {
    /// A consumer that has not begun.
    #[must_use]
    pub fn new(
        sink: S,
        pages: impl Into<Pages>,
        clock: Arc<dyn Clock>,
        options: ConsumerOptions,
    ) -> Self {
        let pages = pages.into();
        let reader = Arc::clone(pages.reader());
        let handle = ConsumerHandle::new(sink.name(), Arc::clone(&clock), reader);
        let follower_options = FollowerOptions {
            batch_max_entries: options.batch_max_entries,
            dead_letters_max: options.dead_letters_max,
        };
        Self {
            handle,
            follower: Follower::new(sink, pages, clock, follower_options),
            backoff: Backoff::new(options.retry_first, options.retry_longest),
            options,
        }
    }

    /// The handle on it.
    pub const fn handle(&self) -> &ConsumerHandle {
        &self.handle
    }

    /// The follower inside.
    pub const fn follower(&mut self) -> &mut Follower<S> {
        &mut self.follower
    }

    fn run(&mut self) {
        let (mut rest, mut turned_at) = (Rest::NONE, Instant::now());
        while let Some(requests) = self.handle.wait(rest, turned_at) {
            if !requests.is_empty() {
                self.land();
            }
            for request in requests {
                self.answer(request);
            }
            turned_at = Instant::now();
            rest = self.turn();
        }
        self.land();
        tracing::info!(
            sink = self.handle.name(),
            checkpoint = self.handle.status().checkpoint.get(),
            "consumer stopped after the batch in hand"
        );
    }

    /// One step of the follower; what to wait for before the next.
    pub fn turn(&mut self) -> Rest {
        if let Some(rest) = self.rebuild_turn() {
            return rest;
        }
        let asked_at = Instant::now();
        let step = self.follower.step();
        self.conclude(&step, asked_at)
    }

    /// Waits for the batch that is being committed.
    fn land(&mut self) {
        let asked_at = Instant::now();
        if let Some(step) = self.follower.land() {
            self.conclude(&step, asked_at);
        }
    }

    /// Shows what the step that began at `asked_at` did; what to wait for before the next.
    fn conclude(&mut self, step: &Step, asked_at: Instant) -> Rest {
        let dead_letters = self.follower.dead_letter_count().ok();
        let mut progress = self.handle.shared.status.lock();
        let was = progress.status.state;
        let bus = progress.status.bus;
        self.note(&mut progress, step, asked_at, dead_letters);
        let (checkpoint, head) = (progress.status.checkpoint, progress.status.head);
        drop(progress);
        self.handle.shared.checkpoint.send_if_modified(|reached| {
            let has_moved = *reached != checkpoint;
            *reached = checkpoint;
            has_moved
        });
        self.log(was, step);
        self.rest(step, bus, checkpoint == head)
    }

    /// A step of the rebuild that runs, before the old book's own step. What to wait for, if that
    /// one is left out: a halted book does not go on before it is rebuilt.
    fn rebuild_turn(&mut self) -> Option<Rest> {
        if !self.follower.is_rebuilding() {
            return None;
        }
        let sink = self.handle.name();
        let step = self.follower.rebuild_step();
        let mut progress = self.handle.shared.status.lock();
        let is_halted = progress.status.state == ConsumerState::Halted;
        progress.status.rebuild = self.follower.rebuild_status().cloned();
        drop(progress);
        let at_most = match &step {
            RebuildStep::Retry(_) => self.options.poll_interval,
            _ => Duration::ZERO,
        };
        match step {
            RebuildStep::Done => tracing::info!(sink, "book rebuilt"),
            RebuildStep::Failed(error) => {
                tracing::error!(sink, error, "rebuild failed, the book is as it was");
            }
            RebuildStep::Retry(_) | RebuildStep::Filled if is_halted => {
                return Some(Rest {
                    at_most,
                    heeds_signals: false,
                    ..Rest::NONE
                });
            }
            RebuildStep::Retry(_) | RebuildStep::Filled | RebuildStep::Idle => {}
        }
        None
    }

    /// Writes what the step that began at `asked_at` did into the status.
    fn note(
        &self,
        progress: &mut Progress,
        step: &Step,
        asked_at: Instant,
        dead_letters: Option<u64>,
    ) {
        let status = &mut progress.status;
        if let Some(checkpoint) = self.follower.checkpoint() {
            status.checkpoint = checkpoint.journal_id;
            status.digest = Some(checkpoint.digest);
            status.epoch = Some(checkpoint.epoch);
        }
        if let Some(position) = self.follower.position() {
            status.head = position.head.max(status.checkpoint);
            // While the step was under way, somebody may have seen it further on.
            if let Some((seen_at, seen)) = progress.seen
                && seen_at >= asked_at
                && seen.epoch == position.epoch
            {
                status.head = status.head.max(seen.head);
            }
        }
        if !matches!(step, Step::Retry(_)) {
            progress.looked_at = progress.looked_at.max(asked_at);
        }
        let status = &mut progress.status;
        if let Some(count) = dead_letters {
            status.dead_letters = count;
        }
        match step {
            Step::Retry(reason) => {
                status.state = ConsumerState::Retrying;
                status.processing_retries = status.processing_retries.saturating_add(1);
                status.last_error = Some(reason.clone());
            }
            Step::Halted(halt) => {
                status.state = ConsumerState::Halted;
                status.last_error = Some(halt.to_string());
            }
            Step::Begun => {}
            Step::AtHead | Step::Applied { .. } | Step::LoadedSnapshot => {
                let now = self.handle.now();
                status.state = ConsumerState::Following;
                status.last_error = None;
                if let Step::Applied { entries, last } = step {
                    status.applied = status.applied.saturating_add(*entries);
                    if let Some((event_type, observed_at)) = last {
                        status.last_event_type = Some(event_type.clone());
                        status.last_event_observed_at = *observed_at;
                        status.last_event_received_at = Some(now);
                    }
                }
                progress.moved_at = match step {
                    // An answer that came late says where the head was when it was asked for.
                    Step::AtHead => asked_at,
                    _ => Instant::now(),
                };
                if status.checkpoint == status.head {
                    progress.current_at = progress.moved_at;
                    status.current_at = Some(now);
                }
            }
        }
    }

    /// What to wait for after the step.
    fn rest(&mut self, step: &Step, bus: BusState, is_at_head: bool) -> Rest {
        let backing_off = |at_most| Rest {
            at_most,
            heeds_signals: false,
            ..Rest::NONE
        };
        match step {
            Step::Retry(_) => return backing_off(self.backoff.next_delay()),
            Step::Halted(_) => return backing_off(self.options.retry_longest),
            _ => self.backoff.reset(),
        }
        let until_next = match bus {
            _ if self.follower.is_rebuilding() => self.rebuild_delay(),
            BusState::Live => self.options.idle_interval,
            _ => self.options.poll_interval,
        };
        match step {
            Step::AtHead => Rest {
                at_most: until_next,
                ..Rest::NONE
            },
            Step::Applied { .. } if is_at_head && !self.follower.is_rebuilding() => Rest {
                gathers_for: self.options.gathers_for,
                // Without signals, what came meanwhile is seen only by looking.
                at_most: match bus {
                    BusState::Live => until_next,
                    _ => Duration::ZERO,
                },
                heeds_signals: true,
            },
            _ => Rest::NONE,
        }
    }

    /// While the new book grows there is always something to do.
    fn rebuild_delay(&self) -> Duration {
        let status = self.follower.rebuild_status();
        match status.and_then(|status| status.last_error.as_ref()) {
            Some(_) => self.options.poll_interval,
            None => Duration::ZERO,
        }
    }

    /// Logs what changed, once.
    fn log(&self, was: ConsumerState, step: &Step) {
        let sink = self.handle.name();
        match step {
            Step::Halted(halt) if was != ConsumerState::Halted => {
                tracing::error!(sink, error = %halt, "consumer halted");
            }
            Step::Retry(error) if was != ConsumerState::Retrying => {
                tracing::warn!(sink, error, "consumer tries again");
            }
            Step::LoadedSnapshot => {
                tracing::warn!(
                    sink,
                    "journal was trimmed past the checkpoint, snapshot loaded"
                );
            }
            Step::AtHead | Step::Applied { .. }
                if matches!(was, ConsumerState::Retrying | ConsumerState::Halted) =>
            {
                tracing::info!(sink, "consumer follows the journal again");
            }
            _ => {}
        }
    }

    fn answer(&mut self, request: Request) {
        // A receiver that is gone no longer wants its answer.
        match request {
            Request::List {
                after,
                limit,
                reply,
            } => {
                let letters = self.follower.sink().dead_letters(after, limit);
                let _ = reply.send(letters.map_err(|error| unavailable(&error)));
            }
            Request::Retry { journal_id, reply } => {
                let outcome = self.letter(journal_id).and_then(|letter| {
                    self.follower
                        .retry_dead_letter(&letter)
                        .map_err(|reason| DeadLetterError::StillPoison(journal_id, reason))
                });
                let _ = reply.send(outcome);
            }
            Request::Discard { journal_id, reply } => {
                let outcome = self.letter(journal_id).and_then(|_| {
                    self.follower
                        .discard_dead_letter(journal_id)
                        .map_err(DeadLetterError::Unavailable)
                });
                let _ = reply.send(outcome);
            }
            Request::Rebuild { request, reply } => {
                let begun = self.follower.begin_rebuild(request);
                if let Ok(status) = &begun {
                    let (sink, after) = (self.handle.name(), status.after.get());
                    tracing::info!(sink, after, base = ?status.base, "rebuild begun");
                }
                self.show_rebuild();
                let _ = reply.send(begun);
            }
            Request::CancelRebuild { reply } => {
                let has_ended = self.follower.cancel_rebuild();
                self.show_rebuild();
                let _ = reply.send(has_ended);
            }
        }
    }

    fn show_rebuild(&self) {
        let status = self.follower.rebuild_status().cloned();
        self.handle.shared.status.lock().status.rebuild = status;
    }

    fn letter(&mut self, journal_id: JournalId) -> Result<DeadLetter, DeadLetterError> {
        let before = JournalId::new(journal_id.get().saturating_sub(1));
        self.follower
            .sink()
            .dead_letters(before, 1)
            .map_err(|error| unavailable(&error))?
            .into_iter()
            .find(|letter| letter.journal_id == journal_id)
            .ok_or(DeadLetterError::NotFound(journal_id))
    }
}

fn unavailable(error: &dyn std::error::Error) -> DeadLetterError {
    DeadLetterError::Unavailable(Chain(error).to_string())
}
