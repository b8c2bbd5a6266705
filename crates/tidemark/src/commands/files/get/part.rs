//! A file on its way: beside its place, under a name of its own.

use crate::target::shown;
use anyhow::{Context as _, bail};
use node::name::spelled;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// What is there of a file.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    length: u64,
}

/// A file that is there as a whole, and not in its place yet.
#[derive(Debug)]
pub(super) struct Whole {
    path: PathBuf,
    length: u64,
}

/// The part of this node in this state that is beside `to`, made if there is none.
pub(super) fn open(to: &Path, node_id: i64, etag: &str) -> anyhow::Result<Part> {
    let named = blake3::hash(format!("{node_id} {etag} {}", spelled(to)).as_bytes());
    let named = named.to_hex();
    let name = format!(".tidemark-get-{}.part", named.get(..16).unwrap_or_default());
    let path = to.with_file_name(name);
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 128 * 1024];
        let mut length = 0;
        loop {
            let count = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                break;
            };
            hasher.update(read);
            length += count as u64;
        }
        io::Result::Ok((file, hasher, length))
    };
    let (file, hasher, length) =
        open().with_context(|| format!("{} cannot be written", shown(&path)))?;
    Ok(Part {
        file,
        path,
        hasher,
        length,
    })
}

impl Part {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn start_again(&mut self) -> io::Result<()> {
        use std::io::Seek as _;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher.reset();
        self.length = 0;
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// It has all come: it is what was promised, and on the disk.
    pub(super) fn check(self, content_hash: Option<&str>) -> anyhow::Result<Whole> {
        if let Err(error) = compare(content_hash, &self.hasher) {
            // Nobody is to go on from contents that are wrong.
            std::fs::remove_file(&self.path)?;
            return Err(error);
        }
        self.file
            .sync_all()
            .with_context(|| format!("{} cannot be written", shown(&self.path)))?;
        Ok(Whole {
            path: self.path,
            length: self.length,
        })
    }
}

impl Whole {
    /// Puts it in its place; gives its length.
    pub(super) fn put(self, to: &Path, overwrite: bool) -> anyhow::Result<u64> {
        let flags = if overwrite {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        match rustix::fs::renameat_with(CWD, &self.path, CWD, to, flags) {
            Ok(()) => Ok(self.length),
            Err(Errno::EXIST) => {
                bail!("{} exists already; replace it with --overwrite", shown(to))
            }
            // Some filesystems cannot refuse to replace; that nothing was there was seen before.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::rename(&self.path, to)
                    .with_context(|| format!("{} cannot be written", shown(to)))?;
                Ok(self.length)
            }
            Err(error) => Err(io::Error::from(error))
                .with_context(|| format!("{} cannot be written", shown(to))),
        }
    }
}

/// Whether what came is what filestore promised, where it promised something.
pub(super) fn compare(content_hash: Option<&str>, came: &blake3::Hasher) -> anyhow::Result<()> {
    let came = format!("blake3:{}", came.finalize());
    match content_hash.filter(|hash| hash.starts_with("blake3:")) {
        Some(promised) if promised != came => {
            bail!("the file arrived damaged (got {came}, expected {promised}); try again")
        }
        _ => Ok(()),
    }
}
