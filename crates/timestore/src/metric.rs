//! The timestore's own metrics; what the consumer does is in `feed`'s.

use metrics::{Unit, describe_counter, describe_histogram};

/// Rows that came in, labelled with `source`: `journal` or `ingest`.
pub(crate) const APPENDED: &str = "timestore_rows_appended_total";
/// Rows that were dropped because their partition was older than its dataset's age.
pub(crate) const DROPPED: &str = "timestore_rows_dropped_total";
/// How long jobs of the owner thread took.
pub(crate) const WRITE_SECONDS: &str = "timestore_write_seconds";
/// How long reads took, labelled with `pool`: `timestore-read` or `timestore-sql`.
pub(crate) const READ_SECONDS: &str = "timestore_read_seconds";
/// Reads turned away because too many waited, labelled as above.
pub(crate) const READS_REFUSED: &str = "timestore_reads_refused_total";

/// Gives every metric its help text and unit.
pub(crate) fn describe() {
    describe_counter!(APPENDED, "Rows that came in");
    describe_counter!(DROPPED, "Rows dropped by a dataset's retention");
    describe_histogram!(
        WRITE_SECONDS,
        Unit::Seconds,
        "How long database writes took"
    );
    describe_histogram!(READ_SECONDS, Unit::Seconds, "How long database reads took");
    describe_counter!(READS_REFUSED, "Reads turned away because too many waited");
}
