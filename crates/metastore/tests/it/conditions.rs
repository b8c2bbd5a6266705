//! Records under conditions, merge patches, and what comes back of numbers.

use crate::support::Served;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const PATH: &str = "/records/n/k";

async fn send(served: &Served, method: Method, headers: &[(&str, &str)], body: Value) -> Response {
    let mut request = served
        .client
        .request(method, format!("{}{PATH}", served.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.body(body.to_string());
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
    }
    request.send().await.unwrap()
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_record_is_changed_only_at_the_version_of_if_match() {
    let served = Served::start().await;
    let put = json!({"metadata": {"a": 1}});
    let made = send(&served, Method::PUT, &[("if-none-match", "*")], put.clone()).await;
    assert_eq!(
        (made.status().as_u16(), etag(&made).as_str()),
        (201, "\"1\"")
    );
    let again = send(&served, Method::PUT, &[("if-none-match", "*")], put.clone()).await;
    assert_eq!(again.status(), 412);

    let owner = json!({"owner": "ada"});
    let changed = send(
        &served,
        Method::PATCH,
        &[("if-match", "\"1\"")],
        owner.clone(),
    )
    .await;
    assert_eq!(
        (changed.status().as_u16(), etag(&changed).as_str()),
        (200, "\"2\"")
    );
    for method in [Method::PATCH, Method::PUT, Method::DELETE] {
        let body = match method {
            Method::PATCH => owner.clone(),
            Method::PUT => put.clone(),
            _ => Value::Null,
        };
        let stale = send(&served, method, &[("if-match", "\"1\"")], body).await;
        assert_eq!(stale.status(), 412);
        let problem: Value = stale.json().await.unwrap();
        assert_eq!(problem["code"], "precondition_failed");
        assert_eq!(problem["error"]["details"]["currentVersion"], 2);
    }
    assert_eq!(
        served.record("n", "k").await["version"],
        2,
        "nothing was changed"
    );

    let shown = send(&served, Method::GET, &[], Value::Null).await;
    let tag = etag(&shown);
    let known = send(
        &served,
        Method::GET,
        &[("if-none-match", &tag)],
        Value::Null,
    )
    .await;
    assert_eq!((known.status().as_u16(), etag(&known)), (304, tag));
}

#[tokio::test]
async fn a_merge_patch_removes_on_null_and_a_json_patch_is_not_taken() {
    let served = Served::start().await;
    let put = json!({"metadata": {"a": {"b": 1, "c": 2}, "d": 3}, "tags": ["x"], "owner": "ada"});
    served.put(PATH, put).await.expect(201);
    let merge = [("content-type", "application/merge-patch+json")];
    let patch =
        json!({"metadata": {"a": {"b": null}, "d": {"e": null}}, "tags": ["y"], "owner": null});
    let answer = send(&served, Method::PATCH, &merge, patch).await;
    assert_eq!(answer.status(), 200);
    let record = served.record("n", "k").await;
    assert_eq!(record["metadata"], json!({"a": {"c": 2}, "d": {}}));
    assert_eq!(
        (&record["tags"], &record["owner"]),
        (&json!(["y"]), &Value::Null)
    );

    let json_patch = [("content-type", "application/json-patch+json")];
    let remove = json!([{"op": "remove", "path": "/metadata/a"}]);
    let answer = send(&served, Method::PATCH, &json_patch, remove.clone()).await;
    assert_eq!(answer.status(), 415);
    let answer = send(&served, Method::PATCH, &[], remove).await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_number_stays_what_it_was_and_a_filter_finds_it() {
    let served = Served::start().await;
    for (at, number) in [
        "5.960464477539063e-8",
        "0.1",
        "1.7976931348623157e308",
        "9007199254740993",
        "-9223372036854775808",
        "123456.78901234567",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/records/r/{at}");
        let body = format!("{{\"metadata\":{{\"x\":{number}}}}}");
        served
            .send_text(Method::PUT, &path, Some(body))
            .await
            .expect(201);
        for tag in ["a", "b"] {
            let add = json!({"tags": {"add": [tag]}});
            served.patch(&path, add).await.expect(200);
        }
        let record = served.record("r", &at.to_string()).await;
        let sent: Value = serde_json::from_str(number).unwrap();
        assert_eq!(record["metadata"]["x"], sent);
        if sent.is_i64() {
            let search = json!({"namespace": "r",
                "filter": {"field": "metadata.x", "operator": "eq", "value": sent}});
            assert_eq!(served.keys(search).await, [at.to_string()], "{number}");
        }
    }
    let neighbour = json!({"namespace": "r", "filter":
        {"field": "metadata.x", "operator": "eq", "value": 9_007_199_254_740_992_i64}});
    assert_eq!(served.keys(neighbour).await, Vec::<String>::new());
    let body = r#"{"metadata":{"a":[1,12345678901234567890]}}"#;
    let refused = served
        .send_text(Method::PUT, PATH, Some(body.to_owned()))
        .await;
    assert_eq!(refused.problem(), (400, "invalid_request", "/metadata/a/1"));
    let findings = served.get("/filestore/integrity").await.expect(200);
    assert_eq!(findings["findings"], json!([]));
}
