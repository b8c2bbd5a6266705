//! Namespace rules.

use crate::support::{Served, options};
use metastore::{
    Decision, NamespaceRules, NodeFacts, Options, Placement, RuleSet, Rules, RulesConfig,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn with_rules(dir: &Path, rules: Value) -> Options {
    let config: RulesConfig = serde_json::from_value(rules).unwrap();
    Options {
        rules: Rules::Configured(RuleSet::new(config).unwrap()),
        ..options(dir)
    }
}

const RULES: &str = r#"
    defaultNamespace = "files"

    [[rules]]
    match = { pathGlob = "finance/**" }
    namespace = "finance"
    defaultTags = ["money"]
    defaultOwner = "cfo"

    [[rules]]
    match = { pathGlob = "scratch/**" }
    action = "skip"

    [[rules]]
    match = { pathGlob = "legal/**", kind = "file" }
    namespace = "legal"
    require = ["matter"]
"#;

async fn with_toml(dir: &Path) -> Served {
    let config: RulesConfig = toml::from_str(RULES).unwrap();
    let rules = Rules::Configured(RuleSet::new(config).unwrap());
    Served::with(
        Options {
            rules,
            ..options(dir)
        },
        None,
    )
    .await
}

#[tokio::test]
async fn defaults_are_given_once_and_stand_in_the_audit_as_the_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let served = with_toml(dir.path()).await;
    let mut journal = served.journal();
    journal.node("created", 1, "finance/a", json!({}));
    journal.node("created", 2, "other", json!({}));
    journal.apply();
    let record = served.record("finance", "1").await;
    assert_eq!(
        (&record["tags"], &record["owner"]),
        (&json!(["money"]), &json!("cfo"))
    );
    assert_eq!(record["version"], 1);
    let audit = served.get("/records/finance/1/audit").await.expect(200);
    let made = &audit["entries"][0];
    assert_eq!(
        (&made["action"], &made["actor"]),
        (&json!("create"), &json!("filestore-sync"))
    );
    assert_eq!(made["tags"], json!(["money"]));
    assert_eq!(served.record("files", "2").await["tags"], json!([]));

    let patch = json!({"tags": {"remove": ["money"]}, "owner": null});
    served.patch("/records/finance/1", patch).await.expect(200);
    journal.node("updated", 1, "finance/a", json!({"sizeBytes": 1}));
    journal.apply();
    let record = served.record("finance", "1").await;
    assert_eq!(
        (&record["tags"], &record["owner"]),
        (&json!([]), &Value::Null)
    );
}

#[tokio::test]
async fn a_node_that_moves_under_another_rule_takes_its_record_along() {
    let dir = tempfile::tempdir().unwrap();
    let served = with_toml(dir.path()).await;
    let mut journal = served.journal();
    journal.node("created", 1, "in/a", json!({}));
    journal.apply();
    let put = json!({"metadata": {"x": 1}, "tags": ["t"], "owner": "ada"});
    let before = served.put("/records/files/1", put).await.expect(200)["record"].clone();
    journal.node("moved", 1, "finance/a", json!({"previousPath": "in/a"}));
    journal.apply();
    served
        .get("/records/files/1?includeDeleted=true")
        .await
        .expect(404);
    let after = served.record("finance", "1").await;
    for field in [
        "tags",
        "owner",
        "version",
        "updatedAt",
        "createdAt",
        "schemaHash",
    ] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["metadata"]["x"], 1);
    assert_eq!(after["metadata"]["filestore"]["path"], "finance/a");
    let audit = served.get("/records/finance/1/audit").await.expect(200);
    let actions: Vec<_> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["action"].clone())
        .collect();
    assert_eq!(actions, ["move", "update"]);
    let moved = &audit["entries"][0];
    assert_eq!(moved["previousNamespace"], "files");
    assert_eq!(moved["namespace"], "finance");
    let patch = json!({"owner": "bob", "expectedVersion": before["version"]});
    served.patch("/records/finance/1", patch).await.expect(200);
}

#[tokio::test]
async fn a_skipped_node_has_no_record_and_one_that_comes_to_be_skipped_is_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let served = with_toml(dir.path()).await;
    let mut journal = served.journal();
    journal.node("created", 1, "scratch/a", json!({}));
    journal.node("created", 2, "kept", json!({}));
    journal.apply();
    assert_eq!(
        served
            .keys(json!({"namespace": "*", "includeDeleted": true}))
            .await,
        ["2"]
    );
    let nodes = served.get("/filestore/nodes").await.expect(200);
    assert_eq!(
        nodes.as_str().unwrap().lines().count(),
        2,
        "the books still agree"
    );

    served
        .patch("/records/files/2", json!({"tags": {"add": ["t"]}}))
        .await
        .expect(200);
    journal.node("moved", 2, "scratch/b", json!({"previousPath": "kept"}));
    journal.node("moved", 1, "free", json!({"previousPath": "scratch/a"}));
    journal.apply();
    served.get("/records/files/2").await.expect(404);
    let hidden = served.record("files", "2").await;
    assert!(hidden["deletedAt"].is_string());
    assert_eq!(hidden["metadata"]["filestore"]["state"], "active");
    served.get("/records/files/1").await.expect(200);

    journal.node("moved", 2, "kept", json!({"previousPath": "scratch/b"}));
    journal.apply();
    assert_eq!(
        served.get("/records/files/2").await.expect(200)["record"]["tags"],
        json!(["t"])
    );
}

#[tokio::test]
async fn a_node_that_lacks_what_is_required_is_quarantined_until_it_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let served = with_toml(dir.path()).await;
    let mut journal = served.journal();
    journal.node("created", 1, "legal/a", json!({}));
    journal.apply();
    let record = served.record("quarantine", "1").await;
    let reason = record["metadata"]["filestore"]["quarantineReason"]
        .as_str()
        .unwrap();
    assert!(reason.contains("matter"), "{reason}");
    served
        .patch("/records/quarantine/1", json!({"tags": {"add": ["seen"]}}))
        .await
        .expect(200);
    journal.node("updated", 1, "legal/a", json!({"metadata": {"matter": 12}}));
    journal.apply();
    let record = served.record("legal", "1").await;
    assert_eq!(
        record["metadata"]["filestore"]["quarantineReason"],
        Value::Null
    );
    assert_eq!(record["tags"], json!(["seen"]));
}

#[tokio::test]
async fn a_record_that_a_person_made_before_the_node_came_is_the_nodes() {
    let served = Served::start().await;
    let put = json!({"metadata": {"expected": true}, "tags": ["early"]});
    served.put("/records/filestore/5", put).await.expect(201);
    let mut journal = served.journal();
    journal.node("created", 5, "a", json!({}));
    journal.apply();
    let record = served.record("filestore", "5").await;
    assert_eq!(
        (&record["tags"], &record["version"]),
        (&json!(["early"]), &json!(1))
    );
    assert_eq!(record["metadata"]["filestore"]["path"], "a");
}

#[tokio::test]
async fn two_records_of_one_node_become_one_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let served = with_toml(dir.path()).await;
    let mut journal = served.journal();
    journal.node("created", 1, "in/a", json!({}));
    journal.apply();
    let ours = json!({"metadata": {"both": "ours", "a": 1}, "tags": ["ours"]});
    served.put("/records/files/1", ours).await.expect(200);
    let theirs =
        json!({"metadata": {"both": "theirs", "b": 2}, "tags": ["theirs"], "owner": "bob"});
    served.put("/records/finance/1", theirs).await.expect(201);

    journal.node("moved", 1, "finance/a", json!({"previousPath": "in/a"}));
    journal.apply();
    served
        .get("/records/files/1?includeDeleted=true")
        .await
        .expect(404);
    let mut record = served.record("finance", "1").await;
    record["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("filestore");
    assert_eq!(record["metadata"], json!({"both": "ours", "a": 1, "b": 2}));
    assert_eq!(record["tags"], json!(["ours", "theirs"]));
    assert_eq!(record["owner"], "bob");
    assert_eq!(record["version"], 3, "past the versions of both");
    let audit = served.get("/records/finance/1/audit").await.expect(200);
    let entries = audit["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|it| it["action"].clone()).collect();
    assert_eq!(actions, ["move", "merge", "create", "update"]);
    assert_eq!(
        entries[1]["previousMetadata"],
        json!({"both": "theirs", "b": 2})
    );
}

#[tokio::test]
async fn changed_rules_place_every_record_anew_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::with(with_rules(dir.path(), json!({})), None).await;
    let mut journal = served.journal();
    for id in 1..=1_500 {
        let place = if id % 3 == 0 { "a" } else { "b" };
        journal.node("created", id, &format!("{place}/{id}"), json!({}));
    }
    journal.apply();
    served
        .patch("/records/filestore/3", json!({"tags": {"add": ["t"]}}))
        .await
        .expect(200);
    drop(journal);
    served.metastore.close();
    drop(served);

    let rules = json!({"rules": [{"match": {"pathGlob": "a/**"}, "namespace": "a"},
                                 {"match": {"pathGlob": "b/*0"}, "action": "skip"}]});
    let served = Served::with(with_rules(dir.path(), rules), None).await;
    let total = async |namespace: &str| {
        let search = json!({"namespace": namespace, "limit": 1});
        served.post("/records/search", search).await.expect(200)["pagination"]["total"].clone()
    };
    assert_eq!(
        (total("a").await, total("filestore").await),
        (json!(500), json!(900))
    );
    assert_eq!(served.record("a", "3").await["tags"], json!(["t"]));
    assert!(served.record("filestore", "10").await["deletedAt"].is_string());
}

#[tokio::test]
async fn rules_put_by_rest_hold_until_the_configuration_changes() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::with(with_rules(dir.path(), json!({})), None).await;
    let mut journal = served.journal();
    journal.node("created", 1, "a/1", json!({}));
    journal.apply();
    let rules = json!({"rules": [{"match": {"pathGlob": "a/**"}, "namespace": "mine"}]});
    let preview = json!({"rules": rules, "nodes": [
        {"backendMountId": 1, "path": "a/x"}, {"backendMountId": 1, "path": "b", "kind": "directory"},
    ]});
    let preview = served
        .post("/namespace-rules/preview", preview)
        .await
        .expect(200);
    assert_eq!(preview["decisions"][0]["namespace"], "mine");
    assert_eq!(preview["decisions"][0]["rule"], 0);
    assert_eq!(preview["decisions"][1]["namespace"], "filestore");
    assert_eq!(
        preview["moves"],
        json!([{"from": "filestore", "to": "mine", "nodes": 1}])
    );
    served.get("/records/filestore/1").await.expect(200);

    let put = served
        .put("/namespace-rules", rules.clone())
        .await
        .expect(200);
    assert_eq!(
        put["rules"],
        rules["rules"]
            .as_array()
            .map(|it| {
                let mut rule = it[0].clone();
                rule["action"] = json!("sync");
                json!([rule])
            })
            .unwrap()
    );
    served.get("/records/mine/1").await.expect(200);
    journal.node("created", 2, "a/2", json!({}));
    journal.apply();
    served.get("/records/mine/2").await.expect(200);
    drop(journal);
    served.metastore.close();
    drop(served);

    let served = Served::with(with_rules(dir.path(), json!({})), None).await;
    assert_eq!(
        served.get("/namespace-rules").await.expect(200)["rules"][0]["namespace"],
        "mine"
    );
    served.get("/records/mine/1").await.expect(200);
    served.metastore.close();
    drop(served);

    let config = json!({"defaultNamespace": "configured"});
    let served = Served::with(with_rules(dir.path(), config), None).await;
    served.get("/records/configured/1").await.expect(200);
    assert_eq!(
        served.get("/namespace-rules").await.expect(200)["rules"],
        json!([])
    );
}

/// A program's own rules: a namespace by whether the node's id of mount is even.
#[derive(Debug)]
struct ByMount;

impl NamespaceRules for ByMount {
    fn decide(&self, node: &NodeFacts<'_>) -> Decision<'_> {
        Decision::Place(Placement {
            namespace: if node.backend_mount_id % 2 == 0 {
                "even"
            } else {
                "odd"
            },
            default_tags: &[],
            default_owner: None,
            quarantine_reason: None,
        })
    }

    fn fingerprint(&self) -> String {
        "by mount 1".to_owned()
    }
}

#[tokio::test]
async fn a_program_brings_its_own_rules() {
    let dir = tempfile::tempdir().unwrap();
    let rules = Rules::Custom(Arc::new(ByMount));
    let served = Served::with(
        Options {
            rules,
            ..options(dir.path())
        },
        None,
    )
    .await;
    let mut journal = served.journal();
    journal.node("created", 1, "a", json!({"backendMountId": 2}));
    journal.node("created", 2, "a", json!({"backendMountId": 3}));
    journal.apply();
    served.get("/records/even/1").await.expect(200);
    served.get("/records/odd/2").await.expect(200);
    served.put("/namespace-rules", json!({})).await.expect(409);
    let preview = json!({"nodes": [{"backendMountId": 8, "path": "x"}]});
    let preview = served
        .post("/namespace-rules/preview", preview)
        .await
        .expect(200);
    assert_eq!(preview["decisions"][0]["namespace"], "even");
}
