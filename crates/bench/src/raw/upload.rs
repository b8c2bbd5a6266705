//! Small files, made durable by threads that do nothing else.
//!
//! Each thread writes a file, syncs it, renames it into its own directory, syncs that, and commits a
//! row of it. All rows go into one table over one connection, each in a transaction of its own.

use super::sqlite;
use crate::live::{CLIENTS, CONTENTS, MADE};
use crate::outcome::Outcome;
use crate::watch::Stopwatch;
use rusqlite::{Connection, params};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) fn measure(data: &Path, files: u64) -> anyhow::Result<Outcome> {
    let root = data.join(MADE);
    fs::create_dir_all(&root)?;
    let database = sqlite::open(&data.join("files.db"))?;
    database.execute_batch(include_str!("../sql/raw_file.sql"))?;
    let database = Mutex::new(database);
    let share = files.div_ceil(u64::from(CLIENTS));
    let watch = Stopwatch::start();
    let made = std::thread::scope(|scope| {
        let client = |number| make(&root, number, share, &database);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(number)))
            .collect();
        let mut made = Vec::new();
        for client in clients {
            let times = client.join().map_err(|_| anyhow::anyhow!("it panicked"))?;
            made.extend(times?);
        }
        anyhow::Ok(made)
    });
    let watched = watch.stop();
    let mut made = made?;
    let done = u64::try_from(made.len())?;
    Ok(Outcome::of(done, watched)
        .with_peak()?
        .with_times(&mut made))
}

/// One thread: how long each file took.
fn make(
    root: &Path,
    client: u32,
    files: u64,
    database: &Mutex<Connection>,
) -> anyhow::Result<Vec<Duration>> {
    const INSERT: &str = "INSERT INTO files (path, size_bytes) VALUES (?1, ?2)";
    let size_bytes = i64::try_from(CONTENTS.len())?;
    let name = format!("client-{client:02}");
    let directory = root.join(&name);
    fs::create_dir(&directory)?;
    let handle = File::open(&directory)?;
    let mut times = Vec::new();
    for number in 0..files {
        let started = Instant::now();
        let part = root.join(format!(".part-{client:02}-{number:06}"));
        let mut file = File::create_new(&part)?;
        file.write_all(&CONTENTS)?;
        file.sync_all()?;
        let made = format!("new-{number:06}");
        fs::rename(&part, directory.join(&made))?;
        handle.sync_all()?;
        let database = database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut insert = database.prepare_cached(INSERT)?;
        insert.execute(params![format!("{name}/{made}"), size_bytes])?;
        times.push(started.elapsed());
    }
    Ok(times)
}
