//! What must be so when a schedule ends.

use crate::deployment::{LONG, SERVICES};
use crate::rig::Rig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use testkit::wait_for;

/// What a tree is made of: each path's kind and size.
type Tree = BTreeMap<String, (String, u64)>;

/// Checks everything.
///
/// # Panics
/// Something is not so.
pub(super) fn is_complete(rig: &Rig) {
    let deployment = &rig.deployment;
    // What a killed filestore left on the disk and not in its book, or the reverse, a scan finds.
    let scan = deployment.run(&["scan", "--output", "json"]);
    assert!(scan.status.success(), "the scan failed: {scan:?}");
    deployment.settle();
    every_entry_is_a_row_once(rig);
    every_acknowledged_command_is_there(rig);
    for (service, name) in SERVICES.iter().enumerate().skip(1) {
        let what = format!("{name} to be well");
        wait_for(&what, LONG, || {
            let health = deployment.health(service);
            let is_well = health["status"] == "ok" && health["bus"]["state"] == "live";
            is_well.then_some(()).ok_or(health)
        });
        assert_eq!(deployment.health(service)["deadLetters"], 0, "{name}");
    }
    deployment.verify();
    rig.people.kept_what_they_wrote(&rig.deployment);
    let (catalogue, disk) = (catalogue(rig), on_disk(&deployment.files()));
    let only = |a: &Tree, b: &Tree| {
        let differs = |(path, fact): &(&String, &(String, u64))| b.get(*path) != Some(*fact);
        a.clone()
            .iter()
            .filter(differs)
            .map(|(path, fact)| format!("{path} {fact:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (only(&catalogue, &disk), only(&disk, &catalogue)),
        (Vec::new(), Vec::new()),
        "what only the catalogue says, and what only the disk says"
    );
}

fn every_entry_is_a_row_once(rig: &Rig) {
    let head = rig.deployment.head();
    assert_eq!(
        rig.deployment.activity(),
        (head, head, head),
        "rows, distinct rows and last row of the activity, which must all be the head"
    );
}

/// A command that was answered with success is in the journal, and so in the books, once.
fn every_acknowledged_command_is_there(rig: &Rig) {
    let acknowledged = rig.shared.acknowledged.lock();
    let doubled = &acknowledged.doubled;
    assert!(doubled.is_empty(), "commands with one id: {doubled:?}");
    let ids: Vec<_> = acknowledged.by_id.keys().copied().collect();
    for ids in ids.chunks(2_000) {
        let list: Vec<_> = ids.iter().map(u64::to_string).collect();
        let sql = format!(
            "SELECT count(*) AS n FROM filestore_activity WHERE journal_id IN ({})",
            list.join(",")
        );
        let answer = rig.deployment.post(2, "/sql/read", &json!({"sql": sql}));
        let answer = answer.expect("timestore answers");
        assert_eq!(
            answer["rows"][0]["n"].as_u64(),
            Some(ids.len() as u64),
            "rows of the commands that were answered with success"
        );
    }
}

/// What filestore says there is.
fn catalogue(rig: &Rig) -> Tree {
    let text = rig.deployment.body(0, "/v1/snapshot");
    let nodes = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of the snapshot is JSON"));
    let is_here = |node: &Value| node["state"] != "deleted" && node["state"] != "missing";
    nodes
        .filter(|node| is_here(node) && node["path"] != "")
        .map(|node| {
            let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
            let size = node["sizeBytes"].as_u64().unwrap_or_default();
            (text("path"), (text("kind"), size))
        })
        .collect()
}

/// What there is.
fn on_disk(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of one's own") {
            let entry = entry.expect("a folder of one's own");
            let facts = entry.metadata().expect("a file of one's own");
            let path = entry.path();
            let name = path.strip_prefix(root).expect("below the root");
            let name = name.to_str().expect("names are plain").to_owned();
            if facts.is_dir() {
                tree.insert(name, ("directory".to_owned(), 0));
                open.push(path);
            } else {
                tree.insert(name, ("file".to_owned(), facts.len()));
            }
        }
    }
    tree
}
