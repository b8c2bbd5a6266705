//! Growth and churn against a plain fold of the same changes.

use crate::support::{Fixture, Tree, at};
use journal::Time;
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
                    before: [0, 0],
                    after: on_disk(tree, id),
                    is_upload: true,
                });
                continue;
            }
            Change::Rewrite { pick, .. }
            | Change::Rename { pick, .. }
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
    let series = |step: &Step, path: &str| {
        let group = match asked.group_by {
            "mount" => Some("1".to_owned()),
            "principal" => step.by.clone(),
            "command" => step.command.map(str::to_owned),
            "prefix" => {
                let parts: Vec<&str> = path.split('/').collect();
                Some(parts[..depth.min(parts.len() - 1)].join("/"))
            }
            _ => None,
        };
        inside(path, asked.prefix).then_some(group)
    };
    let mut sums = Sums::new();
    let mut base: BTreeMap<Option<String>, [i64; 2]> = BTreeMap::new();
    for step in steps
        .iter()
        .filter(|step| asked.to.is_none_or(|to| step.at < at(to)))
    {
        let (old, new) = (series(step, &step.old_path), series(step, &step.path));
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
        sums[3] += i64::from(step.old_path != step.path);
        sums[4] += i64::from(step.after[1] == 0);
    }
    groups
}

async fn check(fixture: &Fixture, steps: &[Step]) {
    let asks = [
        Asked {
            prefix: "",
            group_by: "",
            bucket: "day",
            from: None,
            to: None,
        },
        Asked {
            prefix: "",
            group_by: "prefix",
            bucket: "day",
            from: None,
            to: None,
        },
        Asked {
            prefix: "a",
            group_by: "",
            bucket: "hour",
            from: None,
            to: None,
        },
        Asked {
            prefix: "a/b",
            group_by: "",
            bucket: "day",
            from: Some("2026-03-03T05:00:00Z"),
            to: None,
        },
        Asked {
            prefix: "a",
            group_by: "prefix",
            bucket: "week",
            from: Some("2026-03-03T00:00:00Z"),
            to: Some("2026-03-09T12:00:00Z"),
        },
        Asked {
            prefix: "ä",
            group_by: "command",
            bucket: "month",
            from: None,
            to: None,
        },
        Asked {
            prefix: "",
            group_by: "principal",
            bucket: "month",
            from: None,
            to: Some("2026-03-20T00:00:00Z"),
        },
        Asked {
            prefix: "b",
            group_by: "mount",
            bucket: "week",
            from: None,
            to: None,
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

#[test]
fn growth_and_churn_equal_a_plain_fold_of_the_changes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(&changes(), |changes| {
        let fixture = Fixture::new();
        let mut tree = Tree::new();
        let steps = play(&mut tree, &changes);
        tree.apply_to(&fixture);
        runtime.block_on(check(&fixture, &steps));
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test]
async fn a_prefix_is_of_whole_components_and_moves_cross_its_edge() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    let inside = tree.file("a/b/in", 10);
    tree.file("a/bc", 1_000);
    let outside = tree.file("out", 7);
    tree.at("2026-03-02T12:00:00Z");
    tree.rename(inside, "elsewhere");
    tree.rename(outside, "a/b");
    tree.apply_to(&fixture);
    let point = |start: &str, added: i64, removed: i64, total: i64| {
        json!({"bucketStart": start, "group": null, "bytesAdded": added, "bytesRemoved": removed,
            "netBytes": added - removed, "totalBytes": total, "filesAdded": 1,
            "filesRemoved": i64::from(removed > 0), "files": 1, "changes": if removed > 0 { 2 } else { 1 }})
    };
    assert_eq!(
        fixture
            .get("/filestore/growth?pathPrefix=a/b")
            .await
            .rows("series"),
        vec![
            point("2026-03-01T00:00:00.000Z", 10, 0, 10),
            point("2026-03-02T00:00:00.000Z", 7, 10, 7)
        ]
    );
    let everything = fixture
        .get("/filestore/growth?from=2026-03-02T00:00:00Z")
        .await
        .rows("series");
    assert_eq!(everything[0]["totalBytes"], json!(1_017));
    assert_eq!(
        (&everything[0]["netBytes"], &everything[0]["files"]),
        (&json!(0), &json!(3))
    );
}

#[tokio::test]
async fn growth_comes_as_csv_and_bad_questions_are_named() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.file("a", 10);
    tree.apply_to(&fixture);
    let csv = fixture.get("/filestore/growth?format=csv").await;
    assert_eq!(
        csv.text,
        "bucketStart,group,bytesAdded,bytesRemoved,netBytes,totalBytes,filesAdded,filesRemoved,files,changes\r\n\
         2026-03-01T00:00:00.000Z,,10,0,10,10,1,0,1,1\r\n"
    );
    for (question, pointer) in [
        ("growth?bucket=year", "/bucket"),
        ("growth?groupBy=color", "/groupBy"),
        ("growth?from=noon", "/from"),
        (
            "growth?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z",
            "/to",
        ),
        ("growth?mount=one", "/mount"),
        ("growth?pathPrefix=a/../b", "/pathPrefix"),
        ("growth?groupBy=prefix&depth=0", "/depth"),
        ("growth?limit=0", "/limit"),
        ("growth?limit=10001", "/limit"),
        ("churn?order=alphabet", "/order"),
        ("churn?groupBy=mount", "/groupBy"),
        ("churn?limit=1001", "/limit"),
        ("top?by=name", "/by"),
        ("as-of", "/at"),
        ("nodes/x/timeline", "/id"),
    ] {
        let answer = fixture.get(&format!("/filestore/{question}")).await;
        assert_eq!(
            (answer.problem().0, answer.problem().2),
            (400, pointer.to_owned()),
            "{question}: {}",
            answer.text
        );
    }
}
