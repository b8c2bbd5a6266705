//! Services that answer what a test says, and remember what they were asked.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use std::collections::HashMap;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// What a service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    /// `GET /path`
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        self.query
            .get(name)
            .unwrap_or_else(|| panic!("{self:?} lacks {name}"))
            .parse()
            .unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What it answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The body breaks off after its bytes.
    is_broken_off: bool,
}

impl Answer {
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            status: 200,
            body: value.to_string().into_bytes(),
            ..Self::default()
        }
        .header("content-type", "application/json")
    }

    pub(crate) fn lines(lines: impl IntoIterator<Item = Value>) -> Self {
        let lines: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        Self::text(lines).header("content-type", "application/x-ndjson")
    }

    pub(crate) fn text(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            ..Self::default()
        }
    }

    /// These bytes of so many, and then the connection is cut.
    pub(crate) fn broken_off(body: Vec<u8>, promised: usize) -> Self {
        let answer = Self {
            is_broken_off: true,
            ..Self::text(body)
        };
        answer.header("content-length", promised)
    }

    pub(crate) fn not_found() -> Self {
        Self::json(
            &serde_json::json!({"title": "Not found", "status": 404, "code": "not_found",
            "detail": "there is no such thing"}),
        )
        .status(404)
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// A service on a free port of loopback, until it is dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (memory, answer) = (Arc::clone(&asked), Arc::new(answer));
        let app = axum::Router::new().fallback(move |request: Request| {
            let (memory, answer) = (Arc::clone(&memory), Arc::clone(&answer));
            async move {
                let question = question(request).await;
                let answer = answer(&question);
                memory.lock().unwrap().push(question);
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                let body = if answer.is_broken_off {
                    let pieces = [Ok(answer.body), Err(std::io::Error::other("cut"))];
                    Body::from_stream(futures::stream::iter(pieces))
                } else {
                    Body::from(answer.body)
                };
                response.body(body).unwrap()
            }
        });
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            asked,
            _runtime: runtime,
        }
    }

    /// Everything it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The only time it was asked this.
    pub(crate) fn asked_once(&self, line: &str) -> Asked {
        let mut found: Vec<_> = self
            .asked()
            .into_iter()
            .filter(|asked| asked.line() == line)
            .collect();
        assert_eq!(found.len(), 1, "{line} was asked once: {:?}", self.asked());
        found.remove(0)
    }
}

async fn question(request: Request) -> Asked {
    let (parts, body) = request.into_parts();
    let url = reqwest::Url::parse(&format!("http://x{}", parts.uri)).unwrap();
    Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: parts.headers,
        body: String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap(),
    }
}

/// The executable, in an empty environment and an empty folder.
pub(crate) fn tidemark(dir: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir);
    command
}

/// What it printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn run(mut command: Command) -> Ran {
    command.output().unwrap().into()
}
