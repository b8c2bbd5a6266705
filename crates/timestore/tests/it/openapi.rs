//! The document of the API.

use crate::support::Fixture;
use std::collections::BTreeSet;

#[tokio::test]
async fn every_operation_is_documented_and_reads_need_no_more_than_the_scope_to_read() {
    let fixture = Fixture::new();
    let document = fixture.get("/openapi.json").await.json();
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            assert!(operation["summary"].is_string(), "{name} has a summary");
            operations.insert((name, operation["security"].to_string()));
        }
    }
    let scopes = |path: &str| {
        let found = operations.iter().find(|(name, _)| name == path);
        found
            .unwrap_or_else(|| panic!("{path} is not documented"))
            .1
            .clone()
    };
    for path in [
        "POST /datasets/{slug}/query",
        "POST /sql/read",
        "GET /sql/schema",
        "GET /sql/saved",
        "GET /sql/saved/{id}",
        "GET /admin/datasets",
        "GET /admin/datasets/{slug}",
        "GET /filestore/growth",
        "GET /filestore/churn",
        "GET /filestore/top",
        "GET /filestore/nodes",
        "GET /filestore/digest",
        "GET /filestore/integrity",
        "GET /filestore/nodes/{id}/timeline",
        "GET /filestore/as-of",
        "GET /filestore/reconciliation",
    ] {
        assert!(
            scopes(path).contains("timestore:read"),
            "{path}: {}",
            scopes(path)
        );
    }
    for path in [
        "POST /datasets/{slug}/ingest",
        "PUT /sql/saved/{id}",
        "DELETE /sql/saved/{id}",
    ] {
        assert!(
            scopes(path).contains("timestore:write"),
            "{path}: {}",
            scopes(path)
        );
    }
}
