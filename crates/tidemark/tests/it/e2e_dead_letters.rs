//! Poison between good entries: parked with its reason, listed everywhere, retried once the cause
//! is gone, and no newer state undone.

use crate::deployment::Deployment;
use journal::{Digest, JournalId};
use rusqlite::Connection;
use serde_json::{Value, json};

/// The rows that `tidemark dead-letters list` prints.
fn listed(deployment: &Deployment) -> Vec<Value> {
    let output = deployment.run(&["dead-letters", "list", "--output", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn node_id(answer: &Value) -> i64 {
    answer["data"]["node"]["id"].as_i64().unwrap()
}

/// Somebody put a constraint of their own on the metastore's database: the entries of one path
/// break it.
#[test]
fn an_entry_that_breaks_a_constraint_is_parked_and_retried_without_undoing_newer_states() {
    let deployment = Deployment::apart("inline");
    deployment.make_directory("good").unwrap();
    deployment.settle();
    let book = Connection::open(deployment.data_dir().join("metastore.db")).unwrap();
    book.busy_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    for change in ["INSERT", "UPDATE"] {
        book.execute_batch(&format!(
            "CREATE TRIGGER quota_{change} BEFORE {change} ON filestore_nodes \
             WHEN NEW.path LIKE 'bad/%' AND NEW.version < 3 \
             BEGIN SELECT RAISE(ABORT, 'quota: nothing under bad/'); END"
        ))
        .unwrap();
    }

    let good = deployment.upload("good/1", b"1").unwrap();
    deployment.make_directory("bad").unwrap();
    let bad = deployment.upload("bad/file", b"first").unwrap();
    let only = deployment.upload("bad/only", b"only").unwrap();
    deployment.upload("good/2", b"2").unwrap();
    deployment.settle();
    let poison = |answer: &Value| answer["data"]["journalEntryId"].as_u64().unwrap() - 1;
    let letters = deployment.get(1, "/filestore/dead-letters").unwrap();
    let ids: Vec<_> = letters["deadLetters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| letter["journalId"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [poison(&bad), poison(&only)], "{letters}");
    let reason = letters["deadLetters"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("quota: nothing under bad/"), "{reason}");
    assert_eq!(deployment.health(1)["deadLetters"], 2);
    assert_eq!(
        deployment.health(2)["deadLetters"],
        0,
        "the other book has none"
    );
    let rows = listed(&deployment);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["book"], "metastore");
    assert!(rows[0]["reason"].as_str().unwrap().contains("quota"));
    // The good ones beside it are there.
    let record = format!("/records/filestore/{}", node_id(&good));
    deployment.get(1, &record).unwrap();
    let verify = deployment.run(&["verify"]);
    assert_eq!(verify.status.code(), Some(1), "{verify:?}");

    // Newer states of the node get through: parked is the entry, not the node.
    let id = node_id(&bad);
    for _ in 0..3 {
        deployment.upload("bad/file", b"a newer content").unwrap();
    }
    deployment.settle();
    let record = format!("/records/filestore/{id}");
    let newest = deployment.get(1, &record).unwrap();
    let path = &newest["record"]["metadata"]["filestore"]["path"];
    assert_eq!(path, "bad/file", "{newest}");
    // While the cause is there, a retry is refused and says why.
    let retry = |journal_id: u64| {
        let id = journal_id.to_string();
        deployment.run(&["dead-letters", "retry", "metastore", &id])
    };
    let refused = retry(poison(&only));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("quota"), "{said}");

    book.execute_batch("DROP TRIGGER quota_INSERT; DROP TRIGGER quota_UPDATE")
        .unwrap();
    for row in listed(&deployment) {
        let journal_id = row["journalId"].as_u64().unwrap();
        let done = retry(journal_id);
        assert!(done.status.success(), "{done:?}");
    }
    assert_eq!(listed(&deployment), Vec::<Value>::new());
    let after = deployment.get(1, &record).unwrap();
    assert_eq!(
        after["record"]["metadata"]["filestore"], newest["record"]["metadata"]["filestore"],
        "the older entry undid nothing"
    );
    let only = format!("/records/filestore/{}", node_id(&only));
    let only = deployment.get(1, &only).unwrap();
    assert_eq!(only["record"]["metadata"]["filestore"]["path"], "bad/only");
    deployment.verify();
}

/// Appends an entry to a stopped filestore's journal, with its place in the chain of digests.
fn append(deployment: &Deployment, event_type: &str, data: &str) -> u64 {
    let store = Connection::open(deployment.data_dir().join("filestore.db")).unwrap();
    let (head, digest): (i64, Vec<u8>) = store
        .query_row("SELECT head_id, head_digest FROM journal_meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let id = JournalId::from_i64(head).next();
    let digest = Digest::from_slice(&digest)
        .unwrap()
        .link(id, None, event_type, 0, data);
    store
        .execute(
            "INSERT INTO journal (journal_id, committed_at, node_id, event_type, size_delta, data, \
             digest) VALUES (?1, 0, NULL, ?2, 0, ?3, ?4)",
            rusqlite::params![id.as_i64(), event_type, data, digest.as_bytes()],
        )
        .unwrap();
    store
        .execute(
            "UPDATE journal_meta SET head_id = ?1, head_digest = ?2",
            rusqlite::params![id.as_i64(), digest.as_bytes()],
        )
        .unwrap();
    id.get()
}

/// An entry of a known type that lacks what the catalogue promises, as a later version or a bug
/// could write it.
#[test]
fn an_entry_that_cannot_be_read_is_parked_by_both_books_and_listed_by_sql_too() {
    let mut deployment = Deployment::apart("inline");
    deployment.upload("before", b"1").unwrap();
    deployment.settle();
    deployment.stop("filestore");
    let poison = append(&deployment, "filestore.node.updated", r#"{"nodeId":"?"}"#);
    deployment.start("filestore");
    deployment.upload("after", b"2").unwrap();
    deployment.settle();
    for service in [1, 2] {
        let letters = deployment.get(service, "/filestore/dead-letters").unwrap();
        assert_eq!(letters["deadLetters"][0]["journalId"], poison, "{letters}");
        let reason = letters["deadLetters"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("filestore.node.updated"), "{reason}");
        assert_eq!(deployment.health(service)["deadLetters"], 1);
    }
    let sql = json!({"sql": "SELECT journal_id, event_type, reason FROM filestore_dead_letters"});
    let answer = deployment.post(2, "/sql/read", &sql).unwrap();
    assert_eq!(answer["rows"][0]["journal_id"], poison, "{answer}");
    let schema = deployment.get(2, "/sql/schema").unwrap().to_string();
    assert!(schema.contains("filestore_dead_letters"), "{schema}");
    let books: Vec<_> = listed(&deployment)
        .iter()
        .map(|row| row["book"].clone())
        .collect();
    assert_eq!(books, ["metastore", "timestore"]);
    // Parked entries are a difference until somebody decides.
    let verify = deployment.run(&["verify"]);
    assert_eq!(verify.status.code(), Some(1), "{verify:?}");
    let said = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert!(said.contains("deadLetters"), "{said}");
    let id = poison.to_string();
    for book in ["metastore", "timestore"] {
        let refused = deployment.run(&["dead-letters", "retry", book, &id]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let discarded = deployment.run(&["dead-letters", "discard", book, &id]);
        assert!(discarded.status.success(), "{discarded:?}");
    }
    let answer = deployment.post(2, "/sql/read", &sql).unwrap();
    assert_eq!(answer["rows"], json!([]));
}
