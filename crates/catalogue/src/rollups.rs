//! Sizes and counts of directories, kept right incrementally.
//!
//! Every change of a node adds a delta at the node's parent. Deltas are collected during a group
//! of jobs and carried up to all ancestors once, before the commit: a batch of ten thousand new
//! files in one directory costs one update a directory on the way to the root.
//!
//! That is right in any order, also when directories move within the group, because everything
//! is a sum: the table holds the totals before the group; a directory that moves takes the total
//! that the table has for it from its old parent to its new one; and what is still pending below
//! it is carried up along the parents it has at the end.

use super::{Node, ReadTx, StoreError};
use journal::{NodeKind, NodeState, Time};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap};
use std::ops::{AddAssign, Neg};

/// What a directory's totals change by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    /// The sizes of all files on a disk can add up to more than 64 bits.
    pub(super) size_bytes: i128,
    pub(super) file_count: i64,
    pub(super) directory_count: i64,
    /// Direct children: for the directory itself, not for its ancestors.
    pub(super) child_count: i64,
}

impl AddAssign for Delta {
    fn add_assign(&mut self, other: Self) {
        self.size_bytes += other.size_bytes;
        self.file_count += other.file_count;
        self.directory_count += other.directory_count;
        self.child_count += other.child_count;
    }
}

impl Neg for Delta {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            size_bytes: -self.size_bytes,
            file_count: -self.file_count,
            directory_count: -self.directory_count,
            child_count: -self.child_count,
        }
    }
}

/// Deltas by directory.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<i64, Delta>);

impl Pending {
    pub(super) fn add(&mut self, directory: Option<i64>, delta: Delta) {
        if let Some(directory) = directory
            && delta != Delta::default()
        {
            *self.0.entry(directory).or_default() += delta;
        }
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        for (directory, delta) in other.0.drain() {
            self.add(Some(directory), delta);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the deltas to the directories and to all their ancestors.
    pub(super) fn carry_up(&mut self, connection: &Connection, now: Time) -> rusqlite::Result<()> {
        let mut place =
            connection.prepare_cached("SELECT depth, parent_id FROM nodes WHERE id = ?1")?;
        let mut place = |id: i64| {
            place.query_row([id], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
            })
        };
        let mut add = connection.prepare_cached(include_str!("sql/add_rollup.sql"))?;
        // The deepest come first, so that each directory is updated once.
        let mut by_depth: BTreeMap<(i64, i64), (Option<i64>, Delta)> = BTreeMap::new();
        for (id, delta) in self.0.drain() {
            let (depth, parent) = place(id)?;
            by_depth.insert((depth, id), (parent, delta));
        }
        while let Some(((_, id), (parent, delta))) = by_depth.pop_last() {
            if delta == Delta::default() {
                continue;
            }
            let (high, low) = split(delta.size_bytes);
            add.execute(params![
                id,
                low,
                delta.file_count,
                delta.directory_count,
                delta.child_count,
                now.as_millis(),
                high
            ])?;
            if let Some(parent) = parent {
                let (depth, grandparent) = place(parent)?;
                let above = by_depth
                    .entry((depth, parent))
                    .or_insert((grandparent, Delta::default()));
                above.1 += Delta {
                    child_count: 0,
                    ..delta
                };
            }
        }
        Ok(())
    }
}

/// The bits of a sum of sizes that the column `size_bytes` has.
const LOW_BITS: u32 = 62;
const LOW: i128 = (1 << LOW_BITS) - 1;

/// A sum of sizes as its two columns: `size_high` and `size_bytes`.
fn split(size: i128) -> (i64, i64) {
    let part = |part: i128| i64::try_from(part).unwrap_or(i64::MAX);
    (part(size >> LOW_BITS), part(size & LOW))
}

/// The sum of sizes in the columns `size_high` and `size_bytes`.
fn join(high: i64, low: i64) -> i128 {
    (i128::from(high) << LOW_BITS) + i128::from(low)
}

/// A directory's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// The bytes of all files below it; they can be more than 64 bits tell.
    pub size_bytes: i128,
    /// Files below it.
    pub file_count: i64,
    /// Directories below it.
    pub directory_count: i64,
    /// Direct children.
    pub child_count: i64,
    /// When one of these last changed.
    pub last_calculated_at: Time,
}

/// The totals of a directory, without what the running group of jobs has changed.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn of(tx: &ReadTx<'_>, directory: i64) -> Result<Option<Rollup>, StoreError> {
    let mut statement = tx.prepare_cached(include_str!("sql/rollup.sql"))?;
    let rollup = statement.query_row([directory], |row| {
        Ok(Rollup {
            size_bytes: join(row.get(5)?, row.get(0)?),
            file_count: row.get(1)?,
            directory_count: row.get(2)?,
            child_count: row.get(3)?,
            last_calculated_at: Time::from_millis(row.get(4)?),
        })
    });
    Ok(rollup.optional()?)
}

/// The largest directories in this one, by name, with their totals.
///
/// # Errors
/// The catalogue cannot be read.
pub fn largest_in(
    tx: &ReadTx<'_>,
    directory: i64,
    limit: usize,
) -> Result<Vec<(String, Rollup)>, StoreError> {
    let mut statement = tx.prepare_cached(include_str!("sql/largest_in.sql"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![directory, limit], |row| {
        let rollup = Rollup {
            size_bytes: join(row.get(6)?, row.get(1)?),
            file_count: row.get(2)?,
            directory_count: row.get(3)?,
            child_count: row.get(4)?,
            last_calculated_at: Time::from_millis(row.get(5)?),
        };
        Ok((row.get(0)?, rollup))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a node adds to its parent by itself, without what lies below it.
pub(super) fn own(node: &Node) -> Delta {
    if !is_on_disk(node.state) {
        return Delta::default();
    }
    let is_directory = node.facts.kind == NodeKind::Directory;
    Delta {
        size_bytes: node.facts.size_bytes.into(),
        file_count: i64::from(!is_directory),
        directory_count: i64::from(is_directory),
        child_count: 1,
    }
}

/// Whether nodes in this state count.
pub const fn is_on_disk(state: NodeState) -> bool {
    matches!(state, NodeState::Active | NodeState::Inconsistent)
}
