//! How many nodes a listing has in all.
//!
//! What only path, depth, kind and state narrow down is known from the rollups: they count what is
//! on disk below each directory. What is off disk or inconsistent is few, and has an index. All else
//! is counted, up to a bound: a page is not to wait for a million rows to be looked at.

use super::{Conditions, Index, Listing, Part, Total};
use crate::rollups::{self, Rollup};
use crate::{Node, ReadTx, StoreError};
use journal::{NodeKind, NodeState};
use rusqlite::params_from_iter;
use rusqlite::types::Value;

/// Rows that are counted; more are as many and more.
const COUNTED: i64 = 10_000;

/// `None` where it would have to be counted again for a page that goes on.
pub(super) fn of(
    tx: &ReadTx<'_>,
    listing: &Listing,
    directory: Option<&Node>,
) -> Result<Option<Total>, StoreError> {
    if let Some(directory) = directory
        && listing.is_counted_by_rollups()
    {
        let rollup = rollups::of(tx, directory.id)?.unwrap_or_default();
        if let Some(on_disk) = on_disk(tx, listing, rollup)? {
            let off = off(tx, listing, directory)?;
            return Ok(Some(listing.add_up(on_disk, off)));
        }
    }
    if listing.after.is_some() {
        return Ok(None);
    }
    let most = COUNTED.saturating_add(i64::from(listing.offset));
    let mut count = 0;
    for part in listing.parts(directory, None) {
        count += counted(tx, listing, part, most)?;
    }
    Ok(Some(Total {
        count: count.min(most),
        is_exact: count < most,
    }))
}

/// How many are inconsistent, and how many missing.
#[derive(Clone, Copy, Debug, Default)]
struct Off {
    inconsistent: i64,
    missing: i64,
}

impl Listing {
    fn is_counted_by_rollups(&self) -> bool {
        self.search.is_none()
            && self.size == super::Bounds::default()
            && self.seen == super::Bounds::default()
            && self.rollup.is_none()
            && self.metadata.is_empty()
            && self.depth != Some(0)
            && !self.states.contains(&NodeState::Deleted)
    }

    /// The one kind that is asked for; `None` for both.
    fn kind(&self) -> Option<NodeKind> {
        let wants = |kind| self.kinds.contains(&kind);
        match (wants(NodeKind::File), wants(NodeKind::Directory)) {
            (true, false) => Some(NodeKind::File),
            (false, true) => Some(NodeKind::Directory),
            _ => None,
        }
    }

    fn add_up(&self, on_disk: i64, off: Off) -> Total {
        let wants = |state| self.states.is_empty() || self.states.contains(&state);
        let counts = [
            (NodeState::Active, on_disk - off.inconsistent),
            (NodeState::Inconsistent, off.inconsistent),
            (NodeState::Missing, off.missing),
        ];
        let counts = counts
            .into_iter()
            .filter(|(state, _)| wants(*state))
            .filter(|(state, _)| !self.drift_only || *state != NodeState::Active);
        Total {
            count: counts.map(|(_, count)| count).sum(),
            is_exact: true,
        }
    }
}

/// What is on disk of the kind that is asked for; `None` if no rollup tells.
fn on_disk(tx: &ReadTx<'_>, listing: &Listing, rollup: Rollup) -> Result<Option<i64>, StoreError> {
    match (listing.depth, listing.kind()) {
        (None, None) => Ok(Some(rollup.file_count + rollup.directory_count)),
        (None, Some(NodeKind::File)) => Ok(Some(rollup.file_count)),
        (None, Some(NodeKind::Directory)) => Ok(Some(rollup.directory_count)),
        (Some(1), None) => Ok(Some(rollup.child_count)),
        (Some(_), None) => {
            let below = children_below(tx, listing)?;
            Ok(Some(rollup.child_count + below))
        }
        (Some(_), Some(_)) => Ok(None),
    }
}

/// The names in all directories below the one that is listed whose names are asked for.
fn children_below(tx: &ReadTx<'_>, listing: &Listing) -> Result<i64, StoreError> {
    let mut conditions = Conditions::default();
    conditions.and(Index::Directories.condition(), []);
    listing.bound(&mut conditions, None);
    let deepest = listing.deepest().unwrap_or(usize::MAX);
    let deepest = i64::try_from(deepest).unwrap_or(i64::MAX);
    conditions.and("n.depth < ?", [Value::from(deepest)]);
    let sql = format!(
        "SELECT coalesce(sum(rollups.child_count), 0) FROM nodes n INDEXED BY {}
            JOIN rollups ON rollups.node_id = n.id WHERE {}",
        Index::Directories.name(),
        conditions.sql
    );
    let mut statement = tx.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(conditions.values), |row| row.get(0))?)
}

fn off(tx: &ReadTx<'_>, listing: &Listing, directory: &Node) -> Result<Off, StoreError> {
    let mut conditions = Conditions::default();
    conditions.and(Index::Off.condition(), []);
    listing.bound(&mut conditions, None);
    match listing.depth {
        Some(1) => conditions.and("n.parent_id = ?", [Value::from(directory.id)]),
        _ => listing.only_to_depth(&mut conditions),
    }
    if let Some(kind) = listing.kind() {
        conditions.and_words("n.kind", &[kind.as_str()]);
    }
    let sql = format!(
        "SELECT coalesce(sum(n.state = 'inconsistent'), 0), coalesce(sum(n.state = 'missing'), 0)
            FROM nodes n INDEXED BY {} WHERE {}",
        Index::Off.name(),
        conditions.sql
    );
    let mut statement = tx.prepare_cached(&sql)?;
    Ok(
        statement.query_row(params_from_iter(conditions.values), |row| {
            Ok(Off {
                inconsistent: row.get(0)?,
                missing: row.get(1)?,
            })
        })?,
    )
}

impl Listing {
    fn only_to_depth(&self, conditions: &mut Conditions) {
        if let Some(deepest) = self.deepest().filter(|_| self.depth != Some(0)) {
            let deepest = i64::try_from(deepest).unwrap_or(i64::MAX);
            conditions.and("n.depth <= ?", [Value::from(deepest)]);
        }
    }
}

fn counted(tx: &ReadTx<'_>, listing: &Listing, part: Part, most: i64) -> Result<i64, StoreError> {
    let mut conditions = part.conditions;
    if part.index != Index::Names {
        listing.only_to_depth(&mut conditions);
    }
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM nodes n INDEXED BY {} WHERE {} LIMIT ?)",
        part.index.name(),
        conditions.sql
    );
    let values = conditions.values.into_iter().chain([Value::from(most)]);
    let mut statement = tx.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(values), |row| row.get(0))?)
}
