//! Files opened for their contents, so that it does not look as if somebody had read them.

use super::{Disk, failed};
use crate::{Error, Operation};
use node::name;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// A pipe must not make us wait for somebody to write to it.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Opens a name in an open directory for reading. Its access time stays as it is, where the system lets
/// us: the file is this user's, or the process has `CAP_FOWNER` (open(2), `O_NOATIME`).
///
/// # Errors
/// The disk refuses it.
pub(super) fn open(directory: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let open = |flags| rustix::fs::openat(&directory, name, flags, Mode::empty());
    match open(FLAGS | OFlags::NOATIME) {
        Err(Errno::PERM) => open(FLAGS),
        opened => opened,
    }
}

impl Disk {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn open_file(&self, path: &str) -> Result<File, Error> {
        let (parent, name) = self.parent_of(path)?;
        let file = match open(parent, &name::to_bytes(name)) {
            // A socket, or a device that nobody serves.
            Err(Errno::NXIO | Errno::NODEV) => {
                return Err(failed(Operation::Open, path)(Errno::OPNOTSUPP));
            }
            opened => opened.map_err(failed(Operation::Open, path))?,
        };
        let stat = rustix::fs::fstat(&file).map_err(failed(Operation::Open, path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            FileType::Directory => Err(failed(Operation::Open, path)(Errno::ISDIR)),
            _ => Err(failed(Operation::Open, path)(Errno::OPNOTSUPP)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Timespec, Timestamps};
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn what_is_read_here_keeps_its_access_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let long_ago = Timespec {
            tv_sec: 1_000_000_000,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: long_ago,
            last_modification: long_ago,
        };
        rustix::fs::futimens(File::open(&path).unwrap(), &times).unwrap();
        let disk = Disk::open(directory.path(), "test").unwrap();
        let mut text = String::new();
        let mut file = disk.open_file("file").unwrap();
        file.read_to_string(&mut text).unwrap();
        disk.copy_to("file", &disk).unwrap();
        assert_eq!(text, "text");
        assert_eq!(path.metadata().unwrap().atime(), long_ago.tv_sec);
    }
}
