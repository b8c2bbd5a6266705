//! Growth and churn as a plain fold over the changes: what SQL answers must be the same.

use crate::support::{Fixture, Tree, apply, at};
use journal::{Entry, Time};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A change to the tree at a time; the clock may go back.
#[derive(Clone, Debug)]
enum Change {
    Create {
        path: String,
        size: i64,
    },
    Rewrite {
        pick: usize,
        size: i64,
    },
    Rename {
        pick: usize,
        path: String,
    },
    /// To a mount, perhaps its own.
    Move {
        pick: usize,
        mount: i64,
        path: String,
    },
    Delete {
        pick: usize,
    },
    Lose {
        pick: usize,
    },
    Find {
        pick: usize,
        path: String,
    },
    /// The clock moves, in hours.
    Clock {
        hours: i64,
    },
    Principal {
        who: Option<String>,
    },
}

fn paths() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]",
        "[ab]/[xy]",
        "[ab]/[xy]/[0-9]",
        "a/b[0-9]",
        "a/b/[0-9]",
        "ab/[xy]",
        "ä/[0-9]",
        Just("a/b".to_owned()),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (paths(), 0..1000_i64).prop_map(|(path, size)| Change::Create { path, size }),
        3 => (any::<usize>(), 0..1000_i64).prop_map(|(pick, size)| Change::Rewrite { pick, size }),
        4 => (any::<usize>(), paths()).prop_map(|(pick, path)| Change::Rename { pick, path }),
        3 => (any::<usize>(), 1..3_i64, paths())
            .prop_map(|(pick, mount, path)| Change::Move { pick, mount, path }),
        2 => any::<usize>().prop_map(|pick| Change::Delete { pick }),
        2 => any::<usize>().prop_map(|pick| Change::Lose { pick }),
        2 => (any::<usize>(), paths()).prop_map(|(pick, path)| Change::Find { pick, path }),
        3 => (-30..60_i64).prop_map(|hours| Change::Clock { hours }),
        1 => proptest::option::of("[pq]").prop_map(|who| Change::Principal { who }),
    ];
    prop::collection::vec(change, 1..60)
}

/// One change as the fold sees it: when, by whom, where from and to, and what of the node was on
/// disk before and after, as bytes and files.
struct Step {
    at: Time,
    by: Option<String>,
    command: Option<&'static str>,
    old_path: String,
    path: String,
    old_mount: i64,
    mount: i64,
    before: [i64; 2],
    after: [i64; 2],
    is_upload: bool,
}

/// Applies the changes to the tree and tells the fold.
fn play(tree: &mut Tree, changes: &[Change]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut now = at("2026-03-01T00:30:00Z");
    for change in changes {
        tree.now = now;
        let ids: Vec<i64> = tree.nodes.keys().copied().collect();
        let id = match change {
            Change::Clock { hours } => {
                now = Time::from_millis(now.as_millis() + hours * 3_600_000);
                continue;
            }
            Change::Principal { who } => {
                tree.principal = who.clone();
                continue;
            }
            Change::Create { path, size } => {
                let id = tree.file(path, *size);
                let path = || path.clone();
                steps.push(Step {
                    at: now,
                    by: tree.principal.clone(),
                    command: Some("uploadFile"),
                    old_path: path(),
                    path: path(),
                    old_mount: tree.mount,
                    mount: tree.mount,
                    before: [0, 0],
                    after: on_disk(tree, id),
                    is_upload: true,
                });
                continue;
            }
            Change::Rewrite { pick, .. }
            | Change::Rename { pick, .. }
            | Change::Move { pick, .. }
            | Change::Delete { pick }
            | Change::Lose { pick }
            | Change::Find { pick, .. } => match ids.get(pick % ids.len().max(1)) {
                Some(id) => *id,
                None => continue,
            },
        };
        let (old, before) = (tree.nodes[&id].clone(), on_disk(tree, id));
        let command = match change {
            Change::Rewrite { size, .. } => {
                tree.rewrite(id, *size);
                Some("uploadFile")
            }
            Change::Rename { path, .. } if old.is_there => {
                tree.rename(id, path);
                Some("moveNode")
            }
            Change::Move { mount, path, .. } if old.is_there => {
                tree.move_to(id, *mount, path);
                Some("moveNode")
            }
            Change::Delete { .. } => {
                tree.delete(id);
                Some("deleteNode")
            }
            Change::Lose { .. } if old.is_there => {
                tree.lose(id);
                None
            }
            Change::Find { path, .. } if !old.is_there => {
                tree.find(id, path);
                None
            }
            _ => continue,
        };
        steps.push(Step {
            at: now,
            // What a scan finds is nobody's doing.
            by: command.and(tree.principal.clone()),
            command,
            path: tree
                .nodes
                .get(&id)
                .map_or(old.path.clone(), |node| node.path.clone()),
            old_path: old.path,
            old_mount: old.mount,
            mount: tree.nodes.get(&id).map_or(old.mount, |node| node.mount),
            before,
            after: on_disk(tree, id),
            is_upload: matches!(change, Change::Rewrite { .. }),
        });
    }
    steps
}

/// Bytes and files.
fn on_disk(tree: &Tree, id: i64) -> [i64; 2] {
    let node = tree.nodes.get(&id).filter(|node| node.is_there);
    node.map_or([0, 0], |node| [node.size, 1])
}

/// What a question asks, for the fold.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    prefix: &'a str,
    group_by: &'a str,
    bucket: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    mount: Option<i64>,
}

fn inside(path: &str, prefix: &str) -> bool {
    prefix.is_empty() || path == prefix || path.starts_with(&format!("{prefix}/"))
}

fn bucket_start(time: Time, bucket: &str) -> String {
    let text = time.to_string();
    match bucket {
        "hour" => format!("{}:00:00.000Z", &text[..13]),
        "month" => format!("{}-01T00:00:00.000Z", &text[..7]),
        "week" => {
            // 1970-01-05 was a Monday.
            let week = 7 * 86_400_000;
            let monday = at("1970-01-05T00:00:00Z").as_millis();
            let start = (time.as_millis() - monday).div_euclid(week) * week + monday;
            Time::from_millis(start).to_string()
        }
        _ => format!("{}T00:00:00.000Z", &text[..10]),
    }
}

/// Of each series and bucket: bytes added, removed, files added, removed, changes.
type Sums = BTreeMap<(Option<String>, String), [i64; 5]>;

fn fold(steps: &[Step], asked: Asked<'_>) -> Vec<Value> {
    let depth = asked
        .prefix
        .split('/')
        .filter(|part| !part.is_empty())
        .count()
        + 1;
    // The series that a path belongs to, if it is asked for.
    let series = |step: &Step, path: &str, mount: i64| {
        let group = match asked.group_by {
            "mount" => Some(mount.to_string()),
            "principal" => step.by.clone(),
            "command" => step.command.map(str::to_owned),
            "prefix" => {
                let parts: Vec<&str> = path.split('/').collect();
                Some(parts[..depth.min(parts.len() - 1)].join("/"))
            }
            _ => None,
        };
        let is_inside = inside(path, asked.prefix) && asked.mount.is_none_or(|it| it == mount);
        is_inside.then_some(group)
    };
    let mut sums = Sums::new();
    let mut base: BTreeMap<Option<String>, [i64; 2]> = BTreeMap::new();
    for step in steps
        .iter()
        .filter(|step| asked.to.is_none_or(|to| step.at < at(to)))
    {
        let old = series(step, &step.old_path, step.old_mount);
        let new = series(step, &step.path, step.mount);
        let ([old_bytes, old_files], [bytes, files]) = (step.before, step.after);
        // One leg where the node stays in its series, two where it crosses.
        let legs: Vec<_> = if old == new {
            new.into_iter()
                .map(|group| (group, bytes - old_bytes, files - old_files))
                .collect()
        } else {
            let out = old.map(|group| (group, -old_bytes, -old_files));
            out.into_iter()
                .chain(new.map(|group| (group, bytes, files)))
                .collect()
        };
        for (group, bytes, files) in legs {
            if asked.from.is_some_and(|from| step.at < at(from)) {
                let base = base.entry(group).or_default();
                base[0] += bytes;
                base[1] += files;
                continue;
            }
            let sums = sums
                .entry((group, bucket_start(step.at, asked.bucket)))
                .or_default();
            sums[0] += bytes.max(0);
            sums[1] += (-bytes).max(0);
            sums[2] += files.max(0);
            sums[3] += (-files).max(0);
            sums[4] += 1;
        }
    }
    let mut rows = Vec::new();
    for ((group, start), [added, removed, files_added, files_removed, changes]) in sums {
        let total = base.entry(group.clone()).or_default();
        total[0] += added - removed;
        total[1] += files_added - files_removed;
        rows.push(json!({
            "bucketStart": start, "group": group, "bytesAdded": added, "bytesRemoved": removed,
            "netBytes": added - removed, "totalBytes": total[0], "filesAdded": files_added,
            "filesRemoved": files_removed, "files": total[1], "changes": changes,
        }));
    }
    let key = |row: &Value| {
        (
            row["bucketStart"].to_string(),
            row["group"].is_null(),
            row["group"].to_string(),
        )
    };
    rows.sort_by_key(key);
    rows
}

/// How often each kind of change happened, by directory of the first level.
fn churn_fold(steps: &[Step]) -> BTreeMap<String, [i64; 5]> {
    let mut groups: BTreeMap<String, [i64; 5]> = BTreeMap::new();
    for step in steps {
        let parts: Vec<&str> = step.path.split('/').collect();
        let sums = groups
            .entry(parts[..1.min(parts.len() - 1)].join("/"))
            .or_default();
        let came = step.after[1] - step.before[1];
        sums[0] += 1;
        sums[1] += i64::from(came > 0);
        sums[2] += i64::from(step.is_upload && came == 0);
        sums[3] += i64::from(step.old_path != step.path || step.old_mount != step.mount);
        sums[4] += i64::from(step.after[1] == 0);
    }
    groups
}

async fn check(fixture: &Fixture, steps: &[Step]) {
    const ALL: Asked<'_> = Asked {
        prefix: "",
        group_by: "",
        bucket: "day",
        from: None,
        to: None,
        mount: None,
    };
    let asks = [
        ALL,
        Asked {
            bucket: "hour",
            from: Some("2026-03-02T10:20:00Z"),
            to: Some("2026-03-02T10:50:00Z"),
            ..ALL
        },
        Asked {
            bucket: "week",
            from: Some("2026-03-02T00:30:00Z"),
            to: Some("2026-03-08T04:30:01Z"),
            ..ALL
        },
        Asked {
            mount: Some(2),
            from: Some("2026-03-02T00:00:00Z"),
            ..ALL
        },
        Asked {
            mount: Some(1),
            bucket: "month",
            to: Some("2026-03-04T11:30:00Z"),
            ..ALL
        },
        Asked {
            group_by: "mount",
            bucket: "hour",
            ..ALL
        },
        Asked {
            group_by: "prefix",
            ..ALL
        },
        Asked {
            prefix: "a",
            mount: Some(2),
            ..ALL
        },
        Asked {
            prefix: "a",
            bucket: "hour",
            ..ALL
        },
        Asked {
            prefix: "a/b",
            from: Some("2026-03-03T05:00:00Z"),
            ..ALL
        },
        Asked {
            prefix: "a",
            group_by: "prefix",
            bucket: "week",
            from: Some("2026-03-03T00:00:00Z"),
            to: Some("2026-03-09T12:00:00Z"),
            ..ALL
        },
        Asked {
            prefix: "ä",
            group_by: "command",
            bucket: "month",
            ..ALL
        },
        Asked {
            group_by: "principal",
            bucket: "month",
            to: Some("2026-03-20T00:00:00Z"),
            mount: Some(1),
            ..ALL
        },
        Asked {
            prefix: "b",
            group_by: "mount",
            bucket: "week",
            ..ALL
        },
    ];
    for asked in asks {
        let mut path = format!("/filestore/growth?bucket={}", asked.bucket);
        if !asked.prefix.is_empty() {
            // Slashes at its ends mean nothing.
            path.push_str(&format!(
                "&pathPrefix=/{}/",
                asked.prefix.replace('ä', "%C3%A4")
            ));
        }
        if !asked.group_by.is_empty() {
            path.push_str(&format!("&groupBy={}", asked.group_by));
        }
        if let Some(mount) = asked.mount {
            path.push_str(&format!("&mount={mount}"));
        }
        for (name, time) in [("from", asked.from), ("to", asked.to)] {
            if let Some(time) = time {
                path.push_str(&format!("&{name}={time}"));
            }
        }
        let found = fixture.get(&path).await.rows("series");
        assert_eq!(found, fold(steps, asked), "{path}");
    }
    let found: BTreeMap<String, [i64; 5]> = fixture
        .get("/filestore/churn?limit=1000")
        .await
        .rows("rows")
        .into_iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            let counts = ["changes", "created", "rewritten", "moved", "deleted"].map(number);
            (row["group"].as_str().unwrap().to_owned(), counts)
        })
        .collect();
    assert_eq!(found, churn_fold(steps));
}

/// How the entries come in.
#[derive(Clone, Debug)]
struct Arrival {
    batch: usize,
    /// So many entries are summed at a time.
    tail: u64,
    /// Entries whose index leaves no rest are retried dead letters, after all others.
    late: u64,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    (1..20_usize, 1..25_u64, 2..9_u64).prop_map(|(batch, tail, late)| Arrival { batch, tail, late })
}

fn bring_in(tree: &Tree, fixture: &Fixture, arrival: &Arrival) {
    let mut sink = fixture.timestore.sink();
    let journal = &tree.journal;
    let is_late = |entry: &Entry| entry.id.get().is_multiple_of(arrival.late);
    for batch in journal.entries.chunks(arrival.batch) {
        let punctual: Vec<_> = batch.iter().filter(|it| !is_late(it)).cloned().collect();
        let checkpoint = journal.checkpoint(batch.last().unwrap().id);
        apply(&mut sink, &punctual, &[], &[], checkpoint).unwrap();
    }
    for entry in journal.entries.iter().filter(|it| is_late(it)) {
        let head = journal.checkpoint(journal.head());
        apply(&mut sink, std::slice::from_ref(entry), &[], &[], head).unwrap();
    }
}

#[test]
fn growth_and_churn_equal_a_plain_fold_however_the_entries_come_in() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(&(changes(), arrival()), |(changes, arrival)| {
        let fixture = Fixture::with(|options| options.growth_tail_entries = arrival.tail);
        let mut tree = Tree::new();
        let steps = play(&mut tree, &changes);
        bring_in(&tree, &fixture, &arrival);
        runtime.block_on(check(&fixture, &steps));
        Ok(())
    });
    checked.unwrap();
}
