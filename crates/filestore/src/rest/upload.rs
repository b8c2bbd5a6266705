//! A multipart upload on its way in.
//!
//! The contents go from the socket through a bounded channel to a blocking thread that writes and
//! hashes them. They are staged on the mount's own filesystem if the form says before the file
//! where it goes, as AppHub's clients do; in the data directory if it says so after, and for a bucket,
//! where nothing can be put that may yet be refused.

use super::{Rest, problem};
use crate::command::{CommandError, UploadedContent};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::http::HeaderMap;
use backend::disk::{self, Staged};
use backend::hash::{Checksum, HashError, Hasher};
use backend::{Kind, Operation};
use bytes::Bytes;
use httpkit::Problem;
use std::collections::HashMap;
use std::io::Write;
use tokio::sync::mpsc;

/// Pieces of the contents between the socket and the disk.
const PIECES: usize = 16;

/// The longest field that is not the file.
const FIELD_BYTES: usize = 1024 * 1024;

/// A form, read to its end.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) fields: HashMap<String, String>,
    pub(super) content: UploadedContent,
    /// What the client promised, as it is stored.
    pub(super) checksum: Option<String>,
}

/// Where contents are staged.
#[derive(Clone, Copy, Debug)]
enum Destination {
    Mount(i64),
    DataDirectory,
}

struct Promise {
    checksum: Option<Checksum>,
    content_hash: Option<Checksum>,
}

impl Rest {
    /// Reads the form. Nothing of it can be seen on any mount yet.
    pub(super) async fn read_form(
        &self,
        headers: &HeaderMap,
        mut form: Multipart,
    ) -> Result<Form, Problem> {
        let promise = promise(headers)?;
        let mut fields: HashMap<String, String> = HashMap::new();
        let mut content = None;
        while let Some(field) = form.next_field().await.map_err(of_multipart)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                if content.is_some() {
                    return Err(Problem::invalid("/file", "send one file at a time"));
                }
                let mount_id = fields
                    .get("backendMountId")
                    .map(|id| mount_id(id))
                    .transpose()?;
                let destination = mount_id.map_or(Destination::DataDirectory, Destination::Mount);
                let promised = [&promise.checksum, &promise.content_hash];
                let hasher = Hasher::new(promised.into_iter().flatten().cloned());
                content = Some(self.receive(field, destination, hasher).await?);
            } else {
                let text = text(&name, field).await?;
                fields.insert(name, text);
            }
        }
        let content = content
            .ok_or_else(|| Problem::invalid("/file", "the form has no part named \"file\""))?;
        Ok(Form {
            fields,
            content,
            checksum: promise.checksum.map(|checksum| checksum.to_string()),
        })
    }

    async fn receive(
        &self,
        mut field: Field<'_>,
        destination: Destination,
        hasher: Hasher,
    ) -> Result<UploadedContent, Problem> {
        let (staged, mount_id) = self
            .read_blocking(move |filestore| {
                if let Destination::Mount(id) = destination {
                    let place = filestore.opener.by_id(id).map_err(CommandError::from)?;
                    if let Kind::Disk(disk) = place.backend.kind() {
                        let staged = disk.stage().map_err(problem::of_backend)?;
                        return Ok((staged, Some(id)));
                    }
                }
                let staged = disk::stage_beside(&filestore.data_dir);
                Ok((staged.map_err(problem::of_backend)?, None))
            })
            .await?;
        let (sender, receiver) = mpsc::channel(PIECES);
        let writing = tokio::task::spawn_blocking(move || write(staged, hasher, receiver));
        while let Some(piece) = field.chunk().await.map_err(of_multipart)? {
            if sender.send(piece).await.is_err() {
                // The writer has an error to tell.
                break;
            }
        }
        drop(sender);
        let written = writing.await.map_err(|error| Problem::internal(&error))?;
        let (staged, hash) = written.map_err(problem::of_backend)?;
        Ok(UploadedContent {
            staged,
            mount_id,
            content_hash: hash.map_err(problem::of_hash)?,
        })
    }
}

fn write(
    mut staged: Staged,
    mut hasher: Hasher,
    mut pieces: mpsc::Receiver<Bytes>,
) -> Result<(Staged, Result<String, HashError>), backend::Error> {
    while let Some(piece) = pieces.blocking_recv() {
        hasher.update(&piece);
        let failed = backend::Error::of_disk(Operation::Stage, "");
        staged.file.write_all(&piece).map_err(failed)?;
    }
    Ok((staged, hasher.finish()))
}

fn promise(headers: &HeaderMap) -> Result<Promise, Problem> {
    let checksum = |name: &str| -> Result<Option<Checksum>, Problem> {
        let Some(value) = headers.get(name) else {
            return Ok(None);
        };
        let checksum = value.to_str().unwrap_or_default().parse();
        checksum
            .map(Some)
            .map_err(|error: HashError| problem::invalid_checksum(format!("{name}: {error}")))
    };
    Ok(Promise {
        checksum: checksum("x-filestore-checksum")?,
        content_hash: checksum("x-filestore-content-hash")?,
    })
}

pub(super) fn mount_id(text: &str) -> Result<i64, Problem> {
    let id = text.trim().parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| Problem::invalid("/backendMountId", format!("{text:?} is not a mount's id")))
}

async fn text(name: &str, mut field: Field<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(of_multipart)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > FIELD_BYTES {
            let detail = format!("the field is longer than {FIELD_BYTES} bytes");
            return Err(Problem::too_large(detail).with_field(format!("/{name}"), "too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::invalid(&format!("/{name}"), "it is not UTF-8"))
}

fn of_multipart(error: MultipartError) -> Problem {
    Problem::new(
        error.status(),
        "invalid_request",
        format!("the form: {}", error.body_text()),
    )
}
