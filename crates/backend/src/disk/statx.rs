//! The facts of a name, as `statx` gives them.

use super::volume::{Device, Devices};
use journal::NodeKind;
use node::{Facts, Identity, InodeFacts, Moment, ObjectFacts};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;
use rustix::path::Arg;
use std::os::fd::AsFd;

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MODE)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::BLOCKS)
    .union(StatxFlags::ATIME)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::BTIME);

/// The permission bits, with set-user-id, set-group-id and sticky.
const PERMISSIONS: u16 = 0o7777;
/// `stx_blocks` counts these, whatever the filesystem's own blocks are (statx(2)).
const BLOCK_BYTES: u64 = 512;

/// The facts of `name` in `directory`; of `directory` itself, if the flags allow an empty name. Where a
/// symlink points is not asked.
pub(super) fn facts_at(
    directory: impl AsFd,
    name: impl Arg + Copy,
    flags: AtFlags,
    devices: &Devices,
) -> Result<Facts, Errno> {
    let flags = flags | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(&directory, name, flags, WANTED)?;
    let number = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let device = devices.device(number, || {
        let path = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match flags.contains(AtFlags::EMPTY_PATH) {
            true => rustix::io::dup(&directory),
            false => rustix::fs::openat(&directory, name, path, Mode::empty()),
        }
    });
    Ok(from_statx(&stat, device))
}

fn from_statx(stat: &Statx, device: Device) -> Facts {
    let file_type = FileType::from_raw_mode(stat.stx_mode.into());
    let is_regular = file_type == FileType::RegularFile;
    let is_directory = file_type == FileType::Directory;
    let moment = |time: StatxTimestamp| Moment::new(time.tv_sec, time.tv_nsec);
    let has_birth = device.has_births && stat.stx_mask & StatxFlags::BTIME.bits() != 0;
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
        modified_ns: (!is_directory).then(|| moment(stat.stx_mtime)),
        changed_ns: (!is_directory).then(|| moment(stat.stx_ctime)),
        identity: Identity {
            dev: device.dev,
            ino: stat.stx_ino.cast_signed(),
            born_ns: has_birth.then(|| moment(stat.stx_btime)),
        },
        inode: Some(InodeFacts {
            file_type: kind_of(file_type),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            mode: stat.stx_mode & PERMISSIONS,
            links: (!is_directory).then_some(stat.stx_nlink),
            allocated_bytes: (!is_directory).then(|| {
                i64::try_from(stat.stx_blocks.saturating_mul(BLOCK_BYTES)).unwrap_or(i64::MAX)
            }),
            attributes: None,
            link_target: (file_type != FileType::Symlink).then_some(0),
            accessed_ms: is_regular.then(|| moment(stat.stx_atime).as_millis()),
        }),
        object: ObjectFacts::NONE,
    }
}

/// What `statx` has no name for is no file that anybody can make.
const fn kind_of(file_type: FileType) -> journal::FileType {
    match file_type {
        FileType::Directory => journal::FileType::Directory,
        FileType::Symlink => journal::FileType::Symlink,
        FileType::Fifo => journal::FileType::Fifo,
        FileType::Socket => journal::FileType::Socket,
        FileType::CharacterDevice => journal::FileType::Character,
        FileType::BlockDevice => journal::FileType::Block,
        FileType::RegularFile | FileType::Unknown => journal::FileType::Regular,
    }
}
