//! `GET /v1/files/{id}/content`

use super::range::{self, Wanted};
use super::{State, problem};
use crate::Filestore;
use crate::command::CommandError;
use ::journal::{JournalId, NodeDownloaded, NodeKind, NodeState, Text};
use ::node::Moment;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use backend::{Backend, Bucket, Disk, Kind, Operation, Reason};
use catalogue::{Node, StoreError, nodes};
use httpkit::conditions::{Validators, http_date, last_modified};
use httpkit::{Caller, Code, Path, Problem, attachment};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

const CHECKSUM: HeaderName = HeaderName::from_static("x-filestore-checksum");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-filestore-content-hash");

/// The bytes of one read.
const READ_BYTES: usize = 128 * 1024;

/// What is told of who met a drift.
const DOWNLOAD: &str = "download";

/// A file that is open, and what it is like now.
struct Content {
    source: Source,
    node: Node,
    length: u64,
    etag: String,
    /// Unix seconds.
    modified: i64,
    /// The disk still has what the node tells, so the node's digests are the file's.
    is_as_catalogued: bool,
}

/// Where the bytes come from.
enum Source {
    File(File),
    /// An object, and its `ETag`: nothing is read of one that has another by then.
    Object(Arc<dyn Backend>, String),
}

/// A file's contents: as they are on disk now, whole or one range.
#[utoipa::path(
    get,
    path = "/v1/files/{id}/content",
    operation_id = "downloadFile",
    tag = "files",
    params(
        ("id" = i64, Path, description = "The node's id"),
        ("Range" = Option<String>, Header, description = "`bytes=0-99`, `bytes=100-`, `bytes=-100`"),
        ("If-Range" = Option<String>, Header,
            description = "The ETag, or Last-Modified, that the range is meant for"),
        ("If-None-Match" = Option<String>, Header, description = "304 if the ETag is one of these"),
        ("If-Match" = Option<String>, Header, description = "412 unless the ETag is one of these"),
        ("If-Modified-Since" = Option<String>, Header,
            description = "304 if Last-Modified is not later; If-None-Match comes first"),
        ("If-Unmodified-Since" = Option<String>, Header,
            description = "412 if Last-Modified is later; If-Match comes first"),
        ("X-Filestore-Principal" = Option<String>, Header,
            description = "On whose behalf; with tokens only with the scope `filestore:impersonate`"),
    ),
    security(("bearer" = ["read"]), ("bearer" = ["impersonate"])),
    responses(
        (status = 200, content_type = "application/octet-stream"),
        (status = 206, content_type = "application/octet-stream"),
        (status = 304),
        (status = 412, description = "A condition does not hold"),
        (status = 416, description = "The range lies outside the file"),
    )
)]
pub(super) async fn download(
    state: State,
    Path(id): Path<i64>,
    method: Method,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Response, Problem> {
    let content = state
        .read_blocking(move |filestore| content(filestore, id))
        .await?;
    let now_seconds = state.filestore.catalogue.clock().now().as_millis() / 1000;
    let validators = Validators {
        etag: &content.etag,
        modified: last_modified(content.modified, now_seconds),
    };
    let is_known = validators.check(&method, &headers)?;
    let shown = content.headers(validators)?;
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, shown).into_response());
    }
    let is_meant = validators.range_is_meant(&headers)?;
    let range = httpkit::header(&headers, RANGE.as_str())?.filter(|_| is_meant);
    let wanted = range::wanted(range, content.length);
    if method == Method::HEAD {
        let length = [(CONTENT_LENGTH, HeaderValue::from(content.length))];
        return Ok((shown, length).into_response());
    }
    if wanted != Wanted::Outside {
        let principal = super::Actor::from_request(&headers, &caller, None)?.principal;
        let range = range.map(str::to_owned).filter(|_| wanted != Wanted::Whole);
        tokio::spawn(Arc::clone(&state.filestore).downloaded(
            content.node.clone(),
            principal,
            "stream",
            range,
        ));
    }
    respond(content, shown, wanted).await
}

async fn respond(content: Content, shown: HeaderMap, wanted: Wanted) -> Result<Response, Problem> {
    let length = content.length;
    let (status, first, count) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, length),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Outside => {
            let detail = format!("the file is {length} bytes long");
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                Code::RangeNotSatisfiable,
                detail,
            );
            let content_range = value(format!("bytes */{length}"))?;
            return Ok(([(CONTENT_RANGE, content_range)], problem).into_response());
        }
    };
    let body = match content.source {
        // An empty range cannot be asked for.
        Source::Object(..) if count == 0 => Body::empty(),
        Source::Object(backend, etag) => {
            let range = first..first.saturating_add(count);
            let path = &content.node.path;
            let Kind::Bucket(bucket) = backend.kind() else {
                let reason = Reason::NoContents;
                return Err(Problem::internal(&reason));
            };
            let got = bucket.get(path, Some(range), Some(etag)).await;
            Body::from_stream(got.map_err(|error| of_object(path, error))?.1)
        }
        Source::File(mut file) => {
            file.seek(SeekFrom::Start(first))
                .map_err(|error| Problem::internal(&error))?;
            // A file that grows while it is read ends where it ended when it was opened; one that
            // shrinks breaks the answer off, so that nobody takes it for whole.
            let reader = tokio::fs::File::from_std(file).take(count);
            Body::from_stream(ReaderStream::with_capacity(reader, READ_BYTES))
        }
    };
    let mut response = (status, shown, body).into_response();
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(count));
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + count - 1;
        let content_range = value(format!("bytes {first}-{last}/{length}"))?;
        response.headers_mut().insert(CONTENT_RANGE, content_range);
    }
    Ok(response)
}

/// Opens the contents. That the file is not as its node says is told, and where it has contents it
/// is handed out all the same.
fn content(filestore: &Filestore, id: i64) -> Result<Content, Problem> {
    let node = filestore.regular_file(id)?;
    let (mount_id, path) = (node.mount_id, node.path.clone());
    let is_on_disk = node.is_on_disk();
    let commands = &filestore.commands;
    let mut content = None;
    let told = commands.telling(DOWNLOAD, || {
        let backend = filestore.opener.by_id(mount_id)?.backend;
        let opened = match backend.kind() {
            Kind::Disk(disk) => file_content(disk, node)?,
            Kind::Bucket(bucket) => object_content(bucket, Arc::clone(&backend), node)?,
        };
        let is_drift = !opened.is_as_catalogued && is_on_disk;
        content = Some(opened);
        match is_drift {
            true => Err(CommandError::Drift { mount_id, path }),
            false => Ok(()),
        }
    });
    match (content, told) {
        (Some(content), _) => Ok(content),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => Err(CommandError::NoNode(id).into()),
    }
}

impl Filestore {
    /// The node of a file that has contents.
    pub(super) fn regular_file(&self, id: i64) -> Result<Node, Problem> {
        let node = self
            .catalogue
            .read(|connection| nodes::by_id(connection, id))
            .map_err(problem::of_catalogue)?;
        let node = node
            .filter(|node| node.state != NodeState::Deleted)
            .ok_or(CommandError::NoNode(id))?;
        if node.is_directory() || node.facts.is_symlink {
            let detail = format!(
                "{:?} is not a regular file, so it has no contents",
                node.path
            );
            let problem = Problem::conflict(Code::WrongKind, detail);
            return Err(problem.with_apphub_code("INVALID_REQUEST"));
        }
        Ok(node)
    }

    /// Tells the journal that a file was handed out. It does not hold up the download, and a
    /// download is not refused because it could not be told.
    pub(super) async fn downloaded(
        self: Arc<Self>,
        node: Node,
        principal: Option<String>,
        mode: &'static str,
        range: Option<String>,
    ) {
        let told = self
            .catalogue
            .write_async(move |tx| {
                tx.append(NodeDownloaded {
                    backend_mount_id: node.mount_id,
                    node_id: node.id,
                    path: Text::from(node.path.as_str()),
                    size_bytes: Some(node.facts.size_bytes),
                    checksum: node.checksum.as_deref().map(Text::from),
                    content_hash: node.content_hash.as_deref().map(Text::from),
                    principal: principal.as_deref().map(Text::from),
                    mode: Text::from(mode),
                    range: range.as_deref().map(Text::from),
                    observed_at: tx.now(),
                    journal_id: JournalId::ZERO,
                })
            })
            .await;
        if let Err::<_, StoreError>(error) = told {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "download not journalled"
            );
        }
    }
}

fn file_content(disk: &Disk, node: Node) -> Result<Content, CommandError> {
    let file = disk.open_file(&node.path).map_err(|error| {
        if error.reason.is_no_file() {
            drift(&node)
        } else {
            error.into()
        }
    })?;
    let metadata = file
        .metadata()
        .map_err(backend::Error::of_disk(Operation::LookAt, &node.path))?;
    let moment = |seconds, nanos| Moment::new(seconds, u32::try_from(nanos).unwrap_or_default());
    let modified = moment(metadata.mtime(), metadata.mtime_nsec());
    let changed = moment(metadata.ctime(), metadata.ctime_nsec());
    let length = metadata.len();
    let is_as_catalogued = i64::try_from(length) == Ok(node.facts.size_bytes)
        && node.facts.modified_ns == Some(modified)
        && node.facts.kind == NodeKind::File;
    // Somebody may have written to it since, and put the modification time back.
    let is_since = node.facts.changed_ns.is_some_and(|known| known != changed);
    let etag = match node.hash_in_force() {
        Some(hash) if is_as_catalogued && !is_since => format!("\"{hash}\""),
        _ => format!(
            "\"{:x}-{length:x}-{:x}.{:x}-{:x}.{:x}\"",
            metadata.ino(),
            modified.seconds(),
            modified.subsec_nanos(),
            changed.seconds(),
            changed.subsec_nanos()
        ),
    };
    Ok(Content {
        source: Source::File(file),
        node,
        length,
        etag,
        modified: metadata.mtime(),
        is_as_catalogued,
    })
}

fn object_content(
    bucket: &Bucket,
    backend: Arc<dyn Backend>,
    node: Node,
) -> Result<Content, CommandError> {
    let found = bucket.head(&node.path)?;
    let object = found.ok_or_else(|| drift(&node))?.object;
    let is_as_catalogued = object.facts().is_as(&node.facts);
    let etag = match &node.content_hash {
        Some(hash) if is_as_catalogued => format!("\"{hash}\""),
        _ => object.etag.clone(),
    };
    Ok(Content {
        source: Source::Object(backend, object.etag),
        node,
        length: object.size_bytes,
        etag,
        modified: object.modified_seconds,
        is_as_catalogued,
    })
}

fn drift(node: &Node) -> CommandError {
    CommandError::Drift {
        mount_id: node.mount_id,
        path: node.path.clone(),
    }
}

/// The object went, or changed, since it was looked at.
fn of_object(path: &str, error: backend::Error) -> Problem {
    match error.reason {
        Reason::NotFound => CommandError::Gone(path.to_owned()).into(),
        Reason::Changed => CommandError::Busy(path.to_owned()).into(),
        _ => problem::of_backend(error),
    }
}

impl Content {
    fn headers(&self, validators: Validators<'_>) -> Result<HeaderMap, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, value(self.etag.clone())?);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        // A browser must take nobody's upload for a page of ours.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let name = ::node::name::to_bytes(self.node.name());
        headers.insert(CONTENT_DISPOSITION, value(attachment(&name))?);
        if let Some(modified) = validators.modified {
            headers.insert(LAST_MODIFIED, value(http_date(modified))?);
        }
        let digests = [
            (CHECKSUM, &self.node.checksum),
            (CONTENT_HASH, &self.node.content_hash),
        ];
        for (name, digest) in digests {
            if let Some(digest) = digest
                && self.is_as_catalogued
            {
                headers.insert(name, value(digest.clone())?);
            }
        }
        Ok(headers)
    }
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|error| Problem::internal(&error))
}
