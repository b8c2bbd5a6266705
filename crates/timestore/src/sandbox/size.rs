//! How long the values can be that a statement makes, before it runs.
//!
//! DuckDB looks at its memory limit and at an interrupt between blocks of 2,048 rows, so what one
//! function makes for one block must be short by itself: `repeat('x', 3000000000)`, or twenty
//! subqueries of which each doubles the one before. An upper bound is found from the statement's
//! tree, as a sum over all of its expressions, in bytes a row. What a table's column holds is taken
//! for [`COLUMN_BYTES`]; how many times a function makes something is read from its arguments, which
//! then have to be numbers, parameters, or `least(…, number)`.
//!
//! Aggregates that gather many rows into one value (`list`, `string_agg`) are bounded while they run
//! (see [`Bounds`](crate::store::Bounds)). In the query that gathers it, such a value may be built
//! on a few times; in a query around that one it would stand beside many rows, and may only be
//! shown, measured or taken apart.

mod calls;
mod counts;
mod expressions;

use super::Parameters;
use super::functions::Functions;
use super::tree::{list, part, text};
use crate::error::Refusal;
use serde_json::Value;
use std::collections::HashMap;

/// A block of 2,048 rows then takes at most 256 MiB.
const ROW_MAX_BYTES: u64 = 128 << 10;
/// What a value of a table's column is taken for.
const COLUMN_BYTES: u64 = 256;
/// A number, a time, or what refers to a longer value.
const FIXED_BYTES: u64 = 16;
/// An element of a list counts at least so much.
const ELEMENT_BYTES: u64 = 16;
/// A function whose result is short, however long the text is that it makes of a number.
const SHORT_BYTES: u64 = 64;
/// How often gathered values may be built on.
const COPIES_MAX: u32 = 3;
/// As how many columns `COLUMNS(…)` counts in an expression.
const STAR_COLUMNS: u64 = 16;
const LAMBDAS_MAX: u32 = 3;
/// Some expressions are looked at twice, and so those within them again and again.
const STEPS_MAX: u32 = 1_000_000;
/// Lengths at which it is tried whether a recursive query still makes longer values.
const RECURSION_BYTES: [u64; 4] = [1 << 10, 4 << 10, 16 << 10, 64 << 10];

type Sized<T = Size> = std::result::Result<T, Refusal>;

/// How long a value is at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    bytes: u64,
    /// It is of a table's column or of a fixed length, so it is no list.
    is_scalar: bool,
    /// How many aggregates gathered it, one around the other.
    gathered: u32,
    /// A query further in gathered it.
    is_outside: bool,
}

impl Size {
    const FIXED: Self = Self::scalar(FIXED_BYTES);
    const COLUMN: Self = Self::scalar(COLUMN_BYTES);

    const fn scalar(bytes: u64) -> Self {
        Self {
            bytes,
            is_scalar: true,
            gathered: 0,
            is_outside: false,
        }
    }

    /// One or the other.
    fn or(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            is_scalar: self.is_scalar && other.is_scalar,
            gathered: self.gathered.max(other.gathered),
            is_outside: self.is_outside || other.is_outside,
        }
    }

    /// Of so many bytes instead.
    const fn of(self, bytes: u64) -> Self {
        Self {
            bytes,
            is_scalar: false,
            ..self
        }
    }

    /// An element of it.
    const fn element(self) -> Self {
        Self {
            gathered: self.gathered.saturating_sub(1),
            ..self
        }
    }
}

/// The columns of a query or a table.
#[derive(Clone, Debug)]
struct Columns {
    names: HashMap<String, Size>,
    /// Of those without a known name.
    others: Option<Size>,
}

impl Columns {
    fn unnamed(size: Size) -> Self {
        Self {
            names: HashMap::new(),
            others: Some(size),
        }
    }

    fn most(&self) -> Size {
        self.names
            .values()
            .copied()
            .chain(self.others)
            .fold(Size::FIXED, Size::or)
    }

    fn add(&mut self, name: &str, size: Size) {
        let known = self.names.entry(name.to_ascii_lowercase()).or_insert(size);
        *known = known.or(size);
    }

    fn merge(&mut self, other: &Self) {
        for (name, size) in &other.names {
            self.add(name, *size);
        }
        self.others = match (self.others, other.others) {
            (Some(one), Some(other)) => Some(one.or(other)),
            (one, other) => one.or(other),
        };
    }

    /// As another query sees them, under these names.
    fn outside(mut self, names: &[Value]) -> Self {
        let mark = |size: &mut Size| size.is_outside |= size.gathered > 0;
        self.names.values_mut().for_each(mark);
        self.others.iter_mut().for_each(mark);
        if !names.is_empty() {
            let most = self.most();
            for name in names.iter().filter_map(Value::as_str) {
                self.add(name, most);
            }
        }
        self
    }
}

/// Checks a statement's tree, and tells whether it gathers many rows into one value.
pub(super) fn check(tree: &Value, functions: &Functions, parameters: &Parameters) -> Sized<bool> {
    let mut sizer = Sizer {
        functions,
        parameters,
        scopes: Vec::new(),
        queries: Vec::new(),
        row_bytes: 0,
        copies: 0,
        lambdas: 0,
        lambda_names: Vec::new(),
        steps: 0,
        gathers: false,
    };
    sizer.query(part(tree, "/node"))?;
    Ok(sizer.gathers)
}

struct Sizer<'a> {
    functions: &'a Functions,
    parameters: &'a Parameters,
    /// The columns that expressions can name, the innermost query's last.
    scopes: Vec<Columns>,
    /// The queries that WITH has named.
    queries: Vec<(String, Columns)>,
    /// What all expressions so far make for a row.
    row_bytes: u64,
    copies: u32,
    lambdas: u32,
    /// What lambdas call their parameters, the innermost's last.
    lambda_names: Vec<(String, Size)>,
    /// How many expressions were looked at so far, each as often as it was.
    steps: u32,
    gathers: bool,
}

/// Queries and what stands in FROM.
impl Sizer<'_> {
    fn query(&mut self, node: &Value) -> Sized<Columns> {
        let outer = self.queries.len();
        for entry in list(part(node, "/cte_map"), "map") {
            let name = text(entry, "key").to_ascii_lowercase();
            let columns = self.query(part(entry, "/value/query/node"))?;
            let columns = columns.outside(list(part(entry, "/value"), "aliases"));
            self.queries.push((name, columns));
        }
        let columns = match text(node, "type") {
            "SELECT_NODE" => self.select(node),
            "RECURSIVE_CTE_NODE" => self.recursion(node),
            _ => self.set_operation(node),
        };
        self.queries.truncate(outer);
        columns
    }

    fn select(&mut self, node: &Value) -> Sized<Columns> {
        self.scopes.push(Columns {
            names: HashMap::new(),
            others: None,
        });
        self.from(part(node, "/from_table"))?;
        let mut columns = Columns {
            names: HashMap::new(),
            others: None,
        };
        for item in list(node, "select_list") {
            let size = self.expression(item)?;
            if is_plain_star(item) {
                columns.merge(&Columns::unnamed(size));
                if let Some(scope) = self.scopes.last() {
                    columns.merge(scope);
                }
                continue;
            }
            match name_of(item) {
                Some(name) => {
                    columns.add(name, size);
                    // Other expressions may name it.
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.add(name, size);
                    }
                }
                None => columns.merge(&Columns::unnamed(size)),
            }
        }
        for (member, value) in node.as_object().into_iter().flatten() {
            if !matches!(member.as_str(), "cte_map" | "select_list" | "from_table") {
                self.expression(value)?;
            }
        }
        self.scopes.pop();
        Ok(columns.outside(&[]))
    }

    fn set_operation(&mut self, node: &Value) -> Sized<Columns> {
        let mut columns = Columns {
            names: HashMap::new(),
            others: None,
        };
        let sides = [part(node, "/left"), part(node, "/right")];
        for side in sides.into_iter().chain(list(node, "children")) {
            if side.is_object() {
                columns.merge(&self.query(side)?);
            }
        }
        // Columns are put together by place.
        let most = columns.most();
        columns.names.values_mut().for_each(|size| *size = most);
        self.scopes.push(columns.clone());
        self.expression(part(node, "/modifiers"))?;
        self.scopes.pop();
        Ok(columns)
    }

    /// The values must stop growing at some length.
    fn recursion(&mut self, node: &Value) -> Sized<Columns> {
        let name = text(node, "cte_name").to_ascii_lowercase();
        let aliases = list(node, "aliases");
        let first = self.query(part(node, "/left"))?.outside(aliases);
        let start = first.most();
        let lengths = RECURSION_BYTES
            .into_iter()
            .filter(|bytes| *bytes > start.bytes);
        let (row_bytes, copies) = (self.row_bytes, self.copies);
        for bytes in [start.bytes].into_iter().chain(lengths) {
            (self.row_bytes, self.copies) = (row_bytes, copies);
            let mut columns = first.clone();
            let longer = |size: &mut Size| size.bytes = size.bytes.max(bytes);
            columns.names.values_mut().for_each(longer);
            columns.others.iter_mut().for_each(longer);
            self.queries.push((name.clone(), columns.clone()));
            let again = self.query(part(node, "/right"));
            self.queries.pop();
            match again {
                Ok(again) if again.most().bytes <= bytes => {
                    columns.merge(&again);
                    return Ok(columns.outside(aliases));
                }
                Ok(_) | Err(Refusal::TooLarge { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::Recursion(text(node, "cte_name").to_owned()))
    }

    /// Adds the columns of what stands in FROM to the innermost scope.
    fn from(&mut self, table: &Value) -> Sized<()> {
        let columns = match text(table, "type") {
            "EMPTY" | "" => return Ok(()),
            "BASE_TABLE" => {
                let name = text(table, "table_name").to_ascii_lowercase();
                let known = self.queries.iter().rev().find(|(query, _)| *query == name);
                let columns = known.map(|(_, columns)| columns.clone());
                columns.unwrap_or(Columns::unnamed(Size::COLUMN))
            }
            "SUBQUERY" => self.query(part(table, "/subquery/node"))?,
            "SHOW_REF" => {
                if part(table, "/query").is_object() {
                    self.query(part(table, "/query"))?;
                }
                Columns::unnamed(Size::COLUMN.of(COLUMN_BYTES))
            }
            "JOIN" => {
                self.from(part(table, "/left"))?;
                self.from(part(table, "/right"))?;
                self.expression(part(table, "/condition"))?;
                return Ok(());
            }
            "TABLE_FUNCTION" => self.table_function(part(table, "/function"))?,
            "EXPRESSION_LIST" => Columns::unnamed(self.expression(part(table, "/values"))?),
            "PIVOT" => {
                self.from(part(table, "/source"))?;
                let size = self.expression(part(table, "/aggregates"))?;
                self.expression(part(table, "/pivots"))?;
                Columns::unnamed(size)
            }
            // Of whatever else a version of DuckDB may have, each part counts.
            _ => Columns::unnamed(self.expression(table)?),
        };
        let columns = columns.outside(list(table, "column_name_alias"));
        if let Some(scope) = self.scopes.last_mut() {
            scope.merge(&columns);
        }
        Ok(())
    }

    /// It makes rows one block after the other, which are no longer than its arguments.
    fn table_function(&mut self, function: &Value) -> Sized<Columns> {
        let mut most = Size::COLUMN.of(COLUMN_BYTES);
        for argument in list(function, "children") {
            most = most.or(self.expression(argument)?.element());
        }
        let makes_numbers = matches!(text(function, "function_name"), "range" | "generate_series");
        Ok(Columns::unnamed(if makes_numbers {
            Size::FIXED
        } else {
            most
        }))
    }
}

/// The name that a column of a query has: its alias, or the last part of the column's name.
fn name_of(item: &Value) -> Option<&str> {
    match text(item, "alias") {
        "" => list(item, "column_names").last().and_then(Value::as_str),
        alias => Some(alias),
    }
}

/// Whether it gives each column as it is.
fn is_plain_star(item: &Value) -> bool {
    text(item, "class") == "STAR" && part(item, "/columns") != true
}
