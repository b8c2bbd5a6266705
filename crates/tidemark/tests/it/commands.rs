//! Commands against services that answer as the contract says.

use crate::fake::{Answer, Asked, Fake, Ran, run, tidemark};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

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
fn mounts_are_listed_and_added() {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "POST /v1/backend-mounts" => {
                let mut mount = asked.json();
                (mount["id"], mount["mountKey"]) = (json!(4), json!("some-films"));
                data(mount).status(201)
            }
            _ => one_mount(asked),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&["mounts", "list", "-o", "csv"]);
    assert_eq!(
        ran.out,
        "mountKey,location,backendKind,accessMode,state,health,totalBytes,files,hashes,id\n\
         data,/srv/data,local,rw,active,,,,off,1\n"
    );
    let ran = services.run(&[
        "mounts",
        "add",
        "Some Films",
        "--access",
        "ro",
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let body = services
        .filestore
        .asked_once("POST /v1/backend-mounts")
        .json();
    let root = services.dir.path().join("Some Films");
    assert_eq!(
        body,
        json!({"mountKey": null, "backendKind": "local", "accessMode": "ro", "rootPath": root,
            "config": {}})
    );
    assert_eq!(ran.json()[0]["id"], json!(4));
    assert!(ran.err.contains("tidemark scan some-films"), "{}", ran.err);
}

/// What `mounts` asks to be made or changed, of a bucket's mount among others.
fn asked_of_mounts(args: &[&str]) -> (Ran, Option<serde_json::Value>) {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "GET /v1/backend-mounts" => data(json!({"mounts": [
                {"id": 1, "mountKey": "data", "backendKind": "local", "rootPath": "/srv/data",
                    "config": {"crossFilesystems": true}},
                {"id": 2, "mountKey": "films", "backendKind": "s3", "bucket": "b", "prefix": "p",
                    "config": {"region": "eu-west-1", "hashing": {"minBytes": 7}}}]})),
            "POST /v1/backend-mounts"
            | "PATCH /v1/backend-mounts/1"
            | "PATCH /v1/backend-mounts/2" => data(json!({"id": 2, "mountKey": "films",
                "bucket": "b", "prefix": "p", "hashing": {"state": "hashing", "pendingFiles": 3,
                "unreadableFiles": 1}})),
            _ => Answer::not_found(),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&[&["mounts"], args].concat());
    let asked = services.filestore.asked();
    let asked = asked.iter().find(|asked| asked.method != "GET");
    (
        ran,
        asked.map(|asked| json!({"ask": asked.line(), "body": asked.json()})),
    )
}

#[test]
fn a_bucket_is_mounted_by_its_url_and_flags() {
    let (ran, asked) = asked_of_mounts(&[
        "add",
        "s3://b/p/q",
        "--key",
        "films",
        "--region",
        "eu-west-1",
        "--endpoint",
        "http://127.0.0.1:9000",
        "--path-style",
        "false",
        "--allow-http",
        "--credentials-file",
        "keys",
        "--credentials-profile",
        "work",
        "--hash",
        "on",
        "-o",
        "csv",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("\nfilms,s3://b/p,")
            && ran
                .out
                .ends_with(",\"hashing, 3 files to go, 1 left out\",2\n"),
        "{ran:?}"
    );
    let mut asked = asked.unwrap();
    let file = asked["body"]["config"]["credentialsFile"].take();
    assert!(file.as_str().unwrap().starts_with('/') && file.as_str().unwrap().ends_with("/keys"));
    assert_eq!(
        asked["body"],
        json!({"mountKey": "films", "backendKind": "s3", "accessMode": "rw", "bucket": "b",
            "prefix": "p/q", "config": {"region": "eu-west-1", "endpoint": "http://127.0.0.1:9000",
            "forcePathStyle": false, "allowHttp": true, "credentialsFile": null,
            "credentialsProfile": "work", "hashing": {}}})
    );
    let (ran, asked) = asked_of_mounts(&["add", "folder", "--region", "x"]);
    assert_eq!((ran.code, asked), (1, None));
    assert!(ran.err.contains("--region is for buckets only"), "{ran:?}");
}

#[test]
fn of_a_mount_only_what_is_named_is_changed() {
    for (args, ask, body) in [
        (
            &[
                "set", "data", "--access", "ro", "--state", "inactive", "--name", "",
            ][..],
            "PATCH /v1/backend-mounts/1",
            json!({"accessMode": "ro", "state": "inactive", "displayName": null}),
        ),
        (
            &[
                "set",
                "1",
                "--hash-max-bytes",
                "9",
                "--hash-glob",
                "*.a",
                "--hash-glob",
                "*.b",
            ],
            "PATCH /v1/backend-mounts/1",
            json!({"config": {"crossFilesystems": true,
                "hashing": {"maxBytes": 9, "pathGlobs": ["*.a", "*.b"]}}}),
        ),
        (
            &["set", "films", "--hash", "pause", "--region", "eu-west-2"],
            "PATCH /v1/backend-mounts/2",
            json!({"config": {"region": "eu-west-2", "hashing": {"minBytes": 7, "paused": true}}}),
        ),
        (
            &["set", "films", "--hash", "off"],
            "PATCH /v1/backend-mounts/2",
            json!({"config": {"region": "eu-west-1", "hashing": false}}),
        ),
    ] {
        let (ran, asked) = asked_of_mounts(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(asked, Some(json!({"ask": ask, "body": body})), "{args:?}");
    }
    for (args, words) in [
        (&["set", "none", "--hash", "on"][..], "no mount none"),
        (&["set", "data"], "nothing to change"),
        (
            &["set", "data", "--region", "x"],
            "is for buckets only, and data is a folder",
        ),
    ] {
        let (ran, asked) = asked_of_mounts(args);
        assert_eq!((ran.code, asked), (1, None), "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
}

#[test]
fn scan_follows_its_job_to_the_end() {
    let looks = AtomicU64::new(0);
    let services = Services::new(
        move |asked: &Asked| {
            let job = |status: &str, report: Value| {
                json!({"id": "j1", "backendMountId": 1, "status": status, "report": report,
                    "progress": {"phase": "walking", "directories": 1, "files": 2, "bytes": 3,
                        "expectedChanges": 0, "changes": 0}, "error": null})
            };
            match asked.line().as_str() {
                "POST /v1/backend-mounts/1/scan" => data(job("running", Value::Null)).status(202),
                "GET /v1/scans/j1" if looks.fetch_add(1, Ordering::SeqCst) == 0 => {
                    data(job("running", Value::Null))
                }
                "GET /v1/scans/j1" => data(job(
                    "succeeded",
                    json!({"directories": 10, "files": 20, "bytes": 4096, "created": 30,
                        "updated": 0, "moved": 0, "missing": 0, "reconciled": 0,
                        "problemCount": 1, "durationMs": 7,
                        "problems": [{"path": "x\ny", "reason": "Permission denied"}]}),
                )),
                _ => one_mount(asked),
            }
        },
        nothing,
        nothing,
    );
    for target in ["data", "1", "/srv/data/deep/inside"] {
        let ran = services.run(&["scan", target, "-o", "json"]);
        assert_eq!(ran.code, 0, "{target}: {ran:?}");
        assert_eq!(ran.json()[0]["created"], json!(30));
        assert_eq!(ran.err, "data: x\\ny: Permission denied\n");
    }
    let ran = services.run(&["scan"]);
    assert!(
        ran.out.contains("succeeded") && ran.out.contains("4.0K"),
        "{}",
        ran.out
    );
    let ran = services.run(&["scan", "/elsewhere"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("/elsewhere is in no mount"), "{}", ran.err);
}

#[test]
fn a_scan_that_fails_says_why_and_exits_with_1() {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "POST /v1/backend-mounts/1/scan" => data(json!({"id": "j1", "status": "failed",
                "progress": {}, "report": null, "error": "the root is gone"}))
            .status(202),
            _ => one_mount(asked),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&["scan", "data"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("the scan of data failed: the root is gone"),
        "{}",
        ran.err
    );
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
fn growth_prints_in_every_format_and_passes_on_what_is_asked() {
    let services = Services::new(one_mount, nothing, |asked: &Asked| {
        assert_eq!(asked.line(), "GET /filestore/growth");
        Answer::json(
            &json!({"series": [{"bucketStart": "2026-03-01T00:00:00.000Z",
            "group": null, "bytesAdded": 3_000_000, "bytesRemoved": 0, "netBytes": 3_000_000,
            "totalBytes": 5_000_000_000_i64, "filesAdded": 2, "filesRemoved": 0, "files": 12,
            "changes": 2}], "truncated": false, "warnings": ["a\u{7}b"]}),
        )
    });
    let ran = services.run(&["growth"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with("DAY "), "{}", ran.out);
    assert!(
        lines[1].contains("2.9M") && lines[1].contains("4.7G"),
        "{}",
        ran.out
    );
    assert_eq!(ran.err, "warning: a\\u{7}b\n");
    let csv = services.run(&["growth", "-o", "csv"]).out;
    assert!(
        csv.contains("2026-03-01T00:00:00.000Z,,3000000,0,3000000,5000000000,"),
        "{csv}"
    );
    let json = services.run(&["growth", "-o", "json"]).json();
    assert_eq!(json[0]["totalBytes"], json!(5_000_000_000_i64));

    let args = [
        "growth",
        "/srv/data/a",
        "--from",
        "2026-03-01",
        "--bucket",
        "week",
    ];
    services.run(&[&args[..], &["--group-by", "prefix", "--depth", "2"]].concat());
    let asked = services.timestore.asked().pop().unwrap().query;
    for (name, value) in [
        ("mount", "1"),
        ("pathPrefix", "a"),
        ("from", "2026-03-01T00:00:00.000Z"),
        ("bucket", "week"),
        ("groupBy", "prefix"),
        ("depth", "2"),
    ] {
        assert_eq!(asked[name], value);
    }
}

#[test]
fn churn_top_and_as_of_ask_the_timestore() {
    let services = Services::new(one_mount, nothing, |asked: &Asked| {
        let rows = json!([{"nodeId": 1, "path": "a", "sizeBytes": 2048}]);
        match asked.path.as_str() {
            "/filestore/as-of" => Answer::json(
                &json!({"nodes": rows, "files": 1, "at": "2026-02-22T00:00:00.000Z",
                "directories": 2, "sizeBytes": 2048, "warnings": []}),
            ),
            "/filestore/churn" => Answer::json(&json!({"rows": [{"group": "a", "nodeId": 1,
                "changes": 3, "bytesWritten": 2048}], "warnings": []})),
            _ => Answer::json(&json!({"rows": rows, "warnings": []})),
        }
    });
    let order = [
        "churn",
        "--order",
        "bytesWritten",
        "--group-by",
        "node",
        "--limit",
        "5",
    ];
    for (args, line, name, value) in [
        (&order[..], "GET /filestore/churn", "order", "bytesWritten"),
        (
            &["top", "untouched"],
            "GET /filestore/top",
            "by",
            "untouched",
        ),
        (
            &["as-of", "2026-03-01"],
            "GET /filestore/as-of",
            "at",
            "2026-03-01T00:00:00.000Z",
        ),
    ] {
        let ran = services.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("2.0K"), "{}", ran.out);
        assert_eq!(services.timestore.asked_once(line).query[name], value);
    }
    let ran = services.run(&["as-of", "7d", "data:"]);
    assert_eq!(
        ran.err,
        "as of 2026-02-22T00:00:00.000Z: 1 files in 2 directories, 2.0K\n"
    );
}

#[test]
fn sql_prints_rows_as_a_table_and_passes_csv_and_ndjson_through() {
    let services = Services::new(nothing, nothing, |asked: &Asked| {
        assert_eq!(asked.line(), "POST /sql/read");
        assert_eq!(asked.json()["sql"], "SELECT 1");
        match asked.headers["accept"].to_str().unwrap() {
            "text/csv" => {
                Answer::text("n,t\r\n1,\"x\r\ny\"\r\n").header("Tidemark-Truncated", true)
            }
            "application/x-ndjson" => Answer::text("{\"n\":1,\"t\":\"x\"}\n"),
            _ => Answer::json(&json!({"columns": [{"name": "t"}, {"name": "n"}],
                "rows": [{"n": 1, "t": "x"}], "truncated": true, "warnings": ["cut"]})),
        }
    });
    let ran = services.run(&["sql", "SELECT 1"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "T  N\nx  1\n"), "{ran:?}");
    assert!(ran.err.starts_with("warning: cut\n"), "{}", ran.err);
    let ran = services.run(&["sql", "SELECT 1", "-o", "csv"]);
    assert_eq!(ran.out, "n,t\n1,\"x\r\ny\"\n");
    assert!(ran.err.contains("not all rows"), "{}", ran.err);
    assert_eq!(
        services.run(&["sql", "SELECT 1", "-o", "ndjson"]).out,
        "{\"n\":1,\"t\":\"x\"}\n"
    );

    let mut child = services
        .command(&["sql", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 1").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (0, "T  N\nx  1\n"));
    let mut command = services.command(&["sql"]);
    command.stdin(Stdio::null());
    let ran = run(command);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the statement is empty"), "{}", ran.err);
}

#[test]
fn a_reader_that_has_had_enough_ends_the_command_quietly() {
    let rows: String = (0..200_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let json: Vec<_> = (0..50_000).map(|n| json!({ "n": n })).collect();
    let json = json!({"columns": [{"name": "n"}], "rows": json});
    let services = Services::new(nothing, nothing, move |asked: &Asked| {
        match asked.headers["accept"].to_str().unwrap() {
            "application/x-ndjson" => Answer::text(rows.clone()),
            _ => Answer::json(&json),
        }
    });
    for format in ["ndjson", "json", "table"] {
        let mut child = services
            .command(&["sql", "SELECT 1", "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{format}");
    }
}

fn record(namespace: &str) -> Value {
    json!({"namespace": namespace, "key": "7", "tags": ["raw", "keep"], "owner": "ada",
        "metadata": {"filestore": {"path": "a/b", "sizeBytes": 1536}}})
}

#[test]
fn search_prints_records_with_their_nodes() {
    let services = Services::new(
        nothing,
        |_: &Asked| {
            Answer::json(&json!({"pagination": {"total": 5},
            "records": [record("media")]}))
        },
        nothing,
    );
    let ran = services.run(&["search", "owner:ada", "tags:raw", "--limit", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        "PATH  SIZE  OWNER  TAGS      NAMESPACE  KEY\n\
         a/b   1.5K  ada    raw,keep  media      7\n"
    );
    assert_eq!(ran.err, "1 of 5 records; more with --limit\n");
    let body = services.metastore.asked_once("POST /records/search").json();
    assert_eq!(body["q"], "owner:ada tags:raw");
    assert_eq!(body["namespace"], "*");
}

#[test]
fn search_goes_on_by_cursor_and_passes_on_what_it_is_warned_of() {
    let services = Services::new(
        nothing,
        |asked: &Asked| match asked.json()["cursor"].as_str() {
            None => Answer::json(&json!({
                "pagination": {"total": 1100, "isTotalExact": false, "nextCursor": "c2"},
                "warnings": ["no record has a field `sise`; did you mean size?"],
                "records": [record("media")]})),
            Some("c2") => {
                Answer::json(&json!({"pagination": {"total": 1100, "isTotalExact": false,
                "nextCursor": "c3"}, "records": [record("films")]}))
            }
            _ => Answer::not_found(),
        },
        nothing,
    );
    let ran = services.run(&["search", "sise:1", "annual report", "--limit", "2"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.lines().count(), 3, "{ran:?}");
    assert_eq!(
        ran.err,
        "no record has a field `sise`; did you mean size?\n2 of 1100+ records; more with --limit\n"
    );
    let asked = services.metastore.asked();
    assert_eq!(asked[0].json()["q"], "sise:1 \"annual report\"");
}

#[test]
fn a_search_that_is_not_understood_is_marked_at_its_place() {
    let refused = |_: &Asked| {
        let what = "at character 6: size takes bytes; write size:>1G";
        Answer::json(
            &json!({"detail": format!("/q: {what}"), "code": "invalid_request",
            "errors": [{"pointer": "/q", "detail": what}]}),
        )
        .status(400)
    };
    let services = Services::new(nothing, refused, nothing);
    let ran = services.run(&["search", "plan", "size:>big"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.err,
        "error: size takes bytes; write size:>1G\n  plan size:>big\n       ^\n"
    );
}

#[test]
fn tags_and_owner_are_set_on_the_nodes_record_wherever_it_lives() {
    let services = Services::new(
        one_mount,
        |asked: &Asked| match asked.line().as_str() {
            "POST /records/search" => Answer::json(&json!({"records": [record("raw films")]})),
            "PATCH /records/raw%20films/7" => Answer::json(&json!({"record": record("raw films")})),
            _ => Answer::not_found(),
        },
        nothing,
    );
    for (args, body) in [
        (
            &["tag", "add", "7", "raw", "keep"][..],
            json!({"tags": {"add": ["raw", "keep"]}}),
        ),
        (
            &["tag", "remove", "/srv/data/a/b", "raw"],
            json!({"tags": {"remove": ["raw"]}}),
        ),
        (
            &["owner", "set", "data:a/b", "ada"],
            json!({"owner": "ada"}),
        ),
        (&["owner", "set", "7", ""], json!({"owner": null})),
    ] {
        let ran = services.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("raw films  7"), "{}", ran.out);
        let asked = services.metastore.asked();
        assert_eq!(asked.last().unwrap().json(), body);
    }
    let search = services.metastore.asked()[0].json();
    assert_eq!(search["filter"]["filters"][0]["value"], "7");
}

#[test]
fn a_record_that_is_not_there_yet_is_waited_for() {
    let is_there = std::sync::atomic::AtomicBool::new(false);
    let services = Services::new(
        one_mount,
        move |asked: &Asked| match asked.line().as_str() {
            "GET /filestore/nodes" => {
                assert_eq!(asked.headers["tidemark-min-journal-id"], "9");
                is_there.store(true, Ordering::SeqCst);
                Answer::lines([])
            }
            "POST /records/search" if is_there.load(Ordering::SeqCst) => {
                Answer::json(&json!({"records": [record("filestore")]}))
            }
            "POST /records/search" => Answer::json(&json!({"records": []})),
            "PATCH /records/filestore/7" => Answer::json(&json!({"record": record("filestore")})),
            _ => Answer::not_found(),
        },
        nothing,
    );
    assert_eq!(services.run(&["tag", "add", "7", "x"]).code, 0);

    let never = |asked: &Asked| match asked.line().as_str() {
        "GET /filestore/nodes" => Answer::text("").status(504),
        "POST /records/search" => Answer::json(&json!({"records": []})),
        _ => Answer::not_found(),
    };
    let ran = Services::new(one_mount, never, nothing).run(&["tag", "add", "7", "x"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("the metastore has no record of node 7"),
        "{}",
        ran.err
    );
}

fn envelope(id: u64) -> Value {
    json!({"journalId": id, "epoch": crate::books::EPOCH, "nodeId": 7, "sizeDelta": -1536,
        "digest": crate::books::digest(id), "event": {"type": "filestore.node.updated",
            "data": {"path": "a\nb", "observedAt": "2026-03-01T12:00:00.000Z"}}})
}

/// A journal of `head` entries that gives at most two at once.
fn journal(asked: &Asked, head: u64) -> Answer {
    let (after, limit) = (asked.number("after").unsigned_abs(), asked.number("limit"));
    let limit = usize::try_from(limit).unwrap().min(2);
    Answer::lines((after + 1..=head).take(limit).map(envelope))
        .header("Tidemark-Head", head)
        .header("Tidemark-Trimmed", 0)
}

#[test]
fn events_tail_reads_the_journal() {
    let services = Services::new(|asked: &Asked| journal(asked, 15), nothing, nothing);
    let ran = services.run(&["events", "tail"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 11, "the last ten: {}", ran.out);
    assert!(
        lines[1].contains("6  2026-03-01T12:00:00Z  filestore.node.updated  a\\nb  "),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains("  -1.5K  "), "{}", lines[1]);
    let ran = services.run(&["events", "tail", "--from", "14", "-o", "ndjson"]);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, [envelope(14), envelope(15)]);
}

#[test]
fn events_tail_follows_and_shows_each_entry_at_once() {
    let head = AtomicU64::new(3);
    let services = Services::new(
        move |asked: &Asked| {
            // Whoever waits at the head sees the next entry come.
            let known = head.load(Ordering::SeqCst);
            let is_at_head =
                asked.number("limit") > 0 && asked.number("after").unsigned_abs() == known;
            let known = known + u64::from(is_at_head && known < 6);
            head.store(known, Ordering::SeqCst);
            journal(asked, known)
        },
        nothing,
        nothing,
    );
    let mut child = services
        .command(&["events", "tail", "--from", "1", "--follow", "-o", "ndjson"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let ids: Vec<_> = std::io::BufRead::lines(out)
        .take(6)
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["journalId"].clone())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json!(ids), json!([1, 2, 3, 4, 5, 6]));
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
        "GET /filestore/dead-letters" if asked.number("after") == 0 => {
            Answer::json(&json!({"deadLetters": [letter(7)], "nextAfter": 7}))
        }
        "GET /filestore/dead-letters" => {
            Answer::json(&json!({"deadLetters": [letter(9)], "nextAfter": null}))
        }
        "POST /filestore/dead-letters/7/retry" => Answer::text("").status(204),
        _ => Answer::not_found(),
    };
    let timestore = |asked: &Asked| match asked.line().as_str() {
        "GET /filestore/dead-letters" => {
            Answer::json(&json!({"deadLetters": [], "nextAfter": null}))
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
