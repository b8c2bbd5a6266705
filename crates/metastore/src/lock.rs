//! One process a database: a lock file beside it, held for as long as the process lives.
//!
//! The operating system releases the lock however the process ends, so a crash leaves nothing to
//! clean up. The file holds the owner's process id, for the message that the next one prints.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("another process ({owner}) holds {}", path.display())]
    Held { path: PathBuf, owner: String },
    #[error("cannot lock {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The lock; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at `path`, without waiting.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message: an owner that has not written its id yet is no error.
                file.read_to_string(&mut pid).ok();
                let owner = match pid.trim() {
                    "" => "of unknown id".to_owned(),
                    pid => format!("process id {pid}"),
                };
                return Err(LockError::Held {
                    path: path.to_owned(),
                    owner,
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_again_after_release() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metastore.lock");
        let lock = Lock::take(&path).unwrap();
        let message = Lock::take(&path).unwrap_err().to_string();
        assert!(
            message.contains(&std::process::id().to_string()),
            "{message}"
        );
        assert!(message.contains("metastore.lock"), "{message}");
        drop(lock);
        Lock::take(&path).unwrap();
    }
}
