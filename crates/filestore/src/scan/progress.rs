//! What a scan tells while it runs, and when it has.

use journal::Time;
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU64};

/// What a scan is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScanPhase {
    /// It goes over the tree. Into an empty mount it writes at the same time.
    Walking,
    /// It looks for known files among the new names.
    Matching,
    /// It writes the changes.
    Writing,
    /// It has ended.
    Done,
}

/// How far a scan is: counters that anyone may read while it runs.
#[derive(Debug, Default)]
pub struct ScanProgress {
    pub(super) directories: AtomicU64,
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) expected: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) phase: AtomicU8,
}

/// A copy of [`ScanProgress`], taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanCounts {
    /// What it is doing.
    pub phase: ScanPhase,
    /// Directories listed, the root among them.
    pub directories: u64,
    /// Names seen that are not directories.
    pub files: u64,
    /// The length of the regular files among them.
    pub bytes: u64,
    /// Differences to go through; 0 while nobody knows.
    pub expected_changes: u64,
    /// Nodes written.
    pub changes: u64,
}

impl ScanProgress {
    /// How far the scan is now.
    #[must_use]
    pub fn counts(&self) -> ScanCounts {
        let phase = match self.phase.load(Relaxed) {
            0 => ScanPhase::Walking,
            1 => ScanPhase::Matching,
            2 => ScanPhase::Writing,
            _ => ScanPhase::Done,
        };
        ScanCounts {
            phase,
            directories: self.directories.load(Relaxed),
            files: self.files.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            expected_changes: self.expected.load(Relaxed),
            changes: self.written.load(Relaxed),
        }
    }

    /// What was seen is seen again.
    pub(super) fn start_over(&self) {
        for count in [&self.directories, &self.files, &self.bytes] {
            count.store(0, Relaxed);
        }
    }

    pub(super) fn enter(&self, phase: ScanPhase) {
        self.phase.store(phase as u8, Relaxed);
    }
}

/// Something on disk that could not be seen. What is known below it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanProblem {
    /// Where, relative to the mount.
    pub path: String,
    /// Why, in the system's words.
    pub reason: String,
}

/// What a scan found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanReport {
    /// The mount.
    pub mount_id: i64,
    /// The command that all journal entries of this scan carry; `None` if nothing changed.
    pub command_id: Option<String>,
    /// The last of those entries.
    #[schema(value_type = Option<u64>)]
    pub journal_id: Option<journal::JournalId>,
    /// Directories on disk, the root among them.
    pub directories: u64,
    /// Names on disk that are not directories.
    pub files: u64,
    /// The length of the regular files among them.
    pub bytes: u64,
    /// What changed.
    #[serde(flatten)]
    pub changes: ScanChanges,
    /// How many names and directories could not be seen.
    pub problem_count: u64,
    /// The first hundred of them.
    pub problems: Vec<ScanProblem>,
    /// Directories that vanished or were replaced while the scan ran; the next scan sees them as
    /// they then are.
    pub gone: u64,
    /// ＋ Differences that were left to the commands that were about to explain them.
    pub postponed: u64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Time,
    /// How long it took.
    pub duration_ms: i64,
}

/// How many nodes a scan changed, by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanChanges {
    /// New on disk.
    pub created: u64,
    /// The same path, other contents.
    pub updated: u64,
    /// Another path.
    pub moved: u64,
    /// No longer on disk.
    pub missing: u64,
    /// Back on disk, or found to agree with it again.
    pub reconciled: u64,
}

impl ScanProgress {
    /// Adds the length of files; what they are all together is 2^64 - 1 at most.
    pub(super) fn add_bytes(&self, bytes: u64) {
        let add = |all: u64| Some(all.saturating_add(bytes));
        // It cannot fail, as it always gives a new value.
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, add);
    }
}

impl ScanChanges {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.created + self.updated + self.moved + self.missing + self.reconciled
    }
}
