//! Schemas: which fields the metadata of a record has, and of which types.
//!
//! A schema is registered once and never changes; its hash names it. A record that carries the hash
//! is checked by every write that changes its metadata or the hash. What a schema does not name is
//! free. Everything but [`find`], [`list`], [`register`] and [`check`] is pure.

use super::outcome::Author;
use super::{Fault, Metadata, PersonsPart, RecordError, store};
use journal::Time;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;

const FIELDS: usize = 512;
const PATH_BYTES: usize = 512;
const NAME_CHARS: usize = 256;
const DESCRIPTION_CHARS: usize = 4_096;
const DEFINITION_BYTES: usize = 256 << 10;
/// As many faults are told at once.
const FAULTS: usize = 64;

/// What a schema says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Value>,
    pub(crate) fields: Vec<SchemaField>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Metadata>,
}

/// One field of the metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchemaField {
    /// Where it is in the metadata: names joined by dots.
    #[schema(example = "payload.timestamp")]
    path: String,
    /// `string`, `number` (also `float`, `double`, `decimal`), `integer`, `boolean`, `object`,
    /// `array`, `timestamp` (RFC 3339 text; also `datetime`, `date-time`) or `any`.
    #[serde(rename = "type")]
    #[schema(example = "string")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// It must be there, and not be null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
    /// It is a list of values of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeated: Option<bool>,
    /// `enum` lists all values that are allowed. The rest is kept for clients, and not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    constraints: Option<Metadata>,
    /// Kept for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    hints: Option<Metadata>,
    /// Kept for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    examples: Option<Vec<Value>>,
    /// Kept for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Metadata>,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    Object,
    Array,
    Time,
    Any,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "string" => Self::Text,
            "number" | "float" | "double" | "decimal" => Self::Number,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "object" => Self::Object,
            "array" => Self::Array,
            "timestamp" | "datetime" | "date-time" => Self::Time,
            "any" => Self::Any,
            _ => return None,
        })
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::Object => "an object",
            Self::Array => "an array",
            Self::Time => "a time such as 2026-01-31T12:00:00Z",
            Self::Any => "a value",
        }
    }

    fn has(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => {
                value.is_i64()
                    || value.is_u64()
                    || value.as_f64().is_some_and(|it| it.fract() == 0.0)
            }
            Self::Boolean => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::Time => value
                .as_str()
                .is_some_and(|text| text.parse::<Time>().is_ok()),
            Self::Any => true,
        }
    }
}

/// Faults, each place once, up to as many as are told.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn push(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let pointer = pointer.into();
        if self.0.len() < FAULTS && self.0.iter().all(|fault| fault.pointer != pointer) {
            let detail = detail.into();
            self.0.push(Fault { pointer, detail });
        }
    }
}

impl Definition {
    /// The JSON that the hash is of: names in order, no white space, nothing that is left out.
    pub(crate) fn canonical(&self) -> String {
        // By way of a value, whose objects are sorted.
        let value = serde_json::to_value(self).unwrap_or_default();
        value.to_string()
    }

    /// `sha256:` and the hash of a definition's canonical JSON.
    pub(crate) fn hash_of(canonical: &str) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(canonical)))
    }

    /// What is wrong with the definition itself.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        let mut text = |field: &str, text: &Option<String>, most: usize| {
            let length = text.as_ref().map_or(1, |text| text.chars().count());
            if !(1..=most).contains(&length) {
                let detail = format!("it has {length} characters; 1 to {most} are allowed");
                faults.push(field, detail);
            }
        };
        text("/name", &self.name, NAME_CHARS);
        text("/description", &self.description, DESCRIPTION_CHARS);
        if !matches!(
            self.version,
            None | Some(Value::String(_) | Value::Number(_))
        ) {
            faults.push("/version", "a string or a number");
        }
        if self.fields.is_empty() || self.fields.len() > FIELDS {
            faults.push("/fields", format!("1 to {FIELDS} fields"));
        }
        let mut paths = HashSet::new();
        for (index, field) in self.fields.iter().enumerate() {
            field.faults(&format!("/fields/{index}"), &mut faults);
            if !paths.insert(&field.path) {
                let detail = format!("another field has the path {:?} too", field.path);
                faults.push(format!("/fields/{index}/path"), detail);
            }
        }
        let bytes = self.canonical().len();
        if bytes > DEFINITION_BYTES {
            let detail = format!("the schema takes {bytes} bytes; at most {DEFINITION_BYTES}");
            faults.push("", detail);
        }
        faults.0
    }

    /// What is wrong with a record's metadata.
    pub(crate) fn faults_of(&self, metadata: &Metadata) -> Vec<Fault> {
        let mut faults = Faults::default();
        for field in &self.fields {
            field.look(metadata, &mut faults);
        }
        faults.0
    }
}

impl SchemaField {
    fn is_required(&self) -> bool {
        self.required == Some(true)
    }

    fn allowed(&self) -> Option<&Value> {
        self.constraints.as_ref()?.get("enum")
    }

    fn faults(&self, at: &str, faults: &mut Faults) {
        let is_bad = |name: &str| name.is_empty() || name.chars().any(char::is_control);
        if self.path.len() > PATH_BYTES || self.path.split('.').any(is_bad) {
            let detail = format!("names joined by dots, at most {PATH_BYTES} bytes");
            faults.push(format!("{at}/path"), detail);
        }
        if self.path.split('.').next() == Some("filestore") {
            let detail = "metadata.filestore is written by the sync; a schema is about the rest";
            faults.push(format!("{at}/path"), detail);
        }
        if Kind::of(&self.kind).is_none() {
            let detail = format!(
                "there is no type {:?}; there are string, number, integer, boolean, object, array, \
                 timestamp and any",
                self.kind
            );
            faults.push(format!("{at}/type"), detail);
        }
        if self
            .allowed()
            .is_some_and(|allowed| !matches!(allowed, Value::Array(all) if !all.is_empty()))
        {
            faults.push(
                format!("{at}/constraints/enum"),
                "a list of the values that are allowed",
            );
        }
    }

    fn look(&self, metadata: &Metadata, faults: &mut Faults) {
        let names: Vec<&str> = self.path.split('.').collect();
        let (mut object, mut pointer) = (metadata, "/metadata".to_owned());
        for (index, name) in names.iter().enumerate() {
            pointer.push('/');
            pointer.push_str(&escaped(name));
            let rest = names.get(index + 1..).unwrap_or_default();
            match object.get(*name) {
                None | Some(Value::Null) => {
                    if self.is_required() {
                        for name in rest {
                            pointer.push('/');
                            pointer.push_str(&escaped(name));
                        }
                        faults.push(pointer, "the schema wants this field");
                    }
                    return;
                }
                Some(value) if rest.is_empty() => return self.value(value, pointer, faults),
                Some(Value::Object(inner)) => object = inner,
                Some(other) => {
                    let detail = format!("an object is wanted, not {}", what(other));
                    faults.push(pointer, detail);
                    return;
                }
            }
        }
    }

    fn value(&self, value: &Value, pointer: String, faults: &mut Faults) {
        if self.repeated != Some(true) {
            return self.one(value, pointer, faults);
        }
        match value {
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.one(value, format!("{pointer}/{index}"), faults);
                }
            }
            other => {
                let detail = format!("an array is wanted, not {}", what(other));
                faults.push(pointer, detail);
            }
        }
    }

    fn one(&self, value: &Value, pointer: String, faults: &mut Faults) {
        // A type that is not known was refused when the schema was registered.
        let kind = Kind::of(&self.kind).unwrap_or(Kind::Any);
        if !kind.has(value) {
            let detail = format!("{} is wanted, not {}", kind.wanted(), what(value));
            return faults.push(pointer, detail);
        }
        if let Some(allowed @ Value::Array(values)) = self.allowed()
            && !values.contains(value)
        {
            faults.push(pointer, format!("one of {allowed} is wanted"));
        }
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "this string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A schema as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredSchema {
    pub(crate) hash: String,
    pub(crate) definition: Definition,
    pub(crate) created_at: Time,
}

impl StoredSchema {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            hash: row.get("hash")?,
            definition: store::json(row, "definition")?,
            created_at: Time::from_millis(row.get("created_at")?),
        })
    }
}

const SELECT: &str = "SELECT hash, definition, created_at FROM schemas";

/// The schema of this hash.
pub(crate) fn find(connection: &Connection, hash: &str) -> rusqlite::Result<Option<StoredSchema>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE hash = ?1"))?
        .query_row([hash], StoredSchema::from_row)
        .optional()
}

/// Schemas behind a hash, in the order of their hashes.
pub(crate) fn list(
    connection: &Connection,
    after: &str,
    limit: i64,
) -> rusqlite::Result<Vec<StoredSchema>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE hash > ?1 ORDER BY hash LIMIT ?2"))?
        .query_map(params![after, limit], StoredSchema::from_row)?
        .collect()
}

/// Stores a schema, and says whether it is new.
pub(crate) fn register(
    connection: &Connection,
    author: &Author,
    hash: &str,
    definition: Definition,
) -> Result<(bool, StoredSchema), RecordError> {
    if let Some(known) = find(connection, hash)? {
        return if known.definition == definition {
            Ok((false, known))
        } else {
            Err(RecordError::SchemaTaken(hash.to_owned()))
        };
    }
    connection.execute(
        "INSERT INTO schemas (hash, definition, created_at, created_by) VALUES (?1, ?2, ?3, ?4)",
        params![
            hash,
            definition.canonical(),
            author.now.as_millis(),
            author.subject
        ],
    )?;
    let made = StoredSchema {
        hash: hash.to_owned(),
        definition,
        created_at: author.now,
    };
    Ok((true, made))
}

/// Checks what a person is about to say against the schema that it names.
pub(crate) fn check(
    connection: &Connection,
    before: Option<&PersonsPart>,
    after: &PersonsPart,
) -> Result<(), RecordError> {
    let Some(hash) = &after.schema_hash else {
        return Ok(());
    };
    let is_kept = before.is_some_and(|before| before.schema_hash.as_ref() == Some(hash));
    if is_kept && before.is_some_and(|before| before.metadata == after.metadata) {
        return Ok(());
    }
    let Some(schema) = find(connection, hash)? else {
        // Before there were schemas a record could have any hash.
        if is_kept {
            return Ok(());
        }
        let detail = format!("there is no schema {hash:?}; register it with POST /admin/schemas");
        return Err(RecordError::invalid("/schemaHash", detail));
    };
    let faults = schema.definition.faults_of(&after.metadata);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(RecordError::Faults(faults))
    }
}

#[cfg(test)]
mod tests;
