//! One process a data directory.

use crate::support::options;
use metastore::{Metastore, OpenError, Options, Rules};
use serde_json::json;
use std::io::Write;

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
        said.contains(&format!("process id {}", std::process::id())),
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

    std::fs::write(
        dir.path().join("metastore.sqlite3"),
        "no database".repeat(1_000),
    )
    .unwrap();
    let error = Metastore::open(options(dir.path())).unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    Metastore::open(options(dir.path())).unwrap().close();
    let file = rusqlite::Connection::open(dir.path().join("metastore.sqlite3")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let error = Metastore::open(options(dir.path())).unwrap_err();
    assert!(error.to_string().contains("later version"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let mut preset = options(dir.path());
    preset
        .search_presets
        .insert("mine".to_owned(), json!({"field": "nope"}));
    let error = Metastore::open(preset).unwrap_err();
    assert!(error.to_string().contains("\"mine\""), "{error}");
    assert!(matches!(options(dir.path()).rules, Rules::Configured(_)));
}
