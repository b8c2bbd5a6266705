//! The command line: every command and what it takes. Commands that talk REST keep their own
//! arguments beside their code.

use crate::commands::files::{change, get, meta, put, reconcile};
use crate::commands::{
    activity, consumers, dead_letters, doctor, events, mounts, nodes, rebuild, records, scan, sql,
    status, tree,
};
use crate::config::{Config, Global, Service};
use crate::verify;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Three books about files, kept in step: what there is, what people say about it, how it changed.
///
/// `tidemark dev DIR` catalogues a folder and serves all three books; every other command talks to
/// services that run.
#[derive(Parser, Debug)]
#[command(
    name = "tidemark",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run all three services in one process, catalogue folders and follow their changes
    Dev(Box<DevArgs>),
    /// Run the named services (all, if none is named)
    Serve(Box<ServeArgs>),
    /// Show how the services are; exit 1 if one is unhealthy
    Status(status::StatusArgs),
    /// Compare the three books and print every difference; exit 1 if there is one
    Verify(verify::VerifyArgs),
    /// Check the configuration, this machine and the services, and say what to do; exit 1 if a check
    /// fails
    Doctor(doctor::DoctorArgs),
    /// Catalogue what is in a mount, or in all of them
    Scan(scan::ScanArgs),
    /// Add, change and list mounts
    #[command(subcommand)]
    Mounts(mounts::MountsCommand),
    /// List what is in a directory
    Ls(nodes::LsArgs),
    /// Draw what is below a directory as a tree
    Tree(tree::TreeArgs),
    /// Show one node
    Stat(nodes::StatArgs),
    /// Put files of this machine into a mount
    Put(put::PutArgs),
    /// Get files of a mount onto this machine
    Get(get::GetArgs),
    /// Make directories
    Mkdir(change::MkdirArgs),
    /// Move and rename files and directories
    Mv(change::MvArgs),
    /// Copy files and directories
    Cp(change::CpArgs),
    /// Delete files and directories
    Rm(change::RmArgs),
    /// Show, set and remove a node's metadata
    #[command(subcommand)]
    Meta(meta::MetaCommand),
    /// Compare a node with the disk, and correct the catalogue
    Reconcile(reconcile::ReconcileArgs),
    /// Show how much the tree grew, by hour, day, week or month
    Growth(activity::GrowthArgs),
    /// Show what is rewritten, moved and deleted most
    Churn(activity::ChurnArgs),
    /// Show the files or directories that are largest, grow fastest or are untouched longest
    Top(activity::TopArgs),
    /// Show whose the bytes are, or of what kind, now or at a time
    Usage(activity::UsageArgs),
    /// Show files that have the same contents, and what one copy would save
    Duplicates(activity::DuplicatesArgs),
    /// Show a tree as it was at a time
    AsOf(activity::AsOfArgs),
    /// Ask the timestore in SQL
    Sql(sql::SqlArgs),
    /// Find files and records
    Search(records::SearchArgs),
    /// Add and remove tags of a node's record
    #[command(subcommand)]
    Tag(records::TagCommand),
    /// Set the owner of a node's record
    #[command(subcommand)]
    Owner(records::OwnerCommand),
    /// Read the journal
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// List, retry and discard the entries that a book could not apply
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Show how far each consumer of the journal is; exit 1 if one does not follow it
    Consumers(consumers::ConsumersArgs),
    /// Build a book again from the journal; the old one stays readable meanwhile
    Rebuild(rebuild::RebuildArgs),
    /// Build the part of a book again that comes after a journal entry
    Replay(rebuild::ReplayArgs),
    /// Print the OpenAPI document of a running service
    Openapi(status::OpenapiArgs),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the reference page of the configuration
    #[command(hide = true)]
    ConfigReference,
}

/// `tidemark dev`
#[derive(Args, Debug)]
pub struct DevArgs {
    /// Folders to catalogue and follow; each becomes a mount. Without one: all known mounts
    #[arg(value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// The services' options.
    #[command(flatten)]
    pub config: Config,
}

/// `tidemark serve`
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// A service to run; may be given more than once
    #[arg(long = "service", value_name = "SERVICE", value_enum)]
    pub services: Vec<Service>,
    /// The services' options.
    #[command(flatten)]
    pub config: Config,
}
