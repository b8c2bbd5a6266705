//! Hashing in the background by the real executable, killed in the middle of it.

use crate::deployment::{Deployment, LONG};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::wait_for;

const FILES: usize = 40;
const BYTES: usize = 32 * 1024;

/// How often the command `hash` told of a file, by path; with the hashes.
fn told(deployment: &Deployment) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let journal = deployment.body(0, "/v1/journal?after=0&limit=10000");
    for line in journal.lines() {
        let envelope: Value = serde_json::from_str(line).unwrap();
        let data = &envelope["event"]["data"];
        if data["command"] == "hash" {
            let path = data["path"].as_str().unwrap().to_owned();
            let hash = data["contentHash"].as_str().unwrap().to_owned();
            told.entry(path).or_default().push(hash);
        }
    }
    told
}

#[test]
fn a_killed_service_goes_on_hashing_where_it_was_and_both_books_get_each_hash_once() {
    let mut deployment = Deployment::together("inline");
    let mut contents = BTreeMap::new();
    for file in 0..FILES {
        let content = format!("{file:02}").repeat(BYTES / 2);
        std::fs::write(deployment.files().join(format!("{file:02}")), &content).unwrap();
        contents.insert(format!("{file:02}"), content);
    }
    assert!(deployment.run(&["scan"]).status.success());
    let slow = [
        "mounts",
        "set",
        "files",
        "--hash-bytes-per-second",
        "131072",
    ];
    let set = deployment.run(&slow);
    assert!(set.status.success(), "{set:?}");
    wait_for("some hashes", LONG, || match told(&deployment).len() {
        0 => Err("none"),
        _ => Ok(()),
    });
    deployment.kill("all");
    deployment.start("all");
    let done = told(&deployment).len();
    assert!(
        (1..FILES).contains(&done),
        "it was cut off in the middle: {done}"
    );
    let fast = [
        "mounts",
        "set",
        "files",
        "--hash-bytes-per-second",
        "100000000",
    ];
    assert!(deployment.run(&fast).status.success());
    let told = wait_for("all hashes", LONG, || {
        let told = told(&deployment);
        if told.len() == FILES {
            Ok(told)
        } else {
            Err(told.len())
        }
    });
    for (path, content) in &contents {
        let hash = format!("blake3:{}", blake3::hash(content.as_bytes()).to_hex());
        assert_eq!(told[path], [hash], "{path}: once, and the right one");
    }
    deployment.settle();
    deployment.verify();
    let search = json!({"namespace": "filestore", "limit": 100,
        "filter": {"field": "metadata.filestore.contentHash", "operator": "exists"}});
    let found = deployment.post(1, "/records/search", &search).unwrap();
    assert_eq!(found["pagination"]["total"], FILES, "{found}");
    let sql = json!({"sql": "SELECT count(*) AS hashes, count(DISTINCT node_id) AS files, \
        sum(size_delta)::BIGINT AS grown FROM filestore_activity WHERE command = 'hash'"});
    let rows = deployment.post(2, "/sql/read", &sql).unwrap();
    let expected = json!({"hashes": FILES, "files": FILES, "grown": 0});
    assert_eq!(rows["rows"][0], expected, "{rows}");
    // A hash is no rewrite.
    let churn = deployment
        .get(2, "/filestore/churn?groupBy=node&limit=1000")
        .unwrap();
    let rewritten = churn.to_string().matches("\"rewritten\":0").count();
    assert!(
        rewritten > 0 && !churn.to_string().contains("\"rewritten\":1"),
        "{churn}"
    );
}
