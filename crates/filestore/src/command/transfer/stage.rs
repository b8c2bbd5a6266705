//! A copy of a tree on a disk, under a name of our own, compared with what it is a copy of.

use crate::command::{CommandError, Commands};
use crate::open_mount::OpenMount;
use ::node::Facts;
use backend::hash::Hasher;
use backend::{Backend as _, Disk, Kind, Operation};
use catalogue::nodes;
use std::io::{self, Read};

/// A reader that hashes what passes.
pub(super) struct Hashing<R> {
    source: R,
    hasher: Hasher,
}

impl<R> Hashing<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            hasher: Hasher::new([]),
        }
    }

    /// The hash of all that passed.
    pub(super) fn finish(self) -> Result<String, CommandError> {
        Ok(self.hasher.finish()?)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Commands {
    /// Copies a file or a tree under a name of our own on `disk`, and compares.
    pub(in crate::command) fn stage_copy(
        &self,
        from: &OpenMount,
        path: &str,
        disk: &Disk,
    ) -> Result<(String, Facts), CommandError> {
        if let Kind::Disk(source) = from.backend.kind() {
            return Ok(source.copy_to(path, disk)?);
        }
        let manifest = from.backend.tree_facts(path)?;
        let name = disk.part_name();
        let staged = manifest
            .iter()
            .try_for_each(|(at, facts)| {
                let below = at.strip_prefix(path).unwrap_or_default();
                let copy = format!("{name}{below}");
                if facts.is_directory() {
                    return Ok(disk.create_directory(&copy)?);
                }
                self.fetch(from, (at, *facts), (disk, &copy))
            })
            .and_then(|()| {
                disk.sync_root()?;
                disk.facts(&name)?
                    .ok_or_else(|| CommandError::Gone(path.to_owned()))
            });
        match staged {
            Ok(facts) => Ok((name, facts)),
            Err(error) => {
                // The error that stopped it is the one to tell; a sweep removes what remains.
                let _ = disk.remove_trash(&name);
                Err(error)
            }
        }
    }

    /// Reads a staged copy of a tree on a disk, and the tree again.
    pub(super) fn compare(
        &self,
        from: &OpenMount,
        source: &Disk,
        path: &str,
        (disk, name): (&Disk, &str),
    ) -> Result<(), CommandError> {
        for (at, facts) in source.tree_facts(path)? {
            let copy = format!("{name}{}", at.strip_prefix(path).unwrap_or_default());
            let copied = disk.facts(&copy)?;
            let is_alike = copied.is_some_and(|copied| {
                (
                    copied.kind,
                    copied.is_symlink,
                    copied.size_bytes,
                    copied.modified_ns,
                ) == (
                    facts.kind,
                    facts.is_symlink,
                    facts.size_bytes,
                    facts.modified_ns,
                ) || facts.is_symlink && copied.is_symlink
            });
            if !is_alike {
                return Err(CommandError::Busy(at));
            }
            if facts.is_directory() || facts.is_symlink {
                continue;
            }
            let hash = hash_of(source, &at)?;
            if hash != hash_of(disk, &copy)? {
                return Err(CommandError::Corrupt(at));
            }
            self.check_hash(from, &at, facts, &hash)?;
        }
        Ok(())
    }

    /// Brings one object to a disk.
    fn fetch(
        &self,
        from: &OpenMount,
        (path, facts): (&str, Facts),
        (disk, copy): (&Disk, &str),
    ) -> Result<(), CommandError> {
        let opened = from.backend.open(path)?;
        if !opened.facts.is_as(&facts) {
            return Err(CommandError::Busy(path.to_owned()));
        }
        let mut reader = Hashing::new(opened.reader);
        let size = disk.write_new(copy, &mut reader, facts.modified_ns)?;
        let hash = reader.finish()?;
        if i64::try_from(size) != Ok(facts.size_bytes) {
            return Err(CommandError::Busy(path.to_owned()));
        }
        self.check_hash(from, path, facts, &hash)?;
        match hash_of(disk, copy)? == hash {
            true => Ok(()),
            false => Err(CommandError::Corrupt(path.to_owned())),
        }
    }

    /// The contents are what the catalogue has a hash of, if it has one and their size and time did
    /// not change. Another change time excuses nothing: most likely only the file's permissions or
    /// names changed, and if not, its node has its new hash once somebody has looked again.
    pub(super) fn check_hash(
        &self,
        from: &OpenMount,
        path: &str,
        facts: Facts,
        hash: &str,
    ) -> Result<(), CommandError> {
        let mount_id = from.mount.id;
        let known = self
            .catalogue
            .read(|connection| nodes::at(connection, mount_id, path))?;
        let is_other = known.is_some_and(|known| {
            let seen = Facts {
                changed_ns: known.facts.changed_ns,
                ..facts
            };
            seen.is_as(&known.facts)
                && !known.is_in_doubt
                && known.content_hash.is_some_and(|known| known != hash)
        });
        match is_other {
            true => Err(CommandError::Corrupt(path.to_owned())),
            false => Ok(()),
        }
    }
}

fn hash_of(disk: &Disk, path: &str) -> Result<String, CommandError> {
    let mut hasher = Hasher::new([]);
    let mut file = disk.open_file(path)?;
    let failed = backend::Error::of_disk(Operation::Compare, path);
    hasher.read(&mut file).map_err(failed)?;
    Ok(hasher.finish()?)
}
