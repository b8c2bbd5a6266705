//! Publishes the journal's entries to Redis, for consumers that sleep and for other programs.
//!
//! The publisher tails the journal from its head at start. It keeps nothing: what could not be
//! published is in the journal, so after an outage it goes on where it was, and only skips ahead
//! where more than [`CATCH_UP_MAX`] entries piled up (a channel is no archive; consumers read the
//! journal anyway, and every message wakes them all the same).

use crate::SharedReader;
use crate::bus::redis::{Asked, Server, SessionError, Timing};
use crate::consumer::Backoff;
use journal::{Entry, Envelope, Epoch, JournalId, ReadError};
use process::{Stop, Task};
use redis::Connection;
use serde_json::value::RawValue;
use std::time::Duration;

/// Most entries that are published late; older ones are skipped.
pub const CATCH_UP_MAX: u64 = 10_000;
/// A message larger than this is cut to its identifiers.
pub const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
/// Most entries in one pipeline.
const PIPELINE_MAX: usize = 500;
/// How long one wait for the head lasts, so that a stop is seen.
const WAIT: Duration = Duration::from_millis(200);

/// Why publishing failed; it is tried again.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("the journal cannot be read")]
    Journal(#[from] ReadError),
    #[error(transparent)]
    Redis(#[from] SessionError),
    #[error("an entry cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Publishes every entry from now on to `channel`.
///
/// # Errors
/// The thread cannot be started.
pub fn spawn(
    reader: SharedReader,
    server: Server,
    channel: String,
    timing: Timing,
) -> std::io::Result<Task> {
    let mut publisher = Publisher::new(reader, server, channel, timing.connect_timeout);
    Task::spawn("publisher", move |stop| publisher.run(timing, stop))
}

struct Publisher {
    reader: SharedReader,
    server: Server,
    channel: String,
    origin: String,
    timeout: Duration,
    connection: Option<Connection>,
    published: Option<JournalId>,
}

impl Publisher {
    /// A publisher of the entries after the journal's head of now: whoever commits once it is there
    /// is heard, however late its thread comes to run.
    fn new(reader: SharedReader, server: Server, channel: String, timeout: Duration) -> Self {
        // A journal that cannot be read now is asked again by the first step, which says why.
        let published = reader.position().ok().map(|position| position.head);
        Self {
            reader,
            server,
            channel,
            origin: uuid::Uuid::new_v4().to_string(),
            timeout,
            connection: None,
            published,
        }
    }

    fn step(&mut self) -> Result<(), PublishError> {
        let published = match self.published {
            Some(published) => published,
            None => *self.published.insert(self.reader.position()?.head),
        };
        let position = self.reader.wait(published, WAIT)?;
        if position.head <= published {
            // A journal that went back is the consumers' to refuse.
            self.published = Some(position.head);
            return Ok(());
        }
        let oldest = position.head.get().saturating_sub(CATCH_UP_MAX);
        let after = JournalId::new(published.get().max(oldest).max(position.trimmed.get()));
        if after > published {
            tracing::warn!(
                entries = after.entries_since(published),
                "entries were not published, consumers read them from the journal"
            );
        }
        let page = self.reader.read(after, PIPELINE_MAX)?;
        if let Some(last) = page.entries.last() {
            self.publish(page.position.epoch, &page.entries)?;
            self.published = Some(last.id);
        }
        Ok(())
    }

    fn run(&mut self, timing: Timing, stop: &Stop) {
        let mut backoff = Backoff::new(timing.retry_first, timing.retry_longest);
        let mut is_failing = false;
        while !stop.is_set() {
            match self.step() {
                Ok(()) => {
                    backoff.reset();
                    if std::mem::replace(&mut is_failing, false) {
                        tracing::info!(channel = self.channel, "publishing again");
                    }
                }
                Err(error) => {
                    self.connection = None;
                    if !std::mem::replace(&mut is_failing, true) {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(
                            error,
                            channel = self.channel,
                            "cannot publish, consumers poll the journal meanwhile"
                        );
                    }
                    if stop.wait(backoff.next_delay()) {
                        return;
                    }
                }
            }
        }
    }

    fn publish(&mut self, epoch: Epoch, entries: &[Entry]) -> Result<(), PublishError> {
        let mut pipe = redis::pipe();
        for entry in entries {
            pipe.publish(&self.channel, message(&self.origin, epoch, entry)?)
                .ignore();
        }
        let server = &self.server;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connected = connect(&server.client, self.timeout);
                none.insert(connected.map_err(|error| server.explain(error, Asked::Connect))?)
            }
        };
        let asked = Asked::Publish(&self.channel);
        pipe.query::<()>(connection)
            .map_err(|error| server.explain(error, asked))?;
        Ok(())
    }
}

fn connect(client: &redis::Client, timeout: Duration) -> redis::RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(timeout)?;
    connection.set_read_timeout(Some(timeout))?;
    connection.set_write_timeout(Some(timeout))?;
    Ok(connection)
}

/// The message of an entry: its envelope, cut to the identifiers if it would be too large.
fn message(origin: &str, epoch: Epoch, entry: &Entry) -> Result<String, serde_json::Error> {
    let mut envelope = Envelope::of(epoch, entry);
    envelope.origin = Some(origin.into());
    let text = serde_json::to_string(&envelope)?;
    if text.len() <= MESSAGE_MAX_BYTES {
        return Ok(text);
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identifiers {
        backend_mount_id: Option<i64>,
        node_id: Option<i64>,
        journal_id: Option<JournalId>,
    }
    let identifiers: Identifiers = serde_json::from_str(entry.data.get())?;
    let data = RawValue::from_string(serde_json::to_string(&identifiers)?)?;
    envelope.event.data = &data;
    envelope.truncated = true;
    serde_json::to_string(&envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Digest, EventType};

    fn entry(data: String) -> Entry {
        Entry {
            id: JournalId::new(7),
            node_id: Some(3),
            event_type: EventType::NodeCreated,
            size_delta: 1,
            data: RawValue::from_string(data).unwrap(),
            digest: Digest::genesis(Epoch::generate()),
        }
    }

    #[test]
    fn a_message_is_the_entrys_envelope_with_the_publishers_id() {
        let entry = entry(r#"{"nodeId":3,"path":"a"}"#.to_owned());
        let text = message("me", Epoch::generate(), &entry).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["origin"], "me");
        assert_eq!(value["journalId"], 7);
        assert_eq!(value["event"]["type"], "filestore.node.created");
        assert_eq!(value["event"]["data"]["path"], "a");
        assert!(value.get("truncated").is_none());
    }

    #[test]
    fn a_message_over_the_limit_is_cut_to_its_identifiers() {
        let large = "x".repeat(MESSAGE_MAX_BYTES);
        let entry = entry(format!(
            r#"{{"backendMountId":1,"nodeId":3,"journalId":7,"path":"{large}"}}"#
        ));
        let text = message("me", Epoch::generate(), &entry).unwrap();
        assert!(text.len() < 1024);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["truncated"], true);
        assert_eq!(value["event"]["data"]["nodeId"], 3);
        assert!(value["event"]["data"].get("path").is_none());
    }
}
