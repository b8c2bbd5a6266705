//! What scans tell the metrics.

use super::{ScanError, ScanReport};
use journal::Time;

/// Scans that ended, by outcome and scope (`mount` or `part`).
const SCANS: &str = "filestore_scans_total";
/// How long a scan took that ended well.
const SECONDS: &str = "filestore_scan_seconds";
/// Nodes that scans changed, by what happened to them.
const CHANGES: &str = "filestore_scan_changes_total";
/// Names and directories that scans could not see.
const PROBLEMS: &str = "filestore_scan_problems_total";

/// When a whole scan of a mount last ended well, in seconds since 1970; label `mount`.
const LAST_SCAN: &str = "filestore_mount_last_scan_timestamp_seconds";

/// Tells the help texts; again does no harm.
pub(super) fn describe() {
    metrics::describe_counter!(SCANS, "Scans that ended, by outcome and scope");
    metrics::describe_histogram!(SECONDS, metrics::Unit::Seconds, "Duration of a scan");
    metrics::describe_counter!(CHANGES, "Nodes that scans changed, by kind of change");
    metrics::describe_gauge!(
        LAST_SCAN,
        metrics::Unit::Seconds,
        "When a whole scan of the mount last ended well, since 1970"
    );
    metrics::describe_counter!(PROBLEMS, "Names and directories that scans could not see");
}

/// Notes that a whole scan of a mount has ended well.
pub(super) fn scanned(mount: &str, now: Time) {
    describe();
    #[expect(clippy::cast_precision_loss, reason = "a time of 285,000 years fits")]
    let seconds = now.as_millis() as f64 / 1_000.0;
    metrics::gauge!(LAST_SCAN, "mount" => mount.to_owned()).set(seconds);
}

/// Counts an ended scan.
pub(super) fn count(result: &Result<ScanReport, ScanError>, is_whole: bool) {
    describe();
    let outcome = match result {
        Ok(_) => "succeeded",
        Err(ScanError::Cancelled) => "cancelled",
        Err(_) => "failed",
    };
    let scope = if is_whole { "mount" } else { "part" };
    metrics::counter!(SCANS, "outcome" => outcome, "scope" => scope).increment(1);
    let Ok(report) = result else { return };
    #[expect(
        clippy::cast_precision_loss,
        reason = "a duration of 285,000 years fits"
    )]
    metrics::histogram!(SECONDS, "scope" => scope).record(report.duration_ms as f64 / 1_000.0);
    metrics::counter!(PROBLEMS).increment(report.problem_count);
    let changes = report.changes;
    for (change, count) in [
        ("created", changes.created),
        ("updated", changes.updated),
        ("moved", changes.moved),
        ("missing", changes.missing),
        ("reconciled", changes.reconciled),
    ] {
        metrics::counter!(CHANGES, "change" => change).increment(count);
    }
}
