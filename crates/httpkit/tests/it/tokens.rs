use std::sync::Arc;

use axum::http::Method;
use httpkit::Tokens;
use serde_json::Value;

use crate::service::{Served, app, problem};

const READER: &str = "reader-0123456789abcdef";
const WRITER: &str = "writer-0123456789abcdef";
const ADMIN: &str = "admin-0123456789abcdef";
const STRANGER: &str = "stranger-0123456789abcdef";

async fn guarded() -> Served {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tokens = serde_json::json!([
        {"token": READER, "subject": "rita", "scopes": ["metastore:read"], "namespaces": ["a"]},
        {"token": WRITER, "subject": "will", "scopes": ["metastore:write"]},
        {"token": ADMIN, "subject": "ada", "scopes": ["metastore:admin"], "namespaces": "*"},
        {"token": STRANGER, "subject": "sam", "scopes": ["filestore:admin"], "namespaces": "*"},
    ]);
    std::fs::write(file.path(), tokens.to_string()).unwrap();
    let tokens = Tokens::load(file.path()).unwrap();
    Served::of(app(&Arc::default()).tokens(Some(Arc::new(tokens)))).await
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
        (Method::GET, "/metrics", [404, 403, 404, 403]),
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
