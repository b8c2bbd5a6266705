//! Entries in memory, one after another: what a job appends, and what a block holds.

use super::Stored;
use crate::Head;
use journal::{Digest, EventType, JournalId, Time};

/// The data of a full block, in bytes. Whoever wants one entry of a block has to decode all of them, and
/// each reader holds some blocks in memory; a larger one is compressed hardly better.
const FULL_BYTES: usize = 512 * 1024;

/// The entries of a full block.
const FULL_ENTRIES: usize = 4_096;

/// Fewer entries are not worth a block of their own.
const MANY_ENTRIES: usize = 256;

/// Entries without a gap, and the one before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    before: Head,
    records: Vec<Record>,
    /// The data of all of them, without anything in between.
    data: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    committed_at: Time,
    node_id: Option<i64>,
    event_type: EventType,
    size_delta: i64,
    /// Where its data ends.
    data_end: usize,
    digest: Digest,
}

impl Run {
    /// No entries after this one yet.
    pub(crate) const fn after(before: Head) -> Self {
        Self {
            before,
            records: Vec::new(),
            data: String::new(),
        }
    }

    /// The same, with room for so many with so much data.
    pub(crate) fn with_room(before: Head, entries: usize, bytes: usize) -> Self {
        Self {
            before,
            records: Vec::with_capacity(entries),
            data: String::with_capacity(bytes),
        }
    }

    /// The data of all of them, in bytes.
    pub(crate) const fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// The entry before them.
    pub(crate) const fn before(&self) -> Head {
        self.before
    }

    /// The last of them, or the one before them.
    pub(crate) fn last(&self) -> Head {
        self.end(self.records.len())
    }

    /// The last of the first `count`, or the one before them.
    fn end(&self, count: usize) -> Head {
        let last = count.checked_sub(1).and_then(|last| self.records.get(last));
        last.map_or(self.before, |record| Head {
            id: JournalId::new(self.before.id.get().saturating_add(count as u64)),
            digest: record.digest,
        })
    }

    /// Where the data of the first `count` ends.
    fn data_end(&self, count: usize) -> usize {
        let last = count.checked_sub(1).and_then(|last| self.records.get(last));
        last.map_or(0, |record| record.data_end)
    }

    /// Appends one.
    pub(crate) fn push(
        &mut self,
        committed_at: Time,
        node_id: Option<i64>,
        event_type: EventType,
        size_delta: i64,
        data: &str,
    ) {
        let last = self.last();
        let (id, name) = (last.id.next(), event_type.as_str());
        let digest = last.digest.link(id, node_id, name, size_delta, data);
        self.data.push_str(data);
        self.records.push(Record {
            committed_at,
            node_id,
            event_type,
            size_delta,
            data_end: self.data.len(),
            digest,
        });
    }

    /// Appends those of a run that goes on where this one ends.
    pub(crate) fn append(&mut self, next: Self) {
        debug_assert_eq!(self.last(), next.before, "no gap");
        let at = self.data.len();
        self.data.push_str(&next.data);
        let records = next.records.into_iter().map(|record| Record {
            data_end: record.data_end + at,
            ..record
        });
        self.records.extend(records);
    }

    /// Takes off what comes after the first `count`.
    pub(crate) fn split_off(&mut self, count: usize) -> Self {
        let count = count.min(self.records.len());
        let (before, at) = (self.end(count), self.data_end(count));
        let mut rest = Self {
            before,
            records: self.records.split_off(count),
            data: self.data.split_off(at),
        };
        for record in &mut rest.records {
            record.data_end -= at;
        }
        rest
    }

    /// Takes a full block off its front, if there is one.
    pub(crate) fn take_block(&mut self) -> Option<Self> {
        let is_full = |(at, record): (usize, &Record)| {
            at + 1 >= FULL_ENTRIES || record.data_end >= FULL_BYTES
        };
        let last = self.records.iter().enumerate().position(is_full)?;
        let rest = self.split_off(last + 1);
        Some(std::mem::replace(self, rest))
    }

    /// Those from `id` on.
    pub(crate) fn starting_at(&self, id: JournalId) -> impl Iterator<Item = Stored<'_>> {
        let skipped = id.entries_since(self.before.id.next());
        let first = self.before.id.next().get().saturating_add(skipped);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut start = self.data_end(skipped.min(self.records.len()));
        let records = self.records.iter().skip(skipped);
        records.zip(first..).map(move |(record, id)| {
            // It begins and ends where a text did.
            let data = self.data.get(start..record.data_end).unwrap_or_default();
            start = record.data_end;
            Stored {
                id: JournalId::new(id),
                committed_at: record.committed_at,
                node_id: record.node_id,
                event_type: &record.event_type,
                size_delta: record.size_delta,
                data,
                digest: record.digest,
            }
        })
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Stored<'_>> {
        self.starting_at(self.before.id.next())
    }

    /// The earliest and the latest time of a commit; `None` if there are no entries.
    pub(crate) fn times(&self) -> Option<(Time, Time)> {
        let times = || self.records.iter().map(|record| record.committed_at);
        times().min().zip(times().max())
    }

    /// Whether it is as much as a block should hold.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= FULL_ENTRIES || self.data.len() >= FULL_BYTES
    }

    /// Whether it is enough for a block of its own.
    pub(crate) fn is_many(&self) -> bool {
        self.records.len() >= MANY_ENTRIES || self.is_full()
    }
}
