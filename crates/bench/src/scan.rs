//! Scanning a tree, alone and with both books following.

use crate::books::Books;
use crate::memory;
use crate::outcome::Outcome;
use crate::watch::Stopwatch;
use filestore::{Filestore, Options, ScanOptions};
use std::path::Path;

/// Scans a tree into the filestore in `data`: everything, or, the second time, what has changed.
/// Entries are the names in the tree.
pub(crate) fn scan(tree: &Path, data: &Path) -> anyhow::Result<Outcome> {
    // Both the scan and its raw engine find the tree warm.
    crate::raw::walk::walk(tree)?;
    let options = Options::new(data);
    let filestore = Filestore::open(options)?;
    let mount = filestore.ensure_local_mount(tree)?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    let report = filestore.scan(mount.id, &ScanOptions::default())?;
    let watched = watch.stop();
    anyhow::ensure!(
        report.problem_count == 0,
        "the scan met problems: {:?}",
        report.problems
    );
    let mut outcome = Outcome::of(report.files + report.directories, watched).with_peak()?;
    filestore.close();
    outcome.bytes = Some(memory::database_bytes(&database(data))?);
    Ok(outcome)
}

/// Scans a tree while metastore and timestore follow; it is over when both are at the head.
/// Entries are the journal's.
pub(crate) fn follow(tree: &Path, data: &Path) -> anyhow::Result<Outcome> {
    crate::raw::walk::walk(tree)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let filestore = Filestore::open(Options::new(data))?;
    let mount = filestore.ensure_local_mount(tree)?;
    let mut books = Books::open(data)?;
    books.follow(&filestore.reader())?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    filestore.scan(mount.id, &ScanOptions::default())?;
    let head = filestore.reader().position()?.head;
    runtime.block_on(books.wait_for(head))?;
    let mut outcome = Outcome::of(head.get(), watch.stop()).with_peak()?;
    let bytes = books.close()?;
    filestore.close();
    outcome.bytes = Some(bytes + memory::database_bytes(&database(data))?);
    Ok(outcome)
}

/// The catalogue's file.
pub(crate) fn database(data: &Path) -> std::path::PathBuf {
    data.join("filestore.db")
}
