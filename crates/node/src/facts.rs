//! What a backend says of one name, and when that is the same file as before.

use crate::{Moment, StorageClass};
use journal::{FileType, NodeKind};
use serde::{Deserialize, Serialize};

/// What stands in for the device in the identity of an object in a bucket; no disk has it.
pub const OBJECT_DEVICE: i64 = -1;

/// What an object has that was put without a class being named.
pub const USUAL_CLASS: &str = "STANDARD";

/// Which file it is, whatever its name. The birth time tells a file from a later one that was
/// given the same inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The filesystem, 0 where it is the mount root's own. Not the device number, where the
    /// filesystem has a better name: device numbers may change when a machine starts, and the files
    /// must not lose their identity by it.
    pub dev: i64,
    /// The inode number.
    pub ino: i64,
    /// When the inode was made, where the filesystem remembers it and keeps to it.
    pub born_ns: Option<Moment>,
}

impl Identity {
    /// Whether it is the same file as `other`, of which the same path told before. Which filesystem
    /// it lies on is not asked: that has the same files after a restart, by whatever number.
    fn is_at_one_path_with(&self, other: &Self) -> bool {
        self.ino == other.ino && self.born_ns == other.born_ns
    }

    /// Whether it says of a file that it is this one and no other, ever.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.ino != 0 && self.born_ns.is_some() && self.dev != OBJECT_DEVICE
    }
}

/// The directory that a mount's nodes were found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Which one it is.
    pub identity: Identity,
    /// The name of the filesystem that it lies on; `None` where nobody has asked yet, and of a bucket.
    pub volume: Option<i64>,
}

impl Root {
    /// Whether it is another directory than `known`: most likely a disk is not mounted, or another
    /// one is. Roots of disks that were formatted in the same second have the same inode number and
    /// birth time, and some filesystems have no birth times; so the filesystem is asked too.
    #[must_use]
    pub fn is_another_than(&self, known: &Self) -> bool {
        let is_other_volume =
            known.volume.is_some() && self.volume.is_some() && known.volume != self.volume;
        let has_births = known.identity.born_ns.is_some() && self.identity.born_ns.is_some();
        is_other_volume || has_births && !self.identity.is_at_one_path_with(&known.identity)
    }
}

/// What the disk says of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Sockets, pipes and devices count as files, like symlinks.
    pub kind: NodeKind,
    /// It is a symlink, which nobody follows.
    pub is_symlink: bool,
    /// The length of a regular file in bytes; 0 for everything else.
    pub size_bytes: i64,
    /// When the contents last changed, as whoever wrote them says; `None` for a directory, whose own
    /// contents are its children.
    pub modified_ns: Option<Moment>,
    /// When the contents, or what the disk says of the file, last changed, as the system says: nobody
    /// can put it back. `None` for a directory, for an object, and where nobody has asked yet.
    #[serde(default)]
    pub changed_ns: Option<Moment>,
    /// Which file it is.
    pub identity: Identity,
    /// Whose it is, who may do what with it, and what it takes; `None` for an object, and where
    /// nobody has asked yet.
    #[serde(default)]
    pub inode: Option<InodeFacts>,
    /// The storage class of an object; `None` for a file, and where nobody has asked.
    #[serde(default)]
    pub storage_class: Option<StorageClass>,
}

/// What a disk says of a file beside its name, its contents and their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InodeFacts {
    /// What kind of file it is.
    pub file_type: FileType,
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// The permission bits, at most 0o7777.
    pub mode: u16,
    /// How many names it has; `None` for a directory, whose number tells of its children.
    pub links: Option<u32>,
    /// The bytes that it takes on disk; `None` for a directory, whose size tells of its children.
    pub allocated_bytes: Option<i64>,
    /// What stands for its access control lists and extended attributes, 0 for none; `None` where
    /// nobody has asked.
    #[serde(default)]
    pub attributes: Option<i64>,
}

impl InodeFacts {
    /// Whether these differ from `before` in what is told. How many names a file has is not: each
    /// name is a node of its own, and tells of itself.
    fn is_told_after(&self, before: &Self) -> bool {
        let links = before.links;
        let now = Self { links, ..*self };
        now.is_other_than(before)
    }

    /// Whether these differ from `before`. Attributes that nobody has asked for are what they were; and
    /// where nobody ever had, it is no news that there are none.
    fn is_other_than(&self, before: &Self) -> bool {
        let now = self.settled(Some(before));
        let attributes = match (before.attributes, now.attributes) {
            (None, Some(0)) => None,
            (_, now) => now,
        };
        Self { attributes, ..now } != *before
    }

    /// These, as they are kept after `before`: what nobody has asked again is what it was.
    fn settled(&self, before: Option<&Self>) -> Self {
        let known = before.and_then(|before| before.attributes);
        Self {
            attributes: self.attributes.or(known),
            ..*self
        }
    }
}

/// Whether a file's contents are what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// They are.
    Kept,
    /// Something about the file changed, and its size and modification time did not. It got another
    /// name or other permissions; or somebody wrote to it and put the time back.
    InDoubt,
    /// They are not, or must be taken to be others: another file stands there.
    Changed,
}

impl Facts {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }

    /// Whether these have the kind and the identity of `seen`, which says of one and the same
    /// place, within one scan, that it still holds the same file.
    #[must_use]
    pub fn has_identity_of(&self, seen: &Self) -> bool {
        self.kind == seen.kind && self.identity == seen.identity
    }

    /// Whether these are the facts of the file that was seen as `seen`, perhaps under another
    /// name. With a birth time the identity alone decides. Without one an inode number that was
    /// given out again looks like the file before it, so a file must also have kept its size and
    /// modification time, and a directory is never recognised.
    ///
    /// An object is recognised by its `ETag` and its size, unless it is empty, as all empty ones are
    /// alike: its time is that of its key.
    #[must_use]
    pub fn is_same_file(&self, seen: &Self) -> bool {
        if self.identity.dev == OBJECT_DEVICE {
            return self.kind == seen.kind
                && self.size_bytes > 0
                && self.size_bytes == seen.size_bytes
                && self.identity.dev == seen.identity.dev
                && self.identity.ino == seen.identity.ino;
        }
        let has_kept_its_contents = !self.is_directory() && self.has_size_and_time_of(seen);
        self.has_identity_of(seen) && (self.identity.born_ns.is_some() || has_kept_its_contents)
    }

    /// Whether this is a directory with the inode number of the directory that was seen as `seen`, where
    /// there are no birth times. That alone proves nothing, since numbers are given out again. It is
    /// the same one if both names lead to one place, or if its rename was seen.
    #[must_use]
    pub fn may_be_directory(&self, seen: &Self) -> bool {
        let identity = self.identity;
        self.is_directory()
            && self.has_identity_of(seen)
            && identity.born_ns.is_none()
            && identity.ino != 0
            && identity.dev != OBJECT_DEVICE
    }

    /// Whether another file stands where `before` was seen. The same path is asked, so much less
    /// proof is needed than to know a file by [`is_same_file`](Self::is_same_file).
    #[must_use]
    pub fn is_another_than(&self, before: &Self) -> bool {
        if before.kind != self.kind || before.is_symlink != self.is_symlink {
            return true;
        }
        let (old, new) = (before.identity, self.identity);
        match (old.born_ns, new.born_ns) {
            // Nobody has seen its identity yet.
            _ if old.ino == 0 => false,
            (Some(_), Some(_)) => !new.is_at_one_path_with(&old),
            // Without birth times inode numbers say little, and some network filesystems make them
            // up anew: then only a file whose contents differ too is another one.
            _ => old.ino != new.ino && !self.is_directory() && !self.has_size_and_time_of(before),
        }
    }

    /// What became of the contents of the file that was seen as `before` at the same path, or that
    /// was recognised elsewhere.
    #[must_use]
    pub fn contents_since(&self, before: &Self) -> Contents {
        let (old, new) = (before.identity, self.identity);
        // Another inode with the same size and time is a file that was written anew.
        let is_replaced = old.born_ns.is_some()
            && new.born_ns.is_some()
            && !new.is_at_one_path_with(&old)
            && !self.is_directory();
        if is_replaced || !self.has_size_and_time_of(before) {
            return Contents::Changed;
        }
        match (before.changed_ns, self.changed_ns) {
            (Some(old), Some(new)) if old != new => Contents::InDoubt,
            _ => Contents::Kept,
        }
    }

    /// Whether these differ from `before` in what is told of a file beside its contents: whose it
    /// is, its permissions, what it takes on disk, its storage class. What nobody has asked before is
    /// told once.
    #[must_use]
    pub fn has_other_inode_than(&self, before: &Self) -> bool {
        self.has_other_class_than(before)
            || match (before.inode, self.inode) {
                (Some(old), Some(new)) => new.is_told_after(&old),
                (None, Some(_)) => true,
                (_, None) => false,
            }
    }

    /// What kind of file it is, where that is known.
    #[must_use]
    pub fn file_type(&self) -> Option<FileType> {
        match self.inode {
            Some(inode) => Some(inode.file_type),
            None if self.is_directory() => Some(FileType::Directory),
            None if self.is_symlink => Some(FileType::Symlink),
            None if self.identity.dev == OBJECT_DEVICE => Some(FileType::Regular),
            None => None,
        }
    }

    /// Whether it lies in another class. The usual one is not told of everywhere (a HEAD leaves it
    /// out), so it is no news after none.
    fn has_other_class_than(&self, before: &Self) -> bool {
        match (before.storage_class, self.storage_class) {
            (_, None) => false,
            (None, Some(now)) => now.as_str() != USUAL_CLASS,
            (before, now) => before != now,
        }
    }

    /// These, as they are kept after `before`: what nobody has asked again is what it was.
    #[must_use]
    pub fn settled(&self, before: Option<&Self>) -> Self {
        let known = before.and_then(|before| before.inode);
        Self {
            inode: self.inode.map(|inode| inode.settled(known.as_ref())),
            storage_class: self
                .storage_class
                .or_else(|| before.and_then(|before| before.storage_class)),
            ..*self
        }
    }

    /// Whether these say nothing else than `known`. What nobody has asked for is as it was known.
    #[must_use]
    pub fn is_as(&self, known: &Self) -> bool {
        let now = self.settled(Some(known));
        let has_same_inode = match (now.inode, known.inode) {
            (Some(now), Some(known)) => !now.is_other_than(&known),
            (now, known) => now == known,
        };
        let rest = Self {
            inode: known.inode,
            storage_class: known.storage_class,
            ..now
        };
        has_same_inode && !self.has_other_class_than(known) && rest == *known
    }

    /// Whether the catalogue is to learn these, where the contents are what they were with `before`
    /// and nobody is to be told of anything. An inode number that is made up anew each time is not
    /// learnt over and over, except of a directory, which is watched by it.
    #[must_use]
    pub fn is_news_after(&self, before: &Self) -> bool {
        let (old, new) = (before.identity, self.identity);
        before.changed_ns != self.changed_ns
            || self.has_other_class_than(before)
            || match (self.inode, before.inode) {
                (Some(now), Some(before)) => now.is_other_than(&before),
                (now, _) => now.is_some(),
            }
            || old.ino == 0
            || old != new && (new.born_ns.is_some() || self.is_directory())
    }

    fn has_size_and_time_of(&self, other: &Self) -> bool {
        self.is_symlink == other.is_symlink
            && self.size_bytes == other.size_bytes
            && self.modified_ns == other.modified_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ino: i64, born: Option<i64>, modified: i64) -> Facts {
        Facts {
            kind: NodeKind::File,
            is_symlink: false,
            size_bytes: 5,
            modified_ns: Some(Moment::from_nanos(modified)),
            changed_ns: Some(Moment::from_nanos(modified)),
            identity: Identity {
                dev: 0,
                ino,
                born_ns: born.map(Moment::from_nanos),
            },
            inode: Some(InodeFacts {
                file_type: FileType::Regular,
                uid: 1000,
                gid: 100,
                mode: 0o644,
                links: Some(1),
                allocated_bytes: Some(4096),
                attributes: None,
            }),
            storage_class: None,
        }
    }

    #[test]
    fn owners_permissions_and_allocation_are_told_and_a_number_of_names_is_not() {
        let before = file(7, Some(100), 1);
        let with = |change: fn(&mut InodeFacts)| {
            let mut after = before;
            change(after.inode.as_mut().unwrap());
            after
        };
        for told in [
            with(|inode| inode.uid = 0),
            with(|inode| inode.gid = 0),
            with(|inode| inode.mode = 0o4755),
            with(|inode| inode.allocated_bytes = Some(0)),
            with(|inode| inode.file_type = FileType::Fifo),
            with(|inode| inode.attributes = Some(7)),
        ] {
            assert!(told.has_other_inode_than(&before) && told.is_news_after(&before));
            assert_eq!(told.contents_since(&before), Contents::Kept);
        }
        let linked = with(|inode| inode.links = Some(2));
        assert!(!linked.has_other_inode_than(&before) && linked.is_news_after(&before));
        let bare = with(|inode| inode.attributes = Some(0));
        assert!(!bare.has_other_inode_than(&before) && !bare.is_news_after(&before));
        let listed = with(|inode| inode.attributes = Some(7));
        assert!(bare.has_other_inode_than(&listed), "they were removed");
        assert!(!before.has_other_inode_than(&listed), "nobody asked");
        assert!(!before.is_news_after(&listed));
        let moved = Facts {
            storage_class: StorageClass::named("GLACIER"),
            ..before
        };
        assert!(moved.has_other_inode_than(&before) && moved.is_news_after(&before));
        assert!(!before.has_other_inode_than(&moved), "nobody asked");
        assert_eq!(before.settled(Some(&moved)), moved);
        assert!(before.is_as(&moved) && before.is_as(&listed) && bare.is_as(&before));
        assert!(!moved.is_as(&before) && !listed.is_as(&before) && !bare.is_as(&listed));
        let unasked = Facts {
            inode: None,
            ..before
        };
        assert!(before.has_other_inode_than(&unasked), "told once");
        assert!(!unasked.has_other_inode_than(&before));
    }

    #[test]
    fn with_a_birth_time_the_identity_alone_decides() {
        assert!(
            file(7, Some(100), 1).is_same_file(&file(7, Some(100), 2)),
            "it was written to"
        );
        assert!(
            !file(7, Some(100), 1).is_same_file(&file(7, Some(200), 1)),
            "a reused inode"
        );
        assert!(
            !file(7, Some(100), 1).is_same_file(&file(8, Some(100), 1)),
            "another inode"
        );
    }

    #[test]
    fn without_a_birth_time_a_reused_inode_shows_by_size_or_time() {
        assert!(file(7, None, 1).is_same_file(&file(7, None, 1)));
        assert!(!file(7, None, 1).is_same_file(&file(7, None, 2)));
        let directory = Facts {
            kind: NodeKind::Directory,
            ..file(7, None, 1)
        };
        assert!(
            !directory.is_same_file(&directory),
            "nothing tells a reused directory inode"
        );
    }

    #[test]
    fn only_a_directory_of_the_same_number_without_a_birth_time_may_be_one() {
        let directory = |ino, born| Facts {
            kind: NodeKind::Directory,
            ..file(ino, born, 1)
        };
        let may_be = |now: Facts, seen| now.may_be_directory(&seen);
        assert!(may_be(directory(7, None), directory(7, None)));
        assert!(!may_be(directory(7, None), directory(8, None)));
        assert!(!may_be(directory(0, None), directory(0, None)), "not asked");
        assert!(!may_be(file(7, None, 1), file(7, None, 1)));
        assert!(!may_be(directory(7, None), file(7, None, 1)));
        let certain = directory(7, Some(1));
        assert!(!may_be(certain, certain), "its identity decides");
        let object = |mut facts: Facts| {
            facts.identity.dev = OBJECT_DEVICE;
            facts
        };
        let prefix = object(directory(7, None));
        assert!(!may_be(prefix, prefix));
    }

    #[test]
    fn a_change_time_that_moved_alone_leaves_the_contents_in_doubt() {
        let before = file(7, Some(100), 1);
        let touched = Facts {
            changed_ns: Some(Moment::from_nanos(2)),
            ..before
        };
        assert_eq!(before.contents_since(&before), Contents::Kept);
        assert_eq!(touched.contents_since(&before), Contents::InDoubt);
        assert_eq!(
            file(7, Some(100), 2).contents_since(&before),
            Contents::Changed
        );
        assert_eq!(
            file(8, Some(200), 1).contents_since(&before),
            Contents::Changed
        );
        let unasked = Facts {
            changed_ns: None,
            ..before
        };
        assert_eq!(before.contents_since(&unasked), Contents::Kept);
        assert!(before.is_news_after(&unasked) && touched.is_news_after(&before));
        assert!(!before.is_news_after(&before));
    }

    #[test]
    fn a_root_is_another_one_if_the_filesystem_is_or_the_birth_differs() {
        let root = |ino, born, volume| Root {
            identity: file(ino, born, 1).identity,
            volume,
        };
        let known = root(2, Some(100), Some(5));
        assert!(!root(2, Some(100), Some(5)).is_another_than(&known));
        assert!(
            root(2, Some(100), Some(6)).is_another_than(&known),
            "formatted in the same second"
        );
        assert!(
            root(2, Some(101), Some(5)).is_another_than(&known),
            "made anew"
        );
        assert!(root(2, Some(101), None).is_another_than(&known));
        assert!(
            !root(2, Some(100), Some(6)).is_another_than(&root(2, Some(100), None)),
            "not asked yet"
        );
        let weak = root(1, None, Some(5));
        assert!(
            root(2, Some(100), Some(6)).is_another_than(&weak),
            "it is not mounted"
        );
        assert!(
            !root(7, None, Some(5)).is_another_than(&weak),
            "numbers are made up"
        );
    }

    #[test]
    fn a_filesystem_with_another_number_has_the_same_files_at_the_same_paths() {
        let before = file(7, Some(100), 1);
        let mut after = before;
        after.identity.dev = 9;
        assert!(!after.is_another_than(&before));
        assert_eq!(after.contents_since(&before), Contents::Kept);
        assert!(after.is_news_after(&before), "the number is learnt");
        assert!(!after.is_same_file(&before), "elsewhere it proves nothing");
    }

    #[test]
    fn a_directory_without_a_birth_time_is_the_one_of_its_path_and_its_number_is_learnt() {
        let directory = |ino| Facts {
            kind: NodeKind::Directory,
            modified_ns: None,
            changed_ns: None,
            ..file(ino, None, 1)
        };
        assert!(!directory(8).is_another_than(&directory(7)));
        assert!(directory(8).is_news_after(&directory(7)));
        assert!(!file(8, None, 1).is_news_after(&file(7, None, 1)));
        assert!(!file(8, None, 1).is_another_than(&file(7, None, 1)));
        assert!(file(8, None, 2).is_another_than(&file(7, None, 1)));
    }
}
