//! Usage by a statement written by hand, on a bare connection.

use crate::books;
use crate::growth::outcome;
use crate::outcome::Outcome;
use crate::usage::{Kind, RAW_QUESTIONS, check};
use duckdb::{Config, Connection};
use std::path::Path;
use std::time::Instant;

pub(crate) fn measure(data: &Path, entries: u64, kind: Kind) -> anyhow::Result<Outcome> {
    let options = books::timestore_options(data);
    let config = Config::default().max_memory(&format!("{}B", options.memory_limit_bytes))?;
    let connection = Connection::open_with_flags(options.database_path, config)?;
    let sql = include_str!("../sql/raw_usage.sql").replace("{until}", &kind.until());
    let mut times = Vec::new();
    for _ in 0..RAW_QUESTIONS {
        let started = Instant::now();
        let mut statement = connection.prepare(&sql)?;
        let groups = statement
            .query_arrow([])?
            .map(|batch| batch.num_rows())
            .sum();
        let elapsed = started.elapsed();
        check(Some(groups))?;
        times.push(elapsed);
    }
    outcome(entries, &mut times)
}
