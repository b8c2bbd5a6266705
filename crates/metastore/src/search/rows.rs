//! Which rows a table is read from.
//!
//! Every record is in one of two places: it is a node's, or it is a row of people that is of no node.
//! So all records are the nodes, each with what was said of it, and those rows besides.

use super::access::{Access, flatten};
use super::compile::Statement;
use super::field::PLACE;
use super::filter::{Filter, Test};
use super::indexed::Seek;
use super::query::Query;
use crate::namespaces::{LARGEST, numbers};
use crate::record::store::{NODES, RECORDS, node_of_key};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

/// The namespaces of a search, by name and as nodes name them.
#[derive(Debug)]
pub(super) struct Scope {
    /// `None` for all.
    pub(super) names: Option<Vec<String>>,
    numbers: Vec<i64>,
}

impl Scope {
    /// The namespaces that are asked for, and that the filter leaves.
    pub(super) fn of(connection: &Connection, query: &Query) -> rusqlite::Result<Self> {
        let mut names = query.namespaces.clone();
        let mut conditions = Vec::new();
        if let Some(filter) = &query.filter {
            flatten(filter, &mut conditions);
        }
        for condition in conditions {
            if let Some(only) = is(condition, "namespace") {
                let is_asked = names.as_ref().is_none_or(|names| names.contains(only));
                names = Some(is_asked.then(|| only.clone()).into_iter().collect());
            }
        }
        let numbers = match &names {
            Some(names) => numbers(connection, names)?,
            None => Vec::new(),
        };
        Ok(Self { names, numbers })
    }

    /// Whether the index of the nodes' namespaces has all of them.
    fn is_indexed(&self) -> bool {
        !self.numbers.is_empty() && !self.numbers.contains(&LARGEST)
    }

    /// Whether nodes are looked for in the index of their namespaces. It has those of one namespace in
    /// the order of their ids.
    fn begins_with_nodes(&self, access: Access) -> bool {
        match access {
            Access::Namespace => self.is_indexed(),
            Access::Latest => self.is_indexed() && self.numbers.len() == 1,
            _ => false,
        }
    }

    /// Whether no more than about `few` records lie there.
    pub(super) fn is_small(&self, connection: &Connection, few: i64) -> rusqlite::Result<bool> {
        if self.names.is_none() {
            return Ok(false);
        }
        let mut sql = Statement::default();
        sql.push("SELECT (SELECT count(*) FROM (SELECT 1 FROM filestore_nodes n");
        if self.is_indexed() {
            sql.push(" INDEXED BY filestore_nodes_namespace WHERE ");
            self.of_nodes(&mut sql, true);
        } else if self.numbers.is_empty() {
            sql.push(" WHERE 0");
        }
        sql.push(" LIMIT ").bind(few + 1);
        sql.push(")) + (SELECT count(*) FROM (SELECT 1 FROM records r WHERE ");
        self.of_records(&mut sql, true);
        sql.push(" LIMIT ").bind(few + 1).push("))");
        let records: i64 =
            connection.query_row(&sql.text, params_from_iter(sql.params), |row| row.get(0))?;
        Ok(records <= few)
    }

    /// Appends that `n` has a record, and that it lies in one of them; `begins` with the index, which
    /// has them.
    pub(super) fn of_nodes(&self, sql: &mut Statement, begins: bool) {
        if self.names.is_none() {
            sql.push("n.namespace IS NOT NULL");
            return;
        }
        if self.numbers.is_empty() {
            sql.push("0");
            return;
        }
        // The index is taken only if the text itself says so; the plus keeps it out of it.
        sql.push(match begins {
            true => "n.namespace > 1 AND n.namespace",
            false => "+n.namespace",
        });
        let numbers: Vec<_> = self.numbers.iter().map(i64::to_string).collect();
        sql.push(&format!(" IN ({})", numbers.join(", ")));
    }

    /// The same of `r`.
    pub(super) fn of_records(&self, sql: &mut Statement, begins: bool) {
        let column = if begins {
            "r.namespace"
        } else {
            "+r.namespace"
        };
        match self.names.as_deref() {
            None => {
                sql.push("1");
            }
            Some([only]) => {
                sql.push(column).push(" = ").bind(only.clone());
            }
            Some(names) => {
                let list = Value::from(names).to_string();
                sql.push(column);
                sql.push(" IN (SELECT value FROM json_each(")
                    .bind(list)
                    .push("))");
            }
        }
    }
}

/// The text that a column must be.
fn is<'a>(condition: &'a Filter, name: &str) -> Option<&'a String> {
    match condition {
        Filter::Column(column, Test::Eq(Some(Sql::Text(text)))) if column.name == name => {
            Some(text)
        }
        _ => None,
    }
}

/// A part of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nodes, with what was said of them.
    Nodes,
    /// What people wrote, with the nodes that it is of.
    Records,
    /// What people wrote that is of no node.
    Others,
    /// As `Records`: what a person wrote, the newest first.
    Spoken,
    /// As `Nodes`: what no person wrote to, the newest node first.
    SilentNodes,
    /// As `Others`: what no person wrote to.
    SilentOthers,
    /// As `Records`: what no person wrote to.
    SilentRecords,
}

impl Part {
    /// The parts that together are all rows.
    pub(super) const fn all(access: Access) -> &'static [Self] {
        match access {
            Access::Record | Access::Field | Access::Said => &[Self::Records],
            Access::Path | Access::Nodes => &[Self::Nodes],
            Access::Key | Access::Namespace | Access::Latest => &[Self::Nodes, Self::Others],
        }
    }

    /// The parts that one behind the other are all rows in the order that is taken if none is asked
    /// for, where an index has each of them in this order.
    pub(super) const fn in_order(access: Access) -> Option<&'static [Self]> {
        match access {
            Access::Latest => Some(&[Self::Spoken, Self::SilentNodes, Self::SilentOthers]),
            Access::Said => Some(&[Self::Spoken, Self::SilentRecords]),
            _ => None,
        }
    }

    /// What its rows are sorted by.
    pub(super) const fn order(self) -> &'static str {
        match self {
            Self::Spoken => "r.updated_at DESC, coalesce(n.node_id, -r.id) DESC",
            Self::SilentNodes => "n.node_id DESC",
            Self::SilentOthers => "r.id",
            _ => "coalesce(n.node_id, -r.id) DESC",
        }
    }

    const fn is_of_nodes(self) -> bool {
        matches!(self, Self::Nodes | Self::SilentNodes)
    }

    /// Appends `FROM … WHERE …`.
    pub(super) fn push(self, sql: &mut Statement, query: &Query, scope: &Scope, access: Access) {
        sql.push(self.from(access, scope)).push(" WHERE ");
        self.narrow(sql, query, access);
        sql.push(match self {
            Self::Others => "n.node_id IS NULL AND ",
            Self::Spoken => "r.updated_by IS NOT 'filestore-sync' AND ",
            Self::SilentNodes => "(r.id IS NULL OR r.updated_by = 'filestore-sync') AND ",
            Self::SilentOthers => "r.updated_by = 'filestore-sync' AND n.node_id IS NULL AND ",
            Self::SilentRecords => "r.updated_by = 'filestore-sync' AND ",
            Self::Nodes | Self::Records => "",
        });
        if self.is_of_nodes() {
            scope.of_nodes(sql, scope.begins_with_nodes(access));
        } else {
            scope.of_records(sql, matches!(access, Access::Namespace | Access::Key));
        }
        query.matching(sql);
    }

    /// Where rows come from.
    fn from(self, access: Access, scope: &Scope) -> &'static str {
        match (self, access) {
            (Self::Nodes | Self::SilentNodes, _) if scope.begins_with_nodes(access) => {
                "FROM filestore_nodes n INDEXED BY filestore_nodes_namespace \
                 LEFT JOIN records r ON r.id = +n.record_id"
            }
            (Self::Nodes | Self::SilentNodes, _) => NODES,
            (_, Access::Said) => {
                "FROM records r INDEXED BY records_said \
                 LEFT JOIN filestore_nodes n ON n.record_id = r.id"
            }
            (Self::Spoken, _) => {
                "FROM records r INDEXED BY records_spoken \
                 LEFT JOIN filestore_nodes n ON n.record_id = r.id"
            }
            _ => RECORDS,
        }
    }

    /// Appends what the access begins with, and ` AND `.
    fn narrow(self, sql: &mut Statement, query: &Query, access: Access) {
        match access {
            // SQLite takes the index of what was said only then.
            Access::Said => {
                sql.push("r.metadata <> '{}' AND ");
            }
            Access::Field => {
                if let Some(best) = query.best()
                    && let Some(seek) = Seek::of(best.condition, &query.indexed)
                {
                    seek.push(sql);
                    sql.push(" AND ");
                }
            }
            Access::Key => {
                let key = query.best().and_then(|best| is(best.condition, "key"));
                let key = key.cloned().unwrap_or_default();
                if self.is_of_nodes() {
                    sql.push("n.node_id = ").bind(node_of_key(&key));
                } else {
                    sql.push("r.key = ").bind(key);
                }
                sql.push(" AND ");
            }
            _ => {}
        }
    }

    /// Appends that a row comes behind one with this time and place; `None`, if no row of the part does.
    pub(super) fn behind(self, sql: &mut Statement, time: &Sql, place: i64) -> Option<()> {
        match (self, time) {
            (Self::Spoken, Sql::Null) => return None,
            (Self::SilentNodes, Sql::Null) if place < 0 => return None,
            (Self::Spoken, time) => {
                sql.push(" AND r.updated_at <= ").bind(time.clone());
                sql.push(" AND (r.updated_at < ").bind(time.clone());
                sql.push(&format!(" OR {PLACE} < ")).bind(place).push(")");
            }
            (Self::SilentNodes, Sql::Null) => {
                sql.push(" AND n.node_id < ").bind(place);
            }
            (_, Sql::Null) => {
                sql.push(&format!(" AND {PLACE} < ")).bind(place);
            }
            // What a person wrote comes first.
            _ => {}
        }
        Some(())
    }
}
