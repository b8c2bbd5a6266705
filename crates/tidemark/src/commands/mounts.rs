//! `mounts add`, `mounts set`, `mounts list` and `mounts purge`.

mod purge;
mod settings;

use super::listing::total_bytes;
use super::{Outcome, rows_in, text};
use crate::client::{Service, Services};
use crate::output::{Column, Row, Rows, escape, say};
use crate::reading::Reading;
use crate::target::{self, Mount, Target, shown};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use node::name::spelled;
pub(crate) use purge::MountsPurgeArgs;
use serde_json::{Map, Value, json};
use settings::{AskingArgs, BucketArgs, HashingArgs};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// `tidemark mounts`
#[derive(Subcommand, Debug)]
pub enum MountsCommand {
    /// Make a folder of filestore's machine, or a bucket, a mount
    Add(MountsAddArgs),
    /// Change a mount
    Set(MountsSetArgs),
    /// List the mounts
    List(MountsListArgs),
    /// Forget files of a mount that have been missing for long; their history stays
    Purge(MountsPurgeArgs),
}

/// `tidemark mounts add`
#[derive(Args, Debug)]
pub struct MountsAddArgs {
    /// The folder, or the bucket as `s3://BUCKET` or `s3://BUCKET/PREFIX`
    #[arg(value_name = "DIR|s3://BUCKET/PREFIX")]
    pub dir: PathBuf,
    /// The mount's key; without it, made from the folder's name
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Whether commands may change files in it
    #[arg(long, value_enum, default_value = "rw")]
    pub access: Access,
    /// Where a bucket is, and who asks for it.
    #[command(flatten)]
    pub bucket: BucketArgs,
    /// What files of a local mount are asked for.
    #[command(flatten)]
    pub asking: AskingArgs,
    /// What is hashed in the background.
    #[command(flatten)]
    pub hashing: HashingArgs,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark mounts set`
#[derive(Args, Debug)]
pub struct MountsSetArgs {
    /// The mount's key or id, or a path in it
    pub mount: OsString,
    /// Whether commands may change files in it
    #[arg(long, value_enum)]
    pub access: Option<Access>,
    /// Whether it is in use. An inactive mount keeps its nodes, and nothing else is done with it
    #[arg(long, value_enum)]
    pub state: Option<State>,
    /// Its name for people; an empty one removes it
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where a bucket is, and who asks for it.
    #[command(flatten)]
    pub bucket: BucketArgs,
    /// What files of a local mount are asked for.
    #[command(flatten)]
    pub asking: AskingArgs,
    /// What is hashed in the background.
    #[command(flatten)]
    pub hashing: HashingArgs,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark mounts list`
#[derive(Args, Debug)]
pub struct MountsListArgs {
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// Whether commands may change files.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They may
    Rw,
    /// They may not
    Ro,
}

impl Access {
    const fn word(self) -> &'static str {
        match self {
            Self::Rw => "rw",
            Self::Ro => "ro",
        }
    }
}

/// Whether a mount is in use.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is
    Active,
    /// It is not
    Inactive,
}

impl MountsCommand {
    /// What every command of these takes.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        match self {
            Self::Add(args) => &args.reading,
            Self::Set(args) => &args.reading,
            Self::List(args) => &args.reading,
            Self::Purge(args) => &args.reading,
        }
    }
}

pub(crate) fn run(services: &Services, command: &MountsCommand) -> anyhow::Result<Outcome> {
    let filestore = &services.filestore;
    let rows = match command {
        MountsCommand::Add(args) => vec![add(filestore, args)?],
        MountsCommand::Set(args) => vec![set(filestore, args)?],
        MountsCommand::List(_) => list(filestore)?,
        MountsCommand::Purge(args) => return purge::run(services, args),
    };
    let columns = vec![
        Column::text("mountKey").titled("MOUNT"),
        Column::text("location"),
        Column::text("backendKind").titled("KIND"),
        Column::text("accessMode").titled("ACCESS"),
        Column::text("state"),
        Column::text("health"),
        Column::bytes("totalBytes").titled("SIZE"),
        Column::number("files"),
        Column::text("hashes"),
        Column::number("id"),
    ];
    let mut out = Rows::stdout(command.reading().output, columns);
    for mut row in rows {
        row.insert("location".to_owned(), location(&row).into());
        row.insert("hashes".to_owned(), hashes(&row).into());
        let health = row.get("lastHealthStatus").cloned().unwrap_or_default();
        row.insert("health".to_owned(), health);
        add_totals(services, &mut row);
        out.push(&row)?;
    }
    out.finish()?;
    Ok(Outcome::Good)
}

/// Bytes and files of the whole mount. A mount that was only just made has no totals yet.
fn add_totals(services: &Services, mount: &mut Row) {
    let Some(mount_id) = mount.get("id").and_then(Value::as_i64) else {
        return;
    };
    let root = Target::Path {
        mount_id,
        path: String::new(),
    };
    let Ok(Value::Object(root)) = target::node(services, &root) else {
        return;
    };
    let files = root
        .get("rollup")
        .and_then(|rollup| rollup.get("fileCount"));
    mount.insert("files".to_owned(), files.cloned().unwrap_or_default());
    mount.insert("totalBytes".to_owned(), total_bytes(&root));
}

fn list(filestore: &Service) -> anyhow::Result<Vec<Row>> {
    let request = filestore.get("/v1/backend-mounts");
    let data = filestore.data(request.query(&[("limit", "1000")]))?;
    Ok(rows_in(data, &["mounts"]))
}

/// Where its bytes are: the folder, or the bucket and the prefix.
fn location(mount: &Row) -> String {
    match text(mount, "bucket") {
        "" => text(mount, "rootPath").to_owned(),
        bucket => format!("s3://{bucket}/{}", text(mount, "prefix"))
            .trim_end_matches('/')
            .to_owned(),
    }
}

/// How hashing in the background is doing, in a word or two.
fn hashes(mount: &Row) -> String {
    let Some(Value::Object(hashing)) = mount.get("hashing") else {
        return "off".to_owned();
    };
    let number = |key: &str| hashing.get(key).and_then(Value::as_u64).unwrap_or(0);
    let left_out = number("unreadableFiles") + number("changingFiles");
    let mut shown = text(hashing, "state").to_owned();
    match number("pendingFiles") {
        0 => {}
        files => shown.push_str(&format!(", {files} files to go")),
    }
    if left_out > 0 {
        shown.push_str(&format!(", {left_out} left out"));
    }
    shown
}

fn add(filestore: &Service, args: &MountsAddArgs) -> anyhow::Result<Row> {
    let mut config = Map::new();
    args.asking.put_into(&mut config);
    args.hashing.put_into(&mut config);
    let bucket = args.dir.to_str().and_then(|dir| dir.strip_prefix("s3://"));
    let (kind, at) = if let Some(bucket) = bucket {
        args.bucket.put_into(&mut config)?;
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        (
            "s3",
            vec![("bucket", bucket.to_owned()), ("prefix", prefix.to_owned())],
        )
    } else {
        if let Some(flag) = args.bucket.given() {
            bail!("{flag} is for buckets only; name a bucket as s3://BUCKET/PREFIX");
        }
        let root = std::path::absolute(&args.dir)
            .with_context(|| format!("{} is no path", shown(&args.dir)))?;
        ("local", vec![("rootPath", spelled(root))])
    };
    // Without a key, filestore makes one from the folder's or the bucket's name.
    let mut body = Map::from_iter([
        ("mountKey".to_owned(), json!(args.key)),
        ("backendKind".to_owned(), kind.into()),
        ("accessMode".to_owned(), args.access.word().into()),
        ("config".to_owned(), Value::Object(config)),
    ]);
    body.extend(
        at.into_iter()
            .map(|(name, value)| (name.to_owned(), value.into())),
    );
    let request = filestore.request(reqwest::Method::POST, "/v1/backend-mounts");
    let mount = object(filestore, filestore.data(request.json(&body))?)?;
    let key = escape(text(&mount, "mountKey"));
    say(format_args!("`tidemark scan {key}` catalogues it"));
    Ok(mount)
}

/// The mounts, and the id of the one of this key or id.
fn find(filestore: &Service, named: &OsStr) -> anyhow::Result<(Vec<Row>, i64)> {
    let mounts = list(filestore)?;
    let known: Vec<Mount> = serde_json::from_value(json!(mounts))
        .map_err(|error| filestore.garbled(error.to_string()))?;
    let id = target::mount(&known, named)?.id;
    Ok((mounts, id))
}

fn set(filestore: &Service, args: &MountsSetArgs) -> anyhow::Result<Row> {
    let (mounts, id) = find(filestore, &args.mount)?;
    let path = format!("/v1/backend-mounts/{id}");
    let mount = mounts
        .into_iter()
        .find(|mount| mount.get("id").and_then(Value::as_i64) == Some(id))
        .context("the mount has no id")?;
    let mut patch = Map::new();
    if let Some(access) = args.access {
        patch.insert("accessMode".to_owned(), access.word().into());
    }
    if let Some(state) = args.state {
        let word = match state {
            State::Active => "active",
            State::Inactive => "inactive",
        };
        patch.insert("state".to_owned(), word.into());
    }
    if let Some(name) = &args.name {
        let name = Some(name).filter(|name| !name.is_empty());
        patch.insert("displayName".to_owned(), json!(name));
    }
    let before = match mount.get("config") {
        Some(Value::Object(config)) => config.clone(),
        _ => Map::new(),
    };
    let mut config = before.clone();
    args.asking.put_into(&mut config);
    args.hashing.put_into(&mut config);
    match args.bucket.given() {
        Some(flag) if text(&mount, "backendKind") != "s3" => {
            bail!(
                "{flag} is for buckets only, and {} is a folder",
                shown(&args.mount)
            )
        }
        Some(_) => args.bucket.put_into(&mut config)?,
        None => {}
    }
    if config != before {
        patch.insert("config".to_owned(), Value::Object(config));
    }
    if patch.is_empty() {
        bail!("nothing to change; name a change, for example --access ro or --hash on");
    }
    let request = filestore.request(reqwest::Method::PATCH, &path);
    object(filestore, filestore.data(request.json(&patch))?)
}

fn object(filestore: &Service, mount: Value) -> anyhow::Result<Row> {
    match mount {
        Value::Object(mount) => Ok(mount),
        _ => Err(filestore.garbled("the mount is not an object").into()),
    }
}
