//! Commands against services that answer as the contract says.

mod activity;
mod events;
mod mounts;
mod search;

use crate::fake::{Answer, Asked, Fake, Ran, run, tidemark};
use serde_json::{Value, json};

/// The three services, of which a test sets those that it needs.
struct Services {
    dir: tempfile::TempDir,
    filestore: Fake,
    metastore: Fake,
    timestore: Fake,
}

fn nothing(_: &Asked) -> Answer {
    Answer::not_found()
}

impl Services {
    fn new(
        filestore: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
        metastore: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
        timestore: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            filestore: Fake::start(filestore),
            metastore: Fake::start(metastore),
            timestore: Fake::start(timestore),
        }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = tidemark(self.dir.path(), args);
        command
            .env("FILESTORE_URL", &self.filestore.url)
            .env("METASTORE_URL", &self.metastore.url)
            .env("TIMESTORE_URL", &self.timestore.url);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(self.command(args))
    }
}

fn data(value: Value) -> Answer {
    Answer::json(&json!({ "data": value }))
}

/// One mount at `/srv/data`, and node 7 at `a/b` in it.
fn one_mount(asked: &Asked) -> Answer {
    match asked.line().as_str() {
        "GET /v1/backend-mounts" => data(json!({"mounts": [{"id": 1, "mountKey": "data",
            "backendKind": "local", "accessMode": "rw", "state": "active",
            "rootPath": "/srv/data"}]})),
        "GET /v1/nodes/by-path" if asked.query["path"] == "a/b" => {
            assert_eq!(asked.number("backendMountId"), 1);
            data(
                json!({"id": 7, "backendMountId": 1, "path": "a/b", "kind": "file",
                "state": "active", "sizeBytes": 1536, "rollup": null}),
            )
        }
        "GET /v1/journal" => Answer::lines([])
            .header("Tidemark-Head", 9)
            .header("Tidemark-Epoch", crate::books::EPOCH)
            .header("Tidemark-Trimmed", 0),
        "GET /readyz" => Answer::json(&json!({"status": "ready"})),
        _ => Answer::not_found(),
    }
}

fn health(asked: &Asked, status: &str, code: u16) -> Answer {
    match asked.line().as_str() {
        "GET /healthz" => Answer::json(&json!({"status": "ok"})),
        "GET /filestore/health" => Answer::json(&json!({"status": status, "enabled": true,
            "checkpoint": 5, "head": 9, "lagEntries": 4, "lagSeconds": 1.5, "deadLetters": 0,
            "bus": {"mode": "redis", "state": "live"}, "lastError": null}))
        .status(code),
        _ => Answer::not_found(),
    }
}

#[test]
fn status_is_one_table_of_the_three_services() {
    let well = |asked: &Asked| health(asked, "ok", 200);
    let ran = Services::new(one_mount, well, well).run(&["status"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    assert!(lines[1].starts_with("filestore  ok"), "{}", ran.out);
    assert!(lines[2].contains("redis, live"), "{}", ran.out);

    // A consumer that stands still answers 503, and its numbers are shown all the same.
    let stalled = |asked: &Asked| health(asked, "stalled", 503);
    let ran = Services::new(one_mount, well, stalled).run(&["status", "-o", "ndjson"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "timestore is stalled: its checkpoint stands still\n"
    );
    let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["status"], &last["lagEntries"]),
        (&json!("stalled"), &json!(4))
    );
}

#[test]
fn a_service_that_is_not_there_is_named_with_its_address_and_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(tidemark(
        dir.path(),
        &["growth", "--timestore-url", "http://127.0.0.1:1"],
    ));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err
            .contains("timestore cannot be reached at http://127.0.0.1:1: "),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("tidemark dev") && ran.err.contains("--timestore-url (TIMESTORE_URL)")
    );
}

#[test]
fn a_refusal_tells_the_services_reason() {
    let services = Services::new(nothing, nothing, |_: &Asked| {
        Answer::json(&json!({"title": "The request is invalid", "status": 400,
            "detail": "from must be a time", "code": "invalid_request"}))
        .status(400)
    });
    let ran = services.run(&["growth"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "error: timestore answered 400 Bad Request: from must be a time (invalid_request)\n"
    );
}

#[test]
fn the_token_travels_as_a_bearer_token() {
    let services = Services::new(one_mount, nothing, nothing);
    let mut command = services.command(&["mounts", "list"]);
    command.env("TIDEMARK_TOKEN", "hunter2");
    assert_eq!(run(command).code, 0);
    let asked = services.filestore.asked_once("GET /v1/backend-mounts");
    assert_eq!(asked.headers["authorization"], "Bearer hunter2");
}

#[test]
fn ls_goes_on_page_after_page() {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "GET /v1/nodes" => {
                assert_eq!(
                    (asked.query["path"].as_str(), asked.number("depth")),
                    ("a", 1)
                );
                let after = asked
                    .query
                    .get("after")
                    .map_or(0, |after| after.parse().unwrap());
                let limit = usize::try_from(asked.number("limit")).unwrap();
                let nodes = (after + 1..=1_200).take(limit).map(|id: i64| {
                    json!({"id": id, "path": format!("a/{id}"), "kind": "directory",
                        "state": "active", "sizeBytes": 0, "lastModifiedAt": null,
                        "rollup": {"sizeBytes": 2048}})
                });
                data(json!({"nodes": nodes.collect::<Vec<_>>()}))
            }
            _ => one_mount(asked),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&["ls", "/srv/data/a", "-o", "ndjson"]);
    assert_eq!(
        (ran.code, ran.out.lines().count()),
        (0, 1_200),
        "{}",
        ran.err
    );
    let ran = services.run(&["ls", "data:a", "--limit", "3"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[1].contains("2.0K"),
        "a directory's size is its total: {}",
        ran.out
    );
}

#[test]
fn stat_shows_one_node_by_path() {
    let services = Services::new(one_mount, nothing, nothing);
    let ran = services.run(&["stat", "/srv/data/a/b", "-o", "json"]);
    assert_eq!(ran.json()[0]["id"], json!(7));
    let ran = services.run(&["stat", "data:a/b"]);
    assert!(ran.out.contains("1536 (1.5K)"), "{}", ran.out);
    let ran = services.run(&["stat", "99"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("there is no node 99; for a file of that name, write ./99"),
        "{}",
        ran.err
    );
}

#[test]
fn the_openapi_document_of_a_service_is_printed() {
    let services = Services::new(
        nothing,
        |asked: &Asked| {
            assert_eq!(asked.line(), "GET /openapi.json");
            Answer::json(&json!({"openapi": "3.1.0"}))
        },
        nothing,
    );
    let ran = services.run(&["openapi", "metastore"]);
    assert_eq!(ran.json(), json!({"openapi": "3.1.0"}));
}

#[test]
fn dead_letters_are_listed_retried_and_discarded() {
    let letter = |id: u64| {
        json!({"journalId": id, "eventType": "filestore.node.updated", "data": "{}",
            "reason": "it lacks a path", "parkedAt": "2026-03-01T12:00:00.000Z", "attempts": 1})
    };
    let metastore = move |asked: &Asked| match asked.line().as_str() {
        // Two pages.
        "GET /filestore/dead-letters" => match asked.query.get("cursor") {
            None => Answer::json(&json!({"deadLetters": [letter(7)], "nextCursor": "Nw"})),
            Some(cursor) => {
                assert_eq!(cursor, "Nw");
                Answer::json(&json!({"deadLetters": [letter(9)], "nextCursor": null}))
            }
        },
        "POST /filestore/dead-letters/7/retry" => Answer::text("").status(204),
        _ => Answer::not_found(),
    };
    let timestore = |asked: &Asked| match asked.line().as_str() {
        "GET /filestore/dead-letters" => {
            Answer::json(&json!({"deadLetters": [], "nextCursor": null}))
        }
        "DELETE /filestore/dead-letters/3" => Answer::text("").status(204),
        _ => Answer::not_found(),
    };
    let services = Services::new(nothing, metastore, timestore);
    let ran = services.run(&["dead-letters", "list", "-o", "csv"]);
    assert_eq!(
        ran.out,
        "book,journalId,eventType,parkedAt,reason\n\
         metastore,7,filestore.node.updated,2026-03-01T12:00:00.000Z,it lacks a path\n\
         metastore,9,filestore.node.updated,2026-03-01T12:00:00.000Z,it lacks a path\n"
    );
    // One that is refused does not keep the other from being settled.
    let ran = services.run(&["dead-letters", "retry", "metastore", "8", "7"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("8: metastore answered 404"), "{}", ran.err);
    assert!(ran.err.contains("7: done"), "{}", ran.err);
    let ran = services.run(&["dead-letters", "discard", "timestore", "3"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "3: done\n"));
}
