//! Nodes that have been missing for long are let go of.
//!
//! A file that is gone is `missing` and never forgotten, as it may come back. What does not come back
//! for months is only in the way. A purge makes such nodes `deleted`, each with its entry, so that the
//! other books hear of it; what the timestore knows of their past stays.

use catalogue::{Catalogue, Cause, Node, StoreError, Verb, missing, mounts, nodes};
use journal::{CommandCompleted, JournalId, NodeState, Text, Time};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The command's name in the journal.
const COMMAND: &str = "purgeMissing";

/// Nodes in one transaction.
const BATCH: usize = 1_000;

/// How often nodes are purged by age.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// What a purge found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Purged {
    /// Nodes that were missing for so long.
    pub nodes: u64,
    /// The last of the entries that tell it; `None` if there was nothing to tell.
    #[schema(value_type = Option<u64>)]
    pub journal_entry_id: Option<JournalId>,
}

/// Purges nodes of a mount that went missing before then; only counts them, if it is a dry run.
pub(crate) fn purge(
    catalogue: &Catalogue,
    mount_id: i64,
    before: Time,
    principal: Option<&str>,
    is_dry_run: bool,
) -> Result<Purged, StoreError> {
    let command_id = uuid::Uuid::now_v7().to_string();
    let began = catalogue.clock().now();
    let (mut purged, mut after) = (Purged::default(), None::<String>);
    loop {
        let page =
            catalogue.read(|tx| missing::since(tx, mount_id, before, after.as_deref(), BATCH))?;
        let Some(last) = page.last() else { break };
        after = Some(last.path.clone());
        if is_dry_run {
            purged.nodes += page.len() as u64;
            continue;
        }
        let (command_id, principal) = (command_id.clone(), principal.map(ToOwned::to_owned));
        let done = catalogue.write(move |tx| {
            let cause = Cause {
                command: COMMAND,
                command_id: Some(&command_id),
                principal: principal.as_deref(),
                ..Cause::default()
            };
            let (mut count, mut last) = (0, None);
            for node in page {
                let Some(before) = nodes::by_id(tx, node.id)? else {
                    continue;
                };
                if !is_still_missing(&before, &node) || nodes::has_children(tx, before.id)? {
                    continue;
                }
                let mut gone = before.clone();
                gone.state = NodeState::Deleted;
                last = Some(tx.change(&cause, Verb::Deleted, Some(&before), &mut gone)?);
                count += 1;
            }
            Ok::<_, StoreError>((count, last))
        })?;
        purged.nodes += done.0;
        purged.journal_entry_id = done.1.or(purged.journal_entry_id);
    }
    if purged.journal_entry_id.is_some() {
        let id = complete(
            catalogue,
            mount_id,
            purged.nodes,
            began,
            command_id,
            principal,
        )?;
        purged.journal_entry_id = Some(id);
    }
    Ok(purged)
}

fn is_still_missing(now: &Node, seen: &Node) -> bool {
    now.state == NodeState::Missing && now.version == seen.version
}

fn complete(
    catalogue: &Catalogue,
    mount_id: i64,
    nodes: u64,
    began: Time,
    command_id: String,
    principal: Option<&str>,
) -> Result<JournalId, StoreError> {
    let principal = principal.map(ToOwned::to_owned);
    catalogue.write(move |tx| {
        let result = serde_json::value::to_raw_value(&serde_json::json!({ "nodes": nodes }))?;
        tx.append(CommandCompleted {
            journal_id: JournalId::ZERO,
            command: Text::from(COMMAND),
            backend_mount_id: mount_id,
            node_id: None,
            path: Text::from(""),
            idempotency_key: None,
            principal: principal.as_deref().map(Text::from),
            result: &result,
            observed_at: tx.now(),
            command_id: Some(Text::from(command_id.as_str())),
            duration_ms: tx.now().as_millis().saturating_sub(began.as_millis()),
            nodes_changed: i64::try_from(nodes).unwrap_or(i64::MAX),
        })
    })
}

/// The time before which a node must have gone missing to be purged now.
pub(crate) fn horizon(catalogue: &Catalogue, missing_for: Duration) -> Time {
    let millis = i64::try_from(missing_for.as_millis()).unwrap_or(i64::MAX);
    let now = catalogue.clock().now().as_millis();
    Time::from_millis(now.saturating_sub(millis))
}

/// Purges by age, every hour until `stop`, in all mounts.
pub(crate) async fn keep_purging(
    catalogue: Arc<Catalogue>,
    missing_for: Duration,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let catalogue = Arc::clone(&catalogue);
        let purge = move || purge_all(&catalogue, missing_for);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(purge).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "missing nodes were not purged, it is tried again");
        }
    }
}

fn purge_all(catalogue: &Catalogue, missing_for: Duration) -> Result<(), StoreError> {
    let before = horizon(catalogue, missing_for);
    for mount in catalogue.read(mounts::all)? {
        let purged = purge(catalogue, mount.id, before, None, false)?;
        if purged.nodes > 0 {
            let (mount_id, nodes) = (mount.id, purged.nodes);
            tracing::info!(
                mount_id,
                nodes,
                "nodes that were missing for long are purged"
            );
        }
    }
    Ok(())
}
