//! What AppHub's clients send and read that is found nowhere else.

use crate::support::Served;
use serde_json::{Value, json};

#[tokio::test]
async fn a_diff_shows_both_states_whole() {
    let served = Served::start().await;
    let body = json!({"metadata": {"a": 1}, "tags": ["t"], "owner": "ada"});
    served.put("/records/n/k", body).await.expect(201);
    served
        .patch("/records/n/k", json!({"owner": null}))
        .await
        .expect(200);
    let audit = served.get("/records/n/k/audit").await.expect(200);
    let diff = async |index: usize| {
        let id = &audit["entries"][index]["id"];
        let diff = served
            .get(&format!("/records/n/k/audit/{id}/diff"))
            .await
            .expect(200);
        diff["snapshots"].clone()
    };
    let said = |owner: Value| json!({"metadata": {"a": 1}, "tags": ["t"], "owner": owner, "schemaHash": null});
    let nothing = json!({"metadata": null, "tags": [], "owner": null, "schemaHash": null});
    assert_eq!(
        diff(0).await,
        json!({"current": said(json!(null)), "previous": said(json!("ada"))})
    );
    assert_eq!(
        diff(1).await,
        json!({"current": said(json!("ada")), "previous": nothing})
    );
}

#[tokio::test]
async fn lists_end_without_a_next_page_and_go_on_by_cursor() {
    let served = Served::start().await;
    for name in ["a", "b.c", "d"] {
        served
            .put(&format!("/records/{name}/k"), json!({"metadata": {}}))
            .await
            .expect(201);
    }
    let page = served.get("/namespaces?limit=2").await.expect(200);
    assert_eq!(
        (&page["pagination"]["nextOffset"], &page["nextCursor"]),
        (&json!(2), &json!("b.c"))
    );
    // One more before what was seen.
    served
        .put("/records/aa/k", json!({"metadata": {}}))
        .await
        .expect(201);
    let page = served
        .get("/namespaces?limit=2&cursor=b.c")
        .await
        .expect(200);
    assert_eq!(page["namespaces"][0]["name"], "d");
    let pagination = page["pagination"].as_object().unwrap();
    assert!(
        !pagination.contains_key("nextOffset") && page.get("nextCursor").is_none(),
        "{page}"
    );
    for n in 1..=3 {
        served
            .patch("/records/a/k", json!({"metadata": {"n": n}}))
            .await
            .expect(200);
    }
    let first = served.get("/records/a/k/audit?limit=2").await.expect(200);
    served
        .patch("/records/a/k", json!({"metadata": {"n": 4}}))
        .await
        .expect(200);
    let next = served
        .get(&format!(
            "/records/a/k/audit?limit=2&cursor={}",
            first["nextCursor"]
        ))
        .await
        .expect(200);
    let versions = |page: &Value| -> Vec<i64> {
        page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["version"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(
        (versions(&first), versions(&next)),
        (vec![4, 3], vec![2, 1])
    );
    assert!(next.get("nextCursor").is_none(), "{next}");
}
