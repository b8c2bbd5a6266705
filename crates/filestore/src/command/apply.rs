//! Step 4: what a command did, as nodes and journal entries, in one transaction.
//!
//! It looks at the rows as they are in the transaction. What a scan has done in between is taken
//! as it is: a node that the scan made of the same file is that file's node.

use super::{Action, Answer, CommandError, Intent, Put};
use crate::view::NodeView;
use ::node::{Contents, NodePath};
use backend::PathFacts;
use catalogue::idempotency::{self, Kept};
use catalogue::{Cause, Metadata, Node, StoreError, Verb, WriteTx, intents, nodes};
use journal::{CommandCompleted, ConsistencyState, NodeKind, NodeState, ReconcileReason, Text};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// What a command did to the catalogue.
struct Applied {
    node: Node,
    changed: i64,
    result: Map<String, Value>,
}

/// Changes the nodes, tells the journal, keeps the answer, ends the intent.
pub(super) fn finish(
    tx: &mut WriteTx<'_>,
    intent_id: Option<i64>,
    intent: &Intent,
    lineage: &PathFacts,
) -> Result<Answer, CommandError> {
    let cause = cause_of(intent);
    let applied = apply(tx, &cause, &intent.action, lineage)?;
    let result = serde_json::value::to_raw_value(&applied.result)?;
    let journal_id = tx.append(CommandCompleted {
        journal_id: journal::JournalId::ZERO,
        command: Text::from(cause.command),
        backend_mount_id: applied.node.mount_id,
        node_id: Some(applied.node.id),
        path: Text::from(applied.node.path.as_str()),
        idempotency_key: cause.idempotency_key.map(Text::from),
        principal: cause.principal.map(Text::from),
        result: &result,
        observed_at: tx.now(),
        command_id: cause.command_id.map(Text::from),
        duration_ms: tx
            .now()
            .as_millis()
            .saturating_sub(intent.accepted_at_ms)
            .max(0),
        nodes_changed: applied.changed,
    })?;
    let answer = Answer {
        idempotent: false,
        journal_entry_id: journal_id.get(),
        node: Some(NodeView::of(&applied.node, tx.owner(&applied.node), None)),
        result: applied.result,
    };
    if let Some(key) = cause.idempotency_key {
        let kept = Kept {
            fingerprint: intent.fingerprint,
            response: serde_json::to_string(&answer)?,
        };
        idempotency::keep(tx, key, &kept)?;
    }
    match (intent_id, intent.aftermath()) {
        (Some(id), Some(aftermath)) => {
            let text = serde_json::to_string(&aftermath)?;
            intents::replace(tx, id, &text, &aftermath.action.places())?;
        }
        (Some(id), None) => intents::remove(tx, id)?,
        (None, _) => {}
    }
    Ok(answer)
}

/// Nodes of the directories that a command made on its way, of which nothing else took place.
pub(super) fn adopt(
    tx: &mut WriteTx<'_>,
    intent: &Intent,
    made: Option<&(i64, PathFacts)>,
) -> Result<(), CommandError> {
    if let Some((mount_id, lineage)) = made {
        ensure_directories(tx, &cause_of(intent), *mount_id, lineage)?;
    }
    Ok(())
}

fn cause_of(intent: &Intent) -> Cause<'_> {
    Cause {
        command: &intent.command,
        command_id: Some(&intent.command_id),
        idempotency_key: intent.actor.idempotency_key.as_deref(),
        principal: intent.actor.principal.as_deref(),
    }
}

fn apply(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    action: &Action,
    lineage: &PathFacts,
) -> Result<Applied, CommandError> {
    match action {
        Action::CreateDirectory {
            mount_id,
            path,
            metadata,
        } => create_directory(tx, cause, (*mount_id, path), metadata.as_ref(), lineage),
        Action::Upload(put) => upload(tx, cause, put, lineage),
        Action::Delete { node_id, .. } => {
            let before = by_id(tx, *node_id)?;
            let (node, changed) = match before.state {
                NodeState::Deleted => (before, 0),
                _ => tx.remove_tree(cause, Verb::Deleted, &before)?,
            };
            let result = told("deleteNode", &node, json!({ "deleted": changed }));
            Ok(Applied {
                node,
                changed,
                result,
            })
        }
        Action::Move {
            node_id,
            target_mount_id,
            target_path,
            ..
        } => move_node(
            tx,
            cause,
            *node_id,
            (*target_mount_id, target_path),
            lineage,
        ),
        Action::Copy {
            mount_id,
            path,
            target_mount_id,
            target_path,
            transfer,
            ..
        } => {
            let (source, target) = ((*mount_id, path), (*target_mount_id, target_path));
            copy_node(tx, cause, source, target, transfer.is_some(), lineage)
        }
        // Its command is committed already.
        Action::Discard { path, .. } => Err(CommandError::Busy(path.to_string())),
        Action::PatchMetadata {
            node_id,
            set,
            unset,
        } => patch_metadata(tx, cause, *node_id, set, unset),
    }
}

fn upload(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    put: &Put,
    lineage: &PathFacts,
) -> Result<Applied, CommandError> {
    let (above, facts) = match (put.facts, lineage.split_last()) {
        (Some(staged), Some(((at, now), above))) if at == put.path.as_str() => {
            let is_it =
                now.has_identity_of(&staged) && now.contents_since(&staged) != Contents::Changed;
            (above, if is_it { *now } else { staged })
        }
        (Some(facts), _) => (&lineage[..], facts),
        (None, Some(((_, facts), above))) => (above, *facts),
        (None, None) => return Err(StoreError::Damaged("an upload has no facts".to_owned()).into()),
    };
    let (parent, created) = ensure_directories(tx, cause, put.mount_id, above)?;
    let before = claim(tx, cause, put.mount_id, put.path.as_str(), NodeKind::File)?;
    let path = || put.path.to_string();
    let fresh = || Node::new(put.mount_id, Some(parent.id), path(), facts);
    let mut after = before.clone().unwrap_or_else(fresh);
    after.parent_id = Some(parent.id);
    after.facts = facts;
    after.checksum.clone_from(&put.checksum);
    after.content_hash = Some(put.content_hash.clone());
    if let Some(metadata) = &put.metadata {
        after.metadata = Metadata::from_object(metadata)?;
    }
    seen(&mut after, tx);
    tx.change(cause, Verb::Uploaded, before.as_ref(), &mut after)?;
    let overwritten = before.filter(Node::is_on_disk);
    let mut more = json!({
        "checksum": put.checksum, "contentHash": put.content_hash,
        "overwritten": overwritten.is_some(),
    });
    let command_type = if overwritten.is_some() {
        "writeFile"
    } else {
        "uploadFile"
    };
    if let (Some(before), Some(more)) = (overwritten, more.as_object_mut()) {
        more.insert("previousVersion".to_owned(), json!(before.version));
        more.insert(
            "previousSizeBytes".to_owned(),
            json!(before.facts.size_bytes),
        );
    }
    Ok(Applied {
        result: told(command_type, &after, more),
        node: after,
        changed: created + 1,
    })
}

fn create_directory(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    (mount_id, path): (i64, &NodePath),
    metadata: Option<&Map<String, Value>>,
    lineage: &PathFacts,
) -> Result<Applied, CommandError> {
    let Some(((last, facts), above)) = lineage.split_last() else {
        return Err(StoreError::Damaged("a created directory has no path".to_owned()).into());
    };
    let (parent, created) = ensure_directories(tx, cause, mount_id, above)?;
    let before = claim(tx, cause, mount_id, path.as_str(), NodeKind::Directory)?;
    let fresh = || Node::new(mount_id, Some(parent.id), last.clone(), *facts);
    let mut after = before.clone().unwrap_or_else(fresh);
    after.parent_id = Some(parent.id);
    after.facts = *facts;
    if let Some(metadata) = metadata {
        after.metadata = Metadata::from_object(metadata)?;
    }
    seen(&mut after, tx);
    tx.change(cause, Verb::Created, before.as_ref(), &mut after)?;
    let more = json!({ "created": created + 1 });
    Ok(Applied {
        result: told("createDirectory", &after, more),
        node: after,
        changed: created + 1,
    })
}

fn move_node(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    node_id: i64,
    (mount_id, path): (i64, &NodePath),
    lineage: &PathFacts,
) -> Result<Applied, CommandError> {
    // What follows those above the target, if it was copied there, is what it is there.
    let above = path.lineage().count().saturating_sub(1);
    let (above, placed) = lineage.split_at_checked(above).unwrap_or((lineage, &[]));
    let (parent, created) = ensure_directories(tx, cause, mount_id, above)?;
    let placed = placed.iter().cloned().collect();
    let before = by_id(tx, node_id)?;
    let mut changed = created;
    let is_there = before.mount_id == mount_id && before.path == path.as_str();
    if !is_there && let Some(displaced) = nodes::at(tx, mount_id, path.as_str())? {
        changed += tx.remove_tree(cause, Verb::Deleted, &displaced)?.1;
    }
    let previous_path = before.path.clone();
    let node = if is_there {
        before
    } else {
        let (node, moved) = tx.move_tree(cause, &before, &parent, path.name(), &placed)?;
        changed += moved;
        node
    };
    let more = json!({
        "movedFrom": previous_path, "targetPath": path, "nodesChanged": changed,
    });
    Ok(Applied {
        result: told("moveNode", &node, more),
        node,
        changed,
    })
}

/// Nodes of what was copied. Each takes what people wrote on its source, and the digests if its
/// contents are the ones they are of: an object's time is that of its own, so there the copy was
/// compared with the source.
fn copy_node(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    (source_mount_id, source_path): (i64, &NodePath),
    (mount_id, path): (i64, &NodePath),
    is_compared: bool,
    lineage: &PathFacts,
) -> Result<Applied, CommandError> {
    let above = path.lineage().count().saturating_sub(1);
    let (above, copied) = lineage.split_at_checked(above).unwrap_or((lineage, &[]));
    let (parent, mut changed) = ensure_directories(tx, cause, mount_id, above)?;
    let mut parents = HashMap::from([(path.parent().to_string(), parent.id)]);
    let mut top = None;
    for (at, facts) in copied {
        let below = at.strip_prefix(path.as_str()).unwrap_or_default();
        let source = format!("{source_path}{below}");
        let source = nodes::at(tx, source_mount_id, &source)?
            .filter(|source| source.facts.kind == facts.kind);
        let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent_id = parents.get(parent).copied();
        let before = claim(tx, cause, mount_id, at, facts.kind)?;
        let fresh = || Node::new(mount_id, parent_id, at.clone(), *facts);
        let mut after = before.clone().unwrap_or_else(fresh);
        after.parent_id = parent_id;
        after.facts = *facts;
        let is_same = |source: &Node| {
            !source.is_in_doubt
                && source.facts.size_bytes == facts.size_bytes
                && (source.facts.modified_ns == facts.modified_ns || is_compared)
        };
        let same = source.as_ref().filter(|source| is_same(source));
        after.checksum = same.and_then(|source| source.checksum.clone());
        after.content_hash = same.and_then(|source| source.content_hash.clone());
        after.metadata = source.map(|source| source.metadata).unwrap_or_default();
        seen(&mut after, tx);
        tx.change(cause, Verb::Copied, before.as_ref(), &mut after)?;
        changed += 1;
        if after.is_directory() {
            parents.insert(at.clone(), after.id);
        }
        top.get_or_insert(after);
    }
    let node = top.ok_or_else(|| StoreError::Damaged("a copy has no path".to_owned()))?;
    let more = json!({
        "copiedFrom": source_path, "targetPath": path, "nodesChanged": changed,
    });
    Ok(Applied {
        result: told("copyNode", &node, more),
        node,
        changed,
    })
}

fn patch_metadata(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    node_id: i64,
    set: &Map<String, Value>,
    unset: &[String],
) -> Result<Applied, CommandError> {
    let before = by_id(tx, node_id)?;
    let mut metadata = before.metadata.to_object()?;
    let was = metadata.clone();
    for key in unset {
        metadata.remove(key);
    }
    metadata.extend(set.clone());
    let mut after = before.clone();
    let changed = i64::from(metadata != was);
    if changed > 0 {
        after.metadata = Metadata::from_object(&metadata)?;
        tx.change(cause, Verb::Updated, Some(&before), &mut after)?;
    }
    let more = json!({ "metadata": metadata });
    Ok(Applied {
        result: told("updateNodeMetadata", &after, more),
        node: after,
        changed,
    })
}

/// The nodes of these directories, made where there are none. Gives the last (the mount's root, if
/// there are none) and how many were made.
fn ensure_directories(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    mount_id: i64,
    lineage: &[(String, ::node::Facts)],
) -> Result<(Node, i64), CommandError> {
    let mut parent = nodes::root(tx, mount_id)?;
    let mut created = 0;
    for (path, facts) in lineage {
        if let Some(node) = nodes::at(tx, mount_id, path)?
            && node.is_directory()
        {
            parent = node;
            continue;
        }
        let before = claim(tx, cause, mount_id, path, NodeKind::Directory)?;
        let fresh = || Node::new(mount_id, Some(parent.id), path.clone(), *facts);
        let mut after = before.clone().unwrap_or_else(fresh);
        after.parent_id = Some(parent.id);
        after.facts = *facts;
        seen(&mut after, tx);
        tx.change(cause, Verb::Created, before.as_ref(), &mut after)?;
        created += 1;
        parent = after;
    }
    Ok((parent, created))
}

/// The node that a file or directory at this path is from now on: the one that holds the path, or
/// the last that went missing there. A node of the other kind gives the path up; the disk no
/// longer has it.
fn claim(
    tx: &mut WriteTx<'_>,
    cause: &Cause<'_>,
    mount_id: i64,
    path: &str,
    kind: NodeKind,
) -> Result<Option<Node>, CommandError> {
    if let Some(node) = nodes::at(tx, mount_id, path)? {
        if node.facts.kind == kind {
            return Ok(Some(node));
        }
        tx.remove_tree(cause, Verb::Missing(ReconcileReason::Drift), &node)?;
    }
    Ok(nodes::missing_at(tx, mount_id, path, kind)?)
}

/// It is on disk, as the facts say.
fn seen(node: &mut Node, tx: &WriteTx<'_>) {
    node.state = NodeState::Active;
    node.consistency_state = ConsistencyState::Active;
    node.consistency_checked_at = Some(tx.now());
    node.last_seen_at = Some(tx.now());
}

fn by_id(tx: &WriteTx<'_>, id: i64) -> Result<Node, CommandError> {
    nodes::by_id(tx, id)?.ok_or(CommandError::NoNode(id))
}

/// What a client is told of a command, in AppHub's words: the node as it is now, and what only this
/// command has to say.
fn told(command_type: &str, node: &Node, more: Value) -> Map<String, Value> {
    let about = json!({
        "commandType": command_type, "nodeId": node.id, "backendMountId": node.mount_id,
        "path": node.path, "kind": node.facts.kind, "state": node.state,
        "sizeBytes": node.facts.size_bytes, "version": node.version,
    });
    [about, more]
        .into_iter()
        .flat_map(|part| match part {
            Value::Object(fields) => fields,
            _ => Map::new(),
        })
        .collect()
}
