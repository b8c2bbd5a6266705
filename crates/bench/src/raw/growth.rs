//! Growth by a statement written by hand, on a bare connection.

use crate::books;
use crate::growth::{QUESTIONS, WARM_UPS, check, outcome};
use crate::outcome::Outcome;
use duckdb::{Config, Connection};
use std::path::Path;
use std::time::Instant;

pub(crate) fn measure(data: &Path, entries: u64) -> anyhow::Result<Outcome> {
    let options = books::timestore_options(data);
    let config = Config::default().max_memory(&format!("{}B", options.memory_limit_bytes))?;
    let connection = Connection::open_with_flags(options.database_path, config)?;
    let mut times = Vec::new();
    for number in 0..WARM_UPS + QUESTIONS {
        let started = Instant::now();
        let mut statement = connection.prepare(include_str!("../sql/raw_growth.sql"))?;
        let days: usize = statement
            .query_arrow([])?
            .map(|batch| batch.num_rows())
            .sum();
        let elapsed = started.elapsed();
        check(days)?;
        if number >= WARM_UPS {
            times.push(elapsed);
        }
    }
    outcome(entries, &mut times)
}
