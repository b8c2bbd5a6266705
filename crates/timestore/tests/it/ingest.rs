//! Datasets: rows in, rows out, and the same numbers as plain Rust.

mod downsampling;
mod values;

use crate::support::{Answer, Fixture, Tree, at};
use axum::http::Method;
use serde_json::{Value, json};
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
