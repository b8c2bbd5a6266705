//! The metrics of commands: names, units and help texts. The catalogue and scans have their own.
//!
//! Labels are bounded: `command` is one of the commands' names, `outcome` one of `done`,
//! `repeated` (the same idempotency key), `refused` (the caller can do something about it) and
//! `failed`.

use metrics::Unit;

/// Commands that ended; labels `command`, `outcome`.
pub(crate) const COMMANDS_TOTAL: &str = "filestore_commands_total";

/// Time from a command's acceptance to its commit; label `command`.
pub(crate) const COMMAND_SECONDS: &str = "filestore_command_seconds";

/// Gives the recorder the units and help texts.
pub(crate) fn describe() {
    metrics::describe_counter!(COMMANDS_TOTAL, Unit::Count, "Commands that ended.");
    metrics::describe_histogram!(
        COMMAND_SECONDS,
        Unit::Seconds,
        "Time from a command's acceptance to its commit."
    );
    catalogue::describe();
}
