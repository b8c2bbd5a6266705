//! What one token allows.

use tokio_util::sync::CancellationToken;

use super::paths::Paths;

/// What one token allows.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) rights: Rights,
    /// Cancelled when the token is taken away, or allows something else.
    pub(crate) revoked: CancellationToken,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) namespaces: Namespaces,
    /// `None`: the whole tree.
    pub(crate) paths: Option<Paths>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Namespaces {
    All,
    These(Vec<String>),
}

impl Rights {
    pub(crate) fn may(&self, scope: &str) -> bool {
        let service = scope.split(':').next().unwrap_or_default();
        self.scopes.iter().any(|held| {
            held == scope
                || held
                    .strip_suffix(":admin")
                    .is_some_and(|administered| administered == service)
        })
    }

    pub(crate) fn may_namespace(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Namespaces::All => true,
            Namespaces::These(these) => these.iter().any(|this| this == namespace),
        }
    }
}
