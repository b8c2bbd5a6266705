//! How watching is doing, for people and for metrics.

use super::{Coverage, Watches, is_shared};
use crate::scan::Entrances;
use backend::walk::Entrance;
use catalogue::mounts::Mount;
use metrics::Unit;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;

/// Directories that are watched.
const WATCHED: &str = "filestore_watched_directories";
/// Directories that could not be watched.
const UNWATCHED: &str = "filestore_unwatched_directories";
/// Events read from the system.
const EVENTS: &str = "filestore_watch_events_total";
/// Times that the system's queue overflowed.
const OVERFLOWS: &str = "filestore_watch_overflows_total";

/// Gives the recorder the units and help texts.
pub(super) fn describe() {
    metrics::describe_gauge!(WATCHED, Unit::Count, "Directories that are watched.");
    metrics::describe_gauge!(
        UNWATCHED,
        Unit::Count,
        "Directories that could not be watched and are rescanned by period."
    );
    metrics::describe_counter!(EVENTS, Unit::Count, "Events read from inotify.");
    metrics::describe_counter!(
        OVERFLOWS,
        Unit::Count,
        "Overflows of inotify's queue, each followed by a scan of all watched mounts."
    );
}

pub(super) fn count_event() {
    metrics::counter!(EVENTS).increment(1);
}

pub(super) fn count_overflow() {
    metrics::counter!(OVERFLOWS).increment(1);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge needs no more than 52 bits"
)]
pub(super) fn measure(watches: &Watches) {
    let (watched, unwatched) = watches.totals();
    metrics::gauge!(WATCHED).set(watched as f64);
    metrics::gauge!(UNWATCHED).set(unwatched as f64);
}

/// How a mount's changes are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WatchState {
    /// By the periodic rescan only: watching is switched off, or the mount cannot be watched.
    Off,
    /// The first scan with watching on has not been through yet.
    Starting,
    /// At once, everywhere.
    Watching,
    /// At once where directories are watched, elsewhere by the periodic rescan: the limit is
    /// reached, directories cannot be read, or other machines write to the filesystem too.
    Partial,
    /// Something was missed, and a whole scan is due.
    Behind,
}

/// How a mount is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchStatus {
    /// How its changes are seen.
    pub state: WatchState,
    /// Directories that are watched.
    pub watched_directories: u64,
    /// Directories that could not be watched; they are rescanned by period.
    pub unwatched_directories: u64,
    /// Directories that cannot be read: what is in them is not known. They are looked at when their
    /// permissions change.
    pub unreadable_directories: u64,
    /// No rescan could see more than what is watched.
    #[serde(skip)]
    is_complete: bool,
}

impl WatchStatus {
    /// Whether the periodic rescan is no more than a net.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// Whether a filestore's mounts are watched, and by what.
#[derive(Debug, Default)]
pub(crate) struct Watching(Mutex<Option<Arc<Watches>>>);

impl Entrances for Watching {
    fn entrance(&self, mount_id: i64, is_whole: bool) -> Option<Arc<dyn Entrance>> {
        let watches = self.0.lock().clone()?;
        Some(Arc::new(watches.entrance(mount_id, is_whole)))
    }
}

impl Watching {
    /// From now on every scan watches what it lists.
    pub(super) fn begin(&self, watches: Arc<Watches>) {
        *self.0.lock() = Some(watches);
    }

    /// Nothing is watched any more.
    pub(super) fn end(&self) {
        self.0.lock().take();
    }

    /// How this mount is watched.
    pub(crate) fn status(&self, mount: &Mount) -> WatchStatus {
        let watches = self.0.lock().clone();
        let is_on = watches.is_some() && crate::scan::is_watchable(mount);
        let coverage = watches
            .map(|watches| watches.coverage(mount.id))
            .unwrap_or_default();
        let Coverage {
            watched,
            unwatched,
            unreadable,
            is_surveyed,
            is_blind,
        } = coverage;
        let is_partial = unwatched > 0 || is_shared(mount);
        let state = match () {
            () if !is_on => WatchState::Off,
            () if !is_surveyed => WatchState::Starting,
            () if is_blind => WatchState::Behind,
            () if is_partial || unreadable > 0 => WatchState::Partial,
            () => WatchState::Watching,
        };
        WatchStatus {
            state,
            watched_directories: watched,
            unwatched_directories: unwatched,
            unreadable_directories: unreadable,
            is_complete: is_on && is_surveyed && !is_blind && !is_partial,
        }
    }
}
