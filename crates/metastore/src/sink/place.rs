//! A node's record in the namespace that the rules give it.
//!
//! A record that moves takes everything along: only its namespace changes, and its audit says so.
//! If a person already made a record under the node's key in the other namespace, the two become
//! one, because both are about this node now: the node's record goes on, gets what the other says
//! and it does not, and the other's last state stands in the audit. This is the one case in which
//! the sync changes what people wrote, so the version moves past both and whoever holds either
//! version is told of the conflict.

use crate::record::{PersonsPart, audit, once, store};
use crate::rules::{Decision, NamespaceRules, NodeFacts, Placement, SYNC_ACTOR};
use journal::{NodeKind, NodeState, Time};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};
use serde_json::value::RawValue;

/// How many nodes are placed anew between two looks at the table.
const PAGE: i64 = 1_000;

/// Places records; statements prepared once a batch.
pub(super) struct Placer<'c> {
    transaction: &'c Transaction<'c>,
    make: CachedStatement<'c>,
    find: CachedStatement<'c>,
}

impl<'c> Placer<'c> {
    pub(super) fn prepare(transaction: &'c Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            make: transaction.prepare_cached(include_str!("../sql/record_make.sql"))?,
            find: transaction
                .prepare_cached("SELECT id FROM records WHERE namespace = ?1 AND key = ?2")?,
        })
    }

    /// The record of a node, made or moved so that it lies in the placement's namespace.
    pub(super) fn place(
        &mut self,
        node_id: i64,
        record_id: Option<i64>,
        place: &Placement<'_>,
        at: Time,
    ) -> rusqlite::Result<i64> {
        let key = node_id.to_string();
        match record_id {
            Some(id) => self.move_to_namespace(id, &key, place.namespace, at),
            None => self.make(&key, place, at),
        }
    }

    fn make(&mut self, key: &str, place: &Placement<'_>, at: Time) -> rusqlite::Result<i64> {
        let made = self.make.execute(params![
            place.namespace,
            key,
            place.default_owner,
            at.as_millis(),
            SYNC_ACTOR
        ])?;
        if made == 0 {
            return self
                .find
                .query_row([place.namespace, key], |row| row.get(0));
        }
        let id = self.transaction.last_insert_rowid();
        if !place.default_tags.is_empty() || place.default_owner.is_some() {
            store::replace_tags(self.transaction, id, &[], place.default_tags)?;
            let part = PersonsPart {
                tags: place.default_tags.to_vec(),
                owner: place.default_owner.map(str::to_owned),
                ..PersonsPart::default()
            };
            audit::Change {
                record_id: id,
                action: "create",
                actor: Some(SYNC_ACTOR),
                at,
                namespace: place.namespace,
                previous_namespace: None,
                version: 1,
                part: &part,
                previous: None,
            }
            .write(self.transaction)?;
        }
        Ok(id)
    }

    /// Brings a record into another namespace.
    fn move_to_namespace(
        &mut self,
        id: i64,
        key: &str,
        namespace: &str,
        at: Time,
    ) -> rusqlite::Result<i64> {
        let Some(record) = store::by_id(self.transaction, id)? else {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        };
        let other: Option<i64> = self
            .find
            .query_row([namespace, key], |row| row.get(0))
            .optional()?;
        let other = match other {
            Some(other) => store::by_id(self.transaction, other)?,
            None => None,
        };
        let mut version = record.version;
        let mut part = record.part.clone();
        if let Some(other) = other {
            part.fill_from(&other.part);
            version = version.max(other.version).saturating_add(1);
            // The other's history goes on under the record that stays.
            self.transaction.execute(
                "UPDATE record_audit SET record_id = ?2 WHERE record_id = ?1",
                [other.id, id],
            )?;
            once::merge(self.transaction, other.id, id)?;
            self.audit(&other, id, "merge", namespace, version, &part, at)?;
            self.transaction
                .execute("DELETE FROM records WHERE id = ?1", [other.id])?;
            store::replace_tags(self.transaction, id, &record.part.tags, &part.tags)?;
            store::write_part(self.transaction, id, &part)?;
        }
        self.transaction
            .prepare_cached("UPDATE records SET namespace = ?2, version = ?3 WHERE id = ?1")?
            .execute(params![id, namespace, version])?;
        self.audit(&record, id, "move", namespace, version, &part, at)?;
        Ok(id)
    }

    #[expect(clippy::too_many_arguments, reason = "one audit row has as many parts")]
    fn audit(
        &self,
        before: &store::Stored,
        record_id: i64,
        action: &'static str,
        namespace: &str,
        version: i64,
        part: &PersonsPart,
        at: Time,
    ) -> rusqlite::Result<()> {
        audit::Change {
            record_id,
            action,
            actor: Some(SYNC_ACTOR),
            at,
            namespace,
            previous_namespace: Some(&before.namespace),
            version,
            part,
            previous: Some((before.version, &before.part)),
        }
        .write(self.transaction)
    }
}

/// Places every record anew, after the rules changed; how many nodes were looked at.
pub(crate) fn replace_all(
    transaction: &Transaction<'_>,
    rules: &dyn NamespaceRules,
) -> rusqlite::Result<u64> {
    let mut placer = Placer::prepare(transaction)?;
    let mut page = transaction.prepare(include_str!("../sql/nodes_page.sql"))?;
    let mut update = transaction.prepare(include_str!("../sql/node_place.sql"))?;
    let mut after = 0_i64;
    let mut seen = 0_u64;
    loop {
        let nodes: Vec<Placed> = page
            .query_map([after, PAGE], Placed::from_row)?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = nodes.last() else {
            return Ok(seen);
        };
        after = last.node_id;
        seen = seen.saturating_add(nodes.len() as u64);
        for node in nodes {
            let decision = rules.decide(&NodeFacts {
                backend_mount_id: node.backend_mount_id,
                path: &node.path,
                kind: node.kind,
                metadata: &node.metadata,
            });
            let is_hidden = node.is_deleted || decision == Decision::Skip;
            let (record_id, reason) = match decision {
                Decision::Skip => (node.record_id, None),
                Decision::Place(place) if node.namespace.as_deref() == Some(place.namespace) => {
                    (node.record_id, place.quarantine_reason)
                }
                Decision::Place(place) => {
                    let id =
                        placer.place(node.node_id, node.record_id, &place, node.observed_at)?;
                    (Some(id), place.quarantine_reason)
                }
            };
            let hidden_at = is_hidden.then_some(node.observed_at.as_millis());
            update.execute(params![node.node_id, record_id, reason, hidden_at])?;
        }
    }
}

/// A node as it is placed now.
struct Placed {
    node_id: i64,
    record_id: Option<i64>,
    namespace: Option<String>,
    backend_mount_id: i64,
    path: String,
    kind: NodeKind,
    is_deleted: bool,
    metadata: Box<RawValue>,
    observed_at: Time,
}

impl Placed {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let metadata: String = row.get(7)?;
        Ok(Self {
            node_id: row.get(0)?,
            record_id: row.get(1)?,
            namespace: row.get(2)?,
            backend_mount_id: row.get(3)?,
            path: row.get(4)?,
            kind: crate::node::word(row, 5, NodeKind::from_word)?,
            is_deleted: row.get_ref(6)?.as_str()? == NodeState::Deleted.as_str(),
            metadata: crate::node::raw(7, metadata)?,
            observed_at: Time::from_millis(row.get(8)?),
        })
    }
}
