//! How a scan's changes are told: as whose, and how many there were.

use crate::scan::drift::Drift;
use crate::scan::task::Task;
use crate::scan::{ScanChanges, ScanError, ScanProgress};
use ::node::Facts;
use backend::Backend;
use catalogue::{Cause, Node, Verb, WriteTx};
use journal::{ConsistencyState, NodeState, ReconcileReason};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Changes nodes in the name of one scan.
#[derive(Debug)]
pub(crate) struct Telling {
    mount_id: i64,
    command: &'static str,
    pub(crate) command_id: String,
    reason: ReconcileReason,
    /// A file that was changed in place is `reconciled`, and not `updated`.
    tells_reconciled: bool,
    /// What is told before the first change.
    pub(crate) drift: Option<Drift>,
    /// The catalogue knows that this scan has begun to write.
    pub(crate) is_marked: bool,
    pub(crate) changes: ScanChanges,
    /// Tells the attributes of what is told.
    backend: Arc<dyn Backend>,
    progress: Arc<ScanProgress>,
}

impl Telling {
    pub(super) fn new(
        mount_id: i64,
        task: &Task,
        backend: Arc<dyn Backend>,
        progress: Arc<ScanProgress>,
    ) -> Self {
        Self {
            mount_id,
            command: task.command,
            command_id: uuid::Uuid::now_v7().to_string(),
            reason: task.reason,
            tells_reconciled: task.tells_reconciled,
            drift: None,
            is_marked: false,
            changes: ScanChanges::default(),
            backend,
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
        self.ask_attributes(None, node);
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
        self.ask_attributes(Some(before), &mut after);
        let facts = after.facts;
        let Some(verb) = self.verb(before, &after, is_rewritten) else {
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

    /// Gets the attributes of a node whose number for them is another one. Between the look and now
    /// they may have become others yet: then these are told.
    fn ask_attributes(&self, before: Option<&Node>, after: &mut Node) {
        let path = after.path.as_str();
        after.facts = after.facts.settled(before.map(|before| &before.facts));
        let known = before.and_then(|before| before.facts.inode);
        let Some(inode) = &mut after.facts.inode else {
            return;
        };
        let known = known.and_then(|known| known.attributes);
        if matches!(inode.attributes, None | Some(0)) || inode.attributes == known {
            return;
        }
        match self.backend.attributes(path) {
            Ok(Some(now)) => {
                inode.attributes = Some(now.number);
                after.attributes = RawValue::from_string(now.json).ok();
            }
            // The next look asks again.
            Ok(None) | Err(_) => inode.attributes = known,
        }
    }

    /// What is told of the node; `None` if it is nothing.
    fn verb(&self, before: &Node, after: &Node, is_rewritten: bool) -> Option<Verb> {
        if before.state != NodeState::Active {
            Some(Verb::Reconciled(self.reason))
        } else if before.path != after.path {
            Some(Verb::Moved)
        } else if is_rewritten && self.tells_reconciled {
            Some(Verb::Reconciled(self.reason))
        } else if is_rewritten
            || before.parent_id != after.parent_id
            || after.facts.has_other_inode_than(&before.facts)
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
        if !self.is_marked {
            self.is_marked = true;
            tx.mark_scan(self.mount_id, false)?;
        }
        if let Some(drift) = self.drift.take() {
            let by = (self.command, self.command_id.as_str(), self.reason);
            drift.append(tx, by, before, after)?;
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
