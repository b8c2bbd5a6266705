//! What people wrote stays with the file, whatever its name; and what cannot start says why.

use crate::deployment::{Deployment, LONG, tidemark};
use serde_json::{Value, json};
use testkit::{Process, RedisServer, free_port};

fn record_of(node: &Value) -> String {
    format!("/records/filestore/{}", node["id"])
}

#[test]
fn tags_owner_and_history_follow_a_file_that_moves_with_its_directory() {
    let deployment = Deployment::together("inline");
    deployment.make_directory("projects/alpha").unwrap();
    let uploaded = deployment
        .upload("projects/alpha/plan.txt", b"a plan")
        .unwrap();
    let node = uploaded["data"]["node"].clone();
    deployment.settle();
    let record = record_of(&node);
    let written = deployment
        .patch(
            1,
            &record,
            &json!({"tags": {"set": ["gold"]}, "owner": "ada", "metadata": {"cost": 7}}),
        )
        .unwrap();
    let version = written["version"]
        .as_i64()
        .or(written["record"]["version"].as_i64())
        .unwrap();

    deployment
        .move_node("projects", "archive/projects")
        .unwrap();
    deployment.settle();

    let seen = deployment.get(1, &record).unwrap();
    let seen = if seen["record"].is_object() {
        seen["record"].clone()
    } else {
        seen
    };
    assert_eq!(seen["tags"], json!(["gold"]));
    assert_eq!(seen["owner"], "ada");
    assert_eq!(seen["metadata"]["cost"], 7);
    let filestore = &seen["metadata"]["filestore"];
    assert_eq!(filestore["path"], "archive/projects/alpha/plan.txt");
    assert_eq!(filestore["previousPath"], "projects/alpha/plan.txt");
    // The sync has written since, and the person's lock still holds.
    let body = json!({"metadata": {"cost": 8}, "expectedVersion": version});
    deployment.patch(1, &record, &body).unwrap();
    let stale = deployment.patch(1, &record, &body).unwrap_err();
    assert!(stale.starts_with("409"), "{stale}");

    let sql = json!({
        "sql": "SELECT event_type, path FROM filestore_activity WHERE node_id = ? ORDER BY journal_id",
        "params": [node["id"]],
    });
    let history = deployment.post(2, "/sql/read", &sql).unwrap();
    let types: Vec<_> = history["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["event_type"].clone())
        .collect();
    assert!(
        types.contains(&json!("filestore.node.uploaded")),
        "{history}"
    );
    assert_eq!(
        types.last(),
        Some(&json!("filestore.node.moved")),
        "{history}"
    );
    deployment.verify();
}

#[test]
fn a_file_renamed_behind_its_back_keeps_its_tags() {
    let deployment = Deployment::together("inline");
    testkit::tree(deployment.files(), "in/a.txt 10\nin/b.txt 20\n");
    let scan = || {
        let path = format!("/v1/backend-mounts/{}/scan", deployment.mount_id);
        deployment.post(0, &path, &json!({})).unwrap();
        let output = deployment.run(&["scan", deployment.files().to_str().unwrap()]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        deployment.settle();
    };
    scan();
    let path = deployment.files().join("in/a.txt");
    let tagged = deployment.run(&["tag", "add", path.to_str().unwrap(), "gold"]);
    assert!(
        tagged.status.success(),
        "{}",
        String::from_utf8_lossy(&tagged.stderr)
    );

    std::fs::rename(
        deployment.files().join("in"),
        deployment.files().join("out"),
    )
    .unwrap();
    std::fs::rename(
        deployment.files().join("out/a.txt"),
        deployment.files().join("renamed.txt"),
    )
    .unwrap();
    scan();
    let found = deployment.run(&["search", "--output", "json", "tags:gold"]);
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let text = found.to_string();
    assert!(text.contains("renamed.txt"), "{text}");
    deployment.verify();
}

/// Runs the executable until it refuses to start; what it says.
fn refusal(deployment: &Deployment, change: impl FnOnce(&mut std::process::Command)) -> String {
    let mut command = deployment.command();
    command.arg("serve");
    change(&mut command);
    let mut process = Process::spawn(&mut command);
    let status = process.wait(LONG);
    assert!(!status.success(), "it must not start");
    process.stderr()
}

#[test]
fn what_cannot_start_names_the_setting_and_the_fix() {
    let running = Deployment::together("inline");
    let other = Deployment::new("inline");

    let said = refusal(&other, |command| {
        command.env("FILESTORE_PORT", running.ports[0].to_string());
    });
    assert!(
        said.contains("listens there") && said.contains("FILESTORE_PORT"),
        "{said}"
    );

    let said = refusal(&other, |command| {
        command.env("TIDEMARK_DATA_DIR", running.data_dir());
    });
    assert!(said.contains("another process"), "{said}");
    assert!(
        said.contains(running.data_dir().to_str().unwrap()),
        "{said}"
    );

    let closed = format!("redis://127.0.0.1:{}", free_port());
    let said = refusal(&other, |command| {
        command.env("FILESTORE_REDIS_URL", &closed);
    });
    assert!(
        said.contains("FILESTORE_REDIS_URL") && said.contains("inline"),
        "{said}"
    );

    let said = refusal(&other, |command| {
        command
            .env("FILESTORE_REDIS_URL", &closed)
            .env("FEED_SILENT_AFTER", "1s");
    });
    assert!(
        said.contains("FEED_SILENT_AFTER") && said.contains("FEED_HEARTBEAT_INTERVAL"),
        "{said}"
    );

    let said = refusal(&other, |command| {
        command.env("FILESTORE_HOST", "0.0.0.0");
    });
    assert!(
        said.contains("TIDEMARK_TOKENS_FILE") || said.contains("tokens"),
        "{said}"
    );

    let said = refusal(&other, |command| {
        command.args(["--service", "metastore"]);
    });
    assert!(said.contains("FILESTORE_JOURNAL_URL"), "{said}");

    // Nothing was left half done: the same data directory starts now.
    let mut command = other.command();
    let mut process = Process::spawn(command.arg("serve"));
    process.wait_until_serving(([127, 0, 0, 1], other.ports[0]).into(), LONG);
    running.verify();
}

#[test]
fn a_redis_that_is_down_at_start_may_be_waited_for() {
    let mut redis = RedisServer::start();
    redis.stop();
    let mut deployment = Deployment::new(&redis.url());
    let mut command = deployment.command();
    command
        .arg("serve")
        .env("FEED_REQUIRE_BUS_AT_START", "false");
    let mut process = Process::spawn(&mut command);
    process.wait_until_serving(([127, 0, 0, 1], deployment.ports[2]).into(), LONG);
    deployment.processes.push(("all", process));
    redis.start_again();
    testkit::wait_for("the bus to be live", LONG, || {
        let health = deployment.health(1);
        if health["bus"]["state"] == "live" {
            Ok(())
        } else {
            Err(health)
        }
    });
}

#[test]
fn bad_requests_name_the_field_and_change_nothing() {
    let deployment = Deployment::together("inline");
    deployment.settle();
    let head = deployment.head();
    let refused = |outcome: Result<Value, String>, status: &str, part: &str| {
        let said = outcome.unwrap_err();
        assert!(
            said.starts_with(status) && said.contains(part),
            "{status} {part}: {said}"
        );
    };
    let mount = deployment.mount_id;
    refused(deployment.make_directory("a/../../b"), "400", "path");
    refused(deployment.make_directory("nul\0"), "400", "path");
    refused(
        deployment.post(
            0,
            "/v1/directories",
            &json!({"backendMountId": "x", "path": "a"}),
        ),
        "400",
        "backendMountId",
    );
    refused(
        deployment.post(
            0,
            "/v1/directories",
            &json!({"backendMountId": 99, "path": "a"}),
        ),
        "404",
        "99",
    );
    refused(
        deployment.post(
            0,
            "/v1/backend-mounts",
            &json!({"mountKey": "no", "backendKind": "local", "accessMode": "rw", "rootPath": "/no/such"}),
        ),
        "400",
        "rootPath",
    );
    refused(
        deployment.post(1, "/records", &json!({"namespace": 1, "key": "k"})),
        "400",
        "namespace",
    );
    refused(
        deployment.post(
            2,
            "/sql/read",
            &json!({"sql": "DROP TABLE filestore_activity"}),
        ),
        "4",
        "",
    );

    let client = reqwest::blocking::Client::new();
    let response = client
        .post(format!("{}/v1/directories", deployment.url(0)))
        .header("content-type", "application/json")
        .body("{\"backendMountId\": 1,")
        .send()
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert!(response.text().unwrap().contains("line 1"));

    let form = reqwest::blocking::multipart::Form::new()
        .text("backendMountId", mount.to_string())
        .text("path", "wrong.txt")
        .part(
            "file",
            reqwest::blocking::multipart::Part::bytes(b"abc".to_vec()).file_name("f"),
        );
    let response = client
        .post(format!("{}/v1/files", deployment.url(0)))
        .header("x-filestore-checksum", format!("sha256:{}", "0".repeat(64)))
        .multipart(form)
        .send()
        .unwrap();
    assert!(response.status().is_client_error(), "{}", response.status());
    assert!(response.text().unwrap().contains("checksum"));
    assert_eq!(
        std::fs::read_dir(deployment.files()).unwrap().count(),
        0,
        "nothing is left behind"
    );
    assert_eq!(deployment.head(), head, "nothing was journalled");
    deployment.verify();
}

#[test]
fn growth_and_churn_come_as_table_json_and_csv() {
    let deployment = Deployment::together("inline");
    deployment.make_directory("a").unwrap();
    for round in 1..=3_usize {
        deployment
            .upload("a/file", &vec![b'x'; round * 100])
            .unwrap();
    }
    deployment.settle();
    let run = |arguments: &[&str]| {
        let output = deployment.run(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    for command in ["growth", "churn"] {
        let table = run(&[command]);
        assert!(table.lines().count() >= 2, "{table}");
        let value: Value = serde_json::from_str(&run(&[command, "--output", "json"])).unwrap();
        assert!(value.is_array() || value.is_object());
        let csv = run(&[command, "--output", "csv"]);
        assert!(csv.lines().count() >= 2 && csv.contains(','), "{csv}");
    }
    let csv = run(&[
        "sql",
        "--output",
        "csv",
        "SELECT sum(size_delta)::BIGINT AS bytes FROM filestore_activity",
    ]);
    assert_eq!(csv.trim(), "bytes\n300");
}

#[test]
fn help_needs_no_configuration() {
    let output = tidemark().arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("verify"));
    let output = tidemark().arg("no-such-command").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
