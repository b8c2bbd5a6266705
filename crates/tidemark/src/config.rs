//! Configuration: one documented struct a component, and every option in three spellings.
//!
//! | spelling | of the option `filestore.port` |
//! |---|---|
//! | flag | `--filestore-port 4200` |
//! | environment | `FILESTORE_PORT=4200` |
//! | TOML | `port = 4200` under `[filestore]` |
//!
//! The first one given wins, in this order; then comes the default. clap is the one place that
//! knows the options: an argument's id *is* its TOML key, and a configuration file merely
//! replaces the arguments' defaults before the command line is parsed ([`File`]). So precedence,
//! parsing and checking are the same for all three, `--help` names them all, and the reference
//! page ([`reference()`]) is generated from the same structs.

mod bus;
mod components;
mod defaults;
mod file;
mod reference;
mod service;
mod values;

pub(crate) use bus::bus_server;
pub use components::{
    Client, Common, Config, Feed, Filestore, Global, LogFormat, Metastore, Timestore,
};
pub use feed::bus::BusUrl;
pub use file::File;
pub use reference::reference;
pub use service::Service;
pub use values::Secret;
pub(crate) use values::duration as parse_duration;

use clap::Args;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Why the configuration cannot be used. Each names the key and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A key of the file has no meaning, or a value that does not fit.
    #[error("{}: {message}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key and the fix.
        message: String,
    },
    /// No home folder is known to put the data in.
    #[error("no home folder is known for data_dir; set --data-dir (TIDEMARK_DATA_DIR) to a folder")]
    NoHome,
}

impl Config {
    /// Fills in what defaults and values leave open: the folder of the data, the databases in it,
    /// and the rules that only a file can hold. Call it once, after parsing.
    ///
    /// # Errors
    /// [`Error::NoHome`].
    pub fn resolve(mut self, file: &File) -> Result<Self, Error> {
        // Absolute, so that no engine takes a name such as `file:data` or `s3:data` for a scheme.
        let data_dir = self.common.resolved_data_dir()?;
        self.common.data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
        for path in [
            &mut self.filestore.database,
            &mut self.metastore.database,
            &mut self.timestore.database,
        ] {
            if let Ok(rest) = path.strip_prefix("{data_dir}") {
                *path = self.common.data_dir.join(rest);
            }
        }
        self.metastore.namespace_rules = file.namespace_rules().to_vec();
        Ok(self)
    }
}

impl Common {
    fn resolved_data_dir(&self) -> Result<PathBuf, Error> {
        let home = || std::env::home_dir().ok_or(Error::NoHome);
        if let Ok(rest) = self.data_dir.strip_prefix("$XDG_DATA_HOME") {
            // The specification asks to ignore a relative path here.
            let base = match self
                .xdg_data_home
                .as_deref()
                .filter(|path| path.is_absolute())
            {
                Some(path) => path.to_owned(),
                None => home()?.join(".local/share"),
            };
            return Ok(base.join(rest));
        }
        match self.data_dir.strip_prefix("~") {
            Ok(rest) => Ok(home()?.join(rest)),
            Err(_) => Ok(self.data_dir.clone()),
        }
    }
}

impl Client {
    /// The base URLs of filestore, metastore and timestore, in this order.
    #[must_use]
    pub fn base_urls(&self, config: &Config) -> [String; 3] {
        let url = |given: &Option<String>, host: &str, port: u16| match given {
            Some(url) => url.clone(),
            None => format!("http://{}:{port}", reachable(host)),
        };
        [
            url(
                &self.filestore_url,
                &config.filestore.host,
                config.filestore.port,
            ),
            url(
                &self.metastore_url,
                &config.metastore.host,
                config.metastore.port,
            ),
            url(
                &self.timestore_url,
                &config.timestore.host,
                config.timestore.port,
            ),
        ]
    }
}

/// The host to connect to for a host that is listened on: "any address" is this machine.
fn reachable(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    }
}

/// The command with a flag and a variable for each option of the configuration, in its subcommands
/// too. Both are made from the key: `filestore.port` is `--filestore-port` and `FILESTORE_PORT`,
/// `data_dir` is `--data-dir` and `TIDEMARK_DATA_DIR`.
#[must_use]
pub fn spelled(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| match arg.get_help_heading() {
            Some(_) if !arg.is_hide_set() => spell(arg),
            _ => arg,
        })
        .mut_subcommands(spelled)
}

fn spell(arg: clap::Arg) -> clap::Arg {
    let key = arg.get_id().as_str();
    let words = key.strip_prefix("client.").unwrap_or(key);
    let flag = words.replace(['.', '_'], "-");
    let prefix = if key.contains('.') { "" } else { "TIDEMARK_" };
    let variable = format!("{prefix}{}", words.replace('.', "_").to_ascii_uppercase());
    arg.long(flag).env(variable)
}

/// Every option of every component as one flat command: what a file is checked against and the
/// reference page is made from.
fn all_options() -> clap::Command {
    let command = Global::augment_args(clap::Command::new("tidemark"));
    let command = Config::augment_args(command);
    // `--token` is an option of both.
    let known = |id: &clap::Id| command.get_arguments().any(|arg| arg.get_id() == id);
    let client = Client::augment_args(clap::Command::new("tidemark"));
    let more: Vec<_> = client
        .get_arguments()
        .filter(|arg| !known(arg.get_id()))
        .cloned()
        .collect();
    spelled(command.args(more))
}

/// The path of the configuration file that is meant: `None` where none was named and the default
/// one does not exist.
///
/// # Errors
/// Whether the default one exists cannot be told.
pub fn file_path(named: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    if let Some(path) = named {
        return Ok(Some(path.to_owned()));
    }
    let path = PathBuf::from("tidemark.toml");
    match path.try_exists() {
        Ok(true) => Ok(Some(path)),
        Ok(false) => Ok(None),
        Err(source) => Err(Error::Unreadable { path, source }),
    }
}
