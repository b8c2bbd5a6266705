//! How fast entries become rows: the sink, against a bare Arrow append of the same rows into the
//! same table, batch by batch with a commit each, in one run.
//!
//! ```sh
//! cargo run -p timestore --example ingest -- 1000000 10000
//! ```

use duckdb::Connection;
use feed::{Batch, Checkpoint, Item, Sink};
use journal::{Digest, Entry, Epoch, EventType, JournalId, SystemClock};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timestore::arrow::record_batch::RecordBatch;
use timestore::{ActivitySink, Options, Timestore};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<usize>().ok());
    let (count, batch) = (
        numbers.next().unwrap_or(300_000),
        numbers.next().unwrap_or(10_000),
    );
    let epoch = Epoch::generate();
    let entries = entries(count, epoch)?;
    let mut out = std::io::stdout();

    let batches = batches(&entries, batch, epoch)?;
    let (dir, bare_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let timestore = Timestore::open(Options::new(dir.path(), Arc::new(SystemClock)))?;
    let mut sink = timestore.sink();
    let bare = Connection::open(bare_dir.path().join("bare.duckdb"))?;
    bare.execute_batch(&create_table())?;
    // Turn by turn, so that whatever else the machine does falls on both.
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for (chunk, rows) in entries.chunks(batch).zip(batches) {
        let (decoding, sinking) = apply(&mut sink, chunk, epoch)?;
        for (times, time) in times
            .iter_mut()
            .zip([decoding, sinking, append(&bare, rows)?])
        {
            times.push(time);
        }
    }
    timestore.close();
    let rate = |times: &[Duration]| count as f64 / times.iter().sum::<Duration>().as_secs_f64();
    let [decoding, sinking, bare] = &mut times;
    writeln!(out, "entries {count}, batches of {batch}")?;
    writeln!(
        out,
        "decode       {:>10.0} entries/s (the consumer's part)",
        rate(decoding)
    )?;
    writeln!(out, "sink         {:>10.0} rows/s", rate(sinking))?;
    writeln!(out, "bare append  {:>10.0} rows/s", rate(bare))?;
    writeln!(
        out,
        "sink / bare  {:>10.2} of the sums",
        rate(sinking) / rate(bare)
    )?;
    let ratio = median(bare).as_secs_f64() / median(sinking).as_secs_f64();
    writeln!(out, "sink / bare  {ratio:>10.2} of the medians of a batch")?;

    let dir = tempfile::tempdir()?;
    let timestore = Timestore::open(Options::new(dir.path(), Arc::new(SystemClock)))?;
    let mut sink = timestore.sink();
    let mut each = Vec::new();
    for entry in entries.iter().take(300) {
        each.push(apply(&mut sink, std::slice::from_ref(entry), epoch)?.1);
    }
    let median = median(&mut each);
    writeln!(
        out,
        "one entry    {:>10.2} ms to commit, median",
        median.as_secs_f64() * 1e3
    )?;
    Ok(())
}

fn entries(count: usize, epoch: Epoch) -> Fallible<Vec<Entry>> {
    let mut digest = Digest::genesis(epoch);
    let mut entries = Vec::with_capacity(count);
    for number in 1..=i64::try_from(count)? {
        let id = JournalId::from_i64(number);
        let size = number * 37 % 100_000;
        let data = format!(
            r#"{{"backendMountId":1,"nodeId":{number},"path":"usr/share/package{}/files/name-{number}.txt","kind":"file","state":"active","parentId":{},"version":1,"sizeBytes":{size},"checksum":null,"contentHash":null,"metadata":{{}},"journalId":{number},"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-03-{:02}T12:{:02}:00.000Z","commandId":"0190f3a8-0000-7000-8000-{:012}","sizeDelta":{size},"lastModifiedAt":"2025-01-{:02}T00:00:00.000Z"}}"#,
            number % 5_000,
            number / 20 + 1,
            number % 28 + 1,
            number % 60,
            number / 1_000,
            number % 28 + 1,
        );
        let data = serde_json::value::RawValue::from_string(data)?;
        let event_type = EventType::NodeCreated;
        digest = digest.link(id, Some(number), event_type.as_str(), size, data.get());
        entries.push(Entry {
            id,
            node_id: Some(number),
            event_type,
            size_delta: size,
            data,
            digest,
        });
    }
    Ok(entries)
}

/// How long decoding took, and how long applying.
fn apply(sink: &mut ActivitySink, chunk: &[Entry], epoch: Epoch) -> Fallible<(Duration, Duration)> {
    let started = Instant::now();
    let events = chunk
        .iter()
        .map(Entry::event)
        .collect::<Result<Vec<_>, _>>()?;
    let decoding = started.elapsed();
    let items: Vec<_> = chunk
        .iter()
        .zip(&events)
        .map(|(entry, event)| Item::of(entry, event))
        .collect();
    let last = chunk.last().ok_or("no entries")?;
    let checkpoint = Checkpoint {
        epoch,
        journal_id: last.id,
        digest: last.digest,
    };
    let started = Instant::now();
    sink.apply(&Batch {
        items: &items,
        parked: &[],
        resolved: &[],
        checkpoint,
    })?;
    Ok((decoding, started.elapsed()))
}

/// The rows that the sink makes of the entries, as Arrow batches.
fn batches(entries: &[Entry], batch: usize, epoch: Epoch) -> Fallible<Vec<RecordBatch>> {
    let dir = tempfile::tempdir()?;
    let timestore = Timestore::open(Options::new(dir.path(), Arc::new(SystemClock)))?;
    apply(&mut timestore.sink(), entries, epoch)?;
    timestore.close();
    let connection = Connection::open(dir.path().join("timestore.duckdb"))?;
    let mut statement = connection.prepare("FROM filestore_activity ORDER BY journal_id")?;
    let chunks: Vec<_> = statement.query_arrow([])?.collect();
    let first = chunks.first().ok_or("no rows")?;
    let all = timestore::arrow::compute::concat_batches(&first.schema(), &chunks)?;
    let slice = |at: usize| all.slice(at, batch.min(all.num_rows() - at));
    Ok((0..all.num_rows()).step_by(batch).map(slice).collect())
}

fn create_table() -> String {
    let columns: Vec<_> = timestore::activity::COLUMNS
        .iter()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    format!("CREATE TABLE filestore_activity ({})", columns.join(", "))
}

fn append(connection: &Connection, rows: RecordBatch) -> Fallible<Duration> {
    let started = Instant::now();
    connection.execute_batch("BEGIN")?;
    let mut appender = connection.appender("filestore_activity")?;
    appender.append_record_batch(rows)?;
    appender.flush()?;
    drop(appender);
    connection.execute_batch("COMMIT")?;
    Ok(started.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
