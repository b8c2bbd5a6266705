//! A book is rebuilt while people read it and commands go on, and nobody notices.

use crate::deployment::Deployment;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::wait_for;

/// Commands run, and readers look, for as long as `work` takes.
fn under_load<T>(deployment: &Deployment, name: &str, work: impl FnOnce() -> T) -> (T, usize) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let commands = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(Ordering::SeqCst) {
                let path = format!("load/{name}/d{count}");
                deployment.make_directory(&path).unwrap();
                deployment
                    .upload(&format!("{path}/f"), b"contents")
                    .unwrap();
                deployment
                    .move_node(&path, &format!("{path}-moved"))
                    .unwrap();
                count += 1;
            }
            count
        });
        let readers = [
            scope.spawn(|| never_fewer(&is_over, || records(deployment))),
            scope.spawn(|| never_fewer(&is_over, || deployment.activity().0)),
        ];
        let result = work();
        is_over.store(true, Ordering::SeqCst);
        let looks: usize = readers.map(|reader| reader.join().unwrap()).iter().sum();
        assert!(commands.join().unwrap() > 0, "commands went on");
        (result, looks)
    })
}

/// Looks again and again, and never sees less than before; how often it looked.
fn never_fewer(is_over: &AtomicBool, look: impl Fn() -> u64) -> usize {
    let (mut looks, mut most) = (0, 0);
    while !is_over.load(Ordering::SeqCst) {
        let seen = look();
        assert!(seen >= most, "{seen} seen after {most}");
        most = seen;
        looks += 1;
    }
    looks
}

fn records(deployment: &Deployment) -> u64 {
    let search = json!({"namespace": "filestore", "limit": 1});
    let found = deployment.post(1, "/records/search", &search).unwrap();
    found["pagination"]["total"].as_u64().unwrap()
}

fn digests(deployment: &Deployment) -> [Value; 2] {
    [1, 2].map(|book| deployment.get(book, "/filestore/digest").unwrap())
}

fn rebuilt(deployment: &Deployment, arguments: &[&str]) -> Value {
    let output = deployment.run(&[arguments, &["--output", "json"]].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {err}");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["state"], "done", "{rows}");
    rows[0].clone()
}

fn tag(deployment: &Deployment, path: &str) {
    let output = deployment.run(&["tag", "add", path, "gold"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
}

#[test]
fn each_book_is_rebuilt_under_load_with_the_same_digest_and_readers_undisturbed() {
    let deployment = Deployment::together("inline");
    for at in 0..40 {
        deployment
            .upload(&format!("before/d{}/f{at}", at % 7), b"old")
            .unwrap();
    }
    deployment.delete("before/d3").unwrap();
    deployment.settle();
    tag(&deployment, "files:before/d1/f1");
    let followed = digests(&deployment);

    // At rest: the rebuilt book holds what the one that only followed held.
    for book in ["metastore", "timestore"] {
        let done = rebuilt(&deployment, &["rebuild", book]);
        assert_eq!(
            done["entries"], done["journalId"],
            "every entry was read again"
        );
    }
    assert_eq!(digests(&deployment), followed);

    // Under load.
    for book in ["metastore", "timestore"] {
        let work = || {
            rebuilt(&deployment, &["rebuild", book]);
            rebuilt(&deployment, &["rebuild", book])
        };
        let (_, looks) = under_load(&deployment, book, work);
        assert!(looks > 2, "readers looked {looks} times");
    }
    deployment.settle();
    deployment.verify();
    let under_load = digests(&deployment);
    assert_eq!(under_load[0]["people"], followed[0]["people"]);
    assert_eq!(under_load[0]["records"], 1);

    // Once more at rest, in whole and in parts.
    let head = deployment.head();
    for book in ["metastore", "timestore"] {
        rebuilt(&deployment, &["rebuild", book]);
        for from in [0, head / 2, head] {
            let done = rebuilt(&deployment, &["replay", book, "--from", &from.to_string()]);
            assert_eq!(done["entries"], head - from, "{done}");
        }
    }
    assert_eq!(digests(&deployment), under_load);
    deployment.verify();
}

#[test]
fn what_cannot_be_rebuilt_is_refused_and_says_why() {
    let deployment = Deployment::together("inline");
    deployment.make_directory("a").unwrap();
    deployment.settle();
    let head = deployment.head();
    let body = json!({"from": head + 1});
    let refused = deployment.post(1, "/filestore/replay", &body).unwrap_err();
    assert!(
        refused.starts_with("409") && refused.contains("not_replayable"),
        "{refused}"
    );
    assert!(
        refused.contains(&format!("replay from {head} or earlier")),
        "{refused}"
    );
    let output = deployment.run(&["replay", "timestore", "--from", &(head + 1).to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let none = deployment.run(&["rebuild", "filestore"]);
    assert_eq!(
        none.status.code(),
        Some(2),
        "filestore is where the journal is"
    );
}

#[test]
fn a_book_of_another_journal_is_refused_and_a_rebuild_is_the_way_out() {
    let mut deployment = Deployment::together("inline");
    for path in ["kept/a", "kept/b", "lost/c"] {
        deployment.upload(path, b"contents").unwrap();
    }
    deployment.settle();
    tag(&deployment, "files:kept/b");
    tag(&deployment, "files:lost/c");
    // filestore is made anew and catalogues what is still there: other ids, the same paths.
    deployment.process("all").stop(crate::deployment::LONG);
    deployment.processes.clear();
    std::fs::remove_dir_all(deployment.files().join("lost")).unwrap();
    std::fs::write(deployment.files().join("aaa"), "first by name").unwrap();
    for name in [
        "filestore.db",
        "filestore.db-wal",
        "filestore.db-shm",
        "filestore.db.mark",
    ] {
        std::fs::remove_file(deployment.data_dir().join(name)).ok();
    }
    deployment.start("dev");
    let halted = |book: usize| {
        wait_for("the consumer to halt", crate::deployment::LONG, || {
            let health = deployment.health(book);
            match health["state"].as_str() {
                Some("halted") => Ok(health),
                _ => Err(health),
            }
        })
    };
    for book in [1, 2] {
        let health = halted(book);
        assert_eq!(health["status"], "error");
        let error = health["lastError"].as_str().unwrap();
        assert!(error.contains("rebuild the book"), "{error}");
    }
    let shown = deployment.run(&["consumers", "--output", "json"]);
    assert_eq!(shown.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(rows[1]["state"], "halted", "{rows}");

    for book in ["metastore", "timestore"] {
        rebuilt(&deployment, &["rebuild", book]);
    }
    deployment.settle();
    deployment.verify();
    let tagged = json!({"namespace": "filestore", "q": "tags:gold"});
    let found = deployment.post(1, "/records/search", &tagged).unwrap();
    let paths: Vec<_> = found["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["metadata"]["filestore"]["path"].clone())
        .collect();
    assert!(
        paths.contains(&json!("kept/b")),
        "the tag went with its path: {found:#}"
    );
    assert_eq!(
        paths.len(),
        2,
        "and the lost file's record is kept: {found:#}"
    );
    assert!(paths.contains(&Value::Null), "{found:#}");
    let shown = deployment.run(&["consumers"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
}
