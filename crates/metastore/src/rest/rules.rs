//! The namespace rules in force.

use crate::Metastore;
use crate::record::RecordError;
use crate::rules::{Decision, NamespaceRules, NodeFacts, Rule, RuleError, RuleSet, RulesConfig};
use crate::sink::replace_all;
use axum::extract::State;
use httpkit::{Caller, Code, Json, Problem};
use journal::{NodeKind, Time};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

const PREVIEW_NODES: usize = 1_000;

/// The rules as the database keeps them.
pub(crate) struct StoredRules {
    /// The configuration's, when the store was last opened.
    pub(crate) configured: String,
    /// Those that records are placed by.
    pub(crate) active: String,
    updated_at: Time,
    updated_by: Option<String>,
}

/// The stored rules, unless the database is new.
pub(crate) fn stored(connection: &Connection) -> rusqlite::Result<Option<StoredRules>> {
    connection
        .query_row(
            "SELECT configured, active, updated_at, updated_by FROM namespace_rules",
            [],
            |row| {
                Ok(StoredRules {
                    configured: row.get(0)?,
                    active: row.get(1)?,
                    updated_at: Time::from_millis(row.get(2)?),
                    updated_by: row.get(3)?,
                })
            },
        )
        .optional()
}

/// The rules in force. Where a program brings its own, the first three are not there.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RulesAnswer {
    /// Where a node goes that no rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    default_namespace: Option<String>,
    /// Where quarantined nodes go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    quarantine_namespace: Option<String>,
    /// The rules; the first that matches wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Rule>, required = false)]
    rules: Option<Vec<Rule>>,
    /// When they came into force.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Time>,
    /// Who put them; nobody, if they are the configuration's.
    updated_by: Option<String>,
}

/// The namespace rules in force
///
/// They name all namespaces: a token that is limited to some gets 403, here and from the other
/// operations on rules.
#[utoipa::path(get, path = "/namespace-rules", tag = "namespaces", operation_id = "getNamespaceRules",
    responses((status = 200, body = RulesAnswer)))]
pub(super) async fn get(
    State(metastore): State<Metastore>,
    caller: Caller,
) -> Result<Json<RulesAnswer>, Problem> {
    caller.require_unlimited()?;
    let stored = metastore.0.read(|db| Ok(stored(db)?)).await?;
    Ok(Json(answer(stored)))
}

fn answer(stored: Option<StoredRules>) -> RulesAnswer {
    let rules: Option<RulesConfig> = stored
        .as_ref()
        .and_then(|stored| serde_json::from_str(&stored.active).ok());
    let (updated_at, updated_by) = stored
        .map(|stored| (stored.updated_at, stored.updated_by))
        .unzip();
    let (names, rules) = rules
        .map(|it| ((it.default_namespace, it.quarantine_namespace), it.rules))
        .unzip();
    let (default_namespace, quarantine_namespace) = names.unzip();
    RulesAnswer {
        default_namespace,
        quarantine_namespace,
        rules,
        updated_at,
        updated_by: updated_by.flatten(),
    }
}

/// Replaces the rules and places every record by them, in one transaction. They hold until they
/// are put again or the configuration's rules change.
#[utoipa::path(put, path = "/namespace-rules", tag = "namespaces", operation_id = "putNamespaceRules",
    request_body = RulesConfig, responses((status = 200, body = RulesAnswer)),
    security(("bearer" = ["metastore:admin"])))]
pub(super) async fn put(
    State(metastore): State<Metastore>,
    caller: Caller,
    Json(config): Json<RulesConfig>,
) -> Result<Json<RulesAnswer>, Problem> {
    caller.require_unlimited()?;
    if !metastore.0.are_rules_configured {
        return Err(Problem::conflict(
            Code::Unsupported,
            "the program brings its own rules",
        ));
    }
    let rules: Arc<dyn NamespaceRules> = Arc::new(RuleSet::new(config).map_err(refuse)?);
    let in_force = Arc::clone(&metastore.0.rules);
    let new = Arc::clone(&rules);
    let work = move |transaction: &mut Transaction<'_>, now: Time| {
        replace_all(transaction, &*rules)?;
        transaction.execute(
            "UPDATE namespace_rules SET active = ?1, updated_at = ?2, updated_by = ?3",
            params![rules.fingerprint(), now.as_millis(), caller.subject],
        )?;
        Ok(stored(transaction)?)
    };
    // The sink must not place by the old rules what this has placed by the new ones.
    let stored = metastore
        .0
        .write_then(work, move || *in_force.write() = new)
        .await?;
    Ok(Json(answer(stored)))
}

fn refuse(error: RuleError) -> Problem {
    Problem::invalid(&error.pointer, error.detail)
}

/// Which rules and nodes to try.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreviewBody {
    /// The rules to try; those in force, if they are left out.
    #[serde(default)]
    rules: Option<RulesConfig>,
    /// Nodes to decide about, whether they exist or not.
    #[serde(default)]
    nodes: Vec<PreviewNode>,
}

/// A node to decide about.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct PreviewNode {
    backend_mount_id: i64,
    path: String,
    /// `file` or `directory`; `file` if it is left out.
    #[serde(default)]
    #[schema(value_type = Option<crate::words::NodeKind>)]
    kind: Option<NodeKind>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// What the rules would do.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PreviewAnswer {
    /// For each node asked about, in order.
    decisions: Vec<PreviewDecision>,
    /// How many of the nodes that there are would change their namespace.
    moves: Vec<PreviewMove>,
}

/// What the rules say about a node.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct PreviewDecision {
    /// The place of the rule that matched.
    rule: Option<usize>,
    /// Null if the node is skipped.
    namespace: Option<String>,
    default_tags: Vec<String>,
    default_owner: Option<String>,
    quarantine_reason: Option<String>,
}

/// Nodes that would change their namespace.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PreviewMove {
    /// Null for nodes that have no record.
    from: Option<String>,
    /// Null for nodes that would be skipped.
    to: Option<String>,
    nodes: u64,
}

/// What rules would do, without doing it.
#[utoipa::path(post, path = "/namespace-rules/preview", tag = "namespaces",
    operation_id = "previewNamespaceRules", request_body = PreviewBody,
    responses((status = 200, body = PreviewAnswer)), security(("bearer" = ["metastore:read"])))]
pub(super) async fn preview(
    State(metastore): State<Metastore>,
    caller: Caller,
    Json(body): Json<PreviewBody>,
) -> Result<Json<PreviewAnswer>, Problem> {
    caller.require_unlimited()?;
    if body.nodes.len() > PREVIEW_NODES {
        return Err(Problem::invalid(
            "/nodes",
            format!("at most {PREVIEW_NODES} nodes"),
        ));
    }
    let set = match body.rules {
        Some(config) => {
            let at_rules = |error: RuleError| {
                Problem::invalid(&format!("/rules{}", error.pointer), error.detail)
            };
            Some(Arc::new(RuleSet::new(config).map_err(at_rules)?))
        }
        None => None,
    };
    let in_force = Arc::clone(&metastore.0.rules.read());
    let answer = move |db: &Connection| {
        let rules: &dyn NamespaceRules = match &set {
            Some(set) => &**set,
            None => &*in_force,
        };
        let decisions = body
            .nodes
            .iter()
            .map(|node| decide(rules, set.as_deref(), node));
        let decisions = decisions.collect();
        let moves = if set.is_some() {
            count_moves(db, rules)?
        } else {
            Vec::new()
        };
        Ok::<_, RecordError>(PreviewAnswer { decisions, moves })
    };
    metastore.0.read(answer).await.map(Json)
}

fn decide(
    rules: &dyn NamespaceRules,
    set: Option<&RuleSet>,
    node: &PreviewNode,
) -> PreviewDecision {
    let empty = RawValue::NULL;
    let facts = NodeFacts {
        backend_mount_id: node.backend_mount_id,
        path: &node.path,
        kind: node.kind.unwrap_or(NodeKind::File),
        metadata: node.metadata.as_deref().unwrap_or(empty),
    };
    let rule = set.and_then(|set| set.matching_rule(&facts));
    match rules.decide(&facts) {
        Decision::Skip => PreviewDecision {
            rule,
            namespace: None,
            default_tags: Vec::new(),
            default_owner: None,
            quarantine_reason: None,
        },
        Decision::Place(place) => PreviewDecision {
            rule,
            namespace: Some(place.namespace.to_owned()),
            default_tags: place.default_tags.to_vec(),
            default_owner: place.default_owner.map(str::to_owned),
            quarantine_reason: place.quarantine_reason,
        },
    }
}

fn count_moves(db: &Connection, rules: &dyn NamespaceRules) -> rusqlite::Result<Vec<PreviewMove>> {
    let mut counts: BTreeMap<(Option<String>, Option<String>), u64> = BTreeMap::new();
    let mut statement = db.prepare_cached(include_str!("../sql/nodes_placed.sql"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let metadata = crate::node::raw(4, row.get(4)?)?;
        let facts = NodeFacts {
            backend_mount_id: row.get(1)?,
            path: row.get_ref(2)?.as_str()?,
            kind: crate::node::word(row, 3, NodeKind::from_word)?,
            metadata: &metadata,
        };
        let from = row.get_ref(0)?.as_str_or_null()?;
        let decision = rules.decide(&facts);
        let to = match &decision {
            Decision::Skip => None,
            Decision::Place(place) => Some(place.namespace),
        };
        if from != to {
            let key = (from.map(str::to_owned), to.map(str::to_owned));
            let count = counts.entry(key).or_default();
            *count = count.saturating_add(1);
        }
    }
    Ok(counts
        .into_iter()
        .map(|((from, to), nodes)| PreviewMove { from, to, nodes })
        .collect())
}
