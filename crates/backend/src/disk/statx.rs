//! What the disk says of one name, without following it.

use journal::NodeKind;
use node::{Facts, Identity};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::BTIME);

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
