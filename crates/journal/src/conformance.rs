//! The suite that every [`JournalReader`] passes. It panics where a promise does not hold, so it
//! is for tests only.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a conformance suite reports by panicking, like the tests it is called from"
)]

use crate::{Digest, JournalId, JournalReader, ReadError, chain};
use std::time::{Duration, Instant};

/// Checks a reader of a journal that nobody else writes to. `append` adds `n` entries to the
/// journal and returns when they are committed.
pub fn check(reader: &dyn JournalReader, mut append: impl FnMut(usize)) {
    let start = reader.position().expect("position");
    append(5);
    let position = reader.position().expect("position");
    assert_eq!(position.epoch, start.epoch, "the epoch never changes");
    assert!(
        position.head.entries_since(start.head) >= 5,
        "appended entries are visible"
    );

    // Pages are dense, continue one another, and their digests chain from the genesis.
    let mut after = position.trimmed;
    let mut digest = (after == JournalId::ZERO).then(|| Digest::genesis(position.epoch));
    loop {
        let page = reader.read(after, 2).expect("read");
        assert!(page.entries.len() <= 2, "limit bounds the page");
        let before = page
            .after_digest
            .expect("the digest of an id up to the head");
        assert_eq!(
            *digest.get_or_insert(before),
            before,
            "after's digest is the chain's"
        );
        digest = Some(chain::verify(after, before, &page.entries).expect("dense and chained"));
        match page.entries.last() {
            Some(last) => after = last.id,
            None => break,
        }
    }
    assert_eq!(after, position.head, "reading ends at the head");

    // At and past the head there is nothing; past it the digest is unknown.
    let page = reader.read(position.head, 10).expect("read at the head");
    assert!(page.entries.is_empty());
    assert_eq!(page.after_digest, digest);
    let page = reader
        .read(position.head.next(), 10)
        .expect("read past the head");
    assert!(page.entries.is_empty() && page.after_digest.is_none());

    // Waiting returns at once if there is something, after the timeout if there is not.
    assert_eq!(
        reader
            .wait(JournalId::ZERO, Duration::from_secs(30))
            .expect("wait")
            .head,
        position.head
    );
    let started = Instant::now();
    reader
        .wait(position.head, Duration::from_millis(50))
        .expect("wait");
    assert!(started.elapsed() < Duration::from_secs(20), "a wait ends");

    // The snapshot is the state at one id, ordered by node id.
    let snapshot = reader.snapshot().expect("snapshot");
    assert_eq!(
        (snapshot.epoch, snapshot.journal_id),
        (position.epoch, position.head)
    );
    assert_eq!(
        Some(snapshot.digest),
        digest,
        "the snapshot carries its entry's digest"
    );
    let ids: Vec<_> = snapshot
        .nodes
        .map(|node| node.expect("node").node_id)
        .collect();
    assert!(
        ids.windows(2).all(|pair| pair[0] < pair[1]),
        "ordered by node id: {ids:?}"
    );
}

/// Checks a reader of a journal that is trimmed: reading behind the trimmed id is refused, from
/// it on it works.
pub fn check_trimmed(reader: &dyn JournalReader) {
    let position = reader.position().expect("position");
    assert!(position.trimmed > JournalId::ZERO, "the journal is trimmed");
    match reader.read(JournalId::ZERO, 10) {
        Err(ReadError::Trimmed { trimmed, .. }) => assert_eq!(trimmed, position.trimmed),
        other => panic!("reading behind the trimmed id gave {other:?}"),
    }
    let page = reader
        .read(position.trimmed, 10)
        .expect("read from the trimmed id");
    let before = page
        .after_digest
        .expect("the trimmed entry's digest is kept");
    chain::verify(position.trimmed, before, &page.entries).expect("chained from the trimmed id");
}
