//! The three services in this process, and the wires between them.
//!
//! ```text
//! open stores (each takes its data directory's lock) ─▶ check the bus ─▶ bind every listener
//!   ─▶ start consumers and buses ─▶ serve ─▶ (signal) ─▶ drain HTTP ─▶ stop consumers ─▶ close
//! ```
//!
//! Everything that can fail at start fails before the first request is taken, so that a start
//! that is refused leaves nothing half done. A consumer whose filestore is in this process reads
//! the journal from its database; one that runs apart reads it over HTTP.

mod dev;
mod follow;
mod running;
mod signals;

pub use dev::dev;
pub use running::Running;

use crate::config::{Config, Service};
use httpkit::Vocabulary;
use std::collections::BTreeSet;

/// What a tokens file may say.
pub const VOCABULARY: Vocabulary = Vocabulary {
    scopes: &[
        "filestore:read",
        "filestore:write",
        "filestore:impersonate",
        "filestore:admin",
        "metastore:read",
        "metastore:write",
        "metastore:delete",
        "metastore:admin",
        "timestore:read",
        "timestore:write",
        "timestore:admin",
    ],
    with_paths: &["timestore:read"],
};

/// Runs the services until the process is told to stop.
///
/// # Errors
/// A service cannot start; the message names the setting and the fix.
pub fn serve(config: &Config, services: &BTreeSet<Service>) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let running = Running::start(config, services, &runtime)?;
    running.announce();
    end(running.run(&runtime), runtime)
}

/// Ends the runtime. Reads of a journal that does not answer are cut off after a second: everything is
/// stored, so nothing is lost.
fn end(outcome: anyhow::Result<()>, runtime: tokio::runtime::Runtime) -> anyhow::Result<()> {
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tidemark")
        .build()
}
