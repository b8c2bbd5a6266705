//! The order of what is found, and where in it a page begins.

use super::compile::Statement;
use super::field::{Field, PLACE, SPOKEN, field};
use rusqlite::types::Value as Sql;

/// Which way to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::Ascending => " ASC",
            Self::Descending => " DESC",
        }
    }
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

impl Sort {
    /// Appends what is sorted by.
    fn value(&self, sql: &mut Statement) {
        match &self.field {
            Field::Column(column) => {
                sql.push(column.sql);
            }
            Field::Json(json) => {
                sql.push("json_extract(")
                    .push(json.sql)
                    .push(", ")
                    .bind(json.path());
                sql.push(")");
            }
            // `sort_field` refuses these.
            Field::Tags | Field::Node => {
                sql.push("NULL");
            }
        }
    }
}

/// The whole order: the keys, then the record's place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    keys: Vec<Sort>,
    place: Direction,
}

impl Order {
    /// By these keys. If there are none: by the time of a person's last write, newest first, and then
    /// what nobody has written to, the newest node first.
    pub(crate) fn new(keys: Vec<Sort>) -> Self {
        if !keys.is_empty() {
            return Self {
                keys,
                place: Direction::Ascending,
            };
        }
        let latest = Sort {
            field: Field::Column(SPOKEN),
            direction: Direction::Descending,
        };
        Self {
            keys: vec![latest],
            place: Direction::Descending,
        }
    }

    /// The order for a reader who may not know where nodes were before.
    pub(crate) fn without_previous_path(mut self) -> Self {
        for key in &mut self.keys {
            if let Field::Column(column) = &mut key.field {
                *column = column.without_previous_path();
            }
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Appends what a row is sorted by as columns, each with a comma before it. They have names, so that
    /// rows of several parts can be sorted together.
    pub(crate) fn columns(&self, sql: &mut Statement) {
        for (index, key) in self.keys.iter().enumerate() {
            sql.push(", ");
            key.value(sql);
            sql.push(&format!(" AS sort_{index}"));
        }
        sql.push(&format!(", {PLACE} AS place"));
    }

    /// Appends ` ORDER BY …`.
    pub(crate) fn order_by(&self, sql: &mut Statement) {
        sql.push(" ORDER BY ");
        for (index, key) in self.keys.iter().enumerate() {
            sql.push(&format!("sort_{index}{}, ", key.direction.word()));
        }
        sql.push("place").push(self.place.word());
    }

    /// Appends the condition that a row comes behind one with these values and this place. SQLite
    /// takes null for the smallest value.
    pub(crate) fn behind(&self, sql: &mut Statement, values: &[Sql], place: i64) {
        sql.push(" AND ");
        let keys: Vec<_> = self.keys.iter().zip(values).collect();
        for (key, value) in &keys {
            sql.push("(");
            match (key.direction, value) {
                (Direction::Ascending, Sql::Null) => {
                    key.value(sql);
                    sql.push(" IS NOT NULL");
                }
                (Direction::Ascending, value) => {
                    key.value(sql);
                    sql.push(" > ").bind((*value).clone());
                }
                (Direction::Descending, Sql::Null) => {
                    sql.push("0");
                }
                (Direction::Descending, value) => {
                    key.value(sql);
                    sql.push(" < ").bind((*value).clone()).push(" OR ");
                    key.value(sql);
                    sql.push(" IS NULL");
                }
            }
            sql.push(" OR (");
            key.value(sql);
            sql.push(" IS ").bind((*value).clone()).push(" AND ");
        }
        sql.push(PLACE).push(match self.place {
            Direction::Ascending => " > ",
            Direction::Descending => " < ",
        });
        sql.bind(place);
        keys.iter().for_each(|_| {
            sql.push("))");
        });
    }
}
