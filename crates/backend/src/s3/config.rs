//! What a mount says of its bucket. Pure.
//!
//! Credentials are never part of it: they come from the environment, from a file that it names, or
//! from the machine's role, and what looks like one is refused, so that none is ever stored.

use super::error::Refusal;
use super::key;
use crate::{Error, Operation};
use node::NodePath;
use object_store::signer::Url;
use serde_json::{Map, Value};
use std::path::PathBuf;

const REGION: &str = "us-east-1";

/// The fields of `config` that are read.
pub const CONFIG_FIELDS: [&str; 7] = [
    "endpoint",
    "region",
    "allowHttp",
    "forcePathStyle",
    "credentialsFile",
    "credentialsProfile",
    "listPageKeys",
];

/// Keys of `config` that would hold a secret, as parts of their names in lower case.
const SECRETS: [&str; 6] = [
    "secret",
    "accesskey",
    "access_key",
    "password",
    "token",
    "privatekey",
];

/// Where a bucket is, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub bucket: String,
    /// `""`, or ending in a slash.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where requests go.
    pub endpoint: String,
    /// The bucket is part of the host's name, not of the path.
    pub is_virtual_hosted: bool,
    /// The bucket's own URL, without a slash at its end.
    pub base: String,
    /// Requests may go in the clear.
    pub allow_http: bool,
    /// Where the credentials come from.
    pub credentials: Credentials,
    /// Keys on one page of a listing; S3's own number, if `None`.
    pub page_keys: Option<u64>,
}

/// Where the credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `AWS_ACCESS_KEY_ID` and so on, or the machine's role.
    Environment,
    /// A file like `~/.aws/credentials`, read again when they are needed.
    File {
        /// The file.
        path: PathBuf,
        /// The section of it.
        profile: String,
    },
}

/// What is wrong with a mount's settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct SettingsError {
    /// As a JSON pointer.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl SettingsError {
    /// That a stored mount of this bucket cannot be opened with its settings.
    #[must_use]
    pub fn of_bucket(self, bucket: &str) -> Error {
        let refusal = Refusal::unavailable(self);
        super::failed(bucket, Operation::Open, "")(refusal)
    }
}

fn wrong(field: &str, reason: impl Into<String>) -> SettingsError {
    SettingsError {
        field: field.to_owned(),
        reason: reason.into(),
    }
}

impl Settings {
    /// The settings of a mount.
    ///
    /// # Errors
    /// They cannot be used, as [`SettingsError`] says.
    pub fn parse(
        bucket: Option<&str>,
        prefix: Option<&str>,
        config: &Map<String, Value>,
    ) -> Result<Self, SettingsError> {
        refuse_secrets(config)?;
        let bucket = bucket.ok_or_else(|| wrong("/bucket", "an S3 mount needs a bucket"))?;
        if !is_bucket(bucket) {
            let rule = "use 3 to 63 lower-case letters, digits, dots and dashes";
            return Err(wrong("/bucket", format!("{bucket:?} is refused: {rule}")));
        }
        let prefix = parse_prefix(prefix.unwrap_or_default())?;
        let region = text(config, "region")?.unwrap_or(REGION).to_owned();
        if region.is_empty()
            || !region
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err(wrong("/config/region", "use letters, digits and dashes"));
        }
        let allow_http = flag(config, "allowHttp")?.unwrap_or(false);
        let given = text(config, "endpoint")?;
        let endpoint = match given {
            Some(given) => parse_endpoint(given, allow_http)?,
            None => format!("https://s3.{region}.amazonaws.com"),
        };
        let is_path_style =
            flag(config, "forcePathStyle")?.unwrap_or(given.is_some() || bucket.contains('.'));
        let base = if is_path_style {
            format!("{endpoint}/{bucket}")
        } else {
            endpoint.replacen("://", &format!("://{bucket}."), 1)
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix,
            region,
            endpoint: if is_path_style {
                endpoint
            } else {
                base.clone()
            },
            is_virtual_hosted: !is_path_style,
            base,
            allow_http,
            credentials: credentials(config)?,
            page_keys: page_keys(config)?,
        })
    }
}

/// Whether a bucket may be called so.
fn is_bucket(bucket: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|b| is_letter(b) || b == b'.' || b == b'-')
        && bucket.bytes().next().is_some_and(is_letter)
        && bucket.bytes().last().is_some_and(is_letter)
        && !bucket.contains("..")
}

fn parse_prefix(text: &str) -> Result<String, SettingsError> {
    let path = NodePath::parse(text).map_err(|error| wrong("/prefix", error.to_string()))?;
    if path.is_root() {
        return Ok(String::new());
    }
    let key = key::of_path("", path.as_str()).map_err(|e| wrong("/prefix", e.to_string()))?;
    Ok(format!("{key}/"))
}

fn parse_endpoint(text: &str, allow_http: bool) -> Result<String, SettingsError> {
    let field = "/config/endpoint";
    let url = Url::parse(text).map_err(|error| wrong(field, format!("{text:?}: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        let reason = "it holds credentials, which are not to be stored: name a credentialsFile";
        return Err(wrong(field, reason));
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => {
            let reason = "http sends the contents in the clear: set allowHttp to true to allow it";
            return Err(wrong(field, reason));
        }
        _ => return Err(wrong(field, "use an http or https URL")),
    }
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !is_bare {
        return Err(wrong(field, "use scheme, host and port only"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn credentials(config: &Map<String, Value>) -> Result<Credentials, SettingsError> {
    let profile = text(config, "credentialsProfile")?;
    let Some(path) = text(config, "credentialsFile")? else {
        return match profile {
            Some(_) => Err(wrong(
                "/config/credentialsProfile",
                "name the credentialsFile that it is in",
            )),
            None => Ok(Credentials::Environment),
        };
    };
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err(wrong(
            "/config/credentialsFile",
            "the path must be absolute",
        ));
    }
    let profile = profile.unwrap_or("default").to_owned();
    Ok(Credentials::File { path, profile })
}

fn page_keys(config: &Map<String, Value>) -> Result<Option<u64>, SettingsError> {
    let Some(value) = config.get("listPageKeys") else {
        return Ok(None);
    };
    let keys = value.as_u64().filter(|keys| (1..=1_000).contains(keys));
    keys.map(Some)
        .ok_or_else(|| wrong("/config/listPageKeys", "use a number from 1 to 1000"))
}

/// Refuses what looks like a secret, wherever in the configuration it stands.
///
/// # Errors
/// They cannot be used, as [`SettingsError`] says.
pub fn refuse_secrets(config: &Map<String, Value>) -> Result<(), SettingsError> {
    for (name, value) in config {
        let lower = name.to_ascii_lowercase().replace('-', "");
        if SECRETS.iter().any(|secret| lower.contains(secret)) {
            return Err(wrong(
                &format!("/config/{name}"),
                "credentials are not stored: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the \
                 environment of the service, or name a credentialsFile",
            ));
        }
        if let Value::Object(inner) = value {
            refuse_secrets(inner)?;
        }
    }
    Ok(())
}

fn text<'c>(config: &'c Map<String, Value>, name: &str) -> Result<Option<&'c str>, SettingsError> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(&format!("/config/{name}"), "use a string")),
    }
}

fn flag(config: &Map<String, Value>, name: &str) -> Result<Option<bool>, SettingsError> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(wrong(&format!("/config/{name}"), "use true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(bucket: &str, prefix: &str, config: Value) -> Result<Settings, SettingsError> {
        let Value::Object(config) = config else {
            panic!()
        };
        Settings::parse(Some(bucket), Some(prefix), &config)
    }

    #[test]
    fn a_bucket_of_amazon_needs_only_its_name() {
        let settings = parse("data", "/a/b/", json!({ "region": "eu-central-1" })).unwrap();
        assert_eq!(settings.prefix, "a/b/");
        assert_eq!(settings.base, "https://data.s3.eu-central-1.amazonaws.com");
        assert_eq!(settings.credentials, Credentials::Environment);
        let dotted = parse("my.data", "", json!({})).unwrap();
        assert_eq!(dotted.base, "https://s3.us-east-1.amazonaws.com/my.data");
    }

    #[test]
    fn an_endpoint_of_ones_own_takes_the_bucket_in_the_path() {
        let config = json!({ "endpoint": "http://127.0.0.1:9000/", "allowHttp": true });
        let settings = parse("data", "", config).unwrap();
        assert_eq!(settings.base, "http://127.0.0.1:9000/data");
        let config = json!({ "endpoint": "https://s3.example", "forcePathStyle": false });
        assert_eq!(
            parse("data", "", config).unwrap().base,
            "https://data.s3.example"
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_field() {
        for (bucket, prefix, config, field) in [
            ("Data", "", json!({}), "/bucket"),
            ("a", "", json!({}), "/bucket"),
            ("a/b", "", json!({}), "/bucket"),
            ("data", "a//b", json!({}), "/prefix"),
            ("data", "../b", json!({}), "/prefix"),
            ("data", "a\nb", json!({}), "/prefix"),
            (
                "data",
                "",
                json!({ "endpoint": "s3.example" }),
                "/config/endpoint",
            ),
            (
                "data",
                "",
                json!({ "endpoint": "http://s3.example" }),
                "/config/endpoint",
            ),
            (
                "data",
                "",
                json!({ "endpoint": "https://k:s@s3.example" }),
                "/config/endpoint",
            ),
            (
                "data",
                "",
                json!({ "endpoint": "https://s3.example/x" }),
                "/config/endpoint",
            ),
            (
                "data",
                "",
                json!({ "secretAccessKey": "x" }),
                "/config/secretAccessKey",
            ),
            (
                "data",
                "",
                json!({ "auth": { "session-token": "x" } }),
                "/config/session-token",
            ),
            (
                "data",
                "",
                json!({ "credentialsFile": "x" }),
                "/config/credentialsFile",
            ),
            (
                "data",
                "",
                json!({ "credentialsProfile": "x" }),
                "/config/credentialsProfile",
            ),
            (
                "data",
                "",
                json!({ "allowHttp": "yes" }),
                "/config/allowHttp",
            ),
            (
                "data",
                "",
                json!({ "listPageKeys": 0 }),
                "/config/listPageKeys",
            ),
            ("data", "", json!({ "region": "x/y" }), "/config/region"),
        ] {
            let error = parse(bucket, prefix, config.clone()).unwrap_err();
            assert_eq!(error.field, field, "{bucket:?} {prefix:?} {config}");
        }
    }
}
