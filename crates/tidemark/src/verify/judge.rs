//! Whether a book agrees with filestore on one node. Pure.

use super::Difference;
use crate::client::{Service, Services};
use journal::{JournalId, NodeState, SnapshotNode};
use serde::Deserialize;
use serde_json::{Value, json};

/// A book that is compared with filestore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Book {
    Metastore,
    Timestore,
}

impl Book {
    pub(super) const ALL: [Self; 2] = [Self::Metastore, Self::Timestore];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Metastore => "metastore",
            Self::Timestore => "timestore",
        }
    }

    pub(super) const fn service(self, services: &Services) -> &Service {
        match self {
            Self::Metastore => &services.metastore,
            Self::Timestore => &services.timestore,
        }
    }
}

/// A node as a book tells it. A book leaves out what it does not know.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookNode {
    pub(super) node_id: i64,
    #[serde(default)]
    pub(super) journal_id: JournalId,
    #[serde(flatten)]
    pub(super) fields: serde_json::Map<String, Value>,
}

/// What is known of one node at the moment of comparing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    /// What filestore's snapshot says; `None` if it has no such live node.
    pub(super) filestore: Option<&'a SnapshotNode>,
    /// The journal id of that snapshot.
    pub(super) snapshot: JournalId,
    /// What the book says; `None` if it has no such live node.
    pub(super) book: Option<&'a BookNode>,
    /// The book's checkpoint when it said so.
    pub(super) checkpoint: JournalId,
}

/// What comparing one node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Agree,
    /// One side cannot have seen the node's last change yet.
    TooEarly,
    Differ(Vec<Difference>),
}

/// Compares one node. The two sides are states at two journal ids, the snapshot's and the book's
/// checkpoint, and comparing them means something only if nothing happened to the node between.
pub(super) fn judge(book: Book, sides: &Sides<'_>) -> Verdict {
    let Sides {
        filestore,
        snapshot,
        book: found,
        checkpoint,
    } = *sides;
    if filestore.is_some_and(|node| node.journal_id > checkpoint)
        || found.is_some_and(|node| node.journal_id > snapshot)
    {
        return Verdict::TooEarly;
    }
    let differences = match (filestore, found) {
        (None, None) => Vec::new(),
        // It may have been deleted after the snapshot, and the book knows.
        (Some(_), None) if checkpoint > snapshot => return Verdict::TooEarly,
        // It may have been deleted before the snapshot, and the book does not know yet.
        (None, Some(_)) if checkpoint < snapshot => return Verdict::TooEarly,
        (Some(node), None) => vec![whole(book, node.node_id, Some(&node.path), true)],
        (None, Some(node)) => {
            let path = node.fields.get("path").and_then(Value::as_str);
            vec![whole(book, node.node_id, path, false)]
        }
        (Some(node), Some(found)) => fields(book, node, found),
    };
    if differences.is_empty() {
        Verdict::Agree
    } else {
        Verdict::Differ(differences)
    }
}

fn whole(book: Book, node_id: i64, path: Option<&str>, in_filestore: bool) -> Difference {
    let there = |is_there| json!(if is_there { "present" } else { "absent" });
    Difference {
        book,
        node_id: Some(node_id),
        path: path.map(str::to_owned),
        field: "node",
        filestore: there(in_filestore),
        found: there(!in_filestore),
    }
}

fn fields(book: Book, node: &SnapshotNode, found: &BookNode) -> Vec<Difference> {
    // How many names a file has and when its inode changed are no entries of their own: a book knows
    // them as of the node's last entry, and they are not compared.
    let mut expected = vec![
        ("path", json!(node.path)),
        ("state", json!(node.state)),
        ("uid", json!(node.inode.uid)),
        ("gid", json!(node.inode.gid)),
        ("mode", json!(node.inode.mode)),
        ("allocatedBytes", json!(node.inode.allocated_bytes)),
    ];
    match book {
        Book::Metastore => expected.extend([
            ("kind", json!(node.kind)),
            ("version", json!(node.version)),
            ("parentId", json!(node.parent_id)),
            ("backendMountId", json!(node.backend_mount_id)),
            ("sizeBytes", json!(node.size_bytes)),
            ("checksum", json!(node.checksum)),
            ("contentHash", json!(node.content_hash)),
            ("attributes", json!(node.attributes)),
            ("accessedAt", json!(node.inode.accessed_at)),
            ("linkTarget", json!(node.inode.link_target)),
            ("objectTags", json!(node.object_tags)),
            (
                "metadata",
                node.metadata.clone().unwrap_or_else(|| json!({})),
            ),
        ]),
        // The sum of all deltas: what the tree holds, so nothing for a node that is gone.
        Book::Timestore => {
            let size = match node.state {
                NodeState::Missing | NodeState::Deleted => 0,
                NodeState::Active | NodeState::Inconsistent => node.size_bytes.unwrap_or(0),
            };
            expected.push(("sizeBytes", json!(size)));
        }
    }
    let differences = expected.into_iter().filter_map(|(field, expected)| {
        let mut value = found.fields.get(field).cloned().unwrap_or_default();
        // A sum of nothing.
        if book == Book::Timestore && field == "sizeBytes" && value.is_null() {
            value = json!(0);
        }
        // A node without metadata.
        if field == "metadata" && value.is_null() {
            value = json!({});
        }
        (value != expected).then(|| Difference {
            book,
            node_id: Some(node.node_id),
            path: Some(node.path.clone()),
            field,
            filestore: expected,
            found: value,
        })
    });
    differences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: JournalId = JournalId::new(10);
    const TWENTY: JournalId = JournalId::new(20);

    fn node(journal_id: u64) -> SnapshotNode {
        serde_json::from_value(json!({
            "nodeId": 5, "backendMountId": 1, "path": "a/b", "kind": "file", "state": "active",
            "parentId": 2, "version": 3, "sizeBytes": 100, "journalId": journal_id,
            "checksum": "sha256:aa",
        }))
        .unwrap()
    }

    fn told(journal_id: u64, change: impl FnOnce(&mut Value)) -> BookNode {
        let mut value = serde_json::to_value(node(journal_id)).unwrap();
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn verdict(
        book: Book,
        filestore: Option<&SnapshotNode>,
        snapshot: JournalId,
        found: Option<&BookNode>,
        checkpoint: JournalId,
    ) -> Verdict {
        judge(
            book,
            &Sides {
                filestore,
                snapshot,
                book: found,
                checkpoint,
            },
        )
    }

    #[test]
    fn equal_nodes_agree_whichever_side_is_further() {
        let (ours, theirs) = (node(7), told(7, |_| {}));
        for (snapshot, checkpoint) in [(TEN, TEN), (TEN, TWENTY), (TWENTY, TEN)] {
            for book in Book::ALL {
                let verdict = verdict(book, Some(&ours), snapshot, Some(&theirs), checkpoint);
                assert_eq!(verdict, Verdict::Agree, "{book:?} {snapshot} {checkpoint}");
            }
        }
    }

    #[test]
    fn each_field_that_a_book_holds_is_compared() {
        let metastore: [(&str, Value); 9] = [
            ("path", json!("a/c")),
            ("kind", json!("directory")),
            ("state", json!("missing")),
            ("version", json!(4)),
            ("parentId", json!(null)),
            ("backendMountId", json!(2)),
            ("sizeBytes", json!(101)),
            ("checksum", json!(null)),
            ("contentHash", json!("b3:cc")),
        ];
        for (field, value) in metastore {
            let theirs = told(7, |node| node[field] = value.clone());
            let verdict = verdict(Book::Metastore, Some(&node(7)), TEN, Some(&theirs), TEN);
            let Verdict::Differ(differences) = verdict else {
                panic!("{field} is not compared")
            };
            assert_eq!(differences.len(), 1, "{field}");
            assert_eq!(
                (differences[0].field, &differences[0].found),
                (field, &value)
            );
        }
        // The timestore knows no versions and no hashes, and its size is a sum.
        for (field, value, differs) in [
            ("path", json!("a/c"), true),
            ("state", json!("missing"), true),
            ("sizeBytes", json!(101), true),
            ("version", json!(4), false),
            ("checksum", json!(null), false),
        ] {
            let theirs = told(7, |node| node[field] = value);
            let verdict = verdict(Book::Timestore, Some(&node(7)), TEN, Some(&theirs), TEN);
            assert_eq!(matches!(verdict, Verdict::Differ(_)), differs, "{field}");
        }
    }

    #[test]
    fn a_missing_nodes_deltas_sum_to_nothing() {
        let mut ours = node(7);
        ours.state = NodeState::Missing;
        let theirs = told(7, |node| {
            node["state"] = json!("missing");
            node["sizeBytes"] = json!(0);
        });
        let verdict = verdict(Book::Timestore, Some(&ours), TEN, Some(&theirs), TEN);
        assert_eq!(verdict, Verdict::Agree);
    }

    #[test]
    fn a_change_that_one_side_cannot_have_seen_is_no_difference() {
        let book = Book::Metastore;
        let theirs = told(7, |node| node["path"] = json!("old"));
        let newer = told(15, |node| node["path"] = json!("new"));
        for (filestore, snapshot, found, checkpoint) in [
            // Changed in filestore after the book's checkpoint.
            (Some(&node(15)), TWENTY, Some(&theirs), TEN),
            (Some(&node(15)), TWENTY, None, TEN),
            // Changed in the book after the snapshot.
            (Some(&node(7)), TEN, Some(&newer), TWENTY),
            (None, TEN, Some(&newer), TWENTY),
            // Possibly deleted between the two.
            (Some(&node(7)), TEN, None, TWENTY),
            (None, TWENTY, Some(&theirs), TEN),
        ] {
            let verdict = verdict(book, filestore, snapshot, found, checkpoint);
            assert_eq!(verdict, Verdict::TooEarly, "{filestore:?} {found:?}");
        }
    }

    #[test]
    fn a_node_that_only_one_side_has_is_a_difference_when_both_have_seen_enough() {
        let lost = verdict(Book::Timestore, Some(&node(7)), TEN, None, TEN);
        let Verdict::Differ(lost) = lost else {
            panic!("{lost:?}")
        };
        assert_eq!(
            (&lost[0].filestore, &lost[0].found),
            (&json!("present"), &json!("absent"))
        );
        let extra = verdict(Book::Timestore, None, TEN, Some(&told(7, |_| {})), TEN);
        let Verdict::Differ(extra) = extra else {
            panic!("{extra:?}")
        };
        assert_eq!(
            (&extra[0].filestore, &extra[0].found),
            (&json!("absent"), &json!("present"))
        );
        assert_eq!(extra[0].path.as_deref(), Some("a/b"));
    }
}
