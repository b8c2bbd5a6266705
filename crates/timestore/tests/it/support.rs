//! A timestore in a temporary directory, a journal made by hand, and requests without a socket.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use feed::{Batch, Begun, Checkpoint, DeadLetter, Item, Sink, SinkError};
use journal::{
    Clock, Digest, Entry, Epoch, Event, EventType, JournalId, JournalReader, Page, Position,
    ReadError, Snapshot, Time,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use timestore::{ActivitySink, Options, Timestore};
use tower::ServiceExt;

/// A clock that tests set.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn set(&self, time: &str) {
        self.0.store(at(time).as_millis(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn at(time: &str) -> Time {
    time.parse().unwrap()
}

/// An open timestore and where it lives.
pub(crate) struct Fixture {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) timestore: Timestore,
    pub(crate) router: Router,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::open(Arc::new(TempDir::new().unwrap()), change)
    }

    pub(crate) fn open(dir: Arc<TempDir>, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(0)));
        clock.set("2026-06-01T00:00:00Z");
        let shared: Arc<dyn Clock> = Arc::<TestClock>::clone(&clock);
        let mut options = Options::new(dir.path(), shared);
        change(&mut options);
        let timestore = Timestore::open(options).unwrap();
        let router = router(&timestore);
        Self {
            dir,
            clock,
            timestore,
            router,
        }
    }

    /// Closes it and opens it again.
    pub(crate) fn reopened(self) -> Self {
        self.timestore.close();
        Self::open(self.dir, |_| {})
    }

    /// Rows of a statement, as the API gives them.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<Value> {
        let answer = self.post("/sql/read", &json!({"sql": sql})).await;
        assert_eq!(answer.status, StatusCode::OK, "{sql}: {}", answer.text);
        answer.json()["rows"].as_array().unwrap().clone()
    }

    /// The one value of a statement.
    pub(crate) async fn value(&self, sql: &str) -> Value {
        let rows = self.sql(sql).await;
        rows[0]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(
            Method::POST,
            path,
            &[(header::CONTENT_TYPE.as_str(), "application/json")],
            body.to_string(),
        )
        .await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }
}

pub(crate) async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn send(router: &Router, mut request: Request<Body>) -> Answer {
    request
        .headers_mut()
        .insert(header::HOST, "127.0.0.1".parse().unwrap());
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let headers = response.headers().clone();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer {
        status,
        headers,
        bytes: bytes.to_vec(),
        text,
    }
}

pub(crate) fn router(timestore: &Timestore) -> Router {
    httpkit::App::new("timestore", "Timestore", timestore.router()).into_router()
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The rows under a name, after checking that it went well.
    pub(crate) fn rows(&self, name: &str) -> Vec<Value> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()[name].as_array().unwrap().clone()
    }

    /// Status, code and the first field at fault.
    pub(crate) fn problem(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            self.status.as_u16(),
            text(&json["code"]),
            text(&json["errors"][0]["pointer"]),
        )
    }
}

/// A journal made by hand.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pub(crate) epoch: Epoch,
    pub(crate) entries: Vec<Entry>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Epoch::generate(),
            entries: Vec::new(),
        }
    }

    pub(crate) fn next_id(&self) -> JournalId {
        JournalId::new(self.entries.len() as u64 + 1)
    }

    /// Appends an entry; `data` gets its journal id.
    pub(crate) fn push(
        &mut self,
        event_type: &str,
        node_id: Option<i64>,
        size_delta: i64,
        mut data: Value,
    ) -> JournalId {
        let id = self.next_id();
        data["journalId"] = json!(id);
        let data = serde_json::value::to_raw_value(&data).unwrap();
        let before = self.digest(JournalId::new(id.get() - 1));
        let digest = before.link(id, node_id, event_type, size_delta, data.get());
        let event_type = EventType::from(event_type);
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

    pub(crate) fn digest(&self, id: JournalId) -> Digest {
        match id.get() {
            0 => Digest::genesis(self.epoch),
            id => self.entries[usize::try_from(id).unwrap() - 1].digest,
        }
    }

    pub(crate) fn checkpoint(&self, id: JournalId) -> Checkpoint {
        Checkpoint {
            epoch: self.epoch,
            journal_id: id,
            digest: self.digest(id),
        }
    }

    pub(crate) fn head(&self) -> JournalId {
        JournalId::new(self.entries.len() as u64)
    }

    /// Applies the entries after `after` up to and with `to` as one batch.
    pub(crate) fn apply(
        &self,
        sink: &mut ActivitySink,
        after: u64,
        to: u64,
    ) -> Result<(), SinkError> {
        let range = usize::try_from(after).unwrap()..usize::try_from(to).unwrap();
        apply(
            sink,
            &self.entries[range],
            &[],
            &[],
            self.checkpoint(JournalId::new(to)),
        )
    }

    /// The same, which may be in flight afterwards.
    pub(crate) fn begin(
        &self,
        sink: &mut ActivitySink,
        after: u64,
        to: u64,
    ) -> Result<Begun, SinkError> {
        let range = usize::try_from(after).unwrap()..usize::try_from(to).unwrap();
        let entries = &self.entries[range];
        let events: Vec<_> = entries.iter().map(|entry| entry.event().unwrap()).collect();
        let pairs = entries.iter().zip(&events);
        let items: Vec<_> = pairs.map(|(entry, event)| Item::of(entry, event)).collect();
        sink.begin(&Batch {
            items: &items,
            parked: &[],
            resolved: &[],
            checkpoint: self.checkpoint(JournalId::new(to)),
        })
    }

    pub(crate) fn apply_all(&self, sink: &mut ActivitySink) {
        self.apply(sink, 0, self.head().get()).unwrap();
    }
}

impl JournalReader for Journal {
    fn position(&self) -> Result<Position, ReadError> {
        Ok(Position {
            epoch: self.epoch,
            head: self.head(),
            trimmed: JournalId::ZERO,
        })
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let entries = self.entries.iter().filter(|entry| entry.id > after);
        Ok(Page {
            position: self.position()?,
            after_digest: (after <= self.head()).then(|| self.digest(after)),
            entries: entries.take(limit).cloned().collect(),
        })
    }

    fn wait(&self, _after: JournalId, _timeout: Duration) -> Result<Position, ReadError> {
        self.position()
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        Err(ReadError::Unavailable("there is none".into()))
    }
}

pub(crate) fn apply(
    sink: &mut ActivitySink,
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
    sink.apply(&Batch {
        items: &items,
        parked,
        resolved,
        checkpoint,
    })
}

/// A node of [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) mount: i64,
    pub(crate) path: String,
    pub(crate) is_file: bool,
    pub(crate) size: i64,
    /// On disk; else it is missing.
    pub(crate) is_there: bool,
    pub(crate) version: i64,
    pub(crate) principal: Option<String>,
    pub(crate) last: JournalId,
}

/// A file tree whose changes are told to a journal, as filestore would.
pub(crate) struct Tree {
    pub(crate) journal: Journal,
    pub(crate) nodes: BTreeMap<i64, Node>,
    pub(crate) mount: i64,
    pub(crate) now: Time,
    pub(crate) principal: Option<String>,
    pub(crate) next_node: i64,
    /// What the disk says of the nodes that change, beside their contents.
    pub(crate) facts: Map<String, Value>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self {
            journal: Journal::new(),
            nodes: BTreeMap::new(),
            mount: 1,
            now: at("2026-03-01T00:00:00Z"),
            principal: None,
            next_node: 1,
            facts: Map::new(),
        }
    }

    pub(crate) fn at(&mut self, time: &str) -> &mut Self {
        self.now = at(time);
        self
    }

    fn tell(&mut self, id: i64, event: &str, state: &str, command: &str, before: Option<&Node>) {
        let node = self.nodes[&id].clone();
        let weight = |node: &Node| if node.is_there { node.size } else { 0 };
        let size_after = if state == "deleted" { 0 } else { weight(&node) };
        let delta = size_after - before.map_or(0, weight);
        let old_mount = before
            .map(|before| before.mount)
            .filter(|mount| *mount != node.mount);
        let old_path = before
            .map(|before| &before.path)
            .filter(|path| **path != node.path || old_mount.is_some());
        // Both families of node entries; each takes its own fields.
        let mut data = json!({
            "backendMountId": node.mount, "nodeId": id, "path": node.path,
            "kind": if node.is_file { "file" } else { "directory" }, "state": state,
            "parentId": null, "version": node.version, "sizeBytes": node.size,
            "checksum": null, "contentHash": null, "metadata": {},
            "command": command, "idempotencyKey": null, "principal": self.principal,
            "observedAt": self.now, "commandId": format!("command-{}", self.journal.next_id()),
            "previousPath": old_path, "previousBackendMountId": old_mount,
            "previousSizeBytes": before.filter(|before| before.is_there).map(|before| before.size),
            "sizeDelta": delta, "lastModifiedAt": self.now,
            "consistencyState": state, "consistencyCheckedAt": self.now, "lastReconciledAt": null,
            "previousState": before.map(|before| if before.is_there { "active" } else { "missing" }),
            "reason": "drift",
        });
        data.as_object_mut().unwrap().extend(self.facts.clone());
        let last = self.journal.push(event, Some(id), delta, data);
        self.nodes.get_mut(&id).unwrap().last = last;
    }

    pub(crate) fn create(&mut self, path: &str, is_file: bool, size: i64) -> i64 {
        let id = self.next_node;
        self.next_node += 1;
        let principal = self.principal.clone();
        let last = JournalId::ZERO;
        let node = Node {
            mount: self.mount,
            path: path.to_owned(),
            is_file,
            size,
            is_there: true,
            version: 1,
            principal,
            last,
        };
        self.nodes.insert(id, node);
        let (event, command) = if is_file {
            ("filestore.node.uploaded", "uploadFile")
        } else {
            ("filestore.node.created", "createDirectory")
        };
        self.tell(id, event, "active", command, None);
        id
    }

    pub(crate) fn file(&mut self, path: &str, size: i64) -> i64 {
        self.create(path, true, size)
    }

    pub(crate) fn rewrite(&mut self, id: i64, size: i64) {
        let before = self.nodes[&id].clone();
        let node = self.nodes.get_mut(&id).unwrap();
        (node.size, node.is_there, node.version) = (size, true, node.version + 1);
        self.tell(
            id,
            "filestore.node.uploaded",
            "active",
            "uploadFile",
            Some(&before),
        );
    }

    pub(crate) fn rename(&mut self, id: i64, path: &str) {
        self.move_to(id, self.nodes[&id].mount, path);
    }

    pub(crate) fn move_to(&mut self, id: i64, mount: i64, path: &str) {
        let before = self.nodes[&id].clone();
        let node = self.nodes.get_mut(&id).unwrap();
        path.clone_into(&mut node.path);
        node.mount = mount;
        node.version += 1;
        self.tell(
            id,
            "filestore.node.moved",
            "active",
            "moveNode",
            Some(&before),
        );
    }

    pub(crate) fn delete(&mut self, id: i64) {
        let before = self.nodes[&id].clone();
        self.nodes.get_mut(&id).unwrap().version += 1;
        self.tell(
            id,
            "filestore.node.deleted",
            "deleted",
            "deleteNode",
            Some(&before),
        );
        self.nodes.remove(&id);
    }

    /// The disk no longer has it.
    pub(crate) fn lose(&mut self, id: i64) {
        let before = self.nodes[&id].clone();
        let node = self.nodes.get_mut(&id).unwrap();
        (node.is_there, node.version) = (false, node.version + 1);
        self.tell(
            id,
            "filestore.node.missing",
            "missing",
            "scan",
            Some(&before),
        );
    }

    /// The disk has it again, perhaps elsewhere.
    pub(crate) fn find(&mut self, id: i64, path: &str) {
        let before = self.nodes[&id].clone();
        let node = self.nodes.get_mut(&id).unwrap();
        path.clone_into(&mut node.path);
        (node.is_there, node.version) = (true, node.version + 1);
        self.tell(
            id,
            "filestore.node.reconciled",
            "active",
            "scan",
            Some(&before),
        );
    }

    pub(crate) fn apply_to(&self, fixture: &Fixture) -> ActivitySink {
        let mut sink = fixture.timestore.sink();
        self.journal.apply_all(&mut sink);
        sink
    }
}

/// What the rows of an answer say in one column.
pub(crate) fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

/// The `/filestore/nodes` lines.
pub(crate) async fn nodes(fixture: &Fixture) -> Vec<journal::SnapshotNode> {
    let answer = fixture.get("/filestore/nodes").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
