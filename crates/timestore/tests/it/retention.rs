//! How long a dataset's rows are kept.

use crate::support::{Answer, Fixture, get};
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::wait_for;
use timestore::Options;

const PATH: &str = "/admin/datasets/sensors/retention";

async fn put(fixture: &Fixture, path: &str, body: Value) -> Answer {
    let headers = &[("content-type", "application/json")];
    fixture
        .call(Method::PUT, path, headers, body.to_string())
        .await
}

/// Two rows for a day of March.
async fn ingest(fixture: &Fixture, day: u32) {
    let (start, end) = (
        format!("2026-03-{day:02}"),
        format!("2026-03-{:02}", day + 1),
    );
    let body = json!({
        "schema": {"fields": [{"name": "seen_at", "type": "timestamp"}]},
        "partition": {"key": start.clone(), "timeRange": {
            "start": format!("{start}T00:00:00Z"), "end": format!("{end}T00:00:00Z"),
        }},
        "rows": [{"seen_at": format!("{start}T01:00:00Z")}, {"seen_at": format!("{start}T02:00:00Z")}],
    });
    let answer = fixture.post("/datasets/sensors/ingest", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

async fn days(fixture: &Fixture) -> Vec<Value> {
    let sql = "SELECT DISTINCT day(seen_at)::INTEGER AS day FROM sensors ORDER BY day";
    fixture.sql(sql).await
}

fn often(options: &mut Options) {
    options.retention_interval = Duration::from_millis(10);
}

async fn wait_for_dropped(fixture: &Fixture, partitions: u32) {
    let router = fixture.router.clone();
    let waiting = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        wait_for("partitions to be dropped", Duration::from_secs(60), || {
            let answer = runtime.block_on(get(&router, PATH)).json();
            (answer["partitionsDropped"] == partitions)
                .then_some(())
                .ok_or(answer)
        });
    });
    waiting.await.unwrap();
}

#[tokio::test]
async fn partitions_older_than_the_age_are_dropped_when_it_is_set_and_later() {
    let fixture = Fixture::with(often);
    fixture.clock.set("2026-03-05T00:00:00Z");
    for day in 1..5 {
        ingest(&fixture, day).await;
    }
    let set = |retention: Value| {
        let mut whole = retention;
        for (name, value) in [
            ("datasetId", json!("2")),
            ("datasetSlug", json!("sensors")),
            ("maxTotalBytes", json!(null)),
            ("policy", json!(null)),
            ("defaultPolicy", json!({"mode": "hybrid", "rules": {}})),
        ] {
            whole[name] = value;
        }
        whole["effectivePolicy"] = json!({"mode": "hybrid", "rules": {
            "maxAgeHours": whole["maxAgeHours"], "maxTotalBytes": null}});
        whole
    };
    let none = json!({
        "maxAgeHours": null, "updatedBy": null, "updatedAt": null,
        "partitionsDropped": 0, "rowsDropped": 0, "droppedAt": null,
    });
    assert_eq!(fixture.get(PATH).await.json(), set(none));

    // The first day ended three days ago; the second ended just as long ago as is kept.
    let answer = put(&fixture, PATH, json!({"maxAgeHours": 48})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let dropped = json!({
        "maxAgeHours": 48, "updatedBy": null, "updatedAt": "2026-03-05T00:00:00.000Z",
        "partitionsDropped": 1, "rowsDropped": 2, "droppedAt": "2026-03-05T00:00:00.000Z",
    });
    let dropped = set(dropped);
    assert_eq!(answer.json(), dropped);
    assert_eq!(fixture.get(PATH).await.json(), dropped);
    let day = |day: u32| json!({ "day": day });
    assert_eq!(days(&fixture).await, [day(2), day(3), day(4)]);

    // Later, by itself.
    fixture.clock.set("2026-03-06T00:00:00Z");
    wait_for_dropped(&fixture, 2).await;
    assert_eq!(days(&fixture).await, [day(3), day(4)]);
    let detail = fixture.get("/admin/datasets/sensors").await.json();
    assert_eq!(detail["dataset"]["rows"], 4);
    assert_eq!(detail["partitions"].as_array().unwrap().len(), 2);

    // It goes on after a restart, in June.
    fixture.timestore.close();
    let fixture = Fixture::open(fixture.dir, often);
    wait_for_dropped(&fixture, 4).await;
    assert_eq!(days(&fixture).await, [] as [Value; 0]);

    // Kept from now on, and what was dropped stays known.
    let answer = put(&fixture, PATH, json!({"maxAgeHours": null}))
        .await
        .json();
    assert_eq!(
        (&answer["maxAgeHours"], &answer["rowsDropped"]),
        (&Value::Null, &json!(8))
    );
}

#[tokio::test]
async fn an_age_that_cannot_be_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    ingest(&fixture, 1).await;
    for body in [
        json!({}),
        json!({"maxAgeHours": 0}),
        json!({"maxAgeHours": -1}),
        json!({"maxAgeHours": 1.5}),
        json!({"maxAgeHours": 8_760_001}),
        json!({"maxAgeHours": "1"}),
    ] {
        let answer = put(&fixture, PATH, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_eq!(
            answer.problem().2,
            "/maxAgeHours",
            "{body}: {}",
            answer.text
        );
    }
    let other = put(&fixture, PATH, json!({"maxAgeHours": 1, "maxAgeDays": 1})).await;
    assert_eq!(other.problem().2, "/maxAgeDays", "{}", other.text);
    assert_eq!(fixture.get(PATH).await.json()["updatedAt"], Value::Null);
    assert_eq!(days(&fixture).await.len(), 1);

    for path in [
        "/admin/datasets/nothing/retention",
        "/admin/datasets/filestore_activity/retention",
    ] {
        let answer = put(&fixture, path, json!({"maxAgeHours": 1})).await;
        let expected = if path.contains("nothing") {
            (404, "not_found".to_owned())
        } else {
            (409, "read_only".to_owned())
        };
        let (status, code, _) = answer.problem();
        assert_eq!((status, code), expected, "{}", answer.text);
    }
    let activity = fixture
        .get("/admin/datasets/filestore_activity/retention")
        .await;
    assert_eq!(activity.json()["maxAgeHours"], Value::Null);
}
