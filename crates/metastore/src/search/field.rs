//! What can be searched by, and where it is kept.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Time,
}

/// A column of a record or of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// As the API names it.
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) kind: Kind,
}

impl Column {
    /// The column for a reader who may not know where nodes were before: there it is always null.
    pub(crate) fn without_previous_path(self) -> Self {
        match self.name {
            PREVIOUS_PATH => Self {
                sql: "NULL",
                ..self
            },
            _ => self,
        }
    }
}

const PREVIOUS_PATH: &str = "previousPath";

const fn column(name: &'static str, sql: &'static str, kind: Kind) -> Column {
    Column { name, sql, kind }
}

/// What people wrote as metadata. Where it is not there, nothing inside of it is.
pub(crate) const METADATA: &str = "r.metadata";
/// The whole of the metadata.
const WHOLE_METADATA: &str = "coalesce(r.metadata, '{}')";

/// When a person last wrote; null if nobody has.
pub(crate) const SPOKEN: Column = column(
    "spokenAt",
    "iif(r.updated_by IS NOT 'filestore-sync', r.updated_at, NULL)",
    Kind::Time,
);
/// Tells records apart, and stays when the record of a node gets a row.
pub(crate) const PLACE: &str = "coalesce(n.node_id, -r.id)";

/// The columns of a record, as `records_select.sql` shows them.
pub(crate) const RECORD: &[Column] = &[
    column(
        "namespace",
        "coalesce(r.namespace, (SELECT s.name FROM namespaces s WHERE s.id = n.namespace))",
        Kind::Text,
    ),
    column(
        "key",
        "coalesce(r.key, CAST(n.node_id AS TEXT))",
        Kind::Text,
    ),
    column("owner", "r.owner", Kind::Text),
    column("schemaHash", "r.schema_hash", Kind::Text),
    column("version", "coalesce(r.version, 1)", Kind::Integer),
    column(
        "createdAt",
        "coalesce(r.created_at, n.made_at, n.observed_at)",
        Kind::Time,
    ),
    column(
        "updatedAt",
        "coalesce(r.updated_at, n.made_at, n.observed_at)",
        Kind::Time,
    ),
    column(
        "deletedAt",
        "coalesce(r.deleted_at, n.deleted_at)",
        Kind::Time,
    ),
    column(
        "createdBy",
        "iif(r.id IS NULL, 'filestore-sync', r.created_by)",
        Kind::Text,
    ),
    column(
        "updatedBy",
        "iif(r.id IS NULL, 'filestore-sync', r.updated_by)",
        Kind::Text,
    ),
];

/// The columns of a node, under `metadata.filestore.`.
pub(crate) const NODE: &[Column] = &[
    column("path", "n.path", Kind::Text),
    column("backendMountId", "n.backend_mount_id", Kind::Integer),
    column("kind", "n.kind", Kind::Text),
    column("state", "n.state", Kind::Text),
    column("parentId", "n.parent_id", Kind::Integer),
    column("version", "n.version", Kind::Integer),
    column("sizeBytes", "n.size_bytes", Kind::Integer),
    column("checksum", "n.checksum", Kind::Text),
    column("contentHash", "n.content_hash", Kind::Text),
    column("fileType", "n.file_type", Kind::Text),
    column("storageClass", "n.storage_class", Kind::Text),
    column("uid", "n.uid", Kind::Integer),
    column("gid", "n.gid", Kind::Integer),
    column("user", "n.user_name", Kind::Text),
    column("group", "n.group_name", Kind::Text),
    column("mode", "n.mode", Kind::Integer),
    column("links", "n.links", Kind::Integer),
    column("allocatedBytes", "n.allocated_bytes", Kind::Integer),
    column("changedAt", "n.changed_at", Kind::Time),
    column("accessedAt", "n.accessed_at", Kind::Time),
    column("linkTarget", "n.link_target", Kind::Text),
    column("observedAt", "n.observed_at", Kind::Time),
    column("lastModifiedAt", "n.last_modified_at", Kind::Time),
    column("journalId", "n.journal_id", Kind::Integer),
    column("command", "n.command", Kind::Text),
    column("principal", "n.principal", Kind::Text),
    column("consistencyState", "n.consistency_state", Kind::Text),
    column(
        "consistencyCheckedAt",
        "n.consistency_checked_at",
        Kind::Time,
    ),
    column("lastReconciledAt", "n.last_reconciled_at", Kind::Time),
    column(
        "reconciliationReason",
        "n.reconciliation_reason",
        Kind::Text,
    ),
    column("previousState", "n.previous_state", Kind::Text),
    column(PREVIOUS_PATH, "n.previous_path", Kind::Text),
    column("quarantineReason", "n.quarantine_reason", Kind::Text),
];

/// The last name of a node's path, folded.
pub(crate) const NAME: Column = column("name", "name_of(n.path)", Kind::Text);
/// What stands behind the last dot of the name, folded; null if nothing does.
pub(crate) const EXTENSION: Column = column("ext", "extension_of(n.path)", Kind::Text);
/// A node's path, folded.
pub(crate) const FOLDED_PATH: Column = column("foldedPath", "fold(n.path)", Kind::Text);

/// A value inside metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonField {
    /// The column that holds the JSON.
    pub(crate) sql: &'static str,
    /// Names from the outermost in; none means the whole.
    pub(crate) names: Vec<String>,
}

impl JsonField {
    /// The path as SQLite spells it: `$."a"."b"`.
    pub(crate) fn path(&self) -> String {
        let mut path = String::from("$");
        for name in &self.names {
            path.push_str(".\"");
            path.push_str(name);
            path.push('"');
        }
        path
    }
}

/// What a field name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Column(Column),
    Json(JsonField),
    Tags,
    Node,
}

/// The field of this name, or what is wrong with the name.
pub(crate) fn field(name: &str) -> Result<Field, String> {
    if name == "tags" {
        return Ok(Field::Tags);
    }
    if let Some(column) = RECORD.iter().find(|column| column.name == name) {
        return Ok(Field::Column(*column));
    }
    let Some(rest) = name.strip_prefix("metadata") else {
        let known: Vec<_> = RECORD.iter().map(|column| column.name).collect();
        return Err(format!(
            "there is no field {name:?}; there are tags, {}, metadata.<path> and \
             metadata.filestore.<field>",
            known.join(", ")
        ));
    };
    if rest.is_empty() {
        return json(WHOLE_METADATA, None);
    }
    let Some(rest) = rest.strip_prefix('.') else {
        return Err(format!(
            "there is no field {name:?}; metadata has its fields after a dot"
        ));
    };
    match rest.strip_prefix("filestore") {
        Some("") => Ok(Field::Node),
        Some(inner) if inner.starts_with('.') => {
            node_field(inner.strip_prefix('.').unwrap_or(inner))
        }
        _ => json(METADATA, Some(rest)),
    }
}

fn node_field(name: &str) -> Result<Field, String> {
    if let Some(column) = NODE.iter().find(|column| column.name == name) {
        return Ok(Field::Column(*column));
    }
    let below = |field: &str, sql| {
        let inner = name_below(name, field)?;
        Some(json(sql, (!inner.is_empty()).then_some(inner)))
    };
    let found = below("nodeMetadata", "n.node_metadata");
    let found = found.or_else(|| below("attributes", "n.attributes"));
    match found.or_else(|| below("objectTags", "n.object_tags")) {
        Some(field) => field,
        None => {
            let known: Vec<_> = NODE.iter().map(|column| column.name).collect();
            Err(format!(
                "metadata.filestore has no field {name:?}; it has {}, nodeMetadata.<path>, \
                 attributes.<path> and objectTags.<path>",
                known.join(", ")
            ))
        }
    }
}

/// What stands behind the name of a JSON field and a dot; nothing, if the field itself is meant.
fn name_below<'n>(whole: &'n str, name: &str) -> Option<&'n str> {
    match whole.strip_prefix(name)? {
        "" => Some(""),
        inner => inner.strip_prefix('.'),
    }
}

/// The value at a dotted path of a JSON column, or the whole of it.
fn json(sql: &'static str, path: Option<&str>) -> Result<Field, String> {
    let names: Vec<String> = path
        .into_iter()
        .flat_map(|it| it.split('.'))
        .map(str::to_owned)
        .collect();
    let path = path.unwrap_or_default();
    let is_bad = |name: &String| {
        name.is_empty() || name.contains(['"', '\\']) || name.chars().any(char::is_control)
    };
    if path.len() > 512 || names.iter().any(is_bad) {
        return Err(format!(
            "{path:?} is not a path of names joined by dots, without quotes, of at most 512 bytes"
        ));
    }
    Ok(Field::Json(JsonField { sql, names }))
}
