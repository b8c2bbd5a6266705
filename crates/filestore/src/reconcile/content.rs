//! Content hashes of files that others may be writing to.

use crate::disk::{Disk, DiskError};
use crate::hash::Hasher;
use crate::s3::{Bucket, Refusal, S3Error};
use crate::walk::Facts;
use rustix::io::Errno;
use std::io::Read;
use tokio_util::sync::CancellationToken;

/// The bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// How often a file that changes while it is read is begun anew.
const ATTEMPTS: usize = 3;

/// What came of hashing a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hashed {
    /// Its hash, and what it was before and after it was read.
    Hash(String, Facts),
    /// It changed each time.
    Changing,
    /// It is not there any more, or no regular file.
    Gone,
    Cancelled,
}

/// The hash of a file's contents: of one state of the file, or none.
pub(super) fn hash(
    disk: &Disk,
    path: &str,
    cancel: &CancellationToken,
) -> Result<Hashed, DiskError> {
    hash_with(disk, path, cancel, || ())
}

/// [`hash`], which tells when it has read something.
fn hash_with(
    disk: &Disk,
    path: &str,
    cancel: &CancellationToken,
    mut has_read: impl FnMut(),
) -> Result<Hashed, DiskError> {
    let mut buffer = vec![0; READ_BYTES];
    for _ in 0..ATTEMPTS {
        let Some(before) = disk.facts(path)? else {
            return Ok(Hashed::Gone);
        };
        let length = before.size_bytes.cast_unsigned();
        let file = match disk.open_file(path) {
            Ok(file) => file,
            Err(error) if is_absence(error.source) => return Ok(Hashed::Gone),
            Err(error) => return Err(error),
        };
        // One that grows without end would never be read to its end.
        let mut file = file.take(length);
        let mut hasher = Hasher::new([]);
        loop {
            if cancel.is_cancelled() {
                return Ok(Hashed::Cancelled);
            }
            let read = file.read(&mut buffer).map_err(|error| DiskError {
                what: "read",
                path: path.to_owned(),
                source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
            })?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(bytes) => hasher.update(bytes),
            }
            has_read();
        }
        if disk.facts(path)? == Some(before)
            && let Ok(hash) = hasher.finish()
        {
            return Ok(Hashed::Hash(hash, before));
        }
    }
    Ok(Hashed::Changing)
}

/// The hash of an object's contents: they are those of the facts, whoever puts another one there.
pub(super) fn hash_object(
    bucket: &Bucket,
    path: &str,
    cancel: &CancellationToken,
) -> Result<Hashed, S3Error> {
    let (object, mut reader) = match bucket.open(path) {
        Ok(opened) => opened,
        Err(error) if matches!(error.refusal, Refusal::NotFound) => return Ok(Hashed::Gone),
        Err(error) => return Err(error),
    };
    let mut buffer = vec![0; READ_BYTES];
    let (mut hasher, mut size) = (Hasher::new([]), 0);
    loop {
        if cancel.is_cancelled() {
            return Ok(Hashed::Cancelled);
        }
        let read = reader.read(&mut buffer).map_err(|error| S3Error {
            what: "read",
            path: path.to_owned(),
            bucket: String::new(),
            refusal: Refusal::Local(error),
        })?;
        match buffer.get(..read) {
            Some([]) | None => break,
            Some(bytes) => hasher.update(bytes),
        }
        size += u64::try_from(read).unwrap_or(0);
    }
    match hasher.finish() {
        Ok(hash) if size == object.size_bytes => Ok(Hashed::Hash(hash, object.facts())),
        _ => Ok(Hashed::Changing),
    }
}

fn is_absence(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::XDEV
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_state_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "test").unwrap();
        let (path, quiet) = (dir.path().join("file"), CancellationToken::new());
        assert_eq!(hash(&disk, "file", &quiet).unwrap(), Hashed::Gone);
        std::fs::write(&path, "abc").unwrap();
        let Hashed::Hash(found, facts) = hash(&disk, "file", &quiet).unwrap() else {
            panic!("it is quiet");
        };
        assert_eq!(found, format!("blake3:{}", blake3::hash(b"abc")));
        assert_eq!(facts.size_bytes, 3);
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        assert_eq!(hash(&disk, "link", &quiet).unwrap(), Hashed::Gone);
        // A sparse file is read as long as it is.
        std::fs::File::create(&path)
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
        let Hashed::Hash(sparse, _) = hash(&disk, "file", &quiet).unwrap() else {
            panic!("it is quiet");
        };
        assert_eq!(
            sparse,
            format!("blake3:{}", blake3::hash(&vec![0; 1 << 20]))
        );
        quiet.cancel();
        assert_eq!(hash(&disk, "file", &quiet).unwrap(), Hashed::Cancelled);
    }

    #[test]
    fn a_file_that_grows_all_the_time_has_no_hash() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "test").unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        let mut grow = || std::io::Write::write_all(&mut file, b"more").unwrap();
        let quiet = CancellationToken::new();
        let hashed = hash_with(&disk, "file", &quiet, &mut grow).unwrap();
        assert_eq!(hashed, Hashed::Changing);
        // One that is quiet by the second time is read then.
        let mut once = Some(grow);
        let grow_once = || {
            if let Some(mut grow) = once.take() {
                grow();
            }
        };
        let hashed = hash_with(&disk, "file", &quiet, grow_once).unwrap();
        assert!(matches!(hashed, Hashed::Hash(_, facts) if facts.size_bytes > 1 << 20));
    }
}
