//! Which filesystem a file lies on.

use crate::mountinfo;
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

const EXT: u64 = 0xEF53;
const BTRFS: u64 = 0x9123_683E;
const F2FS: u64 = 0xF2F5_2010;
const ZFS: u64 = 0x2FC1_2FC1;
const BCACHEFS: u64 = 0xCA45_1A4E;
const TMPFS: u64 = 0x0102_1994;
const OVERLAY: u64 = 0x794C_7630;
const FAT: u64 = 0x4D44;
const EXFAT: u64 = 0x2011_BAB0;
const XFS: u64 = 0x5846_5342;

/// Filesystems whose id comes from what is on the disk (a UUID), so that it stays the same, and is
/// no other filesystem's. Btrfs has one for each subvolume. Others make it from a device number.
const WITH_AN_ID: [u64; 7] = [EXT, BTRFS, F2FS, ZFS, BCACHEFS, TMPFS, OVERLAY];

/// Filesystems that make their id from a device number, although they have a UUID. There is no safe
/// way to ask them for it, but most machines list it.
const WITH_A_UUID: [u64; 1] = [XFS];

/// Where udev lists the disks by their UUIDs.
const BY_UUID: &str = "/dev/disk/by-uuid";

/// Filesystems whose birth times do not stay with a file (overlayfs has the ones of its layers, so
/// they change when a file is copied up), or that make up inode numbers anew.
const WITHOUT_IDENTITY: [u64; 3] = [OVERLAY, FAT, EXFAT];

/// Filesystems that others change too, of which inotify says nothing: NFS, CIFS, SMB2, Ceph, 9P,
/// FUSE, AFS, Lustre, GFS2, OCFS2 (from `linux/magic.h` and the modules' own headers).
const SHARED: [u64; 11] = [
    0x6969,
    0xFF53_4D42,
    0xFE53_4D42,
    0x00C3_6400,
    0x0102_1997,
    0x6573_5546,
    0x5346_414F,
    0x6B41_4653,
    0x0BD0_0BD0,
    0x0116_1970,
    0x7461_636F,
];

/// Whether other machines may change the files of a filesystem of this type.
#[must_use]
pub fn is_shared_type(kind: u64) -> bool {
    SHARED.contains(&kind)
}

/// A filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    /// Its name: the same for as long as it lives. Of another filesystem, if this is another one; of
    /// the same one perhaps not, unless it is the only one of this name.
    pub(super) name: i64,
    /// What it has for itself alone, and keeps.
    id: Option<i64>,
    /// Birth times tell files apart.
    has_births: bool,
}

impl Volume {
    /// The filesystem that an open file lies on.
    pub(super) fn of(file: impl AsFd) -> Result<Self, Errno> {
        // The kernel's constants have 32 bits.
        let kind = rustix::fs::fstatfs(&file)?.f_type.cast_unsigned() & 0xFFFF_FFFF;
        let id = rustix::fs::fstatvfs(&file)?.f_fsid;
        let number = number_of(&file)?;
        let has_births = !WITHOUT_IDENTITY.contains(&kind);
        if id != 0 && WITH_AN_ID.contains(&kind) {
            let name = named(kind, &id.to_le_bytes());
            return Ok(Self {
                name,
                id: Some(name),
                has_births,
            });
        }
        let source = match is_shared_type(kind) {
            true => {
                let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
                mountinfo::source_of(major, minor).unwrap_or_default()
            }
            false => String::new(),
        };
        let uuid = match WITH_A_UUID.contains(&kind) {
            true => uuid_of(Path::new(BY_UUID), number),
            false => None,
        };
        Ok(Self {
            // Not by the UUID, which a root is not to be another one without.
            name: named(kind, source.as_bytes()),
            id: uuid.map(|uuid| named(kind, &uuid)),
            has_births,
        })
    }
}

fn named(kind: u64, which: &[u8]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&kind.to_le_bytes());
    hasher.update(which);
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    // Neither 0 nor negative: those have a meaning.
    i64::from_le_bytes([a, b, c, d, e, f, g, h]) & i64::MAX | 1 << 32
}

/// The UUID under which `directory` lists the disk with this device number.
fn uuid_of(directory: &Path, number: u64) -> Option<Vec<u8>> {
    let listed = std::fs::read_dir(directory).ok()?;
    let mut found = listed.filter_map(Result::ok).filter(|entry| {
        let disk = std::fs::metadata(entry.path());
        disk.is_ok_and(|disk| disk.rdev() == number)
    });
    Some(found.next()?.file_name().as_bytes().to_vec())
}

/// What stands for a filesystem in the identities of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// 0 for the one of the tree's root.
    pub(super) dev: i64,
    pub(super) has_births: bool,
}

/// The filesystems of a tree, by device number. Most trees lie on one, of which nothing is looked up.
#[derive(Debug)]
pub(super) struct Devices {
    root: u64,
    pub(super) volume: Volume,
    others: Mutex<HashMap<u64, Device>>,
}

impl Devices {
    pub(super) fn of(root: impl AsFd) -> Result<Self, Errno> {
        Ok(Self {
            root: number_of(&root)?,
            volume: Volume::of(&root)?,
            others: Mutex::default(),
        })
    }

    /// What stands for the filesystem with this device number, of which `open` opens a file.
    pub(super) fn device(
        &self,
        number: u64,
        open: impl FnOnce() -> Result<OwnedFd, Errno>,
    ) -> Device {
        if number == self.root {
            return Device {
                dev: 0,
                has_births: self.volume.has_births,
            };
        }
        let others = || self.others.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = others().get(&number).copied() {
            return known;
        }
        let by_number = number.cast_signed();
        match open().and_then(Volume::of) {
            Ok(volume) => {
                let dev = match volume.id {
                    // Overlayfs has files with other device numbers than its root's.
                    Some(_) if volume.id == self.volume.id => 0,
                    Some(id) => id,
                    None => by_number,
                };
                let device = Device {
                    dev,
                    has_births: volume.has_births,
                };
                others().insert(number, device);
                device
            }
            // It is gone already, or nobody may ask: the next look does.
            Err(_) => Device {
                dev: by_number,
                has_births: true,
            },
        }
    }
}

fn number_of(file: impl AsFd) -> Result<u64, Errno> {
    let number = rustix::fs::fstat(file)?.st_dev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    Ok(rustix::fs::makedev(major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_keeps_its_name_and_others_have_other_ones() {
        let open = |path: &str| std::fs::File::open(path).unwrap();
        let root = Volume::of(open("/")).unwrap();
        assert_eq!(Volume::of(open("/")).unwrap(), root);
        assert_ne!(Volume::of(open("/proc")).unwrap().name, root.name);
        assert!(root.name > 0);
    }

    #[test]
    fn a_disk_is_found_among_those_that_are_listed_by_their_uuids() {
        let listed = tempfile::tempdir().unwrap();
        for (uuid, disk) in [("a", "/dev/null"), ("b", "/dev/zero"), ("c", "/gone")] {
            std::os::unix::fs::symlink(disk, listed.path().join(uuid)).unwrap();
        }
        let number = std::fs::metadata("/dev/zero").unwrap().rdev();
        assert_eq!(uuid_of(listed.path(), number), Some(b"b".to_vec()));
        assert_eq!(uuid_of(listed.path(), 0), None);
        assert_eq!(uuid_of(&listed.path().join("none"), number), None);
    }

    #[test]
    fn a_device_is_asked_about_once_and_the_roots_own_never() {
        let devices = Devices::of(std::fs::File::open("/").unwrap()).unwrap();
        let never = || panic!("it is known");
        assert_eq!(devices.device(devices.root, never).dev, 0);
        let proc = std::fs::File::open("/proc").unwrap();
        let number = number_of(&proc).unwrap();
        let first = devices.device(number, || Ok(OwnedFd::from(proc)));
        assert_ne!(first.dev, 0);
        assert_eq!(devices.device(number, never), first);
    }
}
