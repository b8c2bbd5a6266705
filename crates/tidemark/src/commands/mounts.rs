//! `mounts add` and `mounts list`.

use super::{Outcome, rows_in, text};
use crate::args::Reading;
use crate::client::Services;
use crate::output::{Column, Row, Rows, escape, say};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `tidemark mounts`
#[derive(Subcommand, Debug)]
pub enum MountsCommand {
    /// Make a folder of filestore's machine a mount
    Add(MountsAddArgs),
    /// List the mounts
    List(MountsListArgs),
}

/// `tidemark mounts add`
#[derive(Args, Debug)]
pub struct MountsAddArgs {
    /// The folder
    pub dir: PathBuf,
    /// The mount's key; without it, made from the folder's name
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Whether commands may change files in it
    #[arg(long, value_enum, default_value = "rw")]
    pub access: Access,
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

impl MountsCommand {
    /// What every command of these takes.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        match self {
            Self::Add(args) => &args.reading,
            Self::List(args) => &args.reading,
        }
    }
}

pub(crate) fn run(services: &Services, command: &MountsCommand) -> anyhow::Result<Outcome> {
    let rows = match command {
        MountsCommand::Add(args) => vec![add(services, args)?],
        MountsCommand::List(_) => {
            let filestore = &services.filestore;
            let request = filestore
                .get("/v1/backend-mounts")
                .query(&[("limit", "1000")]);
            rows_in(filestore.data(request)?, &["mounts"])
        }
    };
    let columns = vec![
        Column::number("id"),
        Column::text("mountKey"),
        Column::text("backendKind"),
        Column::text("accessMode"),
        Column::text("state"),
        Column::text("rootPath"),
    ];
    let mut out = Rows::stdout(command.reading().output, columns);
    for row in &rows {
        out.push(row)?;
    }
    out.finish()?;
    Ok(Outcome::Good)
}

fn add(services: &Services, args: &MountsAddArgs) -> anyhow::Result<Row> {
    let root = std::path::absolute(&args.dir)
        .with_context(|| format!("{} is no path", args.dir.display()))?;
    let root = root
        .to_str()
        .context("the path of a mount's root must be UTF-8")?;
    let access = match args.access {
        Access::Rw => "rw",
        Access::Ro => "ro",
    };
    // Without a key, filestore makes one from the folder's name.
    let body = json!({"mountKey": args.key, "backendKind": "local", "accessMode": access,
        "rootPath": root});
    let filestore = &services.filestore;
    let request = filestore
        .request(reqwest::Method::POST, "/v1/backend-mounts")
        .json(&body);
    match filestore.data(request)? {
        Value::Object(mount) => {
            let key = text(&mount, "mountKey");
            say(format_args!(
                "`tidemark scan {}` catalogues it",
                escape(key)
            ));
            Ok(mount)
        }
        _ => Err(filestore.garbled("the mount is not an object").into()),
    }
}
