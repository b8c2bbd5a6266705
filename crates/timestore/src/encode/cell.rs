//! One value of a result as text.

use crate::statement::Form;
use duckdb::arrow::array::{Array, ArrayRef, AsArray};
use duckdb::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
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
pub(super) fn cell(array: &dyn Array, row: usize, form: Form, out: &mut String) -> Shape {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Shape::Null;
    }
    match form {
        Form::UnsignedHuge => {
            let bits = array.as_primitive::<Decimal128Type>().value(row);
            return integer(bits.cast_unsigned(), false, out);
        }
        Form::Bits => {
            bits(array.as_binary::<i32>().value(row), out);
            return Shape::Text;
        }
        Form::AsArrow => {}
    }
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
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row), out),
        DataType::Time64(TimeUnit::Microsecond) => {
            time(
                array.as_primitive::<Time64MicrosecondType>().value(row),
                out,
            );
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            time(
                array.as_primitive::<Time64NanosecondType>().value(row) / 1000,
                out,
            );
        }
        DataType::Timestamp(unit, _) => timestamp(array, *unit, row, out),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let _ = write!(
                out,
                "P{}M{}DT{}S",
                value.months,
                value.days,
                seconds(value.nanoseconds)
            );
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let key = dictionary
                .normalized_keys()
                .get(row)
                .copied()
                .unwrap_or_default();
            return cell(dictionary.values().as_ref(), key, Form::AsArrow, out);
        }
        DataType::List(_) => return list(&array.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => return list(&array.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(_, _) => return list(&array.as_fixed_size_list().value(row), out),
        DataType::Struct(fields) => {
            let names = fields.iter().map(|field| field.name().as_str());
            return object(names.zip(array.as_struct().columns()), row, out);
        }
        DataType::Map(_, _) => return map(&array.as_map().value(row), out),
        DataType::Union(_, _) => {
            let value = array.as_union().value(row);
            return cell(value.as_ref(), 0, Form::AsArrow, out);
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

fn date(days: i32, out: &mut String) {
    let epoch = Date::constant(1970, 1, 1);
    let date = Span::new()
        .try_days(days)
        .and_then(|days| epoch.checked_add(days));
    match date {
        Ok(date) => drop(write!(out, "{date}")),
        Err(_) => far(i64::from(days), i64::from(i32::MAX), out),
    }
}

fn time(micros: i64, out: &mut String) {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if rest != 0 {
        let _ = write!(out, ".{rest:06}");
    }
}

fn timestamp(array: &dyn Array, unit: TimeUnit, row: usize, out: &mut String) {
    let (value, parsed) = match unit {
        TimeUnit::Second => {
            let value = array.as_primitive::<TimestampSecondType>().value(row);
            (value, Timestamp::from_second(value))
        }
        TimeUnit::Millisecond => {
            let value = array.as_primitive::<TimestampMillisecondType>().value(row);
            (value, Timestamp::from_millisecond(value))
        }
        TimeUnit::Microsecond => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (value, Timestamp::from_microsecond(value))
        }
        TimeUnit::Nanosecond => {
            let value = array.as_primitive::<TimestampNanosecondType>().value(row);
            (value, Timestamp::from_nanosecond(i128::from(value)))
        }
    };
    match parsed {
        Ok(time) => {
            let below_millis = time.subsec_nanosecond() % 1_000_000;
            let digits = match below_millis {
                0 => 3,
                nanos if nanos % 1000 == 0 => 6,
                _ => 9,
            };
            let _ = write!(out, "{time:.digits$}");
        }
        Err(_) => far(value, i64::MAX, out),
    }
}

/// A time that no calendar here reaches: DuckDB's infinities, or years beyond 9999.
fn far(value: i64, infinity: i64, out: &mut String) {
    match value {
        value if value == infinity => out.push_str("infinity"),
        value if value == -infinity => out.push_str("-infinity"),
        value => drop(write!(out, "{value}")),
    }
}

fn seconds(nanos: i64) -> String {
    let (whole, rest) = (
        nanos / 1_000_000_000,
        (nanos % 1_000_000_000).unsigned_abs(),
    );
    let sign = if nanos < 0 && whole == 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    format!(
        "{sign}{whole}.{}",
        format!("{rest:09}").trim_end_matches('0')
    )
}

/// One bit of the bits behind the padding.
fn bits(bytes: &[u8], out: &mut String) {
    let Some((padding, rest)) = bytes.split_first() else {
        return;
    };
    let all = rest
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1));
    out.extend(
        all.skip(usize::from(*padding))
            .map(|bit| if bit == 1 { '1' } else { '0' }),
    );
}

fn list(values: &ArrayRef, out: &mut String) -> Shape {
    out.push('[');
    for index in 0..values.len() {
        if index > 0 {
            out.push(',');
        }
        nested(values.as_ref(), index, out);
    }
    out.push(']');
    Shape::Json
}

fn object<'a>(
    members: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    row: usize,
    out: &mut String,
) -> Shape {
    out.push('{');
    for (index, (name, array)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_json_text(name, out);
        out.push(':');
        nested(array.as_ref(), row, out);
    }
    out.push('}');
    Shape::Json
}

/// A list of `{"key": …, "value": …}`: keys need not be text.
fn map(entries: &dyn Array, out: &mut String) -> Shape {
    let entries = entries.as_struct();
    let names = ["key", "value"];
    out.push('[');
    for index in 0..entries.len() {
        if index > 0 {
            out.push(',');
        }
        object(names.into_iter().zip(entries.columns()), index, out);
    }
    out.push(']');
    Shape::Json
}

fn nested(array: &dyn Array, row: usize, out: &mut String) {
    let mut text = String::new();
    match cell(array, row, Form::AsArrow, &mut text) {
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
