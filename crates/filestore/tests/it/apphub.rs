//! What AppHub's filestore SDK and its command line send, request by request, and what they read.
//!
//! Written from the public sources of the SDK (`packages/filestore-client`), its command line, and
//! the schemas with which AppHub's frontend checks every answer; nothing of them is copied. Requests
//! are sent as those clients send them: header for header, field for field, in their order. What is
//! asserted is what they read, and that a schema of theirs would let it pass.

mod commands;
mod events;
mod mounts;
mod nodes;
mod reconciliation;

use crate::support::{Answered, Server};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

impl Server {
    /// A request with the headers that the SDK sends with each.
    fn sdk(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .header("Accept", "application/json")
            .header("User-Agent", "filestore-cli/0.1.0")
    }

    async fn sdk_command(&self, method: Method, path: &str, key: &str, body: Value) -> Answered {
        let request = self
            .sdk(method, path)
            .header("x-filestore-principal", "ada")
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body.to_string());
        self.send(request).await
    }

    async fn sdk_upload(&self, path: &str, content: &str, fields: &[(&str, &str)]) -> Answered {
        let mut form = Form::new()
            .text("backendMountId", self.mount.to_string())
            .text("path", path.to_owned());
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        let key = format!("upload {path} {}", content.len());
        let name = path.rsplit('/').next().unwrap().to_owned();
        let part = Part::bytes(content.as_bytes().to_vec()).file_name(name);
        let form = form
            .text("idempotencyKey", key.clone())
            .part("file", part.mime_str("application/octet-stream").unwrap());
        let request = self.sdk(Method::POST, "/v1/files");
        let request = request
            .header("x-filestore-principal", "ada")
            .header("Idempotency-Key", key);
        self.send(request.multipart(form)).await
    }
}

/// The names and types that a node must have, as AppHub's schema of a node says: `n` is a number,
/// `s` text, `b` a boolean, `o` an object; with `?` it may be null, but must be there.
const NODE: &[(&str, &str)] = &[
    ("id", "n"),
    ("backendMountId", "n"),
    ("parentId", "n?"),
    ("path", "s"),
    ("name", "s"),
    ("depth", "n"),
    ("kind", "s"),
    ("sizeBytes", "n"),
    ("checksum", "s?"),
    ("contentHash", "s?"),
    ("metadata", "o"),
    ("state", "s"),
    ("version", "n"),
    ("isSymlink", "b"),
    ("lastSeenAt", "s"),
    ("lastModifiedAt", "s?"),
    ("consistencyState", "s"),
    ("consistencyCheckedAt", "s"),
    ("lastReconciledAt", "s?"),
    ("lastDriftDetectedAt", "s?"),
    ("createdAt", "s"),
    ("updatedAt", "s"),
    ("deletedAt", "s?"),
    ("rollup", "o?"),
    ("download", "o?"),
];

const ROLLUP: &[(&str, &str)] = &[
    ("nodeId", "n"),
    ("sizeBytes", "n"),
    ("fileCount", "n"),
    ("directoryCount", "n"),
    ("childCount", "n"),
    ("state", "s"),
    ("lastCalculatedAt", "s?"),
];

const DOWNLOAD: &[(&str, &str)] = &[
    ("mode", "s"),
    ("streamUrl", "s"),
    ("presignUrl", "s?"),
    ("supportsRange", "b"),
    ("sizeBytes", "n?"),
    ("checksum", "s?"),
    ("contentHash", "s?"),
    ("filename", "s?"),
];

const COMMAND: &[(&str, &str)] = &[
    ("idempotent", "b"),
    ("journalEntryId", "n"),
    ("node", "o?"),
    ("result", "o"),
];

const PAGINATION: &[(&str, &str)] = &[
    ("total", "n"),
    ("limit", "n"),
    ("offset", "n"),
    ("nextOffset", "n?"),
];

#[track_caller]
fn fits(value: &Value, shape: &[(&str, &str)]) {
    for (name, kind) in shape {
        let field = value
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not there: {value}"));
        let is_right = match (field, kind.trim_end_matches('?')) {
            (Value::Null, _) => kind.ends_with('?'),
            (field, "n") => field.is_number(),
            (field, "s") => field.is_string(),
            (field, "b") => field.is_boolean(),
            (field, _) => field.is_object(),
        };
        assert!(is_right, "{name} is {field}, and {kind} is needed");
    }
}

#[track_caller]
fn fits_node(node: &Value) {
    fits(node, NODE);
    if !node["rollup"].is_null() {
        fits(&node["rollup"], ROLLUP);
        let states = ["up_to_date", "pending", "stale", "invalid"];
        assert!(states.contains(&node["rollup"]["state"].as_str().unwrap()));
    }
    if !node["download"].is_null() {
        fits(&node["download"], DOWNLOAD);
        assert!(["stream", "presign"].contains(&node["download"]["mode"].as_str().unwrap()));
    }
}

#[track_caller]
fn fits_command(answer: &Answered, status: u16) -> &Value {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    let data = answer.data();
    fits(data, COMMAND);
    fits_node(&data["node"]);
    data
}

/// What every result says of the node, as its clients read it.
#[track_caller]
fn fits_result(data: &Value, command_type: &str) {
    let (result, node) = (&data["result"], &data["node"]);
    assert_eq!(result["commandType"], command_type);
    assert_eq!(result["nodeId"], node["id"]);
    for name in [
        "backendMountId",
        "path",
        "kind",
        "state",
        "sizeBytes",
        "version",
    ] {
        assert_eq!(result[name], node[name], "{name}");
    }
}

/// The status and the code that the SDK's error has.
#[track_caller]
fn sdk_error(answer: &Answered) -> (u16, &str) {
    let error = &answer.body["error"];
    assert!(
        !error["message"].as_str().unwrap().is_empty(),
        "the SDK's error needs a message: {answer:?}"
    );
    (answer.status.as_u16(), error["code"].as_str().unwrap())
}
