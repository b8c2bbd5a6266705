//! A journal that is made up as it is read: as long as one likes, in bounded memory.
//!
//! Every entry is a function of its id alone, but for its digest, which chains. One digest in
//! [`MARK_EVERY`] is kept, so a reader may start anywhere at the price of so many entries.

mod script;

use anyhow::Context as _;
use journal::{
    Digest, Entry, Epoch, JournalId, JournalReader, Page, Position, ReadError, Snapshot,
};
use script::Script;
use serde_json::value::RawValue;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A batch of a consumer is a multiple of it, so that it seldom begins anywhere else.
const MARK_EVERY: u64 = 500;

/// The journal.
pub(crate) struct Synthetic {
    epoch: Epoch,
    head: u64,
    script: Script,
    /// The digests of the ids 0, [`MARK_EVERY`], twice that, …, as far as they were reached.
    marks: Mutex<Vec<Digest>>,
}

impl Synthetic {
    /// A journal of so many entries, spread evenly over the year 2025.
    pub(crate) fn new(entries: u64) -> Self {
        let epoch = Epoch::generate();
        Self {
            epoch,
            head: entries,
            script: Script::new(entries),
            marks: Mutex::new(vec![Digest::genesis(epoch)]),
        }
    }

    /// The entries after `after`, up to and with `last`, and the digest of `after`. They are made
    /// without the lock, so that two readers do not wait for each other.
    fn entries(&self, after: u64, last: u64) -> anyhow::Result<(Digest, Vec<Entry>)> {
        let mut reached = self.nearest(after)?;
        while reached.0 < after {
            reached = self.pass(&self.entry(reached.0 + 1, reached.1)?);
        }
        let after_digest = reached.1;
        let count = usize::try_from(last.saturating_sub(after))?;
        let mut entries = Vec::with_capacity(count);
        for id in after + 1..=last {
            let entry = self.entry(id, reached.1)?;
            reached = self.pass(&entry);
            entries.push(entry);
        }
        Ok((after_digest, entries))
    }

    /// The last mark at or before `id`.
    fn nearest(&self, id: u64) -> anyhow::Result<(u64, Digest)> {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(id / MARK_EVERY)?.min(marks.len().saturating_sub(1));
        let digest = marks.get(at).context("the genesis is always marked")?;
        Ok((u64::try_from(at)? * MARK_EVERY, *digest))
    }

    /// Marks the entry, if its turn has come.
    fn pass(&self, entry: &Entry) -> (u64, Digest) {
        let id = entry.id.get();
        if id.is_multiple_of(MARK_EVERY) {
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            if u64::try_from(marks.len()) == Ok(id / MARK_EVERY) {
                marks.push(entry.digest);
            }
        }
        (id, entry.digest)
    }

    fn entry(&self, id: u64, before: Digest) -> anyhow::Result<Entry> {
        let told = self.script.entry(id)?;
        let journal_id = JournalId::new(id);
        let digest = before.link(
            journal_id,
            told.node_id,
            told.event_type.as_str(),
            told.size_delta,
            &told.data,
        );
        Ok(Entry {
            id: journal_id,
            node_id: told.node_id,
            event_type: told.event_type,
            size_delta: told.size_delta,
            data: RawValue::from_string(told.data)?,
            digest,
        })
    }
}

impl JournalReader for Synthetic {
    fn position(&self) -> Result<Position, ReadError> {
        Ok(Position {
            epoch: self.epoch,
            head: JournalId::new(self.head),
            trimmed: JournalId::ZERO,
        })
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let position = self.position()?;
        if after > position.head {
            return Ok(Page {
                position,
                after_digest: None,
                entries: Vec::new(),
            });
        }
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let last = after.get().saturating_add(limit).min(self.head);
        let (after_digest, entries) = self
            .entries(after.get(), last)
            .map_err(|error| ReadError::Damaged(format!("{error:#}")))?;
        Ok(Page {
            position,
            after_digest: Some(after_digest),
            entries,
        })
    }

    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError> {
        let position = self.position()?;
        // Nothing ever comes at the head, and nobody is to spin for it.
        let started = Instant::now();
        while position.head <= after && started.elapsed() < timeout {
            std::thread::park_timeout(timeout.saturating_sub(started.elapsed()));
        }
        Ok(position)
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        Err(ReadError::Damaged(
            "a journal that is made up has no snapshot".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::chain;

    fn read(reader: &Synthetic, after: u64, limit: usize) -> Page {
        reader.read(JournalId::new(after), limit).unwrap()
    }

    #[test]
    fn pages_are_dense_and_chain_from_the_genesis_to_the_head() {
        let reader = Synthetic::new(25_000);
        let mut last = (JournalId::ZERO, Digest::genesis(reader.epoch));
        loop {
            let page = reader.read(last.0, 7_000).unwrap();
            assert_eq!(page.after_digest, Some(last.1));
            last.1 = chain::verify(last.0, last.1, &page.entries).unwrap();
            match page.entries.last() {
                Some(entry) => last.0 = entry.id,
                None => break,
            }
        }
        assert_eq!(last.0.get(), 25_000);
        assert!(read(&reader, 25_001, 1).after_digest.is_none());
    }

    #[test]
    fn a_wait_at_the_head_lasts_and_one_before_it_does_not() {
        let reader = Synthetic::new(10);
        let started = Instant::now();
        reader
            .wait(JournalId::new(9), Duration::from_secs(60))
            .unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
        reader
            .wait(JournalId::new(10), Duration::from_millis(20))
            .unwrap();
        assert!(started.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_reader_may_start_anywhere_and_go_back() {
        let reader = Synthetic::new(25_000);
        let far = read(&reader, 20_005, 10);
        let near = read(&reader, 3, 10);
        let again = read(&reader, 20_005, 10);
        assert_eq!(far.after_digest, again.after_digest);
        chain::verify(JournalId::new(3), near.after_digest.unwrap(), &near.entries).unwrap();
        assert_eq!(
            far.entries[9].digest,
            read(&reader, 20_015, 0).after_digest.unwrap()
        );
    }
}
