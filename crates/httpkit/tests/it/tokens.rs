use std::sync::Arc;

use axum::http::Method;
use futures::StreamExt as _;
use httpkit::{Tokens, Vocabulary};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::service::{Served, app, problem};

const READER: &str = "reader-0123456789abcdef";
const WRITER: &str = "writer-0123456789abcdef";
const ADMIN: &str = "admin-0123456789abcdef";
const STRANGER: &str = "stranger-0123456789abcdef";

async fn guarded() -> Served {
    let dir = tempfile::tempdir().unwrap();
    guarded_in(&dir).await
}

const WORDS: Vocabulary = Vocabulary {
    scopes: &[
        "filestore:admin",
        "metastore:read",
        "metastore:write",
        "metastore:admin",
    ],
    with_paths: &["metastore:read"],
};

fn all() -> Value {
    serde_json::json!([
        {"token": READER, "subject": "rita", "scopes": ["metastore:read"], "namespaces": ["a"]},
        {"token": WRITER, "subject": "will", "scopes": ["metastore:write"]},
        {"token": ADMIN, "subject": "ada", "scopes": ["metastore:admin"], "namespaces": "*"},
        {"token": STRANGER, "subject": "sam", "scopes": ["filestore:admin"], "namespaces": "*"},
    ])
}

async fn guarded_in(dir: &TempDir) -> Served {
    put(dir, &all());
    let tokens = Arc::new(Tokens::load(&dir.path().join("tokens.json"), WORDS).unwrap());
    tokio::spawn(Arc::clone(&tokens).follow(CancellationToken::new()));
    Served::of(app(&Arc::default()).tokens(Some(tokens))).await
}

/// Puts the file in place in one step.
fn put(dir: &TempDir, tokens: &Value) {
    std::fs::write(dir.path().join("new"), tokens.to_string()).unwrap();
    std::fs::rename(dir.path().join("new"), dir.path().join("tokens.json")).unwrap();
}

fn without(token: &str) -> Value {
    let mut tokens = all();
    tokens
        .as_array_mut()
        .unwrap()
        .retain(|entry| entry["token"] != token);
    tokens
}

async fn status(service: &Served, method: Method, path: &str, token: &str) -> u16 {
    let request = service
        .client
        .request(method, service.url(path))
        .bearer_auth(token);
    let request = request
        .header("content-type", "application/json")
        .body(r#"{"title":"x"}"#);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn no_token_and_a_wrong_token_are_told_what_to_send() {
    let service = guarded().await;
    let document = problem(service.get("/books/1"), 401).await;
    assert_eq!(document["detail"], "add -H 'authorization: Bearer <token>'");
    let answer = service.get("/books/1").send().await.unwrap();
    assert_eq!(
        answer.headers()["www-authenticate"],
        "Bearer realm=\"tidemark\""
    );

    for wrong in ["reader-0123456789abcdeg", "reader-0123456789abcde", ""] {
        let document = problem(service.get("/books/1").bearer_auth(wrong), 401).await;
        assert_eq!(document["code"], "unauthorized", "{wrong:?}");
        assert!(wrong.is_empty() || !document.to_string().contains(wrong));
    }
    let basic = service.get("/books/1").basic_auth("rita", Some(READER));
    assert_eq!(problem(basic, 401).await["code"], "unauthorized");
    assert_eq!(
        problem(service.get("/no-such-route"), 401).await["code"],
        "unauthorized"
    );
}

#[tokio::test]
async fn an_operation_takes_the_scope_of_its_document_or_of_its_method() {
    let service = guarded().await;
    let cases = [
        // By method.
        (Method::GET, "/books/1", [200, 403, 200, 403]),
        (Method::HEAD, "/books/1", [200, 403, 200, 403]),
        (Method::POST, "/books", [403, 201, 201, 403]),
        // About everything, and the reader is limited to a namespace.
        (Method::GET, "/metrics", [403, 403, 404, 403]),
        // By document.
        (Method::POST, "/books/search", [200, 403, 200, 403]),
        (Method::DELETE, "/books/1", [403, 403, 200, 403]),
        (Method::GET, "/healthz", [200, 200, 200, 200]),
    ];
    for (method, path, expected) in cases {
        for (token, expected) in [READER, WRITER, ADMIN, STRANGER].into_iter().zip(expected) {
            let got = status(&service, method.clone(), path, token).await;
            assert_eq!(got, expected, "{method} {path} {token}");
        }
    }
    let request = service
        .client
        .delete(service.url("/books/1"))
        .bearer_auth(READER);
    let document = problem(request, 403).await;
    assert_eq!(
        document["detail"],
        "the token lacks the scope metastore:delete"
    );
}

#[tokio::test]
async fn a_handler_knows_its_caller_and_the_namespaces() {
    let service = guarded().await;
    let answer = service
        .get("/whoami/a")
        .bearer_auth(READER)
        .send()
        .await
        .unwrap();
    let caller: Value = answer.json().await.unwrap();
    assert_eq!(
        (&caller["subject"], &caller["mayWrite"]),
        (&"rita".into(), &false.into())
    );
    let document = problem(service.get("/whoami/b").bearer_auth(READER), 403).await;
    assert_eq!(
        document["detail"],
        "the token is not for the namespace \"b\""
    );
    let answer = service
        .get("/whoami/b")
        .bearer_auth(ADMIN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["mayWrite"], true);
}

#[tokio::test]
async fn what_tells_nothing_of_the_data_needs_no_token() {
    let service = guarded().await;
    for path in [
        "/healthz",
        "/health",
        "/readyz",
        "/ready",
        "/docs",
        "/openapi.json",
    ] {
        assert_eq!(
            service.get(path).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }
    assert_eq!(
        problem(service.get("/metrics"), 401).await["code"],
        "unauthorized"
    );
}

#[tokio::test]
async fn a_handler_asks_for_no_scope_that_its_document_lacks() {
    let service = guarded().await;
    let request = service.get("/undocumented").bearer_auth(ADMIN);
    assert_eq!(problem(request, 500).await["code"], "internal");
    // Without tokens it shows, too.
    let service = Served::start().await;
    assert_eq!(
        problem(service.get("/undocumented"), 500).await["code"],
        "internal"
    );
}

#[tokio::test]
async fn who_acts_is_the_tokens_subject_unless_a_scope_allows_another_one() {
    let service = guarded().await;
    for (token, expected) in [(READER, "rita"), (ADMIN, "mallory")] {
        let answer = service.get("/principal").bearer_auth(token).send().await;
        let principal: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(principal, expected, "{token}");
    }
    let answer = Served::start()
        .await
        .get("/principal")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), "mallory");
}

#[tokio::test]
async fn a_token_that_is_taken_away_stops_at_once_and_so_does_what_it_opened() {
    let dir = tempfile::tempdir().unwrap();
    let service = guarded_in(&dir).await;
    let open = service
        .get("/endless")
        .bearer_auth(READER)
        .send()
        .await
        .unwrap();
    let mut of_reader = open.bytes_stream();
    assert_eq!(of_reader.next().await.unwrap().unwrap(), "first\n");
    let open = service
        .get("/endless")
        .bearer_auth(ADMIN)
        .send()
        .await
        .unwrap();
    let mut of_admin = open.bytes_stream();
    assert_eq!(of_admin.next().await.unwrap().unwrap(), "first\n");
    let poll = service.get("/long-poll").bearer_auth(READER).send();
    let poll = tokio::spawn(poll);
    // It is answered only after the poll has begun.
    assert_eq!(status(&service, Method::GET, "/books/1", READER).await, 200);

    put(&dir, &without(READER));
    assert_eq!(status(&service, Method::GET, "/books/1", READER).await, 401);
    assert_eq!(poll.await.unwrap().unwrap().status(), 401);
    of_reader.next().await.unwrap().unwrap_err();
    let others = tokio::time::timeout(std::time::Duration::from_millis(50), of_admin.next());
    others.await.unwrap_err();
}

#[tokio::test]
async fn tokens_are_read_again_on_request_and_a_broken_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let service = guarded_in(&dir).await;
    let reload = || service.post("/admin/tokens/reload").bearer_auth(ADMIN);
    let request = service.post("/admin/tokens/reload").bearer_auth(WRITER);
    assert_eq!(problem(request, 403).await["code"], "forbidden");
    put(&dir, &without(STRANGER));
    let answer = reload().send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["tokens"], 3);

    std::fs::write(dir.path().join("tokens.json"), "[{").unwrap();
    let document = problem(reload(), 409).await;
    assert_eq!(document["code"], "tokens_file_broken");
    assert!(
        document["detail"]
            .as_str()
            .unwrap()
            .contains("line 1 column 2")
    );
    assert_eq!(status(&service, Method::GET, "/books/1", READER).await, 200);
    let warnings = |health: Value| health["warnings"].as_array().unwrap().len();
    let health = service
        .get("/healthz")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(warnings(health), 1);
    put(&dir, &all());
    let health = service
        .get("/healthz")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(warnings(health), 0);

    let document = problem(Served::start().await.post("/admin/tokens/reload"), 409).await;
    assert_eq!(document["code"], "unsupported");
}

#[tokio::test]
async fn without_tokens_everyone_on_this_machine_may_do_everything() {
    let service = Served::start().await;
    let answer = service.get("/whoami/any").send().await.unwrap();
    let caller: Value = answer.json().await.unwrap();
    assert_eq!(
        (&caller["subject"], &caller["mayWrite"]),
        (&Value::Null, &true.into())
    );
}

#[tokio::test]
async fn without_tokens_a_page_of_another_origin_reaches_nothing() {
    let service = Served::start().await;
    let rebound = service.get("/books/1").header("host", "evil.example:4100");
    assert_eq!(problem(rebound, 421).await["code"], "foreign_origin");
    for origin in ["https://evil.example", "null"] {
        let posted = service.post("/books").header("origin", origin);
        assert_eq!(problem(posted, 403).await["code"], "foreign_origin");
    }
    let own = service
        .get("/books/1")
        .header("origin", "http://localhost:5173");
    assert_eq!(own.send().await.unwrap().status(), 200);

    let service = guarded().await;
    let proxied = service
        .get("/books/1")
        .header("host", "books.example")
        .bearer_auth(READER);
    assert_eq!(proxied.send().await.unwrap().status(), 200);
}
