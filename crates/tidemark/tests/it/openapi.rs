//! The OpenAPI documents are committed under `openapi/`, so that a change of the API shows in
//! review. `UPDATE_OPENAPI=1 cargo nextest run -p tidemark openapi` writes them anew.

use crate::deployment::{Deployment, SERVICES};
use std::path::Path;

#[test]
fn the_committed_documents_are_what_the_services_serve() {
    let deployment = Deployment::together("inline");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
    for (at, service) in SERVICES.iter().enumerate() {
        let served = deployment.get(at, "/openapi.json").unwrap();
        let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
        let path = folder.join(format!("{service}.json"));
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "openapi/{service}.json is not what {service} serves; see this test's first lines"
        );
    }
}
