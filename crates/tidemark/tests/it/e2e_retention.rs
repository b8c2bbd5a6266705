//! Retention keeps the journal for consumers in other processes, until it is told not to.

use crate::deployment::{Deployment, LONG};
use serde_json::{Value, json};
use testkit::wait_for;

fn known(deployment: &Deployment) -> Vec<(String, u64)> {
    let consumers = deployment.get(0, "/v1/journal/consumers").unwrap();
    let consumers = consumers["data"].as_array().unwrap().iter();
    consumers
        .map(|consumer| {
            let name = consumer["name"].as_str().unwrap().to_owned();
            (name, consumer["after"].as_u64().unwrap())
        })
        .collect()
}

fn trim(deployment: &Deployment) -> Value {
    let body = json!({"upTo": deployment.head()});
    deployment.post(0, "/v1/journal/trim", &body).unwrap()["data"].clone()
}

fn reach_head(deployment: &Deployment, book: usize) {
    let head = deployment.head();
    wait_for("the book to reach the head", LONG, || {
        let health = deployment.health(book);
        match health["checkpoint"].as_u64() == Some(head) {
            true => Ok(()),
            false => Err(health),
        }
    });
}

#[test]
fn the_journal_is_kept_for_a_consumer_that_is_away_and_not_for_one_that_is_forgotten() {
    let mut deployment = Deployment::apart("inline");
    deployment.upload("a/tagged", b"contents").unwrap();
    deployment.settle();
    let tagged = deployment.run(&["tag", "add", "files:a/tagged", "gold"]);
    assert!(tagged.status.success(), "{tagged:?}");
    let names: Vec<_> = known(&deployment)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["metastore", "timestore"]);

    // Away for a while: everything it needs is kept, also by a filestore that was killed meanwhile.
    deployment.kill("metastore");
    let left_at = known(&deployment)[0].1;
    for at in 0..5 {
        deployment.make_directory(&format!("b/{at}")).unwrap();
    }
    reach_head(&deployment, 2);
    deployment.kill("filestore");
    deployment.start("filestore");
    let trimmed = trim(&deployment);
    assert!(trimmed["trimmed"].as_u64().unwrap() <= left_at, "{trimmed}");
    assert!(
        trimmed["keptFor"]
            .as_array()
            .unwrap()
            .contains(&json!("metastore"))
    );
    deployment.start("metastore");
    deployment.settle();
    deployment.verify();
    let log = deployment.process("metastore").stderr();
    assert!(!log.contains("snapshot"), "it followed the journal: {log}");

    // Forgotten: what it needs is trimmed, and it starts again from a snapshot.
    deployment.kill("metastore");
    for at in 5..9 {
        deployment.make_directory(&format!("b/{at}")).unwrap();
    }
    reach_head(&deployment, 2);
    for name in ["metastore", "timestore"] {
        let forgotten = deployment.delete_at(0, &format!("/v1/journal/consumers/{name}"));
        assert_eq!(forgotten, 204);
    }
    let trimmed = trim(&deployment);
    assert_eq!(
        trimmed["trimmed"].as_u64(),
        Some(deployment.head()),
        "{trimmed}"
    );
    deployment.start("metastore");
    deployment.settle();
    deployment.verify();
    let log = deployment.process("metastore").stderr();
    assert!(log.contains("snapshot"), "{log}");
    let search = json!({"namespace": "filestore", "q": "tags:gold"});
    let found = deployment.post(1, "/records/search", &search).unwrap();
    let path = &found["records"][0]["metadata"]["filestore"]["path"];
    assert_eq!(path, "a/tagged", "people's tags stay: {found:#}");

    // What is gone from the journal, a rebuild keeps where the book proves that it is the same
    // history, and takes from a snapshot where it needs no history.
    for (book, base) in [("metastore", "snapshot"), ("timestore", "kept")] {
        let output = deployment.run(&["rebuild", book, "--output", "json"]);
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&rows[0]["state"], &rows[0]["base"]),
            (&json!("done"), &json!(base))
        );
    }
    deployment.verify();
    let refused = deployment
        .post(1, "/filestore/replay", &json!({"from": 0}))
        .unwrap_err();
    assert!(
        refused.contains("the journal holds entries after"),
        "{refused}"
    );
}
