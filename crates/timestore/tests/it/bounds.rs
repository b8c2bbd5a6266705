//! What one statement may make.

use crate::support::{Fixture, Tree};
use serde_json::json;
use std::time::{Duration, Instant};

/// Statements that make too much at once.
const TOO_LARGE: &[&str] = &[
    "SELECT len(range(20000000))",
    "SELECT len(generate_series(1, 20000000))",
    "SELECT count(*) FROM unnest(range(5000000))",
    "SELECT count(*) FROM (SELECT unnest(range(5000000)))",
    "SELECT length(repeat('x', 3000000000))",
    "SELECT length(repeat(repeat(repeat('x', 1000), 1000), 1000))",
    "SELECT length(p.repeat(3000000000)) FROM (SELECT 'x' AS p)",
    "SELECT length(repeat('x', (3000000000)::BIGINT))",
    "SELECT length(lpad('x', 2000000000, 'y'))",
    "SELECT length(rpad('x', 2000000000, 'y'))",
    "SELECT length(printf('%200000000d', 1))",
    "SELECT length(printf('%*d', 200000000, 1))",
    "SELECT length(printf(concat('%', 200000000, 'd'), 1))",
    "SELECT length(format('{:>200000000}', 1))",
    "SELECT length(format('{:>{}}', 1, 200000000))",
    "SELECT length(bitstring('1', 100000000))",
    "SELECT bit_length(bitstring_agg(i, 0, 800000000)) FROM range(3) t(i)",
    "SELECT length(bar(1, 0, 2, 100000000))",
    "SELECT length(to_base(1, 2, 100000000))",
    "SELECT len(list_resize([1], 100000000, 2))",
    "SELECT len(array_resize([1], 100000000))",
    "SELECT length(replace(replace(replace(replace('aaaaaaaaaa', 'a', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'), \
     'b', 'cccccccccccccccccccccccccccccccccccc'), 'c', 'dddddddddddddddddddddddddddddddd'), 'd', 'eeeeeeeee'))",
    "SELECT length(regexp_replace(regexp_replace(repeat('a', 1000), 'a', repeat('b', 1000), 'g'), 'b', \
     repeat('c', 1000), 'g'))",
    "SELECT length(array_to_string(range(10000), repeat('x', 10000)))",
    "SELECT length(list_aggregate(range(10000)::VARCHAR[], 'string_agg', repeat('x', 10000)))",
    "SELECT len(list_transform(range(10000), x -> repeat('x', 10000)))",
    "SELECT len(list_transform(range(2000), x -> list_transform(range(2000), y -> x + y)))",
    "SELECT len(flatten([range(10000) for x in range(10000)]))",
    "SELECT length(json_pretty(repeat('[', 30000) || repeat(']', 30000)))",
    "SELECT len(json_extract(repeat('[', 30000) || repeat(']', 30000), '$..*'))",
    "SELECT len(list(i) OVER (ORDER BY i)) FROM range(20000) t(i)",
    "SELECT list_reduce(range(64), (a, x) -> a + a)::VARCHAR, list_reduce(['x', 'y', 'z'], (a, x) -> a || a || x)",
    "WITH RECURSIVE r(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, s || s FROM r WHERE n < 40) \
     SELECT max(length(s)) FROM r",
    "WITH RECURSIVE r(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, concat(s, s) FROM r WHERE n < 40) \
     SELECT max(length(s)) FROM r",
    "SELECT sum(len(l || [i])) FROM (SELECT list(j) AS l FROM range(1000000) s(j)), range(2048) t(i)",
    "SELECT sum(length(s || i)) FROM (SELECT string_agg(j) AS s FROM range(1000000) s(j)), range(2048) t(i)",
    "SELECT max(levenshtein(repeat('a', 50000), repeat('b', 50000)))",
    "SELECT COLUMNS(*) || repeat('x', 60000) FROM filestore_activity",
    "SELECT pg_sleep(100)",
];

#[tokio::test]
async fn what_makes_too_much_at_once_is_refused_before_it_runs() {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_secs(5));
    let chain = |step: &str| {
        let mut sql = "WITH c0 AS (SELECT repeat('x', 100) AS s)".to_owned();
        for level in 1..40 {
            sql.push_str(&format!(
                ", c{level} AS (SELECT {step} AS s FROM c{})",
                level - 1
            ));
        }
        sql + " SELECT max(length(s)) FROM c39"
    };
    let chains = [
        "s || s",
        "concat(s, s)",
        "[s, s]::VARCHAR",
        "to_json(s)::VARCHAR",
        "replace(s, 'x', 'yy')",
    ];
    let statements = TOO_LARGE.iter().map(|sql| (*sql).to_owned());
    for sql in statements.chain(chains.map(chain)) {
        let started = Instant::now();
        let answer = fixture.post("/sql/read", &json!({"sql": sql})).await;
        let (status, code, _) = answer.problem();
        assert_eq!(
            (status, code.as_str()),
            (403, "statement_refused"),
            "{sql}: {}",
            answer.text
        );
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{sql}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn what_people_write_is_not_refused() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    for number in 0..20 {
        tree.file(&format!("dir/file{number}.txt"), number);
    }
    tree.apply_to(&fixture);
    for sql in [
        "SELECT upper(path) || ' (' || size_bytes || ' bytes)' FROM filestore_activity",
        "SELECT split_part(path, '/', 1) AS top, count(*), string_agg(DISTINCT kind, ', ' ORDER BY kind) \
         FROM filestore_activity GROUP BY top",
        "SELECT list_sort(list(DISTINCT path))[1:5], array_to_string(list(path), ', ') FROM filestore_activity",
        "SELECT map_keys(histogram(kind)), len(list(path)) FROM filestore_activity",
        "SELECT regexp_replace(path, '^([^/]+)/.*\\.([a-z]+)$', '\\1 has a \\2', 'g') FROM filestore_activity",
        "SELECT printf('%-40s %12d', path, size_bytes), format('{:>20} {}', path, kind) FROM filestore_activity",
        "SELECT repeat('#', least(size_bytes, 50)::INTEGER), lpad(path, 30, ' '), bar(size_bytes, 0, 20, 40) \
         FROM filestore_activity",
        "SELECT metadata_json -> '$.contentHash', metadata_json ->> 'checksum', \
         json_extract_string(metadata_json, '$.metadata.a') FROM filestore_activity",
        "SELECT [x || '!' for x in string_split(path, '/') if x <> ''] FROM filestore_activity",
        "SELECT list_transform(range(10), x -> x * 2), list_filter([1, 2, 3], x -> x > 1), list_sum([1, 2])",
        "SELECT list_reduce([1, 2, 3], (a, x) -> a + x), list_aggregate([1, 2], 'max')",
        "SELECT d::DATE FROM generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-02-01', INTERVAL 1 DAY) t(d)",
        "WITH RECURSIVE r(n, p) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, left(p || '/' || n, 200) FROM r \
         WHERE n < 50) SELECT max(p) FROM r",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 500) SELECT sum(n) FROM r",
        "SELECT count(*) FROM range(3000) a, range(3000) b",
        "SELECT path, lag(path) OVER (PARTITION BY node_id ORDER BY journal_id) FROM filestore_activity",
        "SELECT to_json({'path': path, 'size': size_bytes}), json_object('a', path) FROM filestore_activity",
        "SELECT max(COLUMNS(*)) FROM filestore_activity",
        "SELECT strftime(observed_at, '%Y-%m-%d %H:%M'), dayname(observed_at), age(observed_at) \
         FROM filestore_activity",
        "SELECT quantile_cont(size_bytes, [0.5, 0.9]), median(size_bytes), mode(kind), arg_max(path, size_bytes) \
         FROM filestore_activity",
        "SELECT path, unnest(l) FROM (SELECT path, list(size_bytes) AS l FROM filestore_activity GROUP BY path)",
        "SELECT md5(path), hex(path), base64(path::BLOB), levenshtein(path, kind), uuid() FROM filestore_activity",
        "SELECT CASE WHEN path LIKE '%.txt' THEN 'text ' || path ELSE coalesce(kind, '?') END FROM filestore_activity",
        "SELECT concat_ws(' ', path, kind, state, event_type, command, principal, observed_at, size_bytes) \
         FROM filestore_activity",
        "SELECT * EXCLUDE (path) REPLACE (upper(kind) AS kind) FROM filestore_activity",
        "FROM (SELECT kind, size_bytes FROM filestore_activity) PIVOT (sum(size_bytes) FOR kind IN ('file'))",
        "SELECT name, column_names FROM (SHOW ALL TABLES)",
    ] {
        let answer = fixture.post("/sql/read", &json!({"sql": sql})).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text);
    }
    let typed = json!({"sql": "SELECT repeat('x', $n) AS v", "params": {"n": 3}});
    assert_eq!(
        fixture.post("/sql/read", &typed).await.rows("rows"),
        vec![json!({"v": "xxx"})]
    );
    let large = json!({"sql": "SELECT repeat('x', ?) AS v", "params": [1_000_000_000]});
    assert_eq!(
        fixture.post("/sql/read", &large).await.problem().1,
        "statement_refused"
    );
    let format = json!({"sql": "SELECT printf(?, 1) AS v", "params": ["%5d"]});
    assert_eq!(
        fixture.post("/sql/read", &format).await.rows("rows"),
        vec![json!({"v": "    1"})]
    );
}

#[tokio::test]
async fn nested_calls_are_checked_in_no_time() {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_secs(5));
    let nested = |before: &str, after: &str| {
        let (before, after) = (before.repeat(60), after.repeat(60));
        format!("SELECT {before}path{after} FROM filestore_activity")
    };
    for sql in [
        nested("list_first(", ")"),
        nested("left(", ", 5)"),
        nested("", "[1]"),
        nested("levenshtein('a', ", ")"),
        nested("json_extract(", ", '$.a')"),
        nested("greatest('a', ", ")"),
    ] {
        let started = Instant::now();
        fixture.post("/sql/read", &json!({"sql": sql})).await;
        let took = started.elapsed();
        assert!(took < Duration::from_secs(10), "{sql}: {took:?}");
    }
    let parameter = "SELECT list_transform([1], kind -> kind || '!'), kind FROM filestore_activity";
    let answer = fixture.post("/sql/read", &json!({"sql": parameter})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_refusal_says_what_to_write_instead() {
    let fixture = Fixture::new();
    for (sql, advice) in [
        ("SELECT len(range(20000000))", "FROM range(…)"),
        (
            "SELECT repeat('x', size_bytes) FROM filestore_activity",
            "least(…, number)",
        ),
        (
            "SELECT printf(path, 1) FROM filestore_activity",
            "write the format as a text",
        ),
        (
            "SELECT list(path) OVER (ORDER BY path) FROM filestore_activity",
            "use GROUP BY",
        ),
        (
            "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) FROM r",
            "left(…, 1000)",
        ),
        (
            "SELECT l || [1] FROM (SELECT list(1) AS l), range(3)",
            "unnest",
        ),
        (
            "SELECT current_setting('temp_directory')",
            "current_setting is not allowed",
        ),
        ("SELECT lenght('x')", "Did you mean"),
    ] {
        let answer = fixture.post("/sql/read", &json!({"sql": sql})).await;
        assert!(answer.text.contains(advice), "{sql}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_adds_up_while_it_runs_is_ended_in_time() {
    let fixture = Fixture::with(|options| {
        options.memory_limit_bytes = 64 << 20;
        // It is the memory that ends them, however busy the machine is.
        options.sql_timeout = Duration::from_secs(600);
    });
    for sql in [
        "SELECT list(i) FROM range(100000000) t(i)",
        "SELECT length(string_agg('abc' || i, ',')) FROM range(100000000) t(i)",
        "SELECT cardinality(histogram(i)) FROM range(50000000) t(i)",
        "SELECT mode(i) FROM range(50000000) t(i)",
        "SELECT median(i) FROM range(500000000) t(i)",
    ] {
        let answer = fixture.post("/sql/read", &json!({"sql": sql})).await;
        assert_eq!(answer.problem().1, "invalid_sql", "{sql}: {}", answer.text);
        assert!(
            answer.text.contains("more memory"),
            "{sql}: {}",
            answer.text
        );
        assert_eq!(fixture.value("SELECT 1 AS x").await, json!(1));
    }
}
