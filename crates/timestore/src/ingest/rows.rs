//! JSON rows into Arrow columns.

use crate::error::{Error, Result};
use crate::schema::{Field, FieldType, arrow_schema};
use duckdb::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use duckdb::arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Builds the columns of one batch.
pub(crate) struct Rows {
    fields: Vec<Field>,
    columns: Vec<Column>,
    count: usize,
    /// Names that rows have and the schema has not, and in how many rows.
    unknown: BTreeMap<String, usize>,
}

enum Column {
    Timestamp(TimestampMicrosecondBuilder),
    String(StringBuilder),
    Double(Float64Builder),
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
}

impl Rows {
    pub(crate) fn new(fields: &[Field]) -> Self {
        let columns = fields
            .iter()
            .map(|field| match field.kind {
                FieldType::Timestamp => Column::Timestamp(TimestampMicrosecondBuilder::new()),
                FieldType::String => Column::String(StringBuilder::new()),
                FieldType::Double => Column::Double(Float64Builder::new()),
                FieldType::Integer => Column::Integer(Int64Builder::new()),
                FieldType::Boolean => Column::Boolean(BooleanBuilder::new()),
            })
            .collect();
        Self {
            fields: fields.to_vec(),
            columns,
            count: 0,
            unknown: BTreeMap::new(),
        }
    }

    /// How many there are so far.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Adds a row. A name that is missing, or null, becomes NULL.
    pub(crate) fn push(&mut self, row: &Map<String, Value>) -> Result<()> {
        let mut known = 0;
        for (field, column) in self.fields.iter().zip(&mut self.columns) {
            let value = row.get(&field.name);
            known += usize::from(value.is_some());
            column
                .push(value.unwrap_or(&Value::Null))
                .map_err(|expected| {
                    let name = pointer_part(&field.name);
                    let value = value.map(shown).unwrap_or_default();
                    Error::invalid(
                        format!("/rows/{}/{name}", self.count),
                        format!(
                            "the field is a {}: {expected}, not {value}",
                            field.kind.word()
                        ),
                    )
                })?;
        }
        if known < row.len() {
            for name in row
                .keys()
                .filter(|name| self.fields.iter().all(|f| f.name != **name))
            {
                *self.unknown.entry(name.clone()).or_default() += 1;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The batch, and a warning for each name that was left out.
    pub(crate) fn finish(self) -> Result<(RecordBatch, Vec<String>)> {
        let warnings = self
            .unknown
            .iter()
            .map(|(name, rows)| {
                format!("{name:?} is not a field of the schema and was left out of {rows} rows")
            })
            .collect();
        let columns = self.columns.into_iter().map(Column::finish).collect();
        Ok((
            RecordBatch::try_new(arrow_schema(&self.fields), columns)?,
            warnings,
        ))
    }
}

impl Column {
    /// The error says what would have been right.
    fn push(&mut self, value: &Value) -> std::result::Result<(), &'static str> {
        match (self, value) {
            (Self::Timestamp(builder), Value::Null) => builder.append_null(),
            (Self::String(builder), Value::Null) => builder.append_null(),
            (Self::Double(builder), Value::Null) => builder.append_null(),
            (Self::Integer(builder), Value::Null) => builder.append_null(),
            (Self::Boolean(builder), Value::Null) => builder.append_null(),
            (Self::Timestamp(builder), value) => builder.append_value(time_value(value)?),
            (Self::String(builder), Value::String(text)) => builder.append_value(text),
            (Self::String(_), _) => return Err("it must be text"),
            (Self::Double(builder), value) => {
                builder.append_value(double(value)?);
            }
            (Self::Integer(builder), value) => builder.append_value(integer(value)?),
            (Self::Boolean(builder), Value::Bool(value)) => builder.append_value(*value),
            (Self::Boolean(_), _) => return Err("it must be true or false"),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Timestamp(mut builder) => Arc::new(builder.finish()),
            Self::String(mut builder) => Arc::new(builder.finish()),
            Self::Double(mut builder) => Arc::new(builder.finish()),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A double. An integer that lies between two of them would come back as another number.
fn double(value: &Value) -> std::result::Result<f64, &'static str> {
    let double = value.as_f64().ok_or("it must be a number")?;
    let integer = value
        .as_i64()
        .map(i128::from)
        .or(value.as_u64().map(i128::from));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a double that was made of an integer of 64 bits lies within 128"
    )]
    let is_changed = integer.is_some_and(|integer| integer != double as i128);
    if is_changed {
        return Err("it must be a number that a double holds exactly");
    }
    Ok(double)
}

/// An integer, also where JSON spells it `3.0`.
pub(crate) fn integer(value: &Value) -> std::result::Result<i64, &'static str> {
    const WRONG: &str = "it must be an integer of 64 bits";
    if let Some(integer) = value.as_i64() {
        return Ok(integer);
    }
    let float = value.as_f64().filter(|_| !value.is_u64()).ok_or(WRONG)?;
    // The bounds are exact as doubles; the upper one is excluded.
    if float.fract() == 0.0
        && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float)
    {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and within the bounds"
        )]
        return Ok(float as i64);
    }
    Err(WRONG)
}

/// Microseconds since 1970 of a time as text, or as milliseconds.
pub(crate) fn time_value(value: &Value) -> std::result::Result<i64, &'static str> {
    const WRONG: &str =
        "it must be an RFC 3339 time such as 2026-03-01T12:00:00Z, or milliseconds since 1970";
    match value {
        Value::String(text) => {
            let time = parse_time(text).ok_or(WRONG)?;
            // What is finer would be cut off.
            match time.subsec_nanosecond() % 1_000 {
                0 => Ok(time.as_microsecond()),
                _ => Err("it must be a time of microseconds, with six digits of a second at most"),
            }
        }
        value => integer(value)
            .ok()
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .map(Timestamp::as_microsecond)
            .ok_or(WRONG),
    }
}

/// An RFC 3339 time, or a date or time without a zone, which is UTC.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let civil = text.parse::<DateTime>().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_as_people_write_them() {
        let day = 1_772_323_200_000_000;
        for (value, expected) in [
            (json!("2026-03-01T00:00:00Z"), Some(day)),
            (json!("2026-03-01T01:00:00.000001+01:00"), Some(day + 1)),
            (json!("2026-03-01T00:00:00.000001000Z"), Some(day + 1)),
            (json!("2026-03-01T00:00:00.0000001Z"), None),
            (json!("1969-12-31T23:59:59.999999999Z"), None),
            (json!("2026-03-01"), Some(day)),
            (json!("2026-03-01 00:00:00"), Some(day)),
            (json!(1_772_323_200_000_i64), Some(day)),
            (json!("yesterday"), None),
            (json!("2026-13-01"), None),
            (json!(true), None),
            (json!(1.5), None),
            (json!(1e300), None),
        ] {
            assert_eq!(time_value(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn integers_are_not_rounded() {
        for (value, expected) in [
            (json!(3), Some(3)),
            (json!(3.0), Some(3)),
            (json!(-9_223_372_036_854_775_808_i64), Some(i64::MIN)),
            (json!(9_223_372_036_854_775_807_i64), Some(i64::MAX)),
            (json!(9_223_372_036_854_775_808_u64), None),
            (json!(1.5), None),
            (json!(1e19), None),
            (json!("3"), None),
        ] {
            assert_eq!(integer(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn a_bad_value_is_named_by_pointer() {
        let fields = [Field {
            name: "a/b".to_owned(),
            kind: FieldType::Double,
        }];
        let mut rows = Rows::new(&fields);
        rows.push(json!({"a/b": 1}).as_object().unwrap()).unwrap();
        let error = rows
            .push(json!({"a/b": "x"}).as_object().unwrap())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "/rows/1/a~1b: the field is a double: it must be a number, not \"x\""
        );
    }

    #[test]
    fn unknown_names_are_left_out_with_a_warning() {
        let fields = [Field {
            name: "a".to_owned(),
            kind: FieldType::Double,
        }];
        let mut rows = Rows::new(&fields);
        rows.push(json!({"a": 1, "b": 2}).as_object().unwrap())
            .unwrap();
        rows.push(json!({"b": 2}).as_object().unwrap()).unwrap();
        let (batch, warnings) = rows.finish().unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 1));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("2 rows"), "{warnings:?}");
    }
}
