//! The mounts' rows.

use super::change::{Cause, Verb};
use super::nodes::Node;
use super::tx::WriteTx;
use super::{ReadTx, StoreError, column};
use journal::{JournalId, Time};
use node::Facts;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Map, Value};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// The word in JSON and SQL.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        // The derive takes the variants' names for the words.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($text),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

words! {
    /// Where a mount's bytes are.
    BackendKind {
        /// A directory of this machine.
        Local = "local",
        /// A bucket, or a part of one.
        S3 = "s3",
    }
}
words! {
    /// What commands may do on a mount.
    AccessMode {
        /// All of them.
        ReadWrite = "rw",
        /// None that changes files.
        ReadOnly = "ro",
    }
}
words! {
    /// Whether a mount is in use.
    MountState {
        /// It is.
        Active = "active",
        /// Its nodes are kept, and commands and scans refuse it.
        Inactive = "inactive",
    }
}

/// A mount: a tree of nodes and where its bytes are.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Its id.
    pub id: i64,
    /// Its name in URLs and rules: unique.
    pub mount_key: String,
    /// Where its bytes are.
    pub backend_kind: BackendKind,
    /// What commands may do on it.
    pub access_mode: AccessMode,
    /// The directory, for a local mount.
    pub root_path: Option<String>,
    /// The bucket, for S3.
    pub bucket: Option<String>,
    /// The prefix in the bucket, for S3.
    pub prefix: Option<String>,
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask about it.
    pub contact: Option<String>,
    /// Words to find it by.
    pub labels: Vec<String>,
    /// Whether it is in use.
    pub state: MountState,
    /// Why it is in this state, in the words of whoever set it.
    pub state_reason: Option<String>,
    /// What the backend needs to know.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

macro_rules! select_mounts {
    ($rest:literal) => {
        concat!(include_str!("sql/mount_columns.sql"), $rest)
    };
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Mount> {
    let json = |index, error| column::conversion(index, Box::new(error));
    Ok(Mount {
        id: row.get(0)?,
        mount_key: row.get(1)?,
        backend_kind: column::word(row, 2, BackendKind::from_word)?,
        access_mode: column::word(row, 3, AccessMode::from_word)?,
        root_path: row.get(4)?,
        bucket: row.get(5)?,
        prefix: row.get(6)?,
        display_name: row.get(7)?,
        labels: serde_json::from_str(row.get_ref(8)?.as_str()?).map_err(|e| json(8, e))?,
        state: column::word(row, 9, MountState::from_word)?,
        config: serde_json::from_str(row.get_ref(10)?.as_str()?).map_err(|e| json(10, e))?,
        created_at: Time::from_millis(row.get(11)?),
        updated_at: Time::from_millis(row.get(12)?),
        description: row.get(13)?,
        contact: row.get(14)?,
        state_reason: row.get(15)?,
    })
}

/// All mounts, by id.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<Mount>, StoreError> {
    let mut statement = tx.prepare_cached(select_mounts!("ORDER BY id"))?;
    let mounts = statement.query_map([], from_row)?;
    Ok(mounts.collect::<Result<_, _>>()?)
}

/// The mount of this id.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn by_id(tx: &ReadTx<'_>, id: i64) -> Result<Option<Mount>, StoreError> {
    let mut statement = tx.prepare_cached(select_mounts!("WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// The mount of this key.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn by_key(tx: &ReadTx<'_>, key: &str) -> Result<Option<Mount>, StoreError> {
    let mut statement = tx.prepare_cached(select_mounts!("WHERE mount_key = ?1"))?;
    Ok(statement.query_row([key], from_row).optional()?)
}

/// The mount of this root.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn by_root(tx: &ReadTx<'_>, root: &str) -> Result<Option<Mount>, StoreError> {
    let mut statement = tx.prepare_cached(select_mounts!("WHERE root_path = ?1"))?;
    Ok(statement.query_row([root], from_row).optional()?)
}

/// The name of the filesystem that the mount's root lies on, if it is known.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn volume(tx: &ReadTx<'_>, id: i64) -> Result<Option<i64>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT volume FROM mounts WHERE id = ?1")?;
    let volume = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(volume.flatten())
}

/// Inserts the mount (its id and times are set here) and its root node.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn insert(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    mount: &mut Mount,
    root: Facts,
) -> Result<JournalId, StoreError> {
    mount.created_at = tx.now();
    mount.updated_at = tx.now();
    tx.connection()
        .prepare_cached(include_str!("sql/insert_mount.sql"))?
        .execute(params![
            mount.mount_key,
            mount.backend_kind.as_str(),
            mount.access_mode.as_str(),
            mount.root_path,
            mount.bucket,
            mount.prefix,
            mount.display_name,
            serde_json::to_string(&mount.labels)?,
            mount.state.as_str(),
            serde_json::to_string(&mount.config)?,
            mount.created_at.as_millis(),
            mount.description,
            mount.contact,
            mount.state_reason,
        ])?;
    mount.id = tx.connection().last_insert_rowid();
    let mut root = Node::new(mount.id, None, String::new(), root);
    root.last_seen_at = Some(tx.now());
    tx.change(cause, Verb::Created, None, &mut root)
}

/// Stores what may change of a mount: all but its key, its backend and its root.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn update(tx: &mut WriteTx<'_>, mount: &mut Mount) -> Result<(), StoreError> {
    mount.updated_at = tx.now();
    tx.connection()
        .prepare_cached(include_str!("sql/update_mount.sql"))?
        .execute(params![
            mount.id,
            mount.access_mode.as_str(),
            mount.display_name,
            serde_json::to_string(&mount.labels)?,
            mount.state.as_str(),
            serde_json::to_string(&mount.config)?,
            mount.updated_at.as_millis(),
            mount.description,
            mount.contact,
            mount.state_reason,
        ])?;
    Ok(())
}
