//! `get`: files of a mount, onto this machine.
//!
//! A download is written to a temporary file beside its place, compared with the digest that filestore
//! has of it, synced, and then renamed. So the place holds the whole file or what it held before. The
//! temporary file is named after the node and its state (its ETag). So the next `get` of the same state
//! continues where an interrupted one ended.

mod part;

use super::super::{Outcome, rows_in, text};
use super::bar::Bar;
use super::pool::{self, Counts};
use super::{Place, is_directory, is_on_disk, number, object};
use crate::client::Services;
use crate::output::{Column, Row, Rows};
use crate::reading::Reading;
use crate::target::{self, shown};
use anyhow::{Context as _, bail};
use clap::Args;
use node::name::{os_path, spelled};
use part::Whole;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{ETAG, HeaderMap, IF_RANGE, RANGE};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

/// How often a download that broke off is taken up again.
const ATTEMPTS: usize = 5;

/// Nodes asked for at once.
const PAGE: u64 = 1_000;

/// `tidemark get`
#[derive(Args, Debug)]
pub struct GetArgs {
    /// The file to fetch: a node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// Where to put it on this machine: a folder, or a new name; `-` is stdout
    #[arg(value_name = "FILE", default_value = ".")]
    pub file: PathBuf,
    /// Fetch directories with everything in them
    #[arg(long, short)]
    pub recursive: bool,
    /// Replace files that are there
    #[arg(long, short = 'f')]
    pub overwrite: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

struct Download<'s> {
    services: &'s Services,
    is_overwriting: bool,
    bar: Bar,
}

pub(crate) fn run(services: &Services, args: &GetArgs) -> anyhow::Result<Outcome> {
    let named = shown(&args.target);
    let node = object(
        &services.filestore,
        target::find_node(services, &args.target)?,
    )?;
    if !is_on_disk(&node) {
        bail!(
            "{} is {}: it has no contents now",
            named,
            text(&node, "state")
        );
    }
    let download = Download {
        services,
        is_overwriting: args.overwrite,
        bar: Bar::bytes(&spelled(&args.target)),
    };
    if args.file.as_os_str() == "-" {
        if is_directory(&node) {
            bail!("{} is a directory; only a file can go to stdout", named);
        }
        download.to_stdout(&node)?;
        download.bar.end();
        return Ok(Outcome::Good);
    }
    let to = local_place(&node, &args.file)?;
    let counts = Counts::default();
    let got = match (is_directory(&node), args.recursive) {
        (true, true) => download.tree(&node, &to, &counts),
        (true, false) => bail!("{} is a directory; get it with --recursive", named),
        (false, _) => {
            download
                .bar
                .expect(number(&node, "sizeBytes").unwrap_or(0).unsigned_abs());
            download.file(&node, &to, &counts)
        }
    };
    download.bar.end();
    got?;
    let columns = vec![
        Column::text("path"),
        Column::text("file"),
        Column::number("files"),
        Column::number("directories"),
        Column::bytes("bytes"),
        Column::number("failed"),
    ];
    let mut out = Rows::stdout(args.reading.output, columns);
    let row = json!({
        "path": text(&node, "path"), "file": spelled(&to),
        "files": counts.files.load(Relaxed), "directories": counts.directories.load(Relaxed),
        "bytes": counts.bytes.load(Relaxed), "failed": counts.failed.load(Relaxed),
    });
    out.push(row.as_object().unwrap_or(&Row::new()))?;
    out.finish()?;
    Ok(if counts.is_whole() {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

/// Where the node goes: into a folder that is there, under its own name.
fn local_place(node: &Row, file: &Path) -> anyhow::Result<PathBuf> {
    if !file.is_dir() {
        return Ok(file.to_owned());
    }
    match text(node, "name") {
        "" => Ok(file.to_owned()),
        name => below(file, name),
    }
}

/// The path on this machine of a path below `folder`. A path from a service that would leave the
/// folder is refused.
fn below(folder: &Path, path: &str) -> anyhow::Result<PathBuf> {
    let is_plain = |name: &str| !name.is_empty() && name != "." && name != "..";
    if !path.split('/').all(is_plain) || path.contains('\0') {
        bail!("filestore answered with {path:?}, which is not a path");
    }
    Ok(folder.join(os_path(path)))
}

impl Download<'_> {
    fn tree(&self, top: &Row, to: &Path, counts: &Counts) -> anyhow::Result<()> {
        make_folder(to)?;
        counts.directories.fetch_add(1, Relaxed);
        let above = Place::of(top)?;
        pool::run(
            |send| self.walk(&above, to, counts, send),
            |(node, to): (Row, PathBuf)| {
                match self.file(&node, &to, counts) {
                    Err(error) if pool::is_fatal(&error) => return Err(error),
                    Err(error) => {
                        counts.fail(&self.bar, text(&node, "path"), format_args!("{error:#}"));
                    }
                    Ok(()) => {}
                }
                Ok(())
            },
        )
    }

    /// Makes the folders and sends the files, a page at a time.
    fn walk(
        &self,
        above: &Place,
        to: &Path,
        counts: &Counts,
        send: &mut dyn FnMut((Row, PathBuf)) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let filestore = &self.services.filestore;
        let mut after = None::<i64>;
        loop {
            let mut query = vec![
                ("backendMountId", above.mount_id.to_string()),
                ("path", above.path.clone()),
                ("states", "active,inconsistent".to_owned()),
                ("limit", PAGE.to_string()),
            ];
            query.extend(after.map(|after| ("after", after.to_string())));
            let nodes = filestore.data(filestore.get("/v1/nodes").query(&query))?;
            let next = nodes
                .pointer("/pagination/nextAfter")
                .and_then(Value::as_i64);
            for node in rows_in(nodes, &["nodes"]) {
                let path = text(&node, "path");
                let path = path.strip_prefix(above.path.as_str()).unwrap_or(path);
                let place = below(to, path.trim_start_matches('/'))?;
                if is_directory(&node) {
                    make_folder(&place)?;
                    counts.directories.fetch_add(1, Relaxed);
                } else if node.get("isSymlink") == Some(&json!(true)) {
                    counts.fail(&self.bar, text(&node, "path"), "left out: a symlink");
                } else {
                    self.bar
                        .expect(number(&node, "sizeBytes").unwrap_or(0).unsigned_abs());
                    send((node, place))?;
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn file(&self, node: &Row, to: &Path, counts: &Counts) -> anyhow::Result<()> {
        if !self.is_overwriting && to.symlink_metadata().is_ok() {
            bail!("{} exists already; replace it with --overwrite", shown(to));
        }
        if to.is_dir() {
            bail!("{} is a folder; a file cannot replace it", shown(to));
        }
        let id = number(node, "id").context("filestore's node has no id")?;
        let mut attempt = 1;
        let whole = loop {
            match self.fetch(id, to) {
                Ok(whole) => break whole,
                Err(error) if attempt < ATTEMPTS && is_broken_off(&error) => {
                    attempt += 1;
                    self.bar
                        .say(format_args!("{}: {error:#}; going on", shown(to)));
                }
                Err(error) => return Err(error),
            }
        };
        let length = whole.put(to, self.is_overwriting)?;
        counts.files.fetch_add(1, Relaxed);
        counts.bytes.fetch_add(length, Relaxed);
        Ok(())
    }

    /// Fetches what is not there yet of a file, beside its place.
    fn fetch(&self, id: i64, to: &Path) -> anyhow::Result<Whole> {
        let response = self.content(id, None)?;
        let promise = Promise::of(response.headers());
        let mut part = part::open(to, id, &promise.etag)?;
        let response = match part.length() {
            0 => response,
            there => {
                drop(response);
                let response = self.content(id, Some((there, &promise.etag)))?;
                if response.status() == StatusCode::PARTIAL_CONTENT {
                    self.bar.advance(there);
                } else {
                    // It has changed since, or there is nothing left of it to be sent.
                    part.start_again()?;
                }
                response
            }
        };
        self.copy(response, |bytes| part.write(bytes))?;
        part.check(promise.content_hash.as_deref())
    }

    fn to_stdout(&self, node: &Row) -> anyhow::Result<()> {
        let id = number(node, "id").context("filestore's node has no id")?;
        let response = self.content(id, None)?;
        let promise = Promise::of(response.headers());
        let (mut out, mut hasher) = (crate::output::stdout(), blake3::Hasher::new());
        self.copy(response, |bytes| {
            hasher.update(bytes);
            out.write_all(bytes)
        })?;
        out.flush()?;
        part::compare(promise.content_hash.as_deref(), &hasher)
    }

    fn content(&self, id: i64, rest: Option<(u64, &str)>) -> anyhow::Result<Response> {
        let filestore = &self.services.filestore;
        let mut request = filestore.get(&format!("/v1/files/{id}/content"));
        if let Some((from, etag)) = rest {
            request = request
                .header(RANGE, format!("bytes={from}-"))
                .header(IF_RANGE, etag);
        }
        match filestore.send(request) {
            // All of it is there already, so the range lies outside.
            Err(error)
                if rest.is_some() && error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) =>
            {
                self.content(id, None)
            }
            response => Ok(response?),
        }
    }

    fn copy(
        &self,
        mut response: Response,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        use std::io::Read as _;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = response.read(&mut buffer).map_err(BrokenOff)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            write(read)?;
            self.bar.advance(count as u64);
        }
    }
}

/// What filestore says of the contents that come.
struct Promise {
    etag: String,
    content_hash: Option<String>,
}

impl Promise {
    fn of(headers: &HeaderMap) -> Self {
        let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self {
            etag: header(ETAG.as_str()).unwrap_or_default(),
            content_hash: header("x-filestore-content-hash"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the download broke off")]
struct BrokenOff(#[source] io::Error);

fn is_broken_off(error: &anyhow::Error) -> bool {
    error.downcast_ref::<BrokenOff>().is_some()
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    match std::fs::create_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be made", shown(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_service_names_stays_below_the_folder() {
        let folder = Path::new("/to");
        assert_eq!(below(folder, "a/b").unwrap(), Path::new("/to/a/b"));
        for path in ["", "..", "a/../../b", "/etc/passwd", "a//b", "a/.", "a\0"] {
            assert!(below(folder, path).is_err(), "{path:?}");
        }
    }
}
