//! A whole search: namespaces, filter, order, page.
//!
//! There are two ways to the records. A *walk* goes along a lead, from name to name, and needs no
//! order ([`super::walk`]). A *table* is read from one index, filtered and sorted. Which of them it
//! is, is decided by how many records the conditions leave, counted as far as it matters; a cursor
//! keeps to the way that its first page took.

use super::access::{Access, Best, best};
use super::compile::Statement;
use super::cursor::Cursor;
use super::field::JsonField;
use super::filter::Filter;
use super::indexed::Seek;
use super::lead::{Lead, leads};
use super::order::Order;
use super::walk::{Spot, Walk, cost};
use crate::record::store::{self, Stored};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value};
use std::sync::Arc;

/// As few records are sorted rather than walked to.
const FEW: i64 = 2_000;
/// How far ways are compared by what they cost, in rows of an index: some 10 ms for each.
const COMPARED: i64 = 100_000;
/// Most records that are walked to and then sorted.
const SORTED: u64 = 50_000;
/// How far behind a page what matches is counted, on a walk and in a table.
const COUNTED: u64 = 1_000;
const COUNTED_IN_TABLE: u64 = 100_000;

/// What to search for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// `None` for all.
    pub(crate) namespaces: Option<Vec<String>>,
    pub(crate) filter: Option<Filter>,
    /// In no order that was asked for: as it is found by a walk, else the newest first.
    pub(crate) order: Option<Order>,
    pub(crate) includes_deleted: bool,
    pub(crate) limit: u32,
    pub(crate) offset: u64,
    /// Go on behind this.
    pub(crate) after: Option<Cursor>,
    /// Count all, however many there are.
    pub(crate) counts_all: bool,
    /// The fields of the metadata that are indexed.
    pub(crate) indexed: Arc<[JsonField]>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// As many match, on every page; at least, if they were not all counted.
    pub(crate) total: u64,
    pub(crate) is_total_exact: bool,
    pub(crate) records: Vec<Stored>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Cursor>,
    pub(crate) way: Way,
    /// How many nodes were looked at because the index of names does not cover them yet.
    pub(crate) looked_through: u64,
}

/// How the records are come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Along the lead of this number.
    Walk(usize, Lead),
    Table(Access),
}

impl Query {
    /// Runs the search, page and total at one state of the book.
    pub(crate) fn run(&self, connection: &Connection) -> rusqlite::Result<Found> {
        let transaction = connection.unchecked_transaction()?;
        let way = self.way(&transaction)?;
        match &way {
            Way::Walk(number, lead) if self.order.is_none() => {
                self.walk(&transaction, *number, lead, way.clone())
            }
            Way::Walk(_, lead) => match self.walk_to_ids(&transaction, lead)? {
                Some(ids) => self.table(&transaction, way.clone(), Some(&ids)),
                None => {
                    let best = best(self.filter.as_ref(), &self.indexed);
                    let access = best.map_or(Access::Latest, |best| best.access);
                    self.table(&transaction, Way::Table(access), None)
                }
            },
            Way::Table(_) => self.table(&transaction, way, None),
        }
    }

    /// The way to take.
    pub(crate) fn way(&self, connection: &Connection) -> rusqlite::Result<Way> {
        let mut leads = leads(self.filter.as_ref());
        match &self.after {
            Some(Cursor::Walk { lead: number, .. }) if *number < leads.len() => {
                return Ok(Way::Walk(*number, leads.swap_remove(*number)));
            }
            Some(Cursor::Table { .. }) if self.order.is_none() => leads.clear(),
            _ => {}
        }
        let best = best(self.filter.as_ref(), &self.indexed);
        if let Some(best) = best
            && (leads.is_empty() || best.is_unique || self.leaves_few(connection, &best)?)
        {
            return Ok(Way::Table(best.access));
        }
        if self.are_namespaces_small(connection)? {
            return Ok(Way::Table(Access::Namespace));
        }
        let mut cheapest: Option<(i64, usize, Lead)> = None;
        let is_choice = leads.len() > 1;
        for (number, lead) in leads.into_iter().enumerate() {
            let cost = if is_choice {
                cost(connection, &lead, COMPARED)?
            } else {
                0
            };
            if cheapest.as_ref().is_none_or(|(least, ..)| cost < *least) {
                cheapest = Some((cost, number, lead));
            }
        }
        Ok(match cheapest {
            Some((_, number, lead)) => Way::Walk(number, lead),
            None => Way::Table(Access::Latest),
        })
    }

    fn leaves_few(&self, connection: &Connection, best: &Best<'_>) -> rusqlite::Result<bool> {
        let mut sql = Statement::default();
        sql.push("SELECT count(*) FROM (SELECT 1 ")
            .push(from(best.access, false));
        sql.push(" WHERE ").push(said(best.access));
        match Seek::of(best.condition, &self.indexed) {
            Some(seek) => seek.push(&mut sql),
            None => sql.filter(best.condition),
        }
        sql.push(" LIMIT ").bind(FEW + 1).push(")");
        is_few(connection, sql)
    }

    fn are_namespaces_small(&self, connection: &Connection) -> rusqlite::Result<bool> {
        if self.namespaces.is_none() {
            return Ok(false);
        }
        let mut sql = Statement::default();
        sql.push("SELECT count(*) FROM (SELECT 1 FROM records r WHERE ");
        self.within_namespaces(&mut sql, "r.namespace");
        sql.push(" LIMIT ").bind(FEW + 1).push(")");
        is_few(connection, sql)
    }

    fn walk(
        &self,
        connection: &Connection,
        number: usize,
        lead: &Lead,
        way: Way,
    ) -> rusqlite::Result<Found> {
        let mut matching = Statement::default();
        self.matching(&mut matching, "r.namespace");
        let walk = |select| Walk {
            lead,
            select,
            matching: &matching,
        };
        let after = match &self.after {
            Some(Cursor::Walk { spot, .. }) => Some(spot),
            _ => None,
        };
        let offset = if after.is_some() { 0 } else { self.offset };
        let page = u64::from(self.limit);
        let (mut passed, mut records, mut last, mut is_more) = (0, Vec::new(), None, false);
        let looked_through = walk(store::SELECT).run(
            connection,
            after,
            offset.saturating_add(page).saturating_add(1),
            |top, row| {
                passed += 1;
                if passed <= offset {
                    return Ok(());
                }
                if records.len() as u64 == page {
                    is_more = true;
                    return Ok(());
                }
                let (node_id, path) = (row.get("node_id")?, row.get("path")?);
                last = Some(Spot { top, path, node_id });
                records.push(Stored::from_row(row)?);
                Ok(())
            },
        )?;
        let mut total = passed;
        let mut is_total_exact = !is_more && after.is_none();
        if !is_total_exact {
            // On a later page from the beginning, because a cursor does not say how much lies before it.
            let (counted, from) = match (&last, after) {
                (Some(last), None) => (offset.saturating_add(page), Some(last)),
                _ => (0, None),
            };
            let most = self.count_to(COUNTED);
            total = counted;
            walk("SELECT 1").run(connection, from, most.saturating_sub(counted), |_, _| {
                total += 1;
                Ok(())
            })?;
            is_total_exact = total < most;
        }
        let next = last
            .filter(|_| is_more)
            .map(|spot| Cursor::Walk { lead: number, spot });
        Ok(Found {
            total,
            is_total_exact,
            records,
            next,
            way,
            looked_through,
        })
    }

    /// The ids of all records along the lead; `None` if there are too many to sort.
    fn walk_to_ids(
        &self,
        connection: &Connection,
        lead: &Lead,
    ) -> rusqlite::Result<Option<String>> {
        let mut matching = Statement::default();
        self.matching(&mut matching, "r.namespace");
        let walk = Walk {
            lead,
            select: "SELECT r.id",
            matching: &matching,
        };
        let mut ids = Vec::new();
        walk.run(connection, None, SORTED + 1, |_, row| {
            ids.push(row.get::<_, i64>(0)?);
            Ok(())
        })?;
        Ok((ids.len() as u64 <= SORTED).then(|| Value::from(ids).to_string()))
    }

    fn table(
        &self,
        connection: &Connection,
        way: Way,
        ids: Option<&str>,
    ) -> rusqlite::Result<Found> {
        let access = match &way {
            Way::Table(access) => *access,
            Way::Walk(..) => Access::Record,
        };
        let latest = Order::new(Vec::new());
        let order = self.order.as_ref().unwrap_or(&latest);
        let page = self.page(access, order, ids);
        let (mut records, mut last, mut is_more) = (Vec::new(), None, false);
        let mut statement = connection.prepare(&page.text)?;
        let mut rows = statement.query(params_from_iter(page.params))?;
        while let Some(row) = rows.next()? {
            if records.len() as u64 == u64::from(self.limit) {
                is_more = true;
                break;
            }
            let values = (0..order.len()).map(|index| row.get(format!("sort_{index}").as_str()));
            let values = values.collect::<rusqlite::Result<Vec<Sql>>>()?;
            let record = Stored::from_row(row)?;
            last = Some(Cursor::Table {
                values,
                id: record.id,
            });
            records.push(record);
        }
        let seen = self.offset.saturating_add(records.len() as u64);
        let is_known =
            !is_more && self.after.is_none() && (self.offset == 0 || !records.is_empty());
        let (total, is_total_exact) = if is_known {
            (seen, true)
        } else {
            let most = self.count_to(COUNTED_IN_TABLE);
            let count = self.count(access, ids, most);
            let total: i64 =
                connection.query_row(&count.text, params_from_iter(count.params), |row| {
                    row.get(0)
                })?;
            (total.unsigned_abs(), total.unsigned_abs() < most)
        };
        let next = last.filter(|_| is_more);
        Ok(Found {
            total,
            is_total_exact,
            records,
            next,
            way,
            looked_through: 0,
        })
    }

    /// How far to count.
    fn count_to(&self, behind: u64) -> u64 {
        if self.counts_all {
            return i64::MAX.unsigned_abs();
        }
        self.offset
            .saturating_add(u64::from(self.limit))
            .saturating_add(behind)
    }

    fn page(&self, access: Access, order: &Order, ids: Option<&str>) -> Statement {
        let mut sql = Statement::default();
        sql.push(store::SELECT.trim_end());
        order.columns(&mut sql);
        sql.push(" ");
        self.rows(&mut sql, access, ids);
        if let Some(Cursor::Table { values, id }) = &self.after {
            order.behind(&mut sql, values, *id);
        }
        order.order_by(&mut sql);
        sql.push(" LIMIT ").bind(i64::from(self.limit) + 1);
        if self.after.is_none() {
            sql.push(" OFFSET ")
                .bind(i64::try_from(self.offset).unwrap_or(i64::MAX));
        }
        sql
    }

    fn count(&self, access: Access, ids: Option<&str>, most: u64) -> Statement {
        let mut sql = Statement::default();
        sql.push("SELECT count(*) FROM (SELECT 1 ");
        self.rows(&mut sql, access, ids);
        sql.push(" LIMIT ").bind(most.cast_signed()).push(")");
        sql
    }

    /// `FROM … WHERE …`
    fn rows(&self, sql: &mut Statement, access: Access, ids: Option<&str>) {
        let is_latest_first = self.order.is_none();
        sql.push(from(access, is_latest_first))
            .push(" WHERE ")
            .push(said(access));
        let best = best(self.filter.as_ref(), &self.indexed);
        if let Some(best) = best.filter(|_| access == Access::Field)
            && let Some(seek) = Seek::of(best.condition, &self.indexed)
        {
            seek.push(sql);
            sql.push(" AND ");
        }
        if let Some(ids) = ids {
            sql.push("r.id IN (SELECT value FROM json_each(")
                .bind(ids.to_owned())
                .push(")) AND ");
        }
        // The plus keeps the index of namespaces out of it.
        self.matching(
            sql,
            match access {
                Access::Namespace => "r.namespace",
                _ => "+r.namespace",
            },
        );
    }

    /// What must hold, of `r` and `n`.
    fn matching(&self, sql: &mut Statement, namespace: &str) {
        self.within_namespaces(sql, namespace);
        if !self.includes_deleted {
            sql.push(" AND r.deleted_at IS NULL AND n.deleted_at IS NULL");
        }
        if let Some(filter) = &self.filter {
            sql.push(" AND (");
            sql.filter(filter);
            sql.push(")");
        }
    }

    fn within_namespaces(&self, sql: &mut Statement, namespace: &str) {
        match self.namespaces.as_deref() {
            None => {
                sql.push("1");
            }
            Some([only]) => {
                sql.push(namespace).push(" = ").bind(only.clone());
            }
            Some(namespaces) => {
                let list = Value::from(namespaces).to_string();
                sql.push(namespace);
                sql.push(" IN (SELECT value FROM json_each(")
                    .bind(list)
                    .push("))");
            }
        }
    }

    /// What SQLite does for a page, a line a step.
    pub(crate) fn plan(&self, connection: &Connection, way: &Way) -> rusqlite::Result<Vec<String>> {
        let latest = Order::new(Vec::new());
        let page = match way {
            Way::Table(access) => self.page(*access, self.order.as_ref().unwrap_or(&latest), None),
            Way::Walk(_, lead) => return Ok(lead.plan()),
        };
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", page.text))?;
        let lines = explain.query_map(params_from_iter(page.params), |row| row.get(3))?;
        lines.collect()
    }
}

/// What must hold for the index of what was said to be used: SQLite takes it only then.
const fn said(access: Access) -> &'static str {
    match access {
        Access::Said => "r.metadata <> '{}' AND ",
        _ => "",
    }
}

/// Where rows come from; CROSS JOIN fixes the order of the two tables.
const fn from(access: Access, is_latest_first: bool) -> &'static str {
    const NODE: &str = "FROM records r LEFT JOIN filestore_nodes n ON n.record_id = r.id";
    match access {
        Access::Path => "FROM filestore_nodes n CROSS JOIN records r ON r.id = n.record_id",
        Access::Namespace | Access::Record | Access::Field => NODE,
        Access::Said => {
            "FROM records r INDEXED BY records_said LEFT JOIN filestore_nodes n ON n.record_id = r.id"
        }
        Access::Latest if is_latest_first => {
            "FROM records r INDEXED BY records_updated \
             LEFT JOIN filestore_nodes n ON n.record_id = r.id"
        }
        Access::Latest => NODE,
    }
}

fn is_few(connection: &Connection, count: Statement) -> rusqlite::Result<bool> {
    let count: i64 = connection.query_row(&count.text, params_from_iter(count.params), |row| {
        row.get(0)
    })?;
    Ok(count <= FEW)
}

/// The parts of a shown record that `fields` name; namespace and key always.
pub(crate) fn project(record: &Value, fields: &[String]) -> Value {
    let mut projected = Map::new();
    for name in ["namespace", "key"]
        .into_iter()
        .chain(fields.iter().map(String::as_str))
    {
        let names: Vec<&str> = name.split('.').collect();
        copy(record, &names, &mut projected);
    }
    Value::Object(projected)
}

fn copy(from: &Value, names: &[&str], to: &mut Map<String, Value>) {
    let Some((name, rest)) = names.split_first() else {
        return;
    };
    let Some(value) = from.get(name) else {
        return;
    };
    if rest.is_empty() {
        to.insert((*name).to_owned(), value.clone());
        return;
    }
    let inner = to.entry(*name).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        copy(value, rest, inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{functions, parse};
    use serde_json::json;

    fn plan(filter: &Value) -> String {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::db::migrate(&mut connection).unwrap();
        functions::register(&connection).unwrap();
        let query = Query {
            filter: Some(parse(filter, "").unwrap()),
            limit: 10,
            ..Query::default()
        };
        let way = query.way(&connection).unwrap();
        query.plan(&connection, &way).unwrap().join("\n")
    }

    #[test]
    fn a_search_begins_with_the_index_that_leaves_the_fewest_records() {
        let is = |field: &str, operator: &str, value: &str| json!({"field": field, "operator": operator, "value": value});
        let path = "metadata.filestore.path";
        for (filter, begins) in [
            (
                is(path, "prefix", "docs/"),
                "SEARCH n USING INDEX filestore_nodes_path (path>? AND path<?)",
            ),
            (
                is(path, "glob", "docs/**"),
                "SEARCH n USING INDEX filestore_nodes_path (path>? AND path<?)",
            ),
            (
                is(path, "eq", "docs/a"),
                "SEARCH n USING INDEX filestore_nodes_path (path=?)",
            ),
            (
                is("tags", "contains", "a"),
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
            ),
            (
                is("owner", "eq", "ada"),
                "SEARCH r USING INDEX records_owner (owner=?)",
            ),
            (
                is("metadata.a", "eq", "1"),
                "SCAN r USING INDEX records_said",
            ),
            (
                is("createdBy", "eq", "1"),
                "SCAN r USING INDEX records_updated",
            ),
        ] {
            let plan = plan(&filter);
            let first = plan.lines().next().unwrap();
            assert!(first.contains(begins), "{filter}\n{plan}");
        }
    }

    #[test]
    fn a_projection_copies_the_named_parts() {
        let record = json!({
            "namespace": "n", "key": "k", "owner": null, "tags": ["a"],
            "metadata": {"a": {"b": 1, "c": 2}, "filestore": {"path": "p", "kind": "file"}},
        });
        let fields = [
            "owner",
            "metadata.a.b",
            "metadata.filestore.path",
            "nothing.here",
        ];
        assert_eq!(
            project(&record, &fields.map(str::to_owned)),
            json!({"namespace": "n", "key": "k", "owner": null,
                   "metadata": {"a": {"b": 1}, "filestore": {"path": "p"}}})
        );
    }
}
