//! A metastore served on a free port, and a journal written by hand.

use feed::{Batch, Checkpoint, DeadLetter, Item, Sink as _, SinkError};
use httpkit::{App, Tokens};
use journal::{Clock, Digest, Entry, Epoch, Event, JournalId, Time};
use metastore::{Metastore, Options, Sink};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// 2026-01-01T00:00:00Z
pub(crate) const START: i64 = 1_767_225_600_000;

/// Every look is a second later.
#[derive(Debug)]
pub(crate) struct TickingClock(AtomicI64);

impl Default for TickingClock {
    fn default() -> Self {
        Self(AtomicI64::new(START))
    }
}

impl TickingClock {
    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for TickingClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

pub(crate) fn options(dir: &Path) -> Options {
    Options {
        clock: Arc::new(TickingClock::default()),
        ..Options::in_data_dir(dir)
    }
}

/// A served metastore; stopped when it is dropped.
pub(crate) struct Served {
    pub(crate) metastore: Metastore,
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    stop: CancellationToken,
    _dir: Option<TempDir>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The code and first pointer of a problem document.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str, &str) {
        let code = self.body["code"].as_str().unwrap_or_default();
        let pointer = self.body["errors"][0]["pointer"]
            .as_str()
            .unwrap_or_default();
        (self.status, code, pointer)
    }
}

impl Served {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path());
        let mut served = Self::with(options, None).await;
        served._dir = Some(dir);
        served
    }

    pub(crate) async fn with(options: Options, tokens: Option<Tokens>) -> Self {
        let metastore = Metastore::open(options).unwrap();
        let app = App::new("metastore", "Tidemark metastore", metastore.router())
            .tokens(tokens.map(Arc::new))
            .body_limit(4 << 20);
        let listener = httpkit::bind("127.0.0.1", 0, false).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(httpkit::serve(listener, app.into_router(), stop.clone()));
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            metastore,
            client,
            url,
            token: None,
            stop,
            _dir: None,
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string());
        self.send_text(method, path, body).await
    }

    pub(crate) async fn send_text(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// The record, deleted or not.
    pub(crate) async fn record(&self, namespace: &str, key: &str) -> Value {
        let path = format!("/records/{namespace}/{key}?includeDeleted=true");
        self.get(&path).await.expect(200)["record"].clone()
    }

    /// The keys that a search finds, in its order.
    pub(crate) async fn keys(&self, search: Value) -> Vec<String> {
        keys(&self.post("/records/search", search).await.expect(200))
    }

    /// The keys of a page, of which `search` then asks for the next one. `None` behind the last.
    pub(crate) async fn next_keys(&self, search: &mut Value) -> Option<Vec<String>> {
        if search.get("cursor").is_some_and(Value::is_null) {
            return None;
        }
        let page = self.post("/records/search", search.clone()).await;
        let page = page.expect(200);
        search["cursor"] = page["pagination"]["nextCursor"].clone();
        Some(keys(&page))
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::new(self.metastore.sink().unwrap())
    }
}

/// The keys of the records on a page.
pub(crate) fn keys(page: &Value) -> Vec<String> {
    let records = page["records"].as_array().unwrap();
    let key = |record: &Value| record["key"].as_str().unwrap().to_owned();
    records.iter().map(key).collect()
}

/// A journal written by hand, followed by a sink.
pub(crate) struct Journal {
    pub(crate) sink: Sink,
    pub(crate) checkpoint: Checkpoint,
    /// Entries not applied yet.
    pub(crate) entries: Vec<Entry>,
    digest: Digest,
    head: JournalId,
}

impl Journal {
    pub(crate) fn new(mut sink: Sink) -> Self {
        let epoch: Epoch = "6f1c1c4e-6a53-4a0f-9a51-3a8b40f0a001".parse().unwrap();
        let checkpoint = sink.checkpoint().unwrap().unwrap_or(Checkpoint {
            epoch,
            journal_id: JournalId::ZERO,
            digest: Digest::genesis(epoch),
        });
        let (digest, head) = (checkpoint.digest, checkpoint.journal_id);
        Self {
            sink,
            checkpoint,
            entries: Vec::new(),
            digest,
            head,
        }
    }

    /// Appends an entry; its id.
    pub(crate) fn append(&mut self, event_type: &str, mut data: Value) -> JournalId {
        let id = self.head.next();
        data["journalId"] = json!(id);
        let node_id = data["nodeId"].as_i64();
        let size_delta = data["sizeDelta"].as_i64().unwrap_or_default();
        let data = serde_json::value::to_raw_value(&data).unwrap();
        self.digest = self
            .digest
            .link(id, node_id, event_type, size_delta, data.get());
        self.head = id;
        let event_type = event_type.into();
        let digest = self.digest;
        self.entries.push(Entry {
            id,
            node_id,
            event_type,
            size_delta,
            data,
            digest,
        });
        id
    }

    /// The number of the entry that comes next.
    pub(crate) fn next_id(&self) -> i64 {
        self.head.next().as_i64()
    }

    /// Appends a node entry with the fields that matter, the rest filled in.
    pub(crate) fn node(
        &mut self,
        verb: &str,
        node_id: i64,
        path: &str,
        fields: Value,
    ) -> JournalId {
        let mut data = json!({
            "backendMountId": 1, "nodeId": node_id, "path": path, "kind": "file",
            "state": if verb == "deleted" { "deleted" } else { "active" },
            "parentId": null, "version": 1, "sizeBytes": 10, "checksum": null,
            "contentHash": null, "metadata": {}, "command": verb, "idempotencyKey": null,
            "principal": null, "observedAt": "2025-06-01T00:00:00.000Z",
            "consistencyState": "active", "consistencyCheckedAt": "2025-06-01T00:00:00.000Z",
            "lastReconciledAt": null, "previousState": null, "reason": "audit",
        });
        if verb == "missing" {
            data["state"] = json!("missing");
            data["consistencyState"] = json!("missing");
        }
        for (name, value) in fields.as_object().unwrap() {
            data[name] = value.clone();
        }
        self.append(&format!("filestore.node.{verb}"), data)
    }

    /// Applies what was appended, in one batch.
    #[track_caller]
    pub(crate) fn apply(&mut self) {
        self.try_apply(&[], &[]).unwrap();
    }

    pub(crate) fn try_apply(
        &mut self,
        parked: &[DeadLetter],
        resolved: &[JournalId],
    ) -> Result<(), SinkError> {
        let entries = std::mem::take(&mut self.entries);
        let checkpoint = Checkpoint {
            journal_id: self.head,
            digest: self.digest,
            ..self.checkpoint
        };
        self.apply_entries(&entries, parked, resolved, checkpoint)?;
        self.checkpoint = checkpoint;
        Ok(())
    }

    /// Applies these entries with this checkpoint.
    pub(crate) fn apply_entries(
        &mut self,
        entries: &[Entry],
        parked: &[DeadLetter],
        resolved: &[JournalId],
        checkpoint: Checkpoint,
    ) -> Result<(), SinkError> {
        let events: Vec<Event<'_>> = entries.iter().map(|entry| entry.event().unwrap()).collect();
        let items: Vec<_> = entries
            .iter()
            .zip(&events)
            .map(|(entry, event)| Item::of(entry, event))
            .collect();
        self.sink.apply(&Batch {
            items: &items,
            parked,
            resolved,
            checkpoint,
        })
    }
}
