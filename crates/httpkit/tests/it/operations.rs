use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use httpkit::metric;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use serde_json::Value;

use crate::service::{Gate, Served, app, problem};

async fn text(service: &Served, path: &str) -> String {
    service
        .get(path)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test]
async fn liveness_and_readiness_are_two_questions() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_ready);
    let service = Served::of(app(&Arc::default()).ready(move || {
        let is_ready = asked.load(Ordering::SeqCst);
        if is_ready {
            Ok(())
        } else {
            Err("the journal is not read yet".to_owned())
        }
    }))
    .await;
    for path in ["/healthz", "/health"] {
        let alive: Value = serde_json::from_str(&text(&service, path).await).unwrap();
        assert_eq!(
            (&alive["status"], &alive["service"]),
            (&"ok".into(), &"metastore".into())
        );
    }
    for path in ["/readyz", "/ready"] {
        let document = problem(service.get(path), 503).await;
        assert_eq!(document["code"], "not_ready");
        assert_eq!(document["detail"], "the journal is not read yet");
        let answer = service.get(path).send().await.unwrap();
        assert_eq!(answer.headers()["retry-after"], "1");
    }
    is_ready.store(true, Ordering::SeqCst);
    for path in ["/readyz", "/ready"] {
        assert_eq!(service.get(path).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn requests_are_measured_by_route_and_not_by_path() {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(metric::REQUEST_DURATION_SECONDS.to_owned()),
            metric::REQUEST_DURATION_BUCKETS_SECONDS,
        )
        .unwrap();
    let handle = builder.install_recorder().unwrap();
    let service = Served::of(app(&Arc::new(Gate::default())).metrics(handle)).await;
    for path in [
        "/books/1",
        "/books/2",
        "/books/x",
        "/no/such/route",
        "/nor/this",
    ] {
        service.get(path).send().await.unwrap();
    }
    let purge = axum::http::Method::from_bytes(b"PURGE").unwrap();
    service
        .client
        .request(purge, service.url("/books/1"))
        .send()
        .await
        .unwrap();

    let answer = service.get("/metrics").send().await.unwrap();
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let metrics = answer.text().await.unwrap();
    let counted = |method: &str, route: &str, status: u16| {
        let start = format!(
            "http_requests_total{{service=\"metastore\",method=\"{method}\",route=\"{route}\",\
             status=\"{status}\"}} "
        );
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
        line.map(|count| count.parse::<u64>().unwrap())
    };
    assert_eq!(counted("GET", "/books/{id}", 200), Some(2), "{metrics}");
    assert_eq!(counted("GET", "/books/{id}", 400), Some(1), "{metrics}");
    assert_eq!(counted("GET", "unmatched", 404), Some(2), "{metrics}");
    assert_eq!(counted("other", "/books/{id}", 405), Some(1), "{metrics}");
    assert!(
        metrics.contains("# HELP http_requests_total Requests answered."),
        "{metrics}"
    );
    let bucket = "http_request_duration_seconds_bucket{service=\"metastore\",method=\"GET\",\
                  route=\"/books/{id}\",status=\"200\",le=\"+Inf\"} 2";
    assert!(metrics.contains(bucket), "{metrics}");
}

#[tokio::test]
async fn the_document_names_scopes_errors_and_the_routes_of_every_service() {
    let service = Served::start().await;
    let document: Value = serde_json::from_str(&text(&service, "/openapi.json").await).unwrap();
    let expected = serde_json::to_value(app(&Arc::default()).openapi()).unwrap();
    assert_eq!(document, expected);
    assert_eq!(document["info"]["title"], "A small service");
    let scope = |pointer: &str| document.pointer(&format!("/paths{pointer}/security/0/bearer/0"));
    assert_eq!(scope("/~1books/get"), Some(&"metastore:read".into()));
    assert_eq!(scope("/~1books/post"), Some(&"metastore:write".into()));
    assert_eq!(
        scope("/~1books~1search/post"),
        Some(&"metastore:read".into())
    );
    assert_eq!(scope("/~1metrics/get"), Some(&"metastore:read".into()));
    assert_eq!(scope("/~1healthz/get"), None);
    for path in [
        "/healthz",
        "/health",
        "/readyz",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/docs",
    ] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    let error = &document["paths"]["/books"]["get"]["responses"]["default"]["content"];
    let reference = &error["application/problem+json"]["schema"]["$ref"];
    assert_eq!(reference, "#/components/schemas/Problem");
    let schemas = &document["components"]["schemas"];
    for field in [
        "type",
        "title",
        "status",
        "detail",
        "code",
        "retryable",
        "errors",
        "error",
    ] {
        assert!(
            schemas["Problem"]["properties"][field].is_object(),
            "{field}"
        );
    }
    for (name, schema) in references(&document) {
        assert!(
            schemas[&name].is_object(),
            "{schema} names {name}, which is not there"
        );
    }
}

/// Every named schema that the document refers to, with the place.
fn references(value: &Value) -> Vec<(String, String)> {
    let text = value.to_string();
    let found = text.split("#/components/schemas/").skip(1);
    found
        .map(|rest| {
            (
                rest.split('"').next().unwrap().to_owned(),
                "the document".to_owned(),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_reference_page_has_every_operation_and_needs_nothing_from_outside() {
    let service = Served::start().await;
    let page = text(&service, "/docs").await;
    let document = serde_json::to_value(app(&Arc::default()).openapi()).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let heading = format!(
                "<b class=\"{method}\">{}</b> <code>{path}</code></h3>",
                method.to_uppercase()
            );
            assert_eq!(page.matches(&heading).count(), 1, "{method} {path}");
            operations += 1;
        }
    }
    assert!(operations > 15, "{operations}");
    for outside in [
        "<script",
        "<link",
        "<img",
        "@import",
        "url(",
        "src=",
        "href=\"http",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let security = service.get("/docs").send().await.unwrap();
    let policy = security.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    // The pages that a problem's type points to.
    for code in httpkit::Code::ALL {
        assert!(page.contains(&format!("id=\"error-{code}\"")), "{code}");
    }
}

#[tokio::test]
async fn calls_on_the_reference_page_can_be_copied() {
    let service = Served::start().await;
    let call = format!("'http://{}/books/{{id}}'", service.address());
    assert!(text(&service, "/docs").await.contains(&call));
    let request = service.get("/docs").header("host", "localhost:1$(reboot)");
    assert_eq!(problem(request, 421).await["code"], "foreign_origin");
}
