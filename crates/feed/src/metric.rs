//! The metrics of a consumer, each labelled with `consumer`: `metastore` or `timestore`.

use crate::{BusState, ConsumerStatus};
use metrics::{Unit, describe_counter, describe_gauge};

/// The last entry applied.
pub(crate) const CHECKPOINT: &str = "feed_checkpoint_journal_id";
/// The journal's last entry as last seen.
pub(crate) const HEAD: &str = "feed_head_journal_id";
/// `head − checkpoint`.
pub(crate) const LAG_ENTRIES: &str = "feed_lag_entries";
/// For how long the checkpoint has been below the head.
pub(crate) const LAG_SECONDS: &str = "feed_lag_seconds";
/// Parked entries.
pub(crate) const DEAD_LETTERS: &str = "feed_dead_letters";
/// 2 live, 1 silent, 0 lost.
pub(crate) const BUS_STATE: &str = "feed_bus_state";
/// Entries applied or parked.
pub(crate) const APPLIED: &str = "feed_applied_entries_total";
/// Reads and batches tried again.
pub(crate) const PROCESSING_RETRIES: &str = "feed_processing_retries_total";
/// Connections of the bus tried again.
pub(crate) const CONNECT_RETRIES: &str = "feed_connect_retries_total";

/// Gives every metric its help text and unit.
pub(crate) fn describe() {
    describe_gauge!(CHECKPOINT, "The last journal entry applied");
    describe_gauge!(HEAD, "The journal's last entry as last seen");
    describe_gauge!(LAG_ENTRIES, "Entries between the checkpoint and the head");
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "How long the checkpoint has been below the head"
    );
    describe_gauge!(DEAD_LETTERS, "Parked entries");
    describe_gauge!(BUS_STATE, "2 live, 1 silent, 0 lost");
    describe_counter!(APPLIED, "Entries applied or parked");
    describe_counter!(PROCESSING_RETRIES, "Reads and batches tried again");
    describe_counter!(CONNECT_RETRIES, "Connections of the bus tried again");
}

/// Publishes a consumer's status; called when it moves and when metrics are rendered, so that a
/// consumer that stands still shows a growing lag.
pub(crate) fn record(name: &'static str, status: &ConsumerStatus) {
    #[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
    let float = |value: u64| value as f64;
    let bus = match status.bus {
        BusState::Live => 2.0,
        BusState::Silent => 1.0,
        BusState::Lost => 0.0,
    };
    metrics::gauge!(CHECKPOINT, "consumer" => name).set(float(status.checkpoint.get()));
    metrics::gauge!(HEAD, "consumer" => name).set(float(status.head.get()));
    metrics::gauge!(LAG_ENTRIES, "consumer" => name).set(float(status.lag_entries));
    metrics::gauge!(LAG_SECONDS, "consumer" => name).set(status.lag_seconds);
    metrics::gauge!(DEAD_LETTERS, "consumer" => name).set(float(status.dead_letters));
    metrics::gauge!(BUS_STATE, "consumer" => name).set(bus);
    metrics::counter!(APPLIED, "consumer" => name).absolute(status.applied);
    metrics::counter!(PROCESSING_RETRIES, "consumer" => name).absolute(status.processing_retries);
    metrics::counter!(CONNECT_RETRIES, "consumer" => name).absolute(status.connect_retries);
}
