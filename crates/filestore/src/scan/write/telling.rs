//! How a scan's changes are told: as whose, and how many there were.

use crate::scan::drift::Drift;
use crate::scan::task::Task;
use crate::scan::texts::Texts;
use crate::scan::{ScanChanges, ScanError, ScanProgress};
use ::node::{Facts, LongFact};
use backend::Backend;
use catalogue::{Cause, Node, StoreError, Verb, WriteTx};
use journal::{ConsistencyState, NodeState, ReconcileReason};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Changes nodes in the name of one scan.
#[derive(Debug)]
pub(crate) struct Telling {
    pub(super) mount_id: i64,
    command: &'static str,
    pub(crate) command_id: String,
    reason: ReconcileReason,
    /// A file that was changed in place is `reconciled`, and not `updated`.
    tells_reconciled: bool,
    /// A file that was only read is told.
    tells_accesses: bool,
    /// What is told before the first change.
    pub(crate) drift: Option<Drift>,
    /// The catalogue knows that this scan has begun to write.
    pub(crate) is_marked: bool,
    pub(crate) changes: ScanChanges,
    /// Tells the texts of what is told.
    backend: Arc<dyn Backend>,
    /// What the walk has read of them.
    texts: Arc<Texts>,
    progress: Arc<ScanProgress>,
}

impl Telling {
    pub(crate) fn new(
        mount_id: i64,
        task: &Task,
        (backend, texts): (Arc<dyn Backend>, Arc<Texts>),
        progress: Arc<ScanProgress>,
    ) -> Self {
        Self {
            mount_id,
            command: task.command,
            command_id: uuid::Uuid::now_v7().to_string(),
            reason: task.reason,
            tells_reconciled: task.tells_reconciled,
            tells_accesses: task.is_whole(),
            drift: None,
            is_marked: false,
            changes: ScanChanges::default(),
            backend,
            texts,
            progress,
        }
    }

    /// A node that is new, at the path and with the facts that it has.
    pub(super) fn created(
        &mut self,
        tx: &mut WriteTx<'_>,
        node: &mut Node,
    ) -> Result<(), ScanError> {
        node.last_seen_at = Some(tx.now());
        self.ask_texts(tx, None, node)?;
        self.change(tx, Verb::Created, None, node)
    }

    /// A node is as `after` says, with these facts; its contents are other ones than before, if
    /// `is_rewritten`. Whether that is a change that anybody is told of.
    pub(super) fn changed(
        &mut self,
        tx: &mut WriteTx<'_>,
        before: &Node,
        mut after: Node,
        (facts, is_rewritten): (Facts, bool),
    ) -> Result<bool, ScanError> {
        if is_rewritten {
            after.checksum = None;
            after.content_hash = None;
        }
        after.facts = facts;
        self.ask_texts(tx, Some(before), &mut after)?;
        let facts = after.facts;
        let Some(verb) = self.verb(before, &after, is_rewritten) else {
            if self.tells_accesses && facts.is_told_after(&before.facts) {
                after.last_seen_at = Some(tx.now());
                self.append(tx, Verb::Updated, Some(before), &mut after)?;
                return Ok(true);
            }
            if facts.is_news_after(&before.facts) {
                tx.learn(before.id, &facts)?;
            }
            return Ok(false);
        };
        if matches!(verb, Verb::Reconciled(_)) {
            after.consistency_checked_at = Some(tx.now());
            after.last_reconciled_at = Some(tx.now());
        }
        if after.state == NodeState::Active {
            after.last_drift_detected_at = Some(tx.now());
        }
        after.state = NodeState::Active;
        after.consistency_state = ConsistencyState::Active;
        after.last_seen_at = Some(tx.now());
        self.change(tx, verb, Some(before), &mut after)?;
        Ok(true)
    }

    /// Gets the texts of a node whose number for them is another one: from the walk, from the catalogue
    /// (which [`WriteTx::change`] asks), or else from the backend. Between the look and now the last may
    /// have become another one yet: then this is told. Where a symlink points no listing tells.
    fn ask_texts(
        &self,
        tx: &WriteTx<'_>,
        before: Option<&Node>,
        after: &mut Node,
    ) -> Result<(), ScanError> {
        after.facts = after.facts.settled(before.map(|before| &before.facts));
        for fact in LongFact::ALL {
            let known = before.and_then(|before| before.facts.long(fact));
            if fact != LongFact::LinkTarget || !after.facts.is_symlink {
                let number = after.facts.long(fact).filter(|number| *number != 0);
                let Some(number) = number.filter(|number| Some(*number) != known) else {
                    continue;
                };
                if let Some(text) = self.texts.take(number) {
                    set_text(after, fact, Some(text))?;
                    continue;
                }
                if tx.long_text(number)?.is_some() {
                    continue;
                }
            }
            match self.backend.text(fact, &after.path) {
                Ok(Some(now)) => {
                    after.facts.set_long(fact, Some(now.number));
                    set_text(after, fact, Some(now.text).filter(|text| !text.is_empty()))?;
                }
                // The next look asks again.
                Ok(None) | Err(_) => after.facts.set_long(fact, known),
            }
        }
        Ok(())
    }

    /// What is told of the node; `None` if it is nothing, or only that it was read.
    fn verb(&self, before: &Node, after: &Node, is_rewritten: bool) -> Option<Verb> {
        let facts = after.facts.accessed_as(&before.facts);
        if before.state != NodeState::Active {
            Some(Verb::Reconciled(self.reason))
        } else if before.path != after.path {
            Some(Verb::Moved)
        } else if is_rewritten && self.tells_reconciled {
            Some(Verb::Reconciled(self.reason))
        } else if is_rewritten
            || before.parent_id != after.parent_id
            || facts.is_told_after(&before.facts)
        {
            Some(Verb::Updated)
        } else {
            None
        }
    }

    /// A node is not on the disk any more.
    pub(super) fn missing(&mut self, tx: &mut WriteTx<'_>, node: &Node) -> Result<(), ScanError> {
        let mut after = node.clone();
        after.state = NodeState::Missing;
        after.consistency_state = ConsistencyState::Missing;
        after.consistency_checked_at = Some(tx.now());
        after.last_drift_detected_at = Some(tx.now());
        let verb = Verb::Missing(self.reason);
        self.change(tx, verb, Some(node), &mut after)
    }

    fn change(
        &mut self,
        tx: &mut WriteTx<'_>,
        verb: Verb,
        before: Option<&Node>,
        after: &mut Node,
    ) -> Result<(), ScanError> {
        if let Some(drift) = self.drift.take() {
            let by = (self.command, self.command_id.as_str(), self.reason);
            drift.append(tx, by, before, after)?;
        }
        self.append(tx, verb, before, after)
    }

    /// [`Telling::change`] without a drift: a file that was only read has not drifted.
    fn append(
        &mut self,
        tx: &mut WriteTx<'_>,
        verb: Verb,
        before: Option<&Node>,
        after: &mut Node,
    ) -> Result<(), ScanError> {
        if !self.is_marked {
            self.is_marked = true;
            tx.mark_scan(self.mount_id, false)?;
        }
        let cause = Cause {
            command: self.command,
            command_id: Some(&self.command_id),
            ..Cause::default()
        };
        tx.change(&cause, verb, before, after)?;
        let count = match verb {
            Verb::Created => &mut self.changes.created,
            Verb::Moved => &mut self.changes.moved,
            Verb::Missing(_) => &mut self.changes.missing,
            Verb::Reconciled(_) => &mut self.changes.reconciled,
            _ => &mut self.changes.updated,
        };
        *count += 1;
        self.progress.written.fetch_add(1, Relaxed);
        Ok(())
    }
}

fn set_text(node: &mut Node, fact: LongFact, text: Option<String>) -> Result<(), StoreError> {
    Ok(node.set_text(fact, text)?)
}
