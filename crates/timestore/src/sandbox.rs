//! A person's SQL: reads of the store's own tables, and nothing else.
//!
//! Four walls, each of which would do for what it stops:
//!
//! 1. *The instance* (see `store`): DuckDB may open its own files only, loads no extension, and no
//!    statement can change a setting.
//! 2. *The transaction* is read-only, on a connection that nobody uses afterwards.
//! 3. *The statement* is looked at before it runs. DuckDB itself parses it, given as a value, and
//!    hands out the tree: exactly one statement, which is a SELECT (DuckDB makes a tree of nothing
//!    else), whose functions are all in a list ([`functions`]), and whose tables are not spelled
//!    like files.
//! 4. *Time and memory*: DuckDB looks at its limits between blocks of rows only, so what the
//!    statement makes for one block is bounded from its tree ([`size`]), and what adds up over many
//!    blocks is watched while it runs ([`Bounds`]).
//!
//! The third is needed because a prepared text may hold several statements, of which a `COMMIT`
//! would leave the read-only transaction, and because some functions act when they are called:
//! `checkpoint()`, or `enable_logging(…)`, which can take the whole process down. Names are taken
//! from the tree, so quoting and comments hide nothing; what the list does not know is refused.
//!
//! Why not a process of its own with a limit of the operating system: only one process may have the
//! DuckDB file open.
//!
//! Every statement of a person goes through [`read`], and is parsed in it once.

mod functions;
mod limited;
mod size;
mod tree;

use crate::catalogue::Dataset;
use crate::error::{Error, Refusal, Result, STATEMENT_MAX_BYTES};
use crate::sight::Sight;
use crate::statement::{self, Limits, ResultSet};
use crate::store::Bounds;
use duckdb::types::Value as Bound;
use duckdb::{Connection, Params, params_from_iter};
use functions::{Functions, TABLE_FUNCTIONS};
use serde_json::Value;
use std::collections::HashMap;
use tree::Reference;

/// Values for the placeholders of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Parameters {
    /// For `?` and `$1`.
    Positional(Vec<Bound>),
    /// For `$name`.
    Named(HashMap<String, Bound>),
}

/// Checks the statement and runs it. The caller has begun a read-only transaction.
pub(crate) fn read(
    connection: &Connection,
    sql: &str,
    parameters: &Parameters,
    limits: Limits,
    bounds: &Bounds,
    (sight, activity): (&Sight, &Dataset),
) -> Result<ResultSet> {
    let statement = Statement::parse(connection, sql)?;
    statement.check(Functions::of(connection)?, parameters, bounds)?;
    if !sight.is_limited() {
        return statement.run_with(connection, parameters, limits);
    }
    limited::prepare(
        connection,
        &tree::references(&statement.tree),
        sight,
        activity,
    )?;
    statement
        .run_with(connection, parameters, limits)
        .map_err(limited::without_suggestions)
}

/// A parsed statement.
struct Statement<'a> {
    sql: &'a str,
    /// As DuckDB serializes it: an object with the member `node`.
    tree: Value,
}

impl<'a> Statement<'a> {
    fn run_with(
        &self,
        connection: &Connection,
        parameters: &Parameters,
        limits: Limits,
    ) -> Result<ResultSet> {
        match parameters {
            Parameters::Positional(values) => {
                self.run(connection, || params_from_iter(values), limits)
            }
            Parameters::Named(values) => self.run(connection, || values, limits),
        }
    }

    fn parse(connection: &Connection, sql: &'a str) -> Result<Self> {
        if sql.len() > STATEMENT_MAX_BYTES {
            return Err(Refusal::TooLong.into());
        }
        let json: String = connection
            .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| {
                row.get(0)
            })
            .map_err(persons_error)?;
        let tree = tree::parse(&json)?;
        Ok(Self { sql, tree })
    }

    /// Looks at it without running it.
    fn check(
        &self,
        functions: &Functions,
        parameters: &Parameters,
        bounds: &Bounds,
    ) -> std::result::Result<(), Refusal> {
        for reference in tree::references(&self.tree) {
            check_reference(reference, functions)?;
        }
        if size::check(&self.tree, functions, parameters)? {
            bounds.gathers();
        }
        Ok(())
    }

    /// Runs it. Columns whose values Arrow cannot carry are taken as text, by a query around it.
    fn run<P: Params>(
        &self,
        connection: &Connection,
        parameters: impl Fn() -> P,
        limits: Limits,
    ) -> Result<ResultSet> {
        let text = self.text(connection)?;
        let columns =
            statement::describe(connection, &text, parameters()).map_err(persons_error)?;
        let sql = match statement::as_text(&text, &columns) {
            Some(around) => around,
            // As it was sent, so that an error shows the person's own words.
            None => self.sql.to_owned(),
        };
        statement::run(connection, &sql, parameters(), columns, limits).map_err(persons_error)
    }

    /// The statement in DuckDB's spelling, without comments and semicolons.
    fn text(&self, connection: &Connection) -> Result<String> {
        if tree::shows(&self.tree) {
            // DuckDB's spelling of SHOW is not what it reads.
            let bare = self
                .sql
                .trim_matches(|c: char| c.is_whitespace() || c == ';');
            return Ok(format!("FROM ({bare}\n)"));
        }
        let tree = serde_json::json!({"error": false, "statements": [self.tree]});
        connection
            .query_row(
                "SELECT json_deserialize_sql(?::JSON)",
                [tree.to_string()],
                |row| row.get(0),
            )
            .map_err(persons_error)
    }
}

fn check_reference(
    reference: Reference<'_>,
    functions: &Functions,
) -> std::result::Result<(), Refusal> {
    match reference {
        Reference::TableFunction(name)
            if !TABLE_FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()) =>
        {
            Err(Refusal::Function(name.to_owned()))
        }
        Reference::Function(name)
            if functions.growth(name).is_none()
                && !TABLE_FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()) =>
        {
            Err(Refusal::Function(name.to_owned()))
        }
        Reference::Table(name) | Reference::Qualifier(name)
            if name.contains(['.', '/', '\\', '*', '?', '[', ':']) =>
        {
            Err(Refusal::File(name.to_owned()))
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
            Error::TooMuchMemory
        }
        other => other,
    }
}
