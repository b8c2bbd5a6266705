//! Where the journal stands, as the last commit left it.

use super::{Head, StoreError};
use journal::{Digest, Epoch, JournalId};
use rusqlite::Connection;

/// What the journal is and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) epoch: Epoch,
    pub(super) head: Head,
    pub(super) trimmed: Head,
    pub(super) next_node_id: i64,
}

/// The one row of the journal's meta table.
pub(super) fn read(connection: &Connection) -> Result<Meta, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("sql/meta.sql"))?;
    let row = statement.query_row([], |row| {
        Ok((
            row.get::<_, [u8; 16]>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, Vec<u8>>(2)?,
            row.get::<_, i64>(3)?,
            row.get::<_, Vec<u8>>(4)?,
            row.get(5)?,
        ))
    });
    let (epoch, head, head_digest, trimmed, trimmed_digest, next_node_id) = row?;
    let at = |id: i64, digest: &[u8]| {
        let digest = Digest::from_slice(digest)
            .ok_or_else(|| StoreError::Damaged(format!("the digest of entry {id} is no digest")))?;
        Ok::<_, StoreError>(Head {
            id: JournalId::from_i64(id),
            digest,
        })
    };
    Ok(Meta {
        epoch: Epoch::from(uuid::Uuid::from_bytes(epoch)),
        head: at(head, &head_digest)?,
        trimmed: at(trimmed, &trimmed_digest)?,
        next_node_id,
    })
}
