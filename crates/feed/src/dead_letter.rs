//! Parked poison entries.

use journal::{JournalId, Time};
use serde::Serialize;

/// An entry that a sink could not apply, parked in the sink's own database with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The entry's place in the journal.
    #[schema(value_type = u64)]
    pub journal_id: JournalId,
    /// The entry's type.
    pub event_type: String,
    /// The entry's data, as it was read.
    pub data: String,
    /// Why it could not be applied.
    pub reason: String,
    /// When it was parked.
    #[schema(value_type = String, format = DateTime)]
    pub parked_at: Time,
    /// How often applying it was tried.
    pub attempts: u32,
}
