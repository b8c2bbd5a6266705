//! A bucket as a backend.

use super::tree::Child;
use super::{Bucket, ListingCache};
use crate::hash::content::{self, Gate, HashConditions, Hashed};
use crate::walk::{Entry, Failure, Options};
use crate::{Backend, Directory, Error, Kind, Opened, PathFacts, Reason};
use node::{Facts, LongFact, LongText, NodePath, join, name};
use std::path::Path;

impl Backend for Bucket {
    fn facts(&self, path: &str) -> Result<Option<Facts>, Error> {
        self.look_at(path)
    }

    fn facts_again(&self, cache: &mut ListingCache, path: &str) -> Result<Option<Facts>, Error> {
        self.look_again(cache, path)
    }

    fn text(&self, fact: LongFact, path: &str) -> Result<Option<LongText>, Error> {
        match fact {
            LongFact::ObjectTags => self.tags_at(path),
            LongFact::Attributes | LongFact::LinkTarget => Ok(None),
        }
    }

    fn volume(&self) -> Option<i64> {
        None
    }

    fn lists(&self, _: &str) -> Result<bool, Error> {
        // Keys differ by every letter.
        Ok(true)
    }

    fn lineage(&self, path: &NodePath) -> Result<PathFacts, Error> {
        self.on_the_way(path)
    }

    fn tree_facts(&self, path: &str) -> Result<PathFacts, Error> {
        self.all_below(path)
    }

    /// A key that is no path, or that is hidden, is an entry that cannot be seen; its name holds a
    /// slash, so no other has it.
    fn list(
        &self,
        directory: Directory<'_>,
        options: &Options,
        _: &mut Vec<u8>,
    ) -> Result<Vec<Entry>, Failure> {
        let children = self
            .children(directory.path)
            .map_err(|error| unreadable(&error))?
            .ok_or(Failure::Gone)?;
        let entry = |child| match child {
            Child::Named(name, facts) => Entry::new(name, Ok(*facts)),
            Child::Odd(rest) => {
                let name = format!("{}/", name::from_bytes(rest.as_bytes()));
                Entry::new(name, Err(Reason::NoPath))
            }
            Child::Hidden(name) => Entry::new(format!("{name}/"), Err(Reason::Hidden)),
        };
        let mut entries: Vec<_> = children.into_iter().map(entry).collect();
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        if options.asks_tags {
            self.ask_tags(directory.path, &mut entries);
        }
        Ok(entries)
    }

    fn named(
        &self,
        directory: Directory<'_>,
        options: &Options,
        names: &mut dyn Iterator<Item = &str>,
    ) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        for name in names {
            match self.look_at(&join(directory.path, name)) {
                Ok(None) => {}
                // No object has such a name.
                Err(error) if matches!(error.reason, Reason::OddKey(_)) => {}
                Ok(Some(facts)) => entries.push(Entry::new(name.to_owned(), Ok(facts))),
                Err(error) => return Err(unreadable(&error)),
            }
        }
        if options.asks_tags {
            self.ask_tags(directory.path, &mut entries);
        }
        Ok(entries)
    }

    fn open(&self, path: &str) -> Result<Opened, Error> {
        let (object, reader) = self.read(path)?;
        Ok(Opened {
            facts: object.facts(),
            reader: Box::new(reader),
        })
    }

    fn hash(
        &self,
        path: &str,
        conditions: &HashConditions,
        gate: Gate<'_>,
    ) -> Result<Hashed, Error> {
        content::hash_object(self, path, conditions, gate)
    }

    fn make_directory(&self, path: &NodePath) -> Result<PathFacts, Error> {
        let lineage = self.make_parents(path)?;
        self.mark(path.as_str())?;
        Ok(lineage)
    }

    fn remove(&self, path: &str, is_directory: bool) -> Result<(), Error> {
        self.delete(path, is_directory)
    }

    fn remove_where(
        &self,
        path: &str,
        is_meant: &dyn Fn(&str, &Facts) -> bool,
    ) -> Result<(), Error> {
        self.keep_parent(path)?;
        self.remove_objects(path, |at, object| is_meant(at, &object.facts()))
    }

    fn sweep(&self, _: &[String]) -> Result<(), Error> {
        Ok(())
    }

    fn probe(&self) -> Result<(), Error> {
        self.ask_for_one()
    }

    fn numbers_of(&self, _: &Path) -> Option<(i64, i64)> {
        None
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Bucket(self)
    }
}

/// What the server said is logged: a scan goes on, and tells the reason only.
fn unreadable(error: &Error) -> Failure {
    if error.source.is_some() {
        let error = error as &dyn std::error::Error;
        tracing::warn!(error, "bucket cannot be looked at");
    }
    Failure::of(error.reason)
}
