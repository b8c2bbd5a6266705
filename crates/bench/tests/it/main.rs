//! Runs the executable on a few entries. Only the shape of what it tells is looked at: figures
//! belong to a machine.

#![cfg(test)]

use serde_json::Value;
use std::process::Command;

const FIELDS: [&str; 8] = [
    "path",
    "entriesPerSecond",
    "rawEntriesPerSecond",
    "ratio",
    "p50Ms",
    "p99Ms",
    "peakMemoryMb",
    "bytesPerEntry",
];

fn bench(dir: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--entries", "400", "--rounds", "1", "--dir"])
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_path_is_in_the_json_with_all_its_fields_and_nothing_stays_behind() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Value> = serde_json::from_str(&bench(dir.path(), &["--json"])).unwrap();
    let paths: Vec<_> = rows
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "live: commit → both books, 1,000 entries/s",
            "commands/s, 16 clients, both books following",
            "commands/s, 16 clients, directories made",
            "commands/s, 16 clients, files of 100 bytes uploaded",
            "scan",
            "scan again, unchanged",
            "read the journal",
            "catch-up metastore",
            "catch-up timestore",
            "catch-up both",
            "follow: scan → both books",
            "scan, one directory, paths of 3,800 bytes",
            "follow: scan → both books, one directory, paths of 3,800 bytes",
            "a directory of 400 files renamed → both books",
            "listing a page of 100 under a prefix, 4000 files",
            "index of names, 400 paths",
            "search for a rare word, first page of 100",
            "search for a common word, first page of 100",
            "search for a word of one or two letters, first page of 100",
            "search for an absent word, first page of 100",
            "search for two words and an extension, first page of 100",
            "growth of a year by day, 400 rows",
            "sums of usage, 400 rows",
            "usage by user, now, 400 rows",
            "usage by user, half a year ago, 400 rows",
            "read the journal, 400 mixed entries",
            "catch-up metastore, 400 mixed entries",
            "catch-up timestore, 400 mixed entries",
            "catch-up both, 400 mixed entries",
            "read the journal, 4000 mixed entries",
            "catch-up metastore, 4000 mixed entries",
            "catch-up timestore, 4000 mixed entries",
            "catch-up both, 4000 mixed entries",
        ]
    );
    for row in &rows {
        let fields = row.as_object().unwrap();
        assert_eq!(fields.len(), FIELDS.len(), "{row}");
        for field in FIELDS.iter().skip(1) {
            assert!(
                fields[*field].is_number() || fields[*field].is_null(),
                "{field} of {row}"
            );
        }
        assert!(row["peakMemoryMb"].is_number(), "{row}");
        let path = row["path"].as_str().unwrap();
        let is_search = path.starts_with("search");
        let is_compared = ["listing", "growth", "usage"]
            .iter()
            .any(|question| path.starts_with(question));
        let is_question = is_search || is_compared;
        assert_eq!(row["entriesPerSecond"].is_null(), is_question, "{row}");
        let has_raw = row["rawEntriesPerSecond"].is_number() || is_compared;
        assert_eq!(row["ratio"].is_number(), has_raw, "{row}");
    }
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "temporary data is removed"
    );
}

#[test]
fn one_path_can_be_asked_for_and_comes_as_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let table = bench(dir.path(), &["--only", "growth"]);
    assert!(
        table.contains("| growth of a year by day, 400 rows"),
        "{table}"
    );
    assert!(!table.contains("catch-up"), "{table}");
}
