//! What the filesystem behind a mount is.

use ::node::name::os_path;
use catalogue::mounts::Mount;

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

/// Whether other machines may change the mount's files without inotify telling.
pub(crate) fn is_shared(mount: &Mount) -> bool {
    let Some(root) = &mount.root_path else {
        return true;
    };
    let Ok(system) = rustix::fs::statfs(os_path(root)) else {
        return false;
    };
    // The kernel's constants have 32 bits.
    let magic = system.f_type.cast_unsigned() & 0xFFFF_FFFF;
    SHARED.contains(&magic)
}
