//! What a backend says of one name, and when that is the same file as before.

mod inode;
mod long;
mod object;
#[cfg(test)]
mod tests;

pub use inode::InodeFacts;
pub use long::{LongFact, LongText};
pub use object::{ObjectFacts, USUAL_CLASS};

use crate::Moment;
use journal::{FileType, NodeKind};
use serde::{Deserialize, Serialize};

/// What stands in for the device in the identity of an object in a bucket; no disk has it.
pub const OBJECT_DEVICE: i64 = -1;

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
    /// What a bucket says of an object beside its contents; nothing for a file.
    #[serde(default)]
    pub object: ObjectFacts,
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
    /// is, its permissions, what it takes on disk, where it points, what a bucket says of it, that it
    /// was read since. What nobody has asked before is told once.
    #[must_use]
    pub fn is_told_after(&self, before: &Self) -> bool {
        self.object.is_other_than(&before.object)
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

    /// These, as they are kept after `before`: what nobody has asked again is what it was.
    #[must_use]
    pub fn settled(&self, before: Option<&Self>) -> Self {
        let known = before.and_then(|before| before.inode);
        Self {
            inode: self.inode.map(|inode| inode.settled(known.as_ref())),
            object: self.object.settled(before.map(|before| &before.object)),
            ..*self
        }
    }

    /// These with the access time of `known`: for those who tell no access.
    #[must_use]
    pub fn accessed_as(&self, known: &Self) -> Self {
        let accessed_ms = known.inode.and_then(|known| known.accessed_ms);
        let inode = self.inode.map(|inode| InodeFacts {
            accessed_ms,
            ..inode
        });
        Self { inode, ..*self }
    }

    /// These without when it was read: nobody has asked.
    #[must_use]
    pub fn unread(&self) -> Self {
        let inode = self.inode.map(|inode| InodeFacts {
            accessed_ms: None,
            ..inode
        });
        Self { inode, ..*self }
    }

    /// The number of a text: 0 for none, `None` where nobody has asked.
    #[must_use]
    pub fn long(&self, fact: LongFact) -> Option<i64> {
        match fact {
            LongFact::Attributes => self.inode.and_then(|inode| inode.attributes),
            LongFact::LinkTarget => self.inode.and_then(|inode| inode.link_target),
            LongFact::ObjectTags => self.object.tags,
        }
    }

    /// Takes the number of a text.
    pub fn set_long(&mut self, fact: LongFact, number: Option<i64>) {
        match (fact, &mut self.inode) {
            (LongFact::Attributes, Some(inode)) => inode.attributes = number,
            (LongFact::LinkTarget, Some(inode)) => inode.link_target = number,
            // There is no such thing in a bucket.
            (LongFact::Attributes | LongFact::LinkTarget, None) => {}
            (LongFact::ObjectTags, _) => self.object.tags = number,
        }
    }

    /// Whether these say nothing else than `known`. What nobody has asked for is as it was known, and
    /// that a file was read since is no difference.
    #[must_use]
    pub fn is_as(&self, known: &Self) -> bool {
        let now = self.settled(Some(known));
        let has_same_inode = match (now.inode, known.inode) {
            (Some(now), Some(known)) => !now.is_other_than(&known),
            (now, known) => now == known,
        };
        let rest = Self {
            inode: known.inode,
            object: known.object,
            ..now
        };
        has_same_inode && !self.object.is_other_than(&known.object) && rest == *known
    }

    /// Whether the catalogue is to learn these, where the contents are what they were with `before`
    /// and nobody is to be told of anything. An inode number that is made up anew each time is not
    /// learnt over and over, except of a directory, which is watched by it. Where a link points is
    /// news until it has been read.
    #[must_use]
    pub fn is_news_after(&self, before: &Self) -> bool {
        let (old, new) = (before.identity, self.identity);
        before.changed_ns != self.changed_ns
            || self.object.is_other_than(&before.object)
            || match (self.inode, before.inode) {
                (Some(now), Some(before)) => now.is_news_after(&before, self.is_symlink),
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
