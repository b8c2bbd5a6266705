//! Nodes below a directory, filtered and in pages.
//!
//! The order is that of the paths (of the names, for direct children), which is the order of an
//! index, so a page that goes on after a node (keyset) costs the same wherever it is. A page by
//! offset steps over what comes before it. Few nodes are deleted, off, or directories: those have
//! indexes of their own ([`Index`]), which SQLite is told to use, since it cannot know how few they
//! are.
//!
//! Totals are in [`total`].

#[cfg(test)]
mod tests;
mod total;

use super::{Node, ReadTx, StoreError, nodes};
use journal::compare::fold;
use journal::{NodeKind, NodeState};
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The mount.
    pub mount_id: i64,
    /// Nodes below this one; not itself.
    pub path: String,
    /// The directory at the path, where it is known and may not hold the path any more.
    pub directory: Option<i64>,
    /// At most so many names below it: 1 are its children, 0 is what is at the path itself.
    pub depth: Option<u32>,
    /// A part of the path, whatever its case.
    pub search: Option<String>,
    /// All but the deleted if there are none.
    pub states: Vec<NodeState>,
    /// All if there are none.
    pub kinds: Vec<NodeKind>,
    /// Only those that are not as the disk is.
    pub drift_only: bool,
    /// Bounds of the size.
    pub size: Bounds,
    /// In milliseconds.
    pub seen: Bounds,
    /// Bounds of what a directory holds.
    pub rollup: Option<RollupBounds>,
    /// Values at the top of the metadata.
    pub metadata: Vec<(String, serde_json::Value)>,
    /// How many, at most.
    pub limit: u32,
    /// How many are stepped over.
    pub offset: u32,
    /// Go on after this.
    pub after: Option<GoOn>,
}

/// From and to, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least this.
    pub min: Option<i64>,
    /// At most this.
    pub max: Option<i64>,
}

/// What is to lie below a node. A file has nothing below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RollupBounds {
    /// `Some(false)` fits no node, since rollups are never behind.
    pub is_up_to_date: Option<bool>,
    /// Direct children.
    pub child_count: Bounds,
    /// Files below it.
    pub file_count: Bounds,
    /// Directories below it.
    pub directory_count: Bounds,
    /// Bytes below it.
    pub size_bytes: Bounds,
    /// In milliseconds.
    pub calculated: Bounds,
}

/// Where a page goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoOn {
    /// After this node, wherever it is by now.
    Node(i64),
    /// Behind this place of the order.
    Place(Place),
}

/// A place in the order of a listing, with the value that tells apart those that share it. It stays
/// where it is, whatever becomes of the node that was there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The children of a directory are in the order of their names.
    Name(String, i64),
    /// All else is in the order of the paths.
    Path(String, i64),
}

/// A page.
#[derive(Debug)]
pub struct Listed {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// How many there are in all.
    pub total: Option<Total>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

/// How many there are in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// So many, at least.
    pub count: i64,
    /// There may be more: counting them all would take too long.
    pub is_exact: bool,
}

/// What a query goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    /// Live nodes by path.
    Paths,
    /// The live nodes in a directory by name.
    Names,
    /// Inconsistent and missing nodes by path.
    Off,
    /// Live directories by path.
    Directories,
    /// Deleted nodes by path.
    Deleted,
}

impl Index {
    const fn name(self) -> &'static str {
        match self {
            Self::Paths => "nodes_by_path",
            Self::Names => "nodes_by_parent",
            Self::Off => "nodes_off",
            Self::Directories => "nodes_directories",
            Self::Deleted => "nodes_deleted",
        }
    }

    /// What the rows in it have, word for word as the schema says it.
    const fn condition(self) -> &'static str {
        match self {
            Self::Paths | Self::Names => "n.state <> 'deleted'",
            Self::Off => "n.state IN ('inconsistent', 'missing')",
            Self::Directories => "n.kind = 'directory' AND n.state <> 'deleted'",
            Self::Deleted => "n.state = 'deleted'",
        }
    }
}

/// A query: what it goes through, and what narrows it down.
#[derive(Clone, Debug)]
struct Part {
    index: Index,
    conditions: Conditions,
}

/// Conditions and their parameters.
#[derive(Clone, Debug, Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        if !self.sql.is_empty() {
            self.sql.push_str(" AND ");
        }
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn and_bounds(&mut self, value: &str, bounds: Bounds) {
        if let Some(min) = bounds.min {
            self.and(&format!("{value} >= ?"), [Value::from(min)]);
        }
        if let Some(max) = bounds.max {
            self.and(&format!("{value} <= ?"), [Value::from(max)]);
        }
    }

    /// The word of each, in a list; nothing if there are none. They are words of our own, and stand
    /// in the text: bound values that an index has a condition on would have the statement prepared
    /// anew each time.
    fn and_words(&mut self, column: &str, words: &[&'static str]) {
        if !words.is_empty() {
            self.and(&format!("{column} IN ('{}')", words.join("', '")), []);
        }
    }
}

impl Listing {
    /// The queries whose rows together are the listing: what is deleted is apart from what is not.
    fn parts(&self, directory: Option<&Node>, after: Option<&After>) -> Vec<Part> {
        let is_any = self.states.is_empty();
        let wants = |state| self.states.contains(&state);
        let wants_off = wants(NodeState::Inconsistent) || wants(NodeState::Missing);
        let is_off = self.drift_only || (wants_off && !wants(NodeState::Active));
        let children = directory.filter(|_| self.depth == Some(1));
        let mut parts = Vec::new();
        if is_any || wants(NodeState::Active) || wants_off {
            let index = match children {
                Some(_) => Index::Names,
                None if is_off => Index::Off,
                None if self.kinds == [NodeKind::Directory] => Index::Directories,
                None => Index::Paths,
            };
            parts.push(self.part(index, children, after));
        }
        if wants(NodeState::Deleted) && !self.drift_only {
            parts.push(self.part(Index::Deleted, children, after));
        }
        parts
    }

    fn part(&self, index: Index, children: Option<&Node>, after: Option<&After>) -> Part {
        let mut conditions = Conditions::default();
        conditions.and(index.condition(), []);
        match children {
            Some(directory) => {
                if index != Index::Names {
                    conditions.and("n.mount_id = ?", [Value::from(self.mount_id)]);
                }
                conditions.and("n.parent_id = ?", [Value::from(directory.id)]);
                if let Some((name, id)) = after {
                    let after = [Value::from(name.clone()), Value::from(*id)];
                    conditions.and("(n.name, n.id) > (?, ?)", after);
                }
            }
            None => self.bound(&mut conditions, after),
        }
        if self.drift_only {
            conditions.and("n.state IN ('inconsistent', 'missing')", []);
        }
        let states = self.states.iter().map(|state| state.as_str());
        conditions.and_words("n.state", &states.collect::<Vec<_>>());
        let kinds = self.kinds.iter().map(|kind| kind.as_str());
        conditions.and_words("n.kind", &kinds.collect::<Vec<_>>());
        self.narrow(&mut conditions);
        Part { index, conditions }
    }

    /// The paths that are asked for, by one lower bound: with two, SQLite may take the wrong one.
    fn bound(&self, conditions: &mut Conditions, after: Option<&After>) {
        conditions.and("n.mount_id = ?", [Value::from(self.mount_id)]);
        if self.depth == Some(0) {
            // Several that are gone may have had this path.
            conditions.and("n.path = ?", [Value::from(self.path.clone())]);
            if let Some((path, vacated)) = after {
                let after = [Value::from(path.clone()), Value::from(*vacated)];
                conditions.and("(n.path, n.vacated) > (?, ?)", after);
            }
            return;
        }
        let (from, to) = below(&self.path);
        match after.filter(|(path, _)| *path > from) {
            Some((path, vacated)) => {
                let after = [Value::from(path.clone()), Value::from(*vacated)];
                conditions.and("(n.path, n.vacated) > (?, ?)", after);
            }
            None => conditions.and("n.path > ?", [Value::from(from)]),
        }
        if let Some(to) = to {
            conditions.and("n.path < ?", [Value::from(to)]);
        }
    }

    /// How many names the deepest path that is asked for has.
    fn deepest(&self) -> Option<usize> {
        let above = match self.path.as_str() {
            "" => 0,
            path => path.split('/').count(),
        };
        let depth = usize::try_from(self.depth?).unwrap_or(usize::MAX);
        Some(depth.saturating_add(above))
    }

    fn narrow(&self, conditions: &mut Conditions) {
        if let Some(search) = &self.search {
            let part = Value::from(fold(search).into_owned());
            conditions.and("path_has(n.path, ?)", [part]);
        }
        conditions.and_bounds("n.size_bytes", self.size);
        conditions.and_bounds("n.last_seen_at", self.seen);
        if let Some(rollup) = &self.rollup {
            rollup.narrow(conditions);
        }
        for (key, value) in &self.metadata {
            has_entry(key, value, conditions);
        }
    }
}

/// That the metadata has this entry. Values are compared in their own type, so 1 is not "1", and
/// numbers as numbers: a text of one that SQLite prints may have lost digits.
fn has_entry(key: &str, value: &Json, conditions: &mut Conditions) {
    let (types, value) = match value {
        Json::Null => ("entry.type = 'null'", None),
        Json::Bool(true) => ("entry.type = 'true'", None),
        Json::Bool(false) => ("entry.type = 'false'", None),
        Json::String(text) => ("entry.type = 'text'", Some(Value::from(text.clone()))),
        Json::Number(number) => (
            "entry.type IN ('integer', 'real')",
            Some(match number.as_i64() {
                Some(integer) => Value::from(integer),
                None => Value::from(number.as_f64()),
            }),
        ),
        // Both are texts that we wrote, the names in order.
        structure @ (Json::Array(_) | Json::Object(_)) => (
            "entry.type IN ('array', 'object')",
            Some(Value::from(structure.to_string())),
        ),
    };
    let equal = if value.is_some() {
        " AND entry.value = ?"
    } else {
        ""
    };
    let condition = format!(
        "EXISTS (SELECT 1 FROM json_each(coalesce(n.metadata, '{{}}')) AS entry
            WHERE entry.key = ? AND {types}{equal})"
    );
    let values = [Some(Value::from(key.to_owned())), value];
    conditions.and(&condition, values.into_iter().flatten());
}

impl RollupBounds {
    fn narrow(&self, conditions: &mut Conditions) {
        match self.is_up_to_date {
            Some(true) => conditions.and("n.kind = 'directory'", []),
            Some(false) => conditions.and("n.id < 0", []),
            None => {}
        }
        let columns = [
            ("child_count", self.child_count),
            ("file_count", self.file_count),
            ("directory_count", self.directory_count),
            (
                // At most what a bound can say.
                "iif(size_high > 1, 9223372036854775807, (size_high << 62) + size_bytes)",
                self.size_bytes,
            ),
        ];
        for (column, bounds) in columns {
            let of_node =
                format!("coalesce((SELECT {column} FROM rollups WHERE node_id = n.id), 0)");
            conditions.and_bounds(&of_node, bounds);
        }
        let calculated = "(SELECT last_calculated_at FROM rollups WHERE node_id = n.id)";
        conditions.and_bounds(calculated, self.calculated);
    }
}

/// Where a page goes on: behind this path or name, and this value of the column that tells apart
/// those that share it.
type After = (String, i64);

/// The paths below this one lie between these, exclusive.
fn below(path: &str) -> (String, Option<String>) {
    match path {
        "" => (String::new(), None),
        // '0' is the character after '/'.
        path => (format!("{path}/"), Some(format!("{path}0"))),
    }
}

/// The generated column of this name.
fn vacated(node: &Node) -> i64 {
    if node.is_on_disk() { 0 } else { node.id }
}

/// A page of nodes; `None` if it is to go on at a place that this listing does not have.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn list(tx: &ReadTx<'_>, listing: &Listing) -> Result<Option<Listed>, StoreError> {
    let directory = match (listing.directory, listing.path.as_str()) {
        (Some(id), _) => nodes::by_id(tx, id)?,
        (None, "") => Some(nodes::root(tx, listing.mount_id)?),
        (None, path) => nodes::at(tx, listing.mount_id, path)?,
    };
    let is_children = listing.depth == Some(1) && directory.is_some();
    let place = |node: &Node| match is_children {
        true => Place::Name(node.name().to_owned(), node.id),
        false => Place::Path(node.path.clone(), vacated(node)),
    };
    let after = match &listing.after {
        None => None,
        Some(GoOn::Place(place)) => Some(place.clone()),
        Some(GoOn::Node(id)) => nodes::by_id(tx, *id)?.as_ref().map(place),
    };
    let after: Option<After> = match (after, is_children) {
        (Some(Place::Name(at, tie)), true) | (Some(Place::Path(at, tie)), false) => Some((at, tie)),
        (None, _) => None,
        (Some(_), _) => return Ok(None),
    };
    let parts = listing.parts(directory.as_ref(), after.as_ref());
    let limit = usize::try_from(listing.limit).unwrap_or(usize::MAX);
    // One node more than was asked for, to see whether there is one.
    let most = limit.saturating_add(1);
    let offset = match after {
        Some(_) => 0,
        None => usize::try_from(listing.offset).unwrap_or(usize::MAX),
    };
    let fetch = |part: &Part, (offset, most)| match listing.deepest() {
        Some(deepest) if !is_children && listing.depth != Some(0) => to_depth(
            tx,
            listing,
            part.index,
            after.clone(),
            deepest,
            (offset, most),
        ),
        _ if is_children => page(tx, part, "n.name, n.id", (offset, most)),
        _ => page(tx, part, BY_PATH, (offset, most)),
    };
    let mut nodes = if let [part] = parts.as_slice() {
        fetch(part, (offset, most))?
    } else {
        let mut nodes = Vec::new();
        for part in &parts {
            nodes.extend(fetch(part, (0, offset.saturating_add(most)))?);
        }
        nodes.sort_by_cached_key(place);
        nodes.into_iter().skip(offset).take(most).collect()
    };
    let total = total::of(tx, listing, directory.as_ref())?;
    let is_more = nodes.len() > limit;
    nodes.truncate(limit);
    let next = nodes.last().filter(|_| is_more).map(place);
    Ok(Some(Listed { nodes, total, next }))
}

const BY_PATH: &str = "n.path, n.vacated";

fn page(
    tx: &ReadTx<'_>,
    part: &Part,
    order: &str,
    (offset, most): (usize, usize),
) -> Result<Vec<Node>, StoreError> {
    let sql = format!(
        "{} INDEXED BY {} WHERE {} ORDER BY {order} LIMIT ? OFFSET ?",
        include_str!("sql/node_columns.sql").trim_end(),
        part.index.name(),
        part.conditions.sql
    );
    let number = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    let values = part.conditions.values.iter().cloned();
    let values = values.chain([number(most), number(offset)]);
    let mut statement = tx.prepare_cached(&sql)?;
    let nodes = statement.query_map(params_from_iter(values), Node::from_row)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// A page of nodes whose paths have at most so many names. Where one has more, all that lies below
/// its ancestor of that many is passed over at once.
fn to_depth(
    tx: &ReadTx<'_>,
    listing: &Listing,
    index: Index,
    mut after: Option<After>,
    deepest: usize,
    (mut offset, most): (usize, usize),
) -> Result<Vec<Node>, StoreError> {
    /// Rows of one query: many of them may be passed over.
    const ROWS: usize = 128;
    let mut nodes = Vec::new();
    loop {
        let part = listing.part(index, None, after.as_ref());
        let rows = page(tx, &part, BY_PATH, (0, ROWS))?;
        let mut is_over = rows.len() < ROWS;
        for node in rows {
            let mut names = node.path.split('/');
            let ancestor: Vec<_> = names.by_ref().take(deepest).collect();
            if names.next().is_some() {
                // The first path that may come after all that is below the ancestor; it counts.
                after = Some((format!("{}0", ancestor.join("/")), -1));
                is_over = false;
                break;
            }
            after = Some((node.path.clone(), vacated(&node)));
            if offset > 0 {
                offset -= 1;
                continue;
            }
            nodes.push(node);
            if nodes.len() == most {
                return Ok(nodes);
            }
        }
        if is_over {
            return Ok(nodes);
        }
    }
}
