//! Nodes below a directory, filtered and in pages.
//!
//! The order is that of the paths (of the names, for direct children), which is the order of an
//! index, so a page that goes on after a node (keyset) costs the same wherever it is. A page by
//! offset steps over what comes before it. The total of an unfiltered listing comes from the rollup
//! of the directory and is not counted.

use super::{Node, StoreError, node, rollup};
use journal::{NodeKind, NodeState, Time};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) mount_id: i64,
    /// Nodes below this one; not itself.
    pub(crate) path: String,
    /// The directory at the path, where it is known and may not hold the path any more.
    pub(crate) directory: Option<i64>,
    /// At most so many names below it: 1 are its children.
    pub(crate) depth: Option<u32>,
    /// A part of the path, whatever its case.
    pub(crate) search: Option<String>,
    /// All but the deleted if there are none.
    pub(crate) states: Vec<NodeState>,
    /// All if there are none.
    pub(crate) kinds: Vec<NodeKind>,
    /// Only those that are not as the disk is.
    pub(crate) drift_only: bool,
    pub(crate) size_min: Option<i64>,
    pub(crate) size_max: Option<i64>,
    pub(crate) seen_after: Option<Time>,
    pub(crate) seen_before: Option<Time>,
    /// Values at the top of the metadata.
    pub(crate) metadata: Vec<(String, serde_json::Value)>,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
    /// Go on after this node.
    pub(crate) after: Option<i64>,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) nodes: Vec<Node>,
    /// `None` where it would have to be counted again for a page that goes on.
    pub(crate) total: Option<i64>,
    pub(crate) is_more: bool,
}

/// Conditions and their parameters.
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

    /// The word of each, in a list; nothing if there are none.
    fn and_words(&mut self, column: &str, words: &[&'static str]) {
        if !words.is_empty() {
            let places = vec!["?"; words.len()].join(", ");
            let words = words.iter().map(|word| Value::from((*word).to_owned()));
            self.and(&format!("{column} IN ({places})"), words);
        }
    }
}

impl Listing {
    /// Nothing narrows it down but path and depth.
    fn is_plain(&self) -> bool {
        self.search.is_none()
            && self.states.is_empty()
            && self.kinds.is_empty()
            && !self.drift_only
            && self.size_min.is_none()
            && self.size_max.is_none()
            && self.seen_after.is_none()
            && self.seen_before.is_none()
            && self.metadata.is_empty()
            && self.depth.is_none_or(|depth| depth == 1)
    }

    fn conditions(&self, directory: Option<&Node>) -> Conditions {
        let mut conditions = Conditions {
            sql: String::new(),
            values: Vec::new(),
        };
        match directory.filter(|_| self.depth == Some(1)) {
            Some(directory) => conditions.and("n.parent_id = ?", [Value::from(directory.id)]),
            None => {
                conditions.and("n.mount_id = ?", [Value::from(self.mount_id)]);
                let (from, to) = below(&self.path);
                conditions.and("n.path > ?", [Value::from(from)]);
                if let Some(to) = to {
                    conditions.and("n.path < ?", [Value::from(to)]);
                }
            }
        }
        if !self.states.contains(&NodeState::Deleted) {
            // Word for word as the indexes have it, so that they are used.
            conditions.and("n.state <> 'deleted'", []);
        }
        if self.drift_only {
            conditions.and("n.state IN ('inconsistent', 'missing')", []);
        }
        let states: Vec<_> = self.states.iter().map(|state| state.as_str()).collect();
        conditions.and_words("n.state", &states);
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        conditions.and_words("n.kind", &kinds);
        if let Some(depth) = self.depth.filter(|depth| *depth > 1) {
            let above = if self.path.is_empty() {
                0
            } else {
                self.path.split('/').count()
            };
            let deepest = i64::from(depth).saturating_add(i64::try_from(above).unwrap_or(i64::MAX));
            conditions.and("n.depth <= ?", [Value::from(deepest)]);
        }
        self.narrow(&mut conditions);
        conditions
    }

    fn narrow(&self, conditions: &mut Conditions) {
        if let Some(search) = &self.search {
            let escaped = search
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            let pattern = Value::from(format!("%{escaped}%"));
            conditions.and("n.path LIKE ? ESCAPE '\\'", [pattern]);
        }
        let bounds = [
            ("n.size_bytes >= ?", self.size_min),
            ("n.size_bytes <= ?", self.size_max),
            ("n.last_seen_at > ?", self.seen_after.map(Time::as_millis)),
            ("n.last_seen_at < ?", self.seen_before.map(Time::as_millis)),
        ];
        for (condition, bound) in bounds {
            if let Some(bound) = bound {
                conditions.and(condition, [Value::from(bound)]);
            }
        }
        for (key, value) in &self.metadata {
            // Values are compared as JSON, so 1 is not "1".
            let condition = "EXISTS (SELECT 1 FROM json_each(coalesce(n.metadata, '{}')) AS entry
                WHERE entry.key = ? AND json_quote(entry.value) = json(?))";
            let values = [Value::from(key.clone()), Value::from(value.to_string())];
            conditions.and(condition, values);
        }
    }
}

/// The paths below this one lie between these, exclusive.
fn below(path: &str) -> (String, Option<String>) {
    match path {
        "" => (String::new(), None),
        // '0' is the character after '/'.
        path => (format!("{path}/"), Some(format!("{path}0"))),
    }
}

/// A page of nodes.
pub(crate) fn list(connection: &Connection, listing: &Listing) -> Result<Listed, StoreError> {
    let directory = match (listing.directory, listing.path.as_str()) {
        (Some(id), _) => node::by_id(connection, id)?,
        (None, "") => Some(node::root(connection, listing.mount_id)?),
        (None, path) => node::at(connection, listing.mount_id, path)?,
    };
    let conditions = listing.conditions(directory.as_ref());
    let total = match directory.as_ref().filter(|_| listing.is_plain()) {
        Some(directory) => Some(plain_total(connection, listing, directory)?),
        None if listing.after.is_some() => None,
        None => Some(counted_total(connection, &conditions)?),
    };
    let is_children = listing.depth == Some(1) && directory.is_some();
    let mut nodes = page(connection, listing, conditions, is_children)?;
    let limit = usize::try_from(listing.limit).unwrap_or(usize::MAX);
    let is_more = nodes.len() > limit;
    nodes.truncate(limit);
    Ok(Listed {
        nodes,
        total,
        is_more,
    })
}

/// One node more than was asked for, to see whether there is one.
fn page(
    connection: &Connection,
    listing: &Listing,
    mut conditions: Conditions,
    is_children: bool,
) -> Result<Vec<Node>, StoreError> {
    let after = match listing.after {
        Some(id) => node::by_id(connection, id)?,
        None => None,
    };
    if let Some(after) = &after {
        let vacated = if after.is_on_disk() { 0 } else { after.id };
        let (condition, name, tie) = if is_children {
            ("(n.name, n.id) > (?, ?)", after.name(), after.id)
        } else {
            ("(n.path, n.vacated) > (?, ?)", after.path.as_str(), vacated)
        };
        conditions.and(condition, [Value::from(name.to_owned()), Value::from(tie)]);
    }
    let order = if is_children {
        "n.name, n.id"
    } else {
        "n.path, n.vacated"
    };
    let sql = format!(
        "{} WHERE {} ORDER BY {order} LIMIT ? OFFSET ?",
        include_str!("sql/node_columns.sql"),
        conditions.sql
    );
    let offset = if after.is_some() { 0 } else { listing.offset };
    let mut values = conditions.values;
    values.push(Value::from(i64::from(listing.limit) + 1));
    values.push(Value::from(i64::from(offset)));
    let mut statement = connection.prepare_cached(&sql)?;
    let nodes = statement.query_map(params_from_iter(values), Node::from_row)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// What the rollup counts, and the missing, which it does not: they are few, and indexed.
fn plain_total(
    connection: &Connection,
    listing: &Listing,
    directory: &Node,
) -> Result<i64, StoreError> {
    let rollup = rollup::of(connection, directory.id)?.unwrap_or_default();
    let (from, to) = below(&listing.path);
    let parent = listing.depth.map(|_| directory.id);
    let missing: i64 = connection
        .prepare_cached(include_str!("sql/count_missing.sql"))?
        .query_row(params![listing.mount_id, from, to, parent], |row| {
            row.get(0)
        })?;
    let on_disk = match parent {
        Some(_) => rollup.child_count,
        None => rollup.file_count + rollup.directory_count,
    };
    Ok(on_disk + missing)
}

fn counted_total(connection: &Connection, conditions: &Conditions) -> Result<i64, StoreError> {
    let sql = format!("SELECT count(*) FROM nodes n WHERE {}", conditions.sql);
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(conditions.values.iter()), |row| row.get(0))?)
}
