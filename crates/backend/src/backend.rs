//! What can be done to a mount's bytes, whatever they lie in.

use crate::hash::content::{Gate, HashConditions, Hashed};
use crate::walk::{Entry, Failure, Options};
use crate::{Bucket, Disk, Error, ListingCache, Operation, Reason};
use node::{Facts, Identity, LongFact, LongText, NodePath, Root};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// A path and its facts, with those that belong to it: what is above it, or what is below it.
pub type PathFacts = Vec<(String, Facts)>;

/// Contents, open for reading from start to end.
pub struct Opened {
    /// What they are the contents of.
    pub facts: Facts,
    /// The contents.
    pub reader: Box<dyn Read + Send>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// A directory that is to be listed.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'d> {
    /// Where it is.
    pub path: &'d str,
    /// What must stand there; another directory is [`Failure::Gone`].
    pub identity: Option<Identity>,
}

/// An open mount's bytes.
///
/// A directory of a disk and a part of a bucket do the same things to files, and
/// [`conformance`](crate::conformance) checks both. They differ in what is atomic: a disk renames,
/// and an object appears as a whole and no more. What is done in several steps is therefore done by
/// [`Kind`], by whoever does it.
pub trait Backend: fmt::Debug + Send + Sync {
    /// What stands at the path: `None` if nothing does.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn facts(&self, path: &str) -> Result<Option<Facts>, Error>;

    /// [`Backend::facts`] of many paths, one after the other; what `cache` has seen is believed.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn facts_again(&self, cache: &mut ListingCache, path: &str) -> Result<Option<Facts>, Error>;

    /// The text of a fact of what stands at the path; `None` where nothing does, and where there is no
    /// such thing.
    ///
    /// # Errors
    /// It cannot be read.
    fn text(&self, fact: LongFact, path: &str) -> Result<Option<LongText>, Error>;

    /// The name of the filesystem that the root lies on: other ones have other names. A bucket has
    /// none.
    fn volume(&self) -> Option<i64>;

    /// The root as it is known among others.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn root(&self) -> Result<Root, Error> {
        let facts = self.facts("")?;
        let absent = || Error::of_disk(Operation::LookAt, "")(Reason::NotFound);
        let facts = facts.ok_or_else(absent)?;
        Ok(Root {
            identity: facts.identity,
            volume: self.volume(),
        })
    }

    /// Whether the directory that `path` is in lists a name in just this spelling. Something stands
    /// at the path: but on a filesystem that takes the letters of names in any case, it may have
    /// another name.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn lists(&self, path: &str) -> Result<bool, Error>;

    /// The facts of a path and of all directories above it, from the top, without the root; it
    /// ends where nothing stands.
    ///
    /// # Errors
    /// They cannot be looked at.
    fn lineage(&self, path: &NodePath) -> Result<PathFacts, Error>;

    /// The facts of a path and of everything below it, parents first.
    ///
    /// # Errors
    /// Nothing stands there, or it cannot be looked at.
    fn tree_facts(&self, path: &str) -> Result<PathFacts, Error>;

    /// All names in a directory, ascending, but for Tidemark's own in the root. `buffer` is the
    /// caller's, to be used again.
    ///
    /// # Errors
    /// The directory is gone, or cannot be read.
    fn list(
        &self,
        directory: Directory<'_>,
        options: &Options,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Entry>, Failure>;

    /// Some names in a directory, as a listing would tell them: those that are there. `names` are
    /// ascending. It takes as long as there are names, however large the directory.
    ///
    /// # Errors
    /// The directory is gone, or cannot be read.
    fn named(
        &self,
        directory: Directory<'_>,
        options: &Options,
        names: &mut dyn Iterator<Item = &str>,
    ) -> Result<Vec<Entry>, Failure>;

    /// Opens a file's contents.
    ///
    /// # Errors
    /// No file with contents stands there, or it cannot be read.
    fn open(&self, path: &str) -> Result<Opened, Error>;

    /// The hash of a file's contents, in one attempt: of one state of the file, or none.
    ///
    /// # Errors
    /// It cannot be read.
    fn hash(
        &self,
        path: &str,
        conditions: &HashConditions,
        gate: Gate<'_>,
    ) -> Result<Hashed, Error>;

    /// Makes the directory and those above it that are missing. Gives them all, from the top.
    /// Doing it again does no harm.
    ///
    /// # Errors
    /// A file is on the way, or it cannot be made.
    fn make_directory(&self, path: &NodePath) -> Result<PathFacts, Error>;

    /// Removes a file, a symlink or an empty directory. It is no error if nothing stands there.
    ///
    /// # Errors
    /// The directory is not empty, or it cannot be removed.
    fn remove(&self, path: &str, is_directory: bool) -> Result<(), Error>;

    /// Removes of the files at the path and below it those that `is_meant` picks by their path and
    /// facts, and of its directories those that are empty then. The directory above the path stays.
    ///
    /// # Errors
    /// They cannot be removed.
    fn remove_where(
        &self,
        path: &str,
        is_meant: &dyn Fn(&str, &Facts) -> bool,
    ) -> Result<(), Error>;

    /// Removes what an earlier run of this store left of its own names in the root, except those in
    /// `keep`. A bucket has no such names.
    ///
    /// # Errors
    /// They cannot be removed.
    fn sweep(&self, keep: &[String]) -> Result<(), Error>;

    /// Whether it answers, now.
    ///
    /// # Errors
    /// It does not.
    fn probe(&self) -> Result<(), Error>;

    /// The device and inode number of a directory of this machine, as facts here would tell them.
    fn numbers_of(&self, directory: &Path) -> Option<(i64, i64)>;

    /// What it is, for what only one of them can do: a disk renames in one step, a bucket copies on
    /// the server and signs URLs.
    fn kind(&self) -> Kind<'_>;
}

/// What a backend is.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'b> {
    /// A directory of a disk.
    Disk(&'b Disk),
    /// A bucket, or a part of one.
    Bucket(&'b Bucket),
}
