//! `ls` and `stat`: what filestore has.

use super::listing::{Listing, marked, total_bytes};
use super::{Outcome, text};
use crate::client::Services;
use crate::output::{Column, Format, Row, Rows, bytes};
use crate::reading::Reading;
use crate::target::{self, Target};
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;

/// `tidemark ls`
#[derive(Args, Debug)]
pub struct LsArgs {
    /// A node id, MOUNT:PATH, or a path on this machine; without it the current folder, or the
    /// mounts if that is in none
    #[arg(value_name = "NODE|PATH")]
    pub target: Option<OsString>,
    /// More of each: permissions and owner, its exact size, the files below it, when it changed
    #[arg(long, short)]
    pub long: bool,
    /// Everything below, not only what is directly in it
    #[arg(long, short = 'R', conflicts_with = "depth")]
    pub recursive: bool,
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
    let found = match &args.target {
        Some(target) => target::find(services, target)?,
        None => match target::find(services, ".".as_ref()) {
            Ok(found) => found,
            Err(error) => return ls_mounts(services, args, error),
        },
    };
    let (mount_id, path) = match found {
        Target::Path { mount_id, path } => (mount_id, path),
        node @ Target::Node(_) => {
            let node = target::known_node(services, &node)?;
            let mount_id = node.get("backendMountId").and_then(Value::as_i64);
            let path = node.get("path").and_then(Value::as_str).map(str::to_owned);
            mount_id
                .zip(path)
                .context("filestore's node has no mount and path")?
        }
    };
    let format = args.reading.output;
    let mut out = Rows::stdout(format, columns(args.long));
    let listing = Listing {
        mount_id,
        path,
        depth: (!args.recursive).then_some(args.depth),
        limit: args.limit.unwrap_or(u64::MAX),
    };
    let above = listing.path.len();
    let count = listing.each(services, |node| {
        let path = text(&node, "path").get(above..).unwrap_or_default();
        let name = marked(path.trim_start_matches('/'), &node);
        Ok(out.push(&listed(node, name, format))?)
    })?;
    if count == 0 && listing.limit > 0 {
        // A file has nothing below it, and is listed itself; what is not there is an error.
        let Listing { mount_id, path, .. } = listing;
        let node = target::known_node(services, &Target::Path { mount_id, path })?;
        if let Value::Object(node) = node
            && text(&node, "kind") == "file"
        {
            let name = marked(text(&node, "name"), &node);
            out.push(&listed(node, name, format))?;
        }
    }
    out.finish()?;
    Ok(Outcome::Good)
}

/// Nothing was named, and the current folder is in no mount: what could be named.
fn ls_mounts(services: &Services, args: &LsArgs, error: anyhow::Error) -> anyhow::Result<Outcome> {
    let mounts = target::mounts(&services.filestore)?;
    if mounts.is_empty() {
        return Err(error);
    }
    let mut out = Rows::stdout(args.reading.output, columns(args.long));
    for mount in mounts {
        let root = Target::Path {
            mount_id: mount.id,
            path: String::new(),
        };
        if let Value::Object(node) = target::known_node(services, &root)? {
            let name = format!("{}:", mount.mount_key);
            out.push(&listed(node, name, args.reading.output))?;
        }
    }
    out.finish()?;
    Ok(Outcome::Good)
}

fn columns(is_long: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::text("shownName").titled("NAME").for_people(),
        Column::text("path").for_programs(),
        Column::text("kind").for_programs(),
    ];
    if is_long {
        columns.extend([
            Column::text("permissions").titled("MODE").for_people(),
            Column::number("mode").for_programs(),
            Column::text("user"),
            Column::text("group"),
            Column::number("totalBytes").titled("BYTES"),
            Column::number("files"),
            Column::time("lastModifiedAt").titled("MODIFIED"),
            Column::number("version"),
        ]);
    } else {
        columns.extend([
            Column::bytes("totalBytes").titled("SIZE"),
            Column::age("lastModifiedAt").titled("MODIFIED"),
        ]);
    }
    columns.extend([Column::text("state"), Column::number("id")]);
    columns
}

/// The node with what a listing shows of it.
fn listed(mut node: Row, name: String, format: Format) -> Row {
    let total = total_bytes(&node);
    let files = node
        .get("rollup")
        .and_then(|rollup| rollup.get("fileCount"));
    let files = files.cloned().unwrap_or_default();
    node.insert("totalBytes".to_owned(), total);
    node.insert("files".to_owned(), files);
    // For people only: programs have the path.
    if format == Format::Table {
        node.insert("shownName".to_owned(), name.into());
        node.insert("permissions".to_owned(), permissions(&node).into());
        for (name, id) in [("user", "uid"), ("group", "gid")] {
            if node.get(name).is_none_or(Value::is_null) {
                let id = node.get(id).cloned().unwrap_or_default();
                node.insert(name.to_owned(), id);
            }
        }
    }
    node
}

/// Type and permissions as `ls -l` shows them; `None`, if they are not known.
fn permissions(node: &Row) -> Option<String> {
    let mode = node.get("mode")?.as_u64()?;
    let letter = match node.get("fileType")?.as_str()? {
        "directory" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "socket" => 's',
        "character" => 'c',
        "block" => 'b',
        _ => '-',
    };
    let bit = |bit: u64, letter: char| if mode & bit != 0 { letter } else { '-' };
    // An execute bit shows set-user-id, set-group-id or sticky too: a capital letter without it.
    let execute = |execute: u64, special: u64, letter: char| match (mode & execute, mode & special)
    {
        (0, 0) => '-',
        (_, 0) => 'x',
        (0, _) => letter.to_ascii_uppercase(),
        (_, _) => letter,
    };
    let letters = [
        letter,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        execute(0o100, 0o4000, 's'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        execute(0o010, 0o2000, 's'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        execute(0o001, 0o1000, 't'),
    ];
    Some(letters.into_iter().collect())
}

pub(crate) fn stat(services: &Services, args: &StatArgs) -> anyhow::Result<Outcome> {
    let Value::Object(node) = target::find_node(services, &args.target)? else {
        return Err(services
            .filestore
            .garbled("the node is not an object")
            .into());
    };
    if args.reading.output == Format::Table {
        return stat_table(&node);
    }
    let mut out = Rows::stdout_of(args.reading.output, STAT_FIRST);
    out.push(&node)?;
    out.finish()?;
    Ok(Outcome::Good)
}

/// The fields that come first, in this order; the others follow by name.
const STAT_FIRST: &[&str] = &[
    "path",
    "name",
    "id",
    "kind",
    "sizeBytes",
    "lastModifiedAt",
    "state",
    "version",
    "backendMountId",
    "parentId",
];

/// One field a line, sizes in both ways.
fn stat_table(node: &Row) -> anyhow::Result<Outcome> {
    let mut out = Rows::stdout(
        Format::Table,
        vec![Column::text("field"), Column::text("value")],
    );
    let first = STAT_FIRST.iter().filter_map(|key| node.get_key_value(*key));
    let others = node
        .iter()
        .filter(|(key, _)| !STAT_FIRST.contains(&key.as_str()));
    let fields = first
        .chain(others)
        .flat_map(|(key, value)| match (key.as_str(), value) {
            // What is below a directory, how to get a file, its lists, attributes and tags: a line for
            // each field.
            ("rollup" | "download" | "attributes" | "objectTags", Value::Object(fields)) => fields
                .iter()
                .map(|(name, value)| (format!("{key}.{name}"), value))
                .collect(),
            _ => vec![(key.clone(), value)],
        });
    for (key, value) in fields {
        let shown = match value.as_i64() {
            Some(size) if key.ends_with("Bytes") => json!(format!("{size} ({})", bytes(size))),
            Some(mode) if key == "mode" => json!(format!("{mode:04o}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_shown_as_ls_shows_them() {
        let shown = |file_type: &str, mode: u32| {
            let node = json!({ "fileType": file_type, "mode": mode });
            permissions(node.as_object().unwrap()).unwrap()
        };
        assert_eq!(shown("regular", 0o644), "-rw-r--r--");
        assert_eq!(shown("directory", 0o1777), "drwxrwxrwt");
        assert_eq!(shown("regular", 0o4755), "-rwsr-xr-x");
        assert_eq!(shown("regular", 0o6640), "-rwSr-S---");
        assert_eq!(shown("symlink", 0o777), "lrwxrwxrwx");
        assert_eq!(permissions(&Row::new()), None);
    }
}
