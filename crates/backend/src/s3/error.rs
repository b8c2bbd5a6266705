//! What a bucket refuses, within this module: why, with what the server said.

use super::key::KeyError;
use crate::Reason;
use std::error::Error;

type Source = Box<dyn Error + Send + Sync>;

/// Why.
#[derive(Debug)]
pub(super) enum Refusal {
    Key(KeyError),
    NotFound,
    Exists,
    NotADirectory,
    NotEmpty,
    Changed,
    NoBucket,
    Forbidden(Source),
    TooLarge,
    Local(std::io::Error),
    Unavailable(Source),
}

impl From<object_store::Error> for Refusal {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            // One bucket that is not there looks like an object that is not there.
            E::NotFound { ref source, .. } if source.to_string().contains("NoSuchBucket") => {
                Self::NoBucket
            }
            E::NotFound { .. } => Self::NotFound,
            E::AlreadyExists { .. } => Self::Exists,
            E::Precondition { .. } | E::NotModified { .. } => Self::Changed,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                Self::Forbidden(Box::new(error))
            }
            error => Self::Unavailable(Box::new(error)),
        }
    }
}

impl Refusal {
    pub(super) fn unavailable(reason: impl Into<Source>) -> Self {
        Self::Unavailable(reason.into())
    }

    /// As everybody else is told it.
    pub(super) fn told(self) -> (Reason, Option<Source>) {
        let plain = |reason| (reason, None);
        match self {
            Self::Key(error) => plain(Reason::OddKey(error)),
            Self::NotFound => plain(Reason::NotFound),
            Self::Exists => plain(Reason::Exists),
            Self::NotADirectory => plain(Reason::NotADirectory),
            Self::NotEmpty => plain(Reason::NotEmpty),
            Self::Changed => plain(Reason::Changed),
            Self::NoBucket => plain(Reason::NoBucket),
            Self::TooLarge => plain(Reason::TooLarge),
            Self::Forbidden(source) => (Reason::Forbidden, Some(source)),
            Self::Local(source) => (Reason::Local, Some(source.into())),
            Self::Unavailable(source) => (Reason::Unavailable, Some(source)),
        }
    }
}
