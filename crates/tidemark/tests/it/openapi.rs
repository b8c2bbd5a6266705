//! The OpenAPI documents are committed under `openapi/`, so that a change of the API shows in
//! review. `UPDATE_OPENAPI=1 cargo nextest run -p tidemark openapi` writes them anew.

use crate::deployment::{Deployment, SERVICES};
use std::path::Path;
use std::process::Command;

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

#[test]
fn the_documents_are_valid_answers_fit_them_and_a_generated_client_works() {
    let deployment = Deployment::together("inline");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../.openapi/bin/python");
    assert!(
        python.try_exists().unwrap_or_default(),
        "{} is missing; run scripts/setup --test",
        python.display()
    );
    let folder = deployment.folder().join("check");
    std::fs::create_dir(&folder).unwrap();
    let output = Command::new(python)
        .arg(root.join("tests/it/openapi/check.py"))
        .args((0..SERVICES.len()).map(|service| deployment.url(service)))
        .arg(deployment.mount_id.to_string())
        .arg(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
}
