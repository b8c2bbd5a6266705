use axum::http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::service::{BODY_LIMIT_BYTES, Served, problem};

fn json(service: &Served, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    service
        .post("/books")
        .header("content-type", "application/json")
        .body(body)
}

#[tokio::test]
async fn malformed_json_says_line_and_column() {
    let service = Served::start().await;
    let document = problem(json(&service, "{\"title\": \"x\",\n  oops}"), 400).await;
    assert_eq!(document["code"], "malformed_json");
    assert_eq!(document["type"], "/docs#error-malformed_json");
    assert!(
        document["detail"]
            .as_str()
            .unwrap()
            .contains("at line 2 column 3"),
        "{document}"
    );
    assert_eq!(document["retryable"], false);

    let document = problem(json(&service, ""), 400).await;
    assert_eq!(document["detail"], "the body is empty; send JSON");
}

#[tokio::test]
async fn a_wrong_type_in_a_body_is_named_by_json_pointer() {
    let service = Served::start().await;
    let body = r#"{"title":"x","pageCounts":{"a/b":[1,-2]}}"#;
    let document = problem(json(&service, body), 400).await;
    assert_eq!(document["code"], "invalid_request");
    assert_eq!(document["errors"][0]["pointer"], "/pageCounts/a~1b/1");
    let detail = document["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("/pageCounts/a~1b/1: ") && detail.contains("-2"),
        "{detail}"
    );

    let document = problem(json(&service, "{}"), 400).await;
    assert_eq!(document["errors"][0]["pointer"], "/title");
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_gets_the_line_to_add() {
    let service = Served::start().await;
    let form = service
        .post("/books")
        .header("content-type", "application/x-www-form-urlencoded");
    for request in [form, service.post("/books")] {
        let document = problem(request.body(r#"{"title":"x"}"#), 415).await;
        assert_eq!(document["code"], "unsupported_media_type");
        let detail = document["detail"].as_str().unwrap();
        assert!(
            detail.ends_with("add -H 'content-type: application/json'"),
            "{detail}"
        );
    }
    let json = || {
        service
            .post("/books")
            .header("content-type", "application/JSON; charset=UTF-8")
            .body(r#"{"title":"x","unknown":1}"#)
    };
    assert_eq!(json().send().await.unwrap().status(), 201);
    for (name, value) in [
        ("content-type", "application/json-patch+json"),
        ("content-type", "application/merge-patch+json"),
        ("content-type", "application/json; charset=iso-8859-1"),
        ("content-encoding", "gzip"),
    ] {
        let mut request = json().build().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = service.client.execute(request).await.unwrap();
        assert_eq!(answer.status(), 415, "{name}: {value}");
    }
}

#[tokio::test]
async fn an_array_is_no_body() {
    let service = Served::start().await;
    let document = problem(json(&service, r#"["x"]"#), 400).await;
    assert_eq!(document["code"], "invalid_request");
    assert!(
        document["detail"].as_str().unwrap().contains("an object"),
        "{document}"
    );
}

#[tokio::test]
async fn a_number_that_would_not_come_back_is_named() {
    let service = Served::start().await;
    let body = r#"{"title":"x","ignored":{"n":[12345678901234567890]}}"#;
    let document = problem(json(&service, body), 400).await;
    assert_eq!(document["errors"][0]["pointer"], "/ignored/n/0");
    assert_eq!(document["message"], document["detail"]);
    assert!(
        document["detail"].as_str().unwrap().contains("as a string"),
        "{document}"
    );
}

#[tokio::test]
async fn two_hosts_are_refused() {
    let service = Served::start().await;
    let mut socket = tokio::net::TcpStream::connect(service.address())
        .await
        .unwrap();
    let head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 400");
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let service = Served::start().await;
    let document = problem(service.get("/books?pageLimit=ten"), 400).await;
    assert_eq!(document["errors"][0]["pointer"], "/pageLimit");
    let document = problem(service.get("/books/seven"), 400).await;
    assert_eq!(document["errors"][0]["pointer"], "/id");
    assert_eq!(document["detail"], "/id: must be an integer, not \"seven\"");
}

#[tokio::test]
async fn a_repeated_parameter_fills_a_list() {
    let service = Served::start().await;
    let get = async |path: &str| -> Value {
        service
            .get(path)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let expected = serde_json::json!({"pageLimit": 3, "events": ["a", "b"]});
    assert_eq!(get("/books?events=a&pageLimit=3&events=b").await, expected);
    let expected = serde_json::json!({"pageLimit": null, "events": ["a"]});
    assert_eq!(get("/books?events=a").await, expected);
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_problems() {
    let service = Served::start().await;
    let document = problem(service.get("/boks"), 404).await;
    assert_eq!(document["code"], "not_found");
    assert_eq!(
        document["detail"],
        "nothing is served at /boks; /docs lists every operation"
    );

    let request = || {
        service
            .client
            .request(Method::PATCH, service.url("/books/1"))
    };
    let document = problem(request(), 405).await;
    assert_eq!(document["code"], "method_not_allowed");
    assert_eq!(
        document["detail"],
        "/books/1 takes DELETE, GET, HEAD, not PATCH"
    );
    let allow = request().send().await.unwrap().headers()["allow"]
        .to_str()
        .unwrap()
        .to_owned();
    let mut allowed: Vec<&str> = allow.split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD"]);
}

#[tokio::test]
async fn a_failure_and_a_panic_show_nothing_of_the_inside() {
    let service = Served::start().await;
    for path in ["/panic", "/fails"] {
        let document = problem(service.get(path), 500).await;
        assert_eq!(document["code"], "internal");
        let text = document.to_string();
        assert!(
            !text.contains("secret") && !text.contains("password"),
            "{text}"
        );
    }
    let document = problem(service.get("/plain"), 502).await;
    assert_eq!(document["code"], "bad_gateway");
    assert!(!document.to_string().contains("10.0.0.7"), "{document}");
    // The service is still there.
    assert_eq!(service.get("/healthz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_with_its_own_representation_is_left_as_it_is() {
    let service = Served::start().await;
    let answer = service.get("/stalled").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "stalled");
}

#[tokio::test]
async fn overload_says_when_to_come_back() {
    let service = Served::start().await;
    let answer = service.get("/overloaded").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "3");
    let document = problem(service.get("/overloaded"), 429).await;
    assert_eq!(document["retryable"], true);

    let bare = service.get("/busy").send().await.unwrap();
    assert_eq!(bare.headers()["retry-after"], "1");
    let document = problem(service.get("/busy"), 503).await;
    assert_eq!(document["detail"], "service unavailable");
}

#[tokio::test]
async fn a_body_too_large_is_a_413_unless_the_route_streams_it() {
    let service = Served::start().await;
    let large = "x".repeat(BODY_LIMIT_BYTES + 1);
    let document = problem(json(&service, large.clone()), 413).await;
    assert_eq!(document["code"], "payload_too_large");
    let answer = service
        .client
        .put(service.url("/upload"))
        .body(large)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "1001");
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_look_whole() {
    let service = Served::start().await;
    let whole = service.get("/lines?good=2").send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "application/x-ndjson");
    assert_eq!(whole.text().await.unwrap(), "{\"line\":0}\n{\"line\":1}\n");
    let broken = async {
        service
            .get("/lines?good=2&fault=1")
            .send()
            .await?
            .text()
            .await
    };
    broken.await.unwrap_err();
}

#[tokio::test]
async fn a_request_id_is_taken_if_it_is_harmless_and_made_if_not() {
    let service = Served::start().await;
    let id = async |own: &str| {
        let answer = service
            .get("/healthz")
            .header("x-request-id", own)
            .send()
            .await
            .unwrap();
        answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(id("build-17.step_2").await, "build-17.step_2");
    for harmful in ["a b", "<script>", "", &"x".repeat(200)] {
        let made = id(harmful).await;
        assert_eq!(made.len(), 36, "{made}");
    }
    let seen = service
        .get("/whoami/a")
        .header("x-request-id", "mine")
        .send()
        .await
        .unwrap();
    assert_eq!(seen.json::<Value>().await.unwrap()["id"], "mine");
}
