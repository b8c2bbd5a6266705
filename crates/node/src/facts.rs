//! What a backend says of one name, and when that is the same file as before.

use journal::NodeKind;
use serde::{Deserialize, Serialize};

/// What stands in for the device in the identity of an object in a bucket; no disk has it.
pub const OBJECT_DEVICE: i64 = -1;

/// Which file it is, whatever its name. The birth time tells a file from a later one that was
/// given the same inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The device, 0 where it is the mount root's own: device numbers of disks may change when a
    /// machine starts, and the files must not lose their identity by it.
    pub dev: i64,
    /// The inode number.
    pub ino: i64,
    /// When the inode was made, in nanoseconds since 1970, where the filesystem remembers it.
    pub born_ns: Option<i64>,
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
    /// When the contents last changed, in nanoseconds since 1970; `None` for a directory, whose
    /// own contents are its children.
    pub modified_ns: Option<i64>,
    /// Which file it is.
    pub identity: Identity,
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
        let has_kept_its_contents = !self.is_directory()
            && self.size_bytes == seen.size_bytes
            && self.modified_ns == seen.modified_ns;
        self.has_identity_of(seen) && (self.identity.born_ns.is_some() || has_kept_its_contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ino: i64, born_ns: Option<i64>, modified_ns: i64) -> Facts {
        Facts {
            kind: NodeKind::File,
            is_symlink: false,
            size_bytes: 5,
            modified_ns: Some(modified_ns),
            identity: Identity {
                dev: 0,
                ino,
                born_ns,
            },
        }
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
}
