//! One value of a result as text.

use super::time;
use crate::kind::Form;
use duckdb::arrow::array::{Array, ArrayRef, AsArray};
use duckdb::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use std::fmt::Write;

/// Beyond these, a double does not hold every integer.
const SAFE_INTEGER: u128 = 1 << 53;
const SAFE_DIGITS: usize = 15;

/// What the text of a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// There is no text.
    Null,
    /// The text is JSON: a number, true or false, a list or an object.
    Json,
    /// The text is the value, and JSON has to quote it.
    Text,
}

/// Appends the text of a value to `out`.
pub(super) fn cell(array: &dyn Array, row: usize, form: &Form, out: &mut String) -> Shape {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Shape::Null;
    }
    match (form, array.data_type()) {
        (Form::Arrow, _) => plain(array, row, out),
        (Form::Exact, DataType::Int64) => exact(
            i128::from(array.as_primitive::<Int64Type>().value(row)),
            out,
        ),
        (Form::Exact, DataType::Decimal128(_, 0)) => {
            exact(array.as_primitive::<Decimal128Type>().value(row), out)
        }
        (Form::List(element), DataType::List(_)) => {
            list(&array.as_list::<i32>().value(row), element, out)
        }
        (Form::List(element), DataType::LargeList(_)) => {
            list(&array.as_list::<i64>().value(row), element, out)
        }
        (Form::List(element), DataType::FixedSizeList(_, _)) => {
            list(&array.as_fixed_size_list().value(row), element, out)
        }
        (Form::Struct(forms), DataType::Struct(_)) => object(array, forms, row, out),
        (Form::Map(key, value), DataType::Map(_, _)) => {
            map(&array.as_map().value(row), [key, value], out)
        }
        (Form::Union(forms), DataType::Union(_, _)) => {
            let union = array.as_union();
            let member = usize::try_from(union.type_id(row)).ok();
            let form = member.and_then(|member| forms.get(member));
            cell(
                union.value(row).as_ref(),
                0,
                form.unwrap_or(&Form::Arrow),
                out,
            )
        }
        (form, _) => {
            let mut text = String::new();
            plain(array, row, &mut text);
            from_text(&text, form, out)
        }
    }
}

/// A value that DuckDB gave as text.
fn from_text(text: &str, form: &Form, out: &mut String) -> Shape {
    match form {
        Form::Whole => {
            out.push_str(text);
            let digits = text.strip_prefix('-').unwrap_or(text);
            return match digits.parse::<u128>() {
                Ok(magnitude) if magnitude <= SAFE_INTEGER => Shape::Json,
                _ => Shape::Text,
            };
        }
        Form::Json if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            out.push_str(text);
            return Shape::Json;
        }
        Form::Interval => match time::Interval::parse(text) {
            Some(interval) => interval.write(out),
            None => out.push_str(text),
        },
        Form::TimeTz => out.push_str(&time::with_offset(text)),
        _ => out.push_str(text),
    }
    Shape::Text
}

fn plain(array: &dyn Array, row: usize, out: &mut String) -> Shape {
    match array.data_type() {
        DataType::Boolean => {
            out.push_str(if array.as_boolean().value(row) {
                "true"
            } else {
                "false"
            });
            Shape::Json
        }
        DataType::Int8 => signed::<Int8Type>(array, row, out),
        DataType::Int16 => signed::<Int16Type>(array, row, out),
        DataType::Int32 => signed::<Int32Type>(array, row, out),
        DataType::Int64 => signed::<Int64Type>(array, row, out),
        DataType::UInt8 => unsigned::<UInt8Type>(array, row, out),
        DataType::UInt16 => unsigned::<UInt16Type>(array, row, out),
        DataType::UInt32 => unsigned::<UInt32Type>(array, row, out),
        DataType::UInt64 => unsigned::<UInt64Type>(array, row, out),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            double(f64::from(value), &value, out)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            double(value, &value, out)
        }
        DataType::Decimal128(_, scale) => decimal(
            array.as_primitive::<Decimal128Type>().value(row),
            *scale,
            out,
        ),
        other => text_or_nested(array, other, row, out),
    }
}

fn text_or_nested(array: &dyn Array, kind: &DataType, row: usize, out: &mut String) -> Shape {
    match kind {
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::Binary => out.push_str(&hex::encode(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => out.push_str(&hex::encode(array.as_binary::<i64>().value(row))),
        DataType::BinaryView => out.push_str(&hex::encode(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => {
            out.push_str(&hex::encode(array.as_fixed_size_binary().value(row)));
        }
        DataType::Date32 => time::date(array.as_primitive::<Date32Type>().value(row), out),
        DataType::Time64(TimeUnit::Microsecond) => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            time::time(i128::from(micros) * 1_000, out);
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let nanos = array.as_primitive::<Time64NanosecondType>().value(row);
            time::time(i128::from(nanos), out);
        }
        DataType::Timestamp(unit, _) => timestamp(array, *unit, row, out),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            return match key(dictionary.keys(), row) {
                Some(key) => cell(dictionary.values().as_ref(), key, &Form::Arrow, out),
                None => Shape::Null,
            };
        }
        DataType::List(_) => return list(&array.as_list::<i32>().value(row), &Form::Arrow, out),
        DataType::LargeList(_) => {
            return list(&array.as_list::<i64>().value(row), &Form::Arrow, out);
        }
        DataType::FixedSizeList(_, _) => {
            return list(&array.as_fixed_size_list().value(row), &Form::Arrow, out);
        }
        DataType::Struct(_) => return object(array, &[], row, out),
        DataType::Map(_, _) => {
            return map(
                &array.as_map().value(row),
                [&Form::Arrow, &Form::Arrow],
                out,
            );
        }
        DataType::Union(_, _) => {
            let value = array.as_union().value(row);
            return cell(value.as_ref(), 0, &Form::Arrow, out);
        }
        other => {
            let _ = write!(out, "({other})");
        }
    }
    Shape::Text
}

fn signed<T: ArrowPrimitiveType>(array: &dyn Array, row: usize, out: &mut String) -> Shape
where
    T::Native: Into<i64>,
{
    let value: i64 = array.as_primitive::<T>().value(row).into();
    integer(u128::from(value.unsigned_abs()), value < 0, out)
}

fn unsigned<T: ArrowPrimitiveType>(array: &dyn Array, row: usize, out: &mut String) -> Shape
where
    T::Native: Into<u64>,
{
    integer(
        u128::from(array.as_primitive::<T>().value(row).into()),
        false,
        out,
    )
}

fn exact(value: i128, out: &mut String) -> Shape {
    let _ = write!(out, "{value}");
    if i64::try_from(value).is_ok() {
        Shape::Json
    } else {
        Shape::Text
    }
}

fn integer(magnitude: u128, is_negative: bool, out: &mut String) -> Shape {
    let _ = write!(out, "{}{magnitude}", if is_negative { "-" } else { "" });
    if magnitude > SAFE_INTEGER {
        Shape::Text
    } else {
        Shape::Json
    }
}

/// `shown` is the value in its own precision.
fn double(value: f64, shown: &dyn std::fmt::Debug, out: &mut String) -> Shape {
    if value.is_finite() {
        // `Debug` is the shortest text that reads back as the same number.
        let _ = write!(out, "{shown:?}");
        return Shape::Json;
    }
    out.push_str(if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    });
    Shape::Text
}

fn decimal(value: i128, scale: i8, out: &mut String) -> Shape {
    let Some(scale) = usize::try_from(scale).ok().filter(|scale| *scale > 0) else {
        return integer(value.unsigned_abs(), value < 0, out);
    };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let _ = write!(
        out,
        "{}{whole}.{fraction}",
        if value < 0 { "-" } else { "" }
    );
    if digits.len() > SAFE_DIGITS {
        Shape::Text
    } else {
        Shape::Json
    }
}

fn timestamp(array: &dyn Array, unit: TimeUnit, row: usize, out: &mut String) {
    let (value, nanos) = match unit {
        TimeUnit::Second => (
            array.as_primitive::<TimestampSecondType>().value(row),
            1_000_000_000,
        ),
        TimeUnit::Millisecond => (
            array.as_primitive::<TimestampMillisecondType>().value(row),
            1_000_000,
        ),
        TimeUnit::Microsecond => (
            array.as_primitive::<TimestampMicrosecondType>().value(row),
            1_000,
        ),
        TimeUnit::Nanosecond => (
            array.as_primitive::<TimestampNanosecondType>().value(row),
            1,
        ),
    };
    time::timestamp(value, nanos, out);
}

/// The place of a row's value in the dictionary.
fn key(keys: &dyn Array, row: usize) -> Option<usize> {
    if keys.is_null(row) {
        return None;
    }
    let key = match keys.data_type() {
        DataType::UInt8 => u64::from(keys.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => u64::from(keys.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => u64::from(keys.as_primitive::<UInt32Type>().value(row)),
        _ => return None,
    };
    usize::try_from(key).ok()
}

fn list(values: &ArrayRef, element: &Form, out: &mut String) -> Shape {
    out.push('[');
    for index in 0..values.len() {
        if index > 0 {
            out.push(',');
        }
        nested(values.as_ref(), index, element, out);
    }
    out.push(']');
    Shape::Json
}

/// A list, if the fields have no names. What has no form of its own is as Arrow has it.
fn object(array: &dyn Array, forms: &[Form], row: usize, out: &mut String) -> Shape {
    let members = array.as_struct();
    let is_named = members
        .fields()
        .iter()
        .any(|field| !field.name().is_empty());
    out.push(if is_named { '{' } else { '[' });
    for (index, (field, value)) in members.fields().iter().zip(members.columns()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        if is_named {
            write_json_text(field.name(), out);
            out.push(':');
        }
        nested(
            value.as_ref(),
            row,
            forms.get(index).unwrap_or(&Form::Arrow),
            out,
        );
    }
    out.push(if is_named { '}' } else { ']' });
    Shape::Json
}

/// A list of `{"key": …, "value": …}`: keys need not be text.
fn map(entries: &dyn Array, forms: [&Form; 2], out: &mut String) -> Shape {
    let entries = entries.as_struct();
    let [key, value] = forms;
    out.push('[');
    for index in 0..entries.len() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        let names = [("\"key\":", key), (",\"value\":", value)];
        for ((name, form), column) in names.into_iter().zip(entries.columns()) {
            out.push_str(name);
            nested(column.as_ref(), index, form, out);
        }
        out.push('}');
    }
    out.push(']');
    Shape::Json
}

fn nested(array: &dyn Array, row: usize, form: &Form, out: &mut String) {
    let mut text = String::new();
    match cell(array, row, form, &mut text) {
        Shape::Null => out.push_str("null"),
        Shape::Json => out.push_str(&text),
        Shape::Text => write_json_text(&text, out),
    }
}

/// Appends `text` as a JSON string.
pub(super) fn write_json_text(text: &str, out: &mut String) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}
