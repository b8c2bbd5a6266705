//! A token for some namespaces sees nothing of the others, by any route.

use crate::support::{Answer, Served, options};
use httpkit::{Tokens, Vocabulary};
use metastore::{Options, RuleSet, Rules, RulesConfig};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const GUEST: &str = "guest-0123456789abcdef";
const ROOT: &str = "root-0123456789abcdef";

pub(crate) const WORDS: Vocabulary = Vocabulary {
    scopes: &[
        "metastore:read",
        "metastore:write",
        "metastore:delete",
        "metastore:admin",
    ],
    with_paths: &[],
};

/// Records and nodes in `public`, and others in `finance` that the guest must not hear of.
async fn served(dir: &TempDir) -> Served {
    let file = dir.path().join("tokens.json");
    let tokens = json!([
        {"token": GUEST, "subject": "guest", "namespaces": ["public"],
         "scopes": ["metastore:read", "metastore:write", "metastore:delete"]},
        {"token": ROOT, "subject": "root", "scopes": ["metastore:admin"]},
    ]);
    std::fs::write(&file, tokens.to_string()).unwrap();
    let rules: RulesConfig = serde_json::from_value(json!({
        "defaultNamespace": "public",
        "rules": [{"match": {"pathGlob": "finance/**"}, "namespace": "finance"}],
    }))
    .unwrap();
    let options = Options {
        rules: Rules::Configured(RuleSet::new(rules).unwrap()),
        ..options(dir.path())
    };
    let tokens = Tokens::load(&file, WORDS).unwrap();
    let mut served = Served::with(options, Some(tokens)).await;
    let mut journal = served.journal();
    journal.node("created", 1, "finance/salaries", json!({}));
    journal.node("created", 2, "shown", json!({}));
    journal.node("created", 3, "finance/draft", json!({}));
    journal.apply();
    served.token = Some(ROOT.to_owned());
    let body = json!({"metadata": {"amount": "seventeen"}, "tags": ["salaries"], "owner": "cfo"});
    served
        .put("/records/finance/1", body.clone())
        .await
        .expect(200);
    served
        .put("/records/finance/3", body.clone())
        .await
        .expect(200);
    served.put("/records/finance/plan", body).await.expect(201);
    let shown = json!({"metadata": {"word": "hello"}});
    served.put("/records/public/2", shown).await.expect(200);
    // A record that comes from there, with its history.
    let body = json!({"metadata": {"stage": "public now"}});
    served.put("/records/finance/3", body).await.expect(200);
    let mut journal = served.journal();
    let moved = json!({"previousPath": "finance/draft", "version": 2});
    journal.node("moved", 3, "published", moved);
    journal.apply();
    served.token = Some(GUEST.to_owned());
    served
}

const SECRETS: &[&str] = &["salaries", "seventeen", "cfo", "\"finance", "finance/plan"];

#[track_caller]
fn assert_silent(what: &str, answer: &Answer) {
    let text = answer.body.to_string();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} tells {secret}: {text}");
    }
}

#[tokio::test]
async fn no_route_tells_of_another_namespace() {
    let dir = tempfile::tempdir().unwrap();
    let served = served(&dir).await;
    for path in [
        "/filestore/nodes",
        "/filestore/nodes?limit=1",
        "/filestore/digest",
        "/filestore/integrity",
        "/namespaces",
        "/namespaces?prefix=fin",
        "/namespace-rules",
        "/records/public/3/audit",
        "/records/public/1",
        "/records/public/3",
        "/records/by-path?backendMountId=1&path=published",
        "/metrics",
    ] {
        assert_silent(path, &served.get(path).await);
    }
    // The answer repeats the path that was asked for, and nothing else of what is there.
    let mut answer = served
        .get("/records/by-path?backendMountId=1&path=finance/salaries")
        .await;
    answer.body = answer
        .body
        .to_string()
        .replace("finance/salaries", "PATH")
        .into();
    assert_silent("/records/by-path", &answer);
    for (path, body) in [
        ("/records/search", json!({"namespace": "*"})),
        (
            "/records/search",
            json!({"namespace": "*", "q": "owner:cfo"}),
        ),
        (
            "/records/search",
            json!({"namespace": "*", "includeDeleted": true}),
        ),
        (
            "/namespace-rules/preview",
            json!({"nodes": [{"backendMountId": 1, "path": "finance/x"}]}),
        ),
        (
            "/namespace-rules/preview",
            json!({"rules": {"defaultNamespace": "public"}}),
        ),
    ] {
        assert_silent(path, &served.post(path, body).await);
    }
    let nodes = served.get("/filestore/nodes").await.expect(200);
    let nodes = nodes.as_str().map_or(nodes.to_string(), str::to_owned);
    assert!(
        nodes.contains("shown") && nodes.contains("published"),
        "{nodes}"
    );
    let all = json!({"namespace": "*"});
    let found = served.post("/records/search", all).await.expect(200);
    assert_eq!(found["pagination"]["total"], 2);
    let namespaces = served.get("/namespaces").await.expect(200);
    assert_eq!(namespaces["pagination"]["total"], 1);
}

#[tokio::test]
async fn what_is_there_answers_as_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let served = served(&dir).await;
    let body = json!({"metadata": {}, "expectedVersion": 9});
    for (method, path, body) in [
        (Method::GET, "/records/finance/KEY", None),
        (Method::PUT, "/records/finance/KEY", Some(body.clone())),
        (Method::PATCH, "/records/finance/KEY", Some(body)),
        (Method::DELETE, "/records/finance/KEY", None),
        (Method::POST, "/records/finance/KEY/restore", None),
        (Method::GET, "/records/finance/KEY/audit", None),
        (Method::GET, "/records/finance/KEY/audit/1/diff", None),
    ] {
        let (there, absent) = (path.replace("KEY", "plan"), path.replace("KEY", "none"));
        let there = served.send(method.clone(), &there, body.clone()).await;
        let absent = served.send(method.clone(), &absent, body).await;
        assert_eq!(there.status, 403, "{method} {path}");
        assert_eq!(
            there.body["detail"], absent.body["detail"],
            "{method} {path}"
        );
    }
    let there = "/records/by-path?backendMountId=1&path=finance/salaries";
    let absent = "/records/by-path?backendMountId=1&path=finance/nothing";
    let (there, absent) = (served.get(there).await, served.get(absent).await);
    let there = there.expect(404)["detail"]
        .to_string()
        .replace("salaries", "nothing");
    assert_eq!(there, absent.expect(404)["detail"].to_string());

    // A key of another namespace's is nobody else's business.
    let mut served = served;
    let create = |namespace: &str, key: &str| json!({"namespace": namespace, "key": key, "metadata": {}, "idempotencyKey": "job-7"});
    served.token = Some(ROOT.to_owned());
    served
        .post("/records", create("finance", "x"))
        .await
        .expect(201);
    served.token = Some(GUEST.to_owned());
    served
        .post("/records", create("public", "y"))
        .await
        .expect(201);
    served
        .post("/records", create("public", "z"))
        .await
        .expect(409);
}

#[tokio::test]
async fn history_from_where_a_reader_may_not_look_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = served(&dir).await;
    let ids = |page: &Value| -> Vec<i64> {
        let entries = page["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["id"].as_i64().unwrap())
            .collect()
    };
    let page = served.get("/records/public/3/audit").await.expect(200);
    let seen = ids(&page);
    assert_eq!(page["pagination"]["total"], seen.len());
    assert_eq!(page["entries"][0]["action"], "move");
    assert_eq!(page["entries"][0].get("previousNamespace"), None);

    served.token = Some(ROOT.to_owned());
    let page = served.get("/records/public/3/audit").await.expect(200);
    assert_eq!(page["entries"][0]["previousNamespace"], "finance");
    let hidden: Vec<i64> = ids(&page)
        .into_iter()
        .filter(|id| !seen.contains(id))
        .collect();
    assert_eq!(hidden.len(), 2, "written twice by people: {page}");

    served.token = Some(GUEST.to_owned());
    for id in hidden {
        served
            .get(&format!("/records/public/3/audit/{id}/diff"))
            .await
            .expect(404);
        let body = json!({"auditId": id});
        let restored = served.post("/records/public/3/restore", body).await;
        assert_eq!(restored.problem(), (400, "invalid_request", "/auditId"));
    }
}
