//! A directory that somebody renames while its mount is watched.

use crate::books::Books;
use crate::memory;
use crate::outcome::Outcome;
use crate::watch::Stopwatch;
use anyhow::Context as _;
use filestore::{Filestore, Options, ScanOptions, Watch, WatchOptions};
use journal::JournalId;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Renames the only directory in `tree`: from then until both books are at the entry that tells the
/// end of it. Entries are the journal's.
pub(crate) fn measure(tree: &Path, data: &Path, files: u64) -> anyhow::Result<Outcome> {
    let runtime = Runtime::new()?;
    let filestore = Filestore::open(Options::new(data))?;
    let mount = filestore.ensure_local_mount(tree)?;
    let mut books = Books::open(data)?;
    let reader = filestore.reader();
    books.follow(&reader)?;
    let watching = Watch::start(Arc::clone(&filestore), WatchOptions::default())?;
    // It watches what it lists.
    filestore.scan(mount.id, &ScanOptions::default())?;
    let before = reader.position()?.head;
    runtime.block_on(books.wait_for(before))?;
    let (from, to) = names(tree)?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    fs::rename(from, to)?;
    // One that something was seen, one for the directory and each file, and one that it is done.
    let entries = files + 3;
    let head = JournalId::new(before.get() + entries);
    runtime.block_on(books.wait_for(head))?;
    let outcome = Outcome::of(entries, watch.stop()).with_peak()?;
    let last = reader.position()?.head;
    anyhow::ensure!(last == head, "the journal ends at {last}, not at {head}");
    drop(watching);
    books.close()?;
    filestore.close();
    Ok(outcome)
}

/// What the directory is called, and what it is to be called.
fn names(tree: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let first = fs::read_dir(tree)?.next();
    let from = first.context("the tree is empty")??.path();
    let name = from.file_name().and_then(|name| name.to_str());
    let to = format!("{}-renamed", name.context("the name is no text")?);
    Ok((from.clone(), tree.join(to)))
}
