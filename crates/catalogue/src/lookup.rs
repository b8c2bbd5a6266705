//! What a scan asks the catalogue.

use crate::facts::facts;
use crate::listings::{self, Listing};
use crate::moment::Column;
use crate::scratch::Found;
use crate::{Catalogue, Node, ReadTx, StoreError, nodes};
use journal::JournalId;
use node::{Facts, Identity};
use rusqlite::{Connection, Row, params};

/// A live node as the last scan or command left it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its id.
    pub id: i64,
    /// Its name in its directory.
    pub name: &'a str,
    /// Its version.
    pub version: i64,
    /// It is active, and not inconsistent.
    pub is_active: bool,
    /// An inode number of 0 says that nobody has seen the file's identity yet.
    pub facts: Facts,
}

/// How a directory is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryRef {
    /// By its node.
    Node(i64),
    /// Whichever nodes are this directory now.
    Identity(Identity),
}

/// A known node with the device and inode number of a found name.
#[derive(Debug)]
pub struct Candidate {
    /// Its id.
    pub id: i64,
    /// Where it was.
    pub path: String,
    /// The directory that it was in.
    pub parent: Option<i64>,
    /// What was known of it.
    pub facts: Facts,
    is_missing: bool,
}

impl Candidate {
    /// Its name in the directory that it was in.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it was in the directory where the name was found, under that name: a directory that
    /// moved has its files with it. A node that is missing is not so near: others go before it.
    #[must_use]
    pub fn is_kin_of(&self, found: &Found, parent: Option<i64>) -> bool {
        let is_here = self.parent == parent && self.name() == found.name;
        !self.is_missing && (self.path == found.path || is_here)
    }
}

/// How far the candidates of a file with very many names were gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    is_missing: bool,
    id: i64,
}

/// Candidates that are put in the best order; of more than that one is as good as another.
pub const CANDIDATES: usize = 64;

/// One thread's view of the catalogue: every question sees the last commit.
#[derive(Debug)]
pub struct Lookup<'s> {
    catalogue: &'s Catalogue,
    connection: Connection,
    mount_id: i64,
}

impl<'s> Lookup<'s> {
    /// Opens a connection of its own.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(catalogue: &'s Catalogue, mount_id: i64) -> Result<Self, StoreError> {
        Ok(Self {
            catalogue,
            connection: catalogue.open_reader()?,
            mount_id,
        })
    }

    fn tx(&self) -> ReadTx<'_> {
        ReadTx::new(&self.connection)
    }

    /// Asks all questions of `work` of one commit, which costs less than a commit for each.
    ///
    /// # Errors
    /// The catalogue cannot be read, or `work` fails.
    pub fn at_once<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let run = |sql| self.connection.prepare_cached(sql)?.execute([]);
        run("BEGIN").map_err(StoreError::from)?;
        let done = work();
        run("ROLLBACK").map_err(StoreError::from)?;
        done
    }

    /// The last entry whose effects the next question is sure to see.
    pub fn head(&self) -> JournalId {
        self.catalogue.head().id
    }

    /// The listing that a directory's nodes agree with, if it is known.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn listing(&self, directory: i64) -> Result<Option<Listing>, StoreError> {
        listings::recall(&self.tx(), directory)
    }

    /// Tells the nodes that are in a directory, ascending by name.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn each_known(
        &self,
        directory: i64,
        mut tell: impl FnMut(&Known<'_>),
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/known.sql"))?;
        let mut rows = statement.query([directory])?;
        while let Some(row) = rows.next()? {
            tell(&known(row)?);
        }
        Ok(())
    }

    /// Tells the node of this name that is in a directory, if there is one.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn known_named(
        &self,
        directory: i64,
        name: &str,
        tell: impl FnOnce(&Known<'_>),
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/known_named.sql"))?;
        let mut rows = statement.query(params![directory, name])?;
        if let Some(row) = rows.next()? {
            tell(&known(row)?);
        }
        Ok(())
    }

    /// The directories of this mount that are meant: their ids, paths and identities.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn directories(&self, directory: DirectoryRef) -> Result<Vec<Node>, StoreError> {
        let nodes = match directory {
            DirectoryRef::Node(id) => nodes::by_id(&self.tx(), id)?.into_iter().collect(),
            DirectoryRef::Identity(identity) => {
                nodes::directories_of(&self.tx(), self.mount_id, identity)?
            }
        };
        let is_here = |node: &Node| {
            node.mount_id == self.mount_id && node.is_directory() && node.is_on_disk()
        };
        Ok(nodes.into_iter().filter(is_here).collect())
    }

    /// The nodes that may be the found name, `parent` being the node of its directory: those that
    /// are not missing first; among them those at the same path, then of missing ones those that
    /// went missing last, then those of the same parent, then those of the same name.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn candidates(
        &self,
        found: &Found,
        parent: Option<i64>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let Identity { dev, ino, born_ns } = found.facts.identity;
        let params = params![
            self.mount_id,
            ino,
            dev,
            born_ns.map(Column),
            found.path,
            parent,
            found.name,
            CANDIDATES.cast_signed(),
        ];
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/candidates.sql"))?;
        let candidates = statement.query_map(params, candidate)?;
        Ok(candidates.collect::<Result<_, _>>()?)
    }

    /// The candidates after those that were gone through, a page of them: the missing ones last.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn further_candidates(
        &self,
        found: &Found,
        passed: &mut Passed,
    ) -> Result<Vec<Candidate>, StoreError> {
        let Identity { dev, ino, born_ns } = found.facts.identity;
        let params = params![
            self.mount_id,
            ino,
            dev,
            born_ns.map(Column),
            passed.is_missing,
            passed.id,
            CANDIDATES.cast_signed(),
        ];
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/further_candidates.sql"))?;
        let page = statement.query_map(params, candidate)?;
        let page: Vec<Candidate> = page.collect::<Result<_, _>>()?;
        if let Some(last) = page.last() {
            (passed.is_missing, passed.id) = (last.is_missing, last.id);
        }
        Ok(page)
    }
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        id: row.get(0)?,
        path: row.get(1)?,
        facts: facts(row, 2)?,
        parent: row.get("parent_id")?,
        is_missing: row.get("is_missing")?,
    })
}

fn known<'r>(row: &'r Row<'_>) -> Result<Known<'r>, StoreError> {
    Ok(Known {
        id: row.get(0)?,
        name: row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
        version: row.get(2)?,
        is_active: row.get(3)?,
        facts: facts(row, 4)?,
    })
}
