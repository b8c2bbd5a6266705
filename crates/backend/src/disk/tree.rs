//! A tree on disk, reached from one open root.

use super::volume::Devices;
use super::{link, statx};
use crate::Reason;
use node::{Facts, LongFact, name};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The bytes of one read of a directory.
const LISTING_BYTES: usize = 64 * 1024;

/// What one system call takes; `PATH_MAX` is 4,096 with the closing NUL.
const STEP_BYTES: usize = 4_000;

/// How often the kernel may ask to try again, which it does while something is being renamed.
const ATTEMPTS: usize = 16;

/// A tree on disk. Every access starts at the root's open handle and follows no symlink, so
/// nothing that happens below can lead out of it.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    devices: Devices,
    has_openat2: bool,
}

impl Tree {
    /// Opens the root. Symlinks in `root` itself are followed: it was named by the operator.
    pub(super) fn open(root: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let devices = Devices::of(&root)?;
        // Old kernels and some sandboxes do not have it: then every name is its own step.
        let probe = OFlags::PATH | OFlags::CLOEXEC;
        let has_openat2 = rustix::fs::openat2(&root, c".", probe, Mode::empty(), BENEATH).is_ok();
        Ok(Self {
            root,
            devices,
            has_openat2,
        })
    }

    /// The same tree, every name opened by itself as on a kernel without `openat2`.
    #[cfg(test)]
    pub(super) fn without_openat2(self) -> Self {
        Self {
            has_openat2: false,
            ..self
        }
    }

    /// The name of the filesystem that the root lies on.
    pub(super) fn volume(&self) -> i64 {
        self.devices.volume.name
    }

    /// The device and inode number of a directory anywhere, as this tree would tell them.
    pub(super) fn numbers_of(&self, directory: &Path) -> Option<(i64, i64)> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, flags, Mode::empty()).ok()?;
        let identity = self.facts_of(directory.as_fd()).ok()?.identity;
        Some((identity.dev, identity.ino))
    }

    /// Opens the directory at `path` for reading.
    pub(super) fn directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_beneath(&name::to_bytes(path), OFlags::RDONLY | DIRECTORY)
    }

    /// The facts of what stands at `path`, `None` if nothing does (or if a part of the way to it
    /// is no directory any more). When it was read is left out: who looks at a single name tells no
    /// access.
    pub(super) fn facts(&self, path: &str) -> Result<Option<Facts>, Errno> {
        self.facts_again(&mut None, path)
    }

    /// The same. The directory that it is in is kept open in `known`, as the next name is mostly in it
    /// too; so a directory that is renamed meanwhile is still there under its old name.
    pub(super) fn facts_again(
        &self,
        known: &mut Option<(String, OwnedFd)>,
        path: &str,
    ) -> Result<Option<Facts>, Errno> {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        let last = &*name::to_bytes(last);
        if last == b".." {
            return Err(Errno::XDEV);
        }
        let found = self.kept_open(known, parent).and_then(|directory| {
            let flags = if last.is_empty() {
                AtFlags::EMPTY_PATH
            } else {
                AtFlags::empty()
            };
            let mut facts = statx::facts_at(directory, last, flags, &self.devices)?;
            if facts.is_symlink {
                let target = link::target(directory, last).ok();
                let number = target.map(|target| target.number);
                facts.set_long(LongFact::LinkTarget, number);
            }
            Ok(facts.unread())
        });
        match found {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if Reason::from(error).is_absence() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The directory at `path`, opened unless it is known.
    fn kept_open<'k>(
        &self,
        known: &'k mut Option<(String, OwnedFd)>,
        path: &str,
    ) -> Result<&'k OwnedFd, Errno> {
        let directory = match known.take() {
            Some(directory) if directory.0 == path => directory,
            _ => {
                let flags = OFlags::PATH | DIRECTORY;
                let opened = self.open_beneath(&name::to_bytes(path), flags)?;
                (path.to_owned(), opened)
            }
        };
        Ok(&known.insert(directory).1)
    }

    /// The facts of `name` in an open directory of this tree, as a listing tells them: where a symlink
    /// points is not asked, and when a file was read is.
    pub(super) fn facts_in(&self, directory: BorrowedFd<'_>, name: &CStr) -> Result<Facts, Errno> {
        statx::facts_at(directory, name, AtFlags::empty(), &self.devices)
    }

    /// Whether an open directory lists the name in just this spelling; it is read only if the name
    /// is found in another one too.
    pub(super) fn lists(&self, directory: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
        let Some(other) = in_other_case(name) else {
            return Ok(true);
        };
        let facts = |name: &str| {
            let name = &*name::to_bytes(name);
            statx::facts_at(directory, name, AtFlags::empty(), &self.devices)
        };
        match (facts(name), facts(&other)) {
            (Ok(facts), Ok(other)) if facts.has_identity_of(&other) => {}
            _ => return Ok(true),
        }
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let own = rustix::fs::openat(directory, c".", OFlags::RDONLY | DIRECTORY, Mode::empty())?;
        let mut names = RawDir::new(own, buffer.spare_capacity_mut());
        let name = name::to_bytes(name);
        while let Some(found) = names.next() {
            if found?.file_name().to_bytes() == &*name {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The facts of an open directory of this tree.
    pub(super) fn facts_of(&self, directory: BorrowedFd<'_>) -> Result<Facts, Errno> {
        statx::facts_at(directory, c"", AtFlags::EMPTY_PATH, &self.devices)
            .map(|facts| facts.unread())
    }

    fn open_beneath(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut reached: Option<OwnedFd> = None;
        let mut rest = path;
        loop {
            let (step, tail) = self.split_step(rest);
            let flags = if tail.is_empty() {
                flags
            } else {
                OFlags::PATH | DIRECTORY
            };
            let from = reached.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            let next = self.open_step(from, if step.is_empty() { b"." } else { step }, flags)?;
            if tail.is_empty() {
                return Ok(next);
            }
            reached = Some(next);
            rest = tail;
        }
    }

    /// What one call opens, and what remains.
    fn split_step<'p>(&self, path: &'p [u8]) -> (&'p [u8], &'p [u8]) {
        let slash = if !self.has_openat2 {
            path.iter().position(|byte| *byte == b'/')
        } else if path.len() <= STEP_BYTES {
            None
        } else {
            path.iter().take(STEP_BYTES).rposition(|byte| *byte == b'/')
        };
        match slash.and_then(|at| path.split_at_checked(at)) {
            Some((step, tail)) => (step, tail.strip_prefix(b"/").unwrap_or(tail)),
            None => (path, &[]),
        }
    }

    fn open_step(
        &self,
        from: BorrowedFd<'_>,
        step: &[u8],
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        if !self.has_openat2 {
            if step == b".." {
                return Err(Errno::XDEV);
            }
            return rustix::fs::openat(from, step, flags, Mode::empty());
        }
        let mut attempt = 1;
        loop {
            match rustix::fs::openat2(from, step, flags, Mode::empty(), BENEATH) {
                Err(Errno::AGAIN | Errno::INTR) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }
}

/// The name with its letters in the other case; `None` if it has none.
fn in_other_case(name: &str) -> Option<String> {
    let is_ascii = name.bytes().any(|byte| byte.is_ascii_alphabetic());
    let swap = |letter: char| {
        if is_ascii && !letter.is_ascii() {
            return letter;
        }
        let one =
            |mut letters: Box<dyn Iterator<Item = char>>| match (letters.next(), letters.next()) {
                (Some(one), None) => one,
                _ => letter,
            };
        match letter.is_lowercase() {
            true => one(Box::new(letter.to_uppercase())),
            false => one(Box::new(letter.to_lowercase())),
        }
    };
    let other: String = name.chars().map(swap).collect();
    (other != name).then_some(other)
}
