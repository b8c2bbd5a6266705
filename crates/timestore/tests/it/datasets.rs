//! What people say of datasets, as AppHub's clients say it.

use crate::support::{Answer, Fixture};
use axum::http::Method;
use serde_json::{Value, json};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

async fn send(fixture: &Fixture, method: Method, path: &str, body: Value) -> Answer {
    fixture.call(method, path, JSON, body.to_string()).await
}

async fn create(fixture: &Fixture, slug: &str) -> Value {
    let body = json!({"slug": slug, "name": slug.to_uppercase()});
    let answer = fixture.post("/admin/datasets", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn rows(values: &[i64]) -> Value {
    let rows: Vec<_> = values
        .iter()
        .map(|v| json!({"at": "2026-03-01T00:00:00Z", "v": v}))
        .collect();
    json!({
        "schema": {"fields": [{"name": "at", "type": "timestamp"}, {"name": "v", "type": "integer"}]},
        "partition": {"key": {"day": "1"}, "timeRange": {
            "start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}},
        "rows": rows,
    })
}

#[tokio::test]
async fn a_dataset_is_made_changed_and_archived() {
    let fixture = Fixture::new();
    let body = json!({"slug": "sensors", "name": "Sensors", "description": "in the cellar",
        "metadata": {"team": "a"}, "writeFormat": "duckdb", "idempotencyKey": "abcd"});
    let made = fixture.post("/admin/datasets", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let dataset = made.json()["dataset"].clone();
    let id = dataset["id"].as_str().unwrap().to_owned();
    assert_eq!(
        dataset,
        json!({
            "id": id, "slug": "sensors", "name": "Sensors", "description": "in the cellar",
            "status": "active", "writeFormat": "duckdb", "defaultStorageTargetId": null,
            "metadata": {"team": "a"}, "createdAt": "2026-06-01T00:00:00.000Z",
            "updatedAt": "2026-06-01T00:00:00.000Z", "tableName": "sensors", "isActivity": false,
            "fields": [], "rows": 0,
        })
    );
    assert_eq!(made.json()["etag"], dataset["updatedAt"]);
    assert_eq!(made.headers["etag"], "\"2026-06-01T00:00:00.000Z\"");
    // The same once more, and another one.
    assert_eq!(fixture.post("/admin/datasets", &body).await.status, 200);
    let other = json!({"slug": "sensors", "name": "Other"});
    assert_eq!(
        fixture.post("/admin/datasets", &other).await.problem().0,
        409
    );

    // By id as well as by slug, and only where nobody was quicker.
    let path = format!("/admin/datasets/{id}");
    let change = json!({"description": null, "metadata": {"team": null, "room": 7}, "ifMatch": dataset["updatedAt"]});
    let changed = send(&fixture, Method::PATCH, &path, change.clone())
        .await
        .json();
    assert_eq!(changed["dataset"]["description"], json!(null));
    assert_eq!(changed["dataset"]["metadata"], json!({"room": 7}));
    assert_eq!(changed["etag"], "2026-06-01T00:00:00.001Z");
    let late = send(&fixture, Method::PATCH, &path, change).await;
    assert_eq!(late.problem().1, "precondition_failed");
    assert_eq!(late.status, 412);
    let by_header = fixture
        .call(
            Method::PATCH,
            "/admin/datasets/sensors",
            &[
                ("content-type", "application/json"),
                ("if-match", "\"2026-06-01T00:00:00.001Z\""),
            ],
            json!({"name": "Cellar"}).to_string(),
        )
        .await;
    assert_eq!(by_header.json()["dataset"]["name"], "Cellar");

    // What has no fields takes its first ones whatever the request says of new ones.
    let mut first = rows(&[1]);
    first["schema"]["evolution"] = json!({"allowNewFields": false});
    assert_eq!(
        fixture
            .post("/datasets/sensors/ingest", &first)
            .await
            .status,
        201
    );

    let archive = format!("{path}/archive");
    let archived = fixture.call(Method::POST, &archive, &[], "").await;
    assert_eq!(archived.json()["dataset"]["status"], "inactive");
    let refused = fixture.post("/datasets/sensors/ingest", &rows(&[2])).await;
    assert_eq!(refused.problem().1, "read_only");
    assert_eq!(fixture.value("SELECT sum(v) FROM sensors").await, json!(1));
    let active = json!({"status": "active"});
    assert_eq!(
        send(&fixture, Method::PATCH, &path, active).await.status,
        200
    );
    assert_eq!(
        fixture
            .post("/datasets/sensors/ingest", &rows(&[2]))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn what_a_dataset_cannot_be_is_named() {
    let fixture = Fixture::new();
    for (body, status, pointer) in [
        (json!({"slug": "A b", "name": "x"}), 400, "/slug"),
        (json!({"slug": "abc", "name": " "}), 400, "/name"),
        (
            json!({"slug": "abc", "name": "x", "description": "y".repeat(1001)}),
            400,
            "/description",
        ),
        (
            json!({"slug": "abc", "name": "x", "writeFormat": "parquet"}),
            400,
            "/writeFormat",
        ),
        (
            json!({"slug": "abc", "name": "x", "defaultStorageTargetId": "t"}),
            404,
            "",
        ),
        (
            json!({"slug": "abc", "name": "x", "metadata": []}),
            400,
            "/metadata",
        ),
        (
            json!({"slug": "abc", "name": "x", "status": "gone"}),
            400,
            "/status",
        ),
    ] {
        let answer = fixture.post("/admin/datasets", &body).await;
        assert_eq!(
            (answer.problem().0, answer.problem().2.as_str()),
            (status, pointer),
            "{body}"
        );
    }
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"ifMatch": "x", "name": "y"}), "/ifMatch"),
    ] {
        let answer = send(
            &fixture,
            Method::PATCH,
            "/admin/datasets/filestore_activity",
            body,
        )
        .await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_request".to_owned(), pointer.to_owned())
        );
    }
    let rename = send(
        &fixture,
        Method::PATCH,
        "/admin/datasets/filestore_activity",
        json!({"name": "x"}),
    );
    assert_eq!(rename.await.problem().1, "read_only");
    let path = "/admin/datasets/filestore_activity/archive";
    assert_eq!(
        fixture.call(Method::POST, path, &[], "").await.problem().1,
        "read_only"
    );
    assert_eq!(
        fixture
            .call(Method::POST, path, &[], "[]")
            .await
            .problem()
            .1,
        "malformed_json"
    );
    assert_eq!(fixture.get("/admin/datasets/4711").await.problem().0, 404);
}

#[tokio::test]
async fn datasets_are_listed_searched_and_paged_while_others_write() {
    let fixture = Fixture::new();
    for slug in ["alpha", "beta", "delta", "gamma"] {
        create(&fixture, slug).await;
    }
    send(
        &fixture,
        Method::PATCH,
        "/admin/datasets/beta",
        json!({"description": "Luftdruck"}),
    )
    .await;
    fixture
        .call(Method::POST, "/admin/datasets/gamma/archive", &[], "")
        .await;
    let slugs = |answer: &Answer| -> Vec<String> {
        let rows = answer.rows("datasets");
        rows.iter()
            .map(|row| row["slug"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = fixture.get("/admin/datasets").await;
    assert_eq!(
        slugs(&all),
        ["alpha", "beta", "delta", "filestore_activity"]
    );
    assert_eq!(all.json()["nextCursor"], json!(null));
    assert_eq!(
        slugs(&fixture.get("/admin/datasets?status=inactive").await),
        ["gamma"]
    );
    assert_eq!(
        slugs(&fixture.get("/admin/datasets?search=LUFT").await),
        ["beta"]
    );
    assert_eq!(
        slugs(&fixture.get("/v1/admin/datasets?search=alph").await),
        ["alpha"]
    );

    let first = fixture.get("/admin/datasets?limit=2&status=all").await;
    assert_eq!(slugs(&first), ["alpha", "beta"]);
    // One that is changed and one that comes before the cursor move nothing.
    send(
        &fixture,
        Method::PATCH,
        "/admin/datasets/delta",
        json!({"name": "D"}),
    )
    .await;
    create(&fixture, "aaa").await;
    let cursor = first.json()["nextCursor"].as_str().unwrap().to_owned();
    let second = fixture
        .get(&format!(
            "/admin/datasets?limit=2&status=all&cursor={cursor}"
        ))
        .await;
    assert_eq!(slugs(&second), ["delta", "filestore_activity"]);
    let cursor = second.json()["nextCursor"].as_str().unwrap().to_owned();
    let third = fixture
        .get(&format!(
            "/admin/datasets?limit=2&status=all&cursor={cursor}"
        ))
        .await;
    assert_eq!(
        (slugs(&third), &third.json()["nextCursor"]),
        (vec!["gamma".to_owned()], &json!(null))
    );
    assert_eq!(
        fixture.get("/admin/datasets?limit=0").await.problem().2,
        "/limit"
    );
    assert_eq!(
        fixture.get("/admin/datasets?status=x").await.problem().2,
        "/status"
    );
}

#[tokio::test]
async fn an_identical_ingestion_without_a_key_is_stored_once() {
    let fixture = Fixture::new();
    let first = fixture
        .post("/v1/datasets/sensors/ingest", &rows(&[1, 2]))
        .await;
    assert_eq!(
        (first.status.as_u16(), &first.json()["idempotent"]),
        (201, &json!(false))
    );
    let again = fixture
        .post("/datasets/sensors/ingest", &rows(&[1, 2]))
        .await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["idempotent"]),
        (200, &json!(true))
    );
    assert_eq!(
        fixture
            .post("/datasets/sensors/ingest", &rows(&[1, 3]))
            .await
            .status,
        201
    );
    assert_eq!(
        fixture
            .post("/datasets/other/ingest", &rows(&[1, 2]))
            .await
            .status,
        201
    );
    assert_eq!(
        fixture.value("SELECT count(*) FROM sensors").await,
        json!(4)
    );
    // The same lines for another partition are others.
    for (key, status) in [("a", 201), ("a", 200), ("b", 201)] {
        let path = format!("/datasets/lines/ingest?schema=v:integer&partitionKey={key}");
        let headers = [("content-type", "application/x-ndjson")];
        let answer = fixture
            .call(Method::POST, &path, &headers, "{\"v\":1}\n")
            .await;
        assert_eq!(answer.status, status, "{key}: {}", answer.text);
    }
    let body =
        json!({"timeRange": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}});
    let found = fixture.post("/v1/datasets/sensors/query", &body).await;
    assert_eq!(found.rows("rows").len(), 4);
}

#[tokio::test]
async fn a_manifest_lists_the_partitions() {
    let fixture = Fixture::new();
    let dataset = create(&fixture, "sensors").await["dataset"].clone();
    assert_eq!(
        fixture
            .get("/admin/datasets/sensors/manifest")
            .await
            .problem()
            .0,
        404
    );
    fixture
        .post("/datasets/sensors/ingest", &rows(&[1, 2]))
        .await;
    let answer = fixture
        .get("/v1/admin/datasets/sensors/manifest")
        .await
        .json();
    assert_eq!(answer["datasetId"], dataset["id"]);
    let manifest = &answer["manifest"];
    assert_eq!(
        (
            &manifest["status"],
            &manifest["partitionCount"],
            &manifest["totalRows"]
        ),
        (&json!("published"), &json!(1), &json!(2))
    );
    let partition = &manifest["partitions"][0];
    assert_eq!(partition["partitionKey"], json!({"day": "1"}));
    assert_eq!(partition["startTime"], json!("2026-03-01T00:00:00.000Z"));
    assert_eq!(partition["rowCount"], json!(2));
    assert!(partition["fileSizeBytes"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn retention_is_taken_with_mode_and_rules() {
    let fixture = Fixture::new();
    fixture.clock.set("2026-03-05T00:00:00Z");
    for day in 1..5 {
        let mut body = rows(&[1, 2]);
        body["partition"] = json!({"key": {"day": day.to_string()}, "timeRange": {
            "start": format!("2026-03-0{day}T00:00:00Z"), "end": format!("2026-03-0{}T00:00:00Z", day + 1)}});
        assert_eq!(
            fixture.post("/datasets/sensors/ingest", &body).await.status,
            201
        );
    }
    let path = "/v1/admin/datasets/sensors/retention";
    let unset = fixture.get(path).await.json();
    assert_eq!(
        (&unset["policy"], &unset["datasetSlug"]),
        (&json!(null), &json!("sensors"))
    );
    let policy = json!({"mode": "time", "rules": {"maxAgeHours": 48}, "deleteGraceMinutes": 60});
    let set = send(&fixture, Method::PUT, path, policy.clone())
        .await
        .json();
    assert_eq!(
        (&set["policy"], &set["effectivePolicy"]),
        (&policy, &policy)
    );
    // The first day ended 72 hours ago, the second 48: the hour's grace keeps only the second.
    assert_eq!(
        (&set["maxAgeHours"], &set["partitionsDropped"]),
        (&json!(48), &json!(1))
    );

    let partitions = fixture.get("/admin/datasets/sensors").await.json()["partitions"].clone();
    let bytes = partitions[0]["bytes"].as_i64().unwrap();
    let size = json!({"mode": "size", "rules": {"maxTotalBytes": bytes * 2, "maxAgeHours": 1}});
    let set = send(&fixture, Method::PUT, path, size).await.json();
    assert_eq!(
        (&set["maxAgeHours"], &set["partitionsDropped"]),
        (&json!(null), &json!(2))
    );
    let kept = fixture.sql("SELECT count(*) AS n FROM sensors").await;
    assert_eq!(kept, [json!({"n": 4})]);
    for (body, pointer) in [
        (json!({"rules": {"maxAgeHours": 0}}), "/rules/maxAgeHours"),
        (
            json!({"rules": {"maxTotalBytes": 0}}),
            "/rules/maxTotalBytes",
        ),
        (json!({"mode": "never"}), "/mode"),
        (
            json!({"rules": {}, "coldStorageAfterHours": 1}),
            "/coldStorageAfterHours",
        ),
        (json!({"rules": {}, "maxAgeHours": 1}), "/maxAgeHours"),
        (json!({}), "/maxAgeHours"),
    ] {
        let answer = send(&fixture, Method::PUT, path, body.clone()).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_request".to_owned(), pointer.to_owned()),
            "{body}"
        );
    }
}
