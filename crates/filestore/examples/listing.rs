//! How long pages of listings take in a catalogue of a million nodes: a thousand directories of a
//! thousand files each, and one directory with as many entries again as the rest.
//!
//! `cargo run --release -p filestore --example listing -- [DIRECTORIES] [FILES]`
//!
//! The catalogue is written with SQL, as scans leave it, and asked through the REST API. The second
//! time of each question counts, and the ones after it.

use filestore::{Filestore, Options};
use httpkit::App;
use reqwest::Client;
use rusqlite::{Connection, params};
use serde_json::Value;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 50;

const DIRECTORIES: &str = "
WITH RECURSIVE d(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM d WHERE i + 1 < ?1)
INSERT INTO nodes (id, mount_id, parent_id, name, path, depth, kind, is_symlink, size_bytes, dev,
    ino, state, version, consistency_state, created_at, updated_at, last_journal_id, last_seen_at)
SELECT 1000 + i, 1, 1, printf('d%04d', i), printf('d%04d', i), 1, 'directory', 0, 0, 0,
    1000 + i, 'active', 1, 'active', 0, 0, 1, 1700000000000 FROM d";

const FILES: &str = "
WITH RECURSIVE f(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM f WHERE i + 1 < ?1)
INSERT INTO nodes (id, mount_id, parent_id, name, path, depth, kind, is_symlink, size_bytes, dev,
    ino, modified_ns, metadata, state, version, consistency_state, created_at, updated_at,
    last_journal_id, last_seen_at)
SELECT 10000000 + ?2 * 1000000 + i, 1, 1000 + ?2, printf('f%06d', i),
    printf('d%04d/f%06d', ?2, i), 2, 'file', 0, i, 0, 10000000 + ?2 * 1000000 + i,
    1700000000000000000, CASE WHEN i % 100 = 0 THEN '{\"colour\":\"red\"}' END,
    CASE WHEN i % 997 = 0 THEN 'missing' ELSE 'active' END, 1,
    CASE WHEN i % 997 = 0 THEN 'missing' ELSE 'active' END, 0, 0, 1,
    1700000000000 FROM f";

/// What each node adds to its directory, and that to the root.
const ROLLUPS: &str = "
INSERT OR REPLACE INTO rollups
SELECT parent_id, sum(size_bytes), sum(kind = 'file'), sum(kind = 'directory'), count(*), 0
FROM nodes WHERE state = 'active' AND parent_id <> 1 GROUP BY parent_id;
INSERT OR REPLACE INTO rollups
SELECT 1, sum(size_bytes), sum(kind = 'file'), sum(kind = 'directory'),
    sum(parent_id = 1), 0
FROM nodes WHERE state = 'active' AND id <> 1;
UPDATE journal_meta SET next_node_id = (SELECT max(id) + 1 FROM nodes);
ANALYZE;";

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse());
    let directories: i64 = numbers.next().transpose()?.unwrap_or(1_000);
    let files: i64 = numbers.next().transpose()?.unwrap_or(1_000);
    let root = std::env::temp_dir().join(format!("listing-example-{}", std::process::id()));
    std::fs::create_dir_all(root.join("tree"))?;
    let outcome = measure(&root, directories, files);
    std::fs::remove_dir_all(&root)?;
    outcome
}

fn measure(root: &Path, directories: i64, files: i64) -> Result<(), Box<dyn Error>> {
    let data = root.join("data");
    let filestore = Filestore::open(Options::new(&data))?;
    filestore.ensure_local_mount(&root.join("tree"))?;
    filestore.close();
    drop(filestore);
    let started = Instant::now();
    fill(&data.join("filestore.db"), directories, files)?;
    let mut out = std::io::stdout();
    let nodes = directories + directories * files + directories * files;
    writeln!(out, "made {nodes} nodes in {:.1?}", started.elapsed())?;
    let filestore = Filestore::open(Options::new(&data))?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(ask(&filestore, directories, files))?;
    filestore.close();
    Ok(())
}

fn fill(database: &Path, directories: i64, files: i64) -> rusqlite::Result<()> {
    let mut connection = Connection::open(database)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")?;
    let tx = connection.transaction()?;
    // One directory more, which has as many entries as all the others.
    tx.execute(DIRECTORIES, [directories + 1])?;
    for directory in 0..directories {
        tx.execute(FILES, params![files, directory])?;
    }
    tx.execute(
        FILES,
        params![(directories * files).min(999_999), directories],
    )?;
    tx.execute_batch(ROLLUPS)?;
    tx.commit()
}

async fn ask(
    filestore: &Arc<Filestore>,
    directories: i64,
    files: i64,
) -> Result<(), Box<dyn Error>> {
    let router = App::new("filestore", "Listing", filestore.router()).into_router();
    let listener = httpkit::bind("127.0.0.1", 0, false).await?;
    let base = format!(
        "http://{}/v1/nodes?backendMountId=1",
        listener.local_addr()?
    );
    let stop = CancellationToken::new();
    let served = tokio::spawn(httpkit::serve(listener, router, stop.clone()));
    let client = Client::new();
    let (middle, big) = (directories / 2, directories);
    let deep = 10_000_000 + middle * 1_000_000 + files / 2;
    let questions = [
        ("a prefix", format!("path=d{middle:04}")),
        ("the root", String::new()),
        ("the root, after", format!("after={deep}")),
        ("children", format!("path=d{middle:04}&depth=1")),
        (
            "children of a huge directory, after",
            format!(
                "path=d{big:04}&depth=1&after={}",
                10_000_000 + big * 1_000_000 + 500_000
            ),
        ),
        ("children of the root", "depth=1".to_owned()),
        ("depth 2", "depth=2".to_owned()),
        ("offset 500,000", "offset=500000".to_owned()),
        (
            "children, offset 500,000",
            format!("path=d{big:04}&depth=1&offset=500000"),
        ),
        ("kinds=directory", "kinds=directory".to_owned()),
        ("kinds=file", "kinds=file".to_owned()),
        ("states=active", "states=active".to_owned()),
        ("states=missing", "states=missing".to_owned()),
        (
            "states=missing, a prefix",
            format!("path=d{middle:04}&states=missing"),
        ),
        ("states=deleted", "states=deleted".to_owned()),
        ("driftOnly", "driftOnly=true".to_owned()),
        ("search, common", "search=F0001".to_owned()),
        ("search, none", "search=nothing".to_owned()),
        (
            "search, none, a prefix",
            format!("path=d{middle:04}&search=nothing"),
        ),
        (
            "filters size",
            "filters={\"size\":{\"min\":900}}".to_owned(),
        ),
        (
            "filters metadata",
            "filters={\"metadata\":[{\"key\":\"colour\",\"value\":\"red\"}]}".to_owned(),
        ),
        (
            "filters metadata, a prefix",
            format!(
                "path=d{middle:04}&filters={{\"metadata\":[{{\"key\":\"colour\",\"value\":\"red\"}}]}}"
            ),
        ),
        (
            "filters rollup",
            "filters={\"rollup\":{\"minFileCount\":1}}".to_owned(),
        ),
    ];
    let mut out = std::io::stdout();
    for (name, query) in questions {
        let url = format!("{base}&limit=100&{query}");
        let (mut times, mut told) = (Vec::new(), String::new());
        for round in 0..=ROUNDS {
            let started = Instant::now();
            let answer: Value = client
                .get(&url)
                .send()
                .await?
                .error_for_status()?
                .json()
                .await?;
            if round > 0 {
                times.push(started.elapsed());
            }
            let nodes = answer.pointer("/data/nodes").and_then(Value::as_array);
            let total = answer
                .pointer("/data/pagination/total")
                .unwrap_or(&Value::Null);
            told = format!("{} of {total}", nodes.map_or(0, Vec::len));
            if started.elapsed() > Duration::from_millis(500) && round > 2 {
                break;
            }
        }
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1));
        writeln!(
            out,
            "{name:<38} p50 {:>9.2?}  p99 {:>9.2?}  {told}",
            at(50).copied().unwrap_or_default(),
            at(99).copied().unwrap_or_default(),
        )?;
    }
    stop.cancel();
    drop(client);
    served.await??;
    Ok(())
}
