//! One pass over all three books, side by side.

use super::Report;
use super::books::{Nodes, Snapshot};
use super::judge::{Book, Sides, Verdict, judge};
use crate::client::Services;
use indicatif::ProgressBar;
use journal::{JournalId, SnapshotNode};
use std::collections::BTreeSet;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    /// The books to compare with filestore.
    pub(super) books: &'a [Book],
    /// Only these nodes; without it, all.
    pub(super) only: Option<&'a BTreeSet<i64>>,
    pub(super) bar: &'a ProgressBar,
}

/// What a pass saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// Nodes compared, those that only one book has among them.
    pub(super) nodes: u64,
    /// The journal id of the snapshot.
    pub(super) journal_id: JournalId,
    /// Nodes that were too early to judge.
    pub(super) unsettled: BTreeSet<i64>,
    /// How many more there were than are remembered.
    pub(super) beyond_memory: u64,
}

/// Compares the books with filestore's snapshot of now. Differences go to the report.
pub(super) fn walk(
    services: &Services,
    look: &Look<'_>,
    remember: usize,
    report: &mut Report,
) -> anyhow::Result<Seen> {
    let mut snapshot = Snapshot::open(services)?;
    // The first node that matters: ids start at 1.
    let after = look
        .only
        .and_then(BTreeSet::first)
        .map_or(0, |first| first - 1);
    let books = look
        .books
        .iter()
        .map(|book| Nodes::open(services, *book, after));
    let mut books = books.collect::<Result<Vec<_>, _>>()?;
    let mut seen = Seen {
        nodes: 0,
        journal_id: snapshot.journal_id,
        unsettled: BTreeSet::new(),
        beyond_memory: 0,
    };
    let mut ours = snapshot.next()?;
    loop {
        let ids = books
            .iter()
            .filter_map(Nodes::peek)
            .chain(ours.as_ref().map(|n| n.node_id));
        let Some(node_id) = ids.min() else {
            break;
        };
        let node = match ours.take_if(|node| node.node_id == node_id) {
            Some(node) => {
                ours = snapshot.next()?;
                Some(node)
            }
            None => None,
        };
        let is_meant = look.only.is_none_or(|only| only.contains(&node_id));
        let mut is_settled = true;
        for book in &mut books {
            is_settled &= compare(
                book,
                node_id,
                node.as_ref(),
                seen.journal_id,
                is_meant,
                report,
            )?;
        }
        if !is_meant {
            continue;
        }
        seen.nodes += 1;
        look.bar.inc(1);
        if !is_settled && seen.unsettled.len() < remember {
            seen.unsettled.insert(node_id);
        } else if !is_settled {
            seen.beyond_memory += 1;
        }
    }
    Ok(seen)
}

/// Compares one book on one node; `false` if it is too early.
fn compare(
    book: &mut Nodes,
    node_id: i64,
    node: Option<&SnapshotNode>,
    snapshot: JournalId,
    is_meant: bool,
    report: &mut Report,
) -> anyhow::Result<bool> {
    let (found, checkpoint) = book.take(node_id)?;
    if !is_meant {
        return Ok(true);
    }
    let sides = Sides {
        filestore: node,
        snapshot,
        book: found.as_ref(),
        checkpoint,
    };
    match judge(book.book, &sides) {
        Verdict::Agree => Ok(true),
        Verdict::TooEarly => Ok(false),
        Verdict::Differ(differences) => {
            for difference in differences {
                report.add(difference)?;
            }
            Ok(true)
        }
    }
}
