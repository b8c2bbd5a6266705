//! Which pages are kept, which is read next, and who stands where.
//!
//! Bounded in pages, entries and bytes of data; the last page that came is kept in any case. A page
//! that all followers have passed goes at once. If there are too many, the first to go is one that no
//! follower takes next, and of these the oldest.

use super::Checked;
use crate::Checkpoint;
use journal::JournalId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// One that each of two followers is at, and one read ahead.
const MOST_PAGES: usize = 3;
/// As many as three batches have by default.
const MOST_ENTRIES: usize = 12_000;
/// Of the entries' data; what they are decoded to takes about as much again.
const MOST_BYTES: usize = 8 << 20;

/// Which page: the entries after an id, and at most how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) after: JournalId,
    pub(super) limit: usize,
}

/// A follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// The pages, and what is known of those who take them.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// In the order in which they came.
    pages: VecDeque<Kept>,
    /// After which entry each follower reads next; `None` until it has read.
    places: BTreeMap<Place, Option<JournalId>>,
    entered: u64,
    /// Pages that are to be read ahead; one a follower at most.
    wanted: VecDeque<(Place, Wanted)>,
    /// A thread reads them.
    pub(super) reads_ahead: bool,
    /// After which entry a page is read ahead now.
    pub(super) under_way: Option<JournalId>,
    pub(super) is_closing: bool,
    /// How many were taken.
    pub(super) taken: u64,
}

#[derive(Debug)]
struct Kept {
    page: Arc<Checked>,
    bytes: usize,
}

impl Kept {
    /// Whether the entry after `id` is in it.
    fn has_next_of(&self, id: JournalId) -> bool {
        self.page.after <= id && id < self.page.last()
    }
}

impl Window {
    /// A follower that has read nothing yet.
    pub(super) fn enter(&mut self) -> Place {
        self.entered += 1;
        let place = Place(self.entered);
        self.places.insert(place, None);
        place
    }

    /// It wants the entries after this one.
    pub(super) fn move_to(&mut self, place: Place, after: JournalId) {
        self.places.insert(place, Some(after));
        self.drop_passed();
    }

    /// It takes no more pages.
    pub(super) fn leave(&mut self, place: Place) {
        self.places.remove(&place);
        self.wanted.retain(|(of, _)| *of != place);
        self.drop_passed();
    }

    /// The page that has the entry after the checkpoint's and continues its digest, and how many
    /// entries of it come before that.
    pub(super) fn find(&self, from: Checkpoint) -> Option<(Arc<Checked>, usize)> {
        let kept = self.pages.iter().find(|it| it.has_next_of(from.journal_id));
        let page = &kept?.page;
        let skipped = usize::try_from(from.journal_id.entries_since(page.after)).ok()?;
        let digest = match skipped.checked_sub(1) {
            None => page.after_digest,
            Some(before) => page.entries().get(before).map(|entry| entry.digest),
        };
        let continues = page.position.epoch == from.epoch && digest == Some(from.digest);
        continues.then(|| (Arc::clone(page), skipped))
    }

    /// Keeps the page, instead of those that tell of the same entries. One that is no piece of a
    /// history, or after which there was nothing, is not kept.
    pub(super) fn keep(&mut self, page: &Arc<Checked>) {
        if page.chain.is_err() || !page.has_next() || page.entries().is_empty() {
            return;
        }
        let (after, last) = (page.after, page.last());
        let is_apart = |it: &Kept| it.page.last() <= after || last <= it.page.after;
        self.pages.retain(is_apart);
        let bytes = page.entries().iter().map(|it| it.data.get().len()).sum();
        self.pages.push_back(Kept {
            page: Arc::clone(page),
            bytes,
        });
        self.drop_passed();
        while self.is_over() && self.pages.len() > 1 {
            let others = self.pages.iter().take(self.pages.len() - 1);
            let at = others
                .map(|it| self.is_next(it))
                .position(|is_next| !is_next);
            self.pages.remove(at.unwrap_or(0));
        }
    }

    /// The follower's next page, to be read ahead unless it is there. Whether it is to be read.
    pub(super) fn want(&mut self, place: Place, wanted: Wanted) -> bool {
        self.wanted.retain(|(of, _)| *of != place);
        let mut others = self.wanted.iter().map(|(_, wanted)| wanted.after);
        let needless = self.under_way == Some(wanted.after)
            || others.any(|after| after == wanted.after)
            || self.has_next_of(wanted.after);
        if !needless {
            self.wanted.push_back((place, wanted));
        }
        !needless
    }

    /// Whether a page has the entry after this one.
    pub(super) fn has_next_of(&self, after: JournalId) -> bool {
        self.pages.iter().any(|it| it.has_next_of(after))
    }

    /// Whether the thread reads the page after this entry, or is about to.
    pub(super) fn is_coming(&self, after: JournalId) -> bool {
        let mut wanted = self.wanted.iter().map(|(_, wanted)| wanted.after);
        self.under_way == Some(after) || (self.reads_ahead && wanted.any(|it| it == after))
    }

    /// Takes what is to be read next.
    pub(super) fn begin(&mut self) -> Option<Wanted> {
        let (_, wanted) = self.wanted.pop_front()?;
        self.under_way = Some(wanted.after);
        Some(wanted)
    }

    /// Whether the page after this entry is read ahead now. What is only wanted is taken back: whoever
    /// asks reads it at once.
    pub(super) fn is_reading(&mut self, after: JournalId) -> bool {
        self.wanted.retain(|(_, wanted)| wanted.after != after);
        self.under_way == Some(after)
    }

    /// Whether a follower takes it next.
    fn is_next(&self, kept: &Kept) -> bool {
        let mut places = self.places.values().flatten();
        places.any(|after| kept.has_next_of(*after))
    }

    fn is_over(&self) -> bool {
        let sum = |of: fn(&Kept) -> usize| self.pages.iter().map(of).sum::<usize>();
        self.pages.len() > MOST_PAGES
            || sum(|it| it.page.entries().len()) > MOST_ENTRIES
            || sum(|it| it.bytes) > MOST_BYTES
    }

    /// Drops what all followers are past. One that has read nothing yet may be anywhere.
    fn drop_passed(&mut self) {
        let passed = self.places.values().min().copied().flatten();
        if self.places.is_empty() {
            self.pages.clear();
        } else if let Some(passed) = passed {
            self.pages.retain(|it| it.page.last() > passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SharedReader;
    use crate::memory::MemoryReader;

    fn id(number: u64) -> JournalId {
        JournalId::new(number)
    }

    /// Pages of `size` entries of a journal of 100, with paths of so many bytes.
    fn pages(size: usize, path_bytes: usize) -> Vec<Arc<Checked>> {
        let reader = MemoryReader::new();
        reader.with(|journal| {
            for node in 0..100 {
                journal.put(node, &"p".repeat(path_bytes), 1);
            }
        });
        let reader: SharedReader = Arc::new(reader);
        let page = |after: usize| Checked::read(&reader, id(after as u64), size).unwrap();
        (0..100).step_by(size).map(page).map(Arc::new).collect()
    }

    fn kept(window: &Window) -> Vec<u64> {
        window.pages.iter().map(|it| it.page.after.get()).collect()
    }

    #[test]
    fn keeps_the_pages_that_followers_take_next_and_few_others() {
        let mut window = Window::default();
        let (behind, ahead) = (window.enter(), window.enter());
        window.move_to(behind, id(10));
        for page in pages(10, 1) {
            window.move_to(ahead, page.after);
            window.keep(&page);
            assert!(window.pages.len() <= MOST_PAGES, "{:?}", kept(&window));
        }
        // The first is passed, the one that is behind has its next, and the last ended at the head.
        assert_eq!(kept(&window), [10, 70, 80]);
        window.move_to(behind, id(70));
        assert_eq!(kept(&window), [70, 80]);
        window.leave(behind);
        assert_eq!(kept(&window), [0_u64; 0]);
    }

    #[test]
    fn pages_of_many_bytes_are_fewer() {
        let mut window = Window::default();
        window.enter();
        for page in pages(10, 400_000) {
            window.keep(&page);
            let bytes: usize = window.pages.iter().map(|it| it.bytes).sum();
            assert!(bytes <= MOST_BYTES, "{bytes}");
        }
        assert_eq!(kept(&window), [70, 80]);
    }

    #[test]
    fn a_page_replaces_those_of_the_same_entries() {
        let mut window = Window::default();
        window.enter();
        for page in pages(10, 1).iter().take(3) {
            window.keep(page);
        }
        window.keep(&pages(15, 1)[1]);
        // Those of 11 to 20 and 21 to 30 are in 16 to 30 in part.
        assert_eq!(kept(&window), [0, 15]);
    }

    #[test]
    fn each_follower_wants_one_page_and_those_that_are_there_none() {
        let mut window = Window::default();
        let (one, other) = (window.enter(), window.enter());
        let wanted = |after| Wanted {
            after: id(after),
            limit: 10,
        };
        assert!(window.want(one, wanted(10)));
        assert!(!window.want(other, wanted(10)), "it is read once");
        assert!(window.want(other, wanted(20)));
        assert!(window.want(one, wanted(30)), "instead of the one before");
        assert_eq!(window.begin(), Some(wanted(20)));
        assert!(window.is_reading(id(20)));
        assert!(!window.is_reading(id(30)), "whoever asks reads it at once");
        assert_eq!(window.begin(), None);
        window.keep(&pages(10, 1)[4]);
        assert!(!window.want(one, wanted(45)));
    }
}
