//! Search: a filter in JSON or as text, compiled to one SQL statement.
//!
//! ```text
//! JSON ─parse─▶ Filter ─┬─compile─▶ SQL and parameters ──────────┬─▶ rows
//! text ─terms─▶         └─lead─▶ names that lead to them ─walk─▶ ┘
//! ```
//!
//! Everything up to the rows is pure. Parsing checks types, so a filter that compiles runs; each
//! refusal names the part by JSON pointer. Every value is a bound parameter; field names come from
//! a closed list or are bound as JSON paths.
//!
//! Two truths only: a field that is not there, or null, is unequal to every value, is neither less
//! nor greater, and `not` turns that around. SQL's third truth never shows.

mod access;
mod compile;
mod cursor;
pub(crate) mod field;
mod filter;
pub(crate) mod functions;
pub(crate) mod indexed;
mod json_eq;
mod known;
mod lead;
mod order;
mod page;
mod parse;
mod preset;
mod project;
mod query;
mod rows;
mod run;
mod terms;
mod walk;

pub(crate) use access::Access;
pub(crate) use compile::successor;
pub(crate) use cursor::Cursor;
pub(crate) use filter::{Filter, Refusal};
pub(crate) use known::unknown;
pub(crate) use lead::Lead;
pub(crate) use order::{Direction, Order, sort_field};
pub(crate) use parse::parse;
pub use preset::SearchPreset;
pub(crate) use project::project;
pub(crate) use query::Query;
pub(crate) use run::{Found, Way};
pub(crate) use terms::{Terms, name_of_field, terms};
