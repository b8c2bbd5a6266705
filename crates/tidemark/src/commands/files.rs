//! Commands that change files or bring them here and there, and what they share.
//!
//! A file is named by a node id, as MOUNT:PATH, or by its path on this machine. If the destination is
//! a directory or ends with `/`, the file is placed inside it. Otherwise it gets exactly that path.
//!
//! Every command carries an idempotency key of its own. If a request times out, the service is asked
//! again under the same key until it answers. So a copy may take as long as it needs, and has one
//! effect.

pub(crate) mod bar;
pub(crate) mod change;
pub(crate) mod get;
pub(crate) mod meta;
pub(crate) mod pool;
pub(crate) mod put;
pub(crate) mod reconcile;

use super::text;
use crate::client::{ANSWER_TIMEOUT, Error, Service, Services};
use crate::output::{Column, Row};
use crate::reading::Reading;
use crate::target::{self, Target, shown};
use anyhow::{Context as _, bail};
use bar::Bar;
use clap::Args;
use reqwest::blocking::RequestBuilder;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use uuid::Uuid;

/// What commands that change files take.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Changing {
    /// The name of the person or program that the journal shows for this change
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// A place in a mount, whether or not something is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) mount_id: i64,
    pub(crate) path: String,
}

/// Where something is to go.
#[derive(Debug)]
pub(crate) struct Destination {
    place: Place,
    /// The file is placed inside it, under its own name.
    is_directory: bool,
}

impl Place {
    /// What `text` means.
    pub(crate) fn find(services: &Services, text: &OsStr) -> anyhow::Result<Self> {
        match target::find(services, text)? {
            Target::Path { mount_id, path } => Ok(Self { mount_id, path }),
            node @ Target::Node(_) => Self::of(&object(
                &services.filestore,
                target::node(services, &node)?,
            )?),
        }
    }

    /// Where this node is.
    pub(crate) fn of(node: &Row) -> anyhow::Result<Self> {
        let mount_id = node.get("backendMountId").and_then(Value::as_i64);
        let path = node.get("path").and_then(Value::as_str);
        let (mount_id, path) = mount_id
            .zip(path)
            .context("filestore's node has no mount and path")?;
        Ok(Self {
            mount_id,
            path: path.to_owned(),
        })
    }

    /// Below this one.
    pub(crate) fn join(&self, path: &str) -> Self {
        let path = match (self.path.as_str(), path) {
            ("", path) => path.to_owned(),
            (above, "") => above.to_owned(),
            (above, path) => format!("{above}/{path}"),
        };
        Self {
            mount_id: self.mount_id,
            path,
        }
    }

    /// The last part of the path; empty for a mount's root.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The node that is there and on disk.
    pub(crate) fn node(&self, services: &Services) -> anyhow::Result<Option<Row>> {
        let target = Target::Path {
            mount_id: self.mount_id,
            path: self.path.clone(),
        };
        match target::node(services, &target) {
            Ok(node) => {
                let node = object(&services.filestore, node)?;
                Ok(Some(node).filter(is_on_disk))
            }
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Destination {
    /// Where `sources` things go that are put at `text`.
    pub(crate) fn find(services: &Services, text: &OsStr, sources: usize) -> anyhow::Result<Self> {
        let place = Place::find(services, text)?;
        let node = place.node(services)?;
        let is_there = node.is_some();
        let is_directory = node.is_some_and(|node| is_directory(&node));
        let is_meant = place.path.is_empty() || text.as_bytes().ends_with(b"/");
        if is_there && !is_directory && (is_meant || sources > 1) {
            bail!(
                "{} is a file; name a directory as the destination",
                shown(text)
            );
        }
        if sources > 1 && !is_directory && !is_meant {
            bail!(
                "{} is not a directory; end it with `/` to make one for these files",
                shown(text)
            );
        }
        Ok(Self {
            place,
            is_directory: is_directory || is_meant,
        })
    }

    /// Where something of this name goes.
    pub(crate) fn of(&self, name: &str) -> Place {
        if self.is_directory {
            self.place.join(name)
        } else {
            self.place.clone()
        }
    }
}

pub(crate) fn object(filestore: &Service, value: Value) -> Result<Row, Error> {
    match value {
        Value::Object(row) => Ok(row),
        _ => Err(filestore.garbled("the answer is not an object")),
    }
}

pub(crate) fn is_directory(node: &Row) -> bool {
    text(node, "kind") == "directory"
}

pub(crate) fn is_on_disk(node: &Row) -> bool {
    matches!(text(node, "state"), "active" | "inconsistent")
}

pub(crate) fn number(node: &Row, key: &str) -> Option<i64> {
    node.get(key).and_then(Value::as_i64)
}

/// Sends a command until it is answered, and gives the answer. `request` makes it anew each time.
pub(crate) fn command(
    services: &Services,
    changing: &Changing,
    bar: &Bar,
    request: impl Fn(&Service) -> RequestBuilder,
) -> Result<Row, Error> {
    let filestore = &services.filestore;
    let key = Uuid::new_v4().to_string();
    loop {
        let mut request = request(filestore).header("Idempotency-Key", &key);
        if let Some(principal) = &changing.principal {
            request = request.header("X-Filestore-Principal", principal);
        }
        match filestore.data(request.timeout(ANSWER_TIMEOUT)) {
            Err(error) if error.status() == Some(StatusCode::GATEWAY_TIMEOUT) => bar.tick(),
            answer => return object(filestore, answer?),
        }
    }
}

/// [`command`] with a JSON body.
pub(crate) fn json_command(
    services: &Services,
    changing: &Changing,
    bar: &Bar,
    (method, path): (&Method, &str),
    body: &Value,
) -> Result<Row, Error> {
    command(services, changing, bar, |filestore| {
        filestore.request(method.clone(), path).json(body)
    })
}

/// The row of a command's answer: the node, and what the command says of itself.
pub(crate) fn answer_row(mut answer: Row) -> Row {
    let mut row = match answer.remove("node") {
        Some(Value::Object(node)) => node,
        _ => Row::new(),
    };
    if let Some(Value::Object(result)) = answer.remove("result") {
        for (key, value) in result {
            row.entry(key).or_insert(value);
        }
    }
    if let Some(id) = answer.remove("journalEntryId") {
        row.insert("journalEntryId".to_owned(), id);
    }
    row
}

/// The columns of [`answer_row`].
pub(crate) fn answer_columns() -> Vec<Column> {
    vec![
        Column::text("path"),
        Column::text("kind"),
        Column::text("state"),
        Column::number("id"),
        Column::number("journalEntryId").titled("JOURNAL ENTRY"),
    ]
}
