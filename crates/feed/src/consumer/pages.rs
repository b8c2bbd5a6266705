//! Pages of the journal, read and checked for a follower: by itself, or ahead of it.
//!
//! A page is *checked* when its entries are known to continue the digest that the journal gave for
//! the id before them. That costs as much as reading them, and needs nothing but the page, so it is
//! done where the page is read. What only the follower knows (which epoch it follows, and which
//! digest its checkpoint has) it compares itself, for every page, before it applies one.
//!
//! [`Pages::ahead`] has a thread that reads the page after the one in hand while the sink commits
//! that one. It never holds more than one page, and it begins only while there is a backlog, so
//! that an entry that comes alone is read at once by whoever wants it. A page that was read ahead
//! is given out if it begins where the follower asks, and otherwise forgotten: after a failure the
//! follower goes back to what its store says, and reads again.

use crate::SharedReader;
use crossbeam_channel::{Receiver, Sender, bounded};
use journal::{ChainError, Digest, JournalId, Page, ReadError, chain};
use std::thread::JoinHandle;

/// A page, and whether its entries continue `page.after_digest`.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) page: Page,
    /// The digest of the last entry, of the entry before them if there is none.
    pub(super) chain: Result<Digest, ChainError>,
}

/// Which page: the entries after an id, and at most how many.
type Wanted = (JournalId, usize);

/// Gives a follower its pages.
pub(super) struct Pages {
    reader: SharedReader,
    ahead: Option<Ahead>,
}

impl Pages {
    /// Reads when it is asked, on the thread that asks.
    pub(super) const fn new(reader: SharedReader) -> Self {
        Self {
            reader,
            ahead: None,
        }
    }

    /// Reads ahead from now on, on a thread of this name.
    pub(super) fn read_ahead(&mut self, name: &str) -> std::io::Result<()> {
        self.ahead = Some(Ahead::start(name, SharedReader::clone(&self.reader))?);
        Ok(())
    }

    pub(super) fn reader(&self) -> &SharedReader {
        &self.reader
    }

    /// The entries after `after`, at most `limit`; and if the journal goes on, the page after them
    /// is read meanwhile.
    pub(super) fn read(&mut self, after: JournalId, limit: usize) -> Result<Checked, ReadError> {
        let read = self.ahead.as_mut().and_then(|it| it.take((after, limit)));
        let checked = match read {
            Some(checked) => checked?,
            None => check(&self.reader, (after, limit))?,
        };
        let head = checked.page.position.head;
        if let Some(ahead) = &mut self.ahead
            && let Some(last) = checked.page.entries.last()
            && last.id < head
        {
            ahead.begin((last.id, limit));
        }
        Ok(checked)
    }
}

fn check(reader: &SharedReader, (after, limit): Wanted) -> Result<Checked, ReadError> {
    let page = reader.read(after, limit)?;
    let chain = match page.after_digest {
        Some(before) => chain::verify(after, before, &page.entries),
        // Past the head, where there is nothing to check.
        None => Ok(Digest::genesis(page.position.epoch)),
    };
    Ok(Checked { page, chain })
}

/// The thread, and what it was asked for.
struct Ahead {
    wanted: Option<Sender<Wanted>>,
    pages: Receiver<Result<Checked, ReadError>>,
    under_way: Option<Wanted>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    fn start(name: &str, reader: SharedReader) -> std::io::Result<Self> {
        let (wanted, requests) = bounded::<Wanted>(1);
        let (done, pages) = bounded(1);
        let work = move || {
            for request in requests {
                // A follower that is gone wants nothing more.
                if done.send(check(&reader, request)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)?;
        Ok(Self {
            wanted: Some(wanted),
            pages,
            under_way: None,
            thread: Some(thread),
        })
    }

    fn begin(&mut self, wanted: Wanted) {
        let sender = self.wanted.as_ref();
        if sender.is_some_and(|sender| sender.send(wanted).is_ok()) {
            self.under_way = Some(wanted);
        }
    }

    /// What was read ahead, if it is what is wanted now. Waits for a read under way in any case, so
    /// that there is never more than one.
    fn take(&mut self, wanted: Wanted) -> Option<Result<Checked, ReadError>> {
        let under_way = self.under_way.take()?;
        // A thread that panicked has no page to give; the follower then reads for itself.
        let page = self.pages.recv().ok()?;
        (under_way == wanted).then_some(page)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads the journal ahead had panicked");
        }
    }
}
