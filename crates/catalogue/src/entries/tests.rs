//! Blocks and rows read as the rows alone did.

use super::*;
use crate::{ReadTx, last_committed_before, meta};
use journal::Epoch;
use proptest::collection::vec;
use proptest::prelude::*;

/// A journal of so many entries, in memory, without nodes.
struct Book {
    connection: Connection,
    head: Head,
    epoch: Epoch,
}

impl Book {
    fn new(epoch: Epoch) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        for schema in [
            include_str!("../sql/schema_1.sql"),
            include_str!("../sql/schema_10.sql"),
        ] {
            connection.execute_batch(schema).unwrap();
        }
        let digest = Digest::genesis(epoch);
        let meta = (epoch.as_bytes(), digest.as_bytes(), 0);
        let sql = include_str!("../sql/insert_meta.sql");
        connection.execute(sql, meta).unwrap();
        let id = JournalId::ZERO;
        Self {
            connection,
            head: Head { id, digest },
            epoch,
        }
    }

    /// Appends so many, by one job.
    fn append(&mut self, count: u64) {
        let mut run = Run::after(self.head);
        for id in (self.head.id.get() + 1..).take(usize::try_from(count).unwrap()) {
            let node = i64::try_from(id % 50).unwrap();
            let name = EventType::CATALOGUE[usize::try_from(id % 7).unwrap()];
            // Commit times nearly ascend.
            let millis = i64::try_from(id * 1_000 + id * 7_919 % 3_000).unwrap();
            let data = format!(
                r#"{{"at":{id},"text":"{}"}}"#,
                "x".repeat(usize::try_from(id % 90).unwrap())
            );
            let node = (id % 3 > 0).then_some(node);
            run.push(
                Time::from_millis(millis),
                node,
                name.into(),
                node.unwrap_or(0),
                &data,
            );
        }
        self.head = run.last();
        write_all(&self.connection, run).unwrap();
        let sql = include_str!("../sql/set_head.sql");
        let head = (self.head.id.as_i64(), self.head.digest.as_bytes(), 1);
        self.connection.execute(sql, head).unwrap();
    }

    fn seal(&mut self) -> Option<u64> {
        seal_oldest(&mut self.connection, self.head.id, 1).unwrap()
    }

    fn trim(&self, to: JournalId) {
        let digest = self.entries().digest_at(&self.meta(), to).unwrap().unwrap();
        self.entries().remove(to).unwrap();
        let sql = "UPDATE journal_meta SET trimmed_id = ?1, trimmed_digest = ?2";
        let trimmed = (to.as_i64(), digest.as_bytes());
        self.connection.execute(sql, trimmed).unwrap();
    }

    fn entries(&self) -> Entries<'_> {
        Entries::new(&self.connection, None)
    }

    fn meta(&self) -> Meta {
        meta::read(&self.connection).unwrap()
    }

    fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = self
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap();
        count.unsigned_abs()
    }

    /// Everything that is told after an id, as text.
    fn told(&self, cache: &Cache, (after, limit, bytes): (u64, usize, usize)) -> String {
        let (after, meta) = (JournalId::new(after), self.meta());
        let tx = ReadTx::new(&self.connection).with_cache(cache);
        let entries = tx.entries();
        let page = entries.read(after, limit, bytes).unwrap();
        let mut visited = Vec::new();
        let visit = |entry: Stored<'_>| {
            visited.push((entry.id, entry.node_id, entry.committed_at));
            Ok(if visited.len() > limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        };
        entries.walk(after, visit).unwrap();
        let time = Time::from_millis(i64::try_from(after.get() * 1_000 + 500).unwrap());
        let told = (
            page,
            visited,
            entries.digest_at(&meta, after).unwrap(),
            entries.node_of(after).unwrap(),
            entries.is_older(after, time).unwrap(),
            last_committed_before(&tx, time).unwrap(),
            entries.last().unwrap(),
        );
        format!("{told:?}")
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Seal,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let few = (1..40_u64).prop_map(Step::Append);
    let many = (200..900_u64).prop_map(Step::Append);
    vec(prop_oneof![few, many, Just(Step::Seal)], 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn blocks_and_rows_are_read_as_rows_alone_and_so_they_are_when_trimmed(
        steps in steps(),
        asked in vec((0..3_000_u64, 0..800_usize, 0..60_000_usize), 1..12),
        trimmed in any::<prop::sample::Index>(),
    ) {
        let epoch = Epoch::generate();
        let (mut sealed, mut rows) = (Book::new(epoch), Book::new(epoch));
        for step in steps {
            match step {
                Step::Append(count) => {
                    sealed.append(count);
                    // So few at a time that they stay rows.
                    for part in (0..count).step_by(200) {
                        rows.append(200.min(count - part));
                    }
                }
                Step::Seal => {
                    sealed.seal();
                }
            }
        }
        prop_assert_eq!(sealed.head, rows.head);
        prop_assert_eq!(rows.count("journal_blocks"), 0);
        let cache = Cache::default();
        for asked in &asked {
            prop_assert_eq!(sealed.told(&cache, *asked), rows.told(&cache, *asked));
        }
        let last = usize::try_from(sealed.head.id.get()).unwrap();
        prop_assume!(last > 0);
        let to = JournalId::new(trimmed.index(last) as u64 + 1);
        sealed.trim(to);
        rows.trim(to);
        for asked in &asked {
            prop_assert_eq!(sealed.told(&cache, *asked), rows.told(&cache, *asked));
        }
        let first = "SELECT coalesce(min(first_id), 0) FROM journal_blocks";
        let first: i64 = sealed.connection.query_row(first, [], |row| row.get(0)).unwrap();
        prop_assert!(first == 0 || first > to.as_i64(), "nothing of what is trimmed is left");
        let meta = sealed.meta();
        prop_assert_eq!(sealed.entries().verify(meta.trimmed).unwrap(), meta.head);
    }
}

#[test]
fn few_entries_stay_rows_and_many_take_the_rows_before_them_along() {
    let mut book = Book::new(Epoch::generate());
    book.append(255);
    assert_eq!(
        (book.count("journal"), book.count("journal_blocks")),
        (255, 0)
    );
    book.append(256);
    assert_eq!(
        (book.count("journal"), book.count("journal_blocks")),
        (0, 1)
    );
    // More than one block, and a rest that is none.
    book.append(3);
    book.append(4_096 + 100);
    assert_eq!(
        (book.count("journal"), book.count("journal_blocks")),
        (103, 2)
    );
    book.append(10);
    assert_eq!(book.seal(), Some(0));
    assert_eq!(
        (book.count("journal"), book.count("journal_blocks")),
        (0, 3)
    );
    assert_eq!(book.seal(), None);
    let genesis = Digest::genesis(book.epoch);
    let id = JournalId::ZERO;
    let all = book.entries().verify(Head {
        id,
        digest: genesis,
    });
    assert_eq!(all.unwrap(), book.head);
}

#[test]
fn a_long_tail_is_left_to_be_sealed_step_by_step() {
    let mut book = Book::new(Epoch::generate());
    (0..33).for_each(|_| book.append(250));
    book.append(300);
    let all = 33 * 250 + 300;
    assert_eq!(
        (book.count("journal"), book.count("journal_blocks")),
        (all, 0)
    );
    assert_eq!(
        seal_oldest(&mut book.connection, book.head.id, all + 1).unwrap(),
        None
    );
    assert_eq!(book.seal(), Some(all - 4_096));
    assert_eq!(book.seal(), Some(all - 2 * 4_096));
    assert_eq!(book.count("journal"), all - 2 * 4_096);
}

#[test]
fn rows_that_are_not_what_was_written_are_never_sealed() {
    for damage in [
        "UPDATE journal SET data = '{}' WHERE journal_id = 20",
        "DELETE FROM journal WHERE journal_id = 20",
        "DELETE FROM journal WHERE journal_id = 1",
        "UPDATE journal SET digest = zeroblob(32) WHERE journal_id = 20",
    ] {
        let mut book = Book::new(Epoch::generate());
        book.append(100);
        book.connection.execute(damage, []).unwrap();
        let rows = book.count("journal");
        let refused = seal_oldest(&mut book.connection, book.head.id, 1);
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{damage}");
        // What comes after them is written all the same.
        book.append(300);
        assert_eq!(
            (book.count("journal"), book.count("journal_blocks")),
            (rows + 300, 0)
        );
    }
}

#[test]
fn a_block_that_is_kept_is_not_read_again() {
    let mut book = Book::new(Epoch::generate());
    book.append(300);
    let cache = Cache::default();
    let asked = (10, 5, 1_000);
    let told = book.told(&cache, asked);
    let sql = "UPDATE journal_blocks SET payload = x''";
    book.connection.execute(sql, []).unwrap();
    assert_eq!(book.told(&cache, asked), told);
    let fresh = book.entries().read(JournalId::ZERO, 5, 1_000);
    assert!(matches!(fresh, Err(StoreError::Damaged(_))), "{fresh:?}");
}
