//! A block: entries without a gap, compressed.
//!
//! The payload is one Zstandard frame (RFC 8878). In it, one after another:
//!
//! | what | how |
//! |---|---|
//! | the types that occur | their number; each as its length and its text |
//! | the type of each entry | twice its place among them, and one more if the entry has a node |
//! | when each was committed | milliseconds, less those of the entry before it |
//! | the node of each that has one | less the one before it |
//! | the size delta of each | bytes |
//! | the data of each | its length |
//! | the data | text, without anything in between |
//!
//! Numbers are base 128, the low digits first, with the high bit set in all bytes but the last
//! (LEB128). What can be negative is first folded to 0, −1, 1, −2, … Differences wrap around.
//!
//! How many entries there are is told by the ids beside the payload, and whether all of it is as it
//! was written by the digest beside it ([`read`]).

use super::{Run, digest_of};
use crate::{Head, StoreError};
use journal::{EventType, JournalId, Time};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;

/// A scan's entries come to 30 bytes each. Level 9 takes a fifth off that, which is a fiftieth of the
/// database, and ten times as long.
const LEVEL: i32 = 3;

/// A block that claims to hold more is damaged: SQLite holds no value that is larger.
const MOST_BYTES: usize = 1_000_000_000;

/// What lies beside a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The entry before the first one.
    pub(super) before: Head,
    /// The last one.
    pub(super) last: Head,
    /// When the first commit was.
    pub(super) earliest_at: Time,
    /// When the last commit was.
    pub(super) latest_at: Time,
    raw_bytes: usize,
}

impl Header {
    /// A row of `sql/block_from.sql`.
    pub(super) fn of(row: &Row<'_>) -> Result<Self, StoreError> {
        let at = |id: JournalId, column: usize| {
            let digest = row.get_ref(column)?.as_blob();
            let digest = digest_of(id, digest.map_err(rusqlite::Error::from)?)?;
            Ok::<_, StoreError>(Head { id, digest })
        };
        let first = JournalId::from_i64(row.get(0)?);
        Ok(Self {
            before: at(super::before(first), 4)?,
            last: at(JournalId::from_i64(row.get(1)?), 5)?,
            earliest_at: Time::from_millis(row.get(2)?),
            latest_at: Time::from_millis(row.get(3)?),
            raw_bytes: usize::try_from(row.get::<_, i64>(6)?).unwrap_or(usize::MAX),
        })
    }

    fn damaged(&self, how: &str) -> StoreError {
        let (first, last) = (self.before.id.next(), self.last.id);
        StoreError::Damaged(format!("journal entries {first} to {last} {how}"))
    }
}

/// Stores these entries as a block. A run without entries needs none.
pub(super) fn insert(connection: &Connection, run: &Run) -> Result<(), StoreError> {
    let Some((earliest_at, latest_at)) = run.times() else {
        return Ok(());
    };
    let raw = encode(run);
    let payload = zstd::bulk::compress(&raw, LEVEL)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection
        .prepare_cached(include_str!("../sql/insert_block.sql"))?
        .execute(params![
            run.before().id.next().as_i64(),
            run.last().id.as_i64(),
            earliest_at.as_millis(),
            latest_at.as_millis(),
            run.before().digest.as_bytes(),
            run.last().digest.as_bytes(),
            i64::try_from(raw.len()).unwrap_or(i64::MAX),
            payload,
        ])?;
    Ok(())
}

/// The entries of a block, with their digests.
///
/// # Errors
/// [`StoreError::Damaged`] if they are not what was stored.
pub(super) fn read(connection: &Connection, header: &Header) -> Result<Run, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT payload FROM journal_blocks WHERE last_id = ?1")?;
    let mut rows = statement.query([header.last.id.as_i64()])?;
    let Some(row) = rows.next()? else {
        return Err(header.damaged("are not there"));
    };
    let payload = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    if header.raw_bytes > MOST_BYTES {
        return Err(header.damaged("are told to be larger than they can be"));
    }
    let raw = zstd::bulk::decompress(payload, header.raw_bytes)
        .map_err(|error| header.damaged(&format!("cannot be decompressed: {error}")))?;
    let run = decode(header, &raw).ok_or_else(|| header.damaged("cannot be read"))?;
    if run.last() != header.last {
        return Err(header.damaged("do not continue the history before them (digest mismatch)"));
    }
    if raw.len() != header.raw_bytes || run.times() != Some((header.earliest_at, header.latest_at))
    {
        return Err(header.damaged("are not what is told of them"));
    }
    Ok(run)
}

/// What is compressed.
fn encode(run: &Run) -> Vec<u8> {
    let mut types = Vec::new();
    let mut places = HashMap::new();
    let (mut kinds, mut times, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut deltas, mut lengths) = (Vec::new(), Vec::new());
    let (mut time_before, mut node_before) = (0, 0);
    for entry in run.iter() {
        let name = entry.event_type.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            types.push(name);
            types.len() as u64 - 1
        });
        put(&mut kinds, 2 * place + u64::from(entry.node_id.is_some()));
        put_difference(&mut times, &mut time_before, entry.committed_at.as_millis());
        if let Some(node) = entry.node_id {
            put_difference(&mut nodes, &mut node_before, node);
        }
        put(&mut deltas, fold(entry.size_delta));
        put(&mut lengths, entry.data.len() as u64);
    }
    let columns = [kinds, times, nodes, deltas, lengths];
    let column_bytes: usize = columns.iter().map(Vec::len).sum();
    // The names of the types take less than 1 KiB.
    let mut raw = Vec::with_capacity(1_024 + column_bytes + run.data_bytes());
    put(&mut raw, types.len() as u64);
    for name in types {
        put(&mut raw, name.len() as u64);
        raw.extend_from_slice(name.as_bytes());
    }
    for column in columns {
        raw.extend_from_slice(&column);
    }
    for entry in run.iter() {
        raw.extend_from_slice(entry.data.as_bytes());
    }
    raw
}

/// The entries in it; `None` if it is not so many, or no such thing.
fn decode(header: &Header, raw: &[u8]) -> Option<Run> {
    let count = header.last.id.entries_since(header.before.id);
    let count = usize::try_from(count).ok()?;
    let mut input = Input(raw);
    let mut types = Vec::new();
    for _ in 0..input.number()? {
        let length = usize::try_from(input.number()?).ok()?;
        types.push(EventType::from(str::from_utf8(input.take(length)?).ok()?));
    }
    let kinds = input.numbers(count)?;
    let times = input.numbers(count)?;
    let has_node = |kind: u64| kind & 1 == 1;
    let with_node = kinds.iter().filter(|kind| has_node(**kind)).count();
    let mut nodes = input.numbers(with_node)?.into_iter();
    let deltas = input.numbers(count)?;
    let lengths = input.numbers(count)?;
    let mut data = str::from_utf8(input.0).ok()?;

    // A count that is not true asks for no more room than there can be entries.
    let mut run = Run::with_room(header.before, count.min(raw.len()), data.len());
    let (mut time, mut node) = (0_i64, 0_i64);
    let columns = kinds
        .into_iter()
        .zip(times)
        .zip(deltas.into_iter().zip(lengths));
    for ((kind, time_since), (delta, length)) in columns {
        time = time.wrapping_add(unfold(time_since));
        let mut node_id = None;
        if has_node(kind) {
            node = node.wrapping_add(unfold(nodes.next()?));
            node_id = Some(node);
        }
        let event_type = types.get(usize::try_from(kind >> 1).ok()?)?.clone();
        let (text, rest) = data.split_at_checked(usize::try_from(length).ok()?)?;
        data = rest;
        let committed_at = Time::from_millis(time);
        run.push(committed_at, node_id, event_type, unfold(delta), text);
    }
    data.is_empty().then_some(run)
}

fn put(into: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        let [low, ..] = rest.to_le_bytes();
        into.push(low | 0x80);
        rest >>= 7;
    }
    let [last, ..] = rest.to_le_bytes();
    into.push(last);
}

fn put_difference(into: &mut Vec<u8>, before: &mut i64, number: i64) {
    put(into, fold(number.wrapping_sub(*before)));
    *before = number;
}

fn fold(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unfold(folded: u64) -> i64 {
    (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed()
}

/// What has not been read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// It ends with the input, whatever `count` says.
    fn numbers(&mut self, count: usize) -> Option<Vec<u64>> {
        (0..count).map(|_| self.number()).collect()
    }
}

#[cfg(test)]
mod tests;
