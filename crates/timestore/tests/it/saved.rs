//! Saved statements.

use crate::support::Fixture;
use axum::http::Method;
use serde_json::json;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn statements_are_saved_replaced_listed_and_deleted() {
    let fixture = Fixture::new();
    let body =
        json!({"statement": "SELECT 1", "label": "one", "stats": {"rowCount": 1}}).to_string();
    let saved = fixture
        .call(Method::PUT, "/sql/saved/a%20b", JSON, body)
        .await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let expected = json!({
        "id": "a b", "statement": "SELECT 1", "label": "one", "stats": {"rowCount": 1},
        "createdBy": null, "createdAt": "2026-06-01T00:00:00.000Z",
        "updatedAt": "2026-06-01T00:00:00.000Z",
    });
    assert_eq!(saved.json()["savedQuery"], expected);
    assert_eq!(
        fixture.get("/sql/saved/a%20b").await.json()["savedQuery"],
        expected
    );

    fixture.clock.set("2026-06-02T00:00:00Z");
    let body = json!({"statement": "SELECT 2"}).to_string();
    fixture
        .call(Method::PUT, "/sql/saved/a%20b", JSON, body)
        .await;
    let list = fixture.get("/sql/saved").await.rows("savedQueries");
    assert_eq!(list.len(), 1);
    assert_eq!(
        list[0],
        json!({"id": "a b", "statement": "SELECT 2", "label": null,
            "createdBy": null, "createdAt": "2026-06-01T00:00:00.000Z",
            "updatedAt": "2026-06-02T00:00:00.000Z"})
    );

    let gone = fixture
        .call(Method::DELETE, "/sql/saved/a%20b", &[], "")
        .await;
    assert_eq!(gone.status, 204);
    let missing = fixture
        .call(Method::DELETE, "/sql/saved/a%20b", &[], "")
        .await;
    assert_eq!(missing.problem().1, "not_found");
    assert_eq!(fixture.get("/sql/saved/a%20b").await.problem().0, 404);
}

#[tokio::test]
async fn what_is_no_statement_is_not_saved() {
    let fixture = Fixture::new();
    let long = "x".repeat(70_000);
    for (body, pointer) in [
        (json!({}), "/statement"),
        (json!({"statement": " "}), "/statement"),
        (json!({"statement": long}), "/statement"),
        (
            json!({"statement": "SELECT 1", "label": "x".repeat(501)}),
            "/label",
        ),
        (
            json!({"statement": "SELECT 1", "stats": {"rowCount": -1}}),
            "/stats/rowCount",
        ),
    ] {
        let answer = fixture
            .call(Method::PUT, "/sql/saved/a", JSON, body.to_string())
            .await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_request".to_owned(), pointer.to_owned())
        );
    }
    assert!(
        fixture
            .get("/sql/saved")
            .await
            .rows("savedQueries")
            .is_empty()
    );
}

#[tokio::test]
async fn pages_of_saved_statements_are_whole_while_others_save_and_delete() {
    let fixture = Fixture::new();
    let save = async |id: &str| {
        let body = json!({"statement": "SELECT 1"}).to_string();
        let path = format!("/sql/saved/{id}");
        let saved = fixture.call(Method::PUT, &path, JSON, body).await;
        assert_eq!(saved.status, 200, "{}", saved.text);
    };
    // Two at one time, so that the time alone is no place.
    for (minute, ids) in [(1, ["a", "b"]), (2, ["c", "d"]), (3, ["e", "f"])] {
        fixture.clock.set(&format!("2026-06-01T00:0{minute}:00Z"));
        for id in ids {
            save(id).await;
        }
    }
    fixture.clock.set("2026-06-01T00:04:00Z");
    let (mut seen, mut path) = (Vec::new(), "/sql/saved?limit=3".to_owned());
    for round in 0.. {
        let answer = fixture.get(&path).await;
        let rows = answer.rows("savedQueries");
        seen.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        if round == 0 {
            // One that was seen and one that was not are saved again, the place that the cursor
            // names goes, and a new one comes.
            save("e").await;
            save("a").await;
            save("new").await;
            fixture.call(Method::DELETE, "/sql/saved/c", &[], "").await;
        }
        match answer.json()["nextCursor"].as_str() {
            Some(cursor) => path = format!("/sql/saved?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["e", "f", "c", "d", "a", "b"]);
    let all = fixture.get("/sql/saved").await;
    assert_eq!(all.rows("savedQueries").len(), 6);
    assert_eq!(all.json()["nextCursor"], json!(null));
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("cursor=x", "/cursor"),
        ("cursor=MQ", "/cursor"),
    ] {
        let answer = fixture.get(&format!("/sql/saved?{query}")).await;
        let problem = answer.problem();
        assert_eq!((problem.0, problem.2.as_str()), (400, pointer), "{query}");
    }
}
