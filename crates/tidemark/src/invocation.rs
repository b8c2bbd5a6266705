//! From the words of a command line to a [`Cli`] with the configuration file beneath it.

mod terms;

use crate::args::{Cli, Command};
use crate::config::{self, Config, File};
use clap::error::{ContextKind, ContextValue};
use clap::{Args as _, CommandFactory as _, FromArgMatches as _};
use std::ffi::OsString;
use std::path::PathBuf;

/// What was asked for, checked.
#[derive(Debug)]
pub struct Invocation {
    /// The command line, with the environment, the file and the defaults beneath.
    pub cli: Cli,
    /// The configuration as commands that talk REST see it: environment, file and defaults.
    pub config: Config,
}

/// Why there is nothing to run. Both are usage errors, save for `--help` and `--version`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or the environment; or a request for help.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] config::Error),
}

/// The command line's grammar. Values that are in the environment, tokens among them, do not show
/// in `--help`.
#[must_use]
pub fn command() -> clap::Command {
    hide_env_values(config::spelled(Cli::command()))
}

fn hide_env_values(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| arg.hide_env_values(true))
        .mut_subcommands(hide_env_values)
}

/// Reads a command line, of which the first word is the program's name.
///
/// # Errors
/// What was typed is no command, or the configuration cannot be used.
pub fn parse(words: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Invocation, Error> {
    let words = words.into_iter().map(Into::into).collect();
    let words = terms::set_apart(words, &command());
    let first = matches(command(), &words)?;
    let named = first.get_one::<PathBuf>("config");
    let file = match config::file_path(named.map(PathBuf::as_path))? {
        Some(path) => File::load(&path)?,
        None => File::default(),
    };
    let mut cli = Cli::from_arg_matches(&matches(file.replace_defaults(command()), &words)?)?;
    match &mut cli.command {
        Command::Dev(args) => args.config = args.config.clone().resolve(&file)?,
        Command::Serve(args) => args.config = args.config.clone().resolve(&file)?,
        _ => {}
    }
    Ok(Invocation {
        cli,
        config: without_flags(&file)?,
    })
}

/// What the services would be told by the environment and the file alone.
fn without_flags(file: &File) -> Result<Config, Error> {
    let options = config::spelled(Config::augment_args(clap::Command::new("tidemark")));
    let found = matches(file.replace_defaults(options), &["tidemark".into()])?;
    Ok(Config::from_arg_matches(&found)?.resolve(file)?)
}

fn matches(command: clap::Command, words: &[OsString]) -> Result<clap::ArgMatches, clap::Error> {
    let origin = command.clone();
    command
        .try_get_matches_from(words)
        .map_err(|error| name_command(name_variable(error, &origin, words)))
}

/// Commands of other programs, and what they are called here.
const OTHER_NAMES: &[(&[&str], &str)] = &[
    (&["list", "dir", "ll"], "ls"),
    (&["find", "locate", "query", "grep"], "search"),
    (&["delete", "remove", "del", "rmdir"], "rm"),
    (&["move", "rename"], "mv"),
    (&["copy"], "cp"),
    (&["download", "cat", "fetch"], "get"),
    (&["upload", "add"], "put"),
    (&["info", "show"], "stat"),
    (&["du", "df", "largest"], "top"),
    (&["mount"], "mounts"),
    (&["log", "journal", "tail", "event"], "events"),
    (&["start", "run", "server"], "serve"),
    (&["check", "fsck"], "verify"),
    (&["health"], "status"),
    (&["tags"], "tag"),
    (&["chown"], "owner"),
    (&["metadata"], "meta"),
];

/// clap knows names that are spelled alike; this one knows what else people call a command.
fn name_command(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let meant = OTHER_NAMES
        .iter()
        .find(|(names, _)| names.contains(&given.as_str()));
    if let Some((_, command)) = meant {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(vec![(*command).to_owned()]),
        );
    }
    error
}

/// clap names the flag of a value that does not fit; if the value came from the environment, the
/// variable is named too.
fn name_variable(
    mut error: clap::Error,
    command: &clap::Command,
    words: &[OsString],
) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = shown
        .split([' ', '='])
        .next()
        .unwrap_or_default()
        .to_owned();
    let is_given = words.iter().any(|word| {
        let word = word.to_string_lossy();
        word == flag || word.starts_with(&format!("{flag}="))
    });
    let chain = std::iter::once(command).chain(command.get_subcommands());
    let mut args = chain.flat_map(clap::Command::get_arguments);
    let variable = args
        .find(|arg| {
            arg.get_long()
                .is_some_and(|long| flag == format!("--{long}"))
        })
        .and_then(|arg| arg.get_env());
    if let Some(variable) = variable.filter(|_| !is_given) {
        let tip = format!(
            "the value comes from the environment variable {}",
            variable.display()
        );
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}
