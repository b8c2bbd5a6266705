//! A disk that is soon full.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What is written at a time to take the room that is left, largest first.
const PIECES_BYTES: [usize; 3] = [1 << 20, 64 << 10, 4 << 10];
const FILLER: &str = "filler";

/// A tmpfs of a given size, unmounted when dropped.
///
/// Mounting takes root. Run by anybody else a test that needs one fails and says so, rather than
/// pass without having shown anything.
#[derive(Debug)]
pub struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    /// Mounts a disk of `bytes`.
    ///
    /// # Panics
    /// It cannot be mounted.
    #[must_use]
    #[track_caller]
    pub fn mount(bytes: u64) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=0755"),
                "tmpfs",
            ])
            .arg(directory.path())
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Self { directory },
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        panic!(
            "a disk that fills up is a small tmpfs, and it cannot be mounted ({}): run the tests \
             as root, in a container with CAP_SYS_ADMIN",
            why.trim()
        );
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Takes all the room that is left; what is on the disk stays.
    ///
    /// # Panics
    /// The disk cannot be written for another reason than that it is full.
    #[track_caller]
    pub fn fill(&self) {
        let mut filler = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
            .expect("a file on the small disk");
        for bytes in PIECES_BYTES {
            fill_with(&mut filler, &vec![0x5a; bytes]);
        }
    }

    /// Gives back what [`SmallDisk::fill`] took.
    ///
    /// # Panics
    /// It cannot be removed.
    #[track_caller]
    pub fn make_room(&self) {
        if let Err(error) = fs::remove_file(self.filler()) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
    }

    /// Bytes that can still be written.
    ///
    /// # Panics
    /// The filesystem does not say.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        let facts = rustix::fs::statvfs(self.path()).expect("the filesystem says how full it is");
        facts.f_bavail * facts.f_frsize
    }

    fn filler(&self) -> PathBuf {
        self.path().join(FILLER)
    }
}

#[track_caller]
fn fill_with(filler: &mut File, piece: &[u8]) {
    loop {
        match filler.write(piece) {
            Ok(written) if written > 0 => {}
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("the small disk cannot be filled: {error}"),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached, so that it goes even if a process of the test still stands in it.
        Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status()
            .ok();
    }
}
