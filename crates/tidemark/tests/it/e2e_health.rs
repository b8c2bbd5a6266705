//! What the books tell of themselves, and what `doctor` makes of it.

use crate::deployment::{Deployment, LONG};
use serde_json::{Value, json};
use testkit::wait_for;

fn doctor(deployment: &Deployment, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = deployment.run(&[&["doctor", "--output", "json"], arguments].concat());
    let rows = serde_json::from_slice(&output.stdout);
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), rows)
}

/// The lines of a check, as subject and status.
fn lines<'a>(rows: &'a [Value], check: &str) -> Vec<(&'a str, &'a str)> {
    let of_check = rows.iter().filter(|row| row["check"] == check);
    of_check
        .map(|row| {
            (
                row["subject"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect()
}

const BOOKS: [(&str, &str); 2] = [("metastore", "ok"), ("timestore", "ok")];
const ALL: [(&str, &str); 3] = [("filestore", "ok"), BOOKS[0], BOOKS[1]];

#[test]
fn both_books_tell_the_same_of_themselves_and_a_disabled_one_says_so() {
    let mut deployment = Deployment::apart("inline");
    deployment.make_directory("a").unwrap();
    deployment.settle();
    let head = deployment.head();
    for book in [1, 2] {
        let health = deployment.get(book, "/filestore/health").unwrap();
        assert_eq!(health["status"], "ok");
        assert_eq!(health["checkpoint"], head);
        assert_eq!(health["lastEvent"]["type"], "filestore.command.completed");
        // A book that is up before the filestore is asks for the journal again.
        let retries = &health["retries"];
        assert_eq!(retries["processing"], 0, "{retries}");
        assert_eq!(retries["total"], retries["connect"], "{retries}");
        assert_eq!(health["bus"]["mode"], "poll");
    }
    let [one, other] = [1, 2].map(|book| deployment.get(book, "/filestore/health").unwrap());
    let names = |health: &Value| {
        let object = health.as_object().unwrap();
        object
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&one), names(&other));
    assert_eq!(
        (&one["digest"], &one["epoch"]),
        (&other["digest"], &other["epoch"])
    );

    deployment.stop("metastore");
    let off = "METASTORE_FILESTORE_SYNC_ENABLED".to_owned();
    deployment.settings.insert(off, "false".to_owned());
    deployment.start("metastore");
    let disabled = deployment.get(1, "/filestore/health").unwrap();
    assert_eq!(disabled["status"], "disabled");
    assert_eq!(names(&disabled), names(&other));
}

#[test]
fn doctor_finds_nothing_wrong_with_what_is_well() {
    let deployment = Deployment::apart("inline");
    deployment.make_directory("a/b").unwrap();
    deployment.settle();
    let (code, rows) = doctor(&deployment, &[]);
    assert_eq!(code, Some(0), "{rows:#?}");
    assert_eq!(lines(&rows, "service"), ALL);
    assert_eq!(lines(&rows, "journal"), [ALL[0]]);
    assert_eq!(lines(&rows, "consumer"), BOOKS);
    assert_eq!(lines(&rows, "history"), BOOKS);
    assert_eq!(lines(&rows, "integrity"), ALL);
    assert_eq!(lines(&rows, "disk").len(), 3);
    assert!(!rows.iter().any(|row| row["status"] == "fail"), "{rows:#?}");
    for row in rows.iter().filter(|row| row["check"] == "service") {
        let held = row["detail"].as_str().unwrap();
        assert!(held.contains("has its data"), "{held}");
    }
    let (_, quick) = doctor(&deployment, &["--quick"]);
    assert!(lines(&quick, "integrity").is_empty());
}

#[test]
fn doctor_names_what_is_wrong_and_the_way_out() {
    let mut deployment = Deployment::apart("inline");
    for at in 0..200 {
        deployment.make_directory(&format!("a/{at}")).unwrap();
    }
    deployment.settle();
    deployment.stop("timestore");
    deployment.stop("metastore");
    // A record says what its audit does not.
    let store = deployment.data_dir().join("metastore.db");
    let db = rusqlite::Connection::open(store).unwrap();
    db.execute_batch(
        "INSERT INTO records (namespace, key, version, created_at, updated_at)
         VALUES ('filestore', 'nine', 7, 0, 0)",
    )
    .unwrap();
    drop(db);
    deployment.start("metastore");
    deployment.settings.insert(
        "FILESTORE_REDIS_URL".to_owned(),
        "redis://127.0.0.1:1".to_owned(),
    );
    let (code, rows) = doctor(&deployment, &[]);
    assert_eq!(code, Some(1));
    let failed: Vec<_> = rows.iter().filter(|row| row["status"] == "fail").collect();
    let fix_of = |check: &str, subject: &str| {
        let of = |row: &&&Value| row["check"] == check && row["subject"] == subject;
        let row = failed
            .iter()
            .find(of)
            .unwrap_or_else(|| panic!("{check}: {rows:#?}"));
        row["fix"].as_str().unwrap().to_owned()
    };
    assert!(fix_of("service", "timestore").contains("tidemark serve"));
    assert!(fix_of("integrity", "metastore").contains("tidemark rebuild metastore"));
    assert!(fix_of("bus", "redis://127.0.0.1:1").contains("start Redis"));
    assert_eq!(failed.len(), 3, "{failed:#?}");

    // A checkpoint that is not of this journal.
    deployment.stop("metastore");
    let db = rusqlite::Connection::open(deployment.data_dir().join("metastore.db")).unwrap();
    db.execute_batch("UPDATE filestore_sync SET digest = zeroblob(length(digest))")
        .unwrap();
    drop(db);
    deployment.settings.remove("FILESTORE_REDIS_URL");
    deployment.start("metastore");
    wait_for("the metastore to halt", LONG, || {
        let health = deployment.health(1);
        (health["state"] == "halted").then_some(()).ok_or(health)
    });
    let (_, rows) = doctor(&deployment, &["--quick"]);
    assert_eq!(lines(&rows, "consumer"), [("metastore", "fail")]);
    assert_eq!(lines(&rows, "history"), [("metastore", "fail")]);
    let row = rows.iter().find(|row| row["check"] == "history").unwrap();
    assert_eq!(
        row["fix"]
            .as_str()
            .map(|fix| fix.contains("tidemark rebuild metastore")),
        Some(true)
    );
    let table = deployment.run(&["doctor", "--quick"]);
    assert_eq!(table.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&table.stdout);
    assert!(shown.lines().next().unwrap().contains("CHECK"), "{shown}");
    assert_eq!(
        json!(rows.len()),
        json!(shown.lines().count() - 1),
        "a line a check: {shown}"
    );
}
