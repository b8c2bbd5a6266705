//! The differences become changes of nodes, in the writer's transactions.
//!
//! What is written is decided on the rows as they are in the transaction, since commands go on
//! while a scan runs; a difference that does not fit them any more is dropped, and the next scan
//! sees what remains of it. A scan that is cut off is run again; only what is below a directory that
//! it moved or lost may be left where it was, and the next one is told ([`super::unfinished`]).
//!
//! In this order: changed nodes; found names from the top of the tree down, so that a parent is
//! there before its children; lost nodes at the very end, when all that moved has its new place.
//!
//! A found name can stand where the catalogue still has a node that itself moves to a place whose
//! turn has not come (two names were swapped). That node is displaced: it gives its path up
//! without an entry, and gets its one entry at its own turn, in the same transaction.
//!
//! What is told of the changes is [`telling`], and what is left to commands [`in_flight`].

mod in_flight;
mod telling;

use in_flight::InFlight;
pub(super) use telling::Telling;

use super::ScanError;
use super::matching::stands;
use super::task::Task;
use ::node::{Contents, Facts};
use backend::{Backend, ListingCache};
use catalogue::listings::Listing;
use catalogue::scratch::ParentRef;
use catalogue::scratch::{Agreeing, Changed, Found, Lost, Scratch};
use catalogue::{Node, WriteTx, nodes};
use journal::NodeState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Differences in one transaction: some tenths of a second for which commands wait.
const BATCH: usize = 5_000;

const PAGE: usize = 1_000;

/// Everything that a transaction of a scan needs; it goes to the writer's thread and comes back.
#[derive(Debug)]
pub(super) struct Writing {
    mount_id: i64,
    pub(super) telling: Telling,
    pub(super) in_flight: InFlight,
    pub(super) scratch: Scratch,
    backend: Arc<dyn Backend>,
    /// The whole mount is looked at.
    sees_all: bool,
    /// What was seen since this transaction began.
    cache: ListingCache,
    /// An earlier scan was cut off while it wrote.
    pub(super) is_unfinished: bool,
    /// Nodes that were taken for another file than they are.
    pub(super) given_back: HashSet<i64>,
    /// Nodes that gave up their path and wait for their new one, as their rows were.
    displaced: HashMap<i64, Node>,
    /// How far the table that is being gone through is.
    after: i64,
    /// The directory that was asked for last: what it is, and where.
    directory: Option<(ParentRef, i64, String)>,
}

/// What was found in a mount of which nothing was known: parents before their children, and a
/// directory's listing after all its names.
#[derive(Debug)]
pub(super) enum FirstScan {
    Found(Vec<Found>),
    Listed(ParentRef, Listing, usize),
}

/// Whether there is more to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Done,
}

type Result<T> = std::result::Result<T, ScanError>;

impl Writing {
    pub(super) fn new(
        task: &Task,
        telling: Telling,
        scratch: Scratch,
        backend: Arc<dyn Backend>,
    ) -> Self {
        let mount_id = telling.mount_id;
        Self {
            mount_id,
            telling,
            in_flight: InFlight::new(mount_id),
            scratch,
            backend,
            sees_all: task.is_whole(),
            cache: ListingCache::default(),
            is_unfinished: false,
            given_back: HashSet::new(),
            displaced: HashMap::new(),
            after: 0,
            directory: None,
        }
    }

    /// Writes what was found in a mount of which nothing was known.
    pub(super) fn write_fresh(&mut self, tx: &mut WriteTx<'_>, fresh: &[FirstScan]) -> Result<()> {
        // Nodes that were made here in this transaction, by directory: a directory of which all
        // were is known to agree with its listing.
        let mut created: HashMap<ParentRef, usize> = HashMap::new();
        self.begin(tx)?;
        for fresh in fresh {
            match fresh {
                FirstScan::Found(found) => {
                    for found in found {
                        let is_created = self.write_new(tx, found)?;
                        *created.entry(found.parent).or_default() += usize::from(is_created);
                    }
                }
                FirstScan::Listed(place, listing, names) => {
                    let is_whole = created.remove(place).unwrap_or(0) == *names;
                    if is_whole && let Some(id) = self.scratch.node_at(*place)? {
                        tx.remember_listing(id, listing, tx.head().id)?;
                    }
                }
            }
        }
        self.directory = None;
        Ok(())
    }

    /// Creates a node, unless a command was here first: then it is as in any other scan.
    fn write_new(&mut self, tx: &mut WriteTx<'_>, found: &Found) -> Result<bool> {
        if self.in_flight.has(&found.path) {
            return Ok(false);
        }
        let Some(parent) = self.parent(tx, found)? else {
            self.drop_found(tx, found)?;
            return Ok(false);
        };
        match self.create(tx, parent, found) {
            Err(ScanError::Catalogue(error)) if error.is_taken() => {
                self.write_one(tx, parent, found).map(|()| false)
            }
            result => result.map(|()| true),
        }
    }

    pub(super) fn write_changed(&mut self, tx: &mut WriteTx<'_>) -> Result<Step> {
        self.begin(tx)?;
        let page = self.scratch.changed_after(self.after, BATCH)?;
        for Changed {
            node,
            version,
            facts,
            is_only_read: _,
        } in page.iter().copied()
        {
            self.after = node;
            let Some(before) = nodes::by_id(tx, node)? else {
                continue;
            };
            if before.is_on_disk() && before.version == version && !self.in_flight.has(&before.path)
            {
                let after = before.clone();
                self.write(tx, &before, after, facts)?;
            }
        }
        Ok(self.step(page.is_empty()))
    }

    pub(super) fn write_found(&mut self, tx: &mut WriteTx<'_>) -> Result<Step> {
        let mut written = 0;
        self.directory = None;
        self.begin(tx)?;
        loop {
            let page = self.scratch.found_after(self.after, PAGE)?;
            written += page.len();
            for mut found in page.iter().cloned() {
                self.after = found.id;
                if self.in_flight.has(&found.path) && !self.is_displaced(&found) {
                    continue;
                }
                // A command may have committed newer facts since the walk passed here.
                match self.backend.facts_again(&mut self.cache, &found.path) {
                    Ok(Some(now)) if now.has_identity_of(&found.facts) => {
                        found.facts = now.settled(Some(&found.facts));
                    }
                    Ok(_) => {
                        self.drop_found(tx, &found)?;
                        continue;
                    }
                    Err(_) => {}
                }
                match self.parent(tx, &found)? {
                    Some(parent) => self.write_one(tx, parent, &found)?,
                    // It is in a directory that was left to a command.
                    None if self.in_flight.postponed > 0 && !self.is_displaced(&found) => {
                        self.in_flight.postponed += 1
                    }
                    None => self.drop_found(tx, &found)?,
                }
            }
            if page.is_empty() {
                self.mark_displaced_missing(tx)?;
            }
            // A displaced node has no path, and nobody is to see it so.
            if page.is_empty() || written >= BATCH && self.displaced.is_empty() {
                return Ok(self.step(page.is_empty()));
            }
        }
    }

    pub(super) fn write_lost(&mut self, tx: &mut WriteTx<'_>) -> Result<Step> {
        self.begin(tx)?;
        // Children of lost directories are added as the page is gone through.
        let page = self.scratch.lost_after(self.after, BATCH)?;
        for lost in page.iter().copied() {
            self.after = lost.id;
            let Some(node) = nodes::by_id(tx, lost.node)? else {
                continue;
            };
            if self.in_flight.has(&node.path) {
                continue;
            }
            if lost.is_tree || !node.is_on_disk() || self.mark_missing_if_gone(tx, lost, &node)? {
                self.look_at_children(tx, &node)?;
            }
        }
        Ok(self.step(page.is_empty()))
    }

    pub(super) fn write_agreeing(&mut self, tx: &mut WriteTx<'_>) -> Result<Step> {
        let page = self.scratch.agreeing_after(self.after, BATCH)?;
        for Agreeing {
            id,
            node,
            listing,
            seen_at,
        } in &page
        {
            self.after = *id;
            tx.remember_listing(*node, listing, *seen_at)?;
        }
        Ok(self.step(page.is_empty()))
    }

    fn begin(&mut self, tx: &WriteTx<'_>) -> Result<()> {
        self.in_flight.look(tx)?;
        self.cache = ListingCache::default();
        Ok(())
    }

    /// Whether the node it is has no path until this name is written.
    fn is_displaced(&self, found: &Found) -> bool {
        found
            .node
            .is_some_and(|node| self.displaced.contains_key(&node))
    }

    fn step(&mut self, is_done: bool) -> Step {
        if !is_done {
            return Step::More;
        }
        self.after = 0;
        Step::Done
    }

    /// The directory that a name was found in; `None` if it is not there any more.
    fn parent(&mut self, tx: &WriteTx<'_>, found: &Found) -> Result<Option<i64>> {
        let (directory, _) = found.path.rsplit_once('/').unwrap_or_default();
        if let Some((place, id, path)) = &self.directory
            && *place == found.parent
            && path == directory
        {
            return Ok(Some(*id));
        }
        let Some(id) = self.scratch.node_at(found.parent)? else {
            return Ok(None);
        };
        let parent = nodes::by_id(tx, id)?;
        let parent = parent.filter(|parent| {
            parent.is_on_disk() && parent.is_directory() && parent.path == directory
        });
        self.directory = parent.map(|parent| (found.parent, parent.id, parent.path));
        Ok(self.directory.as_ref().map(|(_, id, _)| *id))
    }

    fn write_one(&mut self, tx: &mut WriteTx<'_>, parent: i64, found: &Found) -> Result<()> {
        let Some(before) = self.known(tx, found)? else {
            self.free_path(tx, &found.path, 0)?;
            self.create(tx, parent, found)?;
            return self.write_other_names(tx, found.id, found.facts);
        };
        self.free_path(tx, &found.path, before.id)?;
        self.scratch.add_matched(before.id)?;
        if before.is_directory() {
            self.scratch.resolve(found.id, Some(before.id))?;
            self.scratch.add_lost(before.id, true)?;
        }
        let mut after = before.clone();
        after.parent_id = Some(parent);
        after.path.clone_from(&found.path);
        self.write(tx, &before, after, found.facts)
    }

    /// The node that a found name is: the one that was recognised in it, or else the one whose
    /// place it took. An editor that writes a new file and renames it over the old one, and a
    /// checkout that removes a file and makes it again, thus keep the node.
    fn known(&mut self, tx: &WriteTx<'_>, found: &Found) -> Result<Option<Node>> {
        if let Some(id) = found.node {
            if let Some(node) = self.displaced.remove(&id) {
                return Ok(Some(node));
            }
            let node = nodes::by_id(tx, id)?;
            let node = node.filter(|node| node.state != NodeState::Deleted);
            if node.is_some() {
                return Ok(node);
            }
        }
        let (kind, connection) = (found.facts.kind, tx);
        let is_free = |node: &Node| -> Result<bool> {
            Ok(node.facts.kind == kind && !self.scratch.is_matched(node.id)?)
        };
        if let Some(node) = nodes::at(connection, self.mount_id, &found.path)? {
            // A name that was come upon twice has been written already.
            let identity = found.facts.identity;
            let is_written = identity.is_certain() && node.facts.identity == identity;
            if is_written || is_free(&node)? {
                return Ok(Some(node));
            }
        }
        match nodes::missing_at(connection, self.mount_id, &found.path, kind)? {
            Some(node) if is_free(&node)? => Ok(Some(node)),
            _ => Ok(None),
        }
    }

    /// Frees a path for the node `comes` (0 for a new one).
    fn free_path(&mut self, tx: &mut WriteTx<'_>, path: &str, comes: i64) -> Result<()> {
        let Some(node) = nodes::at(tx, self.mount_id, path)? else {
            return Ok(());
        };
        if node.id == comes {
            return Ok(());
        }
        if self.scratch.is_matched(node.id)? {
            tx.vacate(&node)?;
            self.displaced.insert(node.id, node);
            return Ok(());
        }
        if node.is_directory() {
            self.scratch.add_lost(node.id, false)?;
        }
        self.mark_missing(tx, &node)
    }

    /// A found name turns out not to be there; so its node is nowhere.
    fn drop_found(&mut self, tx: &mut WriteTx<'_>, found: &Found) -> Result<()> {
        self.scratch.forget(found)?;
        let Some(id) = found.node else { return Ok(()) };
        self.scratch.remove_matched(id)?;
        self.scratch.add_lost(id, false)?;
        match self.displaced.remove(&id) {
            Some(node) => self.mark_missing(tx, &node),
            None => Ok(()),
        }
    }

    /// Nodes whose turn had passed when another one took their place: the name was another file's
    /// each time that it was come upon.
    fn mark_displaced_missing(&mut self, tx: &mut WriteTx<'_>) -> Result<()> {
        for (id, node) in std::mem::take(&mut self.displaced) {
            self.scratch.remove_matched(id)?;
            self.scratch.add_lost(id, false)?;
            self.mark_missing(tx, &node)?;
        }
        Ok(())
    }

    fn create(&mut self, tx: &mut WriteTx<'_>, parent: i64, found: &Found) -> Result<()> {
        let mut node = Node::new(self.mount_id, Some(parent), found.path.clone(), found.facts);
        node.id = found.id;
        self.telling.created(tx, &mut node)
    }

    /// Writes what the disk says of a node, if anything differs; under its other names too, if its
    /// contents do.
    fn write(
        &mut self,
        tx: &mut WriteTx<'_>,
        before: &Node,
        after: Node,
        facts: Facts,
    ) -> Result<()> {
        if self.write_alone(tx, before, after, facts)? {
            self.write_other_names(tx, before.id, facts)?;
        }
        Ok(())
    }

    /// [`Writing::write`] under this name only. Whether the contents are other ones.
    fn write_alone(
        &mut self,
        tx: &mut WriteTx<'_>,
        before: &Node,
        after: Node,
        facts: Facts,
    ) -> Result<bool> {
        let (old, new) = (before.facts.identity, facts.identity);
        let contents = facts.contents_since(&before.facts);
        if (old.ino, old.born_ns) != (new.ino, new.born_ns) && old.is_certain() && new.is_certain()
        {
            tx.note_former(before)?;
            self.look_at_names_left(tx, before)?;
        }
        let is_rewritten = contents == Contents::Changed || self.given_back.contains(&before.id);
        let is_in_doubt = contents == Contents::InDoubt;
        if is_in_doubt && before.content_hash.is_some() {
            tx.doubt(before.id)?;
        }
        let is_told = self
            .telling
            .changed(tx, before, after, (facts, is_rewritten))?;
        // What is in doubt of a file is so under all its names; a whole scan sees them by itself.
        Ok(is_told && is_rewritten || is_in_doubt && !self.sees_all)
    }

    /// A file with several names changes under all of them, and the system tells of the one by
    /// which it was changed only.
    fn write_other_names(&mut self, tx: &mut WriteTx<'_>, id: i64, facts: Facts) -> Result<()> {
        self.look_at_names(tx, id, facts, |other| facts.is_as(&other.facts))
    }

    /// A name is gone, or another file has it. By that name the file may have been changed, and
    /// nobody has seen it; a whole scan sees the names that are left by itself.
    fn look_at_names_left(&mut self, tx: &mut WriteTx<'_>, gone: &Node) -> Result<()> {
        if self.sees_all {
            return Ok(());
        }
        self.look_at_names(tx, gone.id, gone.facts, |_| false)
    }

    /// Asks the disk about all names of a file but this node's and those that are known to be as
    /// they are told.
    fn look_at_names(
        &mut self,
        tx: &mut WriteTx<'_>,
        id: i64,
        file: Facts,
        is_known: impl Fn(&Node) -> bool,
    ) -> Result<()> {
        if file.is_directory() || !file.identity.is_certain() {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let place = (self.mount_id, id);
            let page = nodes::other_names(tx, place, file.identity, after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.id;
            for other in &page {
                if is_known(other) || self.in_flight.has(&other.path) {
                    continue;
                }
                let now = self.backend.facts(&other.path).ok().flatten();
                let now = now.filter(|now| now.has_identity_of(&file));
                if let Some(now) = now.filter(|now| !now.is_as(&other.facts)) {
                    self.write_alone(tx, other, other.clone(), now)?;
                }
            }
        }
    }

    /// A node is not on the disk any more.
    fn mark_missing(&mut self, tx: &mut WriteTx<'_>, node: &Node) -> Result<()> {
        self.telling.missing(tx, node)?;
        self.look_at_names_left(tx, node)
    }

    /// Asks the disk about a node whose name was not seen. Says whether its children are to be
    /// looked at too: because it is gone, or because it now stands below a moved directory.
    fn mark_missing_if_gone(
        &mut self,
        tx: &mut WriteTx<'_>,
        lost: Lost,
        node: &Node,
    ) -> Result<bool> {
        let parent = node.parent_id.map(|id| nodes::by_id(tx, id)).transpose()?;
        let Some(parent) = parent.flatten() else {
            return Ok(false);
        };
        let path = ::node::join(&parent.path, node.name());
        let is_same_path = path == node.path;
        // Where it was found its directory may have gone from, since.
        let is_placed = is_same_path && parent.is_on_disk();
        if is_placed && self.scratch.is_matched(lost.node)? {
            return Ok(false);
        }
        let is_here = match self.backend.facts_again(&mut self.cache, &path) {
            Ok(None) => false,
            // Where names are found in any case of their letters, the old one still leads there.
            Ok(Some(_)) if is_same_path => self.backend.lists(&path).unwrap_or(true),
            Ok(Some(_)) => stands(&*self.backend, &path, &node.facts) == Some(true),
            // What cannot be seen may be there.
            Err(_) => true,
        };
        if !is_here || !parent.is_on_disk() {
            self.mark_missing(tx, node)?;
            return Ok(true);
        }
        if is_same_path {
            return Ok(false);
        }
        if let Some(there) = nodes::at(tx, self.mount_id, &path)? {
            // Of two nodes for one file the older one is it.
            let is_it = there.facts.has_identity_of(&node.facts) && there.id > node.id;
            let other = if is_it { &there } else { node };
            self.mark_missing(tx, other)?;
            if !is_it {
                return Ok(true);
            }
            if there.is_directory() {
                self.scratch.add_lost(there.id, true)?;
            }
        }
        let mut after = node.clone();
        after.path = path;
        self.write(tx, node, after, node.facts)?;
        Ok(true)
    }

    /// Has what is below a directory looked at, but for what has found its place already.
    fn look_at_children(&mut self, tx: &WriteTx<'_>, node: &Node) -> Result<()> {
        if !node.is_directory() {
            return Ok(());
        }
        let Some(node) = nodes::by_id(tx, node.id)? else {
            return Ok(());
        };
        nodes::each_live_child(tx, node.id, |child, name, path| {
            let is_placed = node.is_on_disk() && path == ::node::join(&node.path, name);
            if !is_placed || !self.scratch.is_matched(child)? {
                self.scratch.add_lost(child, false)?;
            }
            Ok(())
        })
    }
}
