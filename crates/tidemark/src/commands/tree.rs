//! `tree`: what is below a directory, drawn as a tree.

use super::listing::{Listing, marked, total_bytes};
use super::{Outcome, text};
use crate::client::Services;
use crate::output::{Column, Format, Row, Rows, bytes, escape, say, stdout};
use crate::reading::Reading;
use crate::target;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;

/// `tidemark tree`
#[derive(Args, Debug)]
pub struct TreeArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH", default_value = ".")]
    pub target: OsString,
    /// How many levels down; without it all
    #[arg(long, short = 'L', value_name = "LEVELS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,
    /// Directories only
    #[arg(long, short = 'd')]
    pub directories: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// What is drawn of a node.
#[derive(Debug, PartialEq, Eq)]
struct Branch {
    id: i64,
    name: String,
    size: Option<i64>,
    is_directory: bool,
}

/// The nodes by the directory they are in.
type Branches = BTreeMap<i64, Vec<Branch>>;

pub(crate) fn run(services: &Services, args: &TreeArgs) -> anyhow::Result<Outcome> {
    let found = target::find(services, &args.target)?;
    let top = super::files::object(&services.filestore, target::known_node(services, &found)?)?;
    let place = super::files::Place::of(&top)?;
    let listing = Listing {
        mount_id: place.mount_id,
        path: place.path,
        depth: args.depth,
        limit: u64::MAX,
    };
    let is_wanted = |node: &Row| !args.directories || text(node, "kind") == "directory";
    if args.reading.output != Format::Table {
        return rows(services, &listing, args.reading.output, is_wanted);
    }
    let mut branches = Branches::new();
    listing.each(services, |node| {
        if is_wanted(&node)
            && let Some(parent) = node.get("parentId").and_then(Value::as_i64)
            && let Some(branch) = Branch::of(&node)
        {
            branches.entry(parent).or_default().push(branch);
        }
        Ok(())
    })?;
    let name = target::shown(&args.target);
    let mut out = stdout();
    if let Some(root) = Branch::of(&top) {
        draw(&mut out, &name, &root, &mut branches)?;
    }
    out.flush()?;
    Ok(Outcome::Good)
}

/// The same nodes as rows, in the order of their paths.
fn rows(
    services: &Services,
    listing: &Listing,
    format: Format,
    is_wanted: impl Fn(&Row) -> bool,
) -> anyhow::Result<Outcome> {
    let columns = ["path", "kind", "totalBytes", "state", "id"].map(Column::text);
    let mut out = Rows::stdout(format, columns.into());
    listing.each(services, |mut node| {
        if is_wanted(&node) {
            node.insert("totalBytes".to_owned(), total_bytes(&node));
            out.push(&node)?;
        }
        Ok(())
    })?;
    out.finish()?;
    Ok(Outcome::Good)
}

impl Branch {
    fn of(node: &Row) -> Option<Self> {
        let state = match text(node, "state") {
            "active" => String::new(),
            state => format!("  ({state})"),
        };
        Some(Self {
            id: node.get("id")?.as_i64()?,
            name: format!("{}{state}", marked(&escape(text(node, "name")), node)),
            size: total_bytes(node).as_i64(),
            is_directory: text(node, "kind") == "directory",
        })
    }
}

/// Draws it from the top down, without a call for each level: a tree may be a thousand deep.
fn draw(
    out: &mut impl Write,
    title: &str,
    top: &Branch,
    branches: &mut Branches,
) -> std::io::Result<()> {
    let sized = |branch: &Branch| branch.size.map(bytes).unwrap_or_default();
    writeln!(out, "{:>7}  {title}", sized(top))?;
    let mut below = |id: i64| {
        let mut names = branches.remove(&id).unwrap_or_default();
        names.sort_by(|a, b| b.name.cmp(&a.name));
        names
    };
    // For each level what is still to come of it, the next one last.
    let mut levels = vec![below(top.id)];
    let (mut directories, mut files) = (0_u64, 0_u64);
    while let Some(level) = levels.last_mut() {
        let Some(branch) = level.pop() else {
            levels.pop();
            continue;
        };
        let is_last = level.is_empty();
        let above = levels.iter().rev().skip(1).rev();
        let stem: String = above
            .map(|level| if level.is_empty() { "    " } else { "│   " })
            .collect();
        let fork = if is_last { "└── " } else { "├── " };
        writeln!(out, "{:>7}  {stem}{fork}{}", sized(&branch), branch.name)?;
        if branch.is_directory {
            directories += 1;
            levels.push(below(branch.id));
        } else {
            files += 1;
        }
    }
    // On a terminal the sum stands below the tree.
    out.flush()?;
    say(format_args!("{directories} directories, {files} files"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_in_the_order_of_its_names_with_the_sizes_before_them() {
        let branch = |id, name: &str, size, is_directory| Branch {
            id,
            name: name.to_owned(),
            size: Some(size),
            is_directory,
        };
        let top = branch(1, "", 3_000, true);
        let mut branches = Branches::from([
            (
                1,
                vec![
                    branch(2, "a/", 2_048, true),
                    branch(3, "a-b", 900, false),
                    branch(4, "z/", 52, true),
                ],
            ),
            (2, vec![branch(5, "deep/", 2_048, true)]),
            (5, vec![branch(6, "f", 2_048, false)]),
            (4, vec![branch(7, "g", 52, false)]),
        ]);
        let mut out = Vec::new();
        draw(&mut out, "demo:", &top, &mut branches).unwrap();
        let expected = "   3.0K  demo:
    900  ├── a-b
   2.0K  ├── a/
   2.0K  │   └── deep/
   2.0K  │       └── f
     52  └── z/
     52      └── g
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
