//! Records: what people say about things, most of them nodes.
//!
//! A record is a [`PersonsPart`] under a namespace and a key, and the sync's part if the key is a
//! node's. `version` counts people's writes only. Everything here is either pure or takes a
//! transaction; the HTTP side is in `rest`.

pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod condition;
pub(crate) mod once;
pub(crate) mod outcome;
mod persons_part;
pub(crate) mod schema;
pub(crate) mod store;
pub(crate) mod valid;
pub(crate) mod write;

pub(crate) use persons_part::{Metadata, PersonsPart, TagsPatch};

use journal::Time;
use serde::{Deserialize, Serialize};

/// A record as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The namespace it lives in.
    pub namespace: String,
    /// Its key in the namespace; the node id for the record of a node.
    pub key: String,
    /// What people wrote, and the sync's part under `filestore`.
    #[schema(value_type = Object)]
    pub metadata: Metadata,
    /// Tags, in order.
    pub tags: Vec<String>,
    /// Owner.
    pub owner: Option<String>,
    /// The hash of the schema that the metadata follows.
    pub schema_hash: Option<String>,
    /// How many writes people made; what `expectedVersion` is compared with.
    pub version: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When a person last wrote it.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// When a person, or else the sync, soft-deleted it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Time>,
    /// Who made it.
    pub created_by: Option<String>,
    /// Who last wrote it.
    pub updated_by: Option<String>,
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("there is no record {key:?} in namespace {namespace:?}")]
    NotFound { namespace: String, key: String },
    #[error("the record is at version {current}, not at the expected {expected}")]
    Version { expected: i64, current: i64 },
    #[error(
        "the condition of If-Match or If-None-Match does not hold: {}",
        current.map_or_else(
            || "there is no such record".to_owned(),
            |version| format!("the record is at version {version}")
        )
    )]
    Condition { current: Option<i64> },
    #[error("{0}")]
    Deleted(&'static str),
    #[error("the idempotency key was used for another request")]
    Idempotency,
    #[error("{pointer}: {detail}")]
    Invalid { pointer: String, detail: String },
    #[error("{}", told(.0))]
    Faults(Vec<Fault>),
    #[error(
        "the schema {0:?} is registered with other contents, and a schema never changes; leave out \
         schemaHash to have it named by its contents, or give another name"
    )]
    SchemaTaken(String),
    #[error("the metadata takes {bytes} bytes as JSON; at most {most} are allowed")]
    TooLarge { bytes: usize, most: usize },
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// JSON pointer into the body.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

fn told(faults: &[Fault]) -> String {
    let told: Vec<_> = faults
        .iter()
        .map(|fault| format!("{}: {}", fault.pointer, fault.detail))
        .collect();
    told.join("; ")
}

impl RecordError {
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}
