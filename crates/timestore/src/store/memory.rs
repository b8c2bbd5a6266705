//! How much memory DuckDB may use, and when.
//!
//! DuckDB keeps blocks of the file in memory until its limit is reached, those that it has just
//! written among them. With a limit as large as questions about millions of nodes need, a catch-up
//! would fill all of it and gain nothing. So there are two: what the batches of the journal are
//! written with, and what everything else may use while it runs. Lowering the limit makes DuckDB
//! let go of what it has above it; if that is in use, it is tried again after the next write.
//!
//! How much a batch needs depends on what the journal tells: folding rows with paths of 4,000 bytes
//! takes more than 32 MiB. A batch that had too little is tried again by whoever sent it, with twice
//! as much, and so are all after it until the process ends.

use duckdb::Connection;
use parking_lot::Mutex;

/// The limit, and who needs more than the lower one.
pub(super) struct Memory {
    /// With which the instance is opened.
    wide_bytes: u64,
    state: Mutex<State>,
}

struct State {
    users: u32,
    is_wide: bool,
    /// Of batches of the journal.
    narrow_bytes: u64,
}

/// While it is there, all of the memory may be used.
pub(super) struct Wide<'a> {
    memory: &'a Memory,
    connection: &'a Connection,
}

impl Memory {
    pub(super) const fn new(wide_bytes: u64, narrow_bytes: u64) -> Self {
        Self {
            wide_bytes,
            state: Mutex::new(State {
                users: 0,
                is_wide: true,
                narrow_bytes,
            }),
        }
    }

    /// The higher limit.
    pub(super) const fn wide_bytes(&self) -> u64 {
        self.wide_bytes
    }

    /// The instance was opened again, with all of it.
    pub(super) fn renewed(&self, connection: &Connection) {
        self.state.lock().is_wide = true;
        self.settle(connection);
    }

    /// Allows all of it, until what it gives is dropped.
    pub(super) fn widen<'a>(&'a self, connection: &'a Connection) -> Wide<'a> {
        let mut state = self.state.lock();
        state.users += 1;
        if !state.is_wide {
            // If it fails, the work has less memory and fails itself, by name.
            state.is_wide = set(connection, self.wide_bytes);
        }
        Wide {
            memory: self,
            connection,
        }
    }

    /// Goes back to the lower limit, if nobody needs more.
    pub(super) fn settle(&self, connection: &Connection) {
        let mut state = self.state.lock();
        if state.is_wide && state.users == 0 && self.wide_bytes > state.narrow_bytes {
            state.is_wide = !set(connection, state.narrow_bytes);
        }
    }

    /// The lower limit was too low for a batch: from now on it is twice as high, the higher one at
    /// most.
    pub(super) fn raise(&self, connection: &Connection) {
        let mut state = self.state.lock();
        let was = state.narrow_bytes;
        state.narrow_bytes = was.saturating_mul(2).min(self.wide_bytes);
        if !state.is_wide {
            // Of an instance that is opened again the limit is set anew.
            state.is_wide = set(connection, self.wide_bytes);
        }
        if state.narrow_bytes > was {
            tracing::warn!(
                bytes = was,
                raised_bytes = state.narrow_bytes,
                "a batch needs more memory than batches mostly do, from now on they may use more"
            );
        }
    }
}

impl Drop for Wide<'_> {
    fn drop(&mut self) {
        self.memory.state.lock().users -= 1;
        self.memory.settle(self.connection);
    }
}

fn set(connection: &Connection, bytes: u64) -> bool {
    let set = connection.execute_batch(&format!("SET memory_limit = '{bytes}B'"));
    if let Err(error) = &set {
        tracing::debug!(
            error = crate::error::message(error),
            bytes,
            "memory limit not set"
        );
    }
    set.is_ok()
}
