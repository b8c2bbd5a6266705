//! The book against the fold of the journal, whatever happens on the way.

use crate::support::{Journal, options};
use metastore::Metastore;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// What is done next.
#[derive(Clone, Debug)]
enum Action {
    /// A node comes to be, changes, moves or goes.
    Entry {
        verb: &'static str,
        node: i64,
        place: u8,
        size: u8,
    },
    /// What was appended is applied in one batch.
    Apply,
    /// A batch fails at its last entry, and takes no effect.
    Fail,
    /// The process ends without a word and starts again.
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    let verb = prop::sample::select(vec![
        "created",
        "updated",
        "moved",
        "deleted",
        "reconciled",
        "missing",
    ]);
    prop_oneof![
        8 => (verb, 1..6_i64, 0..4_u8, 0..9_u8)
            .prop_map(|(verb, node, place, size)| Action::Entry { verb, node, place, size }),
        3 => Just(Action::Apply),
        1 => Just(Action::Fail),
        1 => Just(Action::Restart),
    ]
}

/// What the book must say of a node: path, state, size, last entry.
type Told = (String, String, i64, i64);

fn book(dir: &std::path::Path) -> BTreeMap<i64, Told> {
    let db = rusqlite::Connection::open(dir.join("metastore.db")).unwrap();
    let rows: i64 = db
        .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0, "nobody has said anything");
    let sql = "SELECT node_id, path, state, size_bytes, journal_id, s.name, deleted_at IS NOT NULL \
               FROM filestore_nodes LEFT JOIN namespaces s ON s.id = namespace";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let id: i64 = row.get(0)?;
        let state: String = row.get(2)?;
        assert_eq!(row.get::<_, String>(5)?, "filestore");
        assert_eq!(row.get::<_, bool>(6)?, state == "deleted");
        Ok((id, (row.get(1)?, state, row.get(3)?, row.get(4)?)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_book_is_the_fold_of_the_journal(actions in prop::collection::vec(action(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut metastore = Metastore::open(options(dir.path())).unwrap();
        let mut journal = Journal::new(metastore.sink().unwrap());
        let mut fold: BTreeMap<i64, Told> = BTreeMap::new();
        let mut pending = fold.clone();
        for action in actions {
            match action {
                Action::Entry { verb, node, place, size } => {
                    let path = format!("dir{place}/n{node}");
                    let id = journal.node(verb, node, &path, json!({"sizeBytes": size}));
                    let state = match verb { "deleted" => "deleted", "missing" => "missing", _ => "active" };
                    pending.insert(node, (path, state.to_owned(), size.into(), id.as_i64()));
                }
                Action::Apply => {
                    journal.apply();
                    fold.clone_from(&pending);
                }
                Action::Fail => {
                    let entries = journal.entries.clone();
                    let mut failing = entries.clone();
                    let mut bad = Journal::new(metastore.sink().unwrap());
                    bad.node("created", 99, "bad", json!({"sizeBytes": -1}));
                    failing.append(&mut bad.entries);
                    prop_assert!(journal.apply_entries(&failing, &[], &[], journal.checkpoint).is_err());
                }
                Action::Restart => {
                    let Journal { sink, .. } = journal;
                    drop(sink);
                    drop(metastore);
                    metastore = Metastore::open(options(dir.path())).unwrap();
                    journal = Journal::new(metastore.sink().unwrap());
                    // The journal's own tail is gone with this test's memory of it.
                    pending.clone_from(&fold);
                }
            }
        }
        prop_assert_eq!(book(dir.path()), fold);
    }
}
