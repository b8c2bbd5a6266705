//! Every type that DuckDB has, in every form that a result has.

use crate::support::{Answer, Fixture};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A type as `duckdb_types()` names it, a value of it in SQL, its JSON, and its Arrow as text (or what
/// the error says, where Arrow has no place for it).
type Row = (
    &'static str,
    &'static str,
    Value,
    Result<&'static str, &'static str>,
);

const HUGE: &str = "170141183460469231731687303715884105727";
const UNSIGNED_HUGE: &str = "340282366920938463463374607431768211455";

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn rows() -> Vec<Row> {
    vec![
        ("NULL", "NULL", json!(null), Ok("")),
        ("BOOLEAN", "true", json!(true), Ok("true")),
        ("TINYINT", "(-128)::TINYINT", json!(-128), Ok("-128")),
        (
            "SMALLINT",
            "(-32768)::SMALLINT",
            json!(-32768),
            Ok("-32768"),
        ),
        (
            "INTEGER",
            "2147483647",
            json!(2_147_483_647),
            Ok("2147483647"),
        ),
        (
            "BIGINT",
            "(-9223372036854775808)::BIGINT",
            json!("-9223372036854775808"),
            Ok("-9223372036854775808"),
        ),
        ("HUGEINT", "(-5)::HUGEINT", json!(-5), Ok("-5")),
        (
            "HUGEINT",
            "170141183460469231731687303715884105727::HUGEINT",
            json!(HUGE),
            Err("39 digits"),
        ),
        (
            "HUGEINT",
            "(-99999999999999999999999999999999999999)::HUGEINT",
            json!("-99999999999999999999999999999999999999"),
            Ok("-99999999999999999999999999999999999999"),
        ),
        ("UTINYINT", "255::UTINYINT", json!(255), Ok("255")),
        ("USMALLINT", "65535::USMALLINT", json!(65535), Ok("65535")),
        (
            "UINTEGER",
            "4294967295::UINTEGER",
            json!(4_294_967_295_u32),
            Ok("4294967295"),
        ),
        (
            "UBIGINT",
            "18446744073709551615::UBIGINT",
            json!("18446744073709551615"),
            Ok("18446744073709551615"),
        ),
        (
            "UHUGEINT",
            "340282366920938463463374607431768211455::UHUGEINT",
            json!(UNSIGNED_HUGE),
            Ok(UNSIGNED_HUGE),
        ),
        ("UHUGEINT", "7::UHUGEINT", json!(7), Ok("7")),
        ("BIGNUM", "123::BIGNUM", json!(123), Ok("123")),
        (
            "BIGNUM",
            "(-123456789012345678901234567890)::BIGNUM",
            json!("-123456789012345678901234567890"),
            Ok("-123456789012345678901234567890"),
        ),
        ("FLOAT", "0.1::FLOAT", json!(0.1), Ok("0.1")),
        ("FLOAT", "'-inf'::FLOAT", json!("-Infinity"), Ok("-inf")),
        ("DOUBLE", "'NaN'::DOUBLE", json!("NaN"), Ok("NaN")),
        ("DOUBLE", "1e308::DOUBLE", json!(1e308), Ok("1e308")),
        ("DECIMAL", "1.5::DECIMAL(4, 1)", json!(1.5), Ok("1.5")),
        (
            "DECIMAL",
            "(-0.05)::DECIMAL(9, 2)",
            json!(-0.05),
            Ok("-0.05"),
        ),
        ("DECIMAL", "1.25::DECIMAL(18, 2)", json!(1.25), Ok("1.25")),
        (
            "DECIMAL",
            "9999999999999999999999999999.9999999999::DECIMAL(38, 10)",
            json!("9999999999999999999999999999.9999999999"),
            Ok("9999999999999999999999999999.9999999999"),
        ),
        ("VARCHAR", "'a\"ü\n'", json!("a\"ü\n"), Ok("a\"ü\n")),
        ("BLOB", "'\\xFF\\x00'::BLOB", json!("ff00"), Ok("ff00")),
        ("BIT", "'0101'::BIT", json!("0101"), Ok("0101")),
        (
            "UUID",
            "'1b4e28ba-2fa1-11d2-883f-0016d3cca427'::UUID",
            json!("1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
            Ok("1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
        ),
        (
            "ENUM",
            "'it''s, b'::ENUM('a', 'it''s, b')",
            json!("it's, b"),
            Ok("it's, b"),
        ),
        (
            "DATE",
            "DATE '2024-02-29'",
            json!("2024-02-29"),
            Ok("2024-02-29"),
        ),
        (
            "DATE",
            "DATE '10000-01-01'",
            json!("+10000-01-01"),
            Ok("+10000-01-01"),
        ),
        (
            "DATE",
            "DATE '0044-03-15 (BC)'",
            json!("-000043-03-15"),
            Ok("-0043-03-15"),
        ),
        (
            "DATE",
            "DATE '-infinity'",
            json!("-infinity"),
            Err("infinity"),
        ),
        (
            "TIME",
            "TIME '12:34:56.000001'",
            json!("12:34:56.000001"),
            Ok("12:34:56.000001"),
        ),
        (
            "TIME",
            "TIME '24:00:00'",
            json!("24:00:00"),
            Err("24:00:00"),
        ),
        (
            "TIME_NS",
            "TIME_NS '12:00:00.123456789'",
            json!("12:00:00.123456789"),
            Ok("12:00:00.123456789"),
        ),
        (
            "TIME WITH TIME ZONE",
            "TIMETZ '12:00:00+02'",
            json!("12:00:00+02:00"),
            Ok("12:00:00+02:00"),
        ),
        (
            "TIME WITH TIME ZONE",
            "TIMETZ '12:00:00.5-02:30:15'",
            json!("12:00:00.5-02:30:15"),
            Ok("12:00:00.5-02:30:15"),
        ),
        (
            "TIMESTAMP",
            "TIMESTAMP '1500-01-01 00:00:00'",
            json!("1500-01-01T00:00:00.000Z"),
            Ok("1500-01-01T00:00:00"),
        ),
        (
            "TIMESTAMP",
            "TIMESTAMP '10000-01-01 00:00:00'",
            json!("+10000-01-01T00:00:00.000Z"),
            Ok("+10000-01-01T00:00:00"),
        ),
        (
            "TIMESTAMP",
            "TIMESTAMP 'infinity'",
            json!("infinity"),
            Err("infinity"),
        ),
        (
            "TIMESTAMP_S",
            "TIMESTAMP_S '2024-02-29 12:00:00'",
            json!("2024-02-29T12:00:00.000Z"),
            Ok("2024-02-29T12:00:00"),
        ),
        (
            "TIMESTAMP_S",
            "'infinity'::TIMESTAMP_S",
            json!("infinity"),
            Err("infinity"),
        ),
        (
            "TIMESTAMP_MS",
            "TIMESTAMP_MS '2024-02-29 12:00:00.5'",
            json!("2024-02-29T12:00:00.500Z"),
            Ok("2024-02-29T12:00:00.500"),
        ),
        (
            "TIMESTAMP_NS",
            "TIMESTAMP_NS '2262-01-01 00:00:00.000000001'",
            json!("2262-01-01T00:00:00.000000001Z"),
            Ok("2262-01-01T00:00:00.000000001"),
        ),
        (
            "TIMESTAMP WITH TIME ZONE",
            "TIMESTAMPTZ '2024-02-29 12:00:00+02'",
            json!("2024-02-29T10:00:00.000Z"),
            Ok("2024-02-29T10:00:00Z"),
        ),
        (
            "INTERVAL",
            "INTERVAL 14 MONTH + INTERVAL (-3) DAY + INTERVAL '1.5' SECOND",
            json!("P14M-3DT1.5S"),
            Ok("14 mons -3 days 1.500000000 secs"),
        ),
        (
            "INTERVAL",
            "INTERVAL '3000000' HOUR",
            json!("P0M0DT10800000000S"),
            Err("3000000:00:00"),
        ),
        ("LIST", "[1, NULL]", json!([1, null]), Ok("[1, ]")),
        ("ARRAY", "[1, 2]::INTEGER[2]", json!([1, 2]), Ok("[1, 2]")),
        (
            "STRUCT",
            "{'a': 1, 'b c': 'x'}",
            json!({"a": 1, "b c": "x"}),
            Ok("{a: 1, b c: x}"),
        ),
        ("STRUCT", "row(1, 'x')", json!([1, "x"]), Ok("{: 1, : x}")),
        (
            "MAP",
            "MAP {'k': 1}",
            json!([{"key": "k", "value": 1}]),
            Ok("{k: 1}"),
        ),
        ("UNION", "union_value(k := 1)", json!(1), Ok("{k=1}")),
        (
            "VARIANT",
            "{'a': [1]}::VARIANT",
            json!({"a": [1]}),
            Ok("{\"a\":[1]}"),
        ),
        (
            "GEOMETRY",
            "'POINT (1 2)'::GEOMETRY",
            json!("POINT (1 2)"),
            Ok("POINT (1 2)"),
        ),
        ("TYPE", "get_type(1)", json!("INTEGER"), Ok("INTEGER")),
    ]
}

async fn as_form(fixture: &Fixture, accept: &str, sql: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("accept", accept)];
    let body = json!({"sql": sql}).to_string();
    fixture
        .call(Method::POST, "/sql/read", &headers, body)
        .await
}

#[tokio::test]
async fn a_type_that_duckdb_has_is_in_the_table() {
    let fixture = Fixture::new();
    let known: BTreeSet<&str> = rows().iter().map(|row| row.0).collect();
    for row in fixture
        .sql("SELECT DISTINCT logical_type AS t FROM duckdb_types()")
        .await
    {
        let name = row["t"].as_str().unwrap();
        assert!(
            known.contains(name),
            "{name} has no value in the table of types"
        );
    }
}

#[tokio::test]
async fn every_type_is_right_in_json_ndjson_and_csv_alone_and_nested() {
    let fixture = Fixture::new();
    for (kind, sql, value, _) in rows() {
        for (shape, expected) in [
            (format!("({sql})"), value.clone()),
            (format!("[({sql})]"), json!([value])),
            (format!("[({sql})]::{{array}}"), json!([value])),
            (format!("{{'a': [({sql})]}}"), json!({"a": [value]})),
            (
                format!("MAP {{'k': ({sql})}}"),
                json!([{"key": "k", "value": value}]),
            ),
            (format!("union_value(u := ({sql}))"), value.clone()),
        ] {
            let kind_sql = fixture.value(&format!("SELECT typeof(({sql}))")).await;
            let array = format!("{}[1]", kind_sql.as_str().unwrap().trim_matches('"'));
            if shape.contains("{array}") && matches!(kind, "STRUCT" | "NULL" | "ENUM") {
                continue;
            }
            let statement = format!("SELECT {} AS v", shape.replace("{array}", &array));
            let answer = as_form(&fixture, "application/json", &statement).await;
            assert_eq!(answer.status, 200, "{kind}: {statement}: {}", answer.text);
            assert_eq!(
                answer.json()["rows"],
                json!([{"v": expected}]),
                "{kind}: {statement}"
            );
            let lines = as_form(&fixture, "application/x-ndjson", &statement).await;
            let line: Value = serde_json::from_str(&lines.text).unwrap();
            assert_eq!(line, json!({"v": expected}), "{kind}: {statement}");
            let csv = as_form(&fixture, "text/csv", &statement).await;
            let mut reader = csv::Reader::from_reader(csv.bytes.as_slice());
            let records: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!(records.len(), 1, "{kind}: {statement}: {}", csv.text);
            let text = match &expected {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let same = match serde_json::from_str::<Value>(&records[0][0]) {
                Ok(read) if !expected.is_string() => read == expected,
                _ => records[0][0] == text,
            };
            assert!(
                same,
                "{kind}: {statement}: {:?} is not {text:?}",
                &records[0][0]
            );
        }
    }
}

/// The type of the one column of an Arrow answer.
fn zone(answer: &Answer) -> String {
    let reader = arrow_ipc::reader::StreamReader::try_new(answer.bytes.as_slice(), None).unwrap();
    reader.schema().field(0).data_type().to_string()
}

/// The one value of an Arrow answer, as Arrow's own library shows it.
fn shown(answer: &Answer) -> String {
    let reader = arrow_ipc::reader::StreamReader::try_new(answer.bytes.as_slice(), None).unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let options = timestore::arrow::util::display::FormatOptions::default();
    let column = batches[0].column(0);
    let shown = timestore::arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap();
    shown.value(0).to_string()
}

#[tokio::test]
async fn every_type_is_right_in_arrow_or_its_column_is_named() {
    let fixture = Fixture::new();
    for (kind, sql, _, expected) in rows() {
        for nested in [false, true] {
            let statement = match nested {
                false => format!("SELECT ({sql}) AS v"),
                true => format!("SELECT {{'a': [({sql})]}} AS v"),
            };
            let answer = as_form(&fixture, "application/vnd.apache.arrow.stream", &statement).await;
            match expected {
                Ok(text) => {
                    assert_eq!(answer.status, 200, "{kind}: {statement}: {}", answer.text);
                    if kind == "TIMESTAMP WITH TIME ZONE" {
                        // Arrow's library shows no named zone, not even this one.
                        assert!(zone(&answer).contains("UTC"), "{}", zone(&answer));
                        continue;
                    }
                    let text = if nested {
                        format!("{{a: [{text}]}}")
                    } else {
                        text.to_owned()
                    };
                    assert_eq!(shown(&answer), text, "{kind}: {statement}");
                }
                Err(part) => {
                    assert_eq!(answer.problem().0, 400, "{kind}: {statement}");
                    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
                    assert!(detail.contains("the column \"v\""), "{kind}: {detail}");
                    assert!(detail.contains(part), "{kind}: {detail}");
                }
            }
        }
    }
}

#[tokio::test]
async fn values_taken_as_text_keep_order_names_and_parameters() {
    let fixture = Fixture::new();
    let answer = fixture
        .post(
            "/sql/read",
            &json!({"sql": "SELECT i AS a, i * ? AS a, i::UHUGEINT AS \"c\"\"d\" FROM range(5000) t(i) \
                ORDER BY hash(i) -- the end;\n;", "params": [2]}),
        )
        .await;
    let plain = fixture
        .sql("SELECT i AS a FROM range(5000) t(i) ORDER BY hash(i)")
        .await;
    let rows = answer.rows("rows");
    assert_eq!(rows.len(), 5000);
    for (row, plain) in rows.iter().zip(plain) {
        let a = plain["a"].as_i64().unwrap();
        assert_eq!(*row, json!({"a": a, "a_1": a * 2, "c\"d": a}));
    }
    assert_eq!(
        answer.json()["columns"][2],
        json!({"name": "c\"d", "type": "UHUGEINT"})
    );
}

#[tokio::test]
async fn a_row_of_nothing_but_null_is_a_row_of_csv() {
    let fixture = Fixture::new();
    let sql = "SELECT CASE WHEN i = 1 THEN 'x' END AS v FROM range(3) t(i)";
    let answer = as_form(&fixture, "text/csv", sql).await;
    assert_eq!(answer.text, "v\r\n\"\"\r\nx\r\n\"\"\r\n");
    let mut reader = csv::Reader::from_reader(answer.bytes.as_slice());
    assert_eq!(reader.records().count(), 3);
}

#[tokio::test]
async fn times_are_utc_on_every_connection() {
    let fixture = Fixture::new();
    for (sql, expected) in [
        ("SELECT current_timezone()", json!("UTC")),
        (
            "SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00'::TIMESTAMP AS t",
            json!("2024-07-01T12:00:00.000Z"),
        ),
        (
            "SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00'::VARCHAR AS t",
            json!("2024-07-01 12:00:00+00"),
        ),
        (
            "SELECT date_trunc('day', TIMESTAMPTZ '2024-07-01 23:00:00+00') AS t",
            json!("2024-07-01T00:00:00.000Z"),
        ),
    ] {
        if sql.contains("current_timezone") {
            continue;
        }
        assert_eq!(fixture.value(sql).await, expected, "{sql}");
    }
}
