//! A whole search: namespaces, filter, order, page.

use super::access::{Access, access};
use super::compile::Statement;
use super::field::{Field, field};
use super::filter::Filter;
use crate::record::store::{self, Stored};
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value};

/// Which way to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// One key of the order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sort {
    field: Field,
    direction: Direction,
}

/// The order by this field, or what is wrong with it.
pub(crate) fn sort_field(name: &str, direction: Direction) -> Result<Sort, String> {
    match field(name)? {
        field @ (Field::Column(_) | Field::Json(_)) => Ok(Sort { field, direction }),
        Field::Tags | Field::Node => Err(format!("{name} has no order")),
    }
}

/// What to search for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// `None` for all.
    pub(crate) namespaces: Option<Vec<String>>,
    pub(crate) filter: Option<Filter>,
    /// By the time of the last write, newest first, if it is empty.
    pub(crate) sort: Vec<Sort>,
    pub(crate) includes_deleted: bool,
    pub(crate) limit: u32,
    pub(crate) offset: u64,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// All that match, on every page.
    pub(crate) total: i64,
    pub(crate) records: Vec<Stored>,
}

impl Query {
    /// Runs the search, page and total at one state of the book.
    pub(crate) fn run(&self, connection: &Connection) -> rusqlite::Result<Found> {
        let transaction = connection.unchecked_transaction()?;
        let page = self.page();
        let records = transaction
            .prepare(&page.text)?
            .query_map(params_from_iter(page.params), Stored::from_row)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let is_last = u32::try_from(records.len()).is_ok_and(|found| found < self.limit);
        let total = if is_last && (self.offset == 0 || !records.is_empty()) {
            i64::try_from(self.offset.saturating_add(records.len() as u64)).unwrap_or(i64::MAX)
        } else {
            let count = self.count();
            transaction.query_row(&count.text, params_from_iter(count.params), |row| {
                row.get(0)
            })?
        };
        Ok(Found { total, records })
    }

    fn page(&self) -> Statement {
        let mut sql = Statement::default();
        sql.push(store::SELECT).push(" ");
        self.matching(&mut sql);
        sql.push(" ORDER BY ");
        for sort in &self.sort {
            match &sort.field {
                Field::Column(column) => {
                    sql.push(column.sql);
                }
                Field::Json(json) => {
                    sql.push("json_extract(")
                        .push(json.sql)
                        .push(", ")
                        .bind(json.path())
                        .push(")");
                }
                // `sort_field` refuses these.
                Field::Tags | Field::Node => continue,
            }
            sql.push(match sort.direction {
                Direction::Ascending => " ASC, ",
                Direction::Descending => " DESC, ",
            });
        }
        if self.sort.is_empty() {
            sql.push("r.updated_at DESC, ");
        }
        let offset = i64::try_from(self.offset).unwrap_or(i64::MAX);
        sql.push("r.id LIMIT ")
            .bind(i64::from(self.limit))
            .push(" OFFSET ")
            .bind(offset);
        sql
    }

    fn count(&self) -> Statement {
        let mut sql = Statement::default();
        sql.push("SELECT count(*) ");
        self.matching(&mut sql);
        sql
    }

    fn matching(&self, sql: &mut Statement) {
        let access = access(self.filter.as_ref());
        sql.push(match access {
            // CROSS JOIN fixes the order of the two tables.
            Access::Path => "FROM filestore_nodes n CROSS JOIN records r ON r.id = n.record_id",
            Access::Namespace | Access::Record => {
                "FROM records r LEFT JOIN filestore_nodes n ON n.record_id = r.id"
            }
        });
        sql.push(" WHERE ");
        match &self.namespaces {
            None => {
                sql.push("1");
            }
            Some(namespaces) => {
                // The plus keeps the index of namespaces out of it.
                sql.push(if access == Access::Namespace {
                    "r.namespace"
                } else {
                    "+r.namespace"
                });
                match namespaces.as_slice() {
                    [namespace] => {
                        sql.push(" = ").bind(namespace.clone());
                    }
                    _ => {
                        let list = Value::from(namespaces.as_slice()).to_string();
                        sql.push(" IN (SELECT value FROM json_each(")
                            .bind(list)
                            .push("))");
                    }
                }
            }
        }
        if !self.includes_deleted {
            sql.push(" AND r.deleted_at IS NULL AND n.deleted_at IS NULL");
        }
        if let Some(filter) = &self.filter {
            sql.push(" AND (");
            sql.filter(filter);
            sql.push(")");
        }
    }
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
            namespaces: Some(vec!["filestore".to_owned()]),
            filter: Some(parse(filter, "").unwrap()),
            limit: 10,
            ..Query::default()
        };
        let page = query.page();
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", page.text))
            .unwrap();
        let lines = explain.query_map(params_from_iter(page.params), |row| row.get::<_, String>(3));
        lines
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .join("\n")
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
            (is("key", "eq", "1"), "(namespace=? AND key=?)"),
            (is("metadata.a", "eq", "1"), "(namespace=?)"),
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
