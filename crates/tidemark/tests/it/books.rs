//! Three books that say what a test wants them to.

use crate::fake::{Answer, Asked, Fake, Ran, run, tidemark};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

pub(crate) const EPOCH: &str = "6f1f8a52-0d8e-4b39-9a37-5b2f7d6c1e10";
/// A book gives no more than this at once, whatever it is asked for.
const PAGE_MAX: usize = 2;

/// The chained digest at an id, as these journals have it.
pub(crate) fn digest(journal_id: u64) -> String {
    format!("{journal_id:064x}")
}

/// What a book that follows the journal says.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) nodes: Vec<Value>,
    pub(crate) checkpoint: u64,
    pub(crate) digest: String,
    pub(crate) epoch: String,
    pub(crate) dead_letters: u64,
    pub(crate) enabled: bool,
    /// What it finds in its own store.
    pub(crate) findings: Vec<Value>,
}

/// What all three say.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    pub(crate) head: u64,
    pub(crate) trimmed: u64,
    pub(crate) snapshot_at: u64,
    pub(crate) snapshot: Vec<Value>,
    /// The snapshot breaks off in its last line.
    pub(crate) is_cut_off: bool,
    pub(crate) metastore: Book,
    pub(crate) timestore: Book,
    /// The timestore's rows, distinct journal ids, the last of these, and rows of a snapshot.
    pub(crate) rows: [u64; 4],
    /// What they say once the first snapshot has been read.
    pub(crate) then: Option<Box<Books>>,
}

/// A live node of the journal's entry.
pub(crate) fn node(node_id: i64, path: &str, size: i64, journal_id: u64) -> Value {
    let kind = if size == 0 { "directory" } else { "file" };
    json!({"nodeId": node_id, "backendMountId": 1, "path": path, "kind": kind, "state": "active",
        "parentId": if node_id == 1 { Value::Null } else { json!(1) }, "version": 1,
        "sizeBytes": size, "journalId": journal_id})
}

impl Books {
    /// Five nodes at entry 12, on which all agree.
    pub(crate) fn agreeing() -> Self {
        let nodes = vec![
            node(1, "", 0, 1),
            node(2, "a", 100, 3),
            node(3, "b", 200, 5),
            node(5, "c\nd", 300, 7),
            node(8, "e", 400, 12),
        ];
        let book = Book {
            nodes: nodes.clone(),
            checkpoint: 12,
            digest: digest(12),
            epoch: EPOCH.to_owned(),
            dead_letters: 0,
            enabled: true,
            findings: Vec::new(),
        };
        Self {
            head: 12,
            trimmed: 0,
            snapshot_at: 12,
            snapshot: nodes,
            is_cut_off: false,
            metastore: book.clone(),
            timestore: book,
            rows: [12, 12, 12, 0],
            then: None,
        }
    }

    /// Runs `tidemark verify` against services that say this.
    pub(crate) fn verify(self, args: &[&str]) -> Ran {
        let state = Arc::new(Mutex::new(self));
        let served = [State::filestore, State::metastore, State::timestore].map(|answer| {
            let state = State(Arc::clone(&state));
            Fake::start(move |asked| answer(&state, asked))
        });
        let dir = tempfile::tempdir().unwrap();
        let [filestore, metastore, timestore] = &served;
        let common = [
            "verify",
            "--wait=200ms",
            "--filestore-url",
            &filestore.url,
            "--metastore-url",
            &metastore.url,
            "--timestore-url",
            &timestore.url,
        ];
        run(tidemark(dir.path(), &[&common[..], args].concat()))
    }
}

struct State(Arc<Mutex<Books>>);

impl State {
    fn filestore(&self, asked: &Asked) -> Answer {
        let mut books = self.0.lock().unwrap();
        match asked.line().as_str() {
            "GET /v1/journal" => {
                assert_eq!(asked.number("limit"), 0);
                let after = u64::try_from(asked.number("after")).unwrap();
                let answer = Answer::lines([])
                    .header("Tidemark-Head", books.head)
                    .header("Tidemark-Trimmed", books.trimmed)
                    .header("Tidemark-Epoch", EPOCH);
                match after <= books.head {
                    true => answer.header("Tidemark-After-Digest", digest(after)),
                    false => answer,
                }
            }
            "GET /v1/integrity" => Answer::json(&json!({"data": {"ok": true, "findings": []}})),
            "GET /v1/snapshot" => {
                let (at, lines) = (books.snapshot_at, books.snapshot.clone());
                let answer = match books.is_cut_off {
                    true => Answer::text(format!("{}\n{{\"nodeId\":2", lines[0])),
                    false => Answer::lines(lines),
                };
                answer.header("Tidemark-Journal-Id", at)
            }
            _ => {
                books.then = None;
                Answer::not_found()
            }
        }
    }

    fn metastore(&self, asked: &Asked) -> Answer {
        self.book(asked, |books| books.metastore.clone())
    }

    fn timestore(&self, asked: &Asked) -> Answer {
        if asked.line() == "POST /sql/read" {
            let sql = asked.json()["sql"].as_str().unwrap().to_owned();
            assert!(sql.contains("FROM filestore_activity"), "{sql}");
            let [total, entries, last, snapshots] = self.0.lock().unwrap().rows;
            return Answer::json(&json!({"rows": [{"total": total, "entries": entries,
                "last": last, "snapshots": snapshots}]}));
        }
        self.book(asked, |books| books.timestore.clone())
    }

    fn book(&self, asked: &Asked, book: impl Fn(&Books) -> Book) -> Answer {
        let mut books = self.0.lock().unwrap();
        let said = book(&books);
        match asked.line().as_str() {
            "GET /filestore/integrity" => Answer::json(&json!({"ok": said.findings.is_empty(),
                "findings": said.findings})),
            "GET /filestore/digest" => Answer::json(&json!({"journalId": said.checkpoint,
                "content": "c0ffee"})),
            "GET /filestore/health" => Answer::json(&json!({"status": "ok",
                "enabled": said.enabled, "deadLetters": said.dead_letters,
                "lastError": "the disk is full"})),
            "GET /filestore/nodes" => {
                let wanted = asked.headers.get("Tidemark-Min-Journal-Id");
                let wanted = wanted.map_or(0, |id| id.to_str().unwrap().parse().unwrap());
                if wanted > said.checkpoint {
                    return Answer::text("")
                        .status(504)
                        .header("Tidemark-Journal-Id", said.checkpoint);
                }
                let (after, limit) = (asked.number("after"), asked.number("limit"));
                let live = said
                    .nodes
                    .iter()
                    .filter(|node| node["nodeId"].as_i64() > Some(after));
                let limit = PAGE_MAX.min(usize::try_from(limit).unwrap());
                let page: Vec<_> = live.take(limit).cloned().collect();
                // The last page of the first pass has been read: time goes on.
                let is_end = page.is_empty() && after != i64::MAX && wanted == 0;
                let answer = Answer::lines(page)
                    .header("Tidemark-Journal-Id", said.checkpoint)
                    .header("Tidemark-Digest", said.digest)
                    .header("Tidemark-Epoch", said.epoch);
                if is_end && let Some(then) = books.then.take() {
                    *books = *then;
                }
                answer
            }
            _ => Answer::not_found(),
        }
    }
}
