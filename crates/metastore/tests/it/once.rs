//! A request under an idempotency key has one effect and one answer.

use crate::support::{Served, TickingClock, options};
use metastore::Options;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

const K: &str = "/records/n/k";

async fn at(dir: &TempDir, clock: &Arc<TickingClock>) -> Served {
    let clock: Arc<dyn journal::Clock> = Arc::<TickingClock>::clone(clock);
    let options = Options {
        clock,
        ..options(dir.path())
    };
    Served::with(options, None).await
}

fn keyed(mut body: Value, key: &str) -> Option<Value> {
    body["idempotencyKey"] = json!(key);
    Some(body)
}

/// The same answer, but for `idempotent`.
#[track_caller]
fn assert_repeated(first: &Value, again: &Value) {
    let mut expected = first.clone();
    expected["idempotent"] = json!(true);
    assert_eq!(*again, expected);
}

#[tokio::test]
async fn every_write_is_done_once_and_answered_alike_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TickingClock::default());
    let mut served = at(&dir, &clock).await;
    let own = json!({"namespace": "n", "key": "own", "metadata": {"a": 1}});
    let writes = [
        (Method::POST, "/records", own),
        (
            Method::PUT,
            K,
            json!({"metadata": {"a": 1}, "tags": ["one"]}),
        ),
        (Method::PATCH, K, json!({"metadata": {"b": 2}})),
        (Method::PATCH, K, json!({"owner": "ada"})),
        (Method::DELETE, K, json!({})),
        (Method::POST, "/records/n/k/restore", json!({"version": 2})),
        (Method::DELETE, K, json!({"expectedVersion": 5})),
    ];
    let mut answers = Vec::new();
    for (index, (method, path, body)) in writes.iter().enumerate() {
        let body = keyed(body.clone(), &format!("key {index}"));
        let answer = served.send(method.clone(), path, body).await;
        assert!(answer.status < 300, "{method} {path}: {:#}", answer.body);
        assert_eq!(answer.body["idempotent"], false, "{method} {path}");
        answers.push(answer.body);
    }
    let versions = |audit: Value| audit["pagination"]["total"].clone();
    let told = versions(served.get("/records/n/k/audit").await.expect(200));
    for is_restarted in [false, true] {
        if is_restarted {
            served.metastore.close();
            served = at(&dir, &clock).await;
        }
        for (index, (method, path, body)) in writes.iter().enumerate().rev() {
            let body = keyed(body.clone(), &format!("key {index}"));
            let again = served.send(method.clone(), path, body).await.expect(200);
            assert_repeated(&answers[index], &again);
        }
        let now = versions(served.get("/records/n/k/audit").await.expect(200));
        assert_eq!(now, told, "nothing was done twice");
    }
    assert_eq!(served.record("n", "k").await["version"], 6);
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_its_namespace() {
    let served = Served::start().await;
    let body = json!({"metadata": {"a": 1}});
    served
        .send(Method::PUT, K, keyed(body.clone(), "once"))
        .await
        .expect(201);
    for (method, path, body) in [
        (Method::PUT, K, json!({"metadata": {"a": 2}})),
        (
            Method::PUT,
            K,
            json!({"metadata": {"a": 1}, "owner": "ada"}),
        ),
        (
            Method::PUT,
            K,
            json!({"metadata": {"a": 1}, "expectedVersion": 1}),
        ),
        (Method::PUT, "/records/n/other", body.clone()),
        (Method::PATCH, K, body.clone()),
        (Method::DELETE, K, json!({})),
        (Method::DELETE, "/records/n/k/purge", json!({})),
        (Method::POST, "/records/n/k/restore", json!({})),
        (
            Method::POST,
            "/records",
            json!({"namespace": "n", "key": "k", "metadata": {"a": 1}}),
        ),
    ] {
        let answer = served.send(method.clone(), path, keyed(body, "once")).await;
        assert_eq!(
            answer.problem(),
            (409, "idempotency_conflict", ""),
            "{method} {path}"
        );
    }
    assert_eq!(served.record("n", "k").await["version"], 1);
    served
        .send(Method::PUT, "/records/m/k", keyed(body, "once"))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_request_that_failed_may_be_tried_again() {
    let served = Served::start().await;
    let owner = || keyed(json!({"owner": "ada"}), "later");
    served.send(Method::PATCH, K, owner()).await.expect(404);
    served.put(K, json!({"metadata": {}})).await.expect(201);
    let answer = served.send(Method::PATCH, K, owner()).await.expect(200);
    assert_eq!(answer["idempotent"], false);
}

#[tokio::test]
async fn the_header_is_as_good_as_the_body_and_taken_as_utf8() {
    let served = Served::start().await;
    let send = async |header: &str, key: &[u8]| {
        let request = served.client.patch(format!("{}{K}", served.url));
        let request = request
            .header(header, key)
            .header("content-type", "application/json")
            .body(r#"{"tags": {"add": ["t"]}}"#);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    served.put(K, json!({"metadata": {}})).await.expect(201);
    let (status, first) = send("Idempotency-Key", "žluť-1".as_bytes()).await;
    assert_eq!((status, &first["idempotent"]), (200, &json!(false)));
    for (header, body) in [("X-Idempotency-Key", None), ("x-other", Some("žluť-1"))] {
        let again = match body {
            None => send(header, "žluť-1".as_bytes()).await.1,
            Some(key) => {
                let body = json!({"tags": {"add": ["t"]}});
                let answer = served.send(Method::PATCH, K, keyed(body, key)).await;
                answer.expect(200)
            }
        };
        assert_repeated(&first, &again);
    }
    // Another one, although both are the same without what is not ASCII.
    served
        .patch(K, json!({"tags": {"remove": ["t"]}}))
        .await
        .expect(200);
    let (_, other) = send("Idempotency-Key", "žlut-1".as_bytes()).await;
    assert_eq!(other["record"]["version"], 4);

    let version = served.record("n", "k").await["version"].clone();
    for (header, key) in [
        ("Idempotency-Key", &b"caf\xe9"[..]),
        ("X-Idempotency-Key", &b"caf\xe9"[..]),
        ("If-Match", &b"\"caf\xe9\""[..]),
    ] {
        let (status, problem) = send(header, key).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 400, "{detail}");
        assert!(detail.contains(&header.to_lowercase()), "{detail}");
    }
    // UTF-8 that is no ETag of ours is that of no version.
    let (status, _) = send("If-Match", "\"é\"".as_bytes()).await;
    assert_eq!(status, 412);
    assert_eq!(served.record("n", "k").await["version"], version);
}

#[tokio::test]
async fn a_bulk_is_done_once_and_so_is_each_of_its_operations() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TickingClock::default());
    let served = at(&dir, &clock).await;
    let bulk = json!({"continueOnError": true, "idempotencyKey": "all", "operations": [
        {"namespace": "n", "key": "a", "metadata": {"x": 1}, "idempotencyKey": "a-1"},
        {"type": "create", "namespace": "m", "key": "b", "metadata": {}},
        {"type": "delete", "namespace": "n", "key": "none"},
    ]});
    let first = served.post("/records/bulk", bulk.clone()).await.expect(200);
    served
        .patch("/records/n/a", json!({"owner": "ada"}))
        .await
        .expect(200);
    served.metastore.close();
    let served = at(&dir, &clock).await;
    let again = served.post("/records/bulk", bulk.clone()).await.expect(200);
    for index in [0, 1] {
        assert_repeated(&first["operations"][index], &again["operations"][index]);
    }
    assert_eq!(again["operations"][2], first["operations"][2]);
    assert_eq!(again["operations"][2]["error"]["statusCode"], 404);
    assert_eq!(served.record("n", "a").await["version"], 2);

    let mut other = bulk;
    other["operations"][1]["metadata"] = json!({"x": 2});
    let refused = served.post("/records/bulk", other.clone()).await;
    assert_eq!(refused.problem(), (409, "idempotency_conflict", ""));
    // In another bulk, and on its own, the operation is the one that was done.
    other["idempotencyKey"] = json!("others");
    let others = served.post("/records/bulk", other).await.expect(200);
    assert_repeated(&first["operations"][0], &others["operations"][0]);
    let put = keyed(json!({"metadata": {"x": 1}}), "a-1");
    let put = served.send(Method::PUT, "/records/n/a", put).await;
    assert_eq!(put.expect(200)["record"], first["operations"][0]["record"]);
    assert_eq!(served.record("n", "a").await["version"], 2);
}

#[tokio::test]
async fn a_purge_takes_what_was_written_out_of_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TickingClock::default());
    let served = at(&dir, &clock).await;
    let secret = json!({"metadata": {"word": "sesame"}, "tags": ["sesame"], "owner": "sesame"});
    served
        .send(Method::PUT, K, keyed(secret.clone(), "put"))
        .await
        .expect(201);
    let mut operation = secret.clone();
    (operation["namespace"], operation["key"]) = (json!("n"), json!("k"));
    let bulk = json!({"operations": [operation], "idempotencyKey": "bulk"});
    served.post("/records/bulk", bulk.clone()).await.expect(200);
    let purge = || keyed(json!({}), "purge");
    let purged = served
        .send(Method::DELETE, "/records/n/k/purge", purge())
        .await
        .expect(200);
    assert_eq!(purged["record"]["owner"], "sesame");

    let put = served
        .send(Method::PUT, K, keyed(secret, "put"))
        .await
        .expect(200);
    assert_eq!(
        (&put["record"]["metadata"], &put["record"]["version"]),
        (&json!({}), &json!(1))
    );
    let bulk = served.post("/records/bulk", bulk).await.expect(200);
    let again = served
        .send(Method::DELETE, "/records/n/k/purge", purge())
        .await
        .expect(200);
    assert_eq!(
        (&again["purged"], &again["idempotent"]),
        (&json!(true), &json!(true))
    );
    for answer in [&put, &bulk, &again] {
        assert!(!answer.to_string().contains("sesame"), "{answer}");
    }
    served.get(K).await.expect(404);
    served.metastore.close();
    let file = rusqlite::Connection::open(dir.path().join("metastore.db")).unwrap();
    let left: i64 = file
        .query_row(
            "SELECT count(*) FROM kept_answers WHERE instr(answer, 'sesame')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_key_is_forgotten_after_seven_days() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TickingClock::default());
    let served = at(&dir, &clock).await;
    let body = |a: i64| keyed(json!({"metadata": {"a": a}}), "once");
    served.send(Method::PUT, K, body(1)).await.expect(201);
    clock.advance(7 * 24 * 3_600 * 1_000 - 60_000);
    served.send(Method::PUT, K, body(2)).await.expect(409);
    clock.advance(120_000);
    served.send(Method::PUT, K, body(2)).await.expect(200);
    served.send(Method::PUT, K, body(1)).await.expect(409);
}
