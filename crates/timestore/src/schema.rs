//! The types a dataset's fields can have, their names, and how Arrow and SQL spell them.

use crate::error::{Error, Result};
use duckdb::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

const NAME_MAX_BYTES: usize = 120;
const SLUG_MAX_BYTES: usize = 100;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldType {
    /// A point in time, UTC, in microseconds.
    Timestamp,
    /// Text.
    String,
    /// A 64-bit floating-point number.
    Double,
    /// A signed 64-bit integer.
    Integer,
    /// True or false.
    Boolean,
}

/// A named field of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Field {
    /// The column's name. Names that differ only in the case of letters are one name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldType,
}

impl FieldType {
    const ALL: [Self; 5] = [
        Self::Timestamp,
        Self::String,
        Self::Double,
        Self::Integer,
        Self::Boolean,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::String => "string",
            Self::Double => "double",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::Timestamp => "TIMESTAMP",
            Self::String => "VARCHAR",
            Self::Double => "DOUBLE",
            Self::Integer => "BIGINT",
            Self::Boolean => "BOOLEAN",
        }
    }

    pub(crate) const fn arrow(self) -> DataType {
        match self {
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::String => DataType::Utf8,
            Self::Double => DataType::Float64,
            Self::Integer => DataType::Int64,
            Self::Boolean => DataType::Boolean,
        }
    }

    /// The type that takes every value of this Arrow type.
    pub(crate) const fn of_arrow(kind: &DataType) -> Option<Self> {
        Some(match kind {
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => Self::Timestamp,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::String,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Double,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Self::Integer,
            DataType::Boolean => Self::Boolean,
            DataType::Dictionary(_, value) => return Self::of_arrow(value),
            _ => return None,
        })
    }
}

/// An identifier as SQL writes it. Names cannot hold NUL, which is all that quoting cannot carry.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The Arrow schema of these fields, all nullable.
pub(crate) fn arrow_schema(fields: &[Field]) -> SchemaRef {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| ArrowField::new(&field.name, field.kind.arrow(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Checks the fields that a writer sent; `pointer` is where they stood.
pub(crate) fn check_fields(fields: &[Field], pointer: &str) -> Result<()> {
    if fields.is_empty() {
        return Err(Error::invalid(pointer, "a schema has at least one field"));
    }
    let mut seen = HashSet::new();
    for (index, field) in fields.iter().enumerate() {
        let at = format!("{pointer}/{index}/name");
        let name = field.name.as_str();
        if name.is_empty() || name.len() > NAME_MAX_BYTES || name.chars().any(char::is_control) {
            let detail =
                format!("a name has 1 to {NAME_MAX_BYTES} bytes and no control characters");
            return Err(Error::invalid(at, detail));
        }
        if name.starts_with('_') {
            return Err(Error::invalid(
                at,
                "names that begin with _ are the timestore's own",
            ));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(Error::invalid(
                at,
                format!("the field {name:?} is there twice"),
            ));
        }
    }
    Ok(())
}

/// The view of the parked entries (`sql/catalogue.sql`), which no dataset's table may shadow.
const DEAD_LETTERS_VIEW: &str = "filestore_dead_letters";

/// Checks a slug: it is a path segment, and with `-` for `_` the table's name.
pub(crate) fn check_slug(slug: &str) -> Result<()> {
    let starts_well = slug.starts_with(|c: char| c.is_ascii_lowercase());
    let is_plain = slug
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if slug.replace('-', "_") == DEAD_LETTERS_VIEW {
        let detail = format!("{DEAD_LETTERS_VIEW} lists the dead letters; choose another slug");
        return Err(Error::invalid("/slug", detail));
    }
    if starts_well && is_plain && slug.len() <= SLUG_MAX_BYTES {
        return Ok(());
    }
    let detail = format!(
        "a dataset's slug begins with a letter and has at most {SLUG_MAX_BYTES} lower-case letters, digits, - and _"
    );
    Err(Error::invalid("/slug", detail))
}

/// The fields of `wanted` that `present` lacks.
///
/// # Errors
/// A field is there with another type, or under a name that differs only in case.
pub(crate) fn missing_fields(present: &[Field], wanted: &[Field]) -> Result<Vec<Field>> {
    let mut missing = Vec::new();
    for field in wanted {
        match present
            .iter()
            .find(|other| other.name.to_lowercase() == field.name.to_lowercase())
        {
            None => missing.push(field.clone()),
            Some(other) if other == field => {}
            Some(other) => {
                let detail = format!(
                    "the field {:?} is {:?} of type {} in the dataset, and {} was sent; fields are only ever added",
                    field.name,
                    other.name,
                    other.kind.word(),
                    field.kind.word()
                );
                return Err(Error::Conflict {
                    code: httpkit::Code::SchemaConflict,
                    detail,
                });
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: FieldType) -> Field {
        Field {
            name: name.to_owned(),
            kind,
        }
    }

    #[test]
    fn identifiers_cannot_leave_their_quotes() {
        assert_eq!(
            quote(r#"a"; DROP TABLE x; --"#),
            r#""a""; DROP TABLE x; --""#
        );
    }

    #[test]
    fn slugs_are_plain_words() {
        for good in ["a", "filestore_activity", "sensor-7"] {
            assert!(check_slug(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "7a", "a b", "a/b", "_a", "ä", &"a".repeat(101)] {
            assert!(check_slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn field_names_are_checked() {
        let bad = [
            vec![],
            vec![field("", FieldType::String)],
            vec![field("_partition", FieldType::Integer)],
            vec![field("a\0", FieldType::String)],
            vec![field("a", FieldType::String), field("A", FieldType::String)],
        ];
        for fields in bad {
            assert!(
                check_fields(&fields, "/schema/fields").is_err(),
                "{fields:?}"
            );
        }
        assert!(check_fields(&[field("größe (m²)", FieldType::Double)], "").is_ok());
    }

    #[test]
    fn evolution_only_adds() {
        let present = [
            field("t", FieldType::Timestamp),
            field("x", FieldType::Double),
        ];
        let wanted = [field("x", FieldType::Double), field("y", FieldType::String)];
        assert_eq!(
            missing_fields(&present, &wanted).unwrap(),
            vec![field("y", FieldType::String)]
        );
        assert!(missing_fields(&present, &[field("x", FieldType::String)]).is_err());
        assert!(missing_fields(&present, &[field("X", FieldType::Double)]).is_err());
    }
}
