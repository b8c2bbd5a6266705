//! Which namespace a node's record lives in.
//!
//! Rules are ordered and the first that matches wins; a node that none matches goes to the
//! default namespace. A decision is pure: it knows the node, takes no clock and reads nothing, so
//! that replaying the journal places every record again where it was.
//!
//! * `sync` puts the record into the rule's namespace. A node that lacks a field of `require` in
//!   its metadata goes to the quarantine namespace instead, and `metadata.filestore.quarantineReason`
//!   says why.
//! * `quarantine` puts it into the quarantine namespace.
//! * `skip` makes no record. A record that exists (the node came under the rule by a move, or the
//!   rule is new) is soft-deleted by the sync with everything people wrote, and is back when the
//!   node leaves the rule.
//!
//! Default tags and the default owner are applied once, when a record is made, and stand in its
//! audit as the sync's. A program that embeds the crate brings its own [`NamespaceRules`].

use globset::{Candidate, GlobBuilder, GlobMatcher};
use journal::NodeKind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

use crate::record::valid;

/// The actor of everything that the sync does to records.
pub const SYNC_ACTOR: &str = "filestore-sync";

/// What a decision may depend on.
#[derive(Clone, Copy, Debug)]
pub struct NodeFacts<'a> {
    /// The mount that the node is in.
    pub backend_mount_id: i64,
    /// Its path, relative to the mount.
    pub path: &'a str,
    /// File or directory.
    pub kind: NodeKind,
    /// The node's metadata, a JSON object.
    pub metadata: &'a RawValue,
}

/// Where a node's record belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Nowhere: the node gets no record.
    Skip,
    /// Into a namespace.
    Place(Placement<'a>),
}

/// A namespace, and what a record made there starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement<'a> {
    /// The namespace; it must be a valid name.
    pub namespace: &'a str,
    /// Tags of a record that is made now.
    pub default_tags: &'a [String],
    /// Owner of a record that is made now.
    pub default_owner: Option<&'a str>,
    /// Why the node is quarantined, if it is.
    pub quarantine_reason: Option<String>,
}

/// Decides where records live. Called for every node entry, so it must be quick; it must give the
/// same answer for the same node until its fingerprint changes.
pub trait NamespaceRules: Send + Sync + fmt::Debug + 'static {
    /// Where the node's record belongs.
    fn decide(&self, node: &NodeFacts<'_>) -> Decision<'_>;

    /// A text that changes when decisions may: at start, records are placed anew if it is not the
    /// one they were placed by.
    fn fingerprint(&self) -> String;
}

/// What a rule does with the nodes it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A record in the rule's namespace.
    #[default]
    Sync,
    /// No record.
    Skip,
    /// A record in the quarantine namespace.
    Quarantine,
}

/// What a rule matches; every part that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// The id of a mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<i64>,
    /// A glob over the whole path: `*` stays within a name, `**` crosses `/`; `?` and `[…]` stand
    /// for one byte, so for one character only within ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "finance/**")]
    pub path_glob: Option<String>,
    /// `file` or `directory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::words::NodeKind>)]
    pub kind: Option<NodeKind>,
}

/// One rule, as configuration and REST spell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What it matches; everything, if it is left out.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// Where records go; needed for `sync` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Tags of the records that it makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_tags: Vec<String>,
    /// Owner of the records that it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_owner: Option<String>,
    /// Fields that the node's metadata must have, dotted (`retention.class`), not null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// What it does.
    #[serde(default)]
    pub action: Action,
}

/// The rules as configuration and REST spell them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RulesConfig {
    /// Where a node goes that no rule matches (`METASTORE_FILESTORE_NAMESPACE`).
    pub default_namespace: String,
    /// Where quarantined nodes go.
    pub quarantine_namespace: String,
    /// The rules; the first that matches wins.
    pub rules: Vec<Rule>,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self {
            default_namespace: "filestore".to_owned(),
            quarantine_namespace: "quarantine".to_owned(),
            rules: Vec::new(),
        }
    }
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct RuleError {
    /// JSON pointer to the field at fault.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The rules of configuration, checked and compiled.
#[derive(Clone, Debug)]
pub struct RuleSet {
    config: RulesConfig,
    globs: Vec<Option<GlobMatcher>>,
}

impl RuleSet {
    /// Checks and compiles rules.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(config: RulesConfig) -> Result<Self, RuleError> {
        let namespace = |pointer: String, name: &str| {
            valid::namespace(name).map_err(|detail| RuleError { pointer, detail })
        };
        namespace("/defaultNamespace".to_owned(), &config.default_namespace)?;
        namespace(
            "/quarantineNamespace".to_owned(),
            &config.quarantine_namespace,
        )?;
        let mut globs = Vec::with_capacity(config.rules.len());
        for (index, rule) in config.rules.iter().enumerate() {
            let fault = |field: &str, detail: String| RuleError {
                pointer: format!("/rules/{index}/{field}"),
                detail,
            };
            match (&rule.namespace, rule.action) {
                (Some(name), _) => namespace(format!("/rules/{index}/namespace"), name)?,
                (None, Action::Sync) => {
                    return Err(fault("namespace", "a rule that syncs needs one".to_owned()));
                }
                (None, Action::Skip | Action::Quarantine) => {}
            }
            valid::tags(&rule.default_tags).map_err(|detail| fault("defaultTags", detail))?;
            if let Some(owner) = &rule.default_owner {
                valid::owner(owner).map_err(|detail| fault("defaultOwner", detail))?;
            }
            if let Some(empty) = rule
                .require
                .iter()
                .find(|field| field.split('.').any(str::is_empty))
            {
                return Err(fault(
                    "require",
                    format!("{empty:?} is not a dotted field name"),
                ));
            }
            let compile = |glob: &String| {
                compile_glob(glob).map_err(|detail| fault("match/pathGlob", detail))
            };
            globs.push(rule.matches.path_glob.as_ref().map(compile).transpose()?);
        }
        Ok(Self { config, globs })
    }

    /// The rules as they were given.
    #[must_use]
    pub const fn config(&self) -> &RulesConfig {
        &self.config
    }

    /// The first rule that matches, and its place.
    fn first_match(&self, node: &NodeFacts<'_>) -> Option<(usize, &Rule)> {
        if self.config.rules.is_empty() {
            return None;
        }
        let path = Candidate::new(node.path);
        self.config
            .rules
            .iter()
            .zip(&self.globs)
            .enumerate()
            .find_map(|(index, (rule, glob))| {
                let is_match = rule
                    .matches
                    .mount
                    .is_none_or(|mount| mount == node.backend_mount_id)
                    && rule.matches.kind.is_none_or(|kind| kind == node.kind)
                    && glob
                        .as_ref()
                        .is_none_or(|glob| glob.is_match_candidate(&path));
                is_match.then_some((index, rule))
            })
    }

    /// Where a node goes that no rule matches.
    pub(crate) fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// Which rule decides about the node, for a preview.
    #[must_use]
    pub fn matching_rule(&self, node: &NodeFacts<'_>) -> Option<usize> {
        self.first_match(node).map(|(index, _)| index)
    }
}

impl Default for RuleSet {
    /// No rules: every node in the namespace `filestore`.
    fn default() -> Self {
        Self {
            config: RulesConfig::default(),
            globs: Vec::new(),
        }
    }
}

impl NamespaceRules for RuleSet {
    fn decide(&self, node: &NodeFacts<'_>) -> Decision<'_> {
        let Some((index, rule)) = self.first_match(node) else {
            return Decision::Place(Placement {
                namespace: &self.config.default_namespace,
                default_tags: &[],
                default_owner: None,
                quarantine_reason: None,
            });
        };
        let quarantine_reason = match rule.action {
            Action::Skip => return Decision::Skip,
            Action::Quarantine => Some(format!("rule {index} quarantines")),
            Action::Sync => missing_field(&rule.require, node.metadata)
                .map(|field| format!("rule {index} requires the metadata field {field}")),
        };
        let namespace = match (&rule.namespace, &quarantine_reason) {
            (Some(namespace), None) => namespace,
            _ => &self.config.quarantine_namespace,
        };
        Decision::Place(Placement {
            namespace,
            default_tags: &rule.default_tags,
            default_owner: rule.default_owner.as_deref(),
            quarantine_reason,
        })
    }

    fn fingerprint(&self) -> String {
        serde_json::to_string(&self.config).unwrap_or_default()
    }
}

/// The first field that is not there, or null.
fn missing_field<'r>(require: &'r [String], metadata: &RawValue) -> Option<&'r str> {
    if require.is_empty() {
        return None;
    }
    let metadata: serde_json::Value = serde_json::from_str(metadata.get()).unwrap_or_default();
    require.iter().map(String::as_str).find(|field| {
        let value = field
            .split('.')
            .try_fold(&metadata, |value, name| value.get(name));
        value.is_none_or(serde_json::Value::is_null)
    })
}

/// A glob over paths: `*` and `?` stay within a name, `**` crosses `/`.
pub(crate) fn compile_glob(glob: &str) -> Result<GlobMatcher, String> {
    if glob.len() > 1_024 {
        return Err("a glob has at most 1024 bytes".to_owned());
    }
    GlobBuilder::new(&crossing(glob))
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("the glob is not usable: {}", error.kind()))
}

/// `**` crosses `/` wherever it stands: `team**` is `team`, `team-a` and `team/a/b`. The glob crate
/// takes it so only between slashes.
fn crossing(glob: &str) -> String {
    let mut crossing = String::with_capacity(glob.len());
    let mut rest = glob;
    while let Some(at) = rest.find("**") {
        let (before, from) = rest.split_at(at);
        let after = from.trim_start_matches('*');
        crossing.push_str(before);
        let is_name = |c: Option<char>| c.is_some_and(|c| !matches!(c, '/' | '{' | '}' | ','));
        if crossing.ends_with('\\') {
            // An escaped star, and another one.
            crossing.push_str("**");
        } else if is_name(crossing.chars().next_back()) || is_name(after.chars().next()) {
            crossing.push_str("{*,*/**/*}");
        } else {
            crossing.push_str("**");
        }
        rest = after;
    }
    crossing + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stars_cross_slashes_wherever_they_stand() {
        let table = [
            ("team**", "team", true),
            ("team**", "team-a", true),
            ("team**", "team/a/b", true),
            ("team**", "a/team", false),
            ("team*", "team/a", false),
            ("**old", "a/b/c-old", true),
            ("a**z", "a/b/z", true),
            ("a**z", "abz", true),
            ("a**z", "a/b", false),
            ("a/**", "a/b/c", true),
            ("**/x", "x", true),
            ("**", "a/b", true),
            ("a/**/b", "a/b", true),
        ];
        for (glob, text, expected) in table {
            assert_eq!(
                compile_glob(glob).unwrap().is_match(text),
                expected,
                "{glob} {text}"
            );
        }
    }

    fn rules(json: serde_json::Value) -> Result<RuleSet, RuleError> {
        RuleSet::new(RulesConfig {
            rules: serde_json::from_value(json).unwrap(),
            ..RulesConfig::default()
        })
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = rules(serde_json::json!([
            {"match": {"pathGlob": "finance/secret/**"}, "action": "skip"},
            {"match": {"pathGlob": "finance/**", "kind": "file"}, "namespace": "finance",
             "require": ["retention.class"], "defaultTags": ["money"], "defaultOwner": "cfo"},
            {"match": {"pathGlob": "finance/**"}, "namespace": "finance-dirs"},
            {"match": {"mount": 2, "pathGlob": "*.tmp"}, "action": "quarantine"},
            {"match": {"mount": 2}, "namespace": "second"},
        ]))
        .unwrap();
        let kept = r#"{"retention":{"class":"7y"}}"#;
        type Row = (
            i64,
            &'static str,
            NodeKind,
            &'static str,
            &'static str,
            Option<&'static str>,
        );
        let table: &[Row] = &[
            (1, "", NodeKind::Directory, "{}", "filestore", None),
            (1, "finance", NodeKind::Directory, "{}", "filestore", None),
            (
                1,
                "finance/a",
                NodeKind::Directory,
                "{}",
                "finance-dirs",
                None,
            ),
            (1, "finance/a", NodeKind::File, kept, "finance", None),
            (1, "finance/a/b/c", NodeKind::File, kept, "finance", None),
            (
                1,
                "finance/a",
                NodeKind::File,
                "{}",
                "quarantine",
                Some("retention.class"),
            ),
            (
                1,
                "finance/a",
                NodeKind::File,
                r#"{"retention":{"class":null}}"#,
                "quarantine",
                Some("retention.class"),
            ),
            (1, "finance/secret/x", NodeKind::File, kept, "", None),
            (1, "x.tmp", NodeKind::File, "{}", "filestore", None),
            (
                2,
                "x.tmp",
                NodeKind::File,
                "{}",
                "quarantine",
                Some("rule 3"),
            ),
            (2, "deep/x.tmp", NodeKind::File, "{}", "second", None),
        ];
        for &(backend_mount_id, path, kind, metadata, namespace, reason) in table {
            let metadata = RawValue::from_string(metadata.to_owned()).unwrap();
            let facts = NodeFacts {
                backend_mount_id,
                path,
                kind,
                metadata: &metadata,
            };
            match rules.decide(&facts) {
                Decision::Skip => assert_eq!(namespace, "", "{path}"),
                Decision::Place(place) => {
                    assert_eq!(place.namespace, namespace, "{path}");
                    let shown = place.quarantine_reason.unwrap_or_default();
                    assert_eq!(shown.is_empty(), reason.is_none(), "{path}: {shown}");
                    assert!(
                        shown.contains(reason.unwrap_or_default()),
                        "{path}: {shown}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_rule_that_cannot_be_used_names_its_field() {
        let table = [
            (serde_json::json!([{}]), "/rules/0/namespace"),
            (
                serde_json::json!([{"namespace": "a b"}]),
                "/rules/0/namespace",
            ),
            (
                serde_json::json!([{"namespace": "a", "match": {"pathGlob": "a[" }}]),
                "/rules/0/match/pathGlob",
            ),
            (
                serde_json::json!([{"namespace": "a", "defaultTags": [""]}]),
                "/rules/0/defaultTags",
            ),
            (
                serde_json::json!([{"namespace": "a", "defaultOwner": ""}]),
                "/rules/0/defaultOwner",
            ),
            (
                serde_json::json!([{"namespace": "a"}, {"namespace": "b", "require": ["a..b"]}]),
                "/rules/1/require",
            ),
        ];
        for (json, pointer) in table {
            assert_eq!(rules(json).unwrap_err().pointer, pointer);
        }
    }

    #[test]
    fn an_unknown_field_of_a_rule_is_refused() {
        let rule = serde_json::from_str::<Rule>(r#"{"namespace": "a", "pathGlob": "x/**"}"#);
        assert!(rule.unwrap_err().to_string().contains("pathGlob"));
    }
}
