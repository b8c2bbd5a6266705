//! A chain of directories that is deeper than paths may be long.

use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};

/// A chain of directories of one name. It is taken down link by link, because what removes trees
/// elsewhere may hold a handle a level.
#[derive(Debug)]
pub struct Deep {
    top: PathBuf,
    spare: PathBuf,
    name: String,
}

impl Deep {
    /// Makes so many levels below `root`.
    #[must_use]
    pub fn new(root: &Path, name: &str, levels: usize) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = rustix::fs::open(root, flags, Mode::empty()).expect("the root opens");
        for _ in 0..levels {
            rustix::fs::mkdirat(&at, name, 0o755.into()).expect("a level is made");
            at = rustix::fs::openat(&at, name, flags, Mode::empty()).expect("a level opens");
        }
        Self {
            top: root.join(name),
            spare: root.join("spare"),
            name: name.to_owned(),
        }
    }
}

impl Drop for Deep {
    fn drop(&mut self) {
        while std::fs::rename(self.top.join(&self.name), &self.spare).is_ok() {
            std::fs::remove_dir(&self.top).expect("the top is empty");
            std::fs::rename(&self.spare, &self.top).expect("the rest moves up");
        }
        std::fs::remove_dir(&self.top).expect("the last level is empty");
    }
}
