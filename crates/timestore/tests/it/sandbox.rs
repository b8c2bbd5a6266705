//! A person's SQL: what it may, what it may not, and how results are written out.

mod forms;

use crate::support::{Answer, Fixture, Tree};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn fixture() -> Fixture {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_secs(2));
    let mut tree = Tree::new();
    for number in 0..50 {
        tree.file(&format!("f{number}"), number);
    }
    tree.apply_to(&fixture);
    fixture
}

async fn read(fixture: &Fixture, sql: &str) -> Answer {
    fixture.post("/sql/read", &json!({"sql": sql})).await
}

#[tokio::test]
async fn reads_are_allowed() {
    let fixture = fixture().await;
    for sql in [
        "SELECT count(*) FROM filestore_activity",
        "select 1;",
        "  ;select 1 -- ; DELETE FROM filestore_activity",
        "SELECT ';' /* ; */ , 'DELETE'",
        "FROM filestore_activity LIMIT 1",
        "VALUES (1), (2)",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) FROM r",
        "DESCRIBE filestore_activity",
        "SHOW TABLES",
        "SUMMARIZE filestore_activity",
        "SELECT * FROM range(3)",
        "SELECT unnest([1, 2])",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM json_each('{\"a\":1}')",
        "SELECT time_bucket(INTERVAL 1 DAY, observed_at) AS d, count(*) FROM filestore_activity GROUP BY d",
        "SELECT date_trunc('month', observed_at) FROM filestore_activity LIMIT 1",
        "SELECT x FROM (PIVOT filestore_activity ON kind IN ('file') USING count(*)) AS p(x)",
        "SELECT * FROM tidemark.filestore_sync",
    ] {
        let answer = read(&fixture, sql).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text);
    }
}

/// Statements that are refused, and by what.
const HOSTILE: &[(&str, &str)] = &[
    // Not reads.
    ("DELETE FROM filestore_activity", "statement_refused"),
    (
        "INSERT INTO filestore_activity (path) VALUES ('x')",
        "statement_refused",
    ),
    (
        "UPDATE filestore_activity SET path = 'x'",
        "statement_refused",
    ),
    (
        "WITH d AS (DELETE FROM filestore_activity RETURNING *) SELECT * FROM d",
        "invalid_sql",
    ),
    ("CREATE TABLE t (i INTEGER)", "statement_refused"),
    ("CREATE TEMP TABLE t (i INTEGER)", "statement_refused"),
    ("CREATE MACRO m() AS 1", "statement_refused"),
    ("DROP TABLE filestore_activity", "statement_refused"),
    (
        "ALTER TABLE filestore_activity ADD COLUMN x INTEGER",
        "statement_refused",
    ),
    ("TRUNCATE filestore_activity", "statement_refused"),
    (
        "COPY filestore_activity TO '/tmp/x.csv'",
        "statement_refused",
    ),
    (
        "COPY filestore_activity FROM '/etc/passwd'",
        "statement_refused",
    ),
    ("EXPORT DATABASE '/tmp/x'", "statement_refused"),
    ("ATTACH '/tmp/x.duckdb'", "statement_refused"),
    ("USE tidemark", "statement_refused"),
    ("INSTALL httpfs", "statement_refused"),
    ("LOAD httpfs", "statement_refused"),
    ("SET memory_limit = '100GB'", "statement_refused"),
    ("RESET memory_limit", "statement_refused"),
    ("SET VARIABLE x = 1", "statement_refused"),
    ("PRAGMA database_list", "statement_refused"),
    ("PRAGMA enable_profiling", "statement_refused"),
    ("CALL enable_logging('QueryLog')", "statement_refused"),
    ("CHECKPOINT", "statement_refused"),
    ("FORCE CHECKPOINT", "statement_refused"),
    ("VACUUM", "statement_refused"),
    ("PREPARE p AS SELECT 1", "statement_refused"),
    ("EXECUTE p", "statement_refused"),
    (
        "EXPLAIN ANALYZE DELETE FROM filestore_activity",
        "statement_refused",
    ),
    // Leaving the transaction, and several statements.
    ("BEGIN", "statement_refused"),
    ("COMMIT", "statement_refused"),
    ("ROLLBACK", "statement_refused"),
    (
        "COMMIT; DELETE FROM filestore_activity",
        "statement_refused",
    ),
    ("SELECT 1; SELECT 2", "statement_refused"),
    (
        "SELECT 1; COMMIT; DELETE FROM filestore_activity; SELECT 2",
        "statement_refused",
    ),
    (
        "SELECT 1 /* ; */; DELETE FROM filestore_activity --",
        "statement_refused",
    ),
    (
        "SELECT 1) ; DELETE FROM filestore_activity; SELECT (1",
        "invalid_sql",
    ),
    ("", "statement_refused"),
    (";", "statement_refused"),
    ("-- nothing", "statement_refused"),
    ("SELECT '", "invalid_sql"),
    ("SELECT $$", "invalid_sql"),
    // Files and the network, however they are spelled.
    ("SELECT * FROM read_csv('/etc/passwd')", "statement_refused"),
    (
        "SELECT * FROM \"read_csv\"('/etc/passwd')",
        "statement_refused",
    ),
    (
        "SELECT * FROM READ_CSV_AUTO('/etc/passwd')",
        "statement_refused",
    ),
    (
        "SELECT * FROM main.read_text('/etc/passwd')",
        "statement_refused",
    ),
    ("SELECT * FROM read/**/_text('/etc/passwd')", "invalid_sql"),
    (
        "SELECT * FROM read_text /* x */ ('/etc/passwd')",
        "statement_refused",
    ),
    (
        "SELECT * FROM read_blob('{dir}/timestore.duckdb')",
        "statement_refused",
    ),
    (
        "SELECT * FROM read_duckdb('{dir}/timestore.duckdb')",
        "statement_refused",
    ),
    (
        "SELECT * FROM parquet_scan('x.parquet')",
        "statement_refused",
    ),
    (
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "statement_refused",
    ),
    ("SELECT * FROM glob('/*')", "statement_refused"),
    ("SELECT * FROM '/etc/passwd'", "statement_refused"),
    ("SELECT * FROM \"/etc/passwd\"", "statement_refused"),
    (
        "SELECT * FROM '{dir}/timestore.duckdb'",
        "statement_refused",
    ),
    (
        "SELECT * FROM 'https://example.com/x.csv'",
        "statement_refused",
    ),
    ("SELECT * FROM 'x.csv'", "statement_refused"),
    ("DESCRIBE '/etc/passwd'", "statement_refused"),
    ("SUMMARIZE 'x.csv'", "statement_refused"),
    (
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "statement_refused",
    ),
    (
        "SELECT 1 WHERE EXISTS (FROM read_text('/etc/passwd'))",
        "statement_refused",
    ),
    (
        "WITH x AS (FROM read_text('/etc/passwd')) FROM x",
        "statement_refused",
    ),
    (
        "SELECT 1 UNION ALL SELECT size FROM read_text('/etc/passwd')",
        "statement_refused",
    ),
    (
        "SELECT * FROM filestore_activity, LATERAL (FROM glob('/*'))",
        "statement_refused",
    ),
    (
        "SELECT * FROM (PIVOT (FROM glob('/*')) ON file IN ('x') USING count(*))",
        "statement_refused",
    ),
    (
        "SELECT * FROM query('DELETE FROM filestore_activity')",
        "statement_refused",
    ),
    (
        "SELECT * FROM query_table('filestore_activity')",
        "statement_refused",
    ),
    (
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM glob(''/*'')'))",
        "statement_refused",
    ),
    // Functions that act when they are read.
    ("SELECT * FROM checkpoint()", "statement_refused"),
    ("SELECT * FROM force_checkpoint()", "statement_refused"),
    (
        "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '/tmp/x')",
        "statement_refused",
    ),
    ("SELECT * FROM truncate_duckdb_logs()", "statement_refused"),
    ("SELECT * FROM arrow_scan(1, 1, 1)", "statement_refused"),
    ("SELECT * FROM duckdb_secrets()", "statement_refused"),
    ("SELECT * FROM duckdb_settings()", "statement_refused"),
    (
        "SELECT nextval('tidemark.dataset_ids')",
        "statement_refused",
    ),
    ("SELECT write_log('x')", "statement_refused"),
    ("SELECT getenv('HOME')", "invalid_sql"),
    ("SELECT repeat('x', 3000000000)", "statement_refused"),
    ("SELECT lpad('x', 2000000000, 'y')", "statement_refused"),
    // Plain mistakes.
    ("SELECT nope FROM filestore_activity", "invalid_sql"),
    ("SELECT * FROM nope", "invalid_sql"),
    ("SELEC 1", "invalid_sql"),
    ("SELECT ?", "invalid_sql"),
];

#[tokio::test]
async fn nothing_but_reads_of_the_stores_tables_is_run() {
    let fixture = fixture().await;
    let dir = fixture.dir.path().display().to_string();
    let before = fixture.timestore.content_digest().unwrap();
    for (sql, code) in HOSTILE {
        let sql = sql.replace("{dir}", &dir);
        let answer = read(&fixture, &sql).await;
        assert_eq!(answer.problem().1, *code, "{sql}: {}", answer.text);
        assert!(
            matches!(answer.status.as_u16(), 400 | 403),
            "{sql}: {}",
            answer.status
        );
        assert!(!answer.text.contains("root:"), "{sql} shows a file");
        assert!(
            !answer.text.contains(&dir) || sql.contains(&dir),
            "{sql} shows where the data is"
        );
    }
    assert_eq!(
        fixture.timestore.content_digest().unwrap(),
        before,
        "nothing was changed"
    );
    let tables = fixture.get("/sql/schema").await.rows("tables");
    let names: Vec<_> = tables.iter().map(|table| &table["name"]).collect();
    assert_eq!(
        names,
        ["filestore_activity", "filestore_dead_letters"],
        "nothing was made"
    );
}

#[tokio::test]
async fn depth_and_length_do_no_harm() {
    let fixture = fixture().await;
    let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    let sum = |n: usize| format!("SELECT {} AS s", vec!["1"; n].join("+"));
    assert_eq!(
        read(&fixture, &sum(200)).await.rows("rows"),
        vec![json!({"s": 200})]
    );
    for sql in [sum(5_000), nested(30_000)] {
        assert_eq!(
            read(&fixture, &sql).await.problem().1,
            "invalid_sql",
            "{}",
            sql.len()
        );
    }
    let deep = read(&fixture, &sum(900)).await;
    assert!(deep.text.contains("nested too deeply"), "{}", deep.text);
    assert_eq!(
        read(&fixture, &sum(40_000)).await.problem().1,
        "statement_refused"
    );
    let nul = read(&fixture, "SELECT 1\0; DELETE FROM filestore_activity").await;
    assert_eq!(nul.problem().0, 400, "{}", nul.text);
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_stopped() {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_millis(300));
    let started = Instant::now();
    let endless =
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3";
    let answer = read(&fixture, endless).await;
    assert_eq!(answer.problem().1, "statement_timeout", "{}", answer.text);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    // The next one is not hit by it.
    for _ in 0..20 {
        assert_eq!(fixture.value("SELECT 1 AS x").await, json!(1));
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_frees_its_thread() {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_secs(3600));
    let endless =
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3";
    // More than there are threads.
    for _ in 0..4 {
        let gone = tokio::time::timeout(Duration::from_millis(50), read(&fixture, endless)).await;
        assert!(gone.is_err());
    }
    assert_eq!(fixture.value("SELECT 1 AS x").await, json!(1));
}

#[tokio::test]
async fn when_too_many_wait_the_rest_is_turned_away() {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_millis(400));
    let endless =
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3";
    let answers = futures::future::join_all((0..60).map(|_| read(&fixture, endless))).await;
    let turned_away: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(turned_away.len() >= 20, "{}", turned_away.len());
    assert!(turned_away[0].headers.contains_key("retry-after"));
    // The API's own reads do not wait behind them.
    assert_eq!(fixture.get("/filestore/growth").await.status, 200);
}

#[tokio::test]
async fn memory_is_bounded_and_the_error_says_so() {
    let fixture = Fixture::with(|options| {
        options.memory_limit_bytes = 48 << 20;
        // It is the memory that ends it, however busy the machine is.
        options.sql_timeout = Duration::from_secs(600);
    });
    let answer = read(
        &fixture,
        "SELECT max(l) FROM (SELECT list(range ORDER BY hash(range)) AS l FROM range(20000000))",
    )
    .await;
    assert_eq!(answer.problem().1, "invalid_sql", "{}", answer.text);
    assert!(answer.text.contains("more memory"), "{}", answer.text);
    assert_eq!(fixture.value("SELECT 1 AS x").await, json!(1));
}

#[tokio::test]
async fn a_large_result_is_cut_with_a_warning() {
    let fixture = Fixture::with(|options| {
        options.sql_max_rows = 5_000;
        options.memory_limit_bytes = 512 << 20;
    });
    let answer = read(&fixture, "SELECT * FROM range(10000000000)").await;
    let json = answer.json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 5_000);
    assert_eq!(
        (&json["truncated"], &json["statistics"]["rowCount"]),
        (&json!(true), &json!(5_000))
    );
    assert_eq!(
        json["warnings"],
        json!(["only the first 5000 rows are given"])
    );
    assert_eq!(answer.headers["tidemark-truncated"], "true");
    let whole = read(&fixture, "SELECT * FROM range(5000)").await.json();
    assert_eq!(
        (&whole["truncated"], &whole["warnings"]),
        (&json!(false), &json!([]))
    );
    // By bytes as well.
    let wide = format!(
        "SELECT range AS n, repeat('{}', 480) AS t FROM range(4000)",
        "x".repeat(100)
    );
    let json = read(&fixture, &wide).await.json();
    assert_eq!(json["truncated"], json!(true), "{}", json["statistics"]);
    let rows = json["rows"].as_array().unwrap().len();
    assert!((500..2_000).contains(&rows), "{rows}");
    assert!(
        json["warnings"][0].as_str().unwrap().contains("64 MiB"),
        "{}",
        json["warnings"]
    );
}

#[tokio::test]
async fn parameters_are_bound_by_place_and_by_name() {
    let fixture = Fixture::new();
    let post = |body: Value| {
        let fixture = &fixture;
        async move { fixture.post("/sql/read", &body).await }
    };
    let answer = post(json!({"sql": "SELECT ? AS a, ? AS b, ? AS c, ? AS d",
        "params": ["x'; --", 1.5, true, null]}))
    .await;
    assert_eq!(
        answer.rows("rows"),
        vec![json!({"a": "x'; --", "b": 1.5, "c": true, "d": null})]
    );
    let answer = post(json!({"sql": "SELECT $a + $b AS s", "params": {"a": 1, "b": 2}})).await;
    assert_eq!(answer.rows("rows"), vec![json!({"s": 3})]);
    for (params, pointer) in [
        (json!([1, [2]]), "/params/1"),
        (json!({"a": {}}), "/params/a"),
        (json!("x"), "/params"),
    ] {
        let answer = post(json!({"sql": "SELECT ?", "params": params})).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_request".to_owned(), pointer.to_owned())
        );
    }
    let answer = post(json!({"sql": "SELECT ?, ?", "params": [1]})).await;
    assert_eq!(answer.problem().1, "invalid_sql");
    assert!(answer.text.contains("has 2 parameters"), "{}", answer.text);
    let answer = post(json!({"sql": "SELECT $a", "params": {"b": 1}})).await;
    assert_eq!(answer.problem().1, "invalid_sql", "{}", answer.text);
    assert_eq!(post(json!({"params": []})).await.problem().2, "/sql");
}
