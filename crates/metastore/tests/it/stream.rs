//! Record changes as they happen.

use crate::support::Served;
use futures::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_watcher_is_told_of_every_write_in_order() {
    let served = Served::start().await;
    let response = served
        .client
        .get(format!("{}/stream/records", served.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("connected") {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    let path = "/records/n/k";
    served.put(path, json!({"metadata": {}})).await.expect(201);
    served
        .patch(path, json!({"owner": "ada"}))
        .await
        .expect(200);
    served
        .patch(path, json!({"owner": "ada"}))
        .await
        .expect(200);
    served.delete(path).await.expect(200);
    served.delete(&format!("{path}/purge")).await.expect(200);
    while text.matches("data: ").count() < 4 {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    let events: Vec<&str> = text
        .lines()
        .filter_map(|it| it.strip_prefix("event: "))
        .collect();
    assert_eq!(
        events,
        [
            "metastore.record.created",
            "metastore.record.updated",
            "metastore.record.deleted",
            "metastore.record.deleted",
        ],
        "a write that changed nothing is not told"
    );
    let data: Vec<Value> = text
        .lines()
        .filter_map(|it| it.strip_prefix("data: "))
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(
        (&data[1]["key"], &data[1]["version"]),
        (&json!("k"), &json!(2))
    );
    assert_eq!(
        (&data[2]["mode"], &data[3]["mode"]),
        (&json!("soft"), &json!("hard"))
    );
}

#[tokio::test]
async fn a_watcher_that_comes_back_misses_nothing() {
    let served = Served::start().await;
    let path = "/records/n/k";
    served.put(path, json!({"metadata": {}})).await.expect(201);
    served
        .patch(path, json!({"owner": "ada"}))
        .await
        .expect(200);
    served.delete(&format!("{path}/purge")).await.expect(200);
    let other = "/records/n/l";
    served.put(other, json!({"metadata": {}})).await.expect(201);
    served
        .patch(other, json!({"owner": "ada"}))
        .await
        .expect(200);
    let watch = |last: &'static str| {
        let request = served.client.get(format!("{}/stream/records", served.url));
        request.header("last-event-id", last).send()
    };
    let mut body = watch("1").await.unwrap().bytes_stream();
    let mut text = String::new();
    while text.matches("data: ").count() < 3 {
        let chunk = tokio::time::timeout(Duration::from_secs(30), body.next()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("nothing more after {text}"));
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    // What was written to `k` went with its history; that it was purged is told.
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    assert_eq!(ids, ["3", "4", "5"]);
    let told: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let what = |at: usize| (&told[at]["action"], &told[at]["key"], &told[at]["mode"]);
    assert_eq!(what(0), (&json!("deleted"), &json!("k"), &json!("hard")));
    assert_eq!(what(1), (&json!("created"), &json!("l"), &Value::Null));
    assert_eq!(what(2), (&json!("updated"), &json!("l"), &Value::Null));

    assert_eq!(watch("99").await.unwrap().status(), 409);
    assert_eq!(watch("x").await.unwrap().status(), 400);
}
