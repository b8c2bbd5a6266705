//! Hashes that are in doubt are computed again, whatever a mount's settings say of hashing.
//!
//! A scan notes a file whose change time moved while its size and modification time did not
//! ([`catalogue::doubt`]). Here its contents are read, at a pace. If they are what the hash says,
//! the note goes and nobody hears of it; if not, the node is updated with its new hash.

use super::pace::Pace;
use super::work::QUIET_MS;
use super::{COMMAND, Hasher, POLL};
use crate::mount::{BYTES_PER_SECOND, Policy};
use ::node::Facts;
use backend::hash::content::{HashConditions, Hashed};
use catalogue::{Cause, Node, StoreError, Verb, WriteTx, doubt, mounts, nodes};
use process::{Chain, Stop};
use std::sync::Arc;
use std::time::Duration;

/// Notes gone through at once.
const PAGE: usize = 100;

/// How long it rests when all notes were gone through; longer each time that nothing came of it.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The thread that looks again.
pub(super) struct Doubts {
    pub(super) hasher: Arc<Hasher>,
}

/// What a look at a file came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Its note is gone.
    Settled,
    /// It has to be looked at later.
    Later,
    /// It is over.
    Stopped,
}

impl Doubts {
    /// Until it is told to stop.
    pub(super) fn run(self, stop: &Stop) {
        let mut rest = REST;
        loop {
            match self.round(stop) {
                Ok(Look::Stopped) | Err(StoreError::Closed) => return,
                Ok(Look::Settled) => rest = REST,
                Ok(Look::Later) => rest = rest.saturating_mul(2).min(LONGEST_REST),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "hashes in doubt cannot be read");
                }
            }
            let mut left = rest;
            while !left.is_zero() {
                if self.is_over_within(stop, left.min(POLL)) {
                    return;
                }
                left = left.saturating_sub(POLL);
            }
        }
    }

    fn is_over_within(&self, stop: &Stop, wait: Duration) -> bool {
        stop.wait(wait) || self.hasher.closing.is_cancelled()
    }

    /// Looks at all files in doubt. [`Look::Later`] if none could be settled and some remain.
    fn round(&self, stop: &Stop) -> Result<Look, StoreError> {
        let (mut after, mut ended) = (0, Look::Settled);
        let mut has_settled = false;
        loop {
            let page = self
                .hasher
                .catalogue
                .read(|db| doubt::page(db, after, PAGE))?;
            let Some((last, _)) = page.last() else {
                return Ok(if has_settled { Look::Settled } else { ended });
            };
            after = *last;
            for (id, node) in page {
                match self.look(stop, id, node)? {
                    Look::Stopped => return Ok(Look::Stopped),
                    Look::Settled => has_settled = true,
                    Look::Later => ended = Look::Later,
                }
            }
        }
    }

    fn look(&self, stop: &Stop, id: i64, node: Option<Node>) -> Result<Look, StoreError> {
        let Some(node) = node else {
            self.hasher.catalogue.write(move |tx| tx.trust(id))?;
            return Ok(Look::Settled);
        };
        // What is not there is looked at when it comes back.
        if !node.is_on_disk() {
            return Ok(Look::Later);
        }
        let hash = match self.hash(stop, &node)? {
            Hashed::Hash(hash, _) => Some(hash),
            Hashed::TooLong => None,
            Hashed::Stopped => return Ok(Look::Stopped),
            // The next scan, or the next round, knows more.
            Hashed::Other | Hashed::Gone | Hashed::Fresh | Hashed::Changing => {
                return Ok(Look::Later);
            }
        };
        let facts = node.facts;
        self.hasher
            .catalogue
            .write(move |tx| settle(tx, id, facts, hash))?;
        Ok(Look::Settled)
    }

    fn hash(&self, stop: &Stop, node: &Node) -> Result<Hashed, StoreError> {
        let open = match self.hasher.opener.by_id(node.mount_id) {
            Ok(open) => open,
            Err(error) => {
                let (mount_id, error) = (node.mount_id, Chain(&error).to_string());
                tracing::debug!(mount_id, error, "a hash in doubt cannot be computed");
                return Ok(Hashed::Gone);
            }
        };
        let mount = self
            .hasher
            .catalogue
            .read(|db| mounts::by_id(db, node.mount_id))?;
        let policy = mount.and_then(|mount| Policy::parse(&mount.config).ok().flatten());
        let clock = self.hasher.catalogue.clock();
        let rate = policy.map_or(BYTES_PER_SECOND, |policy| policy.bytes_per_second);
        let pace = Pace::new(rate, clock.now());
        let conditions = HashConditions {
            facts: Some(node.facts),
            quiet_since_ms: Some(clock.now().as_millis().saturating_sub(QUIET_MS)),
            read_bytes: pace.read_bytes(),
        };
        let gate = &mut |read| {
            pace.spend(read);
            loop {
                let wait = pace.wait(clock.now());
                if wait.is_zero() {
                    return !self.is_over_within(stop, Duration::ZERO);
                }
                if self.is_over_within(stop, wait.min(POLL)) {
                    return false;
                }
            }
        };
        let hashed = open.backend.hash(&node.path, &conditions, gate);
        Ok(hashed.unwrap_or_else(|error| {
            let (mount_id, error) = (node.mount_id, Chain(&error).to_string());
            tracing::debug!(
                mount_id,
                error,
                "a file whose hash is in doubt cannot be read"
            );
            Hashed::Gone
        }))
    }
}

/// The hash is that of the file as it was seen with these facts; `None` if nobody can compute it.
fn settle(
    tx: &mut WriteTx<'_>,
    id: i64,
    facts: Facts,
    hash: Option<String>,
) -> Result<(), StoreError> {
    let Some(before) = nodes::by_id(tx, id)? else {
        return Ok(());
    };
    if !before.is_in_doubt || !facts.is_as(&before.facts) {
        return Ok(());
    }
    if hash.is_some() && before.content_hash == hash {
        return tx.trust(id);
    }
    let mut after = before.clone();
    after.checksum = None;
    after.content_hash = hash;
    after.last_drift_detected_at = Some(tx.now());
    let cause = Cause {
        command: COMMAND,
        ..Cause::default()
    };
    tx.change(&cause, Verb::Updated, Some(&before), &mut after)?;
    Ok(())
}
