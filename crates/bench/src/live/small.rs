//! The smallest commands there are, each sent through the REST API.

use anyhow::Context as _;
use filestore::Filestore;
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::path::Path;

/// What an uploaded file holds.
pub(crate) const CONTENTS: [u8; 100] = [b'x'; 100];

/// Where the files that commands make are, within a measurement's data.
pub(crate) const MADE: &str = "made";

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Set a node's metadata: no file is touched.
    Metadata,
    /// Make a directory.
    Directory,
    /// Upload a file of a hundred bytes.
    Upload,
}

impl Kind {
    /// What a row of the report says.
    pub(crate) const fn shown(self) -> &'static str {
        match self {
            Self::Metadata => "commands/s, 16 clients, both books following",
            Self::Directory => "commands/s, 16 clients, directories made",
            Self::Upload => "commands/s, 16 clients, files of 100 bytes uploaded",
        }
    }
}

/// A command that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) enum Small {
    Metadata {
        url: String,
        number: usize,
    },
    Directory {
        url: String,
        mount: i64,
        path: String,
    },
    Upload {
        url: String,
        mount: i64,
        path: String,
    },
}

impl Small {
    pub(super) fn request(self, client: &reqwest::Client) -> RequestBuilder {
        match self {
            Self::Metadata { url, number } => client
                .patch(url)
                .json(&json!({"set": {"reviewed": number}})),
            Self::Directory { url, mount, path } => client
                .post(url)
                .json(&json!({"backendMountId": mount, "path": path})),
            Self::Upload { url, mount, path } => {
                let form = Form::new()
                    .text("backendMountId", mount.to_string())
                    .text("path", path)
                    .part("file", Part::bytes(CONTENTS.to_vec()).file_name("file"));
                client.post(url).multipart(form)
            }
        }
    }
}

/// The commands of one client. Each client has a directory of its own in an empty mount.
pub(super) fn of_client(
    kind: Kind,
    url: &str,
    number: u32,
    count: usize,
    (files, mount): (&[i64], i64),
) -> Vec<Small> {
    let path = |command: usize| format!("client-{number:02}/new-{command:06}");
    (0..count)
        .zip(files.iter().cycle())
        .map(|(command, file)| match kind {
            Kind::Metadata => Small::Metadata {
                url: format!("{url}/v1/nodes/{file}/metadata"),
                number: command,
            },
            Kind::Directory => Small::Directory {
                url: format!("{url}/v1/directories"),
                mount,
                path: path(command),
            },
            Kind::Upload => Small::Upload {
                url: format!("{url}/v1/files"),
                mount,
                path: path(command),
            },
        })
        .collect()
}

/// An empty mount in `data`, for what is made.
pub(super) fn empty_mount(filestore: &Filestore, data: &Path) -> anyhow::Result<i64> {
    let root = data.join(MADE);
    fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
    Ok(filestore.ensure_local_mount(&root)?.id)
}
