//! Copies, made under a name of our own and put in place by one rename.
//!
//! A copy keeps its files' permissions and modification times, which are those of the contents;
//! and so it shows whether its contents are the ones that the catalogue has digests of. Symlinks
//! are copied as what they are. Directories on another filesystem come out empty, as scans see
//! them.

use super::{DIRECTORY_MODE, Disk, FILE_MODE, failed, list, reading};
use crate::{Backend as _, Error, Operation, PathFacts};
use node::{Facts, Moment, name};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Disk {
    /// Copies a file, a symlink or a tree of this mount to a name of its own in the root of `to`.
    /// Gives the name and the copy's facts. What was copied of one that fails is removed.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn copy_to(&self, from: &str, to: &Self) -> Result<(String, Facts), Error> {
        let name = to.own_name("part");
        let copied = self.copy_all(from, to, &name).and_then(|()| {
            rustix::fs::fsync(&to.root).map_err(failed(Operation::Sync, ""))?;
            to.facts(&name)?
                .ok_or(Errno::NOENT)
                .map_err(failed(Operation::Copy, from))
        });
        match copied {
            Ok(facts) => Ok((name, facts)),
            Err(error) => {
                // The error that stopped it is the one to tell; a sweep removes what remains.
                let _ = to.remove_trash(&name);
                Err(error)
            }
        }
    }

    fn copy_all(&self, from: &str, to: &Self, name: &str) -> Result<(), Error> {
        let (parent, last) = self.parent_of(from)?;
        let last = name::to_bytes(last);
        let is_directory = copy_one(&parent, &last, &to.root, name.as_bytes(), from)?;
        let mut directories = Vec::new();
        if is_directory {
            directories.push((from.to_owned(), name.to_owned()));
        }
        let device = self.facts(from)?.map(|facts| facts.identity.dev);
        while let Some((from, copy)) = directories.pop() {
            if self.facts(&from)?.map(|facts| facts.identity.dev) != device {
                continue;
            }
            let source = self
                .tree
                .directory(&from)
                .map_err(failed(Operation::Copy, &from))?;
            let target = to
                .tree
                .directory(&copy)
                .map_err(failed(Operation::Copy, &from))?;
            for (child, _) in list(&source).map_err(failed(Operation::Copy, &from))? {
                // The copy itself may be made below what is copied, where mounts are nested.
                if node::is_own_name(&name::from_bytes(&child)) {
                    continue;
                }
                let shown = node::join(&from, &name::from_bytes(&child));
                if copy_one(&source, &child, &target, &child, &shown)? {
                    let copy = node::join(&copy, &name::from_bytes(&child));
                    directories.push((shown, copy));
                }
            }
            rustix::fs::fsync(&target).map_err(failed(Operation::Sync, &from))?;
        }
        Ok(())
    }

    /// Writes a new file with this modification time, and syncs it. Gives its size.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn write_new(
        &self,
        path: &str,
        source: &mut dyn Read,
        modified: Option<Moment>,
    ) -> Result<u64, Error> {
        let writing = || failed(Operation::Write, path);
        let failed = |error| writing()(Errno::from_io_error(&error).unwrap_or(Errno::IO));
        let (parent, name) = self.parent_of(path)?;
        let name = name::to_bytes(name);
        let file = rustix::fs::openat(&parent, &*name, NEW_FILE, FILE_MODE).map_err(writing())?;
        let mut file = File::from(file);
        let size = std::io::copy(source, &mut file).map_err(failed)?;
        if let Some(modified) = modified {
            let modified = Timespec {
                tv_sec: modified.seconds(),
                tv_nsec: modified.subsec_nanos().into(),
            };
            set_modified(&file, modified).map_err(writing())?;
        }
        file.sync_all().map_err(failed)?;
        Ok(size)
    }

    /// The facts of a path and of everything below it, parents first.
    pub(super) fn all_below(&self, path: &str) -> Result<PathFacts, Error> {
        let facts = self
            .facts(path)?
            .ok_or(Errno::NOENT)
            .map_err(failed(Operation::LookAt, path))?;
        let mut found = vec![(path.to_owned(), facts)];
        let mut directories = Vec::new();
        if facts.is_directory() {
            directories.push(path.to_owned());
        }
        while let Some(at) = directories.pop() {
            let directory = self
                .tree
                .directory(&at)
                .map_err(failed(Operation::List, &at))?;
            for (child, _) in list(&directory).map_err(failed(Operation::List, &at))? {
                let child = node::join(&at, &name::from_bytes(&child));
                let Some(facts) = self.facts(&child)? else {
                    continue;
                };
                if facts.is_directory() {
                    directories.push(child.clone());
                }
                found.push((child, facts));
            }
        }
        Ok(found)
    }
}

/// Copies one name; a directory without what is in it. Whether it is a directory.
fn copy_one(
    source: &OwnedFd,
    name: &[u8],
    target: &OwnedFd,
    copy: &[u8],
    shown: &str,
) -> Result<bool, Error> {
    let copying = || failed(Operation::Copy, shown);
    let stat = rustix::fs::statat(source, name, AtFlags::SYMLINK_NOFOLLOW).map_err(copying())?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(target, copy, DIRECTORY_MODE).map_err(copying())?;
            Ok(true)
        }
        FileType::RegularFile => {
            copy_file(source, name, target, copy, shown)?;
            Ok(false)
        }
        FileType::Symlink => {
            let link = rustix::fs::readlinkat(source, name, Vec::new()).map_err(copying())?;
            rustix::fs::symlinkat(link, target, copy).map_err(copying())?;
            Ok(false)
        }
        // Pipes, sockets and devices have no contents that could be copied.
        _ => Err(copying()(Errno::OPNOTSUPP)),
    }
}

fn copy_file(
    source: &OwnedFd,
    name: &[u8],
    target: &OwnedFd,
    copy: &[u8],
    shown: &str,
) -> Result<(), Error> {
    let copying = || failed(Operation::Copy, shown);
    let from = reading::open(source, name).map_err(copying())?;
    let before = rustix::fs::fstat(&from).map_err(copying())?;
    let to = rustix::fs::openat(target, copy, NEW_FILE, FILE_MODE).map_err(copying())?;
    let (mut from, mut to) = (File::from(from), File::from(to));
    std::io::copy(&mut from, &mut to)
        .map_err(|error| copying()(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(before.st_mode & 0o777)).map_err(copying())?;
    let after = rustix::fs::fstat(&from).map_err(copying())?;
    // Contents that changed meanwhile are nobody's old ones: the copy keeps the time it was made.
    if (before.st_mtime, before.st_mtime_nsec) == (after.st_mtime, after.st_mtime_nsec) {
        let modified = Timespec {
            tv_sec: before.st_mtime,
            tv_nsec: i64::try_from(before.st_mtime_nsec).unwrap_or(0),
        };
        set_modified(&to, modified).map_err(copying())?;
    }
    to.sync_all()
        .map_err(|error| copying()(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

fn set_modified(file: &File, modified: Timespec) -> Result<(), Errno> {
    let as_it_is = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    };
    let times = Timestamps {
        last_access: as_it_is,
        last_modification: modified,
    };
    rustix::fs::futimens(file.as_fd(), &times)
}
