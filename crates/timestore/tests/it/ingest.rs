//! Datasets: rows in, rows out, and the same numbers as plain Rust.

use crate::support::{Answer, Fixture, Tree, at};
use axum::http::Method;
use journal::Time;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn body(rows: Value) -> Value {
    json!({
        "schema": {"fields": [
            {"name": "at", "type": "timestamp"}, {"name": "site", "type": "string"},
            {"name": "value", "type": "double"}, {"name": "count", "type": "integer"},
            {"name": "ok", "type": "boolean"},
        ]},
        "partition": {"key": {"date": "2026-03-01"},
            "timeRange": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}},
        "rows": rows,
    })
}

fn day() -> Value {
    json!({"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"})
}

async fn ingest(fixture: &Fixture, body: &Value) -> Answer {
    fixture.post("/datasets/sensors/ingest", body).await
}

async fn query(fixture: &Fixture, mut body: Value) -> Answer {
    if body["timeRange"].is_null() {
        body["timeRange"] = day();
    }
    fixture.post("/datasets/sensors/query", &body).await
}

#[tokio::test]
async fn rows_come_back_as_they_went_in() {
    let fixture = Fixture::new();
    let rows = json!([
        {"at": "2026-03-01T10:00:00.000Z", "site": "b", "value": 1.5, "count": 3, "ok": true},
        {"at": "2026-03-01T09:00:00.000Z", "site": "ü \"x\"", "value": -0.25, "count": -9_007_199_254_740_992_i64, "ok": false},
        {"at": "2026-03-01T11:00:00.000Z"},
        {"at": "2026-03-02T00:00:00.000Z", "site": "outside"},
    ]);
    let answer = ingest(&fixture, &body(rows.clone())).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let receipt = answer.json();
    assert_eq!(
        (&receipt["rowsIngested"], &receipt["idempotent"]),
        (&json!(4), &json!(false))
    );
    assert_eq!(receipt["dataset"]["slug"], json!("sensors"));
    assert_eq!(receipt["partition"]["key"], json!({"date": "2026-03-01"}));

    let answer = query(&fixture, json!({})).await;
    let json = answer.json();
    assert_eq!(
        (&json["mode"], &json["truncated"]),
        (&json!("raw"), &json!(false))
    );
    assert_eq!(
        json["columns"],
        json!(["at", "site", "value", "count", "ok"])
    );
    let third = json!({"at": "2026-03-01T11:00:00.000Z", "site": null, "value": null, "count": null, "ok": null});
    assert_eq!(json["rows"], json!([rows[1], rows[0], third]));

    // The same through SQL, with the partition's id.
    let found = fixture
        .sql("SELECT _partition AS p, count(*) AS n FROM sensors GROUP BY p")
        .await;
    assert_eq!(
        found,
        vec![json!({"p": receipt["partition"]["id"], "n": 4})]
    );
    let detail = fixture.get("/admin/datasets/sensors").await.json();
    assert_eq!(detail["dataset"]["rows"], json!(4));
    assert_eq!(detail["partitions"].as_array().unwrap().len(), 1);
    assert_eq!(detail["partitions"][0]["rows"], json!(4));
    let slugs: Vec<_> = fixture
        .get("/admin/datasets")
        .await
        .rows("datasets")
        .iter()
        .map(|d| d["slug"].clone())
        .collect();
    assert_eq!(slugs, [json!("filestore_activity"), json!("sensors")]);
}

#[tokio::test]
async fn rows_are_filtered_limited_and_cut_with_a_warning() {
    let fixture = Fixture::new();
    let rows: Vec<_> = (0..100)
        .map(|n| json!({"at": format!("2026-03-01T10:00:{:02}.{:03}Z", n % 60, n), "site": format!("s{}", n % 5), "value": n, "count": n, "ok": n % 2 == 0}))
        .collect();
    ingest(&fixture, &body(rows.into())).await;
    let mut second = body(json!([{"at": "2026-03-01T12:00:00Z", "count": 1000}]));
    second["partition"]["key"] = json!({"date": "other", "line": "7"});
    ingest(&fixture, &second).await;
    for (filters, expected) in [
        (json!({"columns": {"count": {"gte": 10, "lt": 20}}}), 10),
        (json!({"columns": {"count": {"between": [10, 20]}}}), 11),
        (json!({"columns": {"count": {"in": [1, 2, 2.0, 1000]}}}), 3),
        (json!({"columns": {"site": {"eq": "s1"}}}), 20),
        (json!({"columns": {"site": {"neq": "s1"}}}), 80),
        (
            json!({"columns": {"site": {"prefix": "s"}, "ok": {"eq": true}}}),
            50,
        ),
        (json!({"columns": {"site": {"contains": "4"}}}), 20),
        (json!({"columns": {"site": {"isNull": true}}}), 1),
        (
            json!({"columns": {"at": {"gt": "2026-03-01T11:00:00Z"}}}),
            1,
        ),
        (json!({"partitionKey": {"date": ["other", "x"]}}), 1),
        (
            json!({"partitionKey": {"line": {"eq": "7"}, "date": {"neq": "x"}}}),
            1,
        ),
        (json!({"partitionKey": {"date": {"prefix": "2026-"}}}), 100),
        (json!({"partitionKey": {"nope": ["x"]}}), 0),
    ] {
        let answer = query(&fixture, json!({"filters": filters, "columns": ["count"]})).await;
        assert_eq!(answer.rows("rows").len(), expected, "{filters}");
    }
    let json = query(&fixture, json!({"limit": 7})).await.json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 7);
    assert_eq!(
        (&json["truncated"], &json["warnings"]),
        (&json!(true), &json!(["only the first 7 rows are given"]))
    );
    let csv = fixture
        .post(
            "/datasets/sensors/query?format=csv",
            &json!({"timeRange": day(), "columns": ["count"], "limit": 1}),
        )
        .await;
    assert_eq!(csv.text, "at,count\r\n2026-03-01T10:00:00.000Z,0\r\n");
}

/// A row of the model: time in microseconds, site, value.
type Row = (i64, String, Option<f64>);

/// What downsampling by `width` must give, in plain Rust.
fn model(rows: &[Row], bucket: impl Fn(i64) -> i64) -> Vec<Value> {
    let mut buckets: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        buckets.entry(bucket(row.0)).or_default().push(row);
    }
    buckets
        .into_iter()
        .map(|(start, rows)| {
            let mut values: Vec<f64> = rows.iter().filter_map(|row| row.2).collect();
            values.sort_by(f64::total_cmp);
            let sites: BTreeSet<_> = rows.iter().map(|row| &row.1).collect();
            let percentile = |share: f64| {
                let place = share * (values.len() - 1) as f64;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a place in the list"
                )]
                let at = |place: f64| values[place as usize];
                let (low, high) = (at(place.floor()), at(place.ceil()));
                low + (high - low) * (place - place.floor())
            };
            let sum: f64 = values.iter().sum();
            let present = !values.is_empty();
            let opt = |value: &dyn Fn() -> f64| if present { json!(value()) } else { json!(null) };
            json!({
                "at": Time::from_millis(start.div_euclid(1000)),
                "count": rows.len(), "count_value": values.len(), "count_distinct_site": sites.len(),
                "sum_value": opt(&|| sum), "avg_value": opt(&|| sum / values.len() as f64),
                "min_value": opt(&|| values[0]), "max_value": opt(&|| values[values.len() - 1]),
                "median_value": opt(&|| percentile(0.5)), "p90": opt(&|| percentile(0.9)),
            })
        })
        .collect()
}

fn assert_close(found: &[Value], expected: &[Value], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        for (name, value) in expected.as_object().unwrap() {
            match (found[name].as_f64(), value.as_f64()) {
                (Some(a), Some(b)) => assert!(
                    (a - b).abs() <= 1e-9 * b.abs().max(1.0),
                    "{what} {name}: {found} {expected}"
                ),
                _ => assert_eq!(&found[name], value, "{what} {name}"),
            }
        }
    }
}

#[tokio::test]
async fn downsampling_agrees_with_plain_rust() {
    let fixture = Fixture::new();
    let start = at("2025-12-30T22:17:03.250Z").as_micros();
    // Irregular steps, gaps, some values missing; times go back now and then.
    let rows: Vec<Row> = (0..700_i64)
        .map(|n| {
            let time = start + n * 5_417_000_000 - (n % 13) * 9_100_000_000;
            let value = (n % 11 != 0).then(|| ((n * 7919) % 1000) as f64 / 8.0 - 40.0);
            (time, format!("s{}", n % 3), value)
        })
        .collect();
    let sent: Vec<_> = rows
        .iter()
        .map(|(time, site, value)| json!({"at": Time::from_millis(time / 1000), "site": site, "value": value}))
        .collect();
    assert_eq!(ingest(&fixture, &body(sent.into())).await.status, 201);
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(time, site, value)| (time / 1000 * 1000, site, value))
        .collect();
    // DuckDB counts from Monday 2000-01-03, months from 2000-01-01.
    let origin = at("2000-01-03T00:00:00Z").as_micros();
    let second = 1_000_000_i64;
    let units = [
        ("second", second),
        ("minute", 60 * second),
        ("hour", 3600 * second),
        ("day", 86_400 * second),
        ("week", 7 * 86_400 * second),
    ];
    let aggregations = json!([
        {"fn": "count"}, {"fn": "count", "column": "value"}, {"fn": "count_distinct", "column": "site"},
        {"fn": "sum", "column": "value"}, {"fn": "avg", "column": "value"}, {"fn": "min", "column": "value"},
        {"fn": "max", "column": "value"}, {"fn": "median", "column": "value"},
        {"fn": "percentile", "column": "value", "percentile": 0.9, "alias": "p90"},
    ]);
    let range = json!({"start": "2025-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"});
    for (unit, width) in units {
        for size in [1, 2, 7, 90] {
            let expected = model(&rows, |time| {
                (time - origin).div_euclid(width * size) * width * size + origin
            });
            let body = json!({"timeRange": range, "limit": 10_000,
                "downsample": {"intervalUnit": unit, "intervalSize": size, "aggregations": aggregations}});
            let answer = query(&fixture, body).await;
            assert_close(&answer.rows("rows"), &expected, &format!("{size} {unit}"));
            assert_eq!(answer.json()["mode"], json!("downsampled"));
        }
    }
    let month = |time: i64| {
        let text = Time::from_millis(time / 1000).to_string();
        at(&format!("{}-01T00:00:00Z", &text[..7])).as_micros()
    };
    let body = json!({"timeRange": range, "downsample": {"intervalUnit": "month", "aggregations": aggregations}});
    assert_close(
        &query(&fixture, body).await.rows("rows"),
        &model(&rows, month),
        "month",
    );
}

#[tokio::test]
async fn the_same_idempotency_key_adds_nothing_twice() {
    let fixture = Fixture::new();
    let body = body(json!([{"at": "2026-03-01T10:00:00Z", "value": 1}]));
    let send = |key: &'static str, body: Value| {
        let fixture = &fixture;
        async move {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", key),
            ];
            fixture
                .call(
                    Method::POST,
                    "/datasets/sensors/ingest",
                    &headers,
                    body.to_string(),
                )
                .await
        }
    };
    let first = send("k1", body.clone()).await;
    assert_eq!(
        (first.status.as_u16(), &first.json()["idempotent"]),
        (201, &json!(false))
    );
    let again = send("k1", body.clone()).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["idempotent"]),
        (200, &json!(true))
    );
    assert_eq!(again.json()["partition"], first.json()["partition"]);
    let mut other = body.clone();
    other["rows"][0]["value"] = json!(2);
    let conflict = send("k1", other).await;
    assert_eq!(conflict.problem().1, "idempotency_conflict");
    let mut named = body.clone();
    named["idempotencyKey"] = json!("k2");
    assert_eq!(ingest(&fixture, &named).await.status, 201);
    assert_eq!(ingest(&fixture, &named).await.status, 200);
    assert_eq!(
        fixture.value("SELECT count(*) AS n FROM sensors").await,
        json!(2)
    );
    // It survives a restart, and is forgotten after a week.
    let fixture = fixture.reopened();
    assert_eq!(ingest(&fixture, &named).await.status, 200);
    fixture.clock.set("2026-06-09T00:00:00Z");
    let mut later = body.clone();
    later["idempotencyKey"] = json!("k3");
    ingest(&fixture, &later).await;
    assert_eq!(
        fixture
            .value("SELECT count(*) AS n FROM tidemark.idempotency_keys")
            .await,
        json!(1)
    );
}

#[tokio::test]
async fn schemas_only_grow() {
    let fixture = Fixture::new();
    ingest(
        &fixture,
        &body(json!([{"at": "2026-03-01T10:00:00Z", "value": 1}])),
    )
    .await;
    let mut wider = body(json!([{"at": "2026-03-01T11:00:00Z", "extra \"x\"": "new"}]));
    wider["schema"] = json!({"fields": [{"name": "at", "type": "timestamp"}, {"name": "extra \"x\"", "type": "string"}],
        "evolution": {"allowNewFields": false}});
    assert_eq!(
        ingest(&fixture, &wider).await.problem().1,
        "schema_conflict"
    );
    wider["schema"]["evolution"] = Value::Null;
    assert_eq!(ingest(&fixture, &wider).await.status, 201);
    let rows = query(&fixture, json!({"columns": ["value", "extra \"x\""]}))
        .await
        .rows("rows");
    assert_eq!(rows[0]["extra \"x\""], json!(null));
    assert_eq!(
        (&rows[1]["value"], &rows[1]["extra \"x\""]),
        (&json!(null), &json!("new"))
    );
    let mut changed = body(json!([]));
    changed["schema"]["fields"][2]["type"] = json!("string");
    let answer = ingest(&fixture, &changed).await;
    assert_eq!(answer.problem().1, "schema_conflict");
    assert!(answer.text.contains("value"), "{}", answer.text);
}

#[tokio::test]
async fn ndjson_and_arrow_bodies_bring_rows_only() {
    let fixture = Fixture::new();
    let ndjson = |path: &'static str, body: &'static str| {
        let fixture = &fixture;
        async move {
            fixture
                .call(
                    Method::POST,
                    path,
                    &[("content-type", "application/x-ndjson")],
                    body,
                )
                .await
        }
    };
    let lines =
        "{\"at\":\"2026-03-01T10:00:00Z\",\"n\":1}\n\n{\"at\":\"2026-03-03T10:00:00Z\",\"n\":2}";
    let unknown = ndjson("/datasets/lines/ingest", lines).await;
    assert_eq!(unknown.problem().2, "/schema");
    let first = ndjson(
        "/datasets/lines/ingest?schema=at:timestamp,n:integer",
        lines,
    )
    .await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(
        first.json()["partition"],
        json!({"id": 1, "key": {"date": "2026-03-01"}, "timeRange":
            {"start": "2026-03-01T10:00:00.000Z", "end": "2026-03-03T10:00:00.001Z"}})
    );
    let second = ndjson(
        "/datasets/lines/ingest?partitionKey=x&idempotencyKey=k",
        "{\"n\":3}",
    )
    .await;
    assert_eq!(second.json()["partition"]["key"], json!({"key": "x"}));
    assert_eq!(
        ndjson(
            "/datasets/lines/ingest?partitionKey=x&idempotencyKey=k",
            "{\"n\":3}"
        )
        .await
        .status,
        200
    );
    assert_eq!(
        fixture.value("SELECT sum(n) AS s FROM lines").await,
        json!(6)
    );

    use timestore::arrow::array::{ArrayRef, Float32Array, Int32Array, TimestampMillisecondArray};
    use timestore::arrow::record_batch::RecordBatch;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "at",
            Arc::new(
                TimestampMillisecondArray::from(vec![at("2026-03-01T10:00:00Z").as_millis()])
                    .with_timezone("UTC"),
            ),
        ),
        ("n", Arc::new(Int32Array::from(vec![Some(40)]))),
        ("f", Arc::new(Float32Array::from(vec![None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let headers = [("content-type", "application/vnd.apache.arrow.stream")];
    let answer = fixture
        .call(
            Method::POST,
            "/datasets/lines/ingest",
            &headers,
            bytes.clone(),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(
        fixture
            .sql("SELECT \"at\", n, f FROM lines WHERE n = 40")
            .await,
        vec![json!({"at": "2026-03-01T10:00:00.000Z", "n": 40, "f": null})]
    );
    // Cut anywhere, or with a bit turned anywhere, it is refused or taken, and never hurts.
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0x55;
        let answer = fixture
            .call(Method::POST, "/datasets/broken/ingest", &headers, broken)
            .await;
        assert!(
            matches!(answer.status.as_u16(), 201 | 400 | 409),
            "{at}: {}",
            answer.text
        );
        let cut = fixture
            .call(
                Method::POST,
                "/datasets/broken/ingest",
                &headers,
                bytes[..at].to_vec(),
            )
            .await;
        assert!(
            matches!(cut.status.as_u16(), 201 | 400),
            "{at}: {}",
            cut.text
        );
    }
}

#[tokio::test]
async fn bad_input_names_the_field_and_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = body(json!([{"at": "2026-03-01T10:00:00Z", "value": 1}]));
        change(&mut body);
        body
    };
    for (body, pointer) in [
        (with(&|b| b["schema"] = Value::Null), "/schema"),
        (
            with(&|b| drop(b.as_object_mut().unwrap().remove("rows"))),
            "/rows",
        ),
        (
            with(&|b| b["schema"]["fields"] = json!([])),
            "/schema/fields",
        ),
        (
            with(&|b| b["schema"]["fields"][0]["type"] = json!("date")),
            "/schema/fields/0/type",
        ),
        (
            with(&|b| b["schema"]["fields"][1]["name"] = json!("AT")),
            "/schema/fields/1/name",
        ),
        (
            with(&|b| b["schema"]["fields"][1]["name"] = json!("_partition")),
            "/schema/fields/1/name",
        ),
        (
            with(&|b| b["partition"]["timeRange"]["start"] = json!("noon")),
            "/partition/timeRange/start",
        ),
        (
            with(&|b| b["partition"]["timeRange"]["end"] = json!("2020-01-01T00:00:00Z")),
            "/partition/timeRange/end",
        ),
        (
            with(&|b| b["partition"]["key"] = json!({})),
            "/partition/key",
        ),
        (
            with(&|b| b["rows"][0]["value"] = json!("x")),
            "/rows/0/value",
        ),
        (with(&|b| b["rows"][0]["at"] = json!("x")), "/rows/0/at"),
        (with(&|b| b["rows"][0]["ok"] = json!(1)), "/rows/0/ok"),
        (
            with(&|b| b["rows"][0]["count"] = json!(1.5)),
            "/rows/0/count",
        ),
        (with(&|b| b["rows"][0]["site"] = json!(7)), "/rows/0/site"),
        (with(&|b| b["rows"][0] = json!([1])), "/rows/0"),
        (
            with(&|b| b["idempotencyKey"] = json!("")),
            "/idempotencyKey",
        ),
    ] {
        let answer = ingest(&fixture, &body).await;
        assert_eq!(
            (answer.problem().0, answer.problem().2),
            (400, pointer.to_owned()),
            "{}",
            answer.text
        );
    }
    let headers = [("content-type", "application/json")];
    let broken = fixture
        .call(Method::POST, "/datasets/sensors/ingest", &headers, "{oops")
        .await;
    assert_eq!(broken.problem().0, 400, "{}", broken.text);
    let text = fixture
        .call(
            Method::POST,
            "/datasets/sensors/ingest",
            &[("content-type", "text/plain")],
            "x",
        )
        .await;
    assert_eq!(text.problem().1, "unsupported_media_type");
    let slug = fixture
        .post("/datasets/No%20Such/ingest", &with(&|_| {}))
        .await;
    assert_eq!(slug.problem().2, "/slug");
    let missing = query(&fixture, json!({})).await;
    assert_eq!(missing.problem().1, "not_found");
    assert_eq!(
        fixture.get("/admin/datasets/sensors").await.problem().0,
        404
    );
    assert_eq!(
        fixture.get("/admin/datasets").await.rows("datasets").len(),
        1
    );
}

#[tokio::test]
async fn the_activity_is_queried_like_a_dataset_and_written_by_nobody_else() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.at("2026-03-01T10:00:00Z").file("a", 10);
    tree.at("2026-03-01T10:30:00Z").file("b", 20);
    tree.apply_to(&fixture);
    let body = json!({"timeRange": day(), "filters": {"columns": {"path": {"eq": "b"}}}, "columns": ["path", "size_bytes"]});
    let rows = fixture
        .post("/datasets/filestore_activity/query", &body)
        .await
        .rows("rows");
    assert_eq!(
        rows,
        vec![json!({"observed_at": "2026-03-01T10:30:00.000Z", "path": "b", "size_bytes": 20})]
    );
    let body = json!({"timeRange": day(), "downsample": {"intervalUnit": "hour", "aggregations": [{"fn": "sum", "column": "size_delta"}]}});
    let rows = fixture
        .post("/datasets/filestore_activity/query", &body)
        .await
        .rows("rows");
    assert_eq!(
        rows,
        vec![json!({"observed_at": "2026-03-01T10:00:00.000Z", "sum_size_delta": 30})]
    );
    let answer = fixture
        .post(
            "/datasets/filestore_activity/ingest",
            &self::body(json!([])),
        )
        .await;
    assert_eq!(answer.problem().1, "read_only");
    let twin = fixture
        .post(
            "/datasets/filestore-activity/ingest",
            &self::body(json!([])),
        )
        .await;
    assert_eq!(twin.problem().1, "already_exists");
}

fn arrow_stream(column: timestore::arrow::array::ArrayRef) -> Vec<u8> {
    use timestore::arrow::record_batch::RecordBatch;
    let batch = RecordBatch::try_from_iter([("v", column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[tokio::test]
async fn values_out_of_range_are_refused_by_row_and_field() {
    use timestore::arrow::array::{
        Date64Array, Float64Array, TimestampMicrosecondArray, TimestampNanosecondArray,
        TimestampSecondArray,
    };
    let fixture = Fixture::new();
    let arrow = [("content-type", "application/vnd.apache.arrow.stream")];
    let bodies: Vec<timestore::arrow::array::ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(vec![
            Some(0),
            None,
            Some(i64::MAX / 10),
        ])),
        Arc::new(Date64Array::from(vec![Some(0), None, Some(i64::MAX / 10)])),
        Arc::new(TimestampMicrosecondArray::from(vec![
            Some(0),
            None,
            Some(i64::MAX),
        ])),
        Arc::new(TimestampMicrosecondArray::from(vec![
            Some(0),
            None,
            Some(i64::MIN),
        ])),
        // Cut to microseconds, it would be another time.
        Arc::new(TimestampNanosecondArray::from(vec![
            Some(1_000),
            None,
            Some(-1_001),
        ])),
    ];
    for (number, column) in bodies.into_iter().enumerate() {
        let answer = fixture
            .call(
                Method::POST,
                "/datasets/range/ingest",
                &arrow,
                arrow_stream(column),
            )
            .await;
        let expected = (400, "invalid_request".to_owned(), "/rows/2/v".to_owned());
        assert_eq!(answer.problem(), expected, "{number}: {}", answer.text);
    }
    for (kind, value) in [
        ("integer", "9223372036854775808"),
        ("integer", "1.5"),
        ("integer", "1e19"),
        ("double", "9007199254740993"),
        ("double", "-9223372036854775807"),
        ("timestamp", "\"10000-01-01T00:00:00Z\""),
        ("timestamp", "9223372036854775807"),
        ("timestamp", "\"infinity\""),
        ("timestamp", "\"2026-03-01T00:00:00.123456789Z\""),
        ("boolean", "1"),
        ("string", "1"),
    ] {
        let lines = format!("{{\"v\":null}}\n{{\"v\":{value}}}\n");
        let path = format!("/datasets/range/ingest?schema=v:{kind}");
        let headers = [("content-type", "application/x-ndjson")];
        let answer = fixture.call(Method::POST, &path, &headers, lines).await;
        let expected = (400, "invalid_request".to_owned(), "/rows/1/v".to_owned());
        assert_eq!(
            answer.problem(),
            expected,
            "{kind} {value}: {}",
            answer.text
        );
    }
    assert_eq!(
        fixture.get("/admin/datasets/range").await.status,
        404,
        "nothing is left"
    );

    // What fits comes back as it was sent, in whatever zone it was.
    let zoned = TimestampSecondArray::from(vec![-20_000_000_000]).with_timezone("+05:30");
    fixture
        .call(
            Method::POST,
            "/datasets/zoned/ingest",
            &arrow,
            arrow_stream(Arc::new(zoned)),
        )
        .await;
    assert_eq!(
        fixture.value("SELECT v FROM zoned").await,
        json!("1336-03-23T12:26:40.000Z")
    );
    let nanos = TimestampNanosecondArray::from(vec![-1_000, 1_772_323_200_000_001_000]);
    fixture
        .call(
            Method::POST,
            "/datasets/nanos/ingest",
            &arrow,
            arrow_stream(Arc::new(nanos)),
        )
        .await;
    assert_eq!(
        fixture.sql("SELECT v FROM nanos").await,
        [
            json!({"v": "1969-12-31T23:59:59.999999Z"}),
            json!({"v": "2026-03-01T00:00:00.000001Z"})
        ]
    );
    let doubles = Float64Array::from(vec![0.1, f64::MAX, 9_007_199_254_740_992.0]);
    fixture
        .call(
            Method::POST,
            "/datasets/doubles/ingest",
            &arrow,
            arrow_stream(Arc::new(doubles)),
        )
        .await;
    let read = fixture.sql("SELECT v FROM doubles").await;
    assert_eq!(
        read,
        [
            json!({"v": 0.1}),
            json!({"v": f64::MAX}),
            json!({"v": 9_007_199_254_740_992.0})
        ]
    );
}
