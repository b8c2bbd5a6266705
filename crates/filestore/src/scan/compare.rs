//! One directory's listing against the nodes that are known in it.
//!
//! Pure: no disk, no store. Both sides come in ascending order of names and are merged in one
//! pass. A name that holds another file than it did is not decided here, because that file may
//! be known under another name and the one it replaced may turn up elsewhere: it is both
//! *found* and *lost*, and [`matching`](super::matching) decides when the whole tree has been seen.

#[cfg(test)]
mod tests;

use ::node::{Contents, Facts, Moment};
use backend::walk::Entry;
use catalogue::Known;
use catalogue::scratch::Changed;
use std::collections::HashSet;

/// How a name on disk relates to the node of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// The same file, and nothing about it changed.
    Unchanged,
    /// The same file, and nothing changed but when it was read.
    Read,
    /// The same file, and something about it changed.
    Changed,
    /// Another file.
    Another,
}

/// What one merge found. Entries are told by their index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Nodes whose file is where it was, and has changed.
    pub(super) changed: Vec<Changed>,
    /// Entries without a node.
    pub(super) found: Vec<usize>,
    /// Nodes without an entry.
    pub(super) lost: Vec<i64>,
    /// Directories to be walked as the known ones they are: entry and node.
    pub(super) descend: Vec<(usize, i64)>,
    /// Some of the changed nodes were taken while the merge went on.
    is_taken_in_part: bool,
}

impl Differences {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && self.found.is_empty()
            && self.lost.is_empty()
            && !self.is_taken_in_part
    }
}

/// A listing that is being merged with the nodes known in it, both ascending by name. The nodes
/// come one by one, so that a large directory is not held twice.
#[derive(Debug)]
pub(super) struct Merge<'e> {
    entries: &'e [Entry],
    /// Names of directories that were seen to move away.
    left: Option<&'e HashSet<String>>,
    /// A file that was only read is told.
    tells_accesses: bool,
    /// Entries before this one are dealt with.
    next: usize,
    differences: Differences,
}

impl<'e> Merge<'e> {
    pub(super) fn new(
        entries: &'e [Entry],
        left: Option<&'e HashSet<String>>,
        tells_accesses: bool,
    ) -> Self {
        Self {
            entries,
            left,
            tells_accesses,
            next: 0,
            differences: Differences::default(),
        }
    }

    /// The next known node.
    pub(super) fn known(&mut self, node: &Known<'_>) {
        self.pass(|name| name < node.name);
        match self.entries.get(self.next) {
            Some(entry) if entry.name == node.name => self.meet(node, entry),
            _ => self.differences.lost.push(node.id),
        }
    }

    /// The changed nodes so far, if there are so many: in a large directory all may have changed.
    pub(super) fn take_changed(&mut self, many: usize) -> Option<Vec<Changed>> {
        let differences = &mut self.differences;
        (differences.changed.len() >= many).then(|| {
            differences.is_taken_in_part = true;
            std::mem::take(&mut differences.changed)
        })
    }

    /// There are no more nodes.
    pub(super) fn finish(mut self) -> Differences {
        self.pass(|_| true);
        self.differences
    }

    /// Goes past entries without a node.
    fn pass(&mut self, is_passed: impl Fn(&str) -> bool) {
        while let Some(entry) = self.entries.get(self.next)
            && is_passed(&entry.name)
        {
            // A name whose facts cannot be seen is told in the report.
            if entry.facts.is_ok() {
                self.differences.found.push(self.next);
            }
            self.next += 1;
        }
    }

    fn meet(&mut self, node: &Known<'_>, entry: &Entry) {
        let index = self.next;
        self.next += 1;
        let Ok(facts) = entry.facts else { return };
        let relation = match self.has_left(node, &facts) {
            true => Relation::Another,
            false => relate(node, &facts),
        };
        let differences = &mut self.differences;
        match relation {
            Relation::Unchanged => {}
            Relation::Read if !self.tells_accesses => {}
            Relation::Changed | Relation::Read => {
                let (node, version) = (node.id, node.version);
                differences.changed.push(Changed {
                    node,
                    version,
                    facts,
                    is_only_read: relation == Relation::Read,
                });
            }
            Relation::Another => {
                differences.found.push(index);
                differences.lost.push(node.id);
                return;
            }
        }
        if facts.is_directory() {
            differences.descend.push((index, node.id));
        }
    }

    /// Whether the directory that the node is has moved away, and another one has its name. Without
    /// birth times nothing else tells.
    fn has_left(&self, node: &Known<'_>, facts: &Facts) -> bool {
        self.left.is_some_and(|left| left.contains(node.name))
            && node.facts.is_directory()
            && facts.is_directory()
            && !facts.has_identity_of(&node.facts)
    }
}

/// What stands for a listing; `None` if some of it could not be seen. Inode numbers of
/// files that have no birth times are left out, as they are not learnt ([`Facts::is_news_after`]). Those
/// who tell no access do not vouch for when files were read.
pub(super) fn digest(entries: &[Entry], tells_accesses: bool) -> Option<[u8; 16]> {
    const PIECE: usize = 64 * 1024;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(PIECE.min(entries.len() * 192));
    for entry in entries {
        if bytes.len() >= PIECE {
            hasher.update(&bytes);
            bytes.clear();
        }
        let facts = entry.facts.ok()?;
        let identity = facts.identity;
        let is_learnt = identity.born_ns.is_some() || facts.is_directory();
        let (dev, ino) = match is_learnt {
            true => (identity.dev, identity.ino),
            false => (0, 0),
        };
        bytes.extend_from_slice(&entry.name.len().to_le_bytes());
        bytes.extend_from_slice(entry.name.as_bytes());
        bytes.push(u8::from(facts.is_directory()) | u8::from(facts.is_symlink) << 1);
        for number in [facts.size_bytes, dev, ino] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        if let Some(inode) = facts.inode {
            bytes.push(inode.file_type as u8);
            for number in [
                inode.uid,
                inode.gid,
                inode.mode.into(),
                inode.links.unwrap_or(0),
            ] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            for number in [
                inode.allocated_bytes.unwrap_or(-1),
                inode.attributes.unwrap_or(0),
            ] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            if let Some(accessed) = inode.accessed_ms {
                let accessed = if tells_accesses { accessed } else { i64::MIN };
                bytes.extend_from_slice(&accessed.to_le_bytes());
            }
        }
        let object = facts.object;
        if let Some(class) = object.storage_class {
            bytes.extend_from_slice(class.as_str().as_bytes());
        }
        if let Some(owner) = object.owner {
            bytes.extend_from_slice(owner.as_str().as_bytes());
        }
        if let Some(tags) = object.tags {
            bytes.extend_from_slice(&tags.to_le_bytes());
        }
        for moment in [facts.modified_ns, facts.changed_ns, identity.born_ns] {
            bytes.push(u8::from(moment.is_some()));
            bytes.extend_from_slice(&moment.map_or([0; 12], Moment::to_bytes));
        }
    }
    hasher.update(&bytes);
    hasher.finalize().as_bytes().first_chunk().copied()
}

/// How what stands on disk relates to the node of the same path.
pub(super) fn relate(node: &Known<'_>, facts: &Facts) -> Relation {
    let before = &node.facts;
    if facts.is_another_than(before) {
        return Relation::Another;
    }
    let unread = facts.accessed_as(before);
    let is_same = unread.contents_since(before) == Contents::Kept && !unread.is_news_after(before);
    if !is_same || !node.is_active {
        Relation::Changed
    } else if facts.is_news_after(before) {
        Relation::Read
    } else {
        Relation::Unchanged
    }
}
