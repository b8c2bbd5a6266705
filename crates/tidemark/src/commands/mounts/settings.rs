//! The parts of a mount's `config` that have flags.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Where a bucket is, and who asks for it.
#[derive(Args, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = "Buckets")]
pub struct BucketArgs {
    /// The bucket's region; without it, us-east-1
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Another S3 than Amazon's
    #[arg(long, value_name = "https://HOST:PORT")]
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path of URLs (true) or of their host name (false); by
    /// default the path if there is an endpoint, else the host name
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub path_style: Option<bool>,
    /// Allow an endpoint with http://, which sends contents in the clear
    #[arg(long)]
    pub allow_http: bool,
    /// A file like ~/.aws/credentials on filestore's machine; without it, credentials come from
    /// filestore's environment or its machine's role
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// The profile in the credentials file; without it, `default`
    #[arg(long, value_name = "NAME")]
    pub credentials_profile: Option<String>,
}

impl BucketArgs {
    /// One of the flags that were given.
    pub(super) fn given(&self) -> Option<&'static str> {
        [
            ("--region", self.region.is_some()),
            ("--endpoint", self.endpoint.is_some()),
            ("--path-style", self.path_style.is_some()),
            ("--allow-http", self.allow_http),
            ("--credentials-file", self.credentials_file.is_some()),
            ("--credentials-profile", self.credentials_profile.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Sets what was given.
    pub(super) fn put_into(&self, config: &mut Map<String, Value>) -> anyhow::Result<()> {
        let file = self.credentials_file.as_ref().map(|file| {
            let file = std::path::absolute(file).with_context(|| {
                format!(
                    "--credentials-file: {} is no path",
                    crate::target::shown(file)
                )
            })?;
            let text = file.to_str().map(str::to_owned);
            text.context("--credentials-file: the path must be UTF-8")
        });
        let texts = [
            ("region", self.region.clone()),
            ("endpoint", self.endpoint.clone()),
            ("credentialsFile", file.transpose()?),
            ("credentialsProfile", self.credentials_profile.clone()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                config.insert(name.to_owned(), text.into());
            }
        }
        if let Some(path_style) = self.path_style {
            config.insert("forcePathStyle".to_owned(), path_style.into());
        }
        if self.allow_http {
            config.insert("allowHttp".to_owned(), true.into());
        }
        Ok(())
    }
}

/// What of a mount is hashed in the background.
#[derive(Args, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = "Hashing in the background")]
pub struct HashingArgs {
    /// Whether files get a blake3 hash of their contents in the background
    #[arg(long, value_enum)]
    pub hash: Option<Hash>,
    /// Only files of at least this many bytes
    #[arg(long, value_name = "BYTES")]
    pub hash_min_bytes: Option<u64>,
    /// Only files of at most this many bytes
    #[arg(long, value_name = "BYTES")]
    pub hash_max_bytes: Option<u64>,
    /// Only files whose path matches, such as `raw/**/*.dng`; may be given more than once
    #[arg(long, value_name = "GLOB")]
    pub hash_glob: Vec<String>,
    /// Bytes read in a second, at most
    #[arg(long, value_name = "BYTES")]
    pub hash_bytes_per_second: Option<u64>,
    /// Files read at once
    #[arg(long, value_name = "FILES")]
    pub hash_concurrency: Option<u64>,
}

/// What files or objects are asked for.
#[derive(Args, Debug)]
pub struct AskingArgs {
    /// Whether scans ask each file for its access control lists and extended attributes [default: off]
    #[arg(long, value_enum)]
    pub extended_attributes: Option<Switch>,
    /// Whether whole scans tell when each file of a local mount was last read, at most once a day
    /// [default: off]
    #[arg(long, value_enum)]
    pub access_times: Option<Switch>,
    /// Whether scans ask each object of a bucket for its tags, by a request for each [default: off]
    #[arg(long, value_enum)]
    pub object_tags: Option<Switch>,
}

/// Whether something is done.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is
    On,
    /// It is not
    Off,
}

impl AskingArgs {
    /// Sets what was given.
    pub(super) fn put_into(&self, config: &mut Map<String, Value>) {
        for (name, given) in [
            ("extendedAttributes", self.extended_attributes),
            ("accessTimes", self.access_times),
            ("objectTags", self.object_tags),
        ] {
            match given {
                Some(Switch::On) => _ = config.insert(name.to_owned(), true.into()),
                Some(Switch::Off) => _ = config.remove(name),
                None => {}
            }
        }
    }
}

/// Whether files are hashed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// They are, by the settings that were made
    On,
    /// They are not
    Off,
    /// Not for the time being
    Pause,
}

impl HashingArgs {
    /// Sets what was given; a setting without `--hash` switches it on.
    pub(super) fn put_into(&self, config: &mut Map<String, Value>) {
        let globs = Some(&self.hash_glob).filter(|globs| !globs.is_empty());
        let given = [
            ("minBytes", self.hash_min_bytes.map(Value::from)),
            ("maxBytes", self.hash_max_bytes.map(Value::from)),
            ("pathGlobs", globs.map(|globs| json!(globs))),
            (
                "bytesPerSecond",
                self.hash_bytes_per_second.map(Value::from),
            ),
            ("concurrency", self.hash_concurrency.map(Value::from)),
        ];
        if self.hash == Some(Hash::Off) {
            config.insert("hashing".to_owned(), false.into());
            return;
        }
        if self.hash.is_none() && given.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        let mut hashing = match config.remove("hashing") {
            Some(Value::Object(hashing)) => hashing,
            _ => Map::new(),
        };
        for (name, value) in given {
            if let Some(value) = value {
                hashing.insert(name.to_owned(), value);
            }
        }
        hashing.remove("paused");
        if self.hash == Some(Hash::Pause) {
            hashing.insert("paused".to_owned(), true.into());
        }
        config.insert("hashing".to_owned(), Value::Object(hashing));
    }
}
