//! The metrics of the catalogue: names, units and help texts.

use metrics::Unit;

/// Time of one transaction, its commit included.
pub(crate) const COMMIT_SECONDS: &str = "filestore_commit_seconds";

/// Jobs that shared one transaction.
pub(crate) const COMMIT_JOBS: &str = "filestore_commit_jobs";

/// The journal's last entry.
pub(crate) const JOURNAL_HEAD: &str = "filestore_journal_head";

/// Gives the recorder the units and help texts.
pub fn describe() {
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
