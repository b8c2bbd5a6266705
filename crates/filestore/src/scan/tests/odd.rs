//! A backend that is odd on purpose.

use super::*;
use ::node::{Facts, LongFact, LongText, NodePath};
use backend::hash::content::{Gate, HashConditions, Hashed};
use backend::walk::{Entry, Failure};
use backend::{Directory, Error, Kind, ListingCache, Opened, PathFacts, Reason};

/// A backend that does not list some directories, as tests run as a user whom nothing refuses; and
/// that may find names in any case of their letters, or keep no birth times.
#[derive(Debug)]
pub(super) struct Odd {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) refused: Vec<String>,
    pub(super) ignores_case: bool,
    pub(super) has_births: bool,
}

impl Odd {
    /// What this filesystem keeps of the facts.
    fn kept(&self, mut facts: Facts) -> Facts {
        if !self.has_births {
            facts.identity.born_ns = None;
        }
        facts
    }

    /// The directory as the backend below can be asked for it.
    fn expected<'d>(&self, directory: Directory<'d>) -> Directory<'d> {
        Directory {
            identity: directory.identity.filter(|_| self.has_births),
            ..directory
        }
    }

    fn told(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        for entry in &mut entries {
            entry.facts = entry.facts.map(|facts| self.kept(facts));
        }
        entries
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let directory = Directory {
            path: directory,
            identity: None,
        };
        let options = walk::Options::default();
        let listed = self
            .backend
            .list(directory, &options, &mut Vec::with_capacity(65_536));
        let entries = listed.unwrap_or_default().into_iter();
        entries.map(|entry| entry.name).collect()
    }

    /// The path as the directories on the way spell it.
    fn spelled(&self, path: &str) -> String {
        if !self.ignores_case || path.is_empty() {
            return path.to_owned();
        }
        path.split('/').fold(String::new(), |above, name| {
            let names = self.names(&above).into_iter();
            let mut alike = names.filter(|other| other.eq_ignore_ascii_case(name));
            ::node::join(&above, &alike.next().unwrap_or_else(|| name.to_owned()))
        })
    }
}

impl Backend for Odd {
    fn list(
        &self,
        directory: Directory<'_>,
        options: &walk::Options,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Entry>, Failure> {
        match self.refused.iter().any(|path| path == directory.path) {
            true => Err(Failure::Unreadable(Reason::Denied)),
            false => {
                let directory = self.expected(directory);
                let entries = self.backend.list(directory, options, buffer)?;
                Ok(self.told(entries))
            }
        }
    }

    fn named(
        &self,
        directory: Directory<'_>,
        options: &walk::Options,
        names: &mut dyn Iterator<Item = &str>,
    ) -> Result<Vec<Entry>, Failure> {
        let entries = self
            .backend
            .named(self.expected(directory), options, names)?;
        Ok(self.told(entries))
    }

    fn facts(&self, path: &str) -> Result<Option<Facts>, Error> {
        let facts = self.backend.facts(&self.spelled(path))?;
        Ok(facts.map(|facts| self.kept(facts)))
    }

    fn facts_again(&self, _: &mut ListingCache, path: &str) -> Result<Option<Facts>, Error> {
        self.facts(path)
    }

    fn text(&self, fact: LongFact, path: &str) -> Result<Option<LongText>, Error> {
        self.backend.text(fact, &self.spelled(path))
    }

    fn volume(&self) -> Option<i64> {
        self.backend.volume()
    }

    fn lists(&self, path: &str) -> Result<bool, Error> {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(self
            .names(&self.spelled(parent))
            .iter()
            .any(|name| name == last))
    }

    fn lineage(&self, path: &NodePath) -> Result<PathFacts, Error> {
        self.backend.lineage(path)
    }

    fn tree_facts(&self, path: &str) -> Result<PathFacts, Error> {
        self.backend.tree_facts(path)
    }

    fn open(&self, path: &str) -> Result<Opened, Error> {
        self.backend.open(path)
    }

    fn hash(
        &self,
        path: &str,
        conditions: &HashConditions,
        gate: Gate<'_>,
    ) -> Result<Hashed, Error> {
        self.backend.hash(path, conditions, gate)
    }

    fn make_directory(&self, path: &NodePath) -> Result<PathFacts, Error> {
        self.backend.make_directory(path)
    }

    fn remove(&self, path: &str, is_directory: bool) -> Result<(), Error> {
        self.backend.remove(path, is_directory)
    }

    fn remove_where(
        &self,
        path: &str,
        is_meant: &dyn Fn(&str, &Facts) -> bool,
    ) -> Result<(), Error> {
        self.backend.remove_where(path, is_meant)
    }

    fn sweep(&self, keep: &[String]) -> Result<(), Error> {
        self.backend.sweep(keep)
    }

    fn probe(&self) -> Result<(), Error> {
        self.backend.probe()
    }

    fn numbers_of(&self, directory: &Path) -> Option<(i64, i64)> {
        self.backend.numbers_of(directory)
    }

    fn kind(&self) -> Kind<'_> {
        self.backend.kind()
    }
}
