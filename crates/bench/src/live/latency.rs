//! From a commit to its visibility: who had which entry when.
//!
//! One thread each notes every new head and every new checkpoint with the time. What is written
//! down is three rising series; the latency of an entry is the time from the first head at or past
//! it to the later of the two books' first checkpoints at or past it.

use crate::outcome::Outcome;
use crate::report::say;
use anyhow::Context as _;
use feed::consumer::ConsumerHandle;
use filestore::Filestore;
use journal::JournalId;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What the design allows one entry in a hundred.
const LATE: Duration = Duration::from_millis(25);

/// The entry that was there, and when.
type Note = (JournalId, Instant);

/// The threads that write down.
pub(super) struct Watch {
    head: JoinHandle<anyhow::Result<Vec<Note>>>,
    books: Vec<JoinHandle<anyhow::Result<Vec<Note>>>>,
    stop: CancellationToken,
}

impl Watch {
    pub(super) fn start(
        filestore: &Filestore,
        consumers: &[ConsumerHandle],
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let (mut heads, is_over) = (filestore.head_watch(), stop.clone());
        let head = spawn("watch-head", async move {
            let mut notes = Vec::new();
            while is_over.run_until_cancelled(heads.changed()).await.is_some() {
                notes.push((heads.borrow_and_update().id, Instant::now()));
            }
            notes
        })?;
        let mut books = Vec::new();
        for consumer in consumers {
            // Somebody who waited for an entry would hurry the consumer.
            let (mut checkpoints, is_over) = (consumer.checkpoints(), stop.clone());
            books.push(spawn("watch-book", async move {
                let mut notes = Vec::new();
                while let Some(Ok(())) = is_over.run_until_cancelled(checkpoints.changed()).await {
                    notes.push((*checkpoints.borrow_and_update(), Instant::now()));
                }
                notes
            })?);
        }
        Ok(Self { head, books, stop })
    }

    /// Ends the watch; the latency of each entry after `after` in the slower book. That of each
    /// book is told to people.
    pub(super) fn latencies(
        self,
        after: JournalId,
        consumers: &[ConsumerHandle],
    ) -> anyhow::Result<Vec<Duration>> {
        self.stop.cancel();
        let heads = join(self.head)?;
        let books: Vec<_> = self.books.into_iter().map(join).collect::<Result<_, _>>()?;
        for (consumer, book) in consumers.iter().zip(&books) {
            let mut alone = latencies(after, &heads, std::slice::from_ref(book));
            let times = Outcome::default().with_times(&mut alone);
            let (p50, p99) = (
                times.p50_ms.unwrap_or_default(),
                times.p99_ms.unwrap_or_default(),
            );
            let most = alone.last().copied().unwrap_or_default();
            let late = alone.iter().filter(|latency| **latency > LATE).count();
            say(&format!(
                "{}: p50 {p50:.2} ms, p99 {p99:.2} ms, {most:.1?} at most, {late} of {} late",
                consumer.name(),
                alone.len()
            ));
        }
        Ok(latencies(after, &heads, &books))
    }
}

fn spawn(
    name: &str,
    watch: impl Future<Output = Vec<Note>> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<Vec<Note>>>> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let run = move || {
        let mut runtime = runtime;
        Ok(runtime.enable_time().build()?.block_on(watch))
    };
    Ok(std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)?)
}

fn join(thread: JoinHandle<anyhow::Result<Vec<Note>>>) -> anyhow::Result<Vec<Note>> {
    thread.join().ok().context("a watch panicked")?
}

/// Entries that a book never showed are left out.
fn latencies(after: JournalId, heads: &[Note], books: &[Vec<Note>]) -> Vec<Duration> {
    let Some((last, _)) = heads.last() else {
        return Vec::new();
    };
    let mut latencies = Vec::new();
    let mut heads = heads;
    let mut books: Vec<&[Note]> = books.iter().map(Vec::as_slice).collect();
    let mut id = after.next();
    while id <= *last {
        let committed = first_at(&mut heads, id);
        let visible: Option<Vec<Instant>> =
            books.iter_mut().map(|book| first_at(book, id)).collect();
        let visible = visible.and_then(|times| times.into_iter().max());
        if let (Some(committed), Some(visible)) = (committed, visible) {
            latencies.push(visible.saturating_duration_since(committed));
        }
        id = id.next();
    }
    latencies
}

/// When the entry was first there; notes of earlier entries are passed for good.
fn first_at(notes: &mut &[Note], id: JournalId) -> Option<Instant> {
    while let Some((first, rest)) = notes.split_first() {
        if first.0 >= id {
            return Some(first.1);
        }
        *notes = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_visible_when_the_later_book_has_it() {
        let zero = Instant::now();
        let note = |id, millis| (JournalId::new(id), zero + Duration::from_millis(millis));
        let heads = [note(2, 10), note(3, 20), note(5, 30)];
        let metastore = vec![note(3, 25), note(5, 31)];
        let timestore = vec![note(2, 12), note(4, 33)];
        let found = latencies(JournalId::new(1), &heads, &[metastore, timestore]);
        let millis: Vec<_> = found.iter().map(Duration::as_millis).collect();
        assert_eq!(
            millis,
            [15, 13, 3],
            "entries 2, 3 and 4; one book never showed entry 5"
        );
    }
}
