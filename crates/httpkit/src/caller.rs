//! Who calls, and what they may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::tokens::Grant;
use crate::{Problem, Result};

/// Whoever sent the request; an extractor.
///
/// Without a tokens file the service listens on loopback only and every caller is anonymous and
/// may do everything.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token's subject; `None` when no tokens file is configured.
    pub subject: Option<String>,
    grant: Option<Arc<Grant>>,
}

impl Caller {
    /// The caller of a service without a tokens file, or of no service at all: may do everything.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            subject: None,
            grant: None,
        }
    }

    pub(crate) fn holding(grant: Arc<Grant>) -> Self {
        Self {
            subject: Some(grant.subject.clone()),
            grant: Some(grant),
        }
    }

    /// Whether the caller has `scope` (`metastore:delete`); `admin` implies the rest of its
    /// service.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.may(scope))
    }

    /// Whether the caller may touch `namespace`.
    #[must_use]
    pub fn may_namespace(&self, namespace: &str) -> bool {
        self.grant
            .as_ref()
            .is_none_or(|grant| grant.may_namespace(namespace))
    }

    /// [`Caller::may`], or 403 naming the scope.
    ///
    /// # Errors
    /// The caller lacks `scope`.
    pub fn require(&self, scope: &str) -> Result<()> {
        if self.may(scope) {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "the token lacks the scope {scope}"
        )))
    }

    /// [`Caller::may_namespace`], or 403 naming the namespace.
    ///
    /// # Errors
    /// The caller may not touch `namespace`.
    pub fn require_namespace(&self, namespace: &str) -> Result<()> {
        if self.may_namespace(namespace) {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "the token is not for the namespace {namespace:?}"
        )))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // A router served without `App` has nobody who checks tokens: fail closed.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::internal_cause("a handler asks for the caller outside httpkit::App".to_owned())
        })
    }
}
