//! Logs: to stderr, as text on a terminal's terms or as JSON for machines.

use crate::config::{Global, LogFormat};
use anyhow::Context as _;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging as the configuration says. Call it once.
pub(crate) fn start(global: &Global) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&global.log).with_context(|| {
        format!("log (--log, TIDEMARK_LOG) cannot be `{}`; write a level or directives such as info,feed=debug", global.log)
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match global.log_format {
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}
