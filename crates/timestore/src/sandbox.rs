//! A person's SQL: reads of the store's own tables, and nothing else.
//!
//! Three walls, each of which would do for what it stops:
//!
//! 1. *The instance* (see `store`): DuckDB may open its own files only, loads no extension, and no
//!    statement can change a setting.
//! 2. *The transaction* is read-only, on a connection that nobody uses afterwards.
//! 3. *The statement* is looked at before it runs. DuckDB itself parses it, given as a value, and
//!    hands out the tree: exactly one statement, which is a SELECT (DuckDB makes a tree of nothing
//!    else), whose table functions are all in a list of harmless ones, and whose tables are not
//!    spelled like files.
//!
//! The third is needed because a prepared text may hold several statements, of which a `COMMIT`
//! would leave the read-only transaction, and because some table functions act when they are
//! read: `checkpoint()`, or `enable_logging(…)`, which can take the whole process down. Names are
//! taken from the tree, so quoting and comments hide nothing; what the list does not know is
//! refused.
//!
//! What none of them bounds: the time and memory that one function needs for one value
//! (`repeat('x', 3000000000)`). DuckDB looks at its limits between values. The functions known to
//! do so from a short statement are refused.

mod tree;

use crate::error::{Error, Result};
use crate::statement::{self, Limits, ResultSet};
use duckdb::types::Value;
use duckdb::{Connection, params_from_iter};
use std::collections::HashMap;
use tree::Reference;

/// Longer statements are refused unread.
pub(crate) const STATEMENT_MAX_BYTES: usize = 64 << 10;

/// Levels of the statement's tree; an operator or a parenthesised query makes two. DuckDB's binder
/// takes a time that grows with the cube of the depth, and cannot be interrupted meanwhile: ten
/// seconds for a sum of 900 terms, a quarter of one for 300.
const TREE_MAX_DEPTH: usize = 600;

/// Table functions that only read what is in the database, or make rows of nothing.
const TABLE_FUNCTIONS: &[&str] = &[
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_keywords",
    "duckdb_schemas",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_views",
    "generate_series",
    "json_each",
    "json_tree",
    "pragma_database_size",
    "pragma_storage_info",
    "pragma_table_info",
    "pragma_version",
    "range",
    "summary",
    "unnest",
];

/// Functions that act, or that make a huge value of a short argument.
const REFUSED_FUNCTIONS: &[&str] = &[
    "array_resize",
    "currval",
    "list_resize",
    "lpad",
    "nextval",
    "repeat",
    "rpad",
    "setseed",
    "write_log",
];

/// Why a statement is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than [`STATEMENT_MAX_BYTES`].
    #[error("the statement is longer than {} KiB", STATEMENT_MAX_BYTES >> 10)]
    TooLong,
    /// Its expressions or queries are nested too deeply.
    #[error("the statement is nested too deeply")]
    TooDeep,
    /// There are several, or none.
    #[error("send exactly one statement, not {0}")]
    NotOne(usize),
    /// It does something else than read.
    #[error(
        "only SELECT, FROM, VALUES, WITH, DESCRIBE, SHOW and SUMMARIZE are allowed (a PIVOT needs its values listed with IN)"
    )]
    NotARead,
    /// It calls a function that is not in the list.
    #[error("the function {0} is not allowed here")]
    Function(String),
    /// It reads from something that is spelled like a file.
    #[error("{0:?} is not a table of this store; files cannot be read")]
    File(String),
}

/// Values for the placeholders of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Parameters {
    /// For `?` and `$1`.
    Positional(Vec<Value>),
    /// For `$name`.
    Named(HashMap<String, Value>),
}

/// Checks the statement and runs it. The caller has begun a read-only transaction.
pub(crate) fn read(
    connection: &Connection,
    sql: &str,
    parameters: Parameters,
    limits: Limits,
) -> Result<ResultSet> {
    check(connection, sql)?;
    let result = match parameters {
        Parameters::Positional(values) => {
            statement::run(connection, sql, params_from_iter(values), limits)
        }
        Parameters::Named(values) => statement::run(connection, sql, &values, limits),
    };
    result.map_err(persons_error)
}

/// Looks at the statement without running it.
pub(crate) fn check(connection: &Connection, sql: &str) -> Result<()> {
    if sql.len() > STATEMENT_MAX_BYTES {
        return Err(Refusal::TooLong.into());
    }
    let tree: String = connection
        .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| {
            row.get(0)
        })
        .map_err(persons_error)?;
    let parsed =
        tree::parse(&tree).ok_or_else(|| Error::internal("the statement's tree is cut"))?;
    if let Some(message) = parsed.error {
        return Err(if parsed.error_type.as_deref() == Some("not implemented") {
            Refusal::NotARead.into()
        } else {
            Error::Statement(message)
        });
    }
    if parsed.statements != 1 {
        return Err(Refusal::NotOne(parsed.statements).into());
    }
    if parsed.depth > TREE_MAX_DEPTH {
        return Err(Refusal::TooDeep.into());
    }
    for reference in parsed.references {
        check_reference(reference)?;
    }
    Ok(())
}

fn check_reference(reference: Reference) -> std::result::Result<(), Refusal> {
    let is_in = |list: &[&str], name: &str| list.contains(&name.to_ascii_lowercase().as_str());
    match reference {
        Reference::TableFunction(name) if !is_in(TABLE_FUNCTIONS, &name) => {
            Err(Refusal::Function(name))
        }
        Reference::Function(name) if is_in(REFUSED_FUNCTIONS, &name) => {
            Err(Refusal::Function(name))
        }
        Reference::Table(name) if name.contains(['.', '/', '\\', '*', '?', '[', ':']) => {
            Err(Refusal::File(name))
        }
        _ => Ok(()),
    }
}

/// What went wrong with a person's statement is theirs to read, unless it is the store that
/// failed.
fn persons_error(error: duckdb::Error) -> Error {
    if let duckdb::Error::InvalidParameterCount(given, expected) = &error {
        return Error::Statement(format!(
            "the statement has {expected} parameters, and {given} were sent"
        ));
    }
    match Error::from(error) {
        Error::Internal(source) => Error::Statement(source.to_string()),
        Error::Unavailable(source)
            if crate::error::message(&source).starts_with("Out of Memory") =>
        {
            Error::Statement("the statement needs more memory than it may use".to_owned())
        }
        other => other,
    }
}
