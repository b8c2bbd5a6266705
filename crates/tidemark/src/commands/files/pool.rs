//! Several transfers at once. The service commits commands that arrive together with one sync.

use super::bar::Bar;
use crate::client::Error;
use crate::output::escape;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

/// Transfers at once.
const WORKERS: usize = 8;
/// Transfers that wait.
const QUEUE: usize = 64;

/// Failures that are named one by one.
const SAID: u64 = 100;

/// What a tree came to.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) files: AtomicU64,
    pub(crate) directories: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Files that failed. Each was reported and left out.
    pub(crate) failed: AtomicU64,
}

impl Counts {
    pub(crate) fn is_whole(&self) -> bool {
        self.failed.load(Ordering::Relaxed) == 0
    }

    /// Counts a file that is left out. The first hundred are named with the reason.
    pub(crate) fn fail(&self, bar: &Bar, name: &str, reason: impl std::fmt::Display) {
        match self.failed.fetch_add(1, Ordering::Relaxed) {
            before if before < SAID => bar.say(format_args!("{}: {reason}", escape(name))),
            SAID => bar.say("more files failed; they are counted but not named"),
            _ => {}
        }
    }
}

/// Hands what `feed` sends to several threads that each do `work`. An error of `feed` or of `work` ends
/// them all.
pub(crate) fn run<T: Send>(
    feed: impl FnOnce(&mut dyn FnMut(T) -> anyhow::Result<()>) -> anyhow::Result<()>,
    work: impl Fn(T) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    let receiver = Mutex::new(receiver);
    let has_ended = AtomicBool::new(false);
    let first_error = Mutex::new(None);
    let worker = || {
        loop {
            // A statement of its own, so that the lock is not held while it works.
            let next = receiver.lock().recv();
            let Ok(item) = next else { return };
            if has_ended.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(error) = work(item) {
                has_ended.store(true, Ordering::Relaxed);
                first_error.lock().get_or_insert(error);
            }
        }
    };
    let fed = std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(worker);
        }
        let mut send = |item| {
            anyhow::ensure!(!has_ended.load(Ordering::Relaxed), "it was broken off");
            sender
                .send(item)
                .map_err(|_| anyhow::anyhow!("the transfers have ended"))
        };
        let fed = feed(&mut send);
        drop(sender);
        fed
    });
    match first_error.into_inner() {
        Some(error) => Err(error),
        None => fed,
    }
}

/// Whether the same would happen to every other file: the service is away, or out of order.
pub(crate) fn is_fatal(error: &anyhow::Error) -> bool {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>());
    match cause {
        Some(error) => error
            .status()
            .is_none_or(|status| status.is_server_error() || matches!(status.as_u16(), 401 | 429)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_fed_is_done_once() {
        let sum = AtomicU64::new(0);
        let feed = |send: &mut dyn FnMut(u64) -> anyhow::Result<()>| (1..=1_000).try_for_each(send);
        run(feed, |n| {
            sum.fetch_add(n, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 500_500);
    }

    #[test]
    fn the_first_error_ends_it_and_is_told() {
        let feed = |send: &mut dyn FnMut(u64) -> anyhow::Result<()>| (0..).try_for_each(send);
        let error = run(feed, |n| {
            anyhow::ensure!(n != 10, "ten");
            Ok(())
        });
        assert_eq!(error.unwrap_err().to_string(), "ten");
    }
}
