//! `growth`, `churn`, `top`, `as-of` and `sql`.

use super::{Services, nothing, one_mount};
use crate::fake::{Answer, Asked, Ran, run};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

#[test]
fn growth_prints_in_every_format_and_passes_on_what_is_asked() {
    let services = Services::new(one_mount, nothing, |asked: &Asked| {
        assert_eq!(asked.line(), "GET /filestore/growth");
        Answer::json(
            &json!({"series": [{"bucketStart": "2026-03-01T00:00:00.000Z",
            "group": null, "bytesAdded": 3_000_000, "bytesRemoved": 0, "netBytes": 3_000_000,
            "totalBytes": 5_000_000_000_i64, "filesAdded": 2, "filesRemoved": 0, "files": 12,
            "changes": 2}], "truncated": false, "warnings": ["a\u{7}b"]}),
        )
    });
    let ran = services.run(&["growth"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with("DAY "), "{}", ran.out);
    assert!(
        lines[1].contains("2.9M") && lines[1].contains("4.7G"),
        "{}",
        ran.out
    );
    assert_eq!(ran.err, "warning: a\\u{7}b\n");
    let csv = services.run(&["growth", "-o", "csv"]).out;
    assert!(
        csv.contains("2026-03-01T00:00:00.000Z,,3000000,0,3000000,5000000000,"),
        "{csv}"
    );
    let json = services.run(&["growth", "-o", "json"]).json();
    assert_eq!(json[0]["totalBytes"], json!(5_000_000_000_i64));

    let args = [
        "growth",
        "/srv/data/a",
        "--from",
        "2026-03-01",
        "--bucket",
        "week",
    ];
    services.run(&[&args[..], &["--group-by", "prefix", "--depth", "2"]].concat());
    let asked = services.timestore.asked().pop().unwrap().query;
    for (name, value) in [
        ("mount", "1"),
        ("pathPrefix", "a"),
        ("from", "2026-03-01T00:00:00.000Z"),
        ("bucket", "week"),
        ("groupBy", "prefix"),
        ("depth", "2"),
    ] {
        assert_eq!(asked[name], value);
    }
}

#[test]
fn churn_top_and_as_of_ask_the_timestore() {
    let services = Services::new(one_mount, nothing, |asked: &Asked| {
        let rows = json!([{"nodeId": 1, "path": "a", "sizeBytes": 2048}]);
        match asked.path.as_str() {
            "/filestore/as-of" => Answer::json(
                &json!({"nodes": rows, "files": 1, "at": "2026-02-22T00:00:00.000Z",
                "directories": 2, "sizeBytes": 2048, "warnings": []}),
            ),
            "/filestore/churn" => Answer::json(&json!({"rows": [{"group": "a", "nodeId": 1,
                "changes": 3, "bytesWritten": 2048}], "warnings": []})),
            _ => Answer::json(&json!({"rows": rows, "warnings": []})),
        }
    });
    let order = [
        "churn",
        "--order",
        "bytesWritten",
        "--group-by",
        "node",
        "--limit",
        "5",
    ];
    for (args, line, name, value) in [
        (&order[..], "GET /filestore/churn", "order", "bytesWritten"),
        (
            &["top", "untouched"],
            "GET /filestore/top",
            "by",
            "untouched",
        ),
        (
            &["as-of", "2026-03-01"],
            "GET /filestore/as-of",
            "at",
            "2026-03-01T00:00:00.000Z",
        ),
    ] {
        let ran = services.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("2.0K"), "{}", ran.out);
        assert_eq!(services.timestore.asked_once(line).query[name], value);
    }
    let ran = services.run(&["as-of", "7d", "data:"]);
    assert_eq!(
        ran.err,
        "as of 2026-02-22T00:00:00.000Z: 1 files in 2 directories, 2.0K\n"
    );
}

#[test]
fn top_looks_for_directories_down_to_a_depth() {
    let services = Services::new(nothing, nothing, |_: &Asked| {
        Answer::json(
            &json!({"rows": [{"path": "media", "backendMountId": 1, "sizeBytes": 2048,
            "grownBytes": 0, "files": 3, "lastChangeAt": "2026-03-01T00:00:00.000Z"}],
            "truncated": false, "warnings": []}),
        )
    });
    let ran = services.run(&["top", "--dirs", "--depth", "2", "-o", "csv"]);
    assert_eq!(
        ran.out,
        "path,sizeBytes,grownBytes,files,lastChangeAt,backendMountId\n\
         media,2048,0,3,2026-03-01T00:00:00.000Z,1\n"
    );
    let asked = services.timestore.asked_once("GET /filestore/top").query;
    for (name, value) in [("of", "directories"), ("depth", "2"), ("by", "largest")] {
        assert_eq!(asked[name], value);
    }
    let refused = services.run(&["top", "--depth", "2"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--dirs"), "{}", refused.err);
}

#[test]
fn sql_prints_rows_as_a_table_and_passes_csv_and_ndjson_through() {
    let services = Services::new(nothing, nothing, |asked: &Asked| {
        assert_eq!(asked.line(), "POST /sql/read");
        assert_eq!(asked.json()["sql"], "SELECT 1");
        match asked.headers["accept"].to_str().unwrap() {
            "text/csv" => {
                Answer::text("n,t\r\n1,\"x\r\ny\"\r\n").header("Tidemark-Truncated", true)
            }
            "application/x-ndjson" => Answer::text("{\"n\":1,\"t\":\"x\"}\n"),
            _ => Answer::json(&json!({"columns": [{"name": "t"}, {"name": "n"}],
                "rows": [{"n": 1, "t": "x"}], "truncated": true, "warnings": ["cut"]})),
        }
    });
    let ran = services.run(&["sql", "SELECT 1"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "T  N\nx  1\n"), "{ran:?}");
    assert!(ran.err.starts_with("warning: cut\n"), "{}", ran.err);
    let ran = services.run(&["sql", "SELECT 1", "-o", "csv"]);
    assert_eq!(ran.out, "n,t\n1,\"x\r\ny\"\n");
    assert!(ran.err.contains("not all rows"), "{}", ran.err);
    assert_eq!(
        services.run(&["sql", "SELECT 1", "-o", "ndjson"]).out,
        "{\"n\":1,\"t\":\"x\"}\n"
    );

    let mut child = services
        .command(&["sql", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 1").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (0, "T  N\nx  1\n"));
    let mut command = services.command(&["sql"]);
    command.stdin(Stdio::null());
    let ran = run(command);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the statement is empty"), "{}", ran.err);
}

#[test]
fn a_reader_that_has_had_enough_ends_the_command_quietly() {
    let rows: String = (0..200_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let json: Vec<_> = (0..50_000).map(|n| json!({ "n": n })).collect();
    let json = json!({"columns": [{"name": "n"}], "rows": json});
    let services = Services::new(nothing, nothing, move |asked: &Asked| {
        match asked.headers["accept"].to_str().unwrap() {
            "application/x-ndjson" => Answer::text(rows.clone()),
            _ => Answer::json(&json),
        }
    });
    for format in ["ndjson", "json", "table"] {
        let mut child = services
            .command(&["sql", "SELECT 1", "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{format}");
    }
}
