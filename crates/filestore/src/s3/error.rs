//! What a bucket refused, by what the caller can do about it.

use super::key::KeyError;
use std::error::Error;

/// What S3 refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path:?} in bucket {bucket:?}")]
pub(crate) struct S3Error {
    /// The verb: "upload", "list".
    pub(crate) what: &'static str,
    /// Relative to the mount.
    pub(crate) path: String,
    pub(crate) bucket: String,
    /// Why.
    #[source]
    pub(crate) refusal: Refusal,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is no S3 key: {0}")]
    Key(KeyError),
    #[error("there is no such object")]
    NotFound,
    #[error("there is an object already")]
    Exists,
    #[error("there is a file where a directory is needed")]
    NotADirectory,
    #[error("there is something in it")]
    NotEmpty,
    #[error("it is not what it was when this began")]
    Changed,
    #[error("there is no such bucket")]
    NoBucket,
    #[error("the credentials are refused, or do not allow it")]
    Forbidden(#[source] Box<dyn Error + Send + Sync>),
    #[error("the object is larger than S3 takes")]
    TooLarge,
    /// Reading or writing the file on this side failed.
    #[error("the file on this side cannot be read or written")]
    Local(#[source] std::io::Error),
    /// Perhaps it works later.
    #[error("S3 does not answer as it should")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
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
    pub(super) fn unavailable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(reason.into())
    }
}
