//! A high-water mark beside a store: how far it had committed.
//!
//! An engine that finds the end of its log cut off or unreadable takes what comes before for
//! everything there is, and goes on from an earlier state as if nothing had happened. A number
//! beside the store, written after each commit, tells that there was more. It is not synced: a
//! power cut may take it back, and a mark that is too low claims nothing.
//!
//! The file holds the number (8 bytes, little endian) and the first 8 bytes of its BLAKE3 hash. A
//! mark that does not fit its hash was torn and claims nothing either.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The open mark of a store. One process at a time has it.
#[derive(Debug)]
pub struct Mark {
    path: PathBuf,
    file: File,
}

impl Mark {
    /// The mark of the store at this path, made if there is none.
    ///
    /// # Errors
    /// The file cannot be opened or made.
    pub fn of(store: &Path) -> io::Result<Self> {
        let path = Self::path_of(store);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        Ok(Self { path, file })
    }

    /// Where the mark of a store is: its path with `.mark` behind it.
    #[must_use]
    pub fn path_of(store: &Path) -> PathBuf {
        let mut path = store.as_os_str().to_owned();
        path.push(".mark");
        PathBuf::from(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last number set; `None` if there is none that can be trusted.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self) -> io::Result<Option<u64>> {
        let mut bytes = [0; 16];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Ok((record(number) == bytes).then_some(number))
    }

    /// Sets it. The number must have been committed.
    ///
    /// # Errors
    /// The file cannot be written. The mark is then too low, which claims nothing wrong.
    pub fn set(&self, number: u64) -> io::Result<()> {
        self.file.write_all_at(&record(number), 0)
    }
}

fn record(number: u64) -> [u8; 16] {
    let bytes = number.to_le_bytes();
    let hash = blake3::hash(&bytes);
    let mut record = [0; 16];
    for (to, from) in record.iter_mut().zip(bytes.iter().chain(hash.as_bytes())) {
        *to = *from;
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_was_set_last_and_a_torn_one_is_none() {
        let dir = std::env::temp_dir().join(format!("mark-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let store = dir.join("s.db");
        let mark = Mark::of(&store).unwrap();
        assert_eq!(mark.get().unwrap(), None);
        for number in [1, 7, u64::MAX] {
            mark.set(number).unwrap();
            assert_eq!(Mark::of(&store).unwrap().get().unwrap(), Some(number));
        }
        std::fs::write(mark.path(), [0; 12]).unwrap();
        assert_eq!(mark.get().unwrap(), None);
        std::fs::write(mark.path(), [9; 16]).unwrap();
        assert_eq!(mark.get().unwrap(), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
