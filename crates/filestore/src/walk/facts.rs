//! What the disk says of one name, without following it.

use journal::NodeKind;
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::BTIME);

/// What stands in for the device in the identity of an object in a bucket; no disk has it.
pub(crate) const OBJECT_DEVICE: i64 = -1;

/// Which file it is, whatever its name. The birth time tells a file from a later one that was
/// given the same inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The device, 0 where it is the mount root's own: device numbers of disks may change when a
    /// machine starts, and the files must not lose their identity by it.
    pub(crate) dev: i64,
    /// The inode number.
    pub(crate) ino: i64,
    /// When the inode was made, in nanoseconds since 1970, where the filesystem remembers it.
    pub(crate) born_ns: Option<i64>,
}

/// What the disk says of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Sockets, pipes and devices count as files, like symlinks.
    pub(crate) kind: NodeKind,
    /// It is a symlink, which nobody follows.
    pub(crate) is_symlink: bool,
    /// The length of a regular file in bytes; 0 for everything else.
    pub(crate) size_bytes: i64,
    /// When the contents last changed, in nanoseconds since 1970; `None` for a directory, whose
    /// own contents are its children.
    pub(crate) modified_ns: Option<i64>,
    /// Which file it is.
    pub(crate) identity: Identity,
}

impl Facts {
    pub(crate) fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }

    /// Whether these have the kind and the identity of `seen`, which says of one and the same
    /// place, within one scan, that it still holds the same file.
    pub(crate) fn has_identity_of(&self, seen: &Self) -> bool {
        self.kind == seen.kind && self.identity == seen.identity
    }

    /// Whether these are the facts of the file that was seen as `seen`, perhaps under another
    /// name. With a birth time the identity alone decides. Without one an inode number that was
    /// given out again looks like the file before it, so a file must also have kept its size and
    /// modification time, and a directory is never recognised.
    ///
    /// An object is recognised by its `ETag` and its size, unless it is empty, as all empty ones are
    /// alike: its time is that of its key.
    pub(crate) fn is_same_file(&self, seen: &Self) -> bool {
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

/// The facts of `name` in `directory`; of `directory` itself, if the name is empty.
pub(super) fn facts_at(
    directory: impl AsFd,
    name: impl rustix::path::Arg,
    flags: AtFlags,
    root_dev: Option<i64>,
) -> Result<Facts, Errno> {
    let flags = flags | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(directory, name, flags, WANTED)?;
    Ok(from_statx(&stat, root_dev))
}

fn from_statx(stat: &Statx, root_dev: Option<i64>) -> Facts {
    let file_type = FileType::from_raw_mode(stat.stx_mode.into());
    let is_regular = file_type == FileType::RegularFile;
    let is_directory = file_type == FileType::Directory;
    let dev = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor).cast_signed();
    let nanos = |seconds: i64, nanos: u32| {
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(nanos))
    };
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Facts {
        kind: if is_directory {
            NodeKind::Directory
        } else {
            NodeKind::File
        },
        is_symlink: file_type == FileType::Symlink,
        size_bytes: if is_regular {
            i64::try_from(stat.stx_size).unwrap_or(i64::MAX)
        } else {
            0
        },
        modified_ns: (!is_directory).then(|| nanos(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec)),
        identity: Identity {
            dev: if root_dev == Some(dev) { 0 } else { dev },
            ino: stat.stx_ino.cast_signed(),
            born_ns: has_birth.then(|| nanos(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)),
        },
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
