//! A rebuild that is refused, runs already, is ended, or dies with its process.

use crate::deployment::{Deployment, LONG, SERVICES, many_files};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use testkit::wait_for;

const METASTORE: usize = 1;
const TIMESTORE: usize = 2;

fn digest(deployment: &Deployment, book: usize) -> Value {
    deployment.get(book, "/filestore/digest").unwrap()
}

fn begin(deployment: &Deployment, book: usize) -> Result<Value, String> {
    deployment.post(book, "/filestore/rebuild", &json!({}))
}

/// Waits until the book's rebuild is as wanted.
fn rebuild_when(deployment: &Deployment, book: usize, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for("the rebuild to be as wanted", LONG, || {
        let health = deployment.health(book);
        let rebuild = health["rebuild"].clone();
        if wanted(&rebuild) {
            Ok(rebuild)
        } else {
            Err(health)
        }
    })
}

/// Somebody else writes to the metastore's file: a rebuild can be filled, and cannot take its place.
fn hold(deployment: &Deployment) -> Connection {
    let path = deployment.data_dir().join("metastore.db");
    let held = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    held.busy_timeout(LONG).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    held
}

fn with_nodes() -> Deployment {
    let deployment = Deployment::apart("inline");
    for at in 0..30 {
        deployment.make_directory(&format!("d/{at}")).unwrap();
    }
    deployment.settle();
    deployment
}

#[test]
fn one_rebuild_runs_at_a_time_and_one_that_is_ended_leaves_the_book_as_it_was() {
    let deployment = with_nodes();
    let before = digest(&deployment, METASTORE);
    let none = deployment.delete_at(METASTORE, "/filestore/rebuild");
    assert_eq!(none, 404, "none runs");

    let held = hold(&deployment);
    begin(&deployment, METASTORE).unwrap();
    rebuild_when(&deployment, METASTORE, |rebuild| {
        rebuild["state"] == "running" && rebuild["lastError"].is_string()
    });
    let refused = begin(&deployment, METASTORE).unwrap_err();
    assert!(
        refused.starts_with("409") && refused.contains("rebuild_running"),
        "{refused}"
    );
    let body = json!({"from": 1});
    let refused = deployment
        .post(METASTORE, "/filestore/replay", &body)
        .unwrap_err();
    assert!(
        refused.starts_with("409") && refused.contains("rebuild_running"),
        "{refused}"
    );
    assert_eq!(deployment.delete_at(METASTORE, "/filestore/rebuild"), 204);
    let ended = rebuild_when(&deployment, METASTORE, |rebuild| {
        rebuild["state"] != "running"
    });
    assert_eq!(ended["state"], "cancelled");
    held.execute_batch("ROLLBACK").unwrap();

    assert_eq!(digest(&deployment, METASTORE), before);
    begin(&deployment, METASTORE).unwrap();
    let done = rebuild_when(&deployment, METASTORE, |rebuild| {
        rebuild["state"] != "running"
    });
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(digest(&deployment, METASTORE), before);
    deployment.verify();
}

#[test]
fn a_stop_during_a_rebuild_is_in_good_order_and_leaves_the_book_as_it_was() {
    let mut deployment = with_nodes();
    let before = digest(&deployment, METASTORE);
    let held = hold(&deployment);
    begin(&deployment, METASTORE).unwrap();
    rebuild_when(&deployment, METASTORE, |rebuild| {
        rebuild["state"] == "running"
    });
    deployment.stop(SERVICES[METASTORE]);
    held.execute_batch("ROLLBACK").unwrap();
    drop(held);
    deployment.start(SERVICES[METASTORE]);
    deployment.settle();
    assert_eq!(digest(&deployment, METASTORE), before);
    deployment.verify();
}

/// What the process's folder holds, by name.
fn files(deployment: &Deployment) -> Vec<String> {
    let entries = std::fs::read_dir(deployment.data_dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn a_rebuild_that_is_killed_leaves_the_book_as_it_was_and_nothing_else() {
    let mut deployment = Deployment::new("inline");
    // Many small pages, so that the kill comes in between.
    let pages = ("FEED_BATCH_MAX_ENTRIES".to_owned(), "20".to_owned());
    deployment.start_apart();
    many_files(&deployment.files(), 20, 200);
    let scan = deployment.run(&["scan"]);
    assert!(scan.status.success(), "{scan:?}");
    deployment.settle();
    let before = [METASTORE, TIMESTORE].map(|book| digest(&deployment, book));
    deployment.settings.extend([pages]);
    for book in [METASTORE, TIMESTORE] {
        deployment.stop(SERVICES[book]);
        let kept = files(&deployment);
        deployment.start(SERVICES[book]);
        deployment.settle();
        begin(&deployment, book).unwrap();
        let killed_at = rebuild_when(&deployment, book, |rebuild| {
            rebuild["journalId"].as_u64() > Some(20)
        });
        deployment.kill(SERVICES[book]);
        assert_eq!(
            killed_at["state"], "running",
            "it was killed too late: {killed_at}"
        );

        deployment.start(SERVICES[book]);
        deployment.settle();
        let health = deployment.health(book);
        assert_eq!(health["rebuild"], Value::Null);
        assert_eq!(digest(&deployment, book), before[book - 1]);
        if book == TIMESTORE {
            let sql = json!({"sql": "SELECT count(*) AS n FROM filestore_activity"});
            let rows = deployment.post(book, "/sql/read", &sql).unwrap();
            assert_eq!(rows["rows"][0]["n"], deployment.head());
        }
        deployment.stop(SERVICES[book]);
        assert_eq!(files(&deployment), kept, "no file of the rebuild is left");
        deployment.start(SERVICES[book]);
        deployment.settle();

        // And it can be begun again, within bounds: what is gathered is on the disk.
        let memory_before = deployment.process(SERVICES[book]).memory_bytes();
        begin(&deployment, book).unwrap();
        let done = rebuild_when(&deployment, book, |rebuild| rebuild["state"] != "running");
        assert_eq!(done["state"], "done", "{done}");
        let memory = deployment.process(SERVICES[book]).memory_bytes();
        let grown = memory.saturating_sub(memory_before);
        assert!(grown < 64 << 20, "{} grew by {grown} bytes", SERVICES[book]);
        assert_eq!(digest(&deployment, book), before[book - 1]);
    }
    deployment.verify();
}

#[test]
fn what_a_rebuild_would_lose_is_said_and_it_is_refused_until_that_is_accepted() {
    let mut deployment = Deployment::apart("inline");
    for at in 0..9 {
        deployment.make_directory(&format!("old/{at}")).unwrap();
    }
    deployment.settle();
    let old_rows = deployment.activity().0;
    SERVICES.iter().for_each(|name| deployment.stop(name));
    // filestore is made anew, and its new journal is trimmed: the old history is in the timestore
    // only.
    for name in ["filestore.db", "filestore.db.mark"] {
        std::fs::remove_file(deployment.data_dir().join(name)).unwrap();
    }
    std::fs::remove_dir_all(deployment.files().join("old")).unwrap();
    std::fs::create_dir(deployment.files().join("new")).unwrap();
    deployment.start("filestore");
    let mount = json!({"mountKey": "files", "backendKind": "local", "accessMode": "rw",
        "rootPath": deployment.files()});
    deployment.post(0, "/v1/backend-mounts", &mount).unwrap();
    let scan = deployment.run(&["scan"]);
    assert!(scan.status.success(), "{scan:?}");
    let head = deployment.head();
    let trimmed = deployment.post(0, "/v1/journal/trim", &json!({"upTo": head}));
    assert_eq!(trimmed.unwrap()["data"]["trimmed"], head);
    for book in [METASTORE, TIMESTORE] {
        deployment.start(SERVICES[book]);
        wait_for("the consumer to halt", LONG, || {
            let health = deployment.health(book);
            (health["state"] == "halted").then_some(()).ok_or(health)
        });
    }

    let refused = begin(&deployment, TIMESTORE).unwrap_err();
    assert!(
        refused.starts_with("409") && refused.contains("rebuild_would_lose"),
        "{refused}"
    );
    let output = deployment.run(&["rebuild", "timestore"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("another history") && said.contains("accept the loss"),
        "{said}"
    );
    assert_eq!(
        deployment.health(TIMESTORE)["rebuild"],
        Value::Null,
        "nothing began"
    );
    assert_eq!(deployment.activity().0, old_rows, "and nothing is gone");

    let output = deployment.run(&["rebuild", "timestore", "--accept-loss"]);
    assert!(output.status.success(), "{output:?}");
    // The metastore keeps states, which a snapshot brings: it loses nothing.
    let output = deployment.run(&["rebuild", "metastore"]);
    assert!(output.status.success(), "{output:?}");
    deployment.settle();
    deployment.verify();
    // What was of the other history can still be read.
    let sql = "SELECT table_name AS name FROM information_schema.tables \
               WHERE table_name LIKE 'filestore_activity_%'";
    let tables = deployment
        .post(TIMESTORE, "/sql/read", &json!({"sql": sql}))
        .unwrap();
    let name = tables["rows"][0]["name"].as_str();
    let name = name.unwrap_or_else(|| panic!("it was set aside: {tables}"));
    let sql = json!({"sql": format!("SELECT count(*) AS n FROM \"{name}\"")});
    let rows = deployment.post(TIMESTORE, "/sql/read", &sql).unwrap();
    assert_eq!(rows["rows"][0]["n"], old_rows);
}

#[test]
fn a_book_that_does_not_open_says_how_to_go_on_and_moving_it_aside_is_enough() {
    let mut deployment = with_nodes();
    let before = [METASTORE, TIMESTORE].map(|book| digest(&deployment, book));
    for (book, file, logs) in [
        (
            METASTORE,
            "metastore.db",
            ["metastore.db-wal", "metastore.db.mark"].as_slice(),
        ),
        (
            TIMESTORE,
            "timestore.duckdb",
            ["timestore.duckdb.wal"].as_slice(),
        ),
    ] {
        let name = SERVICES[book];
        deployment.stop(name);
        let path = deployment.data_dir().join(file);
        std::fs::write(&path, vec![7; 1 << 16]).unwrap();
        let said = deployment.try_start(name).unwrap_err();
        let error = said.lines().rev().find(|line| !line.is_empty()).unwrap();
        assert!(error.contains("damaged") && error.contains(file), "{error}");
        assert!(error.contains("aside and start again"), "{error}");
        assert!(error.contains("backup"), "{error}");
        if book == METASTORE {
            assert!(error.contains("what people wrote"), "{error}");
        } else {
            assert!(error.contains("other datasets"), "{error}");
        }
        for file in [&[file], logs].concat() {
            let (from, to) = (deployment.data_dir().join(file), format!("{file}.damaged"));
            match std::fs::rename(&from, deployment.data_dir().join(to)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                _ => {}
            }
        }
        deployment.start(name);
        deployment.settle();
        assert_eq!(digest(&deployment, book), before[book - 1]);
    }
    deployment.verify();
}
