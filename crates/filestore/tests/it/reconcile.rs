//! Reconciliation jobs over REST.

use crate::support::{Answered, Server, told};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

async fn ask(server: &Server, body: Value) -> Answered {
    server.json(Method::POST, "/v1/reconciliation", body).await
}

/// Asks, and waits until the job has ended.
async fn reconcile(server: &Server, body: Value) -> Value {
    let asked = ask(server, body).await;
    assert_eq!(asked.status.as_u16(), 202, "{asked:?}");
    assert_eq!(asked.data()["enqueued"], true);
    ended(server, asked.data()["job"]["id"].as_i64().unwrap()).await
}

async fn ended(server: &Server, id: i64) -> Value {
    testkit::wait_for_async("the job to end", LONG, async || {
        let job = server.get(&format!("/v1/reconciliation/jobs/{id}")).await;
        let job = job.data().clone();
        match job["status"].as_str() {
            Some("queued" | "running") => Err(job),
            _ => Ok(job),
        }
    })
    .await
}

fn write(server: &Server, path: &str, text: &str) {
    let path = server.root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_changed_node_is_reconciled_and_its_neighbours_are_left_alone() {
    let server = Server::start().await;
    write(&server, "d/file", "1");
    write(&server, "d/other", "1");
    server.scan().await;
    let id = server.by_path("d/file").await.node_id();
    write(&server, "d/file", "12345");
    write(&server, "d/other", "12345");
    let head = server.head();
    let job = reconcile(&server, json!({ "path": "d/file" })).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["reason"], "manual");
    let result = &job["result"];
    assert_eq!(
        (
            &result["outcome"],
            &result["nodeId"],
            &result["previousState"]
        ),
        (&"reconciled".into(), &id.into(), &"active".into())
    );
    assert_eq!(result["emittedEvent"], "filestore.node.reconciled");
    assert_eq!(
        server.told(head),
        [
            told("reconciliation.job.queued", "d/file", 0),
            told("reconciliation.job.started", "d/file", 0),
            told("drift.detected", "d/file", 0),
            told("node.reconciled", "d/file", 4),
            told("command.completed", "", 0),
            told("reconciliation.job.completed", "d/file", 0),
        ]
    );
    let entries = server.entries(head);
    let data: Value = serde_json::from_str(entries[3].data.get()).unwrap();
    assert_eq!(
        (&data["reason"], &data["previousState"]),
        (&"manual".into(), &"active".into())
    );
    let started: Value = serde_json::from_str(entries[1].data.get()).unwrap();
    for field in [
        "id",
        "jobKey",
        "backendMountId",
        "nodeId",
        "path",
        "reason",
        "status",
        "detectChildren",
        "requestedHash",
        "attempt",
        "result",
        "error",
        "enqueuedAt",
        "startedAt",
        "completedAt",
        "durationMs",
        "updatedAt",
        "journalId",
    ] {
        assert!(started.get(field).is_some(), "{field}");
    }
    assert_eq!(server.by_path("d/other").await.data()["sizeBytes"], 1);
    server.close().await;
}

#[tokio::test]
async fn what_agrees_is_told_so_and_what_is_gone_is_missing_or_skipped() {
    let server = Server::start().await;
    write(&server, "d/same", "1");
    write(&server, "d/gone", "1");
    server.scan().await;
    let head = server.head();
    reconcile(&server, json!({ "path": "d/same", "reason": "audit" })).await;
    let same = server.by_path("d/same").await;
    assert_eq!(same.data()["consistencyState"], "active");
    assert!(same.data()["lastReconciledAt"].is_string());
    let told_of = server.told(head);
    assert_eq!(told_of[2], told("node.reconciled", "d/same", 0));
    std::fs::remove_file(server.root.join("d/gone")).unwrap();
    let job = reconcile(&server, json!({ "path": "d/gone" })).await;
    assert_eq!(job["result"]["outcome"], "missing");
    let job = reconcile(&server, json!({ "path": "never/was" })).await;
    assert_eq!(
        (&job["status"], &job["result"]["outcome"]),
        (&"skipped".into(), &"skipped".into())
    );
    let bad = ask(&server, json!({ "path": "d", "reason": "whim" })).await;
    assert_eq!(bad.problem().0, 400);
    let bad = ask(&server, json!({ "backendMountId": 99, "path": "d" })).await;
    assert_eq!(bad.problem().0, 404);
    let bad = ask(&server, json!({ "nodeId": 4711 })).await;
    assert_eq!(bad.problem().0, 404);
    let bad = ask(&server, json!({})).await;
    assert_eq!(bad.problem().0, 400);
    server.close().await;
}

#[tokio::test]
async fn children_are_compared_and_hashed_when_asked_for() {
    let server = Server::start().await;
    for path in ["d/a", "d/e/b", "outside"] {
        write(&server, path, path);
    }
    server.scan().await;
    write(&server, "d/e/b", "changed");
    write(&server, "d/e/new", "new");
    write(&server, "outside", "changed");
    let asked = json!({ "path": "d", "detectChildren": true, "requestedHash": true });
    let job = reconcile(&server, asked).await;
    let result = &job["result"];
    assert_eq!(
        (&result["changes"]["created"], &result["hashedFiles"]),
        (&1.into(), &3.into()),
        "{job}"
    );
    for (path, contents) in [("d/a", "d/a"), ("d/e/b", "changed"), ("d/e/new", "new")] {
        let node = server.by_path(path).await;
        let hash = format!("blake3:{}", blake3_hex(contents));
        assert_eq!(node.data()["contentHash"], hash, "{path}");
    }
    let job = reconcile(&server, json!({ "path": "d/a", "requestedHash": true })).await;
    let hash = format!("blake3:{}", blake3_hex("d/a"));
    assert_eq!(job["result"]["contentHash"], hash, "{job}");
    assert_eq!(server.by_path("outside").await.data()["sizeBytes"], 7);
    let root = reconcile(&server, json!({ "path": "", "detectChildren": true })).await;
    assert_eq!(root["status"], "succeeded", "{root}");
    server.assert_disk_agrees().await;
    server.close().await;
}

fn blake3_hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_string()
}

#[tokio::test]
async fn jobs_are_listed_and_can_be_cancelled() {
    let server = Server::start().await;
    write(&server, "d/file", "1");
    server.scan().await;
    for path in ["d/file", "d", "none"] {
        reconcile(&server, json!({ "path": path })).await;
    }
    let listed = server.get("/v1/reconciliation/jobs?limit=2").await;
    let data = listed.data();
    assert_eq!(data["jobs"][0]["path"], "none");
    let mut pagination = data["pagination"].clone();
    let cursor = pagination["nextCursor"].take();
    assert_eq!(
        pagination,
        json!({ "total": 3, "limit": 2, "offset": 0, "nextOffset": 2, "nextCursor": null })
    );
    // A job that comes meanwhile makes the next page repeat none.
    reconcile(&server, json!({ "path": "later" })).await;
    let page = |rest: String| {
        let server = &server;
        async move {
            server
                .get(&format!("/v1/reconciliation/jobs?limit=2{rest}"))
                .await
        }
    };
    let cursor = cursor.as_str().unwrap();
    let next = page(format!("&cursor={cursor}")).await;
    let jobs = next.data()["jobs"].as_array().unwrap();
    let paths: Vec<_> = jobs.iter().map(|job| &job["path"]).collect();
    assert_eq!(paths, ["d/file"]);
    assert_eq!(next.data()["pagination"]["nextCursor"], json!(null));
    for rest in ["&cursor=x".to_owned(), format!("&cursor={cursor}&offset=1")] {
        assert_eq!(page(rest.clone()).await.problem().0, 400, "{rest}");
    }
    let below = server
        .get("/v1/reconciliation/jobs?path=d&status=succeeded")
        .await;
    assert_eq!(below.data()["pagination"]["total"], 2);
    assert_eq!(
        server
            .get("/v1/reconciliation/jobs?status=bad")
            .await
            .problem()
            .0,
        400
    );
    assert_eq!(
        server.get("/v1/reconciliation/jobs/99").await.problem().0,
        404
    );
    let id = data["jobs"][0]["id"].as_i64().unwrap();
    let path = format!("/v1/reconciliation/jobs/{id}");
    let cancelled = server.send(server.request(Method::DELETE, &path)).await;
    assert_eq!(
        cancelled.data()["status"],
        "skipped",
        "it has ended already"
    );
    server.close().await;
}

#[tokio::test]
async fn a_job_that_runs_is_stopped_and_leaves_the_mount_to_the_next() {
    let server = Server::start().await;
    write(&server, "d/file", "12345");
    // It takes no room, and longer to hash than a test runs.
    let endless = std::fs::File::create(server.root.join("d/endless")).unwrap();
    endless.set_len(1 << 40).unwrap();
    server.scan().await;
    let head = server.head();
    let asked = ask(
        &server,
        json!({ "path": "d/endless", "requestedHash": true }),
    )
    .await;
    let id = asked.data()["job"]["id"].as_i64().unwrap();
    let path = format!("/v1/reconciliation/jobs/{id}");
    testkit::wait_for_async("the job to run", LONG, async || {
        let job = server.get(&path).await.data().clone();
        if job["status"] == "running" {
            Ok(())
        } else {
            Err(job)
        }
    })
    .await;
    let stopping = server.send(server.request(Method::DELETE, &path)).await;
    assert_eq!(stopping.status.as_u16(), 202);
    let stopped = ended(&server, id).await;
    assert_eq!(stopped["status"], "cancelled", "{stopped}");
    assert!(stopped["completedAt"].is_string() && stopped["error"].is_null());
    let told_of = server.told(head);
    let last = told_of.last().unwrap();
    assert_eq!(*last, told("reconciliation.job.cancelled", "d/endless", 0));
    assert!(server.by_path("d/endless").await.data()["contentHash"].is_null());
    let next = reconcile(&server, json!({ "path": "d/file", "requestedHash": true })).await;
    assert_eq!(next["status"], "succeeded", "{next}");
    server.close().await;
}

#[tokio::test]
async fn a_download_that_meets_a_drift_marks_the_node_and_has_it_reconciled() {
    let server = Server::start().await;
    write(&server, "d/file", "1");
    server.scan().await;
    let id = server.by_path("d/file").await.node_id();
    std::fs::remove_file(server.root.join("d/file")).unwrap();
    let head = server.head();
    let refused = server.get(&format!("/v1/files/{id}/content")).await;
    assert_eq!(refused.problem().0, 409);
    let seen = testkit::wait_for_async("the job", LONG, async || {
        let told = server.told(head);
        if told.len() >= 8 { Ok(told) } else { Err(told) }
    })
    .await;
    let types: Vec<_> = seen
        .iter()
        .map(|(event_type, ..)| event_type.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "drift.detected",
            "node.updated",
            "reconciliation.job.queued",
            "reconciliation.job.started",
            "drift.detected",
            "node.missing",
            "command.completed",
            "reconciliation.job.completed",
        ]
    );
    let entries = server.entries(head);
    let data = |at: usize| serde_json::from_str::<Value>(entries[at].data.get()).unwrap();
    assert_eq!(data(1)["state"], "inconsistent");
    assert_eq!(
        (&data(5)["previousState"], &data(5)["reason"]),
        (&"inconsistent".into(), &"drift".into())
    );
    server.close().await;
}

#[tokio::test]
async fn every_command_that_meets_a_drift_tells_it_once() {
    let server = Server::start().await;
    for path in ["moved", "copied", "deleted", "tree/file"] {
        write(&server, path, "1");
    }
    server.scan().await;
    for path in ["moved", "copied", "deleted", "tree"] {
        let at = server.root.join(path);
        match at.is_dir() {
            true => std::fs::remove_dir_all(&at).unwrap(),
            false => std::fs::remove_file(&at).unwrap(),
        }
    }
    std::fs::create_dir(server.root.join("deleted")).unwrap();
    let copy = |path: &str| json!({ "path": path, "targetPath": "elsewhere" });
    let head = server.head();
    let refused = [
        server.rename("moved", "elsewhere").await,
        server
            .json(Method::POST, "/v1/nodes/copy", copy("copied"))
            .await,
        server
            .json(Method::POST, "/v1/nodes/copy", copy("tree"))
            .await,
        server.delete("deleted", false).await,
    ];
    for answer in &refused {
        assert_eq!(answer.problem(), (409, "conflict"), "{answer:?}");
    }
    for path in ["moved", "copied", "tree", "deleted"] {
        // It is told before the command is answered.
        let told = server.told(head);
        let by_command =
            told.iter()
                .zip(server.entries(head))
                .filter(|((event_type, at, _), entry)| {
                    let data: Value = serde_json::from_str(entry.data.get()).unwrap();
                    event_type == "drift.detected" && at == path && data["reporter"] != "reconcile"
                });
        assert_eq!(by_command.count(), 1, "{path} in {told:?}");
        testkit::wait_for_async("the job", LONG, async || {
            let told = server.told(head);
            let is_it = |(event_type, at, _): &(String, String, i64)| {
                event_type == "node.missing" && at == path
            };
            if told.iter().any(is_it) {
                Ok(())
            } else {
                Err(told)
            }
        })
        .await;
    }
    server.close().await;
}

#[tokio::test]
async fn a_job_that_was_cut_off_is_resumed_and_given_up_after_some_times() {
    let server = Server::start().await;
    write(&server, "d/file", "1");
    server.scan().await;
    let cut_off = reconcile(&server, json!({ "path": "d/file" })).await["id"].clone();
    let hopeless = reconcile(&server, json!({ "path": "d" })).await["id"].clone();
    write(&server, "d/file", "12345");
    let dirs = server.close().await;
    // As a process leaves them that is killed while they run.
    let database = dirs.path().join("data/filestore.db");
    let connection = rusqlite::Connection::open(database).unwrap();
    let sql = "UPDATE reconciliation_jobs SET status = 'running', completed_at = NULL, attempt = ?2
        WHERE id = ?1";
    for (id, attempt) in [(&cut_off, 1), (&hopeless, 5)] {
        let changed = connection
            .execute(sql, (id.as_i64().unwrap(), attempt))
            .unwrap();
        assert_eq!(changed, 1);
    }
    drop(connection);
    let server = Server::start_with(dirs, |_| {}).await;
    let job = ended(&server, cut_off.as_i64().unwrap()).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&"succeeded".into(), &2.into())
    );
    assert_eq!(server.by_path("d/file").await.data()["sizeBytes"], 5);
    let job = ended(&server, hopeless.as_i64().unwrap()).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&"failed".into(), &"INTERRUPTED".into())
    );
    server.close().await;
}
