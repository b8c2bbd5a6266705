//! Where a symlink points.

use node::{LongText, name};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// A longer target is not told; Linux makes none.
const LONGEST: usize = 4_096;

/// Where the symlink `name` in an open directory points, spelled as names are.
///
/// # Errors
/// It is gone, is no symlink, or may not be asked.
pub(super) fn target(directory: impl AsFd, name: &[u8]) -> Result<LongText, Errno> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    let target = target.as_bytes();
    if target.len() > LONGEST {
        return Err(Errno::NAMETOOLONG);
    }
    Ok(LongText::of(name::from_bytes(target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn a_target_is_told_as_it_is_and_spelled_as_names_are() {
        let directory = tempfile::tempdir().unwrap();
        let longest = "x".repeat(4_095);
        for (link, target) in [
            ("plain", b"../a/b".as_slice()),
            ("bytes", b"a\xff".as_slice()),
            ("long", longest.as_bytes()),
        ] {
            let at = directory.path().join(link);
            std::os::unix::fs::symlink(OsStr::from_bytes(target), at).unwrap();
        }
        std::fs::write(directory.path().join("file"), "").unwrap();
        let handle = std::fs::File::open(directory.path()).unwrap();
        let told = |link: &[u8]| target(&handle, link).map(|target| target.text);
        assert_eq!(told(b"plain").unwrap(), "../a/b");
        assert_eq!(told(b"bytes").unwrap(), name::from_bytes(b"a\xff"));
        assert_eq!(told(b"long").unwrap(), longest);
        assert_eq!(told(b"file"), Err(Errno::INVAL));
        assert_eq!(told(b"gone"), Err(Errno::NOENT));
    }
}
