//! Runs what was asked for, and turns how it ended into an exit code: 0, 1, or 2 for usage.

use crate::args::{Command, ServeArgs};
use crate::client::Services;
use crate::commands::files::{change, get, meta, put, reconcile};
use crate::commands::{
    Outcome, activity, consumers, dead_letters, doctor, events, mounts, nodes, rebuild, records,
    scan, sql, status, tree,
};
use crate::config::{Client, Config, Service};
use crate::invocation::{Error, Invocation, command, parse};
use crate::output::{say, stdout};
use crate::{config, services, telemetry, verify};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let invocation = match parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(Error::Usage(error)) => {
            // Help and version go to stdout and end well; the rest is usage.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
        Err(Error::Config(error)) => {
            say(format_args!("error: {:#}", anyhow::Error::new(error)));
            return ExitCode::from(2);
        }
    };
    match run(invocation) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::FAILURE,
        // Whoever read the output has had enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(invocation: Invocation) -> anyhow::Result<Outcome> {
    let Invocation { cli, config } = invocation;
    telemetry::start(&cli.global)?;
    let at = |client: &Client, config: Config| Services::new(client, config);
    match &cli.command {
        Command::Dev(args) => services::dev(&args.config, &args.dirs).map(|()| Outcome::Good),
        Command::Serve(args) => serve(args),
        Command::Status(args) => status::status(&at(&args.reading.client, config)?, args),
        Command::Verify(args) => verify::run(&at(&args.reading.client, config)?, args),
        Command::Doctor(args) => doctor::run(&at(&args.reading.client, config)?, args),
        Command::Scan(args) => scan::run(&at(&args.reading.client, config)?, args),
        Command::Mounts(args) => mounts::run(&at(&args.reading().client, config)?, args),
        Command::Ls(args) => nodes::ls(&at(&args.reading.client, config)?, args),
        Command::Tree(args) => tree::run(&at(&args.reading.client, config)?, args),
        Command::Stat(args) => nodes::stat(&at(&args.reading.client, config)?, args),
        Command::Put(args) => put::run(&at(&args.changing.reading.client, config)?, args),
        Command::Get(args) => get::run(&at(&args.reading.client, config)?, args),
        Command::Mkdir(args) => change::mkdir(&at(&args.changing.reading.client, config)?, args),
        Command::Mv(args) => change::mv(&at(&args.changing.reading.client, config)?, args),
        Command::Cp(args) => change::cp(&at(&args.changing.reading.client, config)?, args),
        Command::Rm(args) => change::rm(&at(&args.changing.reading.client, config)?, args),
        Command::Meta(args) => meta::run(&at(&args.reading().client, config)?, args),
        Command::Reconcile(args) => reconcile::run(&at(&args.reading.client, config)?, args),
        Command::Growth(args) => activity::growth(&at(&args.reading.client, config)?, args),
        Command::Churn(args) => activity::churn(&at(&args.reading.client, config)?, args),
        Command::Top(args) => activity::top(&at(&args.reading.client, config)?, args),
        Command::Duplicates(args) => activity::duplicates(&at(&args.reading.client, config)?, args),
        Command::Usage(args) => activity::usage(&at(&args.reading.client, config)?, args),
        Command::AsOf(args) => activity::as_of(&at(&args.reading.client, config)?, args),
        Command::Sql(args) => sql::run(&at(&args.reading.client, config)?, args),
        Command::Search(args) => records::search(&at(&args.reading.client, config)?, args),
        Command::Tag(args) => records::tag(&at(&args.args().reading.client, config)?, args),
        Command::Owner(args) => records::owner(&at(&args.args().reading.client, config)?, args),
        Command::Events(args) => events::run(&at(&args.args().reading.client, config)?, args),
        Command::DeadLetters(args) => dead_letters::run(&at(&args.reading().client, config)?, args),
        Command::Consumers(args) => consumers::run(&at(&args.reading.client, config)?, args),
        Command::Rebuild(args) => rebuild::rebuild(&at(&args.reading.client, config)?, args),
        Command::Replay(args) => rebuild::replay(&at(&args.reading.client, config)?, args),
        Command::Openapi(args) => status::openapi(&at(&args.client, config)?, args),
        Command::Completions { shell } => completions(*shell),
        Command::ConfigReference => {
            stdout().write_all(config::reference().as_bytes())?;
            Ok(Outcome::Good)
        }
    }
}

fn serve(args: &ServeArgs) -> anyhow::Result<Outcome> {
    let named: BTreeSet<_> = args.services.iter().copied().collect();
    let all = BTreeSet::from(Service::ALL);
    services::serve(&args.config, if named.is_empty() { &all } else { &named })?;
    Ok(Outcome::Good)
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<Outcome> {
    // The generator panics where it cannot write, so it writes where it always can.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "tidemark", &mut script);
    let mut out = stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Outcome::Good)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == ErrorKind::BrokenPipe)
}
