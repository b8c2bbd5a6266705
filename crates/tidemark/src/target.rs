//! What a person means by NODE or PATH: a node id, `MOUNT:PATH`, or a path on this machine.
//!
//! A number is a node id (`./42` is the file of that name). `media:raw/a.mov` is a path within
//! the mount with the key `media`, if there is such a mount. Everything else is a path on this
//! machine, which belongs to the mount with the longest root above it.

use crate::client::{Error, Service, Services};
use anyhow::{Context as _, bail};
use node::name::spelled;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// A mount, as far as paths need it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mount {
    pub(crate) id: i64,
    pub(crate) mount_key: String,
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
    if let Some((key, path)) = text.to_str().and_then(|text| text.split_once(':'))
        && let Some(mount) = mounts.iter().find(|mount| mount.mount_key == key)
    {
        let path = Path::new(path.trim_start_matches('/'));
        if leads_out(path) {
            bail!("{} leads out of its mount", text.display());
        }
        let path = spelled(lexical(path).as_os_str());
        return Ok(Target::Path {
            mount_id: mount.id,
            path,
        });
    }
    let path = lexical(&current_dir.join(text));
    if let Some(target) = within(&path, mounts) {
        return Ok(target);
    }
    // The mount may have been added by the real path of what is a symlink here.
    if let Ok(real) = std::fs::canonicalize(&path)
        && let Some(target) = within(&real, mounts)
    {
        return Ok(target);
    }
    let roots: Vec<_> = mounts
        .iter()
        .filter_map(|mount| mount.root_path.as_deref())
        .collect();
    bail!(
        "{} is in no mount; the mounts are at {}. Add one with `tidemark mounts add DIR`, or name \
         the node by its id or as MOUNT:PATH",
        path.display(),
        if roots.is_empty() {
            "no local folder".to_owned()
        } else {
            roots.join(", ")
        }
    )
}

fn number(text: &OsStr) -> Option<i64> {
    text.to_str()?.parse().ok()
}

/// The mount with the longest root above the path.
fn within(path: &Path, mounts: &[Mount]) -> Option<Target> {
    let candidates = mounts.iter().filter_map(|mount| {
        let root = mount.root_path.as_deref()?;
        let rest = path.strip_prefix(Path::new(root)).ok()?;
        Some((Path::new(root).components().count(), mount.id, rest))
    });
    let (_, mount_id, rest) = candidates.max_by_key(|(depth, ..)| *depth)?;
    Some(Target::Path {
        mount_id,
        path: spelled(rest.as_os_str()),
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
    let current_dir = std::env::current_dir().context("the current folder is not known")?;
    resolve(text, &mounts(&services.filestore)?, &current_dir)
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

/// The id of the node that `text` means.
pub(crate) fn node_id(services: &Services, text: &OsStr) -> anyhow::Result<i64> {
    match find(services, text)? {
        Target::Node(id) => Ok(id),
        path => {
            let node =
                node(services, &path).with_context(|| format!("looking up {}", text.display()))?;
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
    use std::os::unix::ffi::OsStrExt as _;

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
        assert!(none.contains("no local folder"), "{none}");
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
