//! Who calls, and what they may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::tokens::{Grant, Namespaces, Paths};
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
    /// The first half of the service's scopes.
    service: &'static str,
    /// The scopes that the operation's document names; `None` outside an operation.
    documented: Option<Arc<[String]>>,
}

impl Caller {
    /// The caller of a service without a tokens file, or of no service at all: may do everything.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            subject: None,
            grant: None,
            service: "",
            documented: None,
        }
    }

    pub(crate) fn of(
        grant: Option<Arc<Grant>>,
        service: &'static str,
        documented: Option<Arc<[String]>>,
    ) -> Self {
        Self {
            subject: grant.as_ref().map(|grant| grant.rights.subject.clone()),
            grant,
            service,
            documented,
        }
    }

    pub(crate) fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    fn may(&self, scope: &str) -> bool {
        self.grant
            .as_ref()
            .is_none_or(|grant| grant.rights.may(scope))
    }

    /// Whether the caller may touch `namespace`.
    #[must_use]
    pub fn may_namespace(&self, namespace: &str) -> bool {
        self.grant
            .as_ref()
            .is_none_or(|grant| grant.rights.may_namespace(namespace))
    }

    /// The namespaces that the caller may touch; `None` is all of them.
    #[must_use]
    pub fn namespaces(&self) -> Option<&[String]> {
        match &self.grant.as_ref()?.rights.namespaces {
            Namespaces::All => None,
            Namespaces::These(these) => Some(these),
        }
    }

    /// The part of the tree that the caller may see; `None` is all of it.
    #[must_use]
    pub fn paths(&self) -> Option<&Paths> {
        self.grant.as_ref()?.rights.paths.as_ref()
    }

    /// Whether the token is limited to namespaces or paths.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.namespaces().is_some() || self.paths().is_some()
    }

    /// Who does what the caller asks for: the token's subject. Only a token with the scope
    /// `<service>:impersonate`, or without tokens everybody, acts as the one that is `named`.
    #[must_use]
    pub fn principal(&self, named: Option<String>) -> Option<String> {
        match &self.subject {
            Some(subject) if !self.may(&format!("{}:impersonate", self.service)) => {
                Some(subject.clone())
            }
            subject => named.or_else(|| subject.clone()),
        }
    }

    /// Whether the caller has `scope` (`metastore:delete`), or 403 naming the scope; `admin`
    /// implies the rest of its service.
    ///
    /// # Errors
    /// The caller lacks `scope`, or the operation's document does not name it: what is asked for
    /// is what is documented.
    pub fn require(&self, scope: &str) -> Result<()> {
        if let Some(documented) = &self.documented
            && !documented.iter().any(|known| known == scope)
        {
            return Err(Problem::internal_cause(format!(
                "an operation asks for the scope {scope}, which its document does not name"
            )));
        }
        if self.may(scope) {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "the token lacks the scope {scope}"
        )))
    }

    /// Whether the caller has one of the scopes that a configuration asks for, or 403 naming the
    /// first. The document cannot know them.
    ///
    /// # Errors
    /// There are scopes, and the caller has none of them.
    pub fn require_configured(&self, scopes: &[String]) -> Result<()> {
        match scopes.first() {
            Some(first) if !scopes.iter().any(|scope| self.may(scope)) => Err(Problem::forbidden(
                format!("the token lacks the scope {first}"),
            )),
            _ => Ok(()),
        }
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

    /// Whether the token is limited to nothing, or 403: for answers about the whole of a service.
    ///
    /// # Errors
    /// The token is limited to namespaces or paths.
    pub fn require_unlimited(&self) -> Result<()> {
        if !self.is_limited() {
            return Ok(());
        }
        Err(Problem::forbidden(
            "this is about the whole service, and the token is limited to some namespaces or \
             paths; use a token without these limits",
        ))
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
