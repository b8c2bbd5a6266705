//! `mkdir`, `mv`, `cp` and `rm`.

use super::super::{Outcome, text};
use super::bar::Bar;
use super::{Changing, Destination, Place, answer_columns, answer_row, is_directory, json_command};
use crate::client::{Error, Services};
use crate::output::{Row, Rows, escape};
use anyhow::{Context as _, bail};
use clap::Args;
use node::name::spelled;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::ffi::OsString;

/// `tidemark mkdir`
#[derive(Args, Debug)]
pub struct MkdirArgs {
    /// The directories: MOUNT:PATH, or paths on this machine. Those above them are made too
    #[arg(value_name = "PATH", required = true)]
    pub targets: Vec<OsString>,
    /// Do not fail if a directory exists already
    #[arg(long, short)]
    pub parents: bool,
    /// Metadata of the directories, a JSON object
    #[arg(long, value_name = "JSON", value_parser = super::meta::object)]
    pub metadata: Option<Row>,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

/// `tidemark mv`
#[derive(Args, Debug)]
pub struct MvArgs {
    /// The files and directories to move, then the destination: a directory, or a new name
    #[arg(value_name = "NODE|PATH", num_args = 2.., required = true)]
    pub paths: Vec<OsString>,
    /// Replace a file that is there
    #[arg(long, short = 'f')]
    pub overwrite: bool,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

/// `tidemark cp`
#[derive(Args, Debug)]
pub struct CpArgs {
    /// The files and directories to copy, then the destination: a directory, or a new name
    #[arg(value_name = "NODE|PATH", num_args = 2.., required = true)]
    pub paths: Vec<OsString>,
    /// Copy directories with everything in them
    #[arg(long, short)]
    pub recursive: bool,
    /// Replace a file that is there
    #[arg(long, short = 'f')]
    pub overwrite: bool,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

/// `tidemark rm`
#[derive(Args, Debug)]
pub struct RmArgs {
    /// The files and directories to delete
    #[arg(value_name = "NODE|PATH", required = true)]
    pub targets: Vec<OsString>,
    /// Delete directories with everything in them
    #[arg(long, short)]
    pub recursive: bool,
    /// Do not fail if one does not exist
    #[arg(long, short)]
    pub force: bool,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

const DIRECTORIES: &str = "/v1/directories";

pub(crate) fn mkdir(services: &Services, args: &MkdirArgs) -> anyhow::Result<Outcome> {
    each(&args.changing, &args.targets, |bar, target| {
        let place = Place::find(services, target)?;
        let body = json!({"backendMountId": place.mount_id, "path": place.path,
            "metadata": args.metadata});
        let post = (&Method::POST, DIRECTORIES);
        match json_command(services, &args.changing, bar, post, &body) {
            Err(error) if args.parents && error.status() == Some(StatusCode::CONFLICT) => {
                match place.node(services)?.filter(is_directory) {
                    Some(node) => Ok(Some(node)),
                    None => Err(error.into()),
                }
            }
            answer => Ok(Some(answer_row(answer?))),
        }
    })
}

pub(crate) fn mv(services: &Services, args: &MvArgs) -> anyhow::Result<Outcome> {
    relocate(
        services,
        &args.paths,
        &args.changing,
        "/v1/nodes/move",
        |_, _| Ok(args.overwrite),
    )
}

pub(crate) fn cp(services: &Services, args: &CpArgs) -> anyhow::Result<Outcome> {
    relocate(
        services,
        &args.paths,
        &args.changing,
        "/v1/nodes/copy",
        |text, source| {
            let is_directory = source
                .node(services)?
                .is_some_and(|node| is_directory(&node));
            if is_directory && !args.recursive {
                bail!("{text} is a directory; copy it with --recursive");
            }
            Ok(args.overwrite)
        },
    )
}

/// Moves or copies each but the last into or to the last. `check` may refuse a source, and says
/// whether a file may be replaced.
fn relocate(
    services: &Services,
    paths: &[OsString],
    changing: &Changing,
    route: &str,
    check: impl Fn(&str, &Place) -> anyhow::Result<bool>,
) -> anyhow::Result<Outcome> {
    let (target, sources) = paths.split_last().context("the destination is missing")?;
    let destination = Destination::find(services, target, sources.len())?;
    each(changing, sources, |bar, text| {
        let source = Place::find(services, text)?;
        let shown = crate::target::shown(text);
        if source.path.is_empty() {
            bail!("{shown} is the root of its mount and cannot be moved");
        }
        let overwrite = check(&shown, &source)?;
        let target = destination.of(source.name());
        let body = json!({"backendMountId": source.mount_id, "path": source.path,
            "targetBackendMountId": target.mount_id, "targetPath": target.path,
            "overwrite": overwrite});
        let post = (&Method::POST, route);
        Ok(Some(answer_row(json_command(
            services, changing, bar, post, &body,
        )?)))
    })
}

pub(crate) fn rm(services: &Services, args: &RmArgs) -> anyhow::Result<Outcome> {
    each(&args.changing, &args.targets, |bar, text| {
        let place = match Place::find(services, text) {
            Err(error) if args.force && is_not_found(&error) => return Ok(None),
            place => place?,
        };
        let shown = crate::target::shown(text);
        if place.path.is_empty() {
            bail!("{shown} is the root of its mount and cannot be deleted");
        }
        let is_directory = place
            .node(services)?
            .is_some_and(|node| is_directory(&node));
        if is_directory && !args.recursive {
            bail!("{shown} is a directory; delete it with --recursive");
        }
        let body = json!({"backendMountId": place.mount_id, "path": place.path,
            "recursive": args.recursive});
        let delete = (&Method::DELETE, "/v1/nodes");
        match json_command(services, &args.changing, bar, delete, &body) {
            Err(error) if args.force && error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            answer => Ok(Some(answer_row(answer?))),
        }
    })
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<Error>())
        .any(|error| error.status() == Some(StatusCode::NOT_FOUND))
}

/// Does `work` for each operand and prints its row. One that fails does not stop the others, as
/// with the tools of the same names; the command then ends with 1.
fn each(
    changing: &Changing,
    operands: &[OsString],
    work: impl Fn(&Bar, &std::ffi::OsStr) -> anyhow::Result<Option<Row>>,
) -> anyhow::Result<Outcome> {
    let mut out = Rows::stdout(changing.reading.output, answer_columns());
    let mut outcome = Outcome::Good;
    for operand in operands {
        let shown = spelled(operand);
        let bar = Bar::waiting(&shown);
        let done = work(&bar, operand);
        bar.end();
        match done {
            Ok(Some(row)) => out.push(&row)?,
            Ok(None) => {}
            Err(error) if operands.len() == 1 => return Err(error),
            Err(error) => {
                crate::output::say(format_args!("error: {}: {error:#}", escape(&shown)));
                outcome = Outcome::Bad;
            }
        }
    }
    out.finish()?;
    Ok(outcome)
}

/// Makes a directory that may be there already.
pub(crate) fn ensure_directory(
    services: &Services,
    changing: &Changing,
    bar: &Bar,
    place: &Place,
) -> anyhow::Result<()> {
    if place.path.is_empty() {
        return Ok(());
    }
    let body = json!({"backendMountId": place.mount_id, "path": place.path});
    let post = (&Method::POST, DIRECTORIES);
    match json_command(services, changing, bar, post, &body) {
        Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
            match place
                .node(services)?
                .filter(|node| text(node, "kind") == "directory")
            {
                Some(_) => Ok(()),
                None => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_joins_names_below_it_and_below_the_root() {
        let place = |path: &str| Place {
            mount_id: 1,
            path: path.to_owned(),
        };
        assert_eq!(place("").join("a"), place("a"));
        assert_eq!(place("a").join("b/c"), place("a/b/c"));
        assert_eq!(place("a").join(""), place("a"));
        assert_eq!(place("a/b").name(), "b");
    }
}
