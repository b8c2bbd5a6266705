//! How hashing in the background is doing, for people and for metrics.

use super::Hasher;
use crate::mount::Policy;
use catalogue::mounts::{Mount, MountState};
use metrics::Unit;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files that got a hash.
const FILES: &str = "filestore_hashed_files_total";
/// Bytes read for it.
const BYTES: &str = "filestore_hashing_read_bytes_total";
/// Files that got none, by reason.
const LEFT_OUT: &str = "filestore_unhashed_files_total";
/// Files that wait.
const PENDING: &str = "filestore_hashing_pending_files";

pub(super) fn describe() {
    metrics::describe_counter!(
        FILES,
        Unit::Count,
        "Files that got a content hash in the background."
    );
    metrics::describe_counter!(BYTES, Unit::Bytes, "Bytes read to hash in the background.");
    metrics::describe_counter!(
        LEFT_OUT,
        Unit::Count,
        "Files that hashing in the background left out, by reason."
    );
    metrics::describe_gauge!(
        PENDING,
        Unit::Count,
        "Files that wait to be hashed in the background."
    );
}

/// What hashing is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HashingState {
    /// It has not begun: the mount is inactive, or the service is starting or stopping.
    #[default]
    Off,
    /// It was told to pause.
    Paused,
    /// It counts what is to be done.
    Counting,
    /// Files are read.
    Hashing,
    /// The mount cannot be reached, see `lastError`; it is tried again.
    Waiting,
    /// Every file that is meant has its hash, or was left out.
    Idle,
}

/// How hashing in the background is doing, since it began to follow its present settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HashingStatus {
    /// What it is at.
    pub(crate) state: HashingState,
    /// Files that wait.
    pub(crate) pending_files: u64,
    /// Their bytes.
    pub(crate) pending_bytes: u64,
    /// Files that got their hash.
    pub(crate) hashed_files: u64,
    /// Their bytes.
    pub(crate) hashed_bytes: u64,
    /// Bytes read, those of files that then got no hash too.
    pub(crate) read_bytes: u64,
    /// Files that kept changing while they were read. They are tried again when they change next.
    pub(crate) changing_files: u64,
    /// Files that could not be read. They are tried again when they change, or after a restart.
    pub(crate) unreadable_files: u64,
    /// Why it waits, or why the last file could not be read.
    pub(crate) last_error: Option<String>,
}

/// Why a file got no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    Changing,
    Unreadable,
    /// It is gone, or another one; its node tells soon.
    Outdated,
}

/// The status as it goes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    status: Mutex<HashingStatus>,
    /// The bytes that wait. They can be more than 64 bits tell, and are to be right again once they
    /// are fewer.
    pending_bytes: Mutex<u128>,
    /// Counted at each read, so not under the lock.
    read_bytes: AtomicU64,
}

impl Progress {
    pub(super) fn status(&self) -> HashingStatus {
        HashingStatus {
            read_bytes: self.read_bytes.load(Ordering::Relaxed),
            pending_bytes: u64::try_from(*self.pending_bytes.lock()).unwrap_or(u64::MAX),
            ..self.status.lock().clone()
        }
    }

    pub(super) fn enter(&self, state: HashingState) {
        let mut status = self.status.lock();
        status.state = state;
        if matches!(state, HashingState::Counting | HashingState::Idle) {
            status.pending_files = 0;
            *self.pending_bytes.lock() = 0;
        }
    }

    /// It cannot go on. Whether it could until now.
    pub(super) fn wait(&self, reason: &str) -> bool {
        let mut status = self.status.lock();
        let is_new = status.state != HashingState::Waiting;
        status.state = HashingState::Waiting;
        status.last_error = Some(reason.to_owned());
        is_new
    }

    pub(super) fn read(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        metrics::counter!(BYTES).increment(bytes);
    }

    pub(super) fn found(&self, files: u64, bytes: u128) {
        let mut status = self.status.lock();
        status.pending_files = status.pending_files.saturating_add(files);
        *self.pending_bytes.lock() += bytes;
    }

    /// One file less waits.
    pub(super) fn took(&self, bytes: u64) {
        let mut status = self.status.lock();
        status.pending_files = status.pending_files.saturating_sub(1);
        let mut pending = self.pending_bytes.lock();
        *pending = pending.saturating_sub(bytes.into());
    }

    pub(super) fn hashed(&self, files: u64, bytes: u64) {
        let mut status = self.status.lock();
        status.hashed_files += files;
        status.hashed_bytes = status.hashed_bytes.saturating_add(bytes);
        metrics::counter!(FILES).increment(files);
    }

    pub(super) fn left_out(&self, reason: LeftOut, why: Option<String>) {
        let mut status = self.status.lock();
        let label = match reason {
            LeftOut::Changing => {
                status.changing_files += 1;
                "changing"
            }
            LeftOut::Unreadable => {
                status.unreadable_files += 1;
                "unreadable"
            }
            LeftOut::Outdated => "outdated",
        };
        status.last_error = why.or_else(|| status.last_error.take());
        metrics::counter!(LEFT_OUT, "reason" => label).increment(1);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge needs no more than 52 bits"
)]
pub(super) fn measure<'p>(all: impl Iterator<Item = &'p Progress>) {
    let pending: u64 = all
        .map(|progress| progress.status.lock().pending_files)
        .sum();
    metrics::gauge!(PENDING).set(pending as f64);
}

impl Hasher {
    /// How this mount's files are hashed in the background; `None` if they are not.
    pub(crate) fn status(&self, mount: &Mount) -> Option<HashingStatus> {
        let policy = Policy::parse(&mount.config).ok().flatten()?;
        let progress = self.progress(mount.id);
        let mut status = progress
            .map(|progress| progress.status())
            .unwrap_or_default();
        if policy.is_paused && mount.state == MountState::Active {
            status.state = HashingState::Paused;
        }
        Some(status)
    }
}
