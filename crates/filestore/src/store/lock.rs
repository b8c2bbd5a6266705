//! One process a data directory.

use super::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The data directory is ours as long as this lives. The operating system lets go of the lock
/// when the process ends, however it ends; the file itself stays.
#[derive(Debug)]
pub(super) struct DirectoryLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirectoryLock {
    pub(super) fn acquire(directory: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Directory {
            directory: directory.to_owned(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("filestore.lock"))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let read = file.read_to_string(&mut pid).is_ok();
                let pid = pid.trim().to_owned();
                return Err(OpenError::InUse {
                    directory: directory.to_owned(),
                    pid: (read && !pid.is_empty()).then_some(pid),
                });
            }
        }
        // Who holds it is for the message above only.
        let note = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        note.map_err(failed)?;
        Ok(Self(file))
    }
}
