//! Random commands by REST, with real files: what goes on while things fail.
//!
//! Every command carries an idempotency key and is sent again until it is answered, as a careful
//! client does. What was answered with success must be in the books in the end, once.

use crate::Random;
use crate::deployment::LONG;
use crate::shared::Shared;
use reqwest::Method;
use reqwest::blocking::{Client as Http, RequestBuilder, multipart};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::wait_for;

/// The longest pause between two commands of one client.
const PAUSE_MAX_MS: u64 = 20;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// A client with a directory of its own.
#[derive(Debug)]
pub struct Client<'a> {
    http: Http,
    url: String,
    files: PathBuf,
    mount_id: i64,
    random: Random,
    name: String,
    root: String,
    serial: u64,
    /// The files it knows of, and their node ids.
    known: BTreeMap<String, i64>,
    directories: Vec<String>,
    shared: &'a Shared,
}

/// One command, which can be sent again.
struct Command {
    method: Method,
    path: String,
    body: Body,
}

enum Body {
    Json(Value),
    File { path: String, bytes: Vec<u8> },
}

/// How a command was answered.
enum Answer {
    Done(Value),
    /// 4xx, and whether it had been sent before.
    Refused {
        status: u16,
        text: String,
        is_again: bool,
    },
}

impl<'a> Client<'a> {
    /// A client of the filestore at `url`, whose mount is at `files`.
    ///
    /// # Panics
    /// The HTTP client cannot be set up.
    #[must_use]
    pub fn new(
        (name, seed): (String, u64),
        (url, files, mount_id): (String, PathBuf, i64),
        shared: &'a Shared,
    ) -> Self {
        let http = Http::builder().timeout(ATTEMPT_TIMEOUT).build();
        Self {
            http: http.expect("an HTTP client"),
            url,
            files,
            mount_id,
            random: Random::new(seed),
            root: format!("{name}-0"),
            name,
            serial: 0,
            known: BTreeMap::new(),
            directories: Vec::new(),
            shared,
        }
    }

    /// Sends commands until the schedule is over.
    ///
    /// # Panics
    /// A command is answered as none may be.
    pub fn run(mut self) {
        let mut has_root = false;
        while !self.shared.is_over.load(Ordering::SeqCst) {
            let command = if has_root {
                self.choose()
            } else {
                self.directory()
            };
            has_root = true;
            let Some(command) = command else { continue };
            match self.send(&command) {
                Answer::Done(answer) => self.note(&command, &answer),
                Answer::Refused { is_again: true, .. } => {
                    // It had been done, or half done, before it was asked for again: what is here
                    // is not known, so go elsewhere.
                    let serial = self.next_serial();
                    self.root = format!("{}-{serial}", self.name);
                    self.known.clear();
                    self.directories.clear();
                    has_root = false;
                }
                Answer::Refused { status, text, .. } => panic!(
                    "{} {} was refused though nobody else works there: {status} {text}",
                    command.method, command.path
                ),
            }
            let pause = self.random.millis(0, PAUSE_MAX_MS);
            std::thread::park_timeout(pause);
        }
    }

    const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn choose(&mut self) -> Option<Command> {
        match self.random.below(20) {
            0..=2 => self.directory(),
            3..=8 => self.new_file(),
            9..=10 => self.file_again(),
            11..=12 => self.relocate("/v1/nodes/move"),
            13 => self.relocate("/v1/nodes/copy"),
            14..=16 => self.metadata(),
            17 => self.delete_file(),
            18 => self.directory_away(),
            _ => self.behind_its_back(),
        }
    }

    fn new_path(&mut self) -> String {
        let serial = self.next_serial();
        let below = if self.directories.is_empty() || self.random.chance(40) {
            self.root.clone()
        } else {
            self.random.pick(&self.directories).clone()
        };
        format!("{below}/n{serial}")
    }

    fn known_path(&mut self) -> Option<String> {
        let paths: Vec<_> = self.known.keys().cloned().collect();
        (!paths.is_empty()).then(|| self.random.pick(&paths).clone())
    }

    fn json(&self, method: Method, path: &str, mut body: Value) -> Command {
        body["backendMountId"] = json!(self.mount_id);
        Command {
            method,
            path: path.to_owned(),
            body: Body::Json(body),
        }
    }

    fn directory(&mut self) -> Option<Command> {
        let path = self.new_path();
        self.directories.push(path.clone());
        Some(self.json(Method::POST, "/v1/directories", json!({"path": path})))
    }

    fn upload(&mut self, path: String) -> Command {
        let size = if self.random.chance(2) {
            300_000
        } else {
            3_000
        };
        let size = usize::try_from(self.random.below(size)).expect("a small number");
        let bytes = path.bytes().cycle().take(size).collect();
        Command {
            method: Method::POST,
            path: "/v1/files".to_owned(),
            body: Body::File { path, bytes },
        }
    }

    fn new_file(&mut self) -> Option<Command> {
        let path = self.new_path();
        Some(self.upload(path))
    }

    fn file_again(&mut self) -> Option<Command> {
        let path = self.known_path()?;
        Some(self.upload(path))
    }

    fn relocate(&mut self, how: &str) -> Option<Command> {
        let (path, target) = (self.known_path()?, self.new_path());
        let body = json!({"path": path, "targetPath": target});
        Some(self.json(Method::POST, how, body))
    }

    fn metadata(&mut self) -> Option<Command> {
        let path = self.known_path()?;
        let node = self.known[&path];
        let body = json!({"set": {"note": self.next_serial()}});
        Some(self.json(Method::PATCH, &format!("/v1/nodes/{node}/metadata"), body))
    }

    fn delete_file(&mut self) -> Option<Command> {
        let body = json!({"path": self.known_path()?});
        Some(self.json(Method::DELETE, "/v1/nodes", body))
    }

    /// Moves or deletes a directory with all that is in it.
    fn directory_away(&mut self) -> Option<Command> {
        let at = usize::try_from(self.random.below(self.directories.len() as u64)).ok()?;
        let path = self.directories.get(at)?.clone();
        let below = format!("{path}/");
        self.directories
            .retain(|it| *it != path && !it.starts_with(&below));
        if self.random.chance(50) {
            let body = json!({"path": path, "recursive": true});
            return Some(self.json(Method::DELETE, "/v1/nodes", body));
        }
        let serial = self.next_serial();
        let target = format!("{}/n{serial}", self.root);
        self.directories.push(target.clone());
        let body = json!({"path": path, "targetPath": target});
        Some(self.json(Method::POST, "/v1/nodes/move", body))
    }

    /// Writes a file past filestore, and asks it to look.
    fn behind_its_back(&mut self) -> Option<Command> {
        let path = self.known_path()?;
        self.known.remove(&path);
        let bytes = vec![7; usize::try_from(self.random.below(2_000)).ok()?];
        std::fs::write(self.files.join(&path), bytes).expect("a file of one's own can be written");
        Some(Command {
            method: Method::POST,
            path: format!("/v1/backend-mounts/{}/scan", self.mount_id),
            body: Body::Json(json!({})),
        })
    }

    fn request(&self, command: &Command, key: &str) -> RequestBuilder {
        let url = format!("{}{}", self.url, command.path);
        let request = self
            .http
            .request(command.method.clone(), url)
            .header("Idempotency-Key", key);
        match &command.body {
            Body::Json(body) => request.json(body),
            Body::File { path, bytes } => {
                let file = multipart::Part::bytes(bytes.clone()).file_name("file");
                let form = multipart::Form::new()
                    .text("backendMountId", self.mount_id.to_string())
                    .text("path", path.clone())
                    .text("overwrite", "true")
                    .part("file", file);
                request.multipart(form)
            }
        }
    }

    /// Sends it until it is answered. Once the schedule is over everything is whole again, so an
    /// answer still comes.
    fn send(&mut self, command: &Command) -> Answer {
        let serial = self.next_serial();
        let key = format!("{}-{serial}", self.name);
        let mut attempts = 0_u64;
        let what = format!("filestore to answer {} {}", command.method, command.path);
        let answer = wait_for(&what, LONG, || {
            attempts += 1;
            let response = self.request(command, &key).send();
            let response = response.map_err(|error| error.to_string())?;
            let status = response.status();
            let text = response.text().map_err(|error| error.to_string())?;
            if status.is_success() {
                let answer = serde_json::from_str(&text).map_err(|error| error.to_string())?;
                return Ok(Answer::Done(answer));
            }
            if status.is_client_error() && status.as_u16() != 429 {
                let (status, is_again) = (status.as_u16(), attempts > 1);
                return Ok(Answer::Refused {
                    status,
                    text,
                    is_again,
                });
            }
            assert_ne!(status.as_u16(), 500, "{what}: {text}");
            Err(format!("{status}: {text}"))
        });
        let mut acknowledged = self.shared.acknowledged.lock();
        acknowledged.sent_again += u64::from(attempts > 1);
        if let Answer::Done(answer) = &answer
            && let Some(id) = answer["data"]["journalEntryId"].as_u64()
        {
            self.shared.head.fetch_max(id, Ordering::SeqCst);
            if let Some(other) = acknowledged.by_id.insert(id, key.clone()) {
                acknowledged
                    .doubled
                    .push(format!("{key} and {other}: {id}"));
            }
        }
        answer
    }

    /// Learns what an answered command changed.
    fn note(&mut self, command: &Command, answer: &Value) {
        let node = &answer["data"]["node"];
        match (&command.body, command.path.as_str()) {
            (Body::File { path, .. }, _) => {
                let id = node["id"].as_i64().expect("an uploaded file has a node");
                self.known.insert(path.clone(), id);
            }
            (Body::Json(body), "/v1/nodes/move") => {
                self.forget(body["path"].as_str().unwrap_or_default());
                self.learn(node);
            }
            (Body::Json(body), "/v1/nodes") => {
                self.forget(body["path"].as_str().unwrap_or_default());
            }
            (_, "/v1/nodes/copy") => self.learn(node),
            _ => {}
        }
    }

    fn learn(&mut self, node: &Value) {
        if let (Some(path), Some(id), Some("file")) = (
            node["path"].as_str(),
            node["id"].as_i64(),
            node["kind"].as_str(),
        ) {
            self.known.insert(path.to_owned(), id);
        }
    }

    fn forget(&mut self, path: &str) {
        let below = format!("{path}/");
        self.known
            .retain(|known, _| known != path && !known.starts_with(&below));
    }
}
