//! `events`.

use super::{Services, nothing};
use crate::fake::{Answer, Asked};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

fn envelope(id: u64) -> Value {
    json!({"journalId": id, "epoch": crate::books::EPOCH, "nodeId": 7, "sizeDelta": -1536,
        "digest": crate::books::digest(id), "event": {"type": "filestore.node.updated",
            "data": {"path": "a\nb", "observedAt": "2026-03-01T12:00:00.000Z"}}})
}

/// A journal of `head` entries that gives at most two at once.
fn journal(asked: &Asked, head: u64) -> Answer {
    let (after, limit) = (asked.number("after").unsigned_abs(), asked.number("limit"));
    let limit = usize::try_from(limit).unwrap().min(2);
    Answer::lines((after + 1..=head).take(limit).map(envelope))
        .header("Tidemark-Head", head)
        .header("Tidemark-Trimmed", 0)
}

#[test]
fn events_tail_reads_the_journal() {
    let services = Services::new(|asked: &Asked| journal(asked, 15), nothing, nothing);
    let ran = services.run(&["events", "tail"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 11, "the last ten: {}", ran.out);
    assert!(
        lines[1].contains("6  2026-03-01T12:00:00Z  filestore.node.updated  a\\nb  "),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains("  -1.5K  "), "{}", lines[1]);
    let ran = services.run(&["events", "tail", "--from", "14", "-o", "ndjson"]);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, [envelope(14), envelope(15)]);
}

#[test]
fn events_tail_follows_and_shows_each_entry_at_once() {
    let head = AtomicU64::new(3);
    let services = Services::new(
        move |asked: &Asked| {
            // Whoever waits at the head sees the next entry come.
            let known = head.load(Ordering::SeqCst);
            let is_at_head =
                asked.number("limit") > 0 && asked.number("after").unsigned_abs() == known;
            let known = known + u64::from(is_at_head && known < 6);
            head.store(known, Ordering::SeqCst);
            journal(asked, known)
        },
        nothing,
        nothing,
    );
    let mut child = services
        .command(&["events", "tail", "--from", "1", "--follow", "-o", "ndjson"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let ids: Vec<_> = std::io::BufRead::lines(out)
        .take(6)
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["journalId"].clone())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json!(ids), json!([1, 2, 3, 4, 5, 6]));
}
