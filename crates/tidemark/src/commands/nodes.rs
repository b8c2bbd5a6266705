//! `ls` and `stat`: what filestore has.

use super::{Outcome, rows_in, text};
use crate::args::Reading;
use crate::client::Services;
use crate::output::{Column, Format, Row, Rows, bytes};
use crate::target::{self, Target};
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;

/// Nodes asked for at once.
const PAGE: u64 = 500;

/// `tidemark ls`
#[derive(Args, Debug)]
pub struct LsArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH", default_value = ".")]
    pub target: OsString,
    /// How many levels down
    #[arg(long, value_name = "LEVELS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: u32,
    /// At most this many nodes; without it all
    #[arg(long, value_name = "NODES")]
    pub limit: Option<u64>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark stat`
#[derive(Args, Debug)]
pub struct StatArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

pub(crate) fn ls(services: &Services, args: &LsArgs) -> anyhow::Result<Outcome> {
    let (mount_id, path) = match target::find(services, &args.target)? {
        Target::Path { mount_id, path } => (mount_id, path),
        node @ Target::Node(_) => {
            let node = target::node(services, &node)?;
            let mount_id = node.get("backendMountId").and_then(Value::as_i64);
            let path = node.get("path").and_then(Value::as_str).map(str::to_owned);
            mount_id
                .zip(path)
                .context("filestore's node has no mount and path")?
        }
    };
    let columns = vec![
        Column::number("id"),
        Column::text("kind"),
        Column::text("state"),
        Column::bytes("totalBytes"),
        Column::text("lastModifiedAt"),
        Column::text("path"),
    ];
    let mut out = Rows::stdout(args.reading.output, columns);
    let limit = args.limit.unwrap_or(u64::MAX);
    let (mut offset, mut after) = (0, None::<i64>);
    while offset < limit {
        let page = PAGE.min(limit - offset);
        let mut query = vec![
            ("backendMountId", mount_id.to_string()),
            ("path", path.clone()),
            ("depth", args.depth.to_string()),
            ("limit", page.to_string()),
        ];
        // The keyset goes on where the last page ended, however large the directory.
        match after {
            Some(after) => query.push(("after", after.to_string())),
            None => query.push(("offset", offset.to_string())),
        }
        let filestore = &services.filestore;
        let nodes = rows_in(
            filestore.data(filestore.get("/v1/nodes").query(&query))?,
            &["nodes"],
        );
        for node in &nodes {
            out.push(&with_total(node.clone()))?;
        }
        let count = nodes.len() as u64;
        offset += count;
        after = nodes
            .last()
            .and_then(|node| node.get("id"))
            .and_then(Value::as_i64);
        if count < page {
            break;
        }
    }
    if offset == 0 && limit > 0 {
        // A file has nothing below it, and is listed itself; what is not there is an error.
        let node = target::node(services, &Target::Path { mount_id, path })?;
        if let Value::Object(node) = node
            && text(&node, "kind") == "file"
        {
            out.push(&with_total(node))?;
        }
    }
    out.finish()?;
    Ok(Outcome::Good)
}

pub(crate) fn stat(services: &Services, args: &StatArgs) -> anyhow::Result<Outcome> {
    let found = target::find(services, &args.target)?;
    let Value::Object(node) = target::node(services, &found)? else {
        return Err(services
            .filestore
            .garbled("the node is not an object")
            .into());
    };
    if args.reading.output == Format::Table {
        return stat_table(&node);
    }
    let mut out = Rows::stdout_of(args.reading.output, &["id", "path", "kind", "state"]);
    out.push(&node)?;
    out.finish()?;
    Ok(Outcome::Good)
}

/// One field a line, sizes in both ways.
fn stat_table(node: &Row) -> anyhow::Result<Outcome> {
    let mut out = Rows::stdout(
        Format::Table,
        vec![Column::text("field"), Column::text("value")],
    );
    let rollup = node.get("rollup").and_then(Value::as_object);
    let fields = node.iter().filter(|(key, _)| *key != "rollup");
    let totals = rollup.into_iter().flatten();
    let named = fields
        .map(|(key, value)| (key.clone(), value))
        .chain(totals.map(|(key, value)| (format!("rollup.{key}"), value)));
    for (key, value) in named {
        let shown = match value.as_i64() {
            Some(size) if key.ends_with("Bytes") => json!(format!("{size} ({})", bytes(size))),
            _ => value.clone(),
        };
        let mut row = Row::new();
        row.insert("field".to_owned(), json!(key));
        row.insert("value".to_owned(), shown);
        out.push(&row)?;
    }
    out.finish()?;
    Ok(Outcome::Good)
}

/// A directory's size is what is in it.
fn with_total(mut node: Row) -> Row {
    let total = node
        .get("rollup")
        .and_then(|rollup| rollup.get("sizeBytes"));
    let total = total
        .filter(|total| !total.is_null())
        .or_else(|| node.get("sizeBytes"))
        .cloned();
    node.insert("totalBytes".to_owned(), total.unwrap_or_default());
    node
}
