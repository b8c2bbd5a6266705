//! A bare parallel walk: each thread takes a directory, lists it, and asks about each name.

use crate::outcome::Outcome;
use crate::watch::Stopwatch;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

/// Directories that wait, and how many threads look at one.
struct Queue {
    waiting: Vec<PathBuf>,
    busy: usize,
}

pub(crate) fn measure(tree: &Path) -> anyhow::Result<Outcome> {
    // Both the walk and the scan find the tree warm.
    walk(tree)?;
    let watch = Stopwatch::start();
    let names = walk(tree)?;
    Ok(Outcome::of(names, watch.stop()))
}

/// How many names there are in the tree, its root among them.
pub(crate) fn walk(tree: &Path) -> io::Result<u64> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8);
    let queue = Mutex::new(Queue {
        waiting: vec![tree.to_owned()],
        busy: 0,
    });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        let walkers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&queue, &changed)))
            .collect();
        let mut names = 1;
        for walker in walkers {
            let found = walker
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a walker panicked")));
            names += found?;
        }
        Ok(names)
    })
}

fn work(queue: &Mutex<Queue>, changed: &Condvar) -> io::Result<u64> {
    let mut names = 0;
    let mut failure = Ok(());
    loop {
        let mut state = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = loop {
            if let Some(directory) = state.waiting.pop() {
                break directory;
            }
            if state.busy == 0 {
                changed.notify_all();
                return failure.map(|()| names);
            }
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.busy += 1;
        drop(state);
        let found = list(&directory);
        let mut state = queue.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy -= 1;
        match found {
            Ok((count, directories)) => {
                names += count;
                state.waiting.extend(directories);
            }
            Err(error) => failure = Err(error),
        }
        changed.notify_all();
    }
}

fn list(directory: &Path) -> io::Result<(u64, Vec<PathBuf>)> {
    let (mut names, mut directories) = (0, Vec::new());
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // The call that asks relative to the open directory, and follows no symlink.
        if entry.metadata()?.is_dir() {
            directories.push(entry.path());
        }
        names += 1;
    }
    Ok((names, directories))
}
