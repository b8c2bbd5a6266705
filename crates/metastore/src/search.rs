//! Search: a filter in JSON or as text, compiled to one SQL statement.
//!
//! ```text
//! JSON ─parse─▶ Filter ─compile─▶ SQL and parameters ─▶ rows
//! text ─terms─▶
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
mod field;
mod filter;
pub(crate) mod functions;
mod parse;
mod query;
mod same;
mod terms;

pub(crate) use compile::successor;
pub(crate) use filter::{Filter, Refusal};
pub(crate) use parse::parse;
pub(crate) use query::{Direction, Query, Sort, project, sort_field};
pub(crate) use terms::terms;
