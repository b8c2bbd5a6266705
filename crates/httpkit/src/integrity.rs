//! Whether a store still holds what was written to it, as every service answers it.

use serde::Serialize;

/// What a check of a whole store found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Integrity {
    /// Nothing was found.
    pub ok: bool,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// The part of the store.
    pub part: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Integrity {
    /// What these findings say.
    #[must_use]
    pub const fn of(findings: Vec<Finding>) -> Self {
        Self {
            ok: findings.is_empty(),
            findings,
        }
    }
}

impl Finding {
    /// A finding in a part of the store.
    #[must_use]
    pub fn new(part: &str, detail: impl Into<String>) -> Self {
        Self {
            part: part.to_owned(),
            detail: detail.into(),
        }
    }
}
