//! Pages of an answer.
//!
//! A cursor tells the values that the last row has in the columns that the answer is ordered by, and
//! the next page begins after them: whatever is written meanwhile, no row comes twice. Where the
//! order itself changes with every entry (the largest files), a cursor also tells the last entry that
//! the first page reflects, and all pages are of that state.

use crate::encode;
use crate::error::{Error, Result};
use crate::statement::ResultSet;
use duckdb::types::Value;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::IntoParams;

/// A column that an answer is ordered by; NULL comes last. All of them together are different in
/// every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name in the answer.
    pub(crate) column: &'static str,
    /// Its type in SQL.
    pub(crate) sql_type: &'static str,
    pub(crate) is_descending: bool,
}

impl Key {
    pub(crate) const fn ascending(column: &'static str, sql_type: &'static str) -> Self {
        Self {
            column,
            sql_type,
            is_descending: false,
        }
    }

    pub(crate) const fn descending(column: &'static str, sql_type: &'static str) -> Self {
        Self {
            column,
            sql_type,
            is_descending: true,
        }
    }
}

/// Where to go on.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The `nextCursor` of the page before; the first page, if left out.
    cursor: Option<String>,
}

/// What a cursor says.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// The last entry that the first page reflects.
    head: i64,
    /// The last row's values, as text.
    last: Vec<Option<String>>,
}

/// One page that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// The last entry that the pages reflect, if the page before said one.
    pub(crate) head: Option<i64>,
    /// Holds for the rows after the page before.
    pub(crate) condition: String,
}

impl PageQuery {
    /// The page of an answer that is ordered by these keys.
    pub(crate) fn page(&self, keys: &[Key], params: &mut HashMap<String, Value>) -> Result<Page> {
        let Some(text) = &self.cursor else {
            return Ok(Page {
                head: None,
                condition: "TRUE".to_owned(),
            });
        };
        let cursor = Cursor::decode(text)
            .filter(|cursor| cursor.last.len() == keys.len())
            .ok_or_else(|| {
                Error::invalid(
                    "/cursor",
                    "it is not the nextCursor of a page of this answer",
                )
            })?;
        for (at, value) in cursor.last.into_iter().enumerate() {
            let value = value.map_or(Value::Null, Value::Text);
            params.insert(format!("last{at}"), value);
        }
        Ok(Page {
            head: Some(cursor.head),
            condition: after(keys),
        })
    }
}

impl Cursor {
    fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&hex::decode(text).ok()?).ok()
    }
}

/// The cursor after the result's last row; none, if there is no further row.
pub(crate) fn next_cursor(result: &ResultSet, keys: &[Key], head: i64) -> Result<Option<String>> {
    if result.cut.is_none() || keys.is_empty() {
        return Ok(None);
    }
    let Some(last) = encode::last_row(result, keys.iter().map(|key| key.column)) else {
        return Ok(None);
    };
    let json = serde_json::to_vec(&Cursor { head, last })?;
    Ok(Some(hex::encode(json)))
}

/// Holds for rows that come after the one whose values are `$last0`, `$last1` and so on.
fn after(keys: &[Key]) -> String {
    let value = |at: usize, key: &Key| format!("$last{at}::VARCHAR::{}", key.sql_type);
    let column = |key: &Key| crate::schema::quote(key.column);
    let alternatives: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let same = keys.iter().enumerate().take(at).map(|(at, key)| {
                format!(
                    "{} IS NOT DISTINCT FROM {} AND ",
                    column(key),
                    value(at, key)
                )
            });
            let operator = if key.is_descending { "<" } else { ">" };
            let (column, value) = (column(key), value(at, key));
            format!(
                "({}{value} IS NOT NULL AND ({column} {operator} {value} OR {column} IS NULL))",
                same.collect::<String>()
            )
        })
        .collect();
    format!("({})", alternatives.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_another_answer_is_refused() {
        let keys = [Key::ascending("a", "BIGINT")];
        let page = |cursor: &str| {
            let query = PageQuery {
                cursor: Some(cursor.to_owned()),
            };
            query.page(&keys, &mut HashMap::new())
        };
        let good = hex::encode(br#"{"head":7,"last":["1"]}"#);
        assert_eq!(page(&good).unwrap().head, Some(7));
        let other = hex::encode(br#"{"head":7,"last":["1",null]}"#);
        for bad in ["", "zz", "00", &other] {
            assert!(page(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_comes_last_in_both_directions() {
        let keys = [
            Key::descending("n", "HUGEINT"),
            Key::ascending("t", "VARCHAR"),
        ];
        let connection = duckdb::Connection::open_in_memory().unwrap();
        let rows =
            "(VALUES (2::HUGEINT, 'a'), (2, NULL), (1, 'b'), (NULL, 'a'), (NULL, NULL)) AS t(n, t)";
        let mut last: Option<(Option<i64>, Option<String>)> = None;
        let mut seen = Vec::new();
        loop {
            let condition = match &last {
                None => "TRUE".to_owned(),
                Some((n, t)) => {
                    let text = |value: Option<String>| {
                        value.map_or("NULL".to_owned(), |v| format!("'{v}'"))
                    };
                    after(&keys)
                        .replace("$last0", &text(n.map(|n| n.to_string())))
                        .replace("$last1", &text(t.clone()))
                }
            };
            let sql = format!(
                "SELECT n::BIGINT, t FROM {rows} WHERE {condition} ORDER BY n DESC NULLS LAST, t LIMIT 1"
            );
            let row = connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
            match row {
                Ok(row) => {
                    seen.push(row);
                    last = seen.last().cloned();
                }
                Err(_) => break,
            }
        }
        let text = |t: &str| Some(t.to_owned());
        assert_eq!(
            seen,
            [
                (Some(2), text("a")),
                (Some(2), None),
                (Some(1), text("b")),
                (None, text("a")),
                (None, None),
            ]
        );
    }
}
