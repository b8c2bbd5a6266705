//! The three bodies that an ingestion can come in: one JSON document, NDJSON rows, or an Arrow
//! stream. The latter two carry rows only; what the JSON document says beside its rows comes in
//! the query string.

use super::rows::{Rows, pointer_part};
use super::{Ingestion, PartitionKey, TimeRange, check_idempotency_key};
use crate::error::{Error, Result};
use crate::pipeline::NewPartition;
use crate::schema::{self, Field, FieldType, arrow_schema};
use arrow_ipc::reader::StreamDecoder;
use duckdb::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use duckdb::arrow::buffer::Buffer;
use duckdb::arrow::compute::cast;
use duckdb::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use journal::Time;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    NdJson,
    Arrow,
}

/// Rows for a dataset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IngestRequest)]
pub(crate) struct JsonBody {
    /// The fields of the rows.
    schema: SchemaBody,
    /// What the rows belong to.
    partition: PartitionBody,
    /// One object a row.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    /// The same key and request again adds nothing (also as the header `Idempotency-Key`).
    idempotency_key: Option<String>,
    /// The name of a new dataset; its slug, if there is none.
    dataset_name: Option<String>,
}

/// The schema of an ingestion.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SchemaBody {
    /// The fields; those that the dataset lacks are added to it.
    fields: Vec<Field>,
    /// How the dataset may change.
    evolution: Option<EvolutionBody>,
}

/// How a dataset may change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EvolutionBody {
    /// `false` refuses fields that the dataset lacks.
    #[serde(default = "yes")]
    allow_new_fields: bool,
}

const fn yes() -> bool {
    true
}

/// The partition of an ingestion.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionBody {
    /// What it is called; rows of the same key form one partition.
    key: PartitionKey,
    /// The time that its rows are of.
    time_range: TimeRange,
}

/// What an NDJSON or Arrow body cannot say itself.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct IngestQuery {
    /// For NDJSON: `name:type,name:type…`; the dataset's own fields, if left out.
    pub(crate) schema: Option<String>,
    /// The partition's key; the day of the earliest row, if left out.
    pub(crate) partition_key: Option<String>,
    /// The name of a new dataset.
    pub(crate) dataset_name: Option<String>,
    /// The same key and body again adds nothing.
    pub(crate) idempotency_key: Option<String>,
}

/// The ingestion in this body. `present` are the dataset's fields, if it is there.
pub(crate) fn decode(
    kind: BodyKind,
    slug: &str,
    body: &[u8],
    query: IngestQuery,
    present: Option<&[Field]>,
    now: Time,
) -> Result<Ingestion> {
    schema::check_slug(slug)?;
    let hash = blake3::hash(body).to_hex().to_string();
    let own_key = own_key(body, &query)?;
    let (mut ingestion, key) = match kind {
        BodyKind::Json => json(slug, body, hash)?,
        BodyKind::NdJson => (ndjson(slug, body, &query, present, now, hash)?, None),
        BodyKind::Arrow => (arrow(slug, body, &query, now, hash)?, None),
    };
    let key = query.idempotency_key.or(key);
    if let Some(key) = &key {
        check_idempotency_key(key)?;
    }
    ingestion.idempotency_key = key.unwrap_or(own_key);
    ingestion.name = query.dataset_name.or(ingestion.name);
    Ok(ingestion)
}

/// The key of a request that comes without one, made of all that decides which rows come where. No
/// writer's key is like it: theirs have no control characters.
fn own_key(body: &[u8], query: &IngestQuery) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(&[&query.schema, &query.partition_key])?);
    hasher.update(body);
    Ok(format!("\u{1}{}", hasher.finalize().to_hex()))
}

/// Also the key in the body.
fn json(slug: &str, body: &[u8], hash: String) -> Result<(Ingestion, Option<String>)> {
    let body: JsonBody = httpkit::json::from_slice(body)
        .map_err(|fault| Error::invalid(fault.pointer, fault.detail))?;
    schema::check_fields(&body.schema.fields, "/schema/fields")?;
    let mut rows = Rows::new(&body.schema.fields);
    for row in &body.rows {
        rows.push(row)?;
    }
    let (batch, warnings) = rows.finish()?;
    let ingestion = Ingestion {
        slug: slug.to_owned(),
        name: body.dataset_name,
        adds_fields: body
            .schema
            .evolution
            .is_none_or(|evolution| evolution.allow_new_fields),
        fields: body.schema.fields,
        partition: NewPartition::new(&body.partition.key, body.partition.time_range)?,
        batches: vec![batch],
        idempotency_key: String::new(),
        hash,
        warnings,
    };
    Ok((ingestion, body.idempotency_key))
}

fn ndjson(
    slug: &str,
    body: &[u8],
    query: &IngestQuery,
    present: Option<&[Field]>,
    now: Time,
    hash: String,
) -> Result<Ingestion> {
    let fields = match (&query.schema, present) {
        (Some(text), _) => parse_schema(text)?,
        (None, Some(fields)) => fields.to_vec(),
        (None, None) => {
            let detail = "the dataset is new: name its fields, for example ?schema=at:timestamp,value:double";
            return Err(Error::invalid("/schema", detail));
        }
    };
    schema::check_fields(&fields, "/schema")?;
    let mut rows = Rows::new(&fields);
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row: Map<String, Value> = httpkit::json::from_slice(line).map_err(|fault| {
            let pointer = match fault.pointer.as_str() {
                "" => String::new(),
                within => format!("/rows/{}{within}", rows.count()),
            };
            Error::invalid(pointer, format!("line {}: {}", number + 1, fault.detail))
        })?;
        rows.push(&row)?;
    }
    let (batch, warnings) = rows.finish()?;
    rows_only(slug, fields, vec![batch], query, now, hash, warnings)
}

fn arrow(
    slug: &str,
    body: &[u8],
    query: &IngestQuery,
    now: Time,
    hash: String,
) -> Result<Ingestion> {
    let broken = |error: ArrowError| {
        Error::invalid("", format!("the body is not an Arrow IPC stream: {error}"))
    };
    // The decoder that is pushed to takes lengths in the stream for promises; the one that reads
    // would allocate what they promise.
    let mut decoder = StreamDecoder::new();
    let mut left = Buffer::from(body);
    let mut decoded = Vec::new();
    while !left.is_empty() {
        decoded.extend(decoder.decode(&mut left).map_err(broken)?);
    }
    decoder.finish().map_err(broken)?;
    let schema = decoder
        .schema()
        .ok_or_else(|| Error::invalid("", "the body is an Arrow IPC stream without a schema"))?;
    let mut fields = Vec::new();
    for field in schema.fields() {
        let kind = FieldType::of_arrow(field.data_type()).ok_or_else(|| {
            let detail = format!(
                "the column {:?} is of type {}, which no field of a dataset takes",
                field.name(),
                field.data_type()
            );
            Error::invalid("/schema", detail)
        })?;
        fields.push(Field {
            name: field.name().clone(),
            kind,
        });
    }
    schema::check_fields(&fields, "/schema")?;
    let target = arrow_schema(&fields);
    let mut batches = Vec::new();
    let mut first_row = 0;
    for batch in decoded {
        let columns = batch
            .columns()
            .iter()
            .zip(&fields)
            .map(|(column, field)| whole_cast(column, field, first_row))
            .collect::<Result<Vec<_>>>()?;
        first_row += batch.num_rows();
        batches.push(RecordBatch::try_new(Arc::clone(&target), columns)?);
    }
    rows_only(slug, fields, batches, query, now, hash, Vec::new())
}

/// The column in the field's type. A value that it does not have is refused, and named by its row.
fn whole_cast(column: &ArrayRef, field: &Field, first_row: usize) -> Result<ArrayRef> {
    let refused = |row: usize, why: &str| {
        let pointer = format!("/rows/{}/{}", first_row + row, pointer_part(&field.name));
        Error::invalid(pointer, format!("the value {why}"))
    };
    if field.kind == FieldType::Timestamp {
        return micros(column.as_ref()).map_err(|(row, why)| refused(row, why));
    }
    let cast = cast(column, &field.kind.arrow()).map_err(|error| {
        let detail = format!("the column {:?} cannot be read: {error}", field.name);
        Error::invalid("", detail)
    })?;
    // A value that does not fit became NULL.
    match (0..column.len()).find(|row| column.is_valid(*row) && cast.is_null(*row)) {
        Some(row) => {
            let why = format!("is out of the range of a {}", field.kind.word());
            Err(refused(row, &why))
        }
        None => Ok(cast),
    }
}

/// The row of a value that cannot be taken, and why.
type Refused = (usize, &'static str);

/// DuckDB's range of times; its ends mean infinity.
const OUT_OF_RANGE: &str = "is out of the range of a timestamp";
const TOO_FINE: &str = "has nanoseconds, and a timestamp has microseconds: round the column to \
                        microseconds first";

/// Times in microseconds of UTC, which those with a zone count from, too.
fn micros(column: &dyn Array) -> std::result::Result<ArrayRef, Refused> {
    let times = match column.data_type() {
        DataType::Date32 => values::<Date32Type>(column, |days| i64::from(days).checked_mul(DAY)),
        DataType::Date64 => values::<Date64Type>(column, |millis| millis.checked_mul(1_000)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            values::<TimestampSecondType>(column, |seconds| seconds.checked_mul(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            values::<TimestampMillisecondType>(column, |millis| millis.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            values::<TimestampMicrosecondType>(column, Some)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let times = column.as_primitive::<TimestampNanosecondType>();
            let mut times = times.iter().enumerate();
            if let Some((row, _)) = times.find(|(_, time)| time.is_some_and(|it| it % 1_000 != 0)) {
                return Err((row, TOO_FINE));
            }
            values::<TimestampNanosecondType>(column, |nanos| Some(nanos / 1_000))
        }
        DataType::Dictionary(_, value) => {
            let plain = cast(column, value).map_err(|_| (0, OUT_OF_RANGE))?;
            return micros(plain.as_ref());
        }
        _ => Err((0, OUT_OF_RANGE)),
    }?;
    Ok(Arc::new(TimestampMicrosecondArray::from(times)))
}

const DAY: i64 = 86_400_000_000;

/// The values, or the first row whose value is out of range.
fn values<T: ArrowPrimitiveType>(
    column: &dyn Array,
    micros: impl Fn(T::Native) -> Option<i64>,
) -> std::result::Result<Vec<Option<i64>>, Refused> {
    let in_range = |value: T::Native| micros(value).filter(|micros| micros.unsigned_abs() < MAX);
    let values = column.as_primitive::<T>().iter().enumerate();
    values
        .map(|(row, value)| {
            let taken = value.map(|value| in_range(value).ok_or((row, OUT_OF_RANGE)));
            taken.transpose()
        })
        .collect()
}

const MAX: u64 = i64::MAX.unsigned_abs();

/// An ingestion whose body says nothing of its partition.
fn rows_only(
    slug: &str,
    fields: Vec<Field>,
    batches: Vec<RecordBatch>,
    query: &IngestQuery,
    now: Time,
    hash: String,
    warnings: Vec<String>,
) -> Result<Ingestion> {
    let range = time_range(&fields, &batches, now);
    let key = match &query.partition_key {
        Some(key) => PartitionKey::Text(key.clone()),
        None => {
            let day = range
                .start
                .to_string()
                .chars()
                .take_while(|c| *c != 'T')
                .collect();
            PartitionKey::Names([("date".to_owned(), day)].into())
        }
    };
    Ok(Ingestion {
        slug: slug.to_owned(),
        name: None,
        fields,
        adds_fields: true,
        partition: NewPartition::new(&key, range)?,
        batches,
        idempotency_key: String::new(),
        hash,
        warnings,
    })
}

/// The range of the first timestamp column; now, if there is none.
fn time_range(fields: &[Field], batches: &[RecordBatch], now: Time) -> TimeRange {
    let column = fields
        .iter()
        .position(|field| field.kind == FieldType::Timestamp);
    let times = column.into_iter().flat_map(|column| {
        batches
            .iter()
            .filter_map(move |batch| batch.columns().get(column))
            .flat_map(|array| {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                (0..times.len())
                    .filter(|at| times.is_valid(*at))
                    .map(|at| times.value(at))
            })
    });
    let (least, greatest) = times.fold((None, None), |(least, greatest), time| {
        (
            Some(least.map_or(time, |t: i64| t.min(time))),
            Some(greatest.map_or(time, |t: i64| t.max(time))),
        )
    });
    match (least, greatest) {
        (Some(least), Some(greatest)) => TimeRange {
            start: Time::from_millis(least.div_euclid(1000)),
            end: Time::from_millis(greatest.div_euclid(1000).saturating_add(1)),
        },
        _ => TimeRange {
            start: now,
            end: now,
        },
    }
}

/// `name:type,name:type…`
fn parse_schema(text: &str) -> Result<Vec<Field>> {
    text.split(',')
        .map(|field| {
            let parsed = field.rsplit_once(':').and_then(|(name, word)| {
                Some(Field { name: name.trim().to_owned(), kind: FieldType::from_word(word.trim())? })
            });
            parsed.ok_or_else(|| {
                let detail = format!(
                    "{field:?} is not name:type with a type of timestamp, string, double, integer or boolean"
                );
                Error::invalid("/schema", detail)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_can_stand_in_the_query_string() {
        let fields = parse_schema("at:timestamp, a:b:double").unwrap();
        assert_eq!(
            fields[0],
            Field {
                name: "at".to_owned(),
                kind: FieldType::Timestamp
            }
        );
        assert_eq!(
            fields[1],
            Field {
                name: "a:b".to_owned(),
                kind: FieldType::Double
            }
        );
        assert!(parse_schema("at").is_err());
        assert!(parse_schema("at:date").is_err());
    }

    #[test]
    fn ndjson_names_the_line() {
        let query = IngestQuery {
            schema: Some("a:integer".to_owned()),
            ..IngestQuery::default()
        };
        let body = b"{\"a\":1}\n\n{oops}\n";
        let error = decode(BodyKind::NdJson, "x", body, query, None, Time::default()).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }

    #[test]
    fn garbage_is_no_arrow_stream() {
        for body in [&b""[..], b"garbage", &[0xff; 64]] {
            let query = IngestQuery::default();
            let error = decode(BodyKind::Arrow, "x", body, query, None, Time::default());
            assert!(error.is_err());
        }
    }
}
