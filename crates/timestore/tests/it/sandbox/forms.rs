//! What a statement gives, in every form.

use super::read;
use crate::support::{Answer, Fixture};
use axum::http::Method;
use serde_json::{Value, json};

/// SQL, JSON, type.
fn values() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("NULL::INTEGER", json!(null), "INTEGER"),
        ("true", json!(true), "BOOLEAN"),
        ("127::TINYINT", json!(127), "TINYINT"),
        ("255::UTINYINT", json!(255), "UTINYINT"),
        (
            "9007199254740992",
            json!(9_007_199_254_740_992_i64),
            "BIGINT",
        ),
        ("-9007199254740993", json!("-9007199254740993"), "BIGINT"),
        (
            "18446744073709551615::UBIGINT",
            json!("18446744073709551615"),
            "UBIGINT",
        ),
        ("42::HUGEINT", json!(42), "HUGEINT"),
        (
            "170141183460469231731687303715884105727::HUGEINT",
            json!("170141183460469231731687303715884105727"),
            "HUGEINT",
        ),
        (
            "340282366920938463463374607431768211455::UHUGEINT",
            json!("340282366920938463463374607431768211455"),
            "UHUGEINT",
        ),
        ("1.50::DECIMAL(10, 2)", json!(1.5), "DECIMAL(10,2)"),
        ("-0.05::DECIMAL(10, 2)", json!(-0.05), "DECIMAL(10,2)"),
        (
            "1234567890123456.78::DECIMAL(20, 2)",
            json!("1234567890123456.78"),
            "DECIMAL(20,2)",
        ),
        ("0.1::FLOAT", json!(0.1), "FLOAT"),
        ("0.1::DOUBLE", json!(0.1), "DOUBLE"),
        ("1e300::DOUBLE", json!(1e300), "DOUBLE"),
        ("'NaN'::DOUBLE", json!("NaN"), "DOUBLE"),
        ("'-inf'::DOUBLE", json!("-Infinity"), "DOUBLE"),
        ("'a\"b\\\n\u{1f600}'", json!("a\"b\\\n\u{1f600}"), "VARCHAR"),
        ("''", json!(""), "VARCHAR"),
        ("'\\xFF\\x00'::BLOB", json!("ff00"), "BLOB"),
        ("'101'::BIT", json!("101"), "BIT"),
        ("'0101010101'::BIT", json!("0101010101"), "BIT"),
        ("DATE '2024-02-29'", json!("2024-02-29"), "DATE"),
        ("DATE 'infinity'", json!("infinity"), "DATE"),
        ("TIME '12:34:56.000001'", json!("12:34:56.000001"), "TIME"),
        (
            "TIMESTAMP '2024-02-29 12:00:00'",
            json!("2024-02-29T12:00:00.000Z"),
            "TIMESTAMP",
        ),
        (
            "TIMESTAMP '2024-02-29 12:00:00.000001'",
            json!("2024-02-29T12:00:00.000001Z"),
            "TIMESTAMP",
        ),
        (
            "TIMESTAMP '1969-12-31 23:59:59.999'",
            json!("1969-12-31T23:59:59.999Z"),
            "TIMESTAMP",
        ),
        ("TIMESTAMP 'infinity'", json!("infinity"), "TIMESTAMP"),
        (
            "TIMESTAMPTZ '2024-02-29 12:00:00+02'",
            json!("2024-02-29T10:00:00.000Z"),
            "TIMESTAMP WITH TIME ZONE",
        ),
        (
            "TIMESTAMP_NS '2024-02-29 12:00:00.000000001'",
            json!("2024-02-29T12:00:00.000000001Z"),
            "TIMESTAMP_NS",
        ),
        (
            "TIMESTAMP_S '2024-02-29 12:00:00'",
            json!("2024-02-29T12:00:00.000Z"),
            "TIMESTAMP_S",
        ),
        (
            "INTERVAL 14 MONTH + INTERVAL 36 HOUR",
            json!("P14M0DT129600S"),
            "INTERVAL",
        ),
        (
            "'1b4e28ba-2fa1-11d2-883f-0016d3cca427'::UUID",
            json!("1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
            "UUID",
        ),
        ("'b'::ENUM('a', 'b')", json!("b"), "ENUM('a', 'b')"),
        (
            "[1, NULL, 9007199254740993]",
            json!([1, null, "9007199254740993"]),
            "BIGINT[]",
        ),
        ("[]::INTEGER[]", json!([]), "INTEGER[]"),
        ("[[1], []]", json!([[1], []]), "INTEGER[][]"),
        ("[1, 2]::INTEGER[2]", json!([1, 2]), "INTEGER[2]"),
        (
            "{'a': 1, 'b c': {'d': DATE '2024-01-01'}}",
            json!({"a": 1, "b c": {"d": "2024-01-01"}}),
            "STRUCT(a INTEGER, \"b c\" STRUCT(d DATE))",
        ),
        (
            "MAP {'k': 1}",
            json!([{"key": "k", "value": 1}]),
            "MAP(VARCHAR, INTEGER)",
        ),
        ("union_value(k := 1)", json!(1), "UNION(k INTEGER)"),
        ("'{\"a\": [1]}'::JSON", json!("{\"a\": [1]}"), "JSON"),
    ]
}

#[tokio::test]
async fn every_type_has_a_json_form() {
    let fixture = Fixture::new();
    for (sql, value, kind) in values() {
        let answer = read(&fixture, &format!("SELECT {sql} AS v")).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text);
        let json = answer.json();
        assert_eq!(json["rows"], json!([{"v": value}]), "{sql}");
        assert_eq!(
            json["columns"],
            json!([{"name": "v", "type": kind}]),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn names_that_come_twice_stay_apart() {
    let fixture = Fixture::new();
    let answer = read(&fixture, "SELECT 1 AS a, 2 AS a, 3 AS a_1").await;
    let json = answer.json();
    assert_eq!(json["rows"], json!([{"a": 1, "a_1": 2, "a_1_1": 3}]));
}

async fn as_form(fixture: &Fixture, accept: &str, sql: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("accept", accept)];
    let body = json!({"sql": sql}).to_string();
    fixture
        .call(Method::POST, "/sql/read", &headers, body)
        .await
}

#[tokio::test]
async fn csv_keeps_every_value_apart() {
    let fixture = Fixture::new();
    let sql =
        "SELECT * FROM (VALUES ('a,b', 1, NULL), ('say \"hi\"', 2, ''), ('two\nlines', 3, ' x '),
        ('=1+1', 9007199254740993, 'ü')) AS t(\"te\"\"xt\", n, o) ORDER BY n";
    let answer = as_form(&fixture, "text/csv", sql).await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        answer.text,
        "\"te\"\"xt\",n,o\r\n\"a,b\",1,\r\n\"say \"\"hi\"\"\",2,\"\"\r\n\"two\nlines\",3,\" x \"\r\n\
         =1+1,9007199254740993,ü\r\n"
    );
    // A reader of CSV gets back what was written.
    let mut reader = csv::Reader::from_reader(answer.bytes.as_slice());
    let texts: Vec<String> = reader
        .records()
        .map(|record| record.unwrap()[0].to_owned())
        .collect();
    assert_eq!(texts, ["a,b", "say \"hi\"", "two\nlines", "=1+1"]);
    let empty = as_form(&fixture, "text/csv", "SELECT 1 AS a WHERE false").await;
    assert_eq!(empty.text, "a\r\n");
}

#[tokio::test]
async fn ndjson_and_arrow_carry_the_same_rows() {
    let fixture = Fixture::new();
    let sql = "SELECT range AS n, 'x' || range AS t FROM range(3000) ORDER BY n";
    let lines = as_form(&fixture, "application/x-ndjson", sql).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    assert_eq!(lines.text.lines().count(), 3000);
    let last: Value = serde_json::from_str(lines.text.lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({"n": 2999, "t": "x2999"}));

    let arrow = as_form(&fixture, "application/vnd.apache.arrow.stream", sql).await;
    let reader = arrow_ipc::reader::StreamReader::try_new(arrow.bytes.as_slice(), None).unwrap();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        3000
    );
    assert_eq!(batches[0].schema().field(1).name(), "t");
}

#[tokio::test]
async fn the_form_is_negotiated() {
    let fixture = Fixture::new();
    for (accept, expected) in [
        ("*/*", "application/json"),
        ("text/html, application/json;q=0.9", "application/json"),
        ("text/csv, application/json", "text/csv; charset=utf-8"),
    ] {
        let answer = as_form(&fixture, accept, "SELECT 1").await;
        assert_eq!(answer.headers["content-type"], expected, "{accept}");
    }
    assert_eq!(
        as_form(&fixture, "image/png", "SELECT 1").await.problem().1,
        "not_acceptable"
    );
    let answer = fixture
        .post("/sql/read?format=csv", &json!({"sql": "SELECT 1 AS a"}))
        .await;
    assert_eq!(answer.text, "a\r\n1\r\n");
    let answer = fixture
        .post("/sql/read?format=xml", &json!({"sql": "SELECT 1"}))
        .await;
    assert_eq!(answer.problem().2, "/format");
}
