//! The metrics of the catalogue and its commands: names, units and help texts. Scans have their own
//! ([`crate::scan`]).
//!
//! Labels are bounded: `command` is one of the commands' names, `outcome` one of `done`,
//! `repeated` (the same idempotency key), `refused` (the caller can do something about it) and
//! `failed`.

use metrics::Unit;

/// Commands that ended; labels `command`, `outcome`.
pub(crate) const COMMANDS_TOTAL: &str = "filestore_commands_total";

/// Time from a command's acceptance to its commit; label `command`.
pub(crate) const COMMAND_SECONDS: &str = "filestore_command_seconds";

/// Time of one transaction, its commit included.
pub(crate) const COMMIT_SECONDS: &str = "filestore_commit_seconds";

/// Jobs that shared one transaction.
pub(crate) const COMMIT_JOBS: &str = "filestore_commit_jobs";

/// The journal's last entry.
pub(crate) const JOURNAL_HEAD: &str = "filestore_journal_head";

/// Gives the recorder the units and help texts.
pub(crate) fn describe() {
    metrics::describe_counter!(COMMANDS_TOTAL, Unit::Count, "Commands that ended.");
    metrics::describe_histogram!(
        COMMAND_SECONDS,
        Unit::Seconds,
        "Time from a command's acceptance to its commit."
    );
    metrics::describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "Time of one transaction, its commit included."
    );
    metrics::describe_histogram!(
        COMMIT_JOBS,
        Unit::Count,
        "Jobs that shared one transaction."
    );
    metrics::describe_gauge!(JOURNAL_HEAD, Unit::Count, "The journal's last entry.");
}
