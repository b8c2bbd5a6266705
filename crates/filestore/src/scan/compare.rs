//! One directory's listing against the nodes that are known in it.
//!
//! Pure: no disk, no store. Both sides come in ascending order of names and are merged in one
//! pass. A name that holds another file than it did is not decided here, because that file may
//! be known under another name and the one it replaced may turn up elsewhere: it is both
//! *found* and *lost*, and [`matching`](super::matching) decides when the whole tree has been seen.

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
    /// Entries before this one are dealt with.
    next: usize,
    differences: Differences,
}

impl<'e> Merge<'e> {
    pub(super) fn new(entries: &'e [Entry], left: Option<&'e HashSet<String>>) -> Self {
        Self {
            entries,
            left,
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
            Relation::Changed => {
                let (node, version) = (node.id, node.version);
                differences.changed.push(Changed {
                    node,
                    version,
                    facts,
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
/// files that have no birth times are left out, as they are not learnt ([`Facts::is_news_after`]).
pub(super) fn digest(entries: &[Entry]) -> Option<[u8; 16]> {
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
        }
        if let Some(class) = facts.storage_class {
            bytes.extend_from_slice(class.as_str().as_bytes());
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
    let is_same = facts.contents_since(before) == Contents::Kept && !facts.is_news_after(before);
    if is_same && node.is_active {
        Relation::Unchanged
    } else {
        Relation::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::node::{Identity, Moment};
    use backend::Reason;
    use journal::NodeKind;

    fn at(nanos: i64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn file(ino: i64, size_bytes: i64) -> Facts {
        Facts {
            kind: NodeKind::File,
            is_symlink: false,
            size_bytes,
            modified_ns: Some(at(1)),
            changed_ns: Some(at(1)),
            identity: Identity {
                dev: 0,
                ino,
                born_ns: Some(at(ino * 10)),
            },
            inode: None,
            storage_class: None,
        }
    }

    fn directory(ino: i64) -> Facts {
        Facts {
            kind: NodeKind::Directory,
            modified_ns: None,
            changed_ns: None,
            ..file(ino, 0)
        }
    }

    fn entry(name: &str, facts: Facts) -> Entry {
        Entry {
            name: name.to_owned(),
            facts: Ok(facts),
        }
    }

    fn node(id: i64, name: &str, facts: Facts) -> Known<'_> {
        Known {
            id,
            name,
            version: 1,
            is_active: true,
            facts,
        }
    }

    fn compare(entries: &[Entry], known: &[Known<'_>]) -> Differences {
        compare_without(None, entries, known)
    }

    fn compare_without(
        left: Option<&HashSet<String>>,
        entries: &[Entry],
        known: &[Known<'_>],
    ) -> Differences {
        let mut merge = Merge::new(entries, left);
        known.iter().for_each(|node| merge.known(node));
        merge.finish()
    }

    /// On a filesystem without birth times.
    fn weak(ino: i64, size: i64) -> Facts {
        let identity = Identity {
            dev: 0,
            ino,
            born_ns: None,
        };
        Facts {
            identity,
            ..file(ino, size)
        }
    }

    fn weak_directory(ino: i64) -> Facts {
        Facts {
            identity: weak(ino, 0).identity,
            ..directory(ino)
        }
    }

    #[test]
    fn equal_sides_differ_in_nothing() {
        let entries = [entry("a", file(1, 5)), entry("d", directory(2))];
        let known = [node(10, "a", file(1, 5)), node(11, "d", directory(2))];
        let differences = compare(&entries, &known);
        assert!(differences.is_empty());
        assert_eq!(differences.descend, [(1, 11)]);
    }

    #[test]
    fn names_of_one_side_are_found_or_lost_wherever_they_sort() {
        let entries = [
            entry("a", file(1, 5)),
            entry("c", file(3, 5)),
            entry("e", file(5, 5)),
        ];
        let known = [
            node(10, "b", file(2, 5)),
            node(11, "c", file(3, 5)),
            node(12, "f", file(6, 5)),
        ];
        let differences = compare(&entries, &known);
        assert_eq!(
            (differences.found, differences.lost),
            (vec![0, 2], vec![10, 12])
        );
        assert_eq!(compare(&[], &known).lost, [10, 11, 12]);
        assert_eq!(compare(&entries, &[]).found, [0, 1, 2]);
    }

    #[test]
    fn a_name_of_another_file_is_found_and_lost_and_a_changed_one_is_changed() {
        let entries = [entry("a", file(2, 5)), entry("b", file(3, 6))];
        let known = [node(10, "a", file(1, 5)), node(11, "b", file(3, 5))];
        let differences = compare(&entries, &known);
        assert_eq!((differences.found, differences.lost), (vec![0], vec![10]));
        let changed = Changed {
            node: 11,
            version: 1,
            facts: file(3, 6),
        };
        assert_eq!(differences.changed, [changed]);
    }

    #[test]
    fn changed_nodes_can_be_taken_while_the_merge_goes_on() {
        let entries: Vec<_> = (1..=5)
            .map(|ino| entry(&ino.to_string(), file(ino, 6)))
            .collect();
        let names: Vec<_> = (1..=5).map(|ino: i64| ino.to_string()).collect();
        let mut merge = Merge::new(&entries, None);
        let mut taken = Vec::new();
        for (ino, name) in (1..=4).zip(&names) {
            merge.known(&node(ino, name, file(ino, 5)));
            taken.extend(merge.take_changed(2).map(|changed| changed.len()));
        }
        merge.known(&node(5, "5", file(5, 6)));
        assert_eq!(taken, [2, 2], "never more than so many");
        let rest = merge.finish();
        assert_eq!(rest.changed, []);
        assert!(!rest.is_empty(), "it does not agree with its listing");
    }

    #[test]
    fn a_directory_made_anew_where_one_was_seen_to_leave_is_another_one() {
        let entries = [entry("d", weak_directory(2)), entry("e", weak_directory(4))];
        let known = [
            node(10, "d", weak_directory(1)),
            node(11, "e", weak_directory(3)),
        ];
        let seen = compare(&entries, &known);
        assert_eq!(
            (seen.descend.len(), seen.found.len()),
            (2, 0),
            "a path tells"
        );
        let left = HashSet::from(["d".to_owned()]);
        let seen = compare_without(Some(&left), &entries, &known);
        assert_eq!((seen.found, seen.lost), (vec![0], vec![10]));
        assert_eq!(seen.descend, [(1, 11)]);
        let back = [entry("d", weak_directory(1))];
        let seen = compare_without(Some(&left), &back, &known[..1]);
        assert!(seen.is_empty(), "it is there again");
        let (now, before) = ([entry("d", weak(2, 5))], [node(12, "d", weak(1, 5))]);
        let seen = compare_without(Some(&left), &now, &before);
        assert!(seen.is_empty(), "only directories were seen to leave");
    }

    #[test]
    fn a_name_that_cannot_be_asked_about_is_neither_found_nor_lost() {
        let entries = [Entry {
            name: "a".to_owned(),
            facts: Err(Reason::Denied),
        }];
        assert!(compare(&entries, &[node(10, "a", file(1, 5))]).is_empty());
        assert!(compare(&entries, &[]).is_empty());
    }

    #[test]
    fn every_fact_of_a_listing_shows_in_its_digest() {
        let listing = [entry("a", file(1, 5)), entry("b", file(2, 5))];
        let digest_of = |name: &str, facts| digest(&[entry(name, facts), entry("b", file(2, 5))]);
        assert_eq!(digest_of("a", file(1, 5)), digest(&listing));
        let identity = |change: fn(&mut Identity)| {
            let mut facts = file(1, 5);
            change(&mut facts.identity);
            facts
        };
        let others = [
            file(1, 6),
            directory(1),
            Facts {
                is_symlink: true,
                ..file(1, 5)
            },
            Facts {
                modified_ns: Some(at(2)),
                ..file(1, 5)
            },
            Facts {
                modified_ns: None,
                ..file(1, 5)
            },
            Facts {
                changed_ns: Some(at(2)),
                ..file(1, 5)
            },
            identity(|identity| identity.dev = 1),
            identity(|identity| identity.ino = 3),
            identity(|identity| identity.born_ns = Some(at(1))),
        ];
        for other in others {
            assert_ne!(digest_of("a", other), digest(&listing), "{other:?}");
        }
        assert_ne!(digest_of("aa", file(1, 5)), digest(&listing));
        assert_ne!(digest(&listing[..1]), digest(&listing));
        let unseen = Entry {
            name: "a".to_owned(),
            facts: Err(Reason::Denied),
        };
        assert_eq!(
            digest(&[unseen]),
            None,
            "what was not seen cannot be remembered"
        );
        let made_up = |ino| Facts {
            identity: Identity {
                dev: 0,
                ino,
                born_ns: None,
            },
            ..file(1, 5)
        };
        assert_eq!(digest_of("a", made_up(1)), digest_of("a", made_up(2)));
    }

    #[test]
    fn a_name_relates_to_its_node_by_identity_first() {
        let cases = [
            ("the same", file(1, 5), file(1, 5), Relation::Unchanged),
            ("written to", file(1, 5), file(1, 6), Relation::Changed),
            (
                "replaced by one just like it",
                file(1, 5),
                file(2, 5),
                Relation::Another,
            ),
            (
                "a directory made anew",
                directory(1),
                directory(2),
                Relation::Another,
            ),
            (
                "a directory for a file",
                file(1, 0),
                directory(1),
                Relation::Another,
            ),
            (
                "a symlink for a file",
                file(1, 0),
                Facts {
                    is_symlink: true,
                    ..file(1, 0)
                },
                Relation::Another,
            ),
            (
                "identity not known yet",
                weak(0, 5),
                file(1, 5),
                Relation::Changed,
            ),
            (
                "birth time not known yet",
                weak(1, 5),
                file(1, 5),
                Relation::Changed,
            ),
            (
                "no birth times, the same",
                weak(1, 5),
                weak(1, 5),
                Relation::Unchanged,
            ),
            (
                "no birth times, inode made up",
                weak(1, 5),
                weak(2, 5),
                Relation::Unchanged,
            ),
            (
                "no birth times, inode and size",
                weak(1, 5),
                weak(2, 6),
                Relation::Another,
            ),
            (
                "no birth times, written to",
                weak(1, 5),
                weak(1, 6),
                Relation::Changed,
            ),
            (
                "only its change time differs",
                file(1, 5),
                Facts {
                    changed_ns: Some(at(2)),
                    ..file(1, 5)
                },
                Relation::Changed,
            ),
            (
                "no birth times, a directory",
                weak_directory(1),
                weak_directory(2),
                Relation::Changed,
            ),
        ];
        for (what, before, now, expected) in cases {
            assert_eq!(relate(&node(1, "x", before), &now), expected, "{what}");
        }
        let stale = Known {
            is_active: false,
            ..node(1, "x", file(1, 5))
        };
        assert_eq!(
            relate(&stale, &file(1, 5)),
            Relation::Changed,
            "it is active again"
        );
    }
}
