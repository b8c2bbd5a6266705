//! One process a data directory.

use crate::support::{Journal, options};
use metastore::{Metastore, OpenError, Options, Rules};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Set for the second process: which directory it is to open.
const DIRECTORY: &str = "METASTORE_TEST_DIRECTORY";

#[test]
fn a_second_process_is_refused_and_told_who_has_the_directory() {
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        let error = Metastore::open(Options::in_data_dir(dir.as_ref())).unwrap_err();
        writeln!(std::io::stdout(), "refused: {error}").unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(options(dir.path())).unwrap();
    let second = || {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("process::a_second_process_is_refused_and_told_who_has_the_directory")
            .env(DIRECTORY, dir.path())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (is_refused, said) = second();
    assert!(is_refused, "{said}");
    assert!(
        said.contains(&format!("(pid {})", std::process::id())),
        "{said}"
    );
    assert!(said.contains(dir.path().to_str().unwrap()), "{said}");
    assert!(said.contains("TIDEMARK_DATA_DIR"), "{said}");

    // A sink keeps the directory after the metastore is closed; then it is free.
    let sink = metastore.sink().unwrap();
    metastore.close();
    assert!(second().0, "the sink still writes");
    drop(sink);
    drop(Metastore::open(options(dir.path())).unwrap());
}

/// Applies batches of 50 new nodes without end.
fn apply_for_ever(dir: &Path) -> ! {
    let metastore = Metastore::open(options(dir)).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    loop {
        for _ in 0..50 {
            let id = journal.next_id();
            journal.node("created", id, &format!("dir/{id}"), json!({}));
        }
        journal.apply();
    }
}

/// The checkpoint, and how many nodes there are, and how many of them have a record.
fn counts(dir: &Path) -> rusqlite::Result<(i64, i64, i64)> {
    let db = rusqlite::Connection::open(dir.join("metastore.db"))?;
    let sql = "SELECT (SELECT journal_id FROM filestore_sync), \
               (SELECT count(*) FROM filestore_nodes), \
               (SELECT count(*) FROM filestore_nodes WHERE namespace = 1 AND record_id IS NULL)";
    db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

#[test]
fn a_process_killed_between_and_within_batches_goes_on_where_it_was() {
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        apply_for_ever(dir.as_ref());
    }
    let dir = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for _ in 0..4 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("--exact")
            .arg("process::a_process_killed_between_and_within_batches_goes_on_where_it_was")
            .env(DIRECTORY, dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        testkit::wait_for(
            "some batches more",
            std::time::Duration::from_secs(60),
            || match counts(dir.path()) {
                Ok((checkpoint, ..)) if checkpoint >= reached + 500 => Ok(()),
                other => Err(format!("{other:?}")),
            },
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let metastore = Metastore::open(options(dir.path())).unwrap();
        let (checkpoint, nodes, records) = counts(dir.path()).unwrap();
        assert_eq!(
            (nodes, records),
            (checkpoint, checkpoint),
            "each entry exactly once"
        );
        assert_eq!(checkpoint % 50, 0, "whole batches only");
        assert!(checkpoint >= reached + 500);
        reached = checkpoint;
        metastore.close();
    }
}

#[test]
fn what_cannot_be_opened_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let error = Metastore::open(Options::in_data_dir(&missing)).unwrap_err();
    assert!(matches!(&error, OpenError::Io { .. }), "{error:?}");
    assert!(
        error.to_string().contains(missing.to_str().unwrap()),
        "{error}"
    );

    std::fs::write(dir.path().join("metastore.db"), "no database".repeat(1_000)).unwrap();
    let error = Metastore::open(options(dir.path())).unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    Metastore::open(options(dir.path())).unwrap().close();
    let file = rusqlite::Connection::open(dir.path().join("metastore.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let error = Metastore::open(options(dir.path())).unwrap_err();
    assert!(error.to_string().contains("later version"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let mut with_preset = options(dir.path());
    let preset = json!({"name": "mine", "filter": {"field": "nope"}});
    with_preset.search_presets = vec![serde_json::from_value(preset).unwrap()];
    let error = Metastore::open(with_preset).unwrap_err();
    assert!(error.to_string().contains("\"mine\""), "{error}");
    assert!(matches!(options(dir.path()).rules, Rules::Configured(_)));
}
