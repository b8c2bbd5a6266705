//! Goes from name to name, and through what lies below.
//!
//! A *top* is a node whose path has the part that is looked for while its directory's path does
//! not: there a branch of the tree begins that has it everywhere. What a walk finds comes top by
//! top, in the order of their ids, and below each top by path. That order needs no sorting, so the
//! first page is quick however much there is, and a page goes on where the last one ended.

use super::compile::{Statement, successor};
use super::lead::Lead;
use crate::names::candidates::Candidates;
use crate::names::{FIND_DIRECTORY, parent};
use journal::compare::fold;
use rusqlite::types::Value as Sql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params, params_from_iter};

/// Where a walk goes on: behind this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The top whose branch it is in.
    pub(crate) top: i64,
    pub(crate) path: String,
    pub(crate) node_id: i64,
}

/// The beginning of a branch.
struct Top {
    id: i64,
    path: String,
    mount: i64,
    /// What lies below belongs to it.
    is_branch: bool,
}

/// Finds tops.
struct Tops<'c> {
    lead: &'c Lead,
    candidates: Candidates<'c>,
    run: std::vec::IntoIter<i64>,
    find: CachedStatement<'c>,
    directory: CachedStatement<'c>,
    /// The path and the mount of a directory whose branch the last node was in.
    branch: (String, i64),
}

impl<'c> Tops<'c> {
    fn new(connection: &'c Connection, lead: &'c Lead, after: i64) -> rusqlite::Result<Self> {
        let clue = lead
            .clue()
            .unwrap_or(crate::names::candidates::Clue::Any(Vec::new()));
        Ok(Self {
            lead,
            candidates: Candidates::new(connection, clue, after)?,
            run: Vec::new().into_iter(),
            find: connection.prepare_cached(
                "SELECT path, backend_mount_id, kind FROM filestore_nodes WHERE node_id = ?1",
            )?,
            directory: connection.prepare_cached(FIND_DIRECTORY)?,
            branch: (String::new(), 0),
        })
    }

    fn next(&mut self) -> rusqlite::Result<Option<Top>> {
        loop {
            let Some(id) = self.run.next() else {
                match self.candidates.next_run()? {
                    Some(run) => self.run = run.into_iter(),
                    None => return Ok(None),
                }
                continue;
            };
            if let Some(top) = self.top(id)? {
                return Ok(Some(top));
            }
        }
    }

    fn top(&mut self, id: i64) -> rusqlite::Result<Option<Top>> {
        let found = self.find.query_row([id], |row| {
            let path = row.get_ref(0)?.as_str()?;
            if matches!(self.lead, Lead::Below(_)) && !self.lead.is_in(&fold(path)) {
                return Ok(None);
            }
            Ok(Some((
                path.to_owned(),
                row.get(1)?,
                row.get_ref(2)?.as_str()? == "directory",
            )))
        });
        let Some(Some((path, mount, is_directory))) = found.optional()? else {
            return Ok(None);
        };
        if matches!(self.lead, Lead::Own(_)) {
            return Ok(Some(Top {
                id,
                path,
                mount,
                is_branch: false,
            }));
        }
        if self.is_in_a_branch(&path, mount)? {
            return Ok(None);
        }
        // A path may have been that of several directories, one after the other.
        let is_branch = is_directory && self.directory_at(&path, mount)? == Some(id);
        Ok(Some(Top {
            id,
            path,
            mount,
            is_branch,
        }))
    }

    /// Whether a directory above has the part in its path too: then the node is in its branch.
    fn is_in_a_branch(&mut self, path: &str, mount: i64) -> rusqlite::Result<bool> {
        // Neighbours are mostly in the same one.
        let (last, of) = &self.branch;
        let rest = path
            .strip_prefix(last.as_str())
            .filter(|_| !last.is_empty());
        if *of == mount && rest.is_some_and(|rest| rest.starts_with('/')) {
            return Ok(true);
        }
        let mut above = parent(path);
        while !above.is_empty() && self.lead.is_in(&fold(above)) {
            if self.directory_at(above, mount)?.is_some() {
                self.branch = (above.to_owned(), mount);
                return Ok(true);
            }
            above = parent(above);
        }
        Ok(false)
    }

    fn directory_at(&mut self, path: &str, mount: i64) -> rusqlite::Result<Option<i64>> {
        self.directory
            .query_row(params![path, mount], |row| row.get(0))
    }
}

/// What lies below a path: from, and up to exclusive. `0` is the character after `/`.
fn below(path: &str) -> (String, String) {
    (format!("{path}/"), format!("{path}0"))
}

/// A walk that gives rows.
pub(crate) struct Walk<'a> {
    pub(crate) lead: &'a Lead,
    /// The columns.
    pub(crate) select: &'a str,
    /// What must hold, of `n` and `r`.
    pub(crate) matching: &'a Statement,
}

const FROM: &str = " FROM filestore_nodes n CROSS JOIN records r ON r.id = n.record_id WHERE ";
const FROM_PATHS: &str = " FROM filestore_nodes n INDEXED BY filestore_nodes_path \
    CROSS JOIN records r ON r.id = n.record_id WHERE ";

impl Walk<'_> {
    /// Gives at most `limit` rows behind `after`, each with its top; how many nodes were looked at
    /// that the index does not cover.
    pub(crate) fn run(
        &self,
        connection: &Connection,
        after: Option<&Spot>,
        limit: u64,
        mut take: impl FnMut(i64, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<u64> {
        if let Lead::Under(prefix) = self.lead {
            self.under(connection, prefix, after, limit, take)?;
            return Ok(0);
        }
        let mut one = connection.prepare(&format!(
            "{}{FROM}n.node_id = ? AND {}",
            self.select, self.matching.text
        ))?;
        let mut branch = connection.prepare(&format!(
            "{}{FROM_PATHS}n.path >= ? AND n.path < ? AND n.backend_mount_id = ? \
             AND (n.path, n.node_id) > (?, ?) AND {} ORDER BY n.path, n.node_id LIMIT ?",
            self.select, self.matching.text
        ))?;
        let with = |mine: Vec<Sql>, more: Option<Sql>| {
            params_from_iter(
                mine.into_iter()
                    .chain(self.matching.params.clone())
                    .chain(more),
            )
        };
        let mut tops = Tops::new(connection, self.lead, after.map_or(0, |it| it.top - 1))?;
        let mut left = limit;
        while left > 0
            && let Some(top) = tops.next()?
        {
            let spot = after.filter(|spot| spot.top == top.id);
            if spot.is_none() {
                let mut rows = one.query(with(vec![top.id.into()], None))?;
                while let Some(row) = rows.next()? {
                    take(top.id, row)?;
                    left -= 1;
                }
            }
            if left == 0 || !top.is_branch {
                continue;
            }
            let (from, to) = below(&top.path);
            let (path, node_id) =
                spot.map_or((String::new(), 0), |it| (it.path.clone(), it.node_id));
            let from = if path > from { path.clone() } else { from };
            let mine = vec![
                from.into(),
                to.into(),
                top.mount.into(),
                path.into(),
                node_id.into(),
            ];
            let mut rows = branch.query(with(mine, Some(left.cast_signed().into())))?;
            while let Some(row) = rows.next()? {
                take(top.id, row)?;
                left -= 1;
            }
        }
        Ok(tops.candidates.looked_through)
    }
}

impl Walk<'_> {
    /// The same where all that begins with a prefix is one branch.
    fn under(
        &self,
        connection: &Connection,
        prefix: &str,
        after: Option<&Spot>,
        limit: u64,
        mut take: impl FnMut(i64, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut branch = connection.prepare(&format!(
            "{}{FROM_PATHS}n.path >= ? AND n.path < ? AND (n.path, n.node_id) > (?, ?) AND {} \
             ORDER BY n.path, n.node_id LIMIT ?",
            self.select, self.matching.text
        ))?;
        let (path, node_id) = after.map_or(("", 0), |it| (it.path.as_str(), it.node_id));
        let from = if path > prefix { path } else { prefix };
        let mine = [
            Sql::from(from.to_owned()),
            Sql::from(end(prefix)),
            Sql::from(path.to_owned()),
            Sql::from(node_id),
        ];
        let values = mine.into_iter().chain(self.matching.params.clone());
        let values = values.chain([Sql::from(limit.cast_signed())]);
        let mut rows = branch.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            take(0, row)?;
        }
        Ok(())
    }
}

/// Above all paths that begin so; no path is above the last character.
fn end(prefix: &str) -> String {
    successor(prefix).unwrap_or_else(|| char::MAX.to_string())
}

/// How many nodes a walk along the lead would look at, counted up to `most`.
pub(crate) fn cost(connection: &Connection, lead: &Lead, most: i64) -> rusqlite::Result<i64> {
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM filestore_nodes INDEXED BY filestore_nodes_path \
         WHERE path >= ?1 AND path < ?2 LIMIT ?3)",
    )?;
    if let Lead::Under(prefix) = lead {
        return count.query_row(params![prefix, end(prefix), most], |row| row.get(0));
    }
    let mut tops = Tops::new(connection, lead, 0)?;
    let mut cost = 0;
    while cost < most
        && let Some(top) = tops.next()?
    {
        cost += 1;
        if top.is_branch {
            let (from, to) = below(&top.path);
            cost += count.query_row(params![from, to, most - cost], |row| row.get::<_, i64>(0))?;
        }
    }
    Ok(cost)
}
