//! Errors as the client may see them.

use crate::StoreError;
use crate::command::CommandError;
use crate::mount::MountError;
use crate::reconcile::ReconcileError;
use crate::scan::ScanError;
use ::journal::{NodeKind, ReadError};
use ::node::PathError;
use axum::http::StatusCode;
use backend::hash::HashError;
use backend::{Operation, Reason};
use httpkit::{Code, Problem};
use serde_json::json;

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NoMount(_) => Self::not_found(&detail)
                .with_field("/backendMountId", detail)
                .with_apphub_code("BACKEND_NOT_FOUND"),
            CommandError::InactiveMount(_) | CommandError::OtherRoot(_) => {
                Self::conflict(Code::Conflict, detail)
            }
            CommandError::ReadOnly(_) => Self::new(StatusCode::FORBIDDEN, Code::ReadOnly, detail),
            CommandError::Unstorable { .. } => Self::bad_request(Code::InvalidPath, detail),
            CommandError::Corrupt(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                Code::ChecksumMismatch,
                detail,
            ),
            CommandError::Path { field, reason, .. } => {
                Self::bad_request(Code::InvalidPath, detail).with_field(field, reason.to_string())
            }
            CommandError::OwnData(_) => Self::forbidden(detail),
            CommandError::NoNodeAt(_) | CommandError::NoNode(_) => no_node(detail),
            CommandError::OtherMount { mount, .. } => {
                let problem = Self::conflict(Code::Conflict, &detail);
                problem.with_details(json!({ "backendMountId": mount }))
            }
            CommandError::Exists { kind, path } => Self::conflict(Code::AlreadyExists, detail)
                .with_details(json!({ "path": path, "kind": kind }))
                .with_apphub_code("NODE_EXISTS"),
            CommandError::ExistsOnDisk(path) => Self::conflict(Code::AlreadyExists, detail)
                .with_details(json!({ "path": path }))
                .with_apphub_code("NODE_EXISTS"),
            CommandError::WrongKind {
                path,
                found,
                needed,
            } => {
                // AppHub has no word of its own for a directory where a file is to go.
                let apphub_code = match needed {
                    NodeKind::Directory => "NOT_A_DIRECTORY",
                    NodeKind::File => "NODE_EXISTS",
                };
                Self::conflict(Code::WrongKind, detail)
                    .with_details(json!({ "path": path, "kind": found }))
                    .with_apphub_code(apphub_code)
            }
            CommandError::NotEmpty(_) => Self::conflict(Code::NotEmpty, detail),
            CommandError::Version {
                expected, found, ..
            } => Self::conflict(Code::VersionConflict, detail)
                .with_details(json!({ "expectedVersion": expected, "version": found })),
            CommandError::KeyReused(_) => Self::conflict(Code::IdempotencyConflict, detail),
            CommandError::StillRuns(_) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, Code::Timeout, detail)
            }
            CommandError::Hash(error) => of_hash(error),
            CommandError::IntoItself(_)
            | CommandError::Drift { .. }
            | CommandError::Gone(_)
            | CommandError::Busy(_) => Self::conflict(Code::Conflict, detail),
            CommandError::Backend(error) => of_backend(error),
            CommandError::Catalogue(error) => of_catalogue(error),
        }
    }
}

impl From<ReconcileError> for Problem {
    fn from(error: ReconcileError) -> Self {
        let detail = error.to_string();
        match error {
            ReconcileError::TooManyJobs(_) => Self::unavailable(detail).retry_after(10),
            ReconcileError::Path(_) => Self::bad_request(Code::InvalidPath, detail),
            ReconcileError::Catalogue(error) => of_catalogue(error),
        }
    }
}

pub(super) fn of_hash(error: HashError) -> Problem {
    let detail = error.to_string();
    match error {
        HashError::Mismatch { .. } => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::ChecksumMismatch,
            detail,
        ),
        HashError::Algorithm(_) | HashError::Length(..) => invalid_checksum(detail),
    }
}

pub(super) fn of_backend(error: backend::Error) -> Problem {
    let detail = format!("{error}: {}", error.reason);
    match error.reason {
        Reason::Full => {
            let detail = match &error.bucket {
                Some(_) => detail,
                None => format!("{error}: the disk of the mount that it goes to is full"),
            };
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, detail)
        }
        Reason::Denied => {
            let reason = "this user may not, as the file's permissions are";
            Problem::forbidden(format!("{error}: {reason}"))
        }
        Reason::Forbidden => Problem::forbidden(detail),
        Reason::ReadOnly => Problem::new(StatusCode::FORBIDDEN, Code::ReadOnly, detail),
        Reason::TooLong | Reason::OddKey(_) => Problem::bad_request(Code::InvalidPath, detail),
        Reason::NoContents | Reason::OtherFilesystem => {
            Problem::conflict(Code::Unsupported, detail)
        }
        Reason::TooLarge => Problem::too_large(detail),
        Reason::NotFound if error.operation == Operation::OpenRoot => {
            let reason = "it is not there; is its disk mounted?";
            Problem::unavailable(format!("{error}: {reason}"))
        }
        Reason::NoBucket => Problem::unavailable(detail),
        Reason::Unavailable => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "bucket unavailable");
            Problem::unavailable(detail)
        }
        Reason::Local | Reason::System(_) => Problem::internal(&error),
        Reason::InUse
        | Reason::NotFound
        | Reason::Exists
        | Reason::NotADirectory
        | Reason::IsADirectory
        | Reason::NotEmpty
        | Reason::Changed
        | Reason::NoPath
        | Reason::Hidden => Problem::conflict(Code::Conflict, detail),
    }
}

pub(super) fn of_catalogue(error: StoreError) -> Problem {
    match &error {
        StoreError::Closed => Problem::unavailable("the service is stopping"),
        StoreError::Stale(_) => Problem::conflict(Code::Conflict, error.to_string()).retry_after(1),
        error if error.is_full() => full(),
        _ => Problem::internal(&error),
    }
}

fn full() -> Problem {
    let detail = "the disk that the database of filestore lies on is full; nothing was committed";
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, detail)
}

impl From<MountError> for Problem {
    fn from(error: MountError) -> Self {
        let detail = error.to_string();
        match error {
            MountError::Root { .. } | MountError::NotADirectory(_) => {
                Self::invalid("/rootPath", detail)
            }
            MountError::Key(_) => Self::invalid("/mountKey", detail),
            MountError::KeyTaken(_) => {
                Self::conflict(Code::AlreadyExists, &detail).with_field("/mountKey", detail)
            }
            MountError::Settings { field, reason } => Self::invalid(&field, reason),
            MountError::Bucket(..) => Self::invalid("/bucket", detail),
            MountError::RootTaken {
                field, mount_key, ..
            } => Self::conflict(Code::AlreadyExists, &detail)
                .with_field(field, detail)
                .with_details(json!({ "mountKey": mount_key })),
            MountError::NoMount(_) => Self::not_found(detail).with_apphub_code("BACKEND_NOT_FOUND"),
            MountError::Catalogue(error) => of_catalogue(error),
        }
    }
}

impl From<ScanError> for Problem {
    fn from(error: ScanError) -> Self {
        let detail = error.to_string();
        match error {
            ScanError::NoMount(_) => Self::not_found(detail).with_apphub_code("BACKEND_NOT_FOUND"),
            ScanError::Bucket(..) => Self::unavailable(detail),
            ScanError::Inactive(_) | ScanError::OtherRoot(_) => {
                Self::conflict(Code::Conflict, detail)
            }
            ScanError::Root { reason, .. } => Self::unavailable(format!("{detail}: {reason}")),
            ScanError::Catalogue(error) => of_catalogue(error),
            error => Self::internal(&error),
        }
    }
}

/// 404 for a node.
pub(super) fn no_node(detail: String) -> Problem {
    Problem::not_found(detail).with_apphub_code("NODE_NOT_FOUND")
}

/// 400 for a promised checksum that is none.
pub(super) fn invalid_checksum(detail: String) -> Problem {
    Problem::bad_request(Code::InvalidRequest, detail).with_apphub_code("INVALID_CHECKSUM")
}

pub(super) fn of_consumer(error: &crate::consumers::NameError) -> Problem {
    Problem::invalid("/consumer", error.to_string())
}

pub(super) fn of_read(error: ReadError) -> Problem {
    match error {
        ReadError::Trimmed { trimmed, .. } => {
            Problem::new(StatusCode::GONE, Code::JournalTrimmed, error.to_string())
                .with_details(json!({ "trimmed": trimmed }))
        }
        error => Problem::internal(&error),
    }
}

/// A path that came in `field`.
pub(super) fn of_path(field: &'static str, path: &str, reason: PathError) -> Problem {
    CommandError::Path {
        field,
        path: path.to_owned(),
        reason,
    }
    .into()
}
