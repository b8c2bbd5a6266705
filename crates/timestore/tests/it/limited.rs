//! A token that is limited to paths: what it sees, and what it cannot make the service tell.

use crate::support::{Answer, Fixture, Tree};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const LIMITED: &str = "limited-0123456789abcdef";
const READER: &str = "reader-0123456789abcdef";
const WRITER: &str = "writer-0123456789abcdef";

/// A timestore with tokens and a history: files that stay where the limited token may see them or
/// may not, and one that moves each way.
fn served() -> Fixture {
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    tree.create("open", false, 0);
    tree.file("open/a", 10);
    tree.file("openly-secret", 3);
    tree.file("secret/salaries", 1_000);
    let comes = tree.file("secret/comes", 5);
    let leaves = tree.file("open/leaves", 7);
    tree.at("2026-03-02T12:00:00Z").rename(comes, "open/came");
    tree.at("2026-03-03T12:00:00Z")
        .rename(leaves, "secret/left");
    served_with(&tree)
}

fn served_with(tree: &Tree) -> Fixture {
    served_under(tree, "open")
}

/// The limited token sees what is at this prefix and below.
fn served_under(tree: &Tree, prefix: &str) -> Fixture {
    let mut fixture = Fixture::new();
    let words = httpkit::Vocabulary {
        scopes: &["timestore:read", "timestore:write"],
        with_paths: &["timestore:read"],
    };
    let tokens = json!([
        {"token": LIMITED, "subject": "lim", "scopes": ["timestore:read"],
         "paths": [{"mount": 1, "prefix": prefix}]},
        {"token": READER, "subject": "rita", "scopes": ["timestore:read"]},
        {"token": WRITER, "subject": "will", "scopes": ["timestore:read", "timestore:write"]},
    ]);
    let path = fixture.dir.path().join("tokens.json");
    std::fs::write(&path, tokens.to_string()).unwrap();
    let tokens = Arc::new(httpkit::Tokens::load(&path, words).unwrap());
    fixture.router = httpkit::App::new("timestore", "Timestore", fixture.timestore.router())
        .tokens(Some(tokens))
        .into_router();
    tree.apply_to(&fixture);
    fixture
}

async fn get(fixture: &Fixture, token: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    fixture.call(Method::GET, path, &headers, "").await
}

async fn send(fixture: &Fixture, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    fixture.call(method, path, &headers, body.to_string()).await
}

async fn sql(fixture: &Fixture, sql: &str) -> Answer {
    send(
        fixture,
        LIMITED,
        Method::POST,
        "/sql/read",
        &json!({"sql": sql}),
    )
    .await
}

/// Puts a dataset of its own beside the activity.
async fn with_dataset(fixture: &Fixture) {
    let body = json!({
        "schema": {"fields": [{"name": "at", "type": "timestamp"}, {"name": "word", "type": "string"}]},
        "partition": {"key": "k", "timeRange":
            {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}},
        "rows": [{"at": "2026-01-01T01:00:00Z", "word": "secret"}],
    });
    let path = "/datasets/payroll/ingest";
    let answer = send(fixture, WRITER, Method::POST, path, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[tokio::test]
async fn every_question_is_about_the_permitted_paths_only() {
    let fixture = served();
    let rows = |path: &'static str, name: &'static str| {
        let fixture = &fixture;
        async move { get(fixture, LIMITED, path).await.rows(name) }
    };
    let series = rows("/filestore/growth", "series").await;
    let of = |name: &str| -> Vec<Value> { series.iter().map(|it| it[name].clone()).collect() };
    assert_eq!(of("bytesAdded"), [json!(17), json!(5), json!(0)]);
    assert_eq!(of("bytesRemoved"), [json!(0), json!(0), json!(7)]);
    assert_eq!(of("totalBytes"), [json!(17), json!(22), json!(15)]);
    assert_eq!(of("files"), [json!(2), json!(3), json!(2)]);

    let paths = |rows: Vec<Value>| -> Vec<Value> {
        let path = |row: &Value| row["path"].clone();
        rows.iter().map(path).collect()
    };
    let top = rows("/filestore/top", "rows").await;
    assert_eq!(paths(top), [json!("open/a"), json!("open/came")]);
    let directories = rows("/filestore/top?of=directories&depth=9", "rows").await;
    let held: Vec<_> = directories
        .iter()
        .map(|row| json!([row["path"], row["sizeBytes"], row["files"]]))
        .collect();
    assert_eq!(held, [json!(["open", 15, 2])]);
    let tree = get(
        &fixture,
        LIMITED,
        "/filestore/as-of?at=2026-03-02T00:00:00Z",
    )
    .await;
    assert_eq!(tree.json()["sizeBytes"], 17);
    let shown = [json!("open"), json!("open/a"), json!("open/leaves")];
    assert_eq!(paths(tree.rows("nodes")), shown);
    let nodes = get(&fixture, LIMITED, "/filestore/nodes").await;
    assert_eq!(nodes.text.lines().count(), 3, "{}", nodes.text);
    // The same token with a prefix outside of what it may see.
    assert!(
        rows("/filestore/top?pathPrefix=secret", "rows")
            .await
            .is_empty()
    );
    assert!(
        rows("/filestore/growth?pathPrefix=secret", "series")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn what_is_counted_is_counted_at_permitted_paths() {
    let mut tree = Tree::new();
    let files: Vec<i64> = ["open/a", "open/b", "secret/a", "openly"]
        .map(|path| tree.file(path, 10))
        .to_vec();
    // At the same path of a mount that the token does not have.
    tree.mount = 2;
    let elsewhere = tree.file("open/a", 10);
    for id in files.iter().chain([&elsewhere]) {
        tree.rewrite(*id, 20);
    }
    tree.at("2026-03-02T00:00:00Z");
    for id in files {
        tree.lose(id);
    }
    let fixture = served_with(&tree);
    let of = async |token: &str, path: &str| get(&fixture, token, path).await.rows("rows");

    for (token, missing, groups, rewrites) in [
        (LIMITED, 2, json!(["open/a", "open/b"]), 2),
        (
            READER,
            4,
            json!(["open/a", "open/a", "open/b", "openly", "secret/a"]),
            5,
        ),
    ] {
        let days = of(token, "/filestore/reconciliation").await;
        assert_eq!((days.len(), &days[0]["nodesMissing"]), (1, &json!(missing)));
        let nodes = of(token, "/filestore/churn?groupBy=node").await;
        let mut named: Vec<_> = nodes.iter().map(|row| row["group"].as_str()).collect();
        named.sort_unstable();
        assert_eq!(json!(named), groups);
        let all = of(token, "/filestore/churn?groupBy=command").await;
        let sum = |rows: &[Value]| {
            rows.iter()
                .filter_map(|row| row["rewritten"].as_i64())
                .sum()
        };
        let (in_all, by_node): (i64, i64) = (sum(&all), sum(&nodes));
        assert_eq!((in_all, by_node), (rewrites, rewrites), "{all:?}");
    }
}

#[tokio::test]
async fn no_route_tells_of_other_paths_or_datasets() {
    let fixture = served();
    with_dataset(&fixture).await;
    let saved = json!({"statement": "SELECT 'secret'"});
    send(&fixture, WRITER, Method::PUT, "/sql/saved/one", &saved).await;
    let mut paths: Vec<String> = [
        "/filestore/growth?groupBy=prefix",
        "/filestore/growth?groupBy=prefix&depth=2",
        "/filestore/growth?groupBy=command",
        "/filestore/churn",
        "/filestore/churn?groupBy=node",
        "/filestore/churn?groupBy=prefix&depth=3",
        "/filestore/top?by=untouched",
        "/filestore/as-of?at=2026-04-01T00:00:00Z",
        "/filestore/reconciliation",
        "/filestore/nodes",
        "/filestore/digest",
        "/filestore/integrity",
        "/sql/schema",
        "/sql/saved",
        "/sql/saved/one",
        "/admin/datasets",
        "/admin/datasets/filestore_activity",
        "/admin/datasets/payroll/retention",
        "/metrics",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.extend((1..8).map(|id| format!("/filestore/nodes/{id}/timeline")));
    let forms = ["ndjson", "csv", "arrow"];
    let questions = paths.iter().filter(|path| path.starts_with("/filestore/"));
    let in_forms = questions.flat_map(|path| {
        let join = if path.contains('?') { '&' } else { '?' };
        forms.map(|form| format!("{path}{join}format={form}"))
    });
    let in_forms: Vec<_> = in_forms.collect();
    paths.extend(in_forms);
    for path in &paths {
        let answer = get(&fixture, LIMITED, path).await;
        for word in ["secret", "salaries", "comes", "left", "\"word\""] {
            assert!(!answer.text.contains(word), "{path}: {}", answer.text);
        }
    }
    // What is not about the permitted rows only is refused, whether it is there or not.
    for path in [
        "/admin/datasets",
        "/admin/datasets/payroll",
        "/admin/datasets/absence",
        "/admin/datasets/payroll/retention",
        "/v1/admin/datasets/payroll",
        "/filestore/digest",
        "/filestore/integrity",
        "/sql/saved",
        "/sql/saved/one",
        "/sql/saved/absence",
        "/sql/schema",
    ] {
        let answer = get(&fixture, LIMITED, path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(
        get(&fixture, READER, "/admin/datasets/payroll")
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_timeline_has_the_entries_at_permitted_paths() {
    let fixture = served();
    // In the order of `served`: what stays, what is beside the prefix, what comes and what leaves.
    for (id, expected) in [
        (2, json!([["open/a", null]])),
        (3, json!([])),
        (4, json!([])),
        (5, json!([["open/came", null]])),
        (6, json!([["open/leaves", null]])),
        (999, json!([])),
    ] {
        let path = format!("/filestore/nodes/{id}/timeline");
        let answer = get(&fixture, LIMITED, &path).await;
        let rows = answer.rows("rows").into_iter();
        let rows: Vec<Value> = rows
            .map(|row| json!([row["path"], row["previousPath"]]))
            .collect();
        assert_eq!(json!(rows), expected, "{id}");
        assert_eq!(answer.json()["nextCursor"], Value::Null);
    }
    let whole = get(&fixture, READER, "/filestore/nodes/5/timeline").await;
    assert_eq!(
        whole.rows("rows")[1]["previousPath"],
        json!("secret/comes"),
        "a token without paths"
    );
}

#[tokio::test]
async fn of_the_datasets_the_activity_is_queried_for_the_permitted_rows() {
    let fixture = served();
    with_dataset(&fixture).await;
    let range = json!({"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"});
    let body = json!({"timeRange": range, "columns": ["path", "previous_path"]});
    for slug in ["payroll", "absence"] {
        for prefix in ["", "/v1"] {
            let path = format!("{prefix}/datasets/{slug}/query");
            let answer = send(&fixture, LIMITED, Method::POST, &path, &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    let activity = "/datasets/filestore_activity/query";
    for path in [activity, "/v1/datasets/filestore_activity/query"] {
        let answer = send(&fixture, LIMITED, Method::POST, path, &body).await;
        let rows = answer.rows("rows");
        let mut paths: Vec<_> = rows.iter().map(|row| row["path"].as_str()).collect();
        paths.sort_unstable();
        let expected = ["open", "open/a", "open/came", "open/leaves"].map(Some);
        assert_eq!(paths, expected, "{path}");
        assert!(rows.iter().all(|row| row["previous_path"].is_null()));
    }
    // What is asked of rows is not asked of those that are not permitted.
    for (filter, count) in [
        (json!({"path": {"prefix": "secret"}}), 0),
        (json!({"path": {"prefix": "open"}}), 4),
        (json!({"node_id": {"eq": 6}}), 1),
    ] {
        let body = json!({"timeRange": range, "filters": {"columns": filter}});
        let answer = send(&fixture, LIMITED, Method::POST, activity, &body).await;
        assert_eq!(answer.rows("rows").len(), count, "{filter}");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
    let body = json!({"timeRange": range, "downsample": {"intervalSize": 1, "intervalUnit": "month",
        "aggregations": [{"fn": "sum", "column": "size_delta", "alias": "bytes"},
            {"fn": "count_distinct", "column": "previous_path", "alias": "from"}]}});
    let answer = send(&fixture, LIMITED, Method::POST, activity, &body).await;
    let rows = answer.rows("rows");
    assert_eq!((rows.len(), &rows[0]["from"]), (1, &json!(0)), "{rows:?}");
    for form in ["ndjson", "csv", "arrow"] {
        let path = format!("{activity}?format={form}");
        let body = json!({"timeRange": range});
        let answer = send(&fixture, LIMITED, Method::POST, &path, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(answer.text.contains("open/came"), "{form}");
        for word in ["secret", "salaries", "comes"] {
            assert!(!answer.text.contains(word), "{form}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn sql_has_the_rows_as_the_view_has_them() {
    let fixture = served();
    let rows = sql(
        &fixture,
        "SELECT path, previous_path FROM filestore_activity",
    )
    .await;
    let rows = rows.rows("rows");
    assert_eq!(rows.len(), 4, "{rows:?}");
    let came = rows.iter().find(|row| row["path"] == "open/came").unwrap();
    assert_eq!(came["previous_path"], Value::Null);
}

#[tokio::test]
async fn sql_reads_the_permitted_rows() {
    let fixture = served();
    for (statement, expected) in [
        ("SELECT count(*) FROM filestore_activity", 4),
        ("SELECT count(*) FROM FILESTORE_ACTIVITY", 4),
        ("SELECT count(*) FROM \"Filestore_Activity\" AS a", 4),
        (
            "WITH x AS (FROM filestore_activity) SELECT count(*) FROM x",
            4,
        ),
        (
            "SELECT count(*) FROM (SELECT * FROM filestore_activity) t WHERE path IS NOT NULL",
            4,
        ),
        (
            "SELECT count(*) FROM filestore_activity WHERE path LIKE 'secret%'",
            0,
        ),
        ("SELECT count(previous_path) FROM filestore_activity", 0),
        ("SELECT sum(size_delta) FROM filestore_activity", 17),
        (
            "SELECT count(*) FROM filestore_activity a JOIN filestore_activity b USING (journal_id)",
            4,
        ),
        // Nothing of a person's is evaluated on rows that are not theirs.
        (
            "SELECT count(*) FROM filestore_activity WHERE CASE WHEN path LIKE 'open%' THEN TRUE \
             ELSE CAST(path AS INTEGER) = 1 END",
            4,
        ),
    ] {
        let answer = sql(&fixture, statement).await;
        let rows = answer.rows("rows");
        let value = rows[0].as_object().unwrap().values().next().unwrap();
        // A sum is a HUGEINT, which comes as text.
        let value = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        assert_eq!(value, Some(expected), "{statement}");
    }
    // The next statement of another token sees everything again.
    let body = json!({"sql": "SELECT count(*) AS n FROM main.filestore_activity"});
    let rows = send(&fixture, READER, Method::POST, "/sql/read", &body)
        .await
        .rows("rows");
    assert_eq!(rows[0]["n"], 8);
}

#[tokio::test]
async fn no_statement_reaches_past_the_view() {
    let fixture = served();
    with_dataset(&fixture).await;
    for statement in [
        "SELECT * FROM main.filestore_activity",
        "SELECT * FROM \"main\".\"filestore_activity\"",
        "SELECT * FROM timestore.main.filestore_activity",
        "SELECT * FROM timestore.filestore_activity",
        "WITH timestore AS (SELECT 1) SELECT * FROM timestore.filestore_activity",
        "WITH main AS (SELECT 1) SELECT * FROM main.filestore_activity",
        "SELECT * FROM tidemark.activity",
        "SELECT * FROM tidemark.saved_sql",
        "SELECT * FROM payroll",
        "SELECT * FROM (WITH payroll AS (SELECT 1) FROM payroll) AS a, payroll",
        "SELECT * FROM (WITH duckdb_tables AS (SELECT 1) FROM duckdb_tables) AS a, duckdb_tables",
        "SELECT * FROM query('FROM main.filestore_activity')",
        "SELECT * FROM query_table('payroll')",
        "SELECT * FROM query_table(['filestore_activity'])",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM duckdb_columns()",
        "SELECT * FROM duckdb_tables",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pragma_storage_info('main.filestore_activity')",
        "SELECT * FROM pragma_table_info('payroll')",
        "SELECT stats(path) FROM filestore_activity LIMIT 1",
        "SELECT pg_get_viewdef(0)",
        "SELECT current_setting('temp_directory')",
        "DESCRIBE payroll",
        "DESCRIBE main.filestore_activity",
        "SUMMARIZE main.filestore_activity",
        "SUMMARIZE payroll",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "SELECT * FROM (DESCRIBE payroll)",
        "SELECT (SELECT max(word) FROM payroll)",
        "SELECT 1 WHERE EXISTS (FROM payroll)",
        "SELECT * FROM filestore_activity UNION ALL BY NAME SELECT * FROM payroll",
        // Refused by an error, which must not quote what it failed at.
        "SELECT * FROM filestore_activity WHERE CAST(path AS INTEGER) = 1",
        "SELECT * FROM filestore_activity a JOIN range(3) r(i) ON CAST(a.path AS INTEGER) = r.i",
        "SELECT max(CAST(path AS DATE)) FROM filestore_activity",
        "SELECT * FROM filestore_activity WHERE path > 'p' AND error(path) IS NULL",
        "SELECT rowid FROM filestore_activity",
        "WITH payrol AS (SELECT 1) SELECT * FROM (SELECT 1) AS a, payrol, payrol2",
        "SELECT * FROM (WITH payrol AS (SELECT 1) FROM payrol) AS a, payrol",
    ] {
        let answer = sql(&fixture, statement).await;
        for word in [
            "secret",
            "salaries",
            "comes",
            "left",
            "word",
            "temp_directory =",
        ] {
            assert!(!answer.text.contains(word), "{statement}: {}", answer.text);
        }
        let names = statement.matches("payroll").count();
        assert!(
            names > 0 || !answer.text.contains("payroll"),
            "{statement}: {}",
            answer.text
        );
        let is_harmless = statement.contains("path > 'p'");
        assert!(
            is_harmless || [400, 403].contains(&answer.status.as_u16()),
            "{statement}: {} {}",
            answer.status,
            answer.text
        );
    }
}

#[tokio::test]
async fn summaries_of_the_view_are_of_its_rows() {
    let fixture = served();
    for statement in [
        "SUMMARIZE filestore_activity",
        "DESCRIBE filestore_activity",
    ] {
        let answer = sql(&fixture, statement).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{statement}: {}",
            answer.text
        );
        assert!(
            !answer.text.contains("secret"),
            "{statement}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_prefix_that_looks_like_a_place_to_fill_in_is_a_prefix() {
    const ODD: &str = "{after}{rows}{from}{parts}'{inside}{keys}{until}";
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    tree.create(ODD, false, 0);
    tree.file(&format!("{ODD}/a"), 10);
    tree.file("secret", 1_000);
    let fixture = served_under(&tree, ODD);
    for question in [
        "usage?by=user",
        "usage?by=prefix,age&at=2026-03-02T00:00:00Z",
        "as-of?at=2026-03-02T00:00:00Z",
        "top",
        "top?by=growing",
        "top?of=directories",
        "growth?bucket=day",
        "growth?bucket=day&groupBy=prefix",
        "churn",
        "duplicates",
        "nodes/2/timeline",
        "reconciliation",
    ] {
        let answer = get(&fixture, LIMITED, &format!("/filestore/{question}")).await;
        let text = &answer.text;
        assert_eq!(answer.status, StatusCode::OK, "{question}: {text}");
        assert!(!text.contains("1000"), "{question}: {text}");
    }
    let usage = get(&fixture, LIMITED, "/filestore/usage?by=mount").await;
    assert_eq!(usage.rows("rows")[0]["sizeBytes"], 10);
}
