//! What every write of a record is given, and what it tells.

use super::condition::Conditions;
use super::store::Stored;
use journal::Time;
use serde::{Deserialize, Serialize};

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) subject: Option<String>,
    pub(crate) now: Time,
}

/// Which record, and at which version it must be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) expected_version: Option<i64>,
    pub(crate) conditions: Conditions,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Created,
    Changed,
    Unchanged,
    Purged,
}

/// A record after a write.
pub(crate) type Written = (Outcome, Stored);
