//! A multipart upload on its way in.
//!
//! The first [`HELD_BYTES`] are held in memory. If there are more, the contents go from the socket
//! through a bounded channel to a blocking thread that writes and hashes them. They are staged on the
//! mount's own filesystem if the form says before the file where it goes, as AppHub's clients do; in
//! the data directory if it says so after, and for a bucket, where nothing can be put that may yet be
//! refused.

use super::form::{BoundedField, BoundedForm};
use super::{Rest, problem};
use crate::command::{CommandError, Received, UploadedContent};
use axum::http::{HeaderMap, StatusCode};
use backend::disk::{self, Staged};
use backend::hash::{Checksum, HashError, Hasher};
use backend::{Kind, Operation, Reason};
use bytes::Bytes;
use httpkit::{Code, Problem};
use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc;

/// Contents up to this length are written by the command itself, and wait for it in memory. They are
/// few enough to be hashed between two requests.
const HELD_BYTES: usize = 16 * 1024;

/// Pieces of the contents between the socket and the disk.
const PIECES: usize = 16;

/// How long contents that are refused are read to their end.
const REFUSED: Duration = Duration::from_secs(5);

/// The longest field that is not the file.
const FIELD_BYTES: usize = 1024 * 1024;

/// The fields that are kept, beside the file.
const FIELDS: &[&str] = &[
    "backendMountId",
    "path",
    "metadata",
    "overwrite",
    "expectedVersion",
    "idempotencyKey",
];

/// A form, read to its end.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) fields: HashMap<String, String>,
    pub(super) content: UploadedContent,
    /// What the client promised, as it is stored.
    pub(super) checksum: Option<String>,
}

/// Where contents are staged.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// On the disk of this mount.
    Mount {
        id: i64,
        key: String,
    },
    DataDirectory,
}

impl Stage {
    /// It refuses the contents. Of a full disk it is said which one that is.
    fn refused(&self, error: backend::Error) -> Problem {
        if error.reason != Reason::Full {
            return problem::of_backend(error);
        }
        let detail = match self {
            Self::Mount { key, .. } => {
                format!("the disk of the mount {key:?} is full; nothing was uploaded")
            }
            Self::DataDirectory => {
                "the disk of the data directory is full, where contents wait that go to a bucket, \
                 or came before the field backendMountId; nothing was uploaded"
                    .to_owned()
            }
        };
        Problem::new(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull, detail)
    }
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
        mut form: BoundedForm,
    ) -> Result<Form, Problem> {
        let promise = promise(headers)?;
        let mut fields: HashMap<String, String> = HashMap::new();
        let mut content = None;
        while let Some(field) = form.next_field().await? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                if content.is_some() {
                    return Err(Problem::invalid("/file", "send one file at a time"));
                }
                let mount_id = fields
                    .get("backendMountId")
                    .map(|id| mount_id(id))
                    .transpose()?;
                let promised = [&promise.checksum, &promise.content_hash];
                let hasher = Hasher::new(promised.into_iter().flatten().cloned());
                content = Some(self.receive(field, mount_id, hasher).await?);
            } else {
                let text = text(&name, field).await?;
                // What we do not know is read, and not kept.
                if FIELDS.contains(&&*name) && fields.insert(name.clone(), text).is_some() {
                    return Err(Problem::invalid(&format!("/{name}"), "send this part once"));
                }
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
        mut field: BoundedField<'_>,
        mount_id: Option<i64>,
        mut hasher: Hasher,
    ) -> Result<UploadedContent, Problem> {
        let mut held = Vec::new();
        let first = loop {
            let Some(piece) = field.chunk().await? else {
                hasher.update(&held);
                return Ok(UploadedContent {
                    received: Received::Held(held),
                    content_hash: hasher.finish().map_err(problem::of_hash)?,
                });
            };
            if held.len() + piece.len() > HELD_BYTES {
                break [Bytes::from(held), piece];
            }
            held.extend_from_slice(&piece);
        };
        self.receive_all(first, field, mount_id, hasher).await
    }

    /// Stages contents that began with `first`.
    async fn receive_all(
        &self,
        first: [Bytes; 2],
        mut field: BoundedField<'_>,
        mount_id: Option<i64>,
        hasher: Hasher,
    ) -> Result<UploadedContent, Problem> {
        let (staged, stage) = self
            .read_blocking(move |filestore| {
                if let Some(id) = mount_id {
                    let place = filestore.opener.by_id(id).map_err(CommandError::from)?;
                    if let Kind::Disk(disk) = place.backend.kind() {
                        let key = place.mount.mount_key.clone();
                        let stage = Stage::Mount { id, key };
                        let staged = disk.stage().map_err(|error| stage.refused(error))?;
                        return Ok((staged, stage));
                    }
                }
                let stage = Stage::DataDirectory;
                let staged = disk::stage_beside(&filestore.data_dir);
                Ok((staged.map_err(|error| stage.refused(error))?, stage))
            })
            .await?;
        let (sender, receiver) = mpsc::channel(PIECES);
        let writing = tokio::task::spawn_blocking(move || write(staged, hasher, receiver));
        let mut first = first.into_iter();
        loop {
            let piece = match first.next() {
                Some(piece) => piece,
                None => match field.chunk().await? {
                    Some(piece) => piece,
                    None => break,
                },
            };
            if sender.send(piece).await.is_err() {
                // The writer has an error to tell, and a client that is still sending when the
                // connection ends may not see the answer.
                let rest = async { while let Ok(Some(_)) = field.chunk().await {} };
                let _ = tokio::time::timeout(REFUSED, rest).await;
                break;
            }
        }
        drop(sender);
        let written = writing.await.map_err(|error| Problem::internal(&error))?;
        let (staged, hash) = written.map_err(|error| stage.refused(error))?;
        let mount_id = match stage {
            Stage::Mount { id, .. } => Some(id),
            Stage::DataDirectory => None,
        };
        Ok(UploadedContent {
            received: Received::Staged(staged, mount_id),
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
        let Some(text) = httpkit::header(headers, name)? else {
            return Ok(None);
        };
        text.parse()
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

async fn text(name: &str, mut field: BoundedField<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > FIELD_BYTES {
            let detail = format!("the field is longer than {FIELD_BYTES} bytes");
            return Err(Problem::too_large(detail).with_field(format!("/{name}"), "too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::invalid(&format!("/{name}"), "it is not UTF-8"))
}
