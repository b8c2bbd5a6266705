//! Files that are found elsewhere after others took their names and their nodes.
//!
//! A scan does not see everything at one moment: of a file that moves away while another takes its
//! name, it may see the newcomer first, now, and the moved file later, or in a later scan. Then the
//! newcomer has taken the node ([`catalogue::formers`]). So before found names are matched with
//! nodes, nodes whose old file is among them are given back their identity, and everything is
//! compared again: now it looks as if both had been seen at once, and the moved file and the
//! newcomer each become what they are. What was given back stays so if the scan is cut off then.

use super::task::{Part, Scope};
use super::{Scan, ScanError};
use backend::Backend;
use catalogue::DirectoryRef;
use catalogue::ReadTx;
use catalogue::formers::{self, Former};
use catalogue::scratch::Scratch;
use catalogue::{Node, StoreError};
use journal::Time;
use std::collections::HashMap;

/// How long a note of what a node was is kept at least, however many scans have been through: a
/// file that is moved back and forth may hide from several.
const KEPT_MS: i64 = 10 * 60 * 1_000;

impl Scan<'_> {
    /// Gives nodes back to the found files that they were. Gives those nodes: where they are is to
    /// be compared again.
    pub(super) fn give_back(&self, scratch: &Scratch) -> Result<Vec<Node>, ScanError> {
        let mount_id = self.mount_id;
        if self.is_fresh || !self.catalogue.read(|db| formers::any(db, mount_id))? {
            return Ok(Vec::new());
        }
        let formers = self
            .catalogue
            .read(|db| find(db, mount_id, scratch, &*self.backend))?;
        if formers.is_empty() {
            return Ok(Vec::new());
        }
        self.catalogue.write(move |tx| {
            let nodes = formers.iter().map(|former| tx.give_back(former));
            let nodes = nodes.collect::<Result<Vec<_>, StoreError>>()?;
            Ok(nodes.into_iter().flatten().collect())
        })
    }

    /// Forgets what nodes were long ago: a file that a whole scan since then has not found is gone.
    pub(super) fn forget_formers(&self) -> Result<(), ScanError> {
        if !self.task.is_whole() {
            return Ok(());
        }
        let mount_id = self.mount_id;
        let horizon = self.catalogue.clock().now().as_millis() - KEPT_MS;
        let horizon = Time::from_millis(horizon.min(self.started_at.as_millis()));
        let oldest = self.catalogue.read(|db| formers::oldest(db, mount_id))?;
        if oldest.is_some_and(|oldest| oldest < horizon) {
            self.catalogue
                .write(move |tx| tx.forget_formers(mount_id, horizon))?;
        }
        Ok(())
    }
}

impl Scope {
    /// Adds the places of these nodes.
    pub(super) fn add(&mut self, nodes: &[Node]) {
        let Self::Parts(parts) = self else { return };
        parts.extend(
            nodes
                .iter()
                .filter(|node| node.is_on_disk())
                .filter_map(|node| {
                    Some(Part {
                        directory: DirectoryRef::Node(node.parent_id?),
                        names: Some(vec![node.name().to_owned()]),
                    })
                }),
        );
    }
}

/// The nodes that found names were, each with the first of the files that it was.
fn find(
    db: &ReadTx<'_>,
    mount_id: i64,
    scratch: &Scratch,
    backend: &dyn Backend,
) -> Result<Vec<Former>, ScanError> {
    let (mut formers, mut after) = (HashMap::<i64, Former>::new(), 0);
    loop {
        let page = scratch.found_after(after, 1_000)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for found in &page {
            let Some(former) = formers::of(db, mount_id, &found.facts)? else {
                continue;
            };
            // It has moved on; whoever finds it there gives it its node.
            if super::matching::stands(backend, &found.path, &found.facts) != Some(true) {
                continue;
            }
            let first = formers.entry(former.node).or_insert(former);
            if former.id < first.id {
                *first = former;
            }
        }
    }
    Ok(formers.into_values().collect())
}
