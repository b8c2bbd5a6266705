//! Who reads the journal, so that retention does not trim it from under them.
//!
//! Consumers of this process tell how far they are whenever they are asked. A consumer elsewhere
//! gives its name with every read (`consumer=NAME`), and what it asks for tells what it still
//! needs: everything after `after`. It is remembered in the catalogue, so that a filestore that
//! starts again still knows it, until it has not been seen for
//! `FILESTORE_JOURNAL_CONSUMER_EXPIRY` or a person forgets it.
//!
//! A consumer may read at two places at once (it rebuilds its book while it follows), so the lowest
//! place of the last minute counts, and of the one before.
//!
//! Nobody holds the journal for ever: a consumer further behind than
//! `FILESTORE_JOURNAL_HOLD_MAX_ENTRIES` holds it no longer, and starts again from a snapshot.

use catalogue::StoreError;
use catalogue::{Catalogue, consumers};
use journal::{JournalId, Time};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More names than this are not remembered.
const NAMES_MAX: usize = 1_000;
/// The longest name, in bytes.
const NAME_MAX_BYTES: usize = 64;
/// How long a place that was asked for counts, once or twice this long.
const WINDOW: Duration = Duration::from_secs(60);
/// How often what is known of a consumer is written down.
const WRITE_INTERVAL: Duration = Duration::from_secs(10);

/// How far back the journal is held, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldOptions {
    /// A consumer elsewhere that was not seen for so long is forgotten.
    pub forget_after: Duration,
    /// A consumer further behind than this many entries holds the journal no longer.
    pub max_entries: u64,
}

impl Default for HoldOptions {
    fn default() -> Self {
        Self {
            forget_after: Duration::from_secs(7 * 24 * 60 * 60),
            max_entries: 10_000_000,
        }
    }
}

/// A consumer of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConsumer {
    /// What it calls itself.
    pub name: String,
    /// Whether it runs in this process.
    pub is_local: bool,
    /// It needs the entries after this one.
    pub after: JournalId,
    /// When it was first seen; `None` for one of this process.
    pub first_seen_at: Option<Time>,
    /// When it was last seen; `None` for one of this process.
    pub last_seen_at: Option<Time>,
    /// Whether retention keeps the journal for it; not if it is too far behind.
    pub is_held: bool,
}

type Applied = Arc<dyn Fn() -> JournalId + Send + Sync>;

/// Those that are known.
pub(crate) struct Consumers {
    pub(crate) catalogue: Arc<Catalogue>,
    hold: HoldOptions,
    local: Mutex<BTreeMap<String, Applied>>,
    remote: Mutex<BTreeMap<String, Remote>>,
}

impl fmt::Debug for Consumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumers").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Remote {
    first_seen_at: Time,
    last_seen_at: Time,
    /// The lowest place asked for in the present window, and in the one before.
    lowest: [JournalId; 2],
    window_since: Instant,
    written_since: Instant,
}

impl Remote {
    fn new(after: JournalId, first_seen_at: Time, last_seen_at: Time) -> Self {
        let now = Instant::now();
        Self {
            first_seen_at,
            last_seen_at,
            lowest: [after; 2],
            window_since: now,
            written_since: now,
        }
    }

    fn see(&mut self, after: JournalId, at: Time) {
        self.last_seen_at = at;
        let elapsed = self.window_since.elapsed();
        if elapsed >= WINDOW * 2 {
            self.lowest = [after; 2];
            self.window_since = Instant::now();
        } else if elapsed >= WINDOW {
            self.lowest = [after, self.lowest[0]];
            self.window_since = Instant::now();
        } else {
            self.lowest[0] = self.lowest[0].min(after);
        }
    }

    fn after(&self) -> JournalId {
        self.lowest[0].min(self.lowest[1])
    }

    /// What is written down of it.
    fn written(&self) -> consumers::Consumer {
        consumers::Consumer {
            after: self.after(),
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
        }
    }
}

/// Why a name cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("use 1 to {NAME_MAX_BYTES} letters, digits and any of '-', '_' and '.'")]
    Invalid,
    #[error(
        "{NAMES_MAX} consumers are known already; forget some with DELETE /v1/journal/consumers/NAME"
    )]
    TooMany,
}

impl Consumers {
    /// What was written down before.
    pub(crate) fn load(catalogue: Arc<Catalogue>, hold: HoldOptions) -> Result<Self, StoreError> {
        let known = catalogue.read(consumers::all)?.into_iter();
        let remote = known.map(|(name, known)| {
            let remote = Remote::new(known.after, known.first_seen_at, known.last_seen_at);
            (name, remote)
        });
        Ok(Self {
            catalogue,
            hold,
            local: Mutex::default(),
            remote: Mutex::new(remote.collect()),
        })
    }

    /// How far back the journal is held, unless somebody asks otherwise.
    pub(crate) const fn hold(&self) -> HoldOptions {
        self.hold
    }

    /// Keeps the journal for a consumer of this process, which tells on every call after which
    /// entry it needs the journal.
    pub(crate) fn hold_journal_for(
        &self,
        name: &str,
        after: impl Fn() -> JournalId + Send + Sync + 'static,
    ) {
        let mut local = self.local.lock();
        local.insert(name.to_owned(), Arc::new(after));
    }

    /// A consumer elsewhere asks for what comes after this entry. Blocks where it is written down.
    pub(crate) fn see(&self, name: &str, after: JournalId) -> Result<(), NameError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.chars().all(is_plain) {
            return Err(NameError::Invalid);
        }
        let now = self.catalogue.clock().now();
        let to_write = {
            let mut remote = self.remote.lock();
            if remote.len() >= NAMES_MAX && !remote.contains_key(name) {
                return Err(NameError::TooMany);
            }
            let mut is_due = false;
            let known = remote.entry(name.to_owned()).or_insert_with(|| {
                is_due = true;
                Remote::new(after, now, now)
            });
            known.see(after, now);
            if is_due || known.written_since.elapsed() >= WRITE_INTERVAL {
                known.written_since = Instant::now();
                Some(*known)
            } else {
                None
            }
        };
        if let Some(known) = to_write {
            let name = name.to_owned();
            let written = self
                .catalogue
                .write(move |tx| consumers::put(tx, &name, &known.written()));
            // It is known in memory, and written down with one of its next reads.
            if let Err(error) = written {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a consumer's place was not written down");
            }
        }
        Ok(())
    }

    /// The consumers that are known, by name. Those not seen for too long are forgotten.
    pub(crate) fn known(&self, options: HoldOptions) -> Vec<JournalConsumer> {
        self.forget_late(options);
        let floor = self.hold_floor(options);
        let mut known = Vec::new();
        for (name, place) in &*self.local.lock() {
            let after = place();
            known.push(JournalConsumer {
                name: name.clone(),
                is_local: true,
                after,
                first_seen_at: None,
                last_seen_at: None,
                is_held: after >= floor,
            });
        }
        for (name, remote) in &*self.remote.lock() {
            let after = remote.after();
            known.push(JournalConsumer {
                name: name.clone(),
                is_local: false,
                after,
                first_seen_at: Some(remote.first_seen_at),
                last_seen_at: Some(remote.last_seen_at),
                is_held: after >= floor,
            });
        }
        known.sort_by(|a, b| (&a.name, a.is_local).cmp(&(&b.name, b.is_local)));
        known
    }

    /// Forgets a consumer elsewhere; whether it was known. If it reads again it is known again.
    /// Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub(crate) fn forget(&self, name: &str) -> Result<bool, StoreError> {
        let was_known = self.remote.lock().remove(name).is_some();
        let name = name.to_owned();
        self.catalogue
            .write(move |tx| consumers::remove(tx, &name))?;
        Ok(was_known)
    }

    /// The last entry that no consumer needs any more, as far as the journal is held for them.
    pub(crate) fn needed_by_none(&self, options: HoldOptions) -> JournalId {
        let consumers = self.known(options);
        let held = consumers.iter().filter(|consumer| consumer.is_held);
        held.map(|consumer| consumer.after)
            .min()
            .unwrap_or(JournalId::MAX)
    }

    /// Removes entries up to and with `up_to`, but none that a consumer still needs. Blocks. Gives
    /// the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub(crate) fn trim_applied(
        &self,
        up_to: JournalId,
        options: HoldOptions,
    ) -> Result<JournalId, StoreError> {
        self.catalogue
            .trim_journal(up_to.min(self.needed_by_none(options)))
    }

    fn hold_floor(&self, options: HoldOptions) -> JournalId {
        let head = self.catalogue.head().id.get();
        JournalId::new(head.saturating_sub(options.max_entries))
    }

    fn forget_late(&self, options: HoldOptions) {
        let now = self.catalogue.clock().now().as_millis();
        let longest = i64::try_from(options.forget_after.as_millis()).unwrap_or(i64::MAX);
        let late: Vec<String> = {
            let remote = self.remote.lock();
            let late = remote.iter().filter(|(_, remote)| {
                now.saturating_sub(remote.last_seen_at.as_millis()) > longest
            });
            late.map(|(name, _)| name.clone()).collect()
        };
        for name in late {
            tracing::warn!(
                consumer = name,
                "consumer was not seen for too long, the journal is not kept for it any more"
            );
            if let Err(error) = self.forget(&name) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "a late consumer was not forgotten, it is tried again"
                );
            }
        }
    }
}
