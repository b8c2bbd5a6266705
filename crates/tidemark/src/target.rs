//! What a person means by NODE or PATH: a node id, `MOUNT:PATH`, or a path on this machine.
//!
//! A number is a node id (`./42` is the file of that name). `media:raw/a.mov` is a path within
//! the mount with the key `media`, if there is such a mount. Everything else is a path on this
//! machine, which belongs to the mount with the longest root above it.
//!
//! Names are bytes. A name that is not UTF-8 can be typed as its bytes, or as the books spell it
//! ([`node::name`]), which is how `--output json` prints it.

use crate::client::{Error, Service, Services};
use crate::output::escape;
use anyhow::Context as _;
use node::name::{self, os_path, spelled};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Mounts that a message names, at most.
const MOUNTS_NAMED: usize = 10;

/// A mount, as far as paths need it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mount {
    pub(crate) id: i64,
    pub(crate) mount_key: String,
    /// As the books spell it.
    #[serde(default)]
    pub(crate) root_path: Option<String>,
}

/// What was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Node(i64),
    Path { mount_id: i64, path: String },
}

/// What `text` means, given the mounts there are and the current folder.
pub(crate) fn resolve(
    text: &OsStr,
    mounts: &[Mount],
    current_dir: &Path,
) -> anyhow::Result<Target> {
    if let Some(id) = number(text) {
        return Ok(Target::Node(id));
    }
    if let Some((key, path)) = split_mount(text)
        && let Some(mount) = mounts.iter().find(|mount| mount.mount_key == key)
    {
        return in_mount(mount, path)
            .with_context(|| format!("{} leads out of its mount", shown(text)));
    }
    on_this_machine(text, mounts, current_dir)
        .with_context(|| format!("{} is in no mount{}", shown(text), advice(text, mounts)))
}

/// `MOUNT:PATH` taken apart, whether or not there is such a mount.
fn split_mount(text: &OsStr) -> Option<(&str, &[u8])> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (key, path) = bytes.split_at(colon);
    Some((str::from_utf8(key).ok()?, path.get(1..)?))
}

/// A path within a mount; `None` if it leads out of it.
fn in_mount(mount: &Mount, path: &[u8]) -> Option<Target> {
    // What is a spelling is meant as one; other bytes are the names themselves.
    let path = match str::from_utf8(path) {
        Ok(text) if name::is_spelling(text) => name::to_bytes(text),
        _ => Cow::Borrowed(path),
    };
    let path = Path::new(OsStr::from_bytes(&path));
    let path = path.strip_prefix("/").unwrap_or(path);
    (!leads_out(path)).then(|| Target::Path {
        mount_id: mount.id,
        path: spelled(lexical(path)),
    })
}

fn on_this_machine(text: &OsStr, mounts: &[Mount], current_dir: &Path) -> Option<Target> {
    let path = lexical(&current_dir.join(text));
    // Copied from an answer in JSON, it is the books' spelling of a name. What is not there yet has
    // the name that was typed.
    if let Some(meant) = text.to_str().map(os_path)
        && meant != text
        && path.symlink_metadata().is_err()
    {
        let meant = lexical(&current_dir.join(meant));
        if meant.symlink_metadata().is_ok()
            && let Some(target) = within(&meant, mounts)
        {
            return Some(target);
        }
    }
    within(&path, mounts).or_else(|| within(&real(&path)?, mounts))
}

/// The path with its symlinks followed, as far as it is there: a mount may have been added by the
/// real path of what is a symlink here.
fn real(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(std::fs::canonicalize(above).ok()?.join(rest))
    })
}

/// The mounts' keys, for a message.
fn keys(mounts: &[Mount]) -> String {
    list(
        mounts
            .iter()
            .map(|mount| mount.mount_key.as_str())
            .collect(),
    )
}

fn list(names: Vec<&str>) -> String {
    let rest = names.len().saturating_sub(MOUNTS_NAMED);
    let named = names.into_iter().take(MOUNTS_NAMED).map(escape);
    let named = named.collect::<Vec<_>>().join(", ");
    match rest {
        0 => named,
        rest => format!("{named} and {rest} more (`tidemark mounts list`)"),
    }
}

/// What to type instead of a path that is in no mount.
fn advice(text: &OsStr, mounts: &[Mount]) -> String {
    if mounts.is_empty() {
        return "; there are no mounts yet. Add one with `tidemark mounts add DIR`".to_owned();
    }
    if let Some(mount) = mounts.iter().find(|mount| *mount.mount_key == *text) {
        let key = escape(&mount.mount_key);
        return format!("; for the mount `{key}`, write `{key}:`");
    }
    if let Some((key, _)) = split_mount(text)
        && !key.contains('/')
    {
        let key = escape(key);
        return format!(
            "; there is no mount `{key}`. The mounts are {}",
            keys(mounts)
        );
    }
    let roots: Vec<_> = mounts
        .iter()
        .filter_map(|mount| mount.root_path.as_deref())
        .collect();
    let places = match roots.is_empty() {
        true => format!(
            "; no mount is a local folder. The mounts are {}",
            keys(mounts)
        ),
        false => format!("; the mounts are at {}", list(roots)),
    };
    format!(
        "{places}. Add one with `tidemark mounts add DIR`, or name the node by its id or as \
         MOUNT:PATH"
    )
}

/// A node id: digits and nothing else.
fn number(text: &OsStr) -> Option<i64> {
    let text = text.to_str()?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// The mount with the longest root above the path.
fn within(path: &Path, mounts: &[Mount]) -> Option<Target> {
    let candidates = mounts.iter().filter_map(|mount| {
        let root = os_path(mount.root_path.as_deref()?);
        let rest = path.strip_prefix(&root).ok()?;
        Some((root.components().count(), mount.id, rest))
    });
    let (_, mount_id, rest) = candidates.max_by_key(|(depth, ..)| *depth)?;
    Some(Target::Path {
        mount_id,
        path: spelled(rest),
    })
}

/// Whether a relative path has more `..` than there are names to go up by.
fn leads_out(path: &Path) -> bool {
    let mut depth = 0_usize;
    for component in path.components() {
        match component {
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

/// The path without `.` and `..`, judged by its text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            component => plain.push(component),
        }
    }
    plain
}

/// A path of this machine as messages show it: on one line, whatever bytes it has.
pub(crate) fn shown(path: impl AsRef<OsStr>) -> String {
    escape(&spelled(path))
}

/// The mounts of filestore.
pub(crate) fn mounts(filestore: &Service) -> Result<Vec<Mount>, Error> {
    let data = filestore.data(
        filestore
            .get("/v1/backend-mounts")
            .query(&[("limit", "1000")]),
    )?;
    let mounts = match data {
        Value::Object(mut data) => data.remove("mounts").unwrap_or_default(),
        data => data,
    };
    serde_json::from_value(mounts).map_err(|error| filestore.garbled(error.to_string()))
}

/// What `text` means on the running filestore.
pub(crate) fn find(services: &Services, text: &OsStr) -> anyhow::Result<Target> {
    if let Some(id) = number(text) {
        return Ok(Target::Node(id));
    }
    resolve(text, &mounts(&services.filestore)?, &current_dir()?)
}

/// The mount that `text` means: a key, an id, or a path in it.
pub(crate) fn mount(mounts: &[Mount], text: &OsStr) -> anyhow::Result<Mount> {
    if let Some(mount) = mounts.iter().find(|mount| *mount.mount_key == *text) {
        return Ok(mount.clone());
    }
    let id = match resolve(text, mounts, &current_dir()?) {
        Ok(Target::Node(id) | Target::Path { mount_id: id, .. }) => Some(id),
        // A path, not a key: what to do about it is another thing.
        Err(error) if text.as_bytes().contains(&b'/') => return Err(error),
        Err(_) => None,
    };
    let mount = mounts.iter().find(|mount| Some(mount.id) == id);
    mount.cloned().with_context(|| {
        let known = match mounts.is_empty() {
            true => "add one with `tidemark mounts add DIR`".to_owned(),
            false => format!("the mounts are {}", keys(mounts)),
        };
        format!("there is no mount {}; {known}", shown(text))
    })
}

fn current_dir() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("the current folder is not known; use an absolute path")
}

/// The node itself, as filestore has it.
pub(crate) fn node(services: &Services, target: &Target) -> Result<Value, Error> {
    let filestore = &services.filestore;
    let request = match target {
        Target::Node(id) => filestore.get(&format!("/v1/nodes/{id}")),
        Target::Path { mount_id, path } => filestore.get("/v1/nodes/by-path").query(&[
            ("backendMountId", mount_id.to_string().as_str()),
            ("path", path),
        ]),
    };
    let node = filestore.data(request)?;
    match target {
        // Whoever means a path means what is there now.
        Target::Path { path, .. } if node.get("state") == Some(&Value::from("deleted")) => {
            let id = node.get("id").and_then(Value::as_i64).unwrap_or_default();
            Err(Error::Refused {
                service: filestore.name,
                status: StatusCode::NOT_FOUND,
                detail: format!(
                    "there is no node at {path:?}; node {id}, the last there, is deleted"
                ),
            })
        }
        _ => Ok(node),
    }
}

/// The node, or what to do where there is none.
pub(crate) fn known_node(services: &Services, target: &Target) -> Result<Value, Error> {
    match node(services, target) {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
            Err(absent(services, target).unwrap_or(error))
        }
        answer => answer,
    }
}

/// What to say of a node that filestore does not know; `None` if that cannot be found out.
fn absent(services: &Services, target: &Target) -> Option<Error> {
    let (mount_id, path) = match target {
        Target::Node(id) => {
            return Some(Error::Absent(format!(
                "there is no node {id}; for a file of that name, write ./{id}"
            )));
        }
        Target::Path { mount_id, path } => (*mount_id, path),
    };
    let mounts = mounts(&services.filestore).ok()?;
    let mount = mounts.into_iter().find(|mount| mount.id == mount_id)?;
    let (key, name) = (escape(&mount.mount_key), escape(path));
    let on_disk = mount
        .root_path
        .as_deref()
        .map(|root| os_path(root).join(os_path(path)));
    let hint = match on_disk.map(|path| path.symlink_metadata().is_ok()) {
        Some(true) => {
            format!("; it is on this machine's disk, and `tidemark scan {key}` catalogues it")
        }
        _ => format!("; `tidemark ls {key}:` shows what there is"),
    };
    Some(Error::Absent(format!(
        "there is no {name} in the mount {key}{hint}"
    )))
}

/// The node that `text` means.
pub(crate) fn find_node(services: &Services, text: &OsStr) -> anyhow::Result<Value> {
    Ok(known_node(services, &find(services, text)?)?)
}

/// The id of the node that `text` means.
pub(crate) fn node_id(services: &Services, text: &OsStr) -> anyhow::Result<i64> {
    match find(services, text)? {
        Target::Node(id) => Ok(id),
        path => {
            let node = known_node(services, &path)?;
            node.get("id")
                .and_then(Value::as_i64)
                .context("filestore's node has no id")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::name::os_path;

    fn mounts() -> Vec<Mount> {
        let mount = |id, key: &str, root: Option<&str>| Mount {
            id,
            mount_key: key.to_owned(),
            root_path: root.map(str::to_owned),
        };
        vec![
            mount(1, "data", Some("/srv/data")),
            mount(2, "media", Some("/srv/data/media/")),
            mount(3, "bucket", None),
        ]
    }

    fn path(mount_id: i64, path: &str) -> Target {
        Target::Path {
            mount_id,
            path: path.to_owned(),
        }
    }

    #[test]
    fn a_path_belongs_to_the_mount_with_the_longest_root() {
        let cwd = Path::new("/srv/data/x");
        for (text, expected) in [
            ("42", Target::Node(42)),
            ("./42", path(1, "x/42")),
            ("/srv/data", path(1, "")),
            ("/srv/data/", path(1, "")),
            ("/srv/data/a/b", path(1, "a/b")),
            ("/srv/data/media", path(2, "")),
            ("/srv/data/media/raw/a.mov", path(2, "raw/a.mov")),
            ("/srv/data/mediapool", path(1, "mediapool")),
            ("../media/./b", path(2, "b")),
            ("y", path(1, "x/y")),
            ("bucket:a/b", path(3, "a/b")),
            ("bucket:/a/../c", path(3, "c")),
            ("other:a", path(1, "x/other:a")),
        ] {
            assert_eq!(
                resolve(text.as_ref(), &mounts(), cwd).unwrap(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_outside_every_mount_says_what_to_do() {
        let error = resolve("/etc/nowhere".as_ref(), &mounts(), Path::new("/"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/srv/data, /srv/data/media/"), "{error}");
        assert!(error.contains("tidemark mounts add"), "{error}");
        let none = resolve("/etc/nowhere".as_ref(), &[], Path::new("/"))
            .unwrap_err()
            .to_string();
        assert!(none.contains("there are no mounts yet"), "{none}");
        assert!(none.contains("tidemark mounts add"), "{none}");
    }

    #[test]
    fn a_path_within_a_mount_does_not_lead_out_of_it() {
        for text in ["data:..", "data:/../x", "data:a/../../x"] {
            let error = resolve(text.as_ref(), &mounts(), Path::new("/")).unwrap_err();
            assert!(error.to_string().contains("leads out"), "{error}");
        }
    }

    #[test]
    fn a_mount_added_by_its_real_path_is_found_through_a_symlink() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap().join("real");
        std::fs::create_dir_all(real.join("sub")).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        let mounts = [Mount {
            id: 9,
            mount_key: "real".to_owned(),
            root_path: Some(real.to_string_lossy().into_owned()),
        }];
        let text = dir.path().join("link/sub");
        let found = resolve(text.as_ref(), &mounts, Path::new("/")).unwrap();
        assert_eq!(found, path(9, "sub"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_spelled_as_the_books_spell_them() {
        let name = OsStr::from_bytes(b"caf\xe9/\xff");
        assert_eq!(spelled(name), "caf\u{efe9}/\u{efff}");
        assert_eq!(os_path(&spelled(name)), Path::new(name));
    }
}
