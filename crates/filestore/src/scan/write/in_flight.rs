//! What a scan leaves to commands.

use catalogue::{StoreError, WriteTx, intents};

/// Where commands are at work in a mount that are not committed yet, as of one transaction: each
/// of them will tell of its own changes itself.
#[derive(Debug)]
pub(crate) struct InFlight {
    mount_id: i64,
    paths: Vec<String>,
    /// Differences that were left to them.
    pub(crate) postponed: u64,
}

impl InFlight {
    pub(super) const fn new(mount_id: i64) -> Self {
        Self {
            mount_id,
            paths: Vec::new(),
            postponed: 0,
        }
    }

    /// Looks where they are now.
    pub(super) fn look(&mut self, tx: &WriteTx<'_>) -> Result<(), StoreError> {
        self.paths = intents::paths(tx, self.mount_id)?;
        Ok(())
    }

    /// Whether one is at work there, and the difference is left to it. It may also be about to tell
    /// of the directories above.
    pub(super) fn has(&mut self, path: &str) -> bool {
        let is_within = |path: &str, above: &str| {
            let rest = path.strip_prefix(above);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut paths = self.paths.iter();
        let is_it = paths.any(|at| is_within(path, at) || is_within(at, path));
        self.postponed += u64::from(is_it);
        is_it
    }
}
