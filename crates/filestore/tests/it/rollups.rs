//! Rollups equal a recount, whatever happened.

use crate::support::Server;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Action {
    Mkdir(String),
    Upload(String, usize),
    Delete(String),
    Move(String, String),
    Copy(String, String),
    /// `rm -r` behind our back, then a scan.
    Vanish(String),
    Scan,
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b", "c"], 1..4).prop_map(|names| names.join("/"))
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => path().prop_map(Action::Mkdir),
        4 => (path(), 0..50_usize).prop_map(|(path, size)| Action::Upload(path, size)),
        2 => path().prop_map(Action::Delete),
        4 => (path(), path()).prop_map(|(from, to)| Action::Move(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Action::Copy(from, to)),
        1 => path().prop_map(Action::Vanish),
        1 => Just(Action::Scan),
    ]
}

async fn run(server: &Server, action: &Action) {
    // Whether a command is refused is not the question here.
    let answer = match action {
        Action::Mkdir(path) => server.mkdir(path).await,
        Action::Upload(path, size) => {
            server
                .upload_with(path, &"x".repeat(*size), &[("overwrite", "true")], &[])
                .await
        }
        Action::Delete(path) => server.delete(path, true).await,
        Action::Move(from, to) => {
            let body = serde_json::json!({ "path": from, "targetPath": to, "overwrite": true });
            server
                .json(reqwest::Method::POST, "/v1/nodes/move", body)
                .await
        }
        Action::Copy(from, to) => {
            let body = serde_json::json!({ "path": from, "targetPath": to, "overwrite": true });
            server
                .json(reqwest::Method::POST, "/v1/nodes/copy", body)
                .await
        }
        Action::Vanish(path) => {
            let at = server.root.join(path);
            let _ = std::fs::remove_dir_all(&at).or_else(|_| std::fs::remove_file(&at));
            server.scan().await;
            return;
        }
        Action::Scan => {
            server.scan().await;
            return;
        }
    };
    assert!(answer.status.as_u16() < 500, "{action:?}: {answer:?}");
}

type Totals = (i64, i64, i64, i64);

/// What lies below each directory, counted from the nodes that are on disk.
fn recount(nodes: &[Value]) -> BTreeMap<String, Totals> {
    let is_directory = |node: &Value| node["kind"] == "directory";
    let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
    totals.insert(String::new(), (0, 0, 0, 0));
    for node in nodes.iter().filter(|node| is_directory(node)) {
        totals.insert(node["path"].as_str().unwrap().to_owned(), (0, 0, 0, 0));
    }
    for node in nodes {
        let path = node["path"].as_str().unwrap();
        let mut at = path;
        let mut is_parent = true;
        loop {
            at = at.rsplit_once('/').map_or("", |(parent, _)| parent);
            let total = totals
                .get_mut(at)
                .unwrap_or_else(|| panic!("{path} has no parent {at:?}"));
            total.0 += node["sizeBytes"].as_i64().unwrap();
            total.1 += i64::from(!is_directory(node));
            total.2 += i64::from(is_directory(node));
            total.3 += i64::from(is_parent);
            is_parent = false;
            if at.is_empty() {
                break;
            }
        }
    }
    totals
}

async fn check(server: &Server, actions: &[Action]) {
    let query = [("states", "active,inconsistent"), ("limit", "1000")];
    let listed = server.get_in_mount("/v1/nodes", &query).await;
    let nodes = listed.data()["nodes"].as_array().unwrap();
    for (path, counted) in recount(nodes) {
        let node = server.by_path(&format!("/{path}")).await;
        let rollup = &node.data()["rollup"];
        let field = |name: &str| rollup[name].as_i64().unwrap();
        let kept = (
            field("sizeBytes"),
            field("fileCount"),
            field("directoryCount"),
            field("childCount"),
        );
        assert_eq!(kept, counted, "{path:?} after {actions:?}");
    }
    let plain = server.get_in_mount("/v1/nodes", &[("limit", "1000")]).await;
    let count = plain.data()["nodes"].as_array().unwrap().len();
    assert_eq!(
        plain.data()["pagination"]["total"],
        count,
        "total after {actions:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_equal_a_recount_after_random_commands() {
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..12 {
        let actions = proptest::collection::vec(action(), 20..40);
        let actions = actions.new_tree(&mut runner).unwrap().current();
        let server = Server::start().await;
        for action in &actions {
            run(&server, action).await;
        }
        check(&server, &actions).await;
        server.scan().await;
        check(&server, &actions).await;
        server.close().await;
    }
}
