//! Listing a page of 100 nodes under a prefix, as a client asks for it.
//!
//! The catalogue is filled by statements and not by a scan: a million files would take minutes to
//! make, and a listing looks at the catalogue only.

use crate::growth::outcome;
use crate::outcome::Outcome;
use crate::scan;
use crate::tree::scramble;
use crate::watch::Stopwatch;
use anyhow::Context as _;
use filestore::{Filestore, Options};
use httpkit::App;
use rusqlite::{Connection, params};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a page is asked for before it counts, and then.
pub(crate) const WARM_UPS: u64 = 20;
pub(crate) const PAGES: u64 = 400;

/// Files in a project.
const PROJECT: u64 = 64 * 256;

/// Fills a catalogue with so many files.
pub(crate) fn fill(data: &Path, files: u64) -> anyhow::Result<Outcome> {
    let root = data.join("root");
    std::fs::create_dir_all(&root)?;
    // The filestore makes its tables, and the mount with its root.
    let filestore = Filestore::open(Options::new(data))?;
    let mount = filestore.ensure_local_mount(&root)?;
    filestore.scan(mount.id, &filestore::ScanOptions::default())?;
    filestore.close();
    let watch = Stopwatch::start();
    let mut connection = Connection::open(scan::database(data))?;
    let transaction = connection.transaction()?;
    let root: i64 =
        transaction.query_row("SELECT id FROM nodes WHERE path = ''", [], |row| row.get(0))?;
    let files_bound = i64::try_from(files)?;
    transaction.execute(
        include_str!("sql/fill_directories.sql"),
        params![files_bound, mount.id, root],
    )?;
    transaction.execute(
        include_str!("sql/fill_files.sql"),
        params![files_bound, mount.id],
    )?;
    transaction.execute(include_str!("sql/fill_rollups.sql"), [])?;
    transaction.commit()?;
    Ok(Outcome::of(files, watch.stop()))
}

/// The directory that a question is about: a project, or a directory in one.
pub(crate) fn prefix(number: u64, files: u64) -> String {
    let file = scramble(number) % files.max(1);
    let project = file / PROJECT;
    if number.is_multiple_of(2) {
        format!("project-{project:03}")
    } else {
        format!("project-{project:03}/run-{:06}", file / 64)
    }
}

/// Asks the REST API over loopback; each second page goes on after the first.
pub(crate) fn measure(data: &Path, files: u64) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Runtime::new()?;
    let filestore = Filestore::open(Options::new(data))?;
    let mount = filestore.ensure_local_mount(&data.join("root"))?;
    crate::memory::reset_peak()?;
    let stop = CancellationToken::new();
    let mut times = runtime.block_on(async {
        let listener = httpkit::bind("127.0.0.1", 0, false).await?;
        let url = format!(
            "http://{}/v1/nodes?backendMountId={}&limit=100",
            listener.local_addr()?,
            mount.id
        );
        let app = App::new("filestore", "Tidemark filestore", filestore.router());
        let served = tokio::spawn(httpkit::serve(listener, app.into_router(), stop.clone()));
        let times = ask(&url, files).await?;
        stop.cancel();
        served.await??;
        anyhow::Ok(times)
    })?;
    let outcome = outcome(files, &mut times)?.with_peak()?;
    filestore.close();
    Ok(outcome)
}

async fn ask(url: &str, files: u64) -> anyhow::Result<Vec<Duration>> {
    let client = reqwest::Client::new();
    let mut times = Vec::new();
    for number in 0..WARM_UPS + PAGES {
        let url = format!("{url}&path={}", prefix(number, files));
        let mut after = None;
        for _ in 0..2 {
            let url = after.map_or_else(|| url.clone(), |after| format!("{url}&after={after}"));
            let started = Instant::now();
            let answer = client.get(url).send().await?.error_for_status()?;
            let answer = answer.bytes().await?;
            let elapsed = started.elapsed();
            let answer: Value = serde_json::from_slice(&answer)?;
            let nodes = answer.pointer("/data/nodes").and_then(Value::as_array);
            let nodes = nodes.context("a listing has nodes")?;
            anyhow::ensure!(
                after.is_some() || !nodes.is_empty(),
                "nothing lies under {}",
                prefix(number, files)
            );
            if number >= WARM_UPS {
                times.push(elapsed);
            }
            after = answer
                .pointer("/data/pagination/nextAfter")
                .and_then(Value::as_i64);
            if after.is_none() {
                break;
            }
        }
    }
    Ok(times)
}
