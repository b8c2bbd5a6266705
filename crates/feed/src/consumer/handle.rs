//! What the rest of the process holds of a consumer: its status, waiting for an entry, dead
//! letters, waking and stopping.

use crate::rebuild::{RebuildError, RebuildRequest, RebuildState, RebuildStatus};
use crate::{BusState, ConsumerState, ConsumerStatus, DeadLetter, SharedReader};
use journal::{Clock, JournalId, Position, Time};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Requests that people make of a consumer wait here while a batch is under way. More than this
/// many at once are refused.
const REQUESTS_MAX: usize = 256;

/// After how long the journal's head is looked at again for those who ask.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long those who ask wait for it.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a dead letter could not be listed, retried or discarded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is none of this id.
    #[error("there is no dead letter {0}")]
    NotFound(JournalId),
    /// It cannot be applied, now as before.
    #[error("dead letter {0} still cannot be applied: {1}")]
    StillPoison(JournalId, String),
    /// The store or the consumer cannot answer now.
    #[error("the consumer cannot answer now: {0}")]
    Unavailable(String),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, DeadLetterError>>;

pub(super) enum Request {
    List {
        after: JournalId,
        limit: usize,
        reply: Reply<Vec<DeadLetter>>,
    },
    Retry {
        journal_id: JournalId,
        reply: Reply<()>,
    },
    Discard {
        journal_id: JournalId,
        reply: Reply<()>,
    },
    Rebuild {
        request: RebuildRequest,
        reply: oneshot::Sender<Result<RebuildStatus, RebuildError>>,
    },
    CancelRebuild {
        reply: oneshot::Sender<bool>,
    },
}

/// What a consumer waits for after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// So long after the last turn began a signal makes the next one come: what comes until then is
    /// gathered. It makes it come at once while somebody waits for an entry.
    pub gathers_for: Duration,
    /// The next turn comes after this time at the latest.
    pub at_most: Duration,
    /// A signal makes it come at all. Not while the consumer backs off.
    pub heeds_signals: bool,
}

impl Rest {
    /// None: the next turn comes at once.
    pub const NONE: Self = Self {
        gathers_for: Duration::ZERO,
        at_most: Duration::ZERO,
        heeds_signals: true,
    };
}

#[derive(Default)]
struct Inbox {
    is_signalled: bool,
    /// The consumer looks at signals only when it has gathered for long enough.
    is_gathering: bool,
    is_stopping: bool,
    has_ended: bool,
    /// How many wait for an entry.
    waiting: usize,
    requests: VecDeque<Request>,
}

pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    woken: Condvar,
    pub(super) status: Mutex<Progress>,
    pub(super) checkpoint: watch::Sender<JournalId>,
    clock: Arc<dyn Clock>,
    reader: SharedReader,
    is_looking: AtomicBool,
}

/// The consumer's status and the monotonic times that its lag is computed from.
pub(super) struct Progress {
    pub(super) status: ConsumerStatus,
    /// When the checkpoint was last seen to equal the head.
    pub(super) current_at: Instant,
    /// When the checkpoint last moved or was last seen to equal the head.
    pub(super) moved_at: Instant,
    /// When the journal was last asked where its head is.
    pub(super) looked_at: Instant,
    /// The head as [`ConsumerHandle::look_at_head`] saw it, and when it asked.
    pub(super) seen: Option<(Instant, Position)>,
}

/// A handle on a running consumer; clones are handles on the same one.
#[derive(Clone)]
pub struct ConsumerHandle {
    pub(super) shared: Arc<Shared>,
    name: &'static str,
}

impl fmt::Debug for ConsumerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerHandle")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ConsumerHandle {
    pub(super) fn new(name: &'static str, clock: Arc<dyn Clock>, reader: SharedReader) -> Self {
        let status = ConsumerStatus {
            state: ConsumerState::Starting,
            checkpoint: JournalId::ZERO,
            head: JournalId::ZERO,
            digest: None,
            epoch: None,
            lag_entries: 0,
            lag_seconds: 0.0,
            current_at: None,
            last_event_type: None,
            last_event_observed_at: None,
            last_event_received_at: None,
            applied: 0,
            dead_letters: 0,
            connect_retries: 0,
            processing_retries: 0,
            last_error: None,
            bus_mode: "inline",
            bus: BusState::Lost,
            bus_error: None,
            last_heartbeat_at: None,
            rebuild: None,
        };
        let now = Instant::now();
        let progress = Progress {
            status,
            current_at: now,
            moved_at: now,
            looked_at: now,
            seen: None,
        };
        let shared = Shared {
            inbox: Mutex::default(),
            woken: Condvar::new(),
            status: Mutex::new(progress),
            checkpoint: watch::Sender::new(JournalId::ZERO),
            clock,
            reader,
            is_looking: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            name,
        }
    }

    /// The sink's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the consumer says of itself now.
    #[must_use]
    pub fn status(&self) -> ConsumerStatus {
        let progress = self.shared.status.lock();
        let mut status = progress.status.clone();
        status.lag_entries = status.head.entries_since(status.checkpoint);
        status.lag_seconds = if status.lag_entries == 0 && status.state == ConsumerState::Following
        {
            0.0
        } else {
            progress.current_at.elapsed().as_secs_f64()
        };
        status
    }

    /// Sees where the journal's head is, if nobody has looked for a second: the consumer's own
    /// thread does not while its store keeps it. Waits for the journal two seconds at most.
    pub async fn look_at_head(&self) {
        let shared = Arc::clone(&self.shared);
        let is_fresh = shared.status.lock().looked_at.elapsed() < LOOK_AGAIN;
        // One at a time, so that a journal that does not answer gathers nobody.
        if is_fresh || shared.is_looking.swap(true, Ordering::SeqCst) {
            return;
        }
        let look = tokio::task::spawn_blocking(move || {
            let asked_at = Instant::now();
            if let Ok(position) = shared.reader.position() {
                let mut progress = shared.status.lock();
                progress.looked_at = asked_at;
                progress.seen = Some((asked_at, position));
                let status = &mut progress.status;
                if status.epoch.is_none_or(|epoch| epoch == position.epoch) {
                    status.head = status.head.max(position.head);
                }
            }
            shared.is_looking.store(false, Ordering::SeqCst);
        });
        // What is not seen in time is seen by whoever asks next.
        let _ = tokio::time::timeout(LOOK_TIMEOUT, look).await;
    }

    /// Publishes the status as metrics. Call it where metrics are rendered, so that a consumer
    /// that stands still shows a growing lag.
    pub fn record_metrics(&self) {
        crate::metric::record(self.name, &self.status());
    }

    /// For how long the checkpoint has neither moved nor been seen to equal the head. It grows
    /// while the journal cannot be read, too: what is not known to be current is not green.
    #[must_use]
    pub fn stood_still_for(&self) -> Duration {
        self.shared.status.lock().moved_at.elapsed()
    }

    /// Makes the consumer look at the journal now, or when it has gathered for a few milliseconds.
    /// Signals that come together count as one.
    pub fn signal(&self) {
        let mut inbox = self.shared.inbox.lock();
        let was_signalled = std::mem::replace(&mut inbox.is_signalled, true);
        let wakes = !was_signalled && (!inbox.is_gathering || inbox.waiting > 0);
        drop(inbox);
        if wakes {
            self.shared.woken.notify_one();
        }
    }

    /// Finishes the batch in hand and stops; [`ConsumerHandle::stopped`] waits for the end.
    pub fn stop(&self) {
        self.shared.inbox.lock().is_stopping = true;
        self.shared.woken.notify_all();
    }

    /// Blocks until the consumer has ended, at most `timeout`; whether it has.
    #[must_use]
    pub fn stopped(&self, timeout: Duration) -> bool {
        let mut inbox = self.shared.inbox.lock();
        let deadline = Instant::now() + timeout;
        while !inbox.has_ended {
            if self
                .shared
                .woken
                .wait_until(&mut inbox, deadline)
                .timed_out()
            {
                return inbox.has_ended;
            }
        }
        true
    }

    /// The checkpoint, to see it move. Nothing is hurried by it.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<JournalId> {
        self.shared.checkpoint.subscribe()
    }

    /// Waits until the entry is applied or parked, at most `timeout`; the checkpoint reached.
    /// Meanwhile the consumer gathers nothing.
    pub async fn wait_for(&self, journal_id: JournalId, timeout: Duration) -> JournalId {
        let mut checkpoint = self.shared.checkpoint.subscribe();
        if *checkpoint.borrow() >= journal_id {
            return *checkpoint.borrow();
        }
        let _waiting = Waiting::begin(&self.shared);
        let reached = checkpoint.wait_for(|reached| *reached >= journal_id);
        // Both a timeout and the consumer's end leave the checkpoint where it is.
        let _ = tokio::time::timeout(timeout, reached).await;
        *self.shared.checkpoint.borrow()
    }

    /// The dead letters after `after`, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read now.
    pub async fn dead_letters(
        &self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, DeadLetterError> {
        self.ask(|reply| Request::List {
            after,
            limit,
            reply,
        })
        .await
    }

    /// Applies a dead letter again.
    ///
    /// # Errors
    /// There is none of this id, it still cannot be applied, or the store cannot be written now.
    pub async fn retry(&self, journal_id: JournalId) -> Result<(), DeadLetterError> {
        self.ask(|reply| Request::Retry { journal_id, reply }).await
    }

    /// Removes a dead letter for good.
    ///
    /// # Errors
    /// There is none of this id, or the store cannot be written now.
    pub async fn discard(&self, journal_id: JournalId) -> Result<(), DeadLetterError> {
        self.ask(|reply| Request::Discard { journal_id, reply })
            .await
    }

    /// Begins a rebuild of the book, or a replay. It goes on after this returns;
    /// [`ConsumerStatus::rebuild`] tells how far it is.
    ///
    /// # Errors
    /// As [`RebuildError`] says; nothing has then changed.
    pub async fn rebuild(&self, request: RebuildRequest) -> Result<RebuildStatus, RebuildError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Rebuild { request, reply })
            .map_err(|reason| RebuildError::Unavailable(reason.to_owned()))?;
        answer.await.unwrap_or_else(|_| {
            Err(RebuildError::Unavailable(
                "the consumer has stopped".to_owned(),
            ))
        })
    }

    /// Ends a rebuild that runs, and leaves the old book as it was. Whether one ran.
    ///
    /// # Errors
    /// The consumer cannot answer now.
    pub async fn cancel_rebuild(&self) -> Result<bool, RebuildError> {
        let (reply, answer) = oneshot::channel();
        let unavailable = |reason: &str| RebuildError::Unavailable(reason.to_owned());
        self.send(Request::CancelRebuild { reply })
            .map_err(unavailable)?;
        answer
            .await
            .map_err(|_| unavailable("the consumer has stopped"))
    }

    /// The last entry that this consumer no longer needs: its checkpoint, or where a rebuild that
    /// runs is.
    #[must_use]
    pub fn needs_after(&self) -> JournalId {
        let progress = self.shared.status.lock();
        let checkpoint = progress.status.checkpoint;
        let rebuild = progress.status.rebuild.as_ref();
        rebuild
            .filter(|rebuild| rebuild.state == RebuildState::Running)
            .map_or(checkpoint, |rebuild| rebuild.journal_id.min(checkpoint))
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, DeadLetterError> {
        let (reply, answer) = oneshot::channel();
        self.send(request(reply))
            .map_err(|reason| DeadLetterError::Unavailable(reason.to_owned()))?;
        answer.await.unwrap_or_else(|_| {
            Err(DeadLetterError::Unavailable(
                "the consumer has stopped".to_owned(),
            ))
        })
    }

    fn send(&self, request: Request) -> Result<(), &'static str> {
        {
            let mut inbox = self.shared.inbox.lock();
            if inbox.has_ended {
                return Err("it has stopped");
            }
            if inbox.requests.len() >= REQUESTS_MAX {
                return Err("it is busy");
            }
            inbox.requests.push_back(request);
        }
        self.shared.woken.notify_one();
        Ok(())
    }

    /// What the bus's session says of itself.
    pub fn set_bus(&self, mode: &'static str, state: BusState) {
        let mut progress = self.shared.status.lock();
        progress.status.bus_mode = mode;
        progress.status.bus = state;
    }

    /// Why the bus is not live; `None` when it is.
    pub fn set_bus_error(&self, reason: Option<String>) {
        self.shared.status.lock().status.bus_error = reason;
    }

    /// A heartbeat came back through the bus.
    pub fn heartbeat(&self) {
        let now = self.shared.clock.now();
        self.shared.status.lock().status.last_heartbeat_at = Some(now);
    }

    /// The bus's session is tried again.
    pub fn count_connect_retry(&self) {
        let mut progress = self.shared.status.lock();
        progress.status.connect_retries = progress.status.connect_retries.saturating_add(1);
    }

    pub(super) fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Waits for what the rest says after a turn that began at `turned_at`, for a request or for the
    /// end. `None`: stop now.
    pub(super) fn wait(&self, rest: Rest, turned_at: Instant) -> Option<Vec<Request>> {
        let mut inbox = self.shared.inbox.lock();
        let gathered_at = turned_at + rest.gathers_for;
        let deadline = (Instant::now() + rest.at_most).max(gathered_at);
        loop {
            let now = Instant::now();
            let is_gathering = now < gathered_at;
            let heeds = rest.heeds_signals && (!is_gathering || inbox.waiting > 0);
            let is_due = now >= deadline || (inbox.is_signalled && heeds);
            if inbox.is_stopping {
                return None;
            }
            if is_due || !inbox.requests.is_empty() {
                inbox.is_gathering = false;
                inbox.is_signalled = inbox.is_signalled && !rest.heeds_signals;
                return Some(inbox.requests.drain(..).collect());
            }
            inbox.is_gathering = is_gathering;
            let until = if is_gathering { gathered_at } else { deadline };
            self.shared.woken.wait_until(&mut inbox, until);
        }
    }

    pub(super) fn end(&self) {
        let mut inbox = self.shared.inbox.lock();
        inbox.has_ended = true;
        // Dropping the requests answers those who wait for them.
        inbox.requests.clear();
        drop(inbox);
        self.shared.woken.notify_all();
    }
}

/// Somebody waits for an entry.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.inbox.lock().waiting += 1;
        shared.woken.notify_one();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.inbox.lock().waiting -= 1;
    }
}
