//! What directories looked like when the catalogue was last seen to agree with them.
//!
//! A scan that meets the same listing again need not look at the nodes in it: an unchanged
//! directory costs one lookup, however many files it holds. What is remembered goes as soon as a
//! node in that directory changes, by whomever, in the transaction of the change.

use super::{ReadTx, StoreError};
use journal::JournalId;
use rusqlite::{Connection, OptionalExtension, params};

/// The bytes of a digest: 16 are plenty for telling two listings of one directory apart.
const DIGEST_BYTES: usize = 16;

/// A listing that the nodes of a directory agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Stands for all names and facts.
    pub digest: [u8; DIGEST_BYTES],
    /// The nodes of the subdirectories, in the order of their names.
    pub directories: Vec<i64>,
}

/// The listing that the nodes of this directory agree with, if it is known.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn recall(tx: &ReadTx<'_>, directory: i64) -> Result<Option<Listing>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT digest, directories FROM listings WHERE node_id = ?1 AND digest IS NOT NULL",
    )?;
    let listing = statement.query_row([directory], |row| {
        let ids = row.get_ref(1)?.as_blob()?;
        Ok(Listing {
            digest: row.get(0)?,
            directories: ids
                .as_chunks()
                .0
                .iter()
                .copied()
                .map(i64::from_le_bytes)
                .collect(),
        })
    });
    Ok(listing.optional()?)
}

/// Remembers the listing, unless a node in the directory changed after `seen_at`.
pub(super) fn remember(
    connection: &Connection,
    directory: i64,
    listing: &Listing,
    seen_at: JournalId,
) -> Result<(), StoreError> {
    let ids: Vec<u8> = listing
        .directories
        .iter()
        .flat_map(|id| id.to_le_bytes())
        .collect();
    connection
        .prepare_cached(include_str!("sql/remember_listing.sql"))?
        .execute(params![directory, listing.digest, ids, seen_at.as_i64()])?;
    Ok(())
}

/// A node in this directory changes with that entry: what is remembered is no more.
pub(super) fn touch(
    connection: &Connection,
    directory: i64,
    changed_at: JournalId,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(include_str!("sql/touch_listing.sql"))?
        .execute(params![directory, changed_at.as_i64()])?;
    Ok(())
}
