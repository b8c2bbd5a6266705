//! `put`: files of this machine, into a mount.

use super::super::{Outcome, text};
use super::bar::Bar;
use super::change::ensure_directory;
use super::pool::{self, Counts};
use super::{Changing, Destination, Place, command, number};
use crate::client::Services;
use crate::output::{Column, Row, Rows};
use crate::target::shown;
use anyhow::{Context as _, bail};
use clap::Args;
use node::name::spelled;
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::json;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// `tidemark put`
#[derive(Args, Debug)]
pub struct PutArgs {
    /// Files of this machine (`-` is stdin), then the destination
    #[arg(value_name = "FILE|PATH", num_args = 2.., required = true)]
    pub paths: Vec<OsString>,
    /// Put folders with everything in them
    #[arg(long, short)]
    pub recursive: bool,
    /// Replace files that are there
    #[arg(long, short = 'f')]
    pub overwrite: bool,
    /// Metadata of the files, a JSON object
    #[arg(long, value_name = "JSON", value_parser = super::meta::object)]
    pub metadata: Option<Row>,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

struct Upload<'s> {
    services: &'s Services,
    args: &'s PutArgs,
    bar: Bar,
}

pub(crate) fn run(services: &Services, args: &PutArgs) -> anyhow::Result<Outcome> {
    let (target, sources) = args
        .paths
        .split_last()
        .context("the destination is missing")?;
    let destination = Destination::find(services, target, sources.len())?;
    let columns = vec![
        Column::text("source"),
        Column::text("path"),
        Column::number("files"),
        Column::number("directories"),
        Column::bytes("bytes"),
        Column::number("failed"),
    ];
    let mut out = Rows::stdout(args.changing.reading.output, columns);
    let mut outcome = Outcome::Good;
    for source in sources {
        let name = spelled(source);
        let upload = Upload {
            services,
            args,
            bar: Bar::bytes(&name),
        };
        let put = upload.operand(source, &destination);
        upload.bar.end();
        match put {
            Ok((place, counts)) => {
                if !counts.is_whole() {
                    outcome = Outcome::Bad;
                }
                out.push(&row(&name, &place, &counts))?;
            }
            Err(error) if sources.len() == 1 => return Err(error),
            Err(error) => {
                crate::output::say(format_args!("error: {}: {error:#}", shown(source)));
                outcome = Outcome::Bad;
            }
        }
    }
    out.finish()?;
    Ok(outcome)
}

fn row(source: &str, place: &Place, counts: &Counts) -> Row {
    let row = json!({
        "source": source, "backendMountId": place.mount_id, "path": place.path,
        "files": counts.files.load(Relaxed), "directories": counts.directories.load(Relaxed),
        "bytes": counts.bytes.load(Relaxed), "failed": counts.failed.load(Relaxed),
    });
    row.as_object().cloned().unwrap_or_default()
}

impl Upload<'_> {
    fn operand(
        &self,
        source: &OsString,
        destination: &Destination,
    ) -> anyhow::Result<(Place, Counts)> {
        let counts = Counts::default();
        if source == "-" {
            let place = destination.of("");
            if destination.is_directory {
                bail!("stdin has no name; end the destination with the name of the file");
            }
            self.stream(&Source::Stdin, &place, &counts)?;
            return Ok((place, counts));
        }
        let path = Path::new(source);
        let metadata = path
            .metadata()
            .with_context(|| format!("{} cannot be read", shown(path)))?;
        let place = destination.of(&name_of(path)?);
        if metadata.is_dir() {
            if !self.args.recursive {
                bail!("{} is a folder; put it with --recursive", shown(path));
            }
            self.tree(path, &place, &counts)?;
        } else if metadata.is_file() {
            self.file(path, &place, &counts)?;
        } else {
            bail!("{} is neither a file nor a folder", shown(path));
        }
        Ok((place, counts))
    }

    fn tree(&self, root: &Path, place: &Place, counts: &Counts) -> anyhow::Result<()> {
        ensure_directory(self.services, &self.args.changing, &self.bar, place)?;
        counts.directories.fetch_add(1, Relaxed);
        pool::run(
            |send| self.walk(root, place, counts, send),
            |(path, place): (PathBuf, Place)| {
                match self.file(&path, &place, counts) {
                    Err(error) if pool::is_fatal(&error) => return Err(error),
                    Err(error) => {
                        counts.fail(&self.bar, &spelled(&path), format_args!("{error:#}"));
                    }
                    Ok(()) => {}
                }
                Ok(())
            },
        )
    }

    /// Sends every file below `root`; makes the folders in which none is.
    fn walk(
        &self,
        root: &Path,
        place: &Place,
        counts: &Counts,
        send: &mut dyn FnMut((PathBuf, Place)) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut folders = vec![(root.to_owned(), place.clone())];
        while let Some((folder, place)) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    counts.fail(&self.bar, &spelled(&folder), error);
                    continue;
                }
            };
            let mut is_made = folder == root;
            for entry in entries {
                let entry = entry.with_context(|| format!("reading {}", shown(&folder)))?;
                let (path, below) = (entry.path(), place.join(&spelled(entry.file_name())));
                let kind = entry.file_type();
                match kind {
                    Ok(kind) if kind.is_dir() => {
                        counts.directories.fetch_add(1, Relaxed);
                        folders.push((path, below));
                    }
                    Ok(kind) if kind.is_file() => {
                        let length = entry.metadata().map_or(0, |metadata| metadata.len());
                        self.bar.expect(length);
                        send((path, below))?;
                    }
                    Ok(kind) => {
                        let what = if kind.is_symlink() {
                            "a symlink, which is not followed"
                        } else {
                            "neither a file nor a folder"
                        };
                        counts.fail(&self.bar, &spelled(&path), format_args!("left out: {what}"));
                        continue;
                    }
                    Err(error) => {
                        counts.fail(&self.bar, &spelled(&path), error);
                        continue;
                    }
                }
                is_made = true;
            }
            if !is_made {
                ensure_directory(self.services, &self.args.changing, &self.bar, &place)?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, place: &Place, counts: &Counts) -> anyhow::Result<()> {
        let metadata = path.metadata();
        let length = metadata
            .with_context(|| format!("{} cannot be read", shown(path)))?
            .len();
        if !self.args.recursive {
            self.bar.expect(length);
        }
        self.stream(&Source::File(path), place, counts)
    }

    /// Uploads what `source` gives, and compares what arrived with what was sent.
    fn stream(&self, source: &Source<'_>, place: &Place, counts: &Counts) -> anyhow::Result<()> {
        let sent = Arc::new(Mutex::new(blake3::Hasher::new()));
        // Opened before anything is sent. It is opened anew if it is to be sent once more.
        let first = Mutex::new(Some(source.open()?));
        let answer = command(self.services, &self.args.changing, &self.bar, |filestore| {
            let mut form = Form::new()
                .text("backendMountId", place.mount_id.to_string())
                .text("path", place.path.clone())
                .text("overwrite", self.args.overwrite.to_string());
            if let Some(metadata) = &self.args.metadata {
                form = form.text("metadata", json!(metadata).to_string());
            }
            // Without a file the service refuses the form, and says so.
            if let Some(opened) = first.lock().take().or_else(|| source.open().ok()) {
                sent.lock().reset();
                form = form.part("file", opened.part(&sent, &self.bar).file_name("file"));
            }
            filestore.request(Method::POST, "/v1/files").multipart(form)
        })?;
        let node = answer.get("node").and_then(|node| node.as_object());
        let node = node.context("filestore's answer has no node")?;
        let sent = format!("blake3:{}", sent.lock().finalize());
        if text(node, "contentHash") != sent {
            bail!("the file arrived damaged (sent {sent}); put it again with --overwrite");
        }
        counts.files.fetch_add(1, Relaxed);
        let bytes = number(node, "sizeBytes").unwrap_or(0);
        counts.bytes.fetch_add(bytes.unsigned_abs(), Relaxed);
        Ok(())
    }
}

/// The name that what is at `path` goes by.
fn name_of(path: &Path) -> anyhow::Result<String> {
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        None => {
            let real = path
                .canonicalize()
                .with_context(|| format!("{} cannot be read", shown(path)))?;
            let name = real.file_name().map(std::ffi::OsStr::to_owned);
            name.with_context(|| format!("{} has no name", shown(path)))?
        }
    };
    anyhow::ensure!(!name.as_bytes().is_empty(), "an empty path names nothing");
    Ok(spelled(&name))
}

/// Where contents come from.
#[derive(Clone, Copy, Debug)]
enum Source<'p> {
    Stdin,
    File(&'p Path),
}

/// Contents that are open, and their length where it is known.
struct Opened {
    source: Box<dyn Read + Send>,
    length: Option<u64>,
}

impl Source<'_> {
    fn open(&self) -> anyhow::Result<Opened> {
        let Self::File(path) = self else {
            let source = Box::new(io::stdin());
            return Ok(Opened {
                source,
                length: None,
            });
        };
        let open = || {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            io::Result::Ok(Opened {
                source: Box::new(file),
                length: Some(length),
            })
        };
        open().with_context(|| format!("{} cannot be read", shown(path)))
    }
}

impl Opened {
    fn part(self, hasher: &Arc<Mutex<blake3::Hasher>>, bar: &Bar) -> Part {
        let reader = Counted {
            source: self.source,
            hasher: Arc::clone(hasher),
            bar: bar.clone(),
        };
        match self.length {
            // A file that grows is sent as long as it was.
            Some(length) => Part::reader_with_length(reader.take(length), length),
            None => Part::reader(reader),
        }
    }
}

/// Hashes and counts what passes.
struct Counted {
    source: Box<dyn Read + Send>,
    hasher: Arc<Mutex<blake3::Hasher>>,
    bar: Bar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        if let Some(read) = buffer.get(..count) {
            self.hasher.lock().update(read);
        }
        self.bar.advance(count as u64);
        Ok(count)
    }
}
