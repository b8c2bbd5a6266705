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

#[tokio::test]
async fn a_search_does_not_tell_where_a_node_was_or_how_much_there_is_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = served(&dir).await;
    let field = "metadata.filestore.previousPath";
    let is = |operator: &str, value: Value| json!({"namespace": "*", "filter": {"field": field, "operator": operator, "value": value}});
    let asked = [
        is("eq", json!("finance/draft")),
        is("prefix", json!("finance/")),
        is("glob", json!("fin*/**")),
        is("contains", json!("draft")),
        is("gt", json!("a")),
        is("exists", json!(true)),
        json!({"namespace": "*", "filter": {"type": "group", "operator": "or", "filters": [
            {"field": field, "operator": "eq", "value": "finance/draft"},
            {"type": "not", "filter": {"field": field, "operator": "neq", "value": "finance/draft"}},
        ]}}),
        json!({"namespace": "*", "q": "metadata.filestore.previousPath:finance/**"}),
        json!({"namespace": "*", "q": "has:metadata.filestore.previousPath"}),
    ];
    for search in &asked {
        assert_eq!(served.keys(search.clone()).await, [""; 0], "{search}");
    }
    // For the guest the path before is not there, so it orders nothing, and no cursor has it.
    for direction in ["asc", "desc"] {
        let sort = json!([{"field": field, "direction": direction}]);
        let page = json!({"namespace": "*", "sort": sort, "limit": 1});
        let first = served
            .post("/records/search", page.clone())
            .await
            .expect(200);
        assert_eq!(first["records"][0]["key"], "2", "{direction}");
        let cursor = first["pagination"]["nextCursor"].as_str().unwrap();
        let mut next = page;
        next["cursor"] = json!(cursor);
        assert_eq!(served.keys(next).await, ["3"], "{direction}");
        served.token = Some(ROOT.to_owned());
        let all = json!({"namespace": "public", "sort": sort});
        let by_path = served.keys(all).await;
        let expected = if direction == "asc" {
            ["2", "3"]
        } else {
            ["3", "2"]
        };
        assert_eq!(by_path, expected);
        served.token = Some(GUEST.to_owned());
    }

    let explain = json!({"namespace": "public", "q": "salaries", "explain": true});
    let refused = served.post("/records/search", explain.clone()).await;
    assert_eq!(refused.status, 403, "{:#}", refused.body);
    assert_silent("explain", &refused);
    served.token = Some(ROOT.to_owned());
    for search in &asked {
        assert_eq!(served.keys(search.clone()).await, ["3"], "{search}");
    }
    let told = served.post("/records/search", explain).await.expect(200);
    assert_ne!(told["explain"], Value::Null);
}

#[tokio::test]
async fn a_repeated_request_tells_its_sender_no_more_than_the_first_did() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = served(&dir).await;
    let tag = || json!({"tags": {"add": ["t"]}, "idempotencyKey": "shared"});
    let all = || {
        json!({"idempotencyKey": "mine", "operations": [
            {"namespace": "public", "key": "3", "metadata": {"stage": "two"}},
        ]})
    };
    served.token = Some(ROOT.to_owned());
    let seen = served.patch("/records/public/3", tag()).await.expect(200);
    let node = &seen["record"]["metadata"]["filestore"];
    assert_eq!(node["previousPath"], "finance/draft");
    served.post("/records/bulk", all()).await.expect(200);

    served.token = Some(GUEST.to_owned());
    let again = served.patch("/records/public/3", tag()).await;
    assert_silent("a repeated PATCH", &again);
    assert_eq!(again.expect(200)["idempotent"], true);
    // A bulk's key is its sender's: here it is another one, and done.
    let own = served.post("/records/bulk", all()).await;
    assert_silent("a bulk", &own);
    let again = served.post("/records/bulk", all()).await;
    assert_silent("a repeated bulk", &again);
    again.expect(200);
}

#[tokio::test]
async fn schemas_are_for_everyone_to_read_and_for_admins_to_register() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = served(&dir).await;
    let schema = json!({"schemaHash": "plain-1", "fields": [{"path": "a", "type": "string"}]});
    served
        .post("/admin/schemas", schema.clone())
        .await
        .expect(403);
    served.get("/admin/schemas").await.expect(403);
    served.get("/schemas/plain-1").await.expect(404);
    served.token = Some(ROOT.to_owned());
    served.post("/admin/schemas", schema).await.expect(201);
    served.token = Some(GUEST.to_owned());
    served.get("/schemas/plain-1").await.expect(200);
    let body = json!({"metadata": {"a": 1}, "schemaHash": "plain-1"});
    let refused = served.put("/records/public/x", body).await;
    assert_eq!(refused.problem().2, "/metadata/a");
    served.token = None;
    served.get("/schemas/plain-1").await.expect(401);
}
