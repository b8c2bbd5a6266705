//! `verify` finds each kind of difference, and none where there is none.

use crate::books::{Books, digest, node};
use serde_json::{Value, json};

/// What it finds: book, node id, field, what filestore says, what the book says.
fn differences(books: Books) -> Vec<(String, Value, String, Value, Value)> {
    let ran = books.verify(&["--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let rows = ran.json();
    let count = rows.as_array().unwrap().len();
    let plural = if count == 1 {
        "1 difference\n"
    } else {
        "differences\n"
    };
    assert!(ran.err.ends_with(plural), "{}", ran.err);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    let found = rows.map(|row| {
        let (filestore, found) = (row["filestore"].clone(), row["found"].clone());
        (
            text(row, "book"),
            row["nodeId"].clone(),
            text(row, "field"),
            filestore,
            found,
        )
    });
    found.collect()
}

fn one(
    book: &str,
    node: Value,
    field: &str,
    filestore: Value,
    found: Value,
) -> Vec<(String, Value, String, Value, Value)> {
    vec![(book.to_owned(), node, field.to_owned(), filestore, found)]
}

#[test]
fn books_that_agree_are_proved_to() {
    let ran = Books::agreeing().verify(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert_eq!(
        ran.err,
        "metastore: content c0ffee at entry 12\ntimestore: content c0ffee at entry 12\n\
         verified 5 nodes, 12 entries: the three books agree\n"
    );
    let ran = Books::agreeing().verify(&["--quick"]);
    assert_eq!(
        ran.err,
        "verified 5 nodes, 12 entries: the three books agree\n"
    );
    let ran = Books::agreeing().verify(&["-o", "json"]);
    assert_eq!((ran.code, ran.json()), (0, json!([])));
}

#[test]
fn what_a_book_finds_in_its_own_store_is_told() {
    let damaged = || {
        let mut books = Books::agreeing();
        let finding = json!({"part": "file", "detail": "row 3 missing from index x"});
        books.metastore.findings = vec![finding];
        books
    };
    let found = json!("row 3 missing from index x");
    let expected = one(
        "metastore",
        Value::Null,
        "integrity of file",
        Value::Null,
        found,
    );
    assert_eq!(differences(damaged()), expected);
    let ran = damaged().verify(&["--quick"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn empty_books_agree() {
    let mut books = Books::agreeing();
    (books.head, books.snapshot_at, books.snapshot) = (0, 0, Vec::new());
    for book in [&mut books.metastore, &mut books.timestore] {
        (book.checkpoint, book.digest, book.nodes) = (0, digest(0), Vec::new());
    }
    books.rows = [0, 0, 0, 0];
    let ran = books.verify(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let last = ran.err.lines().last();
    assert_eq!(
        last,
        Some("verified 0 nodes, 0 entries: the three books agree")
    );
}

#[test]
fn a_field_that_differs_is_named_with_both_values() {
    let mut books = Books::agreeing();
    books.metastore.nodes[2]["path"] = json!("z");
    assert_eq!(
        differences(books),
        one("metastore", json!(3), "path", json!("b"), json!("z"))
    );

    let mut books = Books::agreeing();
    books.timestore.nodes[4]["sizeBytes"] = json!(401);
    assert_eq!(
        differences(books),
        one("timestore", json!(8), "sizeBytes", json!(400), json!(401))
    );

    let mut books = Books::agreeing();
    books.metastore.nodes[1]["version"] = json!(2);
    books.metastore.nodes[1]["state"] = json!("missing");
    books.timestore.nodes[1]["state"] = json!("missing");
    let found = differences(books);
    let fields: Vec<_> = found
        .iter()
        .map(|(book, _, field, ..)| (book.as_str(), field.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("metastore", "state"),
            ("metastore", "version"),
            ("timestore", "state")
        ]
    );
}

#[test]
fn a_node_that_a_book_lacks_or_has_beyond_is_found_wherever_it_stands() {
    for place in [0, 2, 4] {
        let mut books = Books::agreeing();
        let lost = books.timestore.nodes.remove(place);
        let expected = one(
            "timestore",
            lost["nodeId"].clone(),
            "node",
            json!("present"),
            json!("absent"),
        );
        assert_eq!(differences(books), expected);
    }
    for (place, id) in [(3, 4), (5, 9)] {
        let mut books = Books::agreeing();
        books.metastore.nodes.insert(place, node(id, "ghost", 1, 2));
        let expected = one(
            "metastore",
            json!(id),
            "node",
            json!("absent"),
            json!("present"),
        );
        assert_eq!(differences(books), expected);
    }
}

#[test]
fn a_checkpoint_off_the_journal_is_found() {
    let mut books = Books::agreeing();
    books.metastore.digest = digest(999);
    let expected = one(
        "metastore",
        Value::Null,
        "digest",
        json!(digest(12)),
        json!(digest(999)),
    );
    assert_eq!(differences(books), expected);

    let mut books = Books::agreeing();
    let other = "00000000-0000-4000-8000-000000000000";
    books.timestore.epoch = other.to_owned();
    let ours = json!(crate::books::EPOCH);
    assert_eq!(
        differences(books),
        one("timestore", Value::Null, "epoch", ours, json!(other))
    );

    // A journal restored to an earlier state: the book is ahead of it.
    let mut books = Books::agreeing();
    (books.timestore.checkpoint, books.timestore.digest) = (15, digest(15));
    let found = differences(books);
    assert_eq!(
        found,
        one("timestore", Value::Null, "checkpoint", json!(12), json!(15))
    );
}

#[test]
fn parked_doubled_and_missing_entries_are_found() {
    let mut books = Books::agreeing();
    books.metastore.dead_letters = 2;
    let expected = one("metastore", Value::Null, "deadLetters", json!(0), json!(2));
    assert_eq!(differences(books), expected);

    let mut books = Books::agreeing();
    books.rows = [13, 12, 12, 0];
    assert_eq!(
        differences(books),
        one("timestore", Value::Null, "rows", json!(12), json!(13))
    );

    let mut books = Books::agreeing();
    books.rows = [11, 11, 12, 0];
    assert_eq!(
        differences(books),
        one("timestore", Value::Null, "entries", json!(12), json!(11))
    );

    // After a trim the first entries may never have been seen.
    let mut books = Books::agreeing();
    (books.trimmed, books.rows) = (4, [8, 8, 12, 0]);
    assert_eq!(books.verify(&[]).code, 0);
    let mut books = Books::agreeing();
    books.rows = [3, 3, 12, 5];
    assert_eq!(books.verify(&[]).code, 0);
}

#[test]
fn a_book_that_lags_is_told_how_far_and_is_compared_up_to_there() {
    let mut books = Books::agreeing();
    // Node 8 came with entry 12, which the metastore has not applied.
    let book = &mut books.metastore;
    (book.checkpoint, book.digest) = (9, digest(9));
    book.nodes.pop();
    let ran = books.clone().verify(&["-o", "ndjson"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("metastore lags 3 entries behind the journal"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("the disk is full"), "{}", ran.err);
    assert!(
        ran.err.contains("1 nodes changed while they were compared"),
        "{}",
        ran.err
    );
    let row: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&row["field"], &row["filestore"], &row["found"]),
        (&json!("checkpoint"), &json!(12), &json!(9))
    );

    // What it should know by then still counts.
    books.metastore.nodes[1]["path"] = json!("z");
    let found = differences(books);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1].2, "path");
}

#[test]
fn a_book_that_does_not_follow_the_journal_is_a_difference() {
    let mut books = Books::agreeing();
    books.timestore.enabled = false;
    books.timestore.nodes.clear();
    let expected = one(
        "timestore",
        Value::Null,
        "sync",
        json!("enabled"),
        json!("disabled"),
    );
    assert_eq!(differences(books), expected);
}

#[test]
fn nodes_that_change_meanwhile_are_looked_at_again() {
    // The books are one entry ahead of the snapshot: node 2 has grown, node 3 is deleted.
    let mut first = Books::agreeing();
    for book in [&mut first.metastore, &mut first.timestore] {
        (book.checkpoint, book.digest) = (14, digest(14));
        book.nodes[1] = node(2, "a", 150, 13);
        book.nodes.remove(2);
    }
    (first.head, first.rows) = (14, [14, 14, 14, 0]);
    let mut second = first.clone();
    (second.snapshot_at, second.snapshot) = (14, second.metastore.nodes.clone());
    first.then = Some(Box::new(second.clone()));
    let ran = first.clone().verify(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    let last = ran.err.lines().last();
    assert_eq!(
        last,
        Some("verified 5 nodes, 12 entries: the three books agree")
    );

    // A real difference among them shows in the second look.
    second.timestore.nodes[1]["sizeBytes"] = json!(100);
    first.then = Some(Box::new(second));
    let expected = one("timestore", json!(2), "sizeBytes", json!(150), json!(100));
    assert_eq!(differences(first.clone()), expected);

    // What never settles is said, and is no difference.
    first.then = None;
    let ran = first.verify(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err
            .contains("2 nodes changed while they were compared, twice"),
        "{}",
        ran.err
    );
}

#[test]
fn an_answer_that_was_cut_off_or_out_of_order_is_an_error_and_no_proof() {
    let mut books = Books::agreeing();
    books.is_cut_off = true;
    let ran = books.verify(&[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("it ends within a line"), "{}", ran.err);
    assert!(!ran.err.contains("agree"), "{}", ran.err);

    let mut books = Books::agreeing();
    books.metastore.nodes.swap(0, 1);
    let ran = books.verify(&[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("node 1 comes after node 2"), "{}", ran.err);
}

#[test]
fn differences_print_in_every_format() {
    let mut books = Books::agreeing();
    books.metastore.nodes[3]["sizeBytes"] = json!(1);
    let csv = books.clone().verify(&["--output", "csv"]).out;
    assert_eq!(
        csv,
        "book,nodeId,path,field,filestore,found\nmetastore,5,\"c\nd\",sizeBytes,300,1\n"
    );
    let table = books.verify(&[]).out;
    assert_eq!(
        table,
        "BOOK       NODE ID  PATH  FIELD      FILESTORE  FOUND\n\
         metastore        5  c\\nd  sizeBytes  300        1\n"
    );
}
