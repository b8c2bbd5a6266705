//! The OpenAPI documents are committed under `openapi/`, so that a change of the API shows in
//! review. `UPDATE_OPENAPI=1 cargo nextest run -p tidemark openapi` writes them anew.

use crate::deployment::{Deployment, SERVICES};
use std::os::unix::fs::symlink;
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
fn the_documents_are_valid_answers_fit_them_and_a_client_generated_in_python_works() {
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

#[test]
fn a_client_generated_in_typescript_compiles_under_all_checks_and_works() {
    let deployment = Deployment::together("inline");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("../../.openapi-npm/node_modules");
    assert!(
        modules.try_exists().unwrap_or_default(),
        "{} is missing; run scripts/setup --test",
        modules.display()
    );
    let folder = deployment.folder().join("typescript");
    std::fs::create_dir(&folder).unwrap();
    symlink(&modules, folder.join("node_modules")).unwrap();
    for file in ["package.json", "tsconfig.json", "client.ts"] {
        std::fs::copy(root.join("tests/it/openapi").join(file), folder.join(file)).unwrap();
    }
    let node = |script: &str, args: &[&str]| {
        let output = Command::new("node")
            .arg(script)
            .args(args)
            .current_dir(&folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}{failed}");
    };
    for (at, service) in SERVICES.iter().enumerate() {
        let document = format!("{service}.json");
        let served = deployment.get(at, "/openapi.json").unwrap();
        std::fs::write(folder.join(&document), served.to_string()).unwrap();
        let types = format!("{service}.d.ts");
        let script = "node_modules/openapi-typescript/bin/cli.js";
        node(script, &[&document, "--output", &types]);
    }
    node("node_modules/typescript/bin/tsc", &["--project", "."]);
    let [filestore, metastore, timestore] = [0, 1, 2].map(|at| deployment.url(at));
    let mount = deployment.mount_id.to_string();
    node(
        "out/client.js",
        &[&filestore, &metastore, &timestore, &mount],
    );
}
