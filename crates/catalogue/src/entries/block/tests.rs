//! What is sealed is what comes out, or it is told that it is not.

use super::*;
use journal::{Digest, Epoch};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn store() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let schema = include_str!("../../sql/schema_10.sql");
    connection.execute_batch(schema).unwrap();
    connection
}

fn header(connection: &Connection) -> Header {
    let mut statement = connection
        .prepare(include_str!("../../sql/block_from.sql"))
        .unwrap();
    let mut rows = statement.query([0]).unwrap();
    Header::of(rows.next().unwrap().unwrap()).unwrap()
}

fn event_type() -> impl Strategy<Value = String> {
    prop_oneof![
        select(EventType::CATALOGUE).prop_map(str::to_owned),
        ".{0,12}"
    ]
}

/// Any entries, not only those that a filestore would write.
fn runs() -> impl Strategy<Value = Run> {
    let entry = (
        any::<i64>(),
        option::of(any::<i64>()),
        event_type(),
        any::<i64>(),
        ".{0,40}",
    );
    (0..1_u64 << 40, vec(entry, 1..60)).prop_map(|(before, entries)| {
        let digest = Digest::genesis(Epoch::generate());
        let id = JournalId::new(before);
        let mut run = Run::after(Head { id, digest });
        for (millis, node, event_type, delta, data) in entries {
            let committed_at = Time::from_millis(millis);
            run.push(committed_at, node, event_type.as_str().into(), delta, &data);
        }
        run
    })
}

fn without_times(run: &Run) -> Vec<(Option<i64>, String, i64, String, Digest)> {
    let entry = |entry: crate::entries::Stored<'_>| {
        let (name, data) = (entry.event_type.as_str(), entry.data);
        let (name, data) = (name.to_owned(), data.to_owned());
        (entry.node_id, name, entry.size_delta, data, entry.digest)
    };
    run.iter().map(entry).collect()
}

proptest! {
    #[test]
    fn a_block_gives_back_what_was_put_into_it(run in runs()) {
        let connection = store();
        insert(&connection, &run).unwrap();
        let header = header(&connection);
        prop_assert_eq!((header.before, header.last), (run.before(), run.last()));
        prop_assert_eq!(Some((header.earliest_at, header.latest_at)), run.times());
        prop_assert_eq!(read(&connection, &header).unwrap(), run);
    }

    #[test]
    fn a_changed_bit_of_a_payload_is_found(run in runs(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let connection = store();
        insert(&connection, &run).unwrap();
        let sql = "SELECT payload FROM journal_blocks";
        let mut payload: Vec<u8> = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        let at = at.index(payload.len());
        payload[at] ^= 1_u8 << bit;
        let sql = "UPDATE journal_blocks SET payload = ?1";
        connection.execute(sql, [payload]).unwrap();
        match read(&connection, &header(&connection)) {
            Err(StoreError::Damaged(reason)) => {
                let first = run.before().id.next();
                let names = format!("journal entries {first} to {} ", run.last().id);
                prop_assert!(reason.starts_with(&names), "{}", reason);
            }
            Ok(read) => prop_assert_eq!(without_times(&read), without_times(&run)),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn a_text_that_is_no_block_is_no_block(count in 0..10_000_u64, raw in vec(any::<u8>(), 0..200)) {
        let digest = Digest::genesis(Epoch::generate());
        let at = |id| Head { id: JournalId::new(id), digest };
        let (earliest_at, latest_at) = Default::default();
        let header = Header { before: at(3), last: at(3 + count), earliest_at, latest_at, raw_bytes: raw.len() };
        if let Some(run) = decode(&header, &raw) {
            prop_assert_eq!(run.last().id, header.last.id);
        }
    }
}

#[test]
fn what_stands_beside_a_payload_is_compared_with_it() {
    let digest = Digest::genesis(Epoch::generate());
    let id = JournalId::new(7);
    let mut run = Run::after(Head { id, digest });
    for millis in [30, 10, 20] {
        let committed_at = Time::from_millis(millis);
        run.push(committed_at, Some(1), EventType::NodeUpdated, 0, "{}");
    }
    for change in [
        "first_id = 9",
        "last_id = 11",
        "earliest_at = 9",
        "latest_at = 31",
        "digest_before = digest",
        "digest = digest_before",
        "raw_bytes = raw_bytes + 1",
        "raw_bytes = raw_bytes - 1",
        "raw_bytes = -1",
        "digest = x'00'",
    ] {
        let connection = store();
        insert(&connection, &run).unwrap();
        let sql = format!("UPDATE journal_blocks SET {change}");
        connection.execute(&sql, []).unwrap();
        let mut statement = connection
            .prepare(include_str!("../../sql/block_from.sql"))
            .unwrap();
        let mut rows = statement.query([0]).unwrap();
        let header = Header::of(rows.next().unwrap().unwrap());
        let found = header.and_then(|header| read(&connection, &header));
        assert!(matches!(found, Err(StoreError::Damaged(_))), "{change}");
    }
}
