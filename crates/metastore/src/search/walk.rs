//! Goes from name to name, and through what lies below.
//!
//! A *top* is a directory whose path has a word that is looked for while that of the directory above
//! has none: there a branch of the tree begins. Or it is a file in no branch, whose own name then has
//! all words. What a walk finds comes top by
//! top, in the order of their ids, and below each top by path. That order needs no sorting, so the
//! first page is quick however much there is, and a page goes on where the last one ended.

use super::compile::{Statement, successor};
use super::lead::{Below, Lead};
use crate::names::candidates::Candidates;
use crate::names::{FIND_DIRECTORY, Segment, parent, reach, segments};
use crate::record::store::NODES;
use journal::compare::fold;
use rusqlite::types::Value as Sql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params, params_from_iter};

/// As many segments stand for all when costs are compared.
const SAMPLE: usize = 8;
/// A node that is found by its name costs as much as so many rows of the index of paths.
const NODE: i64 = 8;

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
        let lead = self.lead;
        let found = self.find.query_row([id], |row| {
            let path = row.get_ref(0)?.as_str()?;
            let is_directory = row.get_ref(2)?.as_str()? == "directory";
            let is_one = match lead {
                Lead::Below(below) if is_directory => below.is_any_in(&fold(path)),
                Lead::Below(below) => below.are_all_in(&fold(path)),
                Lead::Own(_) | Lead::Under(_) => true,
            };
            is_one
                .then(|| Ok((path.to_owned(), row.get(1)?, is_directory)))
                .transpose()
        });
        let Some(Some((path, mount, is_directory))) = found.optional()? else {
            return Ok(None);
        };
        let Lead::Below(below) = lead else {
            return Ok(Some(Top {
                id,
                path,
                mount,
                is_branch: false,
            }));
        };
        if self.is_in_a_branch(below, &path, mount)? {
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

    /// Whether a directory above has a word in its path too: then the node is in its branch.
    fn is_in_a_branch(&mut self, below: &Below, path: &str, mount: i64) -> rusqlite::Result<bool> {
        // Neighbours are mostly in the same one.
        let (last, of) = &self.branch;
        let rest = path
            .strip_prefix(last.as_str())
            .filter(|_| !last.is_empty());
        if *of == mount && rest.is_some_and(|rest| rest.starts_with('/')) {
            return Ok(true);
        }
        let mut above = parent(path);
        while !above.is_empty() && below.is_any_in(&fold(above)) {
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

/// As [`NODES`], by their paths.
const PATHS: &str = "FROM filestore_nodes n INDEXED BY filestore_nodes_path \
    LEFT JOIN records r ON r.id = +n.record_id";

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
            "{} {NODES} WHERE n.node_id = ? AND {}",
            self.select, self.matching.text
        ))?;
        let mut branch = connection.prepare(&format!(
            "{} {PATHS} WHERE n.path >= ? AND n.path < ? AND n.backend_mount_id = ? \
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
            "{} {PATHS} WHERE n.path >= ? AND n.path < ? AND (n.path, n.node_id) > (?, ?) AND {} \
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

/// About how many rows of the index of paths a walk along the lead would take as long as, counted up
/// to `most`. A few segments of the index of names stand for all.
pub(crate) fn cost(connection: &Connection, lead: &Lead, most: i64) -> rusqlite::Result<i64> {
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM filestore_nodes INDEXED BY filestore_nodes_path \
         WHERE path >= ?1 AND path < ?2 LIMIT ?3)",
    )?;
    let (branches, alone) = match lead {
        Lead::Under(prefix) => {
            return count.query_row(params![prefix, end(prefix), most], |row| row.get(0));
        }
        Lead::Below(below) => (Some(below.branches()), below.alone()),
        Lead::Own(clue) => (None, clue.clone()),
    };
    let mut path =
        connection.prepare_cached("SELECT path FROM filestore_nodes WHERE node_id = ?1")?;
    let (sample, scale) = sample(segments(connection)?);
    let not_indexed = connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM filestore_nodes WHERE node_id > ?1 LIMIT ?2)",
        )?
        .query_row([reach(connection)?.indexed_to, most / NODE], |row| {
            row.get::<_, i64>(0)
        })?;
    let least = not_indexed * NODE;
    let mut cost = 0;
    let scaled = |cost: i64| least.saturating_add(cost.saturating_mul(scale));
    for segment in &sample {
        let found = alone.find(connection, segment)?.len();
        cost += i64::try_from(found).unwrap_or(i64::MAX / NODE) * NODE;
        let Some(branches) = &branches else { continue };
        for id in branches.find(connection, segment)? {
            let left = most - scaled(cost);
            if left <= 0 {
                return Ok(most);
            }
            let path: Option<String> = path.query_row([id], |row| row.get(0)).optional()?;
            let Some(path) = path else { continue };
            let (from, to) = below(&path);
            cost += NODE
                + count.query_row(params![from, to, left / scale + 1], |row| {
                    row.get::<_, i64>(0)
                })?;
        }
    }
    Ok(scaled(cost).min(most))
}

/// Some of the base segments, spread evenly, and for how many each of them stands.
fn sample(segments: Vec<Segment>) -> (Vec<Segment>, i64) {
    let base: Vec<Segment> = segments.into_iter().filter(|it| !it.is_patch).collect();
    let step = base.len().div_ceil(SAMPLE).max(1);
    let scale = i64::try_from(step).unwrap_or(i64::MAX);
    (base.into_iter().step_by(step).collect(), scale)
}
