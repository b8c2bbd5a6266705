//! Random histories into two books: one sums, the other never does. Their answers must be the same.

use crate::support::{Fixture, Tree, apply};
use journal::{Entry, Time};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

/// A change to the tree.
#[derive(Clone, Debug)]
struct Change {
    /// What is done, as far as it can be done to the node.
    verb: u8,
    pick: usize,
    path: String,
    size: i64,
    mount: i64,
    /// The clock moves; it may go back.
    minutes: i64,
    facts: Map<String, Value>,
}

fn facts() -> impl Strategy<Value = Map<String, Value>> {
    let allocated = proptest::option::of(0..9_i64);
    let days = proptest::option::of(0..900_i64);
    (0..3_u32, any::<bool>(), allocated, days).prop_map(|(user, is_named, allocated, days)| {
        let modified = days.map(|days| Time::from_millis(1_700_000_000_000 + days * 86_400_000));
        let facts = json!({
            "uid": 1_000 + user, "gid": user / 2,
            "user": is_named.then(|| format!("user {user}")), "group": Value::Null,
            "fileType": if is_named { "regular" } else { "symlink" },
            "allocatedBytes": allocated.map(|blocks| blocks * 4_096),
            "lastModifiedAt": modified,
        });
        facts.as_object().unwrap().clone()
    })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let size = prop_oneof![
        Just(0_i64),
        1..50_i64,
        4_000..5_000_i64,
        1_i64 << 20..1 << 40
    ];
    // Mostly forward, sometimes not at all, and sometimes back.
    let minutes = prop_oneof![4 => 0..300_i64, 1 => Just(0), 1 => -900..0_i64];
    let path = prop_oneof!["[abc]/[xy]", "[abc]\\.(txt|pdf)", "d/[a-z]\\.mov"];
    let change = (
        0..9_u8,
        any::<usize>(),
        path,
        size,
        1..3_i64,
        minutes,
        facts(),
    )
        .prop_map(|(verb, pick, path, size, mount, minutes, facts)| Change {
            verb,
            pick,
            path,
            size,
            mount,
            minutes,
            facts,
        });
    prop::collection::vec(change, 1..70)
}

fn play(tree: &mut Tree, changes: &[Change]) {
    for change in changes {
        tree.now = Time::from_millis(tree.now.as_millis() + change.minutes * 60_000);
        tree.facts = change.facts.clone();
        tree.mount = change.mount;
        let ids: Vec<i64> = tree.nodes.keys().copied().collect();
        let picked = ids.get(change.pick % ids.len().max(1)).copied();
        let Some(id) = picked.filter(|_| change.verb > 2) else {
            tree.file(&change.path, change.size);
            continue;
        };
        let is_there = tree.nodes[&id].is_there;
        match change.verb {
            3 | 4 => tree.rewrite(id, change.size),
            5 if is_there => tree.move_to(id, change.mount, &change.path),
            6 if is_there => tree.lose(id),
            6 => tree.find(id, &change.path),
            7 => tree.delete(id),
            _ => {
                tree.create(&format!("dir{id}"), false, 0);
            }
        }
    }
}

/// How the entries come in, and when they are summed.
#[derive(Clone, Debug)]
struct Arrival {
    batch: usize,
    tail: u64,
    /// Entries whose id leaves no rest are retried dead letters.
    late: u64,
    /// Sums are made after every so many batches.
    sums: usize,
    /// And after the late entries.
    sums_at_last: bool,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let late = prop_oneof![2 => Just(1_000_u64), 1 => 3..20_u64];
    (1..20_usize, 1..5_u64, late, 1..4_usize, any::<bool>()).prop_map(
        |(batch, tail, late, sums, sums_at_last)| Arrival {
            batch,
            tail,
            late,
            sums,
            sums_at_last,
        },
    )
}

/// Brings the entries in and tells the questions' answers in between.
fn bring_in(
    tree: &Tree,
    fixture: &Fixture,
    arrival: &Arrival,
    sums: bool,
    mut ask: impl FnMut(&Fixture) -> Vec<String>,
) -> Vec<String> {
    let mut sink = fixture.timestore.sink();
    let journal = &tree.journal;
    let is_late = |entry: &Entry| entry.id.get().is_multiple_of(arrival.late);
    let mut answers = Vec::new();
    for (number, batch) in journal.entries.chunks(arrival.batch).enumerate() {
        let punctual: Vec<_> = batch.iter().filter(|it| !is_late(it)).cloned().collect();
        let checkpoint = journal.checkpoint(batch.last().unwrap().id);
        apply(&mut sink, &punctual, &[], &[], checkpoint).unwrap();
        if sums && number % arrival.sums == 0 {
            fixture.timestore.sum_usage().unwrap();
        }
        if number == 2 {
            answers.extend(ask(fixture));
        }
    }
    let head = journal.checkpoint(journal.head());
    for entry in journal.entries.iter().filter(|it| is_late(it)) {
        apply(&mut sink, std::slice::from_ref(entry), &[], &[], head).unwrap();
    }
    if sums && arrival.sums_at_last {
        fixture.timestore.sum_usage().unwrap();
    }
    answers.extend(ask(fixture));
    answers
}

/// The questions: each way to count, now and at times in and around the history.
fn questions(tree: &Tree, times: &[prop::sample::Index]) -> Vec<String> {
    let entries = &tree.journal.entries;
    let mut ats = vec![String::new()];
    for (number, time) in times.iter().enumerate() {
        let data: Value = serde_json::from_str(time.get(entries).data.get()).unwrap();
        let at: Time = data["observedAt"].as_str().unwrap().parse().unwrap();
        // At an entry, between two, and before.
        let off = [0, 30_000, -1][number % 3];
        ats.push(format!("&at={}", Time::from_millis(at.as_millis() + off)));
    }
    ats.push("&at=2000-01-01T00:00:00Z".to_owned());
    ats.push("&at=2100-01-01T00:00:00Z".to_owned());
    let by = [
        "user,extension",
        "group,mount",
        "fileType,size",
        "age",
        "mount&mount=2",
        "age,size&mount=1",
    ];
    let asked = |at: &String| by.map(|by| format!("/filestore/usage?by={by}{at}"));
    ats.iter().flat_map(asked).collect()
}

#[test]
fn usage_from_sums_equals_usage_from_all_rows_however_the_entries_come_in() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    };
    let times = prop::collection::vec(any::<prop::sample::Index>(), 3);
    let checked = TestRunner::new(config).run(
        &(changes(), arrival(), times),
        |(changes, arrival, times)| {
            let mut tree = Tree::new();
            play(&mut tree, &changes);
            let questions = questions(&tree, &times);
            let answers = |sums: bool| {
                let fixture = Fixture::with(|options| options.growth_tail_entries = arrival.tail);
                let ask = |fixture: &Fixture| {
                    let answer = |path: &String| {
                        let answer = runtime.block_on(fixture.get(path));
                        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                        format!("{path}: {}", answer.text)
                    };
                    questions.iter().map(answer).collect()
                };
                bring_in(&tree, &fixture, &arrival, sums, ask)
            };
            let (summed, plain) = (answers(true), answers(false));
            for (summed, plain) in summed.iter().zip(&plain) {
                prop_assert_eq!(summed, plain);
            }
            Ok(())
        },
    );
    checked.unwrap();
}
