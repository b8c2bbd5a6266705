//! Errors as the client may see them.

use crate::StoreError;
use crate::command::CommandError;
use crate::disk::DiskError;
use crate::hash::HashError;
use crate::mount::MountError;
use crate::path::PathError;
use crate::s3::{Refusal, S3Error};
use crate::scan::ScanError;
use ::journal::{NodeKind, ReadError};
use axum::http::StatusCode;
use httpkit::Problem;
use rustix::io::Errno;
use serde_json::json;

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NoMount(_) => Self::not_found(&detail)
                .with_field("/backendMountId", detail)
                .with_apphub_code("BACKEND_NOT_FOUND"),
            CommandError::InactiveMount(_) | CommandError::OtherRoot(_) => {
                Self::conflict("conflict", detail)
            }
            CommandError::ReadOnly(_) => Self::new(StatusCode::FORBIDDEN, "read_only", detail),
            CommandError::Unstorable { .. } => Self::bad_request("invalid_path", detail),
            CommandError::Corrupt(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "checksum_mismatch",
                detail,
            ),
            CommandError::Path { field, reason, .. } => {
                Self::bad_request("invalid_path", detail).with_field(field, reason.to_string())
            }
            CommandError::OwnData(_) => Self::forbidden(detail),
            CommandError::NoNodeAt(_) | CommandError::NoNode(_) => no_node(detail),
            CommandError::OtherMount { mount, .. } => {
                let problem = Self::conflict("conflict", &detail);
                problem.with_details(json!({ "backendMountId": mount }))
            }
            CommandError::Exists { kind, path } => Self::conflict("already_exists", detail)
                .with_details(json!({ "path": path, "kind": kind }))
                .with_apphub_code("NODE_EXISTS"),
            CommandError::ExistsOnDisk(path) => Self::conflict("already_exists", detail)
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
                Self::conflict("wrong_kind", detail)
                    .with_details(json!({ "path": path, "kind": found }))
                    .with_apphub_code(apphub_code)
            }
            CommandError::NotEmpty(_) => Self::conflict("not_empty", detail),
            CommandError::Version {
                expected, found, ..
            } => Self::conflict("version_conflict", detail)
                .with_details(json!({ "expectedVersion": expected, "version": found })),
            CommandError::TooManyJobs(_) => Self::unavailable(detail).retry_after(10),
            CommandError::KeyReused(_) => Self::conflict("idempotency_conflict", detail),
            CommandError::StillRuns(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail),
            CommandError::Hash(error) => error.into(),
            CommandError::IntoItself(_) | CommandError::Drift(_) | CommandError::Busy(_) => {
                Self::conflict("conflict", detail)
            }
            CommandError::Disk(error) => error.into(),
            CommandError::Bucket(error) => error.into(),
            CommandError::Store(error) => error.into(),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        let detail = error.to_string();
        match error {
            HashError::Mismatch { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "checksum_mismatch",
                detail,
            ),
            HashError::Algorithm(_) | HashError::Length(..) => invalid_checksum(detail),
        }
    }
}

impl From<DiskError> for Problem {
    fn from(error: DiskError) -> Self {
        let reason = |reason: &str| format!("{error}: {reason}");
        match error.source {
            Errno::NOSPC | Errno::DQUOT => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                reason("no space left"),
            ),
            Errno::ACCESS | Errno::PERM => {
                Self::forbidden(reason("this user may not, as the file's permissions are"))
            }
            Errno::ROFS => Self::new(
                StatusCode::FORBIDDEN,
                "read_only",
                reason("the filesystem is mounted read-only"),
            ),
            Errno::NAMETOOLONG => {
                Self::bad_request("invalid_path", reason("too long for the filesystem"))
            }
            Errno::OPNOTSUPP => Self::conflict(
                "unsupported",
                reason("pipes, sockets and devices have no contents"),
            ),
            Errno::BUSY => Self::conflict("conflict", reason("it is in use by the system")),
            Errno::XDEV => Self::conflict("unsupported", reason("it lies on another filesystem")),
            Errno::NOENT if error.what == "open the mount's root" => {
                Self::unavailable(reason("it is not there; is its disk mounted?"))
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<S3Error> for Problem {
    fn from(error: S3Error) -> Self {
        let detail = format!("{error}: {}", error.refusal);
        match &error.refusal {
            Refusal::Key(_) => Self::bad_request("invalid_path", detail),
            Refusal::TooLarge => Self::too_large(detail),
            Refusal::Forbidden(_) => Self::forbidden(detail),
            Refusal::NoBucket => Self::unavailable(detail),
            Refusal::Unavailable(source) => {
                tracing::warn!(
                    error = &**source as &dyn std::error::Error,
                    "bucket unavailable"
                );
                Self::unavailable(detail)
            }
            Refusal::Local(_) => Self::internal(&error),
            Refusal::NotFound
            | Refusal::Exists
            | Refusal::NotADirectory
            | Refusal::NotEmpty
            | Refusal::Changed => Self::conflict("conflict", detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Closed => Self::unavailable("the service is stopping"),
            StoreError::Stale(_) => Self::conflict("conflict", error.to_string()).retry_after(1),
            StoreError::Sqlite(source) if is_full(source) => full(),
            StoreError::Commit(source) if is_full(source) => full(),
            _ => Self::internal(&error),
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

fn full() -> Problem {
    let detail = "the disk of the data directory is full; nothing was committed";
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", detail)
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
                Self::conflict("already_exists", &detail).with_field("/mountKey", detail)
            }
            MountError::Settings { field, reason } => Self::invalid(&field, reason),
            MountError::Bucket(..) => Self::invalid("/bucket", detail),
            MountError::RootTaken {
                field, mount_key, ..
            } => Self::conflict("already_exists", &detail)
                .with_field(field, detail)
                .with_details(json!({ "mountKey": mount_key })),
            MountError::NoMount(_) => Self::not_found(detail).with_apphub_code("BACKEND_NOT_FOUND"),
            MountError::Store(error) => error.into(),
        }
    }
}

impl From<ScanError> for Problem {
    fn from(error: ScanError) -> Self {
        let detail = error.to_string();
        match error {
            ScanError::NoMount(_) => Self::not_found(detail).with_apphub_code("BACKEND_NOT_FOUND"),
            ScanError::Bucket(..) => Self::unavailable(detail),
            ScanError::Inactive(_) | ScanError::OtherRoot(_) => Self::conflict("conflict", detail),
            ScanError::Root { source, .. } => Self::unavailable(format!("{detail}: {source}")),
            ScanError::Store(error) => error.into(),
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
    Problem::bad_request("invalid_request", detail).with_apphub_code("INVALID_CHECKSUM")
}

pub(super) fn of_consumer(error: &crate::consumers::NameError) -> Problem {
    Problem::invalid("/consumer", error.to_string())
}

pub(super) fn of_read(error: ReadError) -> Problem {
    match error {
        ReadError::Trimmed { trimmed, .. } => {
            Problem::new(StatusCode::GONE, "journal_trimmed", error.to_string())
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
