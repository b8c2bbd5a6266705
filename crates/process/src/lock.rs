//! One process a store: a lock file beside it, held for as long as the process lives.
//!
//! The operating system releases the lock (flock(2)) however the process ends, so a crash leaves
//! nothing to clean up; the file itself stays. It holds its holder's process id, for messages only.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who has a lock, as far as it has said so yet; prints as `another process (pid 708)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another process")?;
        self.0.map_or(Ok(()), |pid| write!(f, " (pid {pid})"))
    }
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it, or this one a second time.
    #[error("{holder} holds {}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The file cannot be made, locked or written.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A lock that is held; dropping it releases it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Takes the lock at `path` without waiting, and makes the file if it is not there.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if it is taken, [`LockError::Io`] for all else.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: path.to_owned(),
                    holder: Holder(written(&mut file)),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let note = file.set_len(0).and_then(|()| file.rewind());
        note.and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self(file))
    }
}

/// The process on this machine that holds the lock at `path`: the one whose id the file has, if
/// that process has the file open. `None` too where it may not be looked at (another user's).
///
/// Not from `/proc/locks`: it names files by a device number that is not what stat(2) says on every
/// file system, and not every sandbox has it.
#[must_use]
pub fn holder(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    let pid = written(&mut file)?;
    // Before the look at what is open: this process may be the one that is asked about.
    drop(file);
    let mut open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let is_it = |link: io::Result<std::fs::DirEntry>| {
        let target = link.and_then(|link| std::fs::metadata(link.path()));
        target.is_ok_and(|target| (target.dev(), target.ino()) == (about.dev(), about.ino()))
    };
    open.any(is_it).then_some(pid)
}

/// The process id in the file; an owner that has not written it yet is no error.
fn written(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_again_after_release_and_tells_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metastore.lock");
        assert_eq!(holder(&path), None);
        let lock = Lock::take(&path).unwrap();
        let own = std::process::id();
        assert_eq!(holder(&path), Some(own));
        let message = Lock::take(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("(pid {own})")), "{message}");
        assert!(message.contains("metastore.lock"), "{message}");
        drop(lock);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{own}\n"));
        assert_eq!(holder(&path), None, "an id that was left behind");
        Lock::take(&path).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_process_id_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("filestore.lock");
        for text in ["", "nobody", "-1", "4294967295"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(holder(&path), None, "{text}");
        }
        let error = Lock::take(&dir.path().join("no/such.lock")).unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error:?}");
    }
}
