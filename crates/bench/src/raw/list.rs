//! A page of rows by a statement written by hand on a bare connection.

use crate::growth::outcome;
use crate::listing::{PAGES, WARM_UPS, prefix};
use crate::outcome::Outcome;
use crate::scan;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;
use std::time::Instant;

pub(crate) fn measure(data: &Path, files: u64) -> anyhow::Result<Outcome> {
    let connection = Connection::open_with_flags(
        scan::database(data),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let mount: i64 = connection.query_row("SELECT max(id) FROM mounts", [], |row| row.get(0))?;
    let mut times = Vec::new();
    for number in 0..WARM_UPS + PAGES {
        let prefix = prefix(number, files);
        let started = Instant::now();
        let mut statement = connection.prepare_cached(include_str!("../sql/list.sql"))?;
        let columns = statement.column_count();
        let bounds = (format!("{prefix}/"), format!("{prefix}0"));
        let rows = statement.query_map(params![mount, bounds.0, bounds.1], |row| {
            (0..columns)
                .map(|column| row.get(column))
                .collect::<Result<Vec<Value>, _>>()
        })?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let elapsed = started.elapsed();
        anyhow::ensure!(!rows.is_empty(), "nothing lies under {prefix}");
        if number >= WARM_UPS {
            times.push(elapsed);
        }
    }
    outcome(files, &mut times)
}
