//! A journal entry in memory, and the envelope it travels in.

use crate::{DecodeError, Digest, Epoch, Event, EventType, JournalId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One line of the journal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place.
    pub id: JournalId,
    /// The node it is about, if it is about one.
    pub node_id: Option<i64>,
    /// What kind of fact it is.
    pub event_type: EventType,
    /// By how many bytes the tree grew (or shrank) with it.
    pub size_delta: i64,
    /// The event's `data`, as the JSON text that the digest covers.
    pub data: Box<RawValue>,
    /// The chained digest up to and with this entry.
    pub digest: Digest,
}

impl Entry {
    /// The typed event; it borrows from this entry.
    ///
    /// # Errors
    /// The type is known, and the data lacks what the catalogue promises for it.
    pub fn event(&self) -> Result<Event<'_>, DecodeError> {
        Event::decode(&self.event_type, &self.data)
    }
}

/// What travels: an entry with the identity of its journal. The journal's NDJSON lines and the
/// messages on the bus have this one form; `origin` is the publisher's id on the bus and absent
/// in the journal, `truncated` marks a message whose data was too large for the bus.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a> {
    /// Who published it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Cow<'a, str>>,
    /// The entry's place.
    pub journal_id: JournalId,
    /// The journal it is a place in.
    pub epoch: Epoch,
    /// The fact itself.
    #[serde(borrow)]
    pub event: EnvelopeEvent<'a>,
    /// The node it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<i64>,
    /// Growth in bytes.
    #[serde(default)]
    pub size_delta: i64,
    /// The chained digest: always present in the journal's lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The data was cut to its identifiers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The event inside an [`Envelope`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnvelopeEvent<'a> {
    /// `filestore.<family>.<past tense>`
    #[serde(rename = "type", borrow)]
    pub event_type: Cow<'a, str>,
    /// The event's data, untouched.
    #[serde(borrow)]
    pub data: &'a RawValue,
}

impl<'a> Envelope<'a> {
    /// The envelope of an entry, as the journal's NDJSON lines have it.
    #[must_use]
    pub fn of(epoch: Epoch, entry: &'a Entry) -> Self {
        Self {
            origin: None,
            journal_id: entry.id,
            epoch,
            event: EnvelopeEvent {
                event_type: Cow::Borrowed(entry.event_type.as_str()),
                data: &entry.data,
            },
            node_id: entry.node_id,
            size_delta: entry.size_delta,
            digest: Some(entry.digest),
            truncated: false,
        }
    }

    /// The entry inside: `None` for an envelope without a digest, which the journal never writes.
    #[must_use]
    pub fn into_entry(self) -> Option<Entry> {
        Some(Entry {
            id: self.journal_id,
            node_id: self.node_id,
            event_type: EventType::from(self.event.event_type.as_ref()),
            size_delta: self.size_delta,
            data: self.event.data.to_owned(),
            digest: self.digest?,
        })
    }
}
