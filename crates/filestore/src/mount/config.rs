//! What a mount's `config` may say, by the kind of its backend. Pure.
//!
//! A field that nobody reads is refused, and so is one of another type: whoever misspells a setting
//! is told, and not left with the default.

use super::Policy;
use backend::s3::{self, Settings, SettingsError};
use backend::walk;
use catalogue::mounts::{BackendKind, Mount};
use serde_json::{Map, Value};

/// Read for every mount.
const COMMON: [&str; 1] = ["hashing"];
/// Read for a local mount.
const LOCAL: [&str; 3] = [CROSS_FILESYSTEMS, EXTENDED_ATTRIBUTES, ACCESS_TIMES];
const CROSS_FILESYSTEMS: &str = "crossFilesystems";
const EXTENDED_ATTRIBUTES: &str = "extendedAttributes";
const ACCESS_TIMES: &str = "accessTimes";
/// Read for a bucket, beside what its backend reads.
const BUCKET: [&str; 1] = [OBJECT_TAGS];
const OBJECT_TAGS: &str = "objectTags";

/// Checks all that is to be stored of a mount's settings.
pub(crate) fn check(mount: &Mount) -> Result<(), SettingsError> {
    let config = &mount.config;
    s3::refuse_secrets(config)?;
    let (switches, others) = match mount.backend_kind {
        BackendKind::Local => (LOCAL.as_slice(), &[][..]),
        BackendKind::S3 => (BUCKET.as_slice(), s3::CONFIG_FIELDS.as_slice()),
    };
    let fields = [others, switches, COMMON.as_slice()].concat();
    if let Some(name) = config.keys().find(|name| !fields.contains(&name.as_str())) {
        let known = fields.join(", ");
        return Err(wrong(
            name,
            format!("a mount of this kind has no such setting; there are {known}"),
        ));
    }
    Policy::parse(config)?;
    for name in switches {
        match config.get(*name) {
            None | Some(Value::Null | Value::Bool(_)) => {}
            Some(_) => return Err(wrong(name, "use true or false")),
        }
    }
    match mount.backend_kind {
        BackendKind::Local => Ok(()),
        BackendKind::S3 => {
            let (bucket, prefix) = (mount.bucket.as_deref(), mount.prefix.as_deref());
            Settings::parse(bucket, prefix, config).map(|_| ())
        }
    }
}

/// What scans ask and where they go, by the mount's settings.
pub(crate) fn walk_options(config: &Map<String, Value>) -> walk::Options {
    let is_on = |name| config.get(name) == Some(&Value::Bool(true));
    walk::Options {
        crosses_filesystems: is_on(CROSS_FILESYSTEMS),
        asks_attributes: is_on(EXTENDED_ATTRIBUTES),
        asks_accesses: is_on(ACCESS_TIMES),
        asks_tags: is_on(OBJECT_TAGS),
        ..walk::Options::default()
    }
}

fn wrong(name: &str, reason: impl Into<String>) -> SettingsError {
    SettingsError {
        field: format!("/config/{name}"),
        reason: reason.into(),
    }
}
