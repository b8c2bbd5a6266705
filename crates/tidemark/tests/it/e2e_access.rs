//! Who may do what, and when a service says that it is ready: asked of the real executable.

use crate::deployment::{Deployment, LONG, SERVICES};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::wait_for;

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

struct Operation {
    service: usize,
    method: String,
    path: String,
    /// What the document says that it always needs; nothing, if it is public.
    scope: Option<String>,
}

/// Every operation of a document.
fn operations(service: usize, document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            let first = &operation["security"][0]["bearer"];
            found.push(Operation {
                service,
                method: method.to_uppercase(),
                path: path.clone(),
                scope: first[0].as_str().map(str::to_owned),
            });
        }
    }
    found
}

fn token_of(scope: &str) -> String {
    format!("only-{scope}-0123456789")
}

fn token_without(scope: &str) -> String {
    format!("all-but-{scope}-0123456789")
}

/// A token with one scope, and one with all scopes that do not imply it, for each scope.
fn tokens(scopes: &BTreeSet<String>) -> Value {
    let implies = |held: &str, scope: &str| {
        let (service, verb) = held.split_once(':').unwrap();
        held == scope || (verb == "admin" && scope.starts_with(&format!("{service}:")))
    };
    let mut entries = Vec::new();
    for scope in scopes {
        let others: Vec<_> = scopes.iter().filter(|held| !implies(held, scope)).collect();
        let subject = "test";
        entries.push(json!({"token": token_of(scope), "subject": subject, "scopes": [scope]}));
        entries.push(json!({"token": token_without(scope), "subject": subject, "scopes": others}));
    }
    Value::Array(entries)
}

fn call(deployment: &Deployment, client: &Client, it: &Operation, token: &str) -> Response {
    let url = deployment.url(it.service) + &it.path.replace(['{', '}'], "");
    let request = client
        .request(it.method.parse().unwrap(), url)
        .bearer_auth(token);
    let request = match it.method.as_str() {
        "GET" => request,
        _ => request
            .header("content-type", "application/json")
            .body("{}"),
    };
    request.send().unwrap()
}

#[test]
fn every_operation_asks_for_the_scope_that_its_document_names() {
    let mut deployment = Deployment::new("inline");
    let file = deployment.folder().join("tokens.json");
    let setting = (
        "TIDEMARK_TOKENS_FILE".to_owned(),
        file.display().to_string(),
    );
    deployment.settings.extend([setting]);
    let scopes: BTreeSet<String> = tidemark::services::VOCABULARY
        .scopes
        .iter()
        .map(|scope| (*scope).to_owned())
        .collect();
    std::fs::write(&file, tokens(&scopes).to_string()).unwrap();
    deployment.start("all");
    let client = Client::builder().timeout(LONG).build().unwrap();
    let mut asked = BTreeSet::new();
    for (service, name) in SERVICES.iter().enumerate() {
        let document = deployment.get(service, "/openapi.json").unwrap();
        for it in operations(service, &document) {
            let Some(scope) = &it.scope else {
                continue;
            };
            asked.insert(scope.clone());
            let what = format!("{name} {} {}", it.method, it.path);
            let refused = call(&deployment, &client, &it, &token_without(scope));
            assert_eq!(refused.status(), 403, "{what} without {scope}");
            let problem: Value = refused.json().unwrap();
            let expected = format!("the token lacks the scope {scope}");
            assert_eq!(problem["detail"], expected, "{what}");
            let allowed = call(&deployment, &client, &it, &token_of(scope)).status();
            assert!(
                ![401, 403, 500].contains(&allowed.as_u16()),
                "{what} with {scope}: {allowed}"
            );
        }
    }
    let unused: Vec<_> = scopes.difference(&asked).collect();
    // It is asked for by what the request says, not by the operation.
    assert_eq!(unused, ["filestore:impersonate"]);
    let unknown: Vec<_> = asked.difference(&scopes).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn with_tokens_the_principal_of_an_entry_is_the_tokens_subject() {
    let mut deployment = Deployment::new("inline");
    let file = deployment.folder().join("tokens.json");
    let setting = (
        "TIDEMARK_TOKENS_FILE".to_owned(),
        file.display().to_string(),
    );
    deployment.settings.extend([setting]);
    let entry = |name: &str, scopes: &[&str]| {
        let token = format!("{name}-0123456789abcdef");
        json!({"token": token, "subject": name, "scopes": scopes})
    };
    let tokens = json!([
        entry("writer", &["filestore:write"]),
        entry("gateway", &["filestore:write", "filestore:impersonate"]),
        entry("root", &["filestore:admin"]),
    ]);
    std::fs::write(&file, tokens.to_string()).unwrap();
    deployment.start("all");
    let client = Client::builder().timeout(LONG).build().unwrap();
    let post = |path: &str, body: Value, token: &str, named: Option<&str>| {
        let request = client
            .post(deployment.url(0) + path)
            .bearer_auth(format!("{token}-0123456789abcdef"))
            .json(&body);
        let request = match named {
            Some(named) => request.header("x-filestore-principal", named),
            None => request,
        };
        let answer = request.send().unwrap();
        assert_eq!(answer.status(), 201, "{path} {token}");
        answer.json::<Value>().unwrap()
    };
    let body = json!({"backendKind": "local", "rootPath": deployment.files()});
    let mount = post("/v1/backend-mounts", body, "root", None)["data"]["id"].clone();
    for (at, (token, named)) in [
        ("writer", None),
        ("writer", Some("mallory")),
        ("gateway", Some("ada")),
        ("gateway", None),
        ("root", Some("eve")),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"backendMountId": mount, "path": format!("d{at}")});
        post("/v1/directories", body, token, named);
    }
    let journal = client
        .get(deployment.url(0) + "/v1/journal?after=0")
        .bearer_auth("root-0123456789abcdef")
        .send();
    let journal = journal.unwrap().text().unwrap();
    let principals: Vec<String> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].take())
        .filter(|event| event["type"] == "filestore.command.completed")
        .map(|event| event["data"]["principal"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(principals, ["writer", "writer", "ada", "gateway", "eve"]);
}

#[test]
fn a_book_is_ready_once_it_has_caught_up_and_until_it_halts() {
    let mut deployment = Deployment::new("inline");
    deployment.start("metastore");
    let ready = |deployment: &Deployment| {
        let answer = reqwest::blocking::get(deployment.url(1) + "/readyz").unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().unwrap();
        (
            status,
            body["detail"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (status, why) = ready(&deployment);
    assert_eq!(status, 503);
    assert!(why.contains("has not caught up with the journal"), "{why}");
    assert_eq!(deployment.get(1, "/healthz").unwrap()["status"], "ok");

    deployment.start("filestore");
    wait_for("the book to be ready", LONG, || match ready(&deployment) {
        (200, _) => Ok(()),
        other => Err(other),
    });
    assert_eq!(deployment.get(0, "/readyz").unwrap()["status"], "ok");

    // Filestore goes away: what the book has can still be read. It comes back with another journal.
    deployment.stop("filestore");
    assert_eq!(ready(&deployment).0, 200);
    for entry in std::fs::read_dir(deployment.data_dir()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("filestore") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    deployment.start("filestore");
    wait_for("the book to be halted", LONG, || match ready(&deployment) {
        (503, why) if why.contains("halted") => Ok(()),
        other => Err(other),
    });
}
