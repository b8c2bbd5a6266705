//! A node's record in the namespace that the rules give it.
//!
//! A record of which nothing is said has no row in `records`: the node's own row names the namespace,
//! and that is all. A row is made when there is something to say, so also when a record moves, because
//! its audit says so.
//!
//! A record that moves takes everything along: only its namespace changes, and its audit says so.
//! If a person already made a record under the node's key in the other namespace, the two become
//! one, because both are about this node now: the node's record goes on, gets what the other says
//! and it does not, and the other's last state stands in the audit. This is the one case in which
//! the sync changes what people wrote, so the version moves past both and whoever holds either
//! version is told of the conflict.

use crate::namespaces;
use crate::record::{PersonsPart, audit, once, store};
use crate::rules::{Decision, NamespaceRules, NodeFacts, Placement, SYNC_ACTOR};
use journal::{NodeKind, NodeState, Time};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// How many nodes are placed anew between two looks at the table.
const PAGE: i64 = 1_000;

/// Where a node's record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Home {
    /// The row of what was said, if anything was.
    pub(super) record_id: Option<i64>,
    /// The number of the namespace; none, if the node has no record.
    pub(super) namespace: Option<i64>,
}

/// Places records; statements prepared once a batch.
pub(super) struct Placer<'c> {
    transaction: &'c Transaction<'c>,
    /// The numbers of namespaces that came up.
    numbers: HashMap<String, i64>,
    /// There are rows that a person may have made under a node's key.
    has_records: bool,
    make: CachedStatement<'c>,
    find: CachedStatement<'c>,
}

impl<'c> Placer<'c> {
    pub(super) fn prepare(transaction: &'c Transaction<'_>) -> rusqlite::Result<Self> {
        let has_records = transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM records)")?
            .query_row([], |row| row.get(0))?;
        Ok(Self {
            transaction,
            numbers: HashMap::new(),
            has_records,
            make: transaction.prepare_cached(include_str!("../sql/record_make.sql"))?,
            find: transaction
                .prepare_cached("SELECT id FROM records WHERE namespace = ?1 AND key = ?2")?,
        })
    }

    /// The record of a node, made or moved so that it lies in the placement's namespace.
    pub(super) fn place(
        &mut self,
        node_id: i64,
        home: Home,
        place: &Placement<'_>,
        at: Time,
    ) -> rusqlite::Result<Home> {
        let namespace = Some(self.number(place.namespace)?);
        if home.namespace == namespace {
            return Ok(home);
        }
        let record_id = match home.namespace {
            None => self.make(node_id, place, at)?,
            Some(_) => {
                let id = match home.record_id {
                    Some(id) => id,
                    None => store::make_row(self.transaction, node_id)?,
                };
                self.has_records = true;
                self.move_to_namespace(id, &node_id.to_string(), place.namespace, at)?;
                Some(id)
            }
        };
        Ok(Home {
            record_id,
            namespace,
        })
    }

    /// The number of a namespace.
    pub(super) fn number(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = namespaces::number(self.transaction, name)?;
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    /// The row by a node's name, if there is one.
    fn find(&mut self, namespace: &str, key: &str) -> rusqlite::Result<Option<i64>> {
        if !self.has_records {
            return Ok(None);
        }
        let found = self.find.query_row([namespace, key], |row| row.get(0));
        found.optional()
    }

    /// A node's record that has a row by its name, with that row.
    pub(super) fn reunite(&mut self, node_id: i64, home: Home) -> rusqlite::Result<Home> {
        let Some(namespace) = home.namespace.filter(|_| self.has_records) else {
            return Ok(home);
        };
        let name: Option<String> = self
            .transaction
            .prepare_cached("SELECT name FROM namespaces WHERE id = ?1")?
            .query_row([namespace], |row| row.get(0))
            .optional()?;
        // A number that names nothing is damage: the node is placed anew.
        let Some(name) = name else {
            return Ok(Home::default());
        };
        Ok(Home {
            record_id: self.find(&name, &node_id.to_string())?,
            ..home
        })
    }

    /// The row of the record of a node that has none yet. What a person made under the node's key
    /// before the node came is left as it is.
    fn make(
        &mut self,
        node_id: i64,
        place: &Placement<'_>,
        at: Time,
    ) -> rusqlite::Result<Option<i64>> {
        let says_something = !place.default_tags.is_empty() || place.default_owner.is_some();
        if !says_something && !self.has_records {
            return Ok(None);
        }
        let key = node_id.to_string();
        let found = self.find(place.namespace, &key)?;
        if found.is_some() || !says_something {
            return Ok(found);
        }
        self.make.execute(params![
            place.namespace,
            key,
            place.default_owner,
            at.as_millis(),
            SYNC_ACTOR
        ])?;
        self.has_records = true;
        let id = self.transaction.last_insert_rowid();
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
        Ok(Some(id))
    }

    /// Brings a record into another namespace.
    fn move_to_namespace(
        &mut self,
        id: i64,
        key: &str,
        namespace: &str,
        at: Time,
    ) -> rusqlite::Result<()> {
        let Some(record) = store::by_id(self.transaction, id)? else {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        };
        let other = self.find(namespace, key)?;
        let mut version = record.version;
        let mut part = record.part.clone();
        if let Some(other_id) = other
            && let Some(other) = store::by_id(self.transaction, other_id)?
        {
            part.fill_from(&other.part);
            version = version.max(other.version).saturating_add(1);
            // The other's history goes on under the record that stays.
            self.transaction.execute(
                "UPDATE record_audit SET record_id = ?2 WHERE record_id = ?1",
                [other_id, id],
            )?;
            once::merge(self.transaction, other_id, id)?;
            self.audit(&other, id, "merge", namespace, version, &part, at)?;
            self.transaction
                .execute("DELETE FROM records WHERE id = ?1", [other_id])?;
            store::replace_tags(self.transaction, id, &record.part.tags, &part.tags)?;
            store::write_part(self.transaction, id, &part)?;
        }
        self.transaction
            .prepare_cached("UPDATE records SET namespace = ?2, version = ?3 WHERE id = ?1")?
            .execute(params![id, namespace, version])?;
        self.audit(&record, id, "move", namespace, version, &part, at)
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
            let (home, reason) = match decision {
                Decision::Skip => (node.home, None),
                Decision::Place(place) => (
                    placer.place(node.node_id, node.home, &place, node.observed_at)?,
                    place.quarantine_reason,
                ),
            };
            let hidden_at = is_hidden.then_some(node.observed_at.as_millis());
            update.execute(params![
                node.node_id,
                home.record_id,
                home.namespace,
                reason,
                hidden_at
            ])?;
        }
    }
}

/// A node as it is placed now.
struct Placed {
    node_id: i64,
    home: Home,
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
            home: Home {
                record_id: row.get(1)?,
                namespace: row.get(2)?,
            },
            backend_mount_id: row.get(3)?,
            path: row.get(4)?,
            kind: crate::node::word(row, 5, NodeKind::from_word)?,
            is_deleted: row.get_ref(6)?.as_str()? == NodeState::Deleted.as_str(),
            metadata: crate::node::raw(7, metadata)?,
            observed_at: Time::from_millis(row.get(8)?),
        })
    }
}
