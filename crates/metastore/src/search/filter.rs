//! A filter, typed.

use super::field::{Column, JsonField};
use rusqlite::types::Value as Sql;
use serde_json::Value;

/// How deep groups and negations may nest.
pub(crate) const DEPTH: usize = 8;
/// How many conditions a filter may have.
pub(crate) const CONDITIONS: usize = 256;

/// Which records are meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    /// A column of the record or of its node.
    Column(Column, Test<Sql>),
    /// A value in a person's or in the node's metadata.
    Json(JsonField, JsonTest),
    /// The record's tags.
    Tags(TagsTest),
    /// The node's path has this folded part; a slash before it stands for the path's beginning too.
    Word(String),
    /// Whether the record is a node's.
    HasNode(bool),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
}

impl Filter {
    /// The filter for a reader who may not know where nodes were before.
    pub(crate) fn without_previous_path(self) -> Self {
        let each = |filters: Vec<Self>| filters.into_iter().map(Self::without_previous_path);
        match self {
            Self::Column(column, test) => Self::Column(column.without_previous_path(), test),
            Self::All(filters) => Self::All(each(filters).collect()),
            Self::Any(filters) => Self::Any(each(filters).collect()),
            Self::Not(inner) => Self::Not(Box::new(inner.without_previous_path())),
            other @ (Self::Json(..) | Self::Tags(_) | Self::Word(_) | Self::HasNode(_)) => other,
        }
    }
}

/// A test of one value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test<V> {
    /// Equal; `None` means not there or null.
    Eq(Option<V>),
    Less(V),
    LessOrEqual(V),
    Greater(V),
    GreaterOrEqual(V),
    /// Both ends included.
    Between(V, V),
    /// Text begins with this.
    Prefix(String),
    /// Text matches this glob, which has been compiled once.
    Glob(String),
    /// Text holds this.
    Holds(String),
}

/// A test of a JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonTest {
    Is(Test<Scalar>),
    /// Equal to an array or an object.
    Equals(Value),
    /// Text holds the text, an array has the element (all of them), an object has the fields.
    Contains(Value),
    /// An array has one of these.
    HasAny(Vec<Value>),
    /// An object has this field.
    HasKey(String),
}

/// A JSON value that can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
}

/// A test of the tags.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TagsTest {
    HasAll(Vec<String>),
    HasAny(Vec<String>),
    HasSome,
    /// One of the tags passes.
    One(Test<Sql>),
}

/// Why a search is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub(crate) struct Refusal {
    /// JSON pointer to the part at fault.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}
