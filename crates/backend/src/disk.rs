//! File work on a local mount.
//!
//! Everything starts at the open handle of the mount's root. A directory on the way is opened
//! beneath it and without following symlinks ([`tree`]), and what is done is done to one plain name
//! in that open directory. So neither `..` nor a symlink, not even one that is put in place between
//! a check and the use, leads anywhere else; and a symlink itself is moved, replaced or deleted as
//! what it is. (`cap-std` also keeps paths inside, but follows symlinks there, which would give
//! files second names that the catalogue does not know; and it has no rename that refuses to
//! replace.)
//!
//! What is half done has a name of Tidemark's own in the mount's root: `.tidemark-<store>-<uuid>`
//! with `.part` for an upload and `.trash` for a deletion. Scans do not see these names, and
//! [`Backend::sweep`] removes what an earlier run of the same store left of them.
//!
//! Every change is synced before it returns: what is committed after it is true after a power cut.
//! Those who change one directory at the same time share its syncs ([`shared_sync`]).

mod attributes;
mod backend;
mod copy;
mod link;
mod reading;
mod shared_sync;
mod statx;
#[cfg(test)]
mod tests;
mod tree;
mod volume;

pub use volume::is_shared_type;

use crate::{Backend, Error, Operation, PathFacts, Reason};
use node::{Facts, NodePath, name};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use tree::Tree;
use uuid::Uuid;

/// Permissions of new files and directories, less the umask.
const FILE_MODE: Mode = Mode::from_bits_retain(0o666);
const DIRECTORY_MODE: Mode = Mode::from_bits_retain(0o777);

/// The bytes of one read of a directory.
const LISTING_BYTES: usize = 32 * 1024;

/// The open root of a local mount.
#[derive(Debug)]
pub struct Disk {
    tree: Tree,
    root: OwnedFd,
    /// What our own names in the root begin with.
    own: String,
}

/// What tells whether an open file is still what it was, a change back of its modification time
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The inode number.
    pub(crate) inode: i64,
    size_bytes: i64,
    pub(crate) allocated_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of an open file.
    ///
    /// # Errors
    /// The disk refuses it.
    pub(crate) fn of(file: &File, path: &str) -> Result<Self, Error> {
        let stat = rustix::fs::fstat(file).map_err(failed(Operation::LookAt, path))?;
        let nanos = |nanos| i64::try_from(nanos).unwrap_or(0);
        Ok(Self {
            inode: stat.st_ino.cast_signed(),
            size_bytes: stat.st_size,
            allocated_bytes: stat.st_blocks.cast_unsigned().saturating_mul(512),
            modified: (stat.st_mtime, nanos(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanos(stat.st_ctime_nsec)),
        })
    }

    /// When its contents or what is said of it last changed, in milliseconds since 1970.
    pub(crate) fn changed_ms(&self) -> i64 {
        let (seconds, nanos) = self.changed;
        seconds
            .saturating_mul(1_000)
            .saturating_add(nanos.div_euclid(1_000_000))
    }
}

fn failed(operation: Operation, path: &str) -> impl FnOnce(Errno) -> Error {
    Error::of_disk(operation, path)
}

/// A new file without a name: it vanishes with its handle, unless it gets one.
#[derive(Debug)]
pub struct Staged {
    /// The file.
    pub file: File,
    /// The name it has for the time being, where the filesystem cannot do without.
    name: Option<(OwnedFd, String)>,
}

impl Staged {
    /// Its contents are on the disk for good.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(|error| {
            failed(Operation::Sync, "the uploaded file")(
                Errno::from_io_error(&error).unwrap_or(Errno::IO),
            )
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some((directory, name)) = self.name.take() {
            // What cannot be removed now is swept when the store is opened next.
            let _ = rustix::fs::unlinkat(directory, name.as_str(), AtFlags::empty());
        }
    }
}

impl Disk {
    /// Opens the root. `store` marks our own names as this store's.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn open(root: &Path, store: &str) -> Result<Self, Error> {
        let shown = root.to_string_lossy();
        let tree = Tree::open(root).map_err(failed(Operation::OpenRoot, &shown))?;
        let root = tree
            .directory("")
            .map_err(failed(Operation::OpenRoot, &shown))?;
        Ok(Self {
            tree,
            root,
            own: format!(".tidemark-{store}-"),
        })
    }

    /// Makes the directory and those above it that are missing, and then does `work` in them. Gives
    /// them all, from the top. If that fails, what was made is taken
    /// back.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn in_directories<T>(
        &self,
        path: &NodePath,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(PathFacts, T), Error> {
        let mut made = Vec::new();
        let done = self
            .make_missing(path, &mut made)
            .and_then(|lineage| Ok((lineage, work()?)));
        if done.is_err() {
            for directory in made.iter().rev() {
                // The error that stopped it is the one to tell; what somebody else has put into
                // them meanwhile keeps them.
                let _ = self.remove(directory, true);
            }
        }
        done
    }

    fn make_missing(&self, path: &NodePath, made: &mut Vec<String>) -> Result<PathFacts, Error> {
        let mut lineage = self.lineage(path)?;
        for at in path.lineage().skip(lineage.len()) {
            let create = failed(Operation::Create, at);
            let (parent, name) = self.parent_of(at)?;
            match rustix::fs::mkdirat(&parent, &*name::to_bytes(name), DIRECTORY_MODE) {
                Ok(()) => {
                    made.push(at.to_owned());
                    shared_sync::sync(&parent).map_err(create)?;
                }
                // Somebody else was quicker.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(create(error)),
            }
            let facts = self
                .facts(at)?
                .ok_or(Errno::NOENT)
                .map_err(failed(Operation::Create, at))?;
            lineage.push((at.to_owned(), facts));
        }
        match lineage.iter().find(|(_, facts)| !facts.is_directory()) {
            Some((at, _)) => Err(failed(Operation::Enter, at)(Errno::NOTDIR)),
            None => Ok(lineage),
        }
    }

    /// The same, every name opened by itself as on a kernel without `openat2`.
    #[cfg(test)]
    pub(crate) fn without_openat2(self) -> Self {
        Self {
            tree: self.tree.without_openat2(),
            ..self
        }
    }

    /// A new file on the mount's filesystem.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn stage(&self) -> Result<Staged, Error> {
        stage_in(&self.root, || self.own_name("part"))
    }

    /// Gives the staged file a name of our own in the root, and tells its facts. It is not synced.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn name_staged(&self, staged: &mut Staged) -> Result<(String, Facts), Error> {
        let name = match staged.name.take() {
            Some((_, name)) => name,
            None => {
                let name = self.own_name("part");
                let handle = format!("/proc/self/fd/{}", staged.file.as_raw_fd());
                let (from, flags) = (rustix::fs::CWD, AtFlags::SYMLINK_FOLLOW);
                rustix::fs::linkat(from, handle.as_str(), &self.root, name.as_str(), flags)
                    .map_err(failed(Operation::Link, &name))?;
                name
            }
        };
        let facts = self
            .facts(&name)?
            .ok_or(Errno::NOENT)
            .map_err(failed(Operation::Link, &name))?;
        Ok((name, facts))
    }

    /// Renames, to the same or another mount, on the same filesystem. What stands at the target is
    /// replaced by `overwrite` only, and never a directory. A name of our own need not be gone for
    /// good: a sweep removes it.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn rename(
        &self,
        from: &str,
        target: &Self,
        to: &str,
        overwrite: bool,
    ) -> Result<(), Error> {
        let (from_parent, from_name) = self.parent_of(from)?;
        let (to_parent, to_name) = target.parent_of(to)?;
        let (old, new) = (name::to_bytes(from_name), name::to_bytes(to_name));
        let flags = if overwrite {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        let renamed = match rustix::fs::renameat_with(&from_parent, &*old, &to_parent, &*new, flags)
        {
            // Some filesystems cannot refuse to replace: then this looks first.
            Err(Errno::INVAL | Errno::NOSYS) if !overwrite => match target.facts(to)? {
                Some(_) => Err(Errno::EXIST),
                None => rustix::fs::renameat(&from_parent, &*old, &to_parent, &*new),
            },
            renamed => renamed,
        };
        renamed.map_err(failed(Operation::Rename, to))?;
        shared_sync::sync(&to_parent).map_err(failed(Operation::Sync, to))?;
        if from.starts_with(&self.own) {
            return Ok(());
        }
        shared_sync::sync(&from_parent).map_err(failed(Operation::Sync, from))
    }

    /// Removes a file, a symlink or an empty directory. It is no error if nothing stands there.
    ///
    /// # Errors
    /// The disk refuses it.
    pub(crate) fn unlink(&self, path: &str, is_directory: bool) -> Result<(), Error> {
        let flags = if is_directory {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        let Some((parent, name)) = found(self.parent_of(path))? else {
            return Ok(());
        };
        match rustix::fs::unlinkat(&parent, &*name::to_bytes(name), flags) {
            Ok(()) => shared_sync::sync(&parent).map_err(failed(Operation::Sync, path)),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(Operation::Delete, path)(error)),
        }
    }

    /// A name in the root for a tree that is to be deleted: it is renamed to it, which takes it away
    /// at once and whole, and removed after the commit.
    pub fn trash_name(&self) -> String {
        self.own_name("trash")
    }

    fn remove_own(&self, keep: &[String]) -> Result<(), Error> {
        for (name, is_directory) in list(&self.root).map_err(failed(Operation::List, ""))? {
            let Ok(name) = str::from_utf8(&name) else {
                continue;
            };
            let is_ours = name.starts_with(&self.own) && node::is_own_name(name);
            if !is_ours || keep.iter().any(|kept| kept == name) {
                continue;
            }
            if is_directory {
                self.remove_trash(name)?;
            } else {
                self.remove(name, false)?;
            }
        }
        Ok(())
    }

    /// Removes the files that `is_meant` picks, and the directories that are empty then.
    fn remove_picked(
        &self,
        path: &str,
        is_meant: &dyn Fn(&str, &Facts) -> bool,
    ) -> Result<(), Error> {
        if self.facts(path)?.is_none() {
            return Ok(());
        }
        // Children come after their parents, so they go before them.
        for (at, facts) in self.tree_facts(path)?.into_iter().rev() {
            if !facts.is_directory() {
                if is_meant(&at, &facts) {
                    self.unlink(&at, false)?;
                }
                continue;
            }
            match self.unlink(&at, true) {
                Err(Error {
                    reason: Reason::NotEmpty | Reason::Exists | Reason::InUse,
                    ..
                }) => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Removes a tree in the root by its own name. Directories in it are first renamed into the
    /// root under names of our own, so it takes two handles however deep it is. Another filesystem
    /// mounted in it is not entered, and stays.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn remove_trash(&self, name: &str) -> Result<(), Error> {
        let mut waiting = vec![name.to_owned()];
        while let Some(name) = waiting.pop() {
            let remove = || failed(Operation::Delete, &name);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory =
                match rustix::fs::openat(&self.root, name.as_str(), flags, Mode::empty()) {
                    Ok(directory) => directory,
                    Err(Errno::NOENT) => continue,
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        self.remove(&name, false)?;
                        continue;
                    }
                    Err(error) => return Err(remove()(error)),
                };
            for (child, is_directory) in list(&directory).map_err(remove())? {
                if is_directory {
                    let own = self.own_name("trash");
                    rustix::fs::renameat(&directory, &*child, &self.root, own.as_str())
                        .map_err(remove())?;
                    waiting.push(own);
                } else {
                    rustix::fs::unlinkat(&directory, &*child, AtFlags::empty()).map_err(remove())?;
                }
            }
            rustix::fs::unlinkat(&self.root, name.as_str(), AtFlags::REMOVEDIR).map_err(remove())?;
        }
        Ok(())
    }

    /// A name in the root for what is not whole yet.
    pub fn part_name(&self) -> String {
        self.own_name("part")
    }

    /// Makes a directory in one that is there.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn create_directory(&self, path: &str) -> Result<(), Error> {
        let (parent, name) = self.parent_of(path)?;
        rustix::fs::mkdirat(&parent, &*name::to_bytes(name), DIRECTORY_MODE)
            .and_then(|()| shared_sync::sync(&parent))
            .map_err(failed(Operation::Create, path))
    }

    /// What was done in the root is durable.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn sync_root(&self) -> Result<(), Error> {
        shared_sync::sync(&self.root).map_err(failed(Operation::Sync, ""))
    }

    fn own_name(&self, ending: &str) -> String {
        format!("{}{}.{ending}", self.own, Uuid::now_v7().simple())
    }

    /// The open directory that a path is in, and its name there.
    fn parent_of<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), Error> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((
            self.tree
                .directory(parent)
                .map_err(failed(Operation::Enter, parent))?,
            name,
        ))
    }
}

/// A new file without a name in a directory that is not part of a mount, for an upload that does
/// not say yet where it goes.
///
/// # Errors
/// The disk refuses it.
pub fn stage_beside(directory: &Path) -> Result<Staged, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let shown = directory.to_string_lossy();
    let opened = rustix::fs::open(directory, flags, Mode::empty())
        .map_err(failed(Operation::Open, &shown))?;
    stage_in(&opened, || {
        format!("upload-{}.part", Uuid::now_v7().simple())
    })
}

fn stage_in(directory: &OwnedFd, name: impl FnOnce() -> String) -> Result<Staged, Error> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    match rustix::fs::openat(directory, ".", flags, FILE_MODE) {
        Ok(file) => Ok(Staged {
            file: File::from(file),
            name: None,
        }),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
            stage_named(directory, name())
        }
        Err(error) => Err(failed(Operation::Stage, "")(error)),
    }
}

/// Where the filesystem has no files without names.
fn stage_named(directory: &OwnedFd, name: String) -> Result<Staged, Error> {
    let staging = || failed(Operation::Stage, "");
    let parent = directory
        .try_clone()
        .map_err(|error| staging()(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(directory, name.as_str(), flags, FILE_MODE).map_err(staging())?;
    Ok(Staged {
        file: File::from(file),
        name: Some((parent, name)),
    })
}

/// The names in a directory, and which of them are directories.
fn list(directory: &OwnedFd) -> Result<Vec<(Vec<u8>, bool)>, Errno> {
    // A handle of its own, because reading moves the handle's place.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(directory.as_fd(), ".", flags, Mode::empty())?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut listing = RawDir::new(own, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let is_directory = match entry.file_type() {
            FileType::Unknown => {
                let stat =
                    rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            file_type => file_type == FileType::Directory,
        };
        names.push((name.to_vec(), is_directory));
    }
    Ok(names)
}

/// `None` where a part of the way is not there.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.reason.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}
