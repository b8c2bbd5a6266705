//! What the threads of a schedule tell each other.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What the threads of a schedule tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// The clients are to stop.
    pub is_over: AtomicBool,
    /// The watch on health is to stop.
    pub is_watched_enough: AtomicBool,
    /// The highest journal id that any command was answered with.
    pub head: AtomicU64,
    /// How often each service was started.
    pub starts: [AtomicU64; 3],
    /// Every command that was answered with success.
    pub acknowledged: Mutex<Acknowledged>,
}

/// What was answered with success.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// The journal id of each command, with its idempotency key.
    pub by_id: BTreeMap<u64, String>,
    /// Commands whose id another command had already.
    pub doubled: Vec<String>,
    /// Commands that had to be sent more than once.
    pub sent_again: u64,
}
