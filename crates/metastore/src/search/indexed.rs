//! Fields of the metadata that an operator has indexed.
//!
//! Two indexes a field: one of single values, one of the records where it is a list. What they find
//! is only narrowed down by them; the search asks each record whether everything holds.

use super::compile::{Statement, literal_prefix, scalar};
use super::field::{Field, JsonField, METADATA, field};
use super::filter::{Filter, JsonTest, Scalar, Test};
use rusqlite::{Connection, TransactionBehavior};

/// Most fields that may be indexed.
const FIELDS: usize = 32;

/// The field of people's metadata under this name, or what is wrong with the name.
fn field_of(name: &str) -> Result<JsonField, String> {
    let name = name.strip_prefix("metadata.").unwrap_or(name);
    match field(&format!("metadata.{name}"))? {
        Field::Json(json) if json.sql == METADATA => Ok(json),
        _ => Err(format!(
            "{name} is no field that people write in the metadata"
        )),
    }
}

/// The names as they are in a filter, or what is wrong with one.
pub(crate) fn check(names: &[String]) -> Result<Vec<JsonField>, String> {
    if names.len() > FIELDS {
        return Err(format!(
            "at most {FIELDS} fields can be indexed, not {}",
            names.len()
        ));
    }
    names.iter().map(|name| field_of(name)).collect()
}

/// The value as SQL; the path stands in it, because an index is found by its text.
fn value(json: &JsonField, table: &str) -> String {
    format!(
        "json_extract({table}metadata, '{}')",
        json.path().replace('\'', "''")
    )
}

fn kind(json: &JsonField, table: &str) -> String {
    format!(
        "json_type({table}metadata, '{}')",
        json.path().replace('\'', "''")
    )
}

fn index_name(of: &str, json: &JsonField) -> String {
    let names = json.names.join(".");
    let hash = blake3::hash(names.as_bytes()).to_hex();
    format!("metadata_{of}_{}", hash.get(..16).unwrap_or_default())
}

/// Makes the indexes of these fields, and removes those of other ones.
pub(crate) fn settle(connection: &mut Connection, fields: &[JsonField]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let there = transaction
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'index' \
             AND (name GLOB 'metadata_value_*' OR name GLOB 'metadata_list_*')",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let mut wanted = Vec::new();
    for json in fields {
        let (value, kind) = (value(json, ""), kind(json, ""));
        let of_values = format!("({value}) WHERE {value} IS NOT NULL");
        let of_lists = format!("(id) WHERE {kind} = 'array'");
        wanted.push((index_name("value", json), of_values));
        wanted.push((index_name("list", json), of_lists));
    }
    for name in there
        .iter()
        .filter(|name| wanted.iter().all(|(wanted, _)| wanted != *name))
    {
        transaction.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    for (name, definition) in wanted.iter().filter(|(name, _)| !there.contains(name)) {
        tracing::info!(index = name, "indexing a field of the metadata");
        transaction.execute_batch(&format!("CREATE INDEX {name} ON records {definition}"))?;
    }
    transaction.commit()
}

/// A condition that the indexes of a field answer.
#[derive(Debug)]
pub(crate) struct Seek<'a> {
    json: &'a JsonField,
    tests: Vec<&'a Test<Scalar>>,
    /// A list may have the value.
    asks_lists: bool,
}

impl<'a> Seek<'a> {
    /// How the condition is answered by the indexes of the fields, if it is.
    pub(crate) fn of(condition: &'a Filter, fields: &[JsonField]) -> Option<Self> {
        let alternatives = match condition {
            Filter::Any(filters) => filters.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut seek: Option<Self> = None;
        for alternative in alternatives {
            let Filter::Json(json, test) = alternative else {
                return None;
            };
            if !fields.contains(json) || seek.as_ref().is_some_and(|seek| seek.json != json) {
                return None;
            }
            let seek = seek.get_or_insert(Self {
                json,
                tests: Vec::new(),
                asks_lists: false,
            });
            match test {
                JsonTest::Is(test) if is_answered(test) => seek.tests.push(test),
                JsonTest::HasAny(_) => seek.asks_lists = true,
                _ => return None,
            }
        }
        seek
    }

    /// Appends the condition that a record is one that the indexes find.
    pub(crate) fn push(&self, sql: &mut Statement) {
        let (values, value) = (index_name("value", self.json), value(self.json, "f."));
        sql.push("r.id IN (");
        for (index, test) in self.tests.iter().enumerate() {
            sql.push(if index == 0 { "" } else { " UNION ALL " });
            sql.push(&format!(
                "SELECT f.id FROM records f INDEXED BY {values} WHERE {value} IS NOT NULL AND "
            ));
            let part = |sql: &mut Statement| {
                sql.push(&value);
            };
            match test {
                Test::Glob(glob) => sql.prefix(&part, literal_prefix(glob)),
                test => sql.test(part, test, scalar),
            }
        }
        if self.asks_lists {
            sql.push(if self.tests.is_empty() {
                ""
            } else {
                " UNION ALL "
            });
            let (lists, kind) = (index_name("list", self.json), kind(self.json, "f."));
            sql.push(&format!(
                "SELECT f.id FROM records f INDEXED BY {lists} WHERE {kind} = 'array'"
            ));
        }
        sql.push(")");
    }
}

/// Whether an index in the order of SQLite's values answers the test.
fn is_answered(test: &Test<Scalar>) -> bool {
    match test {
        Test::Eq(Some(_))
        | Test::Less(_)
        | Test::LessOrEqual(_)
        | Test::Greater(_)
        | Test::GreaterOrEqual(_)
        | Test::Between(_, _)
        | Test::Prefix(_) => true,
        Test::Glob(glob) => !literal_prefix(glob).is_empty(),
        Test::Eq(None) | Test::Holds(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_made_once_and_removed_when_they_are_not_wanted() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::db::migrate(&mut connection).unwrap();
        let names = |connection: &Connection| -> i64 {
            let sql = "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'metadata_*'";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let fields =
            |names: &[&str]| check(&names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
        let two = fields(&["project", "metadata.it's.deep"]).unwrap();
        settle(&mut connection, &two).unwrap();
        settle(&mut connection, &two).unwrap();
        assert_eq!(names(&connection), 4);
        settle(&mut connection, &two[..1]).unwrap();
        assert_eq!(names(&connection), 2);
        settle(&mut connection, &[]).unwrap();
        assert_eq!(names(&connection), 0);
        for bad in ["", "filestore.path", "a..b", "a\"b"] {
            fields(&[bad]).unwrap_err();
        }
    }
}
