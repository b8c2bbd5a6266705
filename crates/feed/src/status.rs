//! What a consumer says of itself.

use crate::rebuild::RebuildStatus;
use journal::{Digest, Epoch, JournalId, Time};
use serde::Serialize;

/// How the consumer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsumerState {
    /// It has not read the journal yet.
    Starting,
    /// It follows the journal.
    Following,
    /// Its store or the journal is away; it tries again.
    Retrying,
    /// It stopped for a reason that trying again does not mend; see the last error.
    Halted,
    /// It was told to stop.
    Stopped,
}

/// How the bus is doing, as its heartbeat shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BusState {
    /// The last heartbeat came back.
    Live,
    /// The connection stands, and no heartbeat has come back for a while.
    Silent,
    /// There is no connection.
    Lost,
}

/// What a consumer says of itself: a copy, taken at once.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// How it is doing.
    pub state: ConsumerState,
    /// The last entry applied.
    #[schema(value_type = u64)]
    pub checkpoint: JournalId,
    /// The journal's last entry, as last seen.
    #[schema(value_type = u64)]
    pub head: JournalId,
    /// The digest at the checkpoint.
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// The journal it follows.
    #[schema(value_type = Option<String>)]
    pub epoch: Option<Epoch>,
    /// `head − checkpoint`.
    pub lag_entries: u64,
    /// For how many seconds the checkpoint has been below the head; 0 when it is not.
    pub lag_seconds: f64,
    /// When the checkpoint last moved, or last was seen to equal the head.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub current_at: Option<Time>,
    /// The type of the last entry applied.
    pub last_event_type: Option<String>,
    /// When that entry's fact was observed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event_observed_at: Option<Time>,
    /// When that entry was applied.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event_received_at: Option<Time>,
    /// Entries applied since the process started.
    pub applied: u64,
    /// Parked entries.
    pub dead_letters: u64,
    /// Connections of the bus that were tried again.
    pub connect_retries: u64,
    /// Reads and batches that were tried again.
    pub processing_retries: u64,
    /// What went wrong last, in words for an operator.
    pub last_error: Option<String>,
    /// `inline`, `redis`, or `poll` where a consumer asks the journal over HTTP.
    pub bus_mode: &'static str,
    /// How the bus is doing.
    pub bus: BusState,
    /// Why the bus is not live.
    pub bus_error: Option<String>,
    /// When the last heartbeat came back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_heartbeat_at: Option<Time>,
    /// The rebuild that runs, or the last one since the process started.
    pub rebuild: Option<RebuildStatus>,
}
