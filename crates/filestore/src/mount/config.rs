//! What a mount's `config` may say, by the kind of its backend. Pure.
//!
//! A field that nobody reads is refused, and so is one of another type: whoever misspells a setting
//! is told, and not left with the default.

use super::Policy;
use backend::s3::{self, Settings, SettingsError};
use catalogue::mounts::{BackendKind, Mount};
use serde_json::{Map, Value};

/// Read for every mount.
const COMMON: [&str; 1] = ["hashing"];
/// Read for a local mount.
const LOCAL: [&str; 2] = [CROSS_FILESYSTEMS, EXTENDED_ATTRIBUTES];
const CROSS_FILESYSTEMS: &str = "crossFilesystems";
const EXTENDED_ATTRIBUTES: &str = "extendedAttributes";

/// Checks all that is to be stored of a mount's settings.
pub(crate) fn check(mount: &Mount) -> Result<(), SettingsError> {
    let config = &mount.config;
    s3::refuse_secrets(config)?;
    let fields = match mount.backend_kind {
        BackendKind::Local => LOCAL.as_slice(),
        BackendKind::S3 => s3::CONFIG_FIELDS.as_slice(),
    };
    if let Some(name) = config
        .keys()
        .find(|name| !fields.contains(&name.as_str()) && !COMMON.contains(&name.as_str()))
    {
        let known = [fields, COMMON.as_slice()].concat().join(", ");
        return Err(wrong(
            name,
            format!("a mount of this kind has no such setting; there are {known}"),
        ));
    }
    Policy::parse(config)?;
    match mount.backend_kind {
        BackendKind::Local => LOCAL
            .into_iter()
            .try_for_each(|name| match config.get(name) {
                None | Some(Value::Null | Value::Bool(_)) => Ok(()),
                Some(_) => Err(wrong(name, "use true or false")),
            }),
        BackendKind::S3 => {
            let (bucket, prefix) = (mount.bucket.as_deref(), mount.prefix.as_deref());
            Settings::parse(bucket, prefix, config).map(|_| ())
        }
    }
}

/// Whether scans enter other filesystems that are mounted in this one.
pub(crate) fn crosses_filesystems(config: &Map<String, Value>) -> bool {
    config.get(CROSS_FILESYSTEMS) == Some(&Value::Bool(true))
}

/// Whether scans ask each name for its access control lists and extended attributes.
pub(crate) fn asks_attributes(config: &Map<String, Value>) -> bool {
    config.get(EXTENDED_ATTRIBUTES) == Some(&Value::Bool(true))
}

fn wrong(name: &str, reason: impl Into<String>) -> SettingsError {
    SettingsError {
        field: format!("/config/{name}"),
        reason: reason.into(),
    }
}
