//! A result's arrays as Arrow has the types: what was taken as text becomes its type again where
//! Arrow has one, and a value that Arrow has no place for is refused.

use super::time::{Interval, is_infinite, with_offset};
use crate::kind::Form;
use duckdb::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, IntervalMonthDayNanoArray,
    MapArray, OffsetSizeTrait, StringArray, StructArray, UnionArray,
};
use duckdb::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, FieldRef, IntervalMonthDayNano,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UnionFields,
};
use duckdb::arrow::error::ArrowError;
use std::sync::Arc;

/// The greatest number of 38 digits, which is what Arrow takes for a `HUGEINT`.
const DIGITS_38: u128 = 10_u128.pow(38);
const DAY_MICROS: i64 = 86_400_000_000;

/// What cannot be carried, as the rest of a sentence about the column.
pub(super) type Problem = String;

/// The array as Arrow has its type.
pub(super) fn carried(array: &ArrayRef, form: &Form) -> Result<ArrayRef, Problem> {
    match (form, array.data_type()) {
        (Form::Arrow | Form::Exact, _) => check(array.as_ref()).map(|()| Arc::clone(array)),
        (Form::Interval, DataType::Utf8) => intervals(array.as_string()),
        (Form::TimeTz, DataType::Utf8) => {
            let texts = array.as_string::<i32>().iter();
            let texts: StringArray = texts.map(|text| text.map(with_offset)).collect();
            Ok(Arc::new(texts))
        }
        (Form::List(element), DataType::List(_)) => list::<i32>(array, element),
        (Form::List(element), DataType::LargeList(_)) => list::<i64>(array, element),
        (Form::List(element), DataType::FixedSizeList(field, size)) => {
            let lists = array.as_fixed_size_list();
            let values = carried(lists.values(), element)?;
            let nulls = lists.nulls().cloned();
            let made = FixedSizeListArray::try_new(retyped(field, &values), *size, values, nulls);
            Ok(Arc::new(made.map_err(defect)?))
        }
        (Form::Struct(forms), DataType::Struct(_)) => {
            Ok(Arc::new(members(array.as_struct(), forms)?))
        }
        (Form::Map(key, value), DataType::Map(field, is_sorted)) => {
            let map = array.as_map();
            let forms = [key.as_ref().clone(), value.as_ref().clone()];
            let entries = members(map.entries(), &forms)?;
            let field = field
                .as_ref()
                .clone()
                .with_data_type(entries.data_type().clone());
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let made = MapArray::try_new(Arc::new(field), offsets, entries, nulls, *is_sorted);
            Ok(Arc::new(made.map_err(defect)?))
        }
        (Form::Union(forms), DataType::Union(fields, _)) => {
            union(array.as_union(), fields, forms).map(|made| Arc::new(made) as ArrayRef)
        }
        _ => Ok(Arc::clone(array)),
    }
}

fn intervals(texts: &StringArray) -> Result<ArrayRef, Problem> {
    let carried = |text: &str| -> Result<IntervalMonthDayNano, Problem> {
        let interval = Interval::parse(text)
            .and_then(|interval| Some((interval, interval.micros.checked_mul(1_000)?)));
        match interval {
            Some((Interval { months, days, .. }, nanos)) => {
                Ok(IntervalMonthDayNano::new(months, days, nanos))
            }
            None => Err(format!(
                "holds the interval {text}, which is longer than Arrow's (292 years of hours): cast it \
                 to VARCHAR"
            )),
        }
    };
    let values = texts
        .iter()
        .map(|text| text.map(carried).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(IntervalMonthDayNanoArray::from(values)))
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, element: &Form) -> Result<ArrayRef, Problem> {
    let lists = array.as_list::<O>();
    let values = carried(lists.values(), element)?;
    let field = match lists.data_type() {
        DataType::List(field) | DataType::LargeList(field) => retyped(field, &values),
        _ => return Err(defect(ArrowError::SchemaError("no list".to_owned()))),
    };
    let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
    let made = GenericListArray::<O>::try_new(field, offsets, values, nulls);
    Ok(Arc::new(made.map_err(defect)?))
}

fn members(array: &StructArray, forms: &[Form]) -> Result<StructArray, Problem> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for ((field, array), form) in array.fields().iter().zip(array.columns()).zip(forms) {
        let array = carried(array, form)?;
        fields.push(retyped(field, &array));
        arrays.push(array);
    }
    StructArray::try_new(fields.into(), arrays, array.nulls().cloned()).map_err(defect)
}

fn union(array: &UnionArray, fields: &UnionFields, forms: &[Form]) -> Result<UnionArray, Problem> {
    let mut retyped_fields = Vec::new();
    let mut arrays = Vec::new();
    for ((id, field), form) in fields.iter().zip(forms) {
        let array = carried(array.child(id), form)?;
        retyped_fields.push((id, retyped(field, &array)));
        arrays.push(array);
    }
    let fields = UnionFields::from_iter(retyped_fields);
    let (ids, offsets) = (array.type_ids().clone(), array.offsets().cloned());
    UnionArray::try_new(fields, ids, offsets, arrays).map_err(defect)
}

fn retyped(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    let field: &Field = field;
    Arc::new(field.clone().with_data_type(array.data_type().clone()))
}

fn defect(error: ArrowError) -> Problem {
    format!("cannot be written as Arrow: {error}")
}

/// Looks for values that mean something else in Arrow.
fn check(array: &dyn Array) -> Result<(), Problem> {
    let infinite =
        || "holds a time of infinity, which Arrow does not have: cast it to VARCHAR".to_owned();
    let is_infinite_one = match array.data_type() {
        DataType::Date32 => {
            let mut days = array.as_primitive::<Date32Type>().iter().flatten();
            days.any(|days| days == i32::MAX || days == -i32::MAX)
        }
        DataType::Timestamp(unit, _) => times(array, *unit),
        DataType::Time64(TimeUnit::Microsecond) => {
            let mut times = array
                .as_primitive::<Time64MicrosecondType>()
                .iter()
                .flatten();
            if times.any(|micros| micros >= DAY_MICROS) {
                let detail =
                    "holds the time 24:00:00, which Arrow does not have: cast it to VARCHAR";
                return Err(detail.to_owned());
            }
            false
        }
        DataType::Decimal128(38, 0) => {
            let mut values = array.as_primitive::<Decimal128Type>().iter().flatten();
            if values.any(|value| value.unsigned_abs() >= DIGITS_38) {
                let detail = "holds a number of 39 digits, and Arrow's have 38: cast it to VARCHAR";
                return Err(detail.to_owned());
            }
            false
        }
        _ => return children(array),
    };
    if is_infinite_one {
        Err(infinite())
    } else {
        Ok(())
    }
}

fn times(array: &dyn Array, unit: TimeUnit) -> bool {
    let any = |mut values: Box<dyn Iterator<Item = i64> + '_>| values.any(is_infinite);
    match unit {
        TimeUnit::Second => any(Box::new(
            array.as_primitive::<TimestampSecondType>().iter().flatten(),
        )),
        TimeUnit::Millisecond => any(Box::new(
            array
                .as_primitive::<TimestampMillisecondType>()
                .iter()
                .flatten(),
        )),
        TimeUnit::Microsecond => any(Box::new(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .flatten(),
        )),
        TimeUnit::Nanosecond => any(Box::new(
            array
                .as_primitive::<TimestampNanosecondType>()
                .iter()
                .flatten(),
        )),
    }
}

fn children(array: &dyn Array) -> Result<(), Problem> {
    match array.data_type() {
        DataType::List(_) => check(array.as_list::<i32>().values().as_ref()),
        DataType::LargeList(_) => check(array.as_list::<i64>().values().as_ref()),
        DataType::FixedSizeList(_, _) => check(array.as_fixed_size_list().values().as_ref()),
        DataType::Struct(_) => {
            let mut columns = array.as_struct().columns().iter();
            columns.try_for_each(|column| check(column.as_ref()))
        }
        DataType::Map(_, _) => check(array.as_map().entries()),
        DataType::Union(fields, _) => {
            let union = array.as_union();
            let mut ids = fields.iter().map(|(id, _)| id);
            ids.try_for_each(|id| check(union.child(id).as_ref()))
        }
        _ => Ok(()),
    }
}
