//! What the filesystem behind a mount is.

use ::node::name::os_path;
use catalogue::mounts::Mount;

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
    backend::is_shared_type(magic)
}
