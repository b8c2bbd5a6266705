//! Single objects: looked at, read, put, copied.
//!
//! An object is put in two steps: its bytes are sent while nothing is locked ([`Bucket::send`]), in
//! parts if they are many, and nobody sees them; then they become the object at once
//! ([`Bucket::settle`]). Parts that are sent and never settled are told to go; after a crash they
//! remain, invisible and paid for, until the bucket's own rule for incomplete uploads removes them.
//!
//! What was put carries a token of the command that put it, by which it is known again after a
//! crash.

use super::error::Refusal;
use super::list::Listing;
use super::{Bucket, Object, PATIENCE};
use crate::{Error, Operation};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use node::{Facts, ObjectOwner};
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, GetResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The metadata of an object that names the command which put it.
const TOKEN: &str = "tidemark-put";

const MIB: u64 = 1024 * 1024;

/// The bytes of a part, and the most that is put without parts.
const PART_BYTES: u64 = 8 * MIB;

/// S3 takes 10,000 parts.
const PARTS: u64 = 9_000;

/// S3's largest object.
const OBJECT_BYTES: u64 = 5 * 1024 * 1024 * MIB;

/// The largest object that S3 copies in one request.
const COPY_BYTES: u64 = 5 * 1024 * MIB;

/// Parts of one upload that are under way at once.
const AT_ONCE: usize = 3;

/// What all uploads to a bucket hold in memory, in MiB.
pub(super) const HELD_MIB: u32 = 64;

/// An object that is there.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is.
    pub object: Object,
    token: Option<String>,
}

impl Found {
    /// Whether the command with this token put it.
    pub fn is_put_by(&self, token: &str) -> bool {
        self.token.as_deref() == Some(token)
    }
}

/// Bytes that are sent and no object yet.
#[derive(Debug)]
pub struct Incoming {
    size_bytes: u64,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Whole(Bytes, tokio::sync::OwnedSemaphorePermit),
    Parts(Box<dyn MultipartUpload>),
}

impl Bucket {
    fn location(&self, path: &str) -> Result<Path, Error> {
        let key = self.key(path)?;
        // Keys of paths are such that it takes them as they are.
        Path::parse(&key)
            .map_err(|error| self.failed(Operation::Name, path)(Refusal::unavailable(error)))
    }

    /// The object at the path.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn head(&self, path: &str) -> Result<Option<Found>, Error> {
        self.wait(self.find(path))
    }

    pub(super) async fn find(&self, path: &str) -> Result<Option<Found>, Error> {
        let location = self.location(path)?;
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match self.store.get_opts(&location, options).await {
            Ok(found) => Ok(Some(found_in(&found))),
            Err(error) => match Refusal::from(error) {
                Refusal::NotFound => Ok(None),
                refusal => Err(self.failed(Operation::LookAt, path)(refusal)),
            },
        }
    }

    /// Sends what will be the object at `path`. Of `size_bytes` bytes, no more and no less.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn send(
        &self,
        path: &str,
        token: &str,
        source: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<Incoming, Error> {
        let location = self.location(path)?;
        self.send_to(&location, token, source, size_bytes)
            .map_err(self.failed(Operation::Upload, path))
    }

    fn send_to(
        &self,
        location: &Path,
        token: &str,
        source: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<Incoming, Refusal> {
        if size_bytes > OBJECT_BYTES {
            return Err(Refusal::TooLarge);
        }
        if size_bytes <= PART_BYTES {
            let held = self.hold(size_bytes)?;
            let bytes = read_exactly(source, size_bytes)?;
            end(source)?;
            return Ok(Incoming {
                size_bytes,
                held: Held::Whole(bytes, held),
            });
        }
        let options = PutMultipartOptions {
            attributes: attributes(token),
            ..PutMultipartOptions::default()
        };
        let mut upload = self.wait(self.store.put_multipart_opts(location, options))?;
        match self.send_parts(&mut *upload, source, size_bytes) {
            Ok(()) => Ok(Incoming {
                size_bytes,
                held: Held::Parts(upload),
            }),
            Err(refusal) => {
                self.abort(&mut *upload);
                Err(refusal)
            }
        }
    }

    fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        source: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<(), Refusal> {
        let part_bytes = PART_BYTES.max(size_bytes.div_ceil(PARTS));
        let mut under_way = VecDeque::new();
        let mut rest = size_bytes;
        while rest > 0 {
            let part_bytes = part_bytes.min(rest);
            while under_way.len() >= AT_ONCE {
                self.part_sent(&mut under_way)?;
            }
            let held = self.hold(part_bytes)?;
            let bytes = read_exactly(source, part_bytes)?;
            let part = upload.put_part(PutPayload::from_bytes(bytes));
            under_way.push_back(self.runtime.spawn(async move {
                let _held = held;
                part.await
            }));
            rest -= part_bytes;
        }
        while !under_way.is_empty() {
            self.part_sent(&mut under_way)?;
        }
        end(source)
    }

    fn part_sent(
        &self,
        under_way: &mut VecDeque<JoinHandle<object_store::Result<()>>>,
    ) -> Result<(), Refusal> {
        match under_way.pop_front() {
            Some(part) => Ok(self.wait(part).map_err(Refusal::unavailable)??),
            None => Ok(()),
        }
    }

    /// Waits until so much more may be held in memory.
    fn hold(&self, bytes: u64) -> Result<tokio::sync::OwnedSemaphorePermit, Refusal> {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(HELD_MIB);
        let held = Arc::clone(&self.held).acquire_many_owned(mib.clamp(1, HELD_MIB));
        self.wait(held).map_err(Refusal::unavailable)
    }

    /// Makes the object of what was sent. Without `overwrite`, one that is there stays.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn settle(
        &self,
        path: &str,
        token: &str,
        incoming: Incoming,
        overwrite: bool,
    ) -> Result<Object, Error> {
        let location = self.location(path)?;
        let settled = self.wait(async {
            if !overwrite && self.find(path).await?.is_some() {
                return Err(self.failed(Operation::Upload, path)(Refusal::Exists));
            }
            let mode = if overwrite {
                PutMode::Overwrite
            } else {
                PutMode::Create
            };
            let options = PutOptions {
                mode,
                attributes: attributes(token),
                ..PutOptions::default()
            };
            let put = match incoming.held {
                Held::Whole(bytes, _held) => {
                    let payload = PutPayload::from_bytes(bytes);
                    self.store.put_opts(&location, payload, options).await
                }
                Held::Parts(mut upload) => upload.complete().await,
            };
            put.map_err(|error| self.failed(Operation::Upload, path)(error.into()))?;
            self.find(path).await
        })?;
        match settled {
            Some(found)
                if found.is_put_by(token) && found.object.size_bytes == incoming.size_bytes =>
            {
                Ok(Object {
                    owner: self.wait(self.owner_of_puts(&found.object.key)),
                    tags: Some(0),
                    ..found.object
                })
            }
            _ => Err(self.failed(Operation::Upload, path)(Refusal::Changed)),
        }
    }

    /// Takes back what was sent.
    pub fn forget(&self, incoming: Incoming) {
        if let Held::Parts(mut upload) = incoming.held {
            self.abort(&mut *upload);
        }
    }

    fn abort(&self, upload: &mut dyn MultipartUpload) {
        if let Err(error) = self.wait(upload.abort()) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "parts of an upload that was given up remain in the bucket"
            );
        }
    }

    /// Copies an object within the bucket, by the server.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn copy(&self, from: &str, to: &Self, target: &str) -> Result<Object, Error> {
        let (source, location) = (self.location(from)?, to.location(target)?);
        let failed = |refusal| self.failed(Operation::Copy, from)(refusal);
        let copied = self.wait(async {
            self.store
                .copy(&source, &location)
                .await
                .map_err(Refusal::from)
                .map_err(failed)?;
            to.find(target).await
        })?;
        let copied = copied.ok_or_else(|| failed(Refusal::Changed))?.object;
        Ok(Object {
            owner: self.wait(to.owner_of_puts(&copied.key)),
            ..copied
        })
    }

    /// Whose the objects are that are put here: a listing of the one of this key tells it, once. `None`
    /// where it does not; the next scan tells it then.
    async fn owner_of_puts(&self, key: &str) -> Option<ObjectOwner> {
        if let Some(known) = self.owner.get() {
            return Some(*known);
        }
        let own = self.listed(key).await.ok()??;
        let owner = own.owner?;
        Some(*self.owner.get_or_init(|| owner))
    }

    /// The object of this key as a listing tells it: with its class, and whose it is.
    pub(super) async fn listed(&self, key: &str) -> Result<Option<Object>, Refusal> {
        let listing = Listing {
            prefix: key,
            is_shallow: false,
            after: None,
            most: Some(1),
        };
        let page = self.page(listing, None).await?;
        Ok(page.objects.into_iter().find(|object| object.key == key))
    }

    /// The facts of an object that a command has put.
    pub fn facts_of_put(&self, found: &Found) -> Facts {
        let object = found.object.clone();
        let owner = self.wait(self.owner_of_puts(&object.key));
        Object { owner, ..object }.facts_when_put()
    }

    /// Whether the server copies an object of this size.
    pub const fn copies(size_bytes: u64) -> bool {
        size_bytes <= COPY_BYTES
    }

    /// Reads the object, or a part of it.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub async fn get(
        &self,
        path: &str,
        range: Option<Range<u64>>,
        if_match: Option<String>,
    ) -> Result<(Object, BoxStream<'static, object_store::Result<Bytes>>), Error> {
        let location = self.location(path)?;
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            if_match,
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&location, options).await;
        let got = got.map_err(|error| self.failed(Operation::Read, path)(error.into()))?;
        Ok((object(&got.meta), got.into_stream()))
    }

    /// A URL that the object can be downloaded from without credentials.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub fn presign(&self, path: &str, expires_in: Duration) -> Result<String, Error> {
        let location = self.location(path)?;
        let url = self.store.signed_url(Method::GET, &location, expires_in);
        self.wait(url)
            .map(String::from)
            .map_err(|error| self.failed(Operation::Sign, path)(error.into()))
    }

    /// What it is when an object's bytes cease to come.
    pub(crate) fn unread(&self, path: &str, error: io::Error) -> Error {
        self.failed(Operation::Read, path)(Refusal::Local(error))
    }

    /// Opens the object for reading from start to end in this thread.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(crate) fn read(&self, path: &str) -> Result<(Object, ObjectReader), Error> {
        let (object, stream) = self.wait(self.get(path, None, None))?;
        let reader = ObjectReader {
            runtime: self.runtime.clone(),
            stream,
            piece: Bytes::new(),
        };
        Ok((object, reader))
    }
}

/// An object's bytes.
pub(crate) struct ObjectReader {
    runtime: Handle,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    piece: Bytes,
}

impl std::fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectReader").finish_non_exhaustive()
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let next = async { tokio::time::timeout(PATIENCE, self.stream.next()).await };
            match self.runtime.block_on(next) {
                Ok(Some(Ok(piece))) => self.piece = piece,
                Ok(Some(Err(error))) => return Err(io::Error::other(error)),
                Ok(None) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        self.piece.as_ref().read(buffer).inspect(|count| {
            let _ = self.piece.split_to(*count);
        })
    }
}

fn attributes(token: &str) -> Attributes {
    let token = (Attribute::Metadata(Cow::Borrowed(TOKEN)), token.to_owned());
    Attributes::from_iter([token])
}

fn found_in(got: &GetResult) -> Found {
    let token = got
        .attributes
        .get(&Attribute::Metadata(Cow::Borrowed(TOKEN)));
    Found {
        object: object(&got.meta),
        token: token.map(|token| token.as_ref().to_owned()),
    }
}

fn object(meta: &ObjectMeta) -> Object {
    Object {
        key: meta.location.to_string(),
        size_bytes: meta.size,
        modified_seconds: meta.last_modified.timestamp(),
        etag: meta.e_tag.clone().unwrap_or_default(),
        storage_class: None,
        owner: None,
        tags: None,
    }
}

fn read_exactly(source: &mut dyn Read, bytes: u64) -> Result<Bytes, Refusal> {
    let mut piece = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    source
        .take(bytes)
        .read_to_end(&mut piece)
        .map_err(Refusal::Local)?;
    match u64::try_from(piece.len()) {
        Ok(read) if read == bytes => Ok(Bytes::from(piece)),
        _ => Err(Refusal::Changed),
    }
}

/// What was to be read is all there is.
fn end(source: &mut dyn Read) -> Result<(), Refusal> {
    match source.read(&mut [0]).map_err(Refusal::Local)? {
        0 => Ok(()),
        _ => Err(Refusal::Changed),
    }
}
