//! Pages of the journal, read, checked and decoded for a follower: by itself, or ahead of it.
//!
//! A page is *checked* when its entries are known to continue the digest that the journal gave for
//! the id before them. That costs as much as reading them, and needs nothing but the page, so it is
//! done where the page is read. What only the follower knows (which epoch it follows, and which
//! digest its checkpoint has) it compares itself, for every page, before it applies one. The same
//! goes for decoding: the events borrow their text from the entries, and travel with them.
//!
//! [`Pages::ahead`] has a thread that reads the page after the one in hand while the sink commits
//! that one. It never holds more than one page, and it begins only while there is a backlog, so
//! that an entry that comes alone is read at once by whoever wants it. A page that was read ahead
//! is given out if it begins where the follower asks, and otherwise forgotten: after a failure the
//! follower goes back to what its store says, and reads again.

use crate::SharedReader;
use crossbeam_channel::{Receiver, Sender, bounded};
use journal::{
    ChainError, DecodeError, Digest, Entry, Event, JournalId, Position, ReadError, chain,
};
use self_cell::self_cell;
use std::thread::JoinHandle;

/// The event of each entry, or why it has none.
pub(super) type Events<'a> = Vec<Result<Event<'a>, DecodeError>>;

self_cell! {
    /// Entries, and what they say.
    pub(super) struct Decoded {
        owner: Vec<Entry>,

        #[covariant]
        dependent: Events,
    }

    impl {Debug}
}

/// A page, and whether its entries continue `after_digest`.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) position: Position,
    /// The journal's digest of the id after which it was read.
    pub(super) after_digest: Option<Digest>,
    pub(super) entries: Decoded,
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
        let head = checked.position.head;
        if let Some(ahead) = &mut self.ahead
            && let Some(last) = checked.entries.borrow_owner().last()
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
    Ok(Checked {
        position: page.position,
        after_digest: page.after_digest,
        entries: Decoded::new(page.entries, |entries| {
            entries.iter().map(Entry::event).collect()
        }),
        chain,
    })
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
