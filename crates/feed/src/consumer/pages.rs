//! Pages of the journal, read, checked and decoded once for all followers of a process.
//!
//! A page is *checked* when its entries are known to continue the digest that the journal gave for
//! the id before them. That costs as much as reading them, and needs nothing but the page, so it is
//! done where the page is read. The same goes for decoding: the events borrow their text from the
//! entries, and travel with them. What only a follower knows (which epoch it follows, and which
//! digest its checkpoint has) it compares itself, for every page, before it applies one.
//!
//! [`Pages`] keeps the last pages in a small [`Window`]. A follower whose next entry lies in one of
//! them takes that page, or the rest of it: so two followers that stand near each other soon take
//! the same pages. Any other follower reads for itself. Nobody waits for a slower one: a page that
//! it has not taken yet may go, and it reads that page again.
//!
//! A page of the window is as good as one that is read now. It is taken only by a follower whose
//! own digest it continues, and only after the journal has told the same digest at the page's end.
//! A page that is damaged, and one after which the journal ended, are never kept: whoever wants
//! them reads the journal, and sees what is there then.
//!
//! [`Pages::read_ahead`] has a thread that reads the page after the one in hand while the sinks
//! commit that one. It begins only while there is a backlog, so that an entry that comes alone is
//! read at once by whoever wants it. What it cannot read it leaves to the followers.

mod window;

use crate::{Checkpoint, SharedReader};
use journal::{
    ChainError, DecodeError, Digest, Entry, Event, JournalId, JournalReader, Position, ReadError,
    chain,
};
use parking_lot::{Condvar, Mutex};
use process::Task;
use self_cell::self_cell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use window::{Place, Wanted, Window};

/// The event of each entry, or why it has none.
type Events<'a> = Vec<Result<Event<'a>, DecodeError>>;

self_cell! {
    /// Entries, and what they say.
    struct Decoded {
        owner: Vec<Entry>,

        #[covariant]
        dependent: Events,
    }

    impl {Debug}
}

/// A page as it was read.
#[derive(Debug)]
struct Checked {
    /// Where the journal was.
    position: Position,
    after: JournalId,
    /// The journal's digest of `after`.
    after_digest: Option<Digest>,
    entries: Decoded,
    /// The digest of the last entry, of the entry before them if there is none; or why they do not
    /// continue `after_digest`.
    chain: Result<Digest, ChainError>,
}

impl Checked {
    fn read(reader: &SharedReader, after: JournalId, limit: usize) -> Result<Self, ReadError> {
        let page = reader.read(after, limit)?;
        let chain = match page.after_digest {
            Some(before) => chain::verify(after, before, &page.entries),
            // Past the head, where there is nothing to check.
            None => Ok(Digest::genesis(page.position.epoch)),
        };
        Ok(Self {
            position: page.position,
            after,
            after_digest: page.after_digest,
            entries: Decoded::new(page.entries, |entries| {
                entries.iter().map(Entry::event).collect()
            }),
            chain,
        })
    }

    fn entries(&self) -> &[Entry] {
        self.entries.borrow_owner()
    }

    /// The last entry's id, the one before them if there is none.
    fn last(&self) -> JournalId {
        self.entries().last().map_or(self.after, |entry| entry.id)
    }

    /// Whether the journal went on after it.
    fn has_next(&self) -> bool {
        self.last() < self.position.head
    }
}

/// A page, or a part of one.
#[derive(Debug)]
pub(super) struct Slice {
    page: Arc<Checked>,
    /// The first entry, and the one after the last.
    range: (usize, usize),
    /// Where the journal was when the page was read, or taken from the window.
    pub(super) position: Position,
}

impl Slice {
    fn whole(page: Arc<Checked>) -> Self {
        Self {
            range: (0, page.entries().len()),
            position: page.position,
            page,
        }
    }

    /// At most `limit` entries after the first `skipped`.
    fn part(page: &Arc<Checked>, skipped: usize, limit: usize) -> Self {
        let end = skipped.saturating_add(limit).min(page.entries().len());
        Self {
            page: Arc::clone(page),
            range: (skipped, end),
            position: page.position,
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        let (from, to) = self.range;
        self.page.entries().get(from..to).unwrap_or_default()
    }

    /// Those of the entries, one each.
    pub(super) fn events(&self) -> &[Result<Event<'_>, DecodeError>] {
        let (from, to) = self.range;
        let events = self.page.entries.borrow_dependent();
        events.get(from..to).unwrap_or_default()
    }

    /// The digest of the entry before them; `None` past the head.
    pub(super) fn after_digest(&self) -> Option<Digest> {
        match self.range.0.checked_sub(1) {
            None => self.page.after_digest,
            Some(before) => self.page.entries().get(before).map(|entry| entry.digest),
        }
    }

    /// The digest of the last of them.
    ///
    /// # Errors
    /// They do not continue [`Slice::after_digest`].
    pub(super) fn chain(&self) -> Result<Digest, ChainError> {
        let whole = self.page.chain.clone()?;
        // Each digest of a page that is whole was computed.
        Ok(self.entries().last().map_or(whole, |entry| entry.digest))
    }
}

/// The pages of one journal, for the consumers of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Pages(Arc<Handle>);

impl Pages {
    /// Pages that are read when a follower asks, on its own thread.
    #[must_use]
    pub fn of(reader: SharedReader) -> Self {
        let shared = Shared {
            reader,
            window: Mutex::default(),
            changed: Condvar::new(),
        };
        Self(Arc::new(Handle {
            shared: Arc::new(shared),
            ahead: Mutex::new(None),
        }))
    }

    /// From now on the next page is read, checked and decoded on a thread of its own while the sinks
    /// commit the one in hand. What is applied, and what is refused, stays the same. Calling it
    /// again changes nothing.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn read_ahead(&self) -> std::io::Result<()> {
        let mut ahead = self.0.ahead.lock();
        if ahead.is_none() {
            let shared = Arc::clone(&self.0.shared);
            *ahead = Some(Task::spawn("read-journal", move |_| shared.run())?);
            self.0.shared.window.lock().reads_ahead = true;
        }
        Ok(())
    }

    /// Reads one page that a follower wants next, on the thread that asks; whether there was one. For
    /// models, which have no other thread.
    #[must_use]
    pub fn read_one_ahead(&self) -> bool {
        let wanted = self.0.shared.window.lock().begin();
        if let Some(wanted) = wanted {
            self.0.shared.read_ahead(wanted);
        }
        wanted.is_some()
    }

    /// How many pages, or parts of one, were taken that had been read before.
    #[must_use]
    pub fn kept_taken(&self) -> u64 {
        self.0.shared.window.lock().taken
    }

    pub(super) fn reader(&self) -> &SharedReader {
        &self.0.shared.reader
    }
}

impl From<SharedReader> for Pages {
    fn from(reader: SharedReader) -> Self {
        Self::of(reader)
    }
}

impl<R: JournalReader + 'static> From<Arc<R>> for Pages {
    fn from(reader: Arc<R>) -> Self {
        Self::of(reader)
    }
}

/// Ends the thread with the last of those who take pages.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    /// Waited for when it is dropped.
    ahead: Mutex<Option<Task>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.window.lock().is_closing = true;
        self.shared.changed.notify_all();
    }
}

struct Shared {
    reader: SharedReader,
    window: Mutex<Window>,
    /// A page was read, or is wanted, or it is over.
    changed: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Reads what is wanted until the end.
    fn run(&self) {
        while let Some(wanted) = self.next_wanted() {
            self.read_ahead(wanted);
        }
    }

    fn read_ahead(&self, wanted: Wanted) {
        // Nobody waits for a read that has ended, even in a panic.
        let _reading = Reading(self);
        if let Ok(page) = Checked::read(&self.reader, wanted.after, wanted.limit) {
            self.window.lock().keep(&Arc::new(page));
        }
    }

    fn next_wanted(&self) -> Option<Wanted> {
        let mut window = self.window.lock();
        loop {
            if window.is_closing {
                return None;
            }
            if let Some(wanted) = window.begin() {
                return Some(wanted);
            }
            self.changed.wait(&mut window);
        }
    }
}

struct Reading<'a>(&'a Shared);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.window.lock().under_way = None;
        self.0.changed.notify_all();
    }
}

/// A follower's way through the pages.
#[derive(Debug)]
pub(super) struct View {
    pages: Pages,
    place: Place,
}

impl View {
    pub(super) fn new(pages: Pages) -> Self {
        let place = pages.0.shared.window.lock().enter();
        Self { pages, place }
    }

    pub(super) fn reader(&self) -> &SharedReader {
        self.pages.reader()
    }

    /// The entries after the checkpoint's, at most `limit`; and if the journal goes on, the page
    /// after them is read meanwhile.
    pub(super) fn read(&mut self, from: Checkpoint, limit: usize) -> Result<Slice, ReadError> {
        let slice = match self.take(from, limit)? {
            Some(slice) => slice,
            None => self.read_now(from.journal_id, limit)?,
        };
        if let Some(last) = slice.entries().last() {
            let shared = &self.pages.0.shared;
            let after = last.id;
            let mut window = shared.window.lock();
            window.move_to(self.place, after);
            let wanted = Wanted { after, limit };
            if after < slice.position.head && window.want(self.place, wanted) {
                shared.changed.notify_all();
            }
        }
        Ok(slice)
    }

    /// Whether the page after this entry has been read, or is read by another thread.
    pub(super) fn expects(&self, after: JournalId) -> bool {
        let window = self.pages.0.shared.window.lock();
        window.has_next_of(after) || window.is_coming(after)
    }

    /// Waits while the page after the checkpoint is read by another thread, at most so long; whether
    /// it can be taken.
    pub(super) fn wait_for(&self, from: Checkpoint, patience: Duration) -> bool {
        let shared = &self.pages.0.shared;
        let deadline = Instant::now() + patience;
        let mut window = shared.window.lock();
        while window.is_coming(from.journal_id) {
            if shared.changed.wait_until(&mut window, deadline).timed_out() {
                break;
            }
        }
        window.find(from).is_some()
    }

    /// What the window has for it, if the journal still says the same.
    fn take(&self, from: Checkpoint, limit: usize) -> Result<Option<Slice>, ReadError> {
        let found = {
            let shared = &self.pages.0.shared;
            let mut window = shared.window.lock();
            window.move_to(self.place, from.journal_id);
            // Whoever waits for a page would only read the same one.
            while window.is_reading(from.journal_id) {
                shared.changed.wait(&mut window);
            }
            window.find(from)
        };
        let Some((page, skipped)) = found else {
            return Ok(None);
        };
        let mut slice = Slice::part(&page, skipped, limit);
        let Some(last) = slice.entries().last() else {
            return Ok(None);
        };
        let now = self.reader().read(last.id, 0)?;
        let is_the_same = now.position.epoch == from.epoch && now.after_digest == Some(last.digest);
        if !is_the_same {
            return Ok(None);
        }
        self.pages.0.shared.window.lock().taken += 1;
        slice.position = now.position;
        Ok(Some(slice))
    }

    fn read_now(&self, after: JournalId, limit: usize) -> Result<Slice, ReadError> {
        let page = Arc::new(Checked::read(self.reader(), after, limit)?);
        self.pages.0.shared.window.lock().keep(&page);
        Ok(Slice::whole(page))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.pages.0.shared.window.lock().leave(self.place);
    }
}
