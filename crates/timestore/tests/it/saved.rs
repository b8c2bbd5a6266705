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
