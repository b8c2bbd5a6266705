//! Content hashes of files that others may be writing to.
//!
//! A hash is of one state of a file, or there is none: size, modification time and change time are
//! the same before the first read and after the last one. The change time also shows a write that
//! put the modification time back.

use super::Hasher;
use crate::disk::Stamp;
use crate::{Backend, Bucket, Disk, Error, Operation, Reason};
use node::Facts;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// The bytes of one read.
pub const READ_BYTES: usize = 256 * 1024;

/// The zeros of holes, as many as are hashed at once.
static ZEROS: [u8; READ_BYTES] = [0; READ_BYTES];

/// Holes are not read, and their zeros are hashed many times as fast as a disk is read. So the gate
/// is told of one byte for so many of them.
const HOLE_SHARE: usize = 32;

/// Files that are longer (16 TiB), and are holes for more than half, have no hash: computing one
/// would take hours to centuries.
pub const LONGEST_SPARSE: u64 = 1 << 44;

/// How often a file that changes while it is read is begun anew.
const ATTEMPTS: usize = 3;

/// What came of hashing a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Hashed {
    /// Its hash, and what it was before and after it was read.
    Hash(String, Box<Facts>),
    /// It is not what it was said to be; nothing was read.
    Other,
    /// It changed a moment ago, and may be changing still; nothing was read.
    Fresh,
    /// It changed while it was read.
    Changing,
    /// It is not there any more, or no regular file.
    Gone,
    /// Nobody would see the end of it: it is longer than [`LONGEST_SPARSE`], and most of that is
    /// holes.
    TooLong,
    /// The gate did not let it go on.
    Stopped,
}

/// Asked before each read whether to go on, with the bytes that the one before it gave.
pub type Gate<'g> = &'g mut dyn FnMut(usize) -> bool;

/// What is asked of a file before it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashConditions {
    /// It must be this.
    pub facts: Option<Facts>,
    /// Its last change must lie before this, in milliseconds since 1970: within the step of the
    /// filesystem's clock a further change would not show.
    pub quiet_since_ms: Option<i64>,
    /// The bytes of one read, [`READ_BYTES`] if it is 0.
    pub read_bytes: usize,
}

impl HashConditions {
    fn buffer(&self) -> Vec<u8> {
        match self.read_bytes {
            0 => vec![0; READ_BYTES],
            bytes => vec![0; bytes.min(READ_BYTES)],
        }
    }
}

/// The hash of a file's contents. One that changes is begun anew some times.
///
/// # Errors
/// It cannot be read.
pub fn hash(backend: &dyn Backend, path: &str, gate: Gate<'_>) -> Result<Hashed, Error> {
    let mut hashed = Hashed::Changing;
    for _ in 0..ATTEMPTS {
        hashed = backend.hash(path, &HashConditions::default(), gate)?;
        if hashed != Hashed::Changing {
            break;
        }
    }
    Ok(hashed)
}

/// The hash of a file on a disk.
pub(crate) fn hash_file(
    disk: &Disk,
    path: &str,
    conditions: &HashConditions,
    gate: Gate<'_>,
) -> Result<Hashed, Error> {
    let Some(before) = disk.facts(path)? else {
        return Ok(Hashed::Gone);
    };
    if conditions.facts.is_some_and(|facts| !before.is_as(&facts)) {
        return Ok(Hashed::Other);
    }
    let file = match disk.open_file(path) {
        Ok(file) => file,
        Err(error) if error.reason.is_no_file() => return Ok(Hashed::Gone),
        Err(error) => return Err(error),
    };
    let stamp = Stamp::of(&file, path)?;
    if stamp.inode != before.identity.ino {
        return Ok(Hashed::Changing);
    }
    if conditions
        .quiet_since_ms
        .is_some_and(|quiet| stamp.changed_ms() > quiet)
    {
        return Ok(Hashed::Fresh);
    }
    // One that grows without end would never be read to its end.
    let length = before.size_bytes.cast_unsigned();
    if length > LONGEST_SPARSE && stamp.allocated_bytes < length / 2 {
        return Ok(Hashed::TooLong);
    }
    let hashed = read_file(&file, length, conditions, gate);
    let Some(hash) = hashed.map_err(Error::of_disk(Operation::Read, path))? else {
        return Ok(Hashed::Stopped);
    };
    let is_same = Stamp::of(&file, path)? == stamp && disk.facts(path)? == Some(before);
    Ok(if is_same {
        Hashed::Hash(hash, Box::new(before))
    } else {
        Hashed::Changing
    })
}

/// The hash of an object's contents: they are those of the facts, whoever puts another one there.
pub(crate) fn hash_object(
    bucket: &Bucket,
    path: &str,
    conditions: &HashConditions,
    gate: Gate<'_>,
) -> Result<Hashed, Error> {
    let (object, mut reader) = match bucket.read(path) {
        Ok(opened) => opened,
        Err(error) if error.reason == Reason::NotFound => return Ok(Hashed::Gone),
        Err(error) => return Err(error),
    };
    let facts = object.facts();
    if conditions.facts.is_some_and(|wanted| !facts.is_as(&wanted)) {
        return Ok(Hashed::Other);
    }
    let hashed = read(&mut reader, conditions, gate);
    Ok(match hashed.map_err(|error| bucket.unread(path, error))? {
        None => Hashed::Stopped,
        Some((hash, size)) if size == object.size_bytes => Hashed::Hash(hash, Box::new(facts)),
        Some(_) => Hashed::Changing,
    })
}

/// The hash of the first `length` bytes of a file, its holes told from its data; `None` if the gate
/// closed. A file that turns out shorter has the hash of what there is.
fn read_file(
    file: &File,
    length: u64,
    conditions: &HashConditions,
    gate: Gate<'_>,
) -> std::io::Result<Option<String>> {
    let (mut buffer, mut hasher) = (conditions.buffer(), Hasher::new([]));
    let (mut at, mut last) = (0, 0);
    let chunk = |at: u64, end: u64, most: usize| {
        usize::try_from(end.saturating_sub(at))
            .unwrap_or(most)
            .min(most)
    };
    'file: while at < length {
        let data = boundary(file, SeekFrom::Data(at), length);
        while at < data {
            if !gate(last) {
                return Ok(None);
            }
            // Zeros are not read: that the file has become shorter shows by its length alone.
            if file.metadata()?.len() < length {
                break 'file;
            }
            let zeros = ZEROS.get(..chunk(at, data, READ_BYTES)).unwrap_or_default();
            hasher.update(zeros);
            at += zeros.len() as u64;
            last = zeros.len() / HOLE_SHARE;
        }
        let hole = boundary(file, SeekFrom::Hole(at), length);
        while at < hole {
            if !gate(last) {
                return Ok(None);
            }
            let most = chunk(at, hole, buffer.len());
            let into = buffer.get_mut(..most).unwrap_or_default();
            last = match file.read_at(into, at) {
                Ok(0) => break 'file,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
            };
            hasher.update(into.get(..last).unwrap_or_default());
            at += last as u64;
        }
    }
    // Whoever opens the gate is told of the last read too.
    if !gate(last) {
        return Ok(None);
    }
    hasher.finish().map(Some).map_err(std::io::Error::other)
}

/// Where the next data, or the next hole, begins: at `end` at most. A filesystem that cannot tell
/// has data only.
fn boundary(file: &File, seek: SeekFrom, end: u64) -> u64 {
    match (rustix::fs::seek(file, seek), seek) {
        (Ok(at), _) => at.min(end),
        // There is none.
        (Err(Errno::NXIO), _) | (Err(_), SeekFrom::Hole(_)) => end,
        (Err(_), SeekFrom::Data(at)) => at,
        (Err(_), _) => end,
    }
}

/// The hash and the length of all that is read; `None` if the gate closed.
fn read(
    source: &mut dyn Read,
    conditions: &HashConditions,
    gate: Gate<'_>,
) -> std::io::Result<Option<(String, u64)>> {
    let (mut buffer, mut hasher) = (conditions.buffer(), Hasher::new([]));
    let (mut size, mut last) = (0, 0);
    loop {
        if !gate(last) {
            return Ok(None);
        }
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                size += u64::try_from(count).unwrap_or(0);
                last = count;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => last = 0,
            Err(error) => return Err(error),
        }
    }
    let hash = hasher.finish().map_err(std::io::Error::other)?;
    Ok(Some((hash, size)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::Contents;

    fn quietly(disk: &Disk, path: &str) -> Hashed {
        hash(disk, path, &mut |_| true).unwrap()
    }

    fn blake3_of(bytes: &[u8]) -> String {
        format!("blake3:{}", blake3::hash(bytes))
    }

    #[test]
    fn a_hash_is_of_one_state_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "test").unwrap();
        let path = dir.path().join("file");
        assert_eq!(quietly(&disk, "file"), Hashed::Gone);
        std::fs::write(&path, "abc").unwrap();
        let Hashed::Hash(found, facts) = quietly(&disk, "file") else {
            panic!("it is quiet");
        };
        assert_eq!((found, facts.size_bytes), (blake3_of(b"abc"), 3));
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        assert_eq!(quietly(&disk, "link"), Hashed::Gone);
        // A sparse file has the hash of what is read from it.
        let sparse = std::fs::File::create(&path).unwrap();
        sparse.set_len(1 << 20).unwrap();
        let Hashed::Hash(found, _) = quietly(&disk, "file") else {
            panic!("it is quiet");
        };
        assert_eq!(found, blake3_of(&vec![0; 1 << 20]));
        let stopped = hash(&disk, "file", &mut |_| false).unwrap();
        assert_eq!(stopped, Hashed::Stopped);
    }

    #[test]
    fn holes_are_zeros_that_cost_little_and_data_between_them_counts() {
        let dir = tempfile::tempdir().unwrap();
        // It takes files of any length.
        let mounted = testkit::Mounted::tmpfs(&dir.path().join("at"));
        let disk = Disk::open(mounted.path(), "test").unwrap();
        let path = mounted.path().join("file");
        let file = File::create(&path).unwrap();
        let length = 64 << 20;
        file.set_len(length).unwrap();
        file.write_all_at(b"in the middle", 20 << 20).unwrap();
        file.write_all_at(b"end", length - 3).unwrap();
        let mut told = 0;
        let hashed = hash(&disk, "file", &mut |read| {
            told += read;
            true
        });
        let Ok(Hashed::Hash(found, _)) = hashed else {
            panic!("it is quiet: {hashed:?}");
        };
        assert_eq!(found, blake3_of(&std::fs::read(&path).unwrap()));
        assert!(told < 4 << 20, "holes are not read: {told}");
        file.set_len(1 << 45).unwrap();
        let too_long = hash(&disk, "file", &mut |_| panic!("nothing is read"));
        assert_eq!(too_long.unwrap(), Hashed::TooLong);
    }

    #[test]
    fn a_file_that_grows_all_the_time_has_no_hash() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "test").unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        let mut grow = |read| {
            if read > 0 {
                std::io::Write::write_all(&mut file, b"more").unwrap();
            }
            true
        };
        assert_eq!(hash(&disk, "file", &mut grow).unwrap(), Hashed::Changing);
        // One that is quiet by the second time is read then.
        let mut is_growing = true;
        let mut grow_once = |read| {
            if read > 0 && std::mem::take(&mut is_growing) {
                grow(read);
            }
            true
        };
        let hashed = hash(&disk, "file", &mut grow_once).unwrap();
        assert!(matches!(hashed, Hashed::Hash(_, facts) if facts.size_bytes > 1 << 20));
    }

    #[test]
    fn a_write_that_puts_the_time_back_does_not_go_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "test").unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let time = path.metadata().unwrap().modified().unwrap();
        let before = disk.facts("file").unwrap();
        let mut rewrite = |read| {
            if read > 0 {
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                std::os::unix::fs::FileExt::write_at(&file, b"2", 0).unwrap();
                file.set_modified(time).unwrap();
            }
            true
        };
        let hashed = disk.hash("file", &HashConditions::default(), &mut rewrite);
        let after = disk.facts("file").unwrap().unwrap();
        let before = before.unwrap();
        let size_and_time = |facts: &Facts| (facts.size_bytes, facts.modified_ns);
        assert_eq!(size_and_time(&after), size_and_time(&before));
        assert_eq!(after.contents_since(&before), Contents::InDoubt);
        assert_eq!(hashed.unwrap(), Hashed::Changing);
    }

    #[test]
    fn what_is_not_as_it_was_said_to_be_or_is_too_fresh_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "test").unwrap();
        std::fs::write(dir.path().join("file"), "abc").unwrap();
        let facts = disk.facts("file").unwrap();
        let reads = |conditions: &HashConditions| {
            let mut read = 0;
            let hashed = disk.hash("file", conditions, &mut |count| {
                read += count;
                true
            });
            (hashed.unwrap(), read)
        };
        let mut conditions = HashConditions {
            facts,
            quiet_since_ms: Some(0),
            read_bytes: 2,
        };
        assert_eq!(reads(&conditions), (Hashed::Fresh, 0));
        conditions.quiet_since_ms = Some(i64::MAX);
        let (hashed, read) = reads(&conditions);
        assert!(matches!(hashed, Hashed::Hash(..)) && read == 3, "{read}");
        std::fs::write(dir.path().join("file"), "abcd").unwrap();
        assert_eq!(reads(&conditions), (Hashed::Other, 0));
    }
}
