//! What is asked for. The fields are what the fingerprint of a command covers: the same
//! idempotency key with other fields is refused.

use ::node::NodePath;
use backend::disk::Staged;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// On whose behalf, and under which key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Actor {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) principal: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CreateDirectory {
    pub(crate) mount_id: i64,
    pub(crate) path: NodePath,
    pub(crate) metadata: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upload {
    pub(crate) mount_id: i64,
    pub(crate) path: NodePath,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) overwrite: bool,
    pub(crate) expected_version: Option<i64>,
    /// What the client promised of the contents, and what they were found to be.
    pub(crate) checksum: Option<String>,
}

/// Contents that have come in whole and are as promised.
#[derive(Debug)]
pub(crate) struct UploadedContent {
    pub(crate) received: Received,
    pub(crate) content_hash: String,
}

/// Where contents are that have come in.
#[derive(Debug)]
pub(crate) enum Received {
    /// In memory: there are few of them.
    Held(Vec<u8>),
    /// In a file, on the filesystem of this mount or in the data directory.
    Staged(Staged, Option<i64>),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeleteNode {
    pub(crate) mount_id: i64,
    pub(crate) path: NodePath,
    pub(crate) recursive: bool,
    pub(crate) expected_version: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct MoveNode {
    pub(crate) mount_id: i64,
    pub(crate) path: NodePath,
    pub(crate) target_mount_id: i64,
    pub(crate) target_path: NodePath,
    pub(crate) overwrite: bool,
    pub(crate) expected_version: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct PatchMetadata {
    pub(crate) mount_id: Option<i64>,
    pub(crate) node_id: i64,
    pub(crate) set: Map<String, Value>,
    pub(crate) unset: Vec<String>,
    pub(crate) expected_version: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CopyNode {
    pub(crate) mount_id: i64,
    pub(crate) path: NodePath,
    pub(crate) target_mount_id: i64,
    pub(crate) target_path: NodePath,
    pub(crate) overwrite: bool,
}
