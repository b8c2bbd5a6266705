//! What every command that prints data takes.

use crate::config::Client;
use crate::output::Format;
use clap::Args;

/// How to print, and where the services are.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Reading {
    /// How data is printed on stdout
    #[arg(
        long,
        short,
        value_enum,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub output: Format,
    /// Where the services are.
    #[command(flatten)]
    pub client: Client,
}
