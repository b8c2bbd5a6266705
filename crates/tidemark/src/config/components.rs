//! The components and their options.
//!
//! An argument's id is its TOML key. Its flag and its variable are made from it
//! ([`super::spelled`]), and its default is the one of the component that it configures
//! ([`super::defaults`]).

use super::defaults;
use super::values::{self, Secret, base_url, bus_url, duckdb_url, duration, slug, sqlite_url};
use clap::Args;
use feed::bus::BusUrl;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that `dev` and `serve` can be told.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// What all services share.
    #[command(flatten)]
    pub common: Common,
    /// The book of files.
    #[command(flatten)]
    pub filestore: Filestore,
    /// The book of what people say.
    #[command(flatten)]
    pub metastore: Metastore,
    /// The book of changes.
    #[command(flatten)]
    pub timestore: Timestore,
    /// How both consumers follow the journal.
    #[command(flatten)]
    pub feed: Feed,
}

/// What all services share.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Folder that holds the databases. `~` and `$XDG_DATA_HOME` (by default `~/.local/share`) are
    /// replaced
    #[arg(
        id = "data_dir",
        value_name = "DIR",
        default_value = "$XDG_DATA_HOME/tidemark"
    )]
    pub data_dir: PathBuf,

    /// JSON file of bearer tokens. Without one, services listen on loopback only and ask for no
    /// token
    #[arg(id = "tokens_file", value_name = "FILE")]
    pub tokens_file: Option<PathBuf>,

    /// Bearer token to show to a service in another process that asks for one
    #[arg(id = "token", value_name = "TOKEN")]
    pub token: Option<Secret>,

    #[arg(
        id = "xdg_data_home",
        long = "xdg-data-home",
        env = "XDG_DATA_HOME",
        hide = true
    )]
    pub(super) xdg_data_home: Option<PathBuf>,
}

/// The book of files: its listener, its database, its journal and the bus it publishes on.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "filestore")]
pub struct Filestore {
    /// Address to listen on
    #[arg(
        id = "filestore.host",
        value_name = "ADDRESS",
        default_value = "127.0.0.1"
    )]
    pub host: String,

    /// Port to listen on
    #[arg(id = "filestore.port", value_name = "PORT", default_value_t = 4200)]
    pub port: u16,

    /// Database of nodes and journal
    #[arg(id = "filestore.database_url", value_name = "sqlite:PATH")]
    #[arg(value_parser = sqlite_url, default_value = defaults::filestore_database())]
    pub database: PathBuf,

    /// What wakes the consumers: `inline` within one process, a Redis server between several
    #[arg(id = "filestore.redis_url", value_name = "inline|redis[s]://HOST:PORT")]
    #[arg(value_parser = bus_url, default_value = "inline")]
    pub redis_url: BusUrl,

    /// Certificate authority of a Redis server with TLS (`rediss://`), in PEM, where the system does
    /// not know it
    #[arg(id = "filestore.redis_ca_file", value_name = "FILE")]
    pub redis_ca_file: Option<PathBuf>,

    /// Certificate that a Redis server with TLS wants of its clients, in PEM
    #[arg(id = "filestore.redis_cert_file", value_name = "FILE")]
    pub redis_cert_file: Option<PathBuf>,

    /// Key of that certificate, in PEM
    #[arg(id = "filestore.redis_key_file", value_name = "FILE")]
    pub redis_key_file: Option<PathBuf>,

    /// Redis channel of the events
    #[arg(
        id = "filestore.events_channel",
        value_name = "NAME",
        default_value = "apphub:filestore"
    )]
    pub events_channel: String,

    /// Days after which a journal entry is removed, once every known consumer has applied it; 0
    /// keeps all entries
    #[arg(
        id = "filestore.journal_retention_days",
        value_name = "DAYS",
        default_value_t = 0
    )]
    pub journal_retention_days: u32,

    /// Days after which the node of a file that is gone is deleted; 0 keeps it for ever. What the
    /// timestore knows of it stays
    #[arg(
        id = "filestore.purge_missing_days",
        value_name = "DAYS",
        default_value_t = 0
    )]
    pub purge_missing_days: u32,

    /// How long the journal is kept for a consumer in another process that has stopped reading
    #[arg(id = "filestore.journal_consumer_expiry", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::hold().forget_after))]
    pub journal_consumer_expiry: Duration,

    /// Most entries that are kept for a consumer that lags. One that lags more starts again from a
    /// snapshot
    #[arg(
        id = "filestore.journal_hold_max_entries",
        value_name = "ENTRIES",
        default_value_t = defaults::hold().max_entries
    )]
    pub journal_hold_max_entries: u64,

    /// Where consumers in this process read the journal of a filestore in another process
    #[arg(id = "filestore.journal_url", value_name = "http://HOST:PORT", value_parser = base_url)]
    pub journal_url: Option<String>,

    /// Whether local mounts are watched, so that changes made by other programs are seen at once
    #[arg(id = "filestore.watch", value_name = "BOOL")]
    #[arg(default_value = "true", action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub watch: bool,

    /// Most directories that are watched; `0`: as many as the system allows
    /// (`fs.inotify.max_user_watches`). The others are rescanned
    #[arg(
        id = "filestore.watch_max_directories",
        value_name = "DIRECTORIES",
        default_value_t = 0
    )]
    pub watch_max_directories: u32,

    /// How long a place must be quiet before a change seen by watching is looked at
    #[arg(id = "filestore.watch_settle", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::watch().settle))]
    pub watch_settle: Duration,

    /// How often a local mount is scanned again if all of it is watched; `0s`: as often as the
    /// others
    #[arg(id = "filestore.watched_rescan_interval")]
    #[arg(value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = defaults::duration(defaults::rescan().watched_interval))]
    pub watched_rescan_interval: Duration,

    /// How often a local mount is scanned again if a part of it is not watched; `0s`: no mount is
    /// ever scanned again
    #[arg(id = "filestore.rescan_interval", value_name = "DURATION")]
    #[arg(value_parser = duration, default_value = defaults::duration(defaults::rescan().interval))]
    pub rescan_interval: Duration,

    /// How many of the largest directories in each mount's root have metrics of their own; 0: none
    #[arg(id = "filestore.metrics_directories", value_name = "DIRECTORIES")]
    #[arg(default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub metrics_directories: u32,
}

/// The book of what people say: its listener, its database and its consumer of the journal.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "metastore")]
pub struct Metastore {
    /// Address to listen on
    #[arg(
        id = "metastore.host",
        value_name = "ADDRESS",
        default_value = "127.0.0.1"
    )]
    pub host: String,

    /// Port to listen on
    #[arg(id = "metastore.port", value_name = "PORT", default_value_t = 4100)]
    pub port: u16,

    /// Database of records
    #[arg(id = "metastore.database_url", value_name = "sqlite:PATH")]
    #[arg(value_parser = sqlite_url, default_value = defaults::metastore_database())]
    pub database: PathBuf,

    /// Whether a record is kept for every node
    #[arg(id = "metastore.filestore_sync_enabled", value_name = "BOOL")]
    #[arg(default_value = "true", action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub filestore_sync_enabled: bool,

    /// Namespace of the records of nodes that no namespace rule matches
    #[arg(
        id = "metastore.filestore_namespace",
        value_name = "NAME",
        default_value = defaults::rules().default_namespace
    )]
    pub filestore_namespace: String,

    /// Namespace of records that a namespace rule puts into quarantine
    #[arg(
        id = "metastore.quarantine_namespace",
        value_name = "NAME",
        default_value = defaults::rules().quarantine_namespace
    )]
    pub quarantine_namespace: String,

    /// Seconds without progress after which a book that is behind the journal is called stalled
    #[arg(
        id = "metastore.filestore_stall_threshold_seconds",
        value_name = "SECONDS"
    )]
    #[arg(default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub filestore_stall_threshold_seconds: u32,

    /// Fields of the metadata to index, such as `project,cost.centre`, so that a search for their
    /// values reads few records. Indexes are made and removed at the start
    #[arg(id = "metastore.indexed_fields")]
    #[arg(env = "METASTORE_INDEXED_FIELDS", value_name = "FIELDS")]
    #[arg(value_parser = values::names)]
    pub indexed_fields: Option<values::Names>,

    /// Searches that a search may ask for by name (`preset`), as a JSON list of `{name, q}` or
    /// `{name, filter}`
    #[arg(id = "metastore.search_presets")]
    #[arg(env = "METASTORE_SEARCH_PRESETS", value_name = "JSON")]
    #[arg(value_parser = values::search_presets)]
    pub search_presets: Option<values::SearchPresets>,

    /// `[[metastore.namespace_rules]]` of the configuration file, in its order.
    #[arg(skip)]
    pub namespace_rules: Vec<toml::Value>,
}

/// The book of changes: its listener, its database, its consumer and the dataset it fills.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "timestore")]
pub struct Timestore {
    /// Address to listen on
    #[arg(
        id = "timestore.host",
        value_name = "ADDRESS",
        default_value = "127.0.0.1"
    )]
    pub host: String,

    /// Port to listen on
    #[arg(id = "timestore.port", value_name = "PORT", default_value_t = 4300)]
    pub port: u16,

    /// Database of datasets
    #[arg(id = "timestore.database_url", value_name = "duckdb:PATH")]
    #[arg(value_parser = duckdb_url, default_value = defaults::timestore_database())]
    pub database: PathBuf,

    /// Whether a row is kept for every journal entry
    #[arg(id = "timestore.filestore_sync_enabled", value_name = "BOOL")]
    #[arg(default_value = "true", action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub filestore_sync_enabled: bool,

    /// Slug of the dataset of journal entries
    #[arg(id = "timestore.filestore_dataset_slug", value_name = "SLUG")]
    #[arg(value_parser = slug, default_value = defaults::timestore().dataset_slug)]
    pub filestore_dataset_slug: String,

    /// Name of the dataset of journal entries
    #[arg(
        id = "timestore.filestore_dataset_name",
        value_name = "NAME",
        default_value = defaults::timestore().dataset_name
    )]
    pub filestore_dataset_name: String,

    /// Table of the dataset of journal entries, as SQL names it
    #[arg(id = "timestore.filestore_table_name", value_name = "TABLE")]
    #[arg(value_parser = slug, default_value = defaults::timestore().table_name)]
    pub filestore_table_name: String,

    /// Memory that DuckDB may use, in MiB; what does not fit goes to disk
    #[arg(id = "timestore.memory_limit_mib", value_name = "MIB")]
    #[arg(default_value = (defaults::timestore().memory_limit_bytes >> 20).to_string())]
    #[arg(value_parser = clap::value_parser!(u32).range(48..))]
    pub memory_limit_mib: u32,

    /// Threads that DuckDB works with; each has memory of its own beside the limit
    #[arg(id = "timestore.threads", value_name = "THREADS")]
    #[arg(default_value = defaults::timestore().threads.to_string())]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,

    /// How long a statement may run
    #[arg(id = "timestore.sql_timeout", value_name = "DURATION")]
    #[arg(default_value = defaults::duration(defaults::timestore().sql_timeout))]
    #[arg(value_parser = values::positive_duration)]
    pub sql_timeout: Duration,

    /// Most rows that a statement may return
    #[arg(id = "timestore.sql_max_rows", value_name = "ROWS")]
    #[arg(default_value = defaults::timestore().sql_max_rows.to_string())]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub sql_max_rows: u32,

    /// Milliseconds before a failed read or batch is tried again; the wait doubles each time
    #[arg(id = "timestore.filestore_retry_ms", value_name = "MS")]
    #[arg(default_value = defaults::consumer().retry_first.as_millis().to_string())]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub filestore_retry_ms: u32,

    /// Seconds without progress after which a book that is behind the journal is called stalled
    #[arg(
        id = "timestore.filestore_stall_threshold_seconds",
        value_name = "SECONDS"
    )]
    #[arg(default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub filestore_stall_threshold_seconds: u32,
}

/// How both consumers follow the journal.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "feed")]
pub struct Feed {
    /// Most entries that a consumer applies in one transaction
    #[arg(id = "feed.batch_max_entries", value_name = "ENTRIES")]
    #[arg(default_value = defaults::consumer().batch_max_entries.to_string())]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_max_entries: u32,

    /// How often a consumer looks at the journal while the bus is not live
    #[arg(id = "feed.poll_interval", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::consumer().poll_interval))]
    pub poll_interval: Duration,

    /// How often a consumer looks at the journal while the bus is live, in case a signal was lost
    #[arg(id = "feed.idle_interval", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::consumer().idle_interval))]
    pub idle_interval: Duration,

    /// Longest wait before a failed read, batch or connection is tried again
    #[arg(id = "feed.retry_longest", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::consumer().retry_longest))]
    pub retry_longest: Duration,

    /// How often a consumer sends itself a heartbeat through Redis
    #[arg(id = "feed.heartbeat_interval", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::bus().heartbeat_interval))]
    pub heartbeat_interval: Duration,

    /// How long without a heartbeat until the bus counts as silent and is subscribed to again; must
    /// be longer than the heartbeat interval
    #[arg(id = "feed.silent_after", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::bus().silent_after))]
    pub silent_after: Duration,

    /// How long Redis may take to connect or to answer
    #[arg(id = "feed.bus_timeout", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration)]
    #[arg(default_value = defaults::duration(defaults::bus().connect_timeout))]
    pub bus_timeout: Duration,

    /// Whether to refuse to start while the bus does not answer
    #[arg(id = "feed.require_bus_at_start", value_name = "BOOL")]
    #[arg(default_value = "true", action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub require_bus_at_start: bool,

    /// Most entries that a consumer parks as dead letters; when that many are parked it pauses
    #[arg(
        id = "feed.dead_letters_max",
        value_name = "ENTRIES",
        default_value = defaults::consumer().dead_letters_max.to_string()
    )]
    pub dead_letters_max: u32,
}

/// Where commands that talk REST find the services.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Services")]
pub struct Client {
    /// Base URL of filestore; without it the configured host and port
    #[arg(id = "client.filestore_url", value_name = "http://HOST:PORT", value_parser = base_url)]
    pub filestore_url: Option<String>,

    /// Base URL of metastore; without it the configured host and port
    #[arg(id = "client.metastore_url", value_name = "http://HOST:PORT", value_parser = base_url)]
    pub metastore_url: Option<String>,

    /// Base URL of timestore; without it the configured host and port
    #[arg(id = "client.timestore_url", value_name = "http://HOST:PORT", value_parser = base_url)]
    pub timestore_url: Option<String>,

    /// Bearer token to show to a service that asks for one
    #[arg(id = "token", value_name = "TOKEN")]
    pub token: Option<Secret>,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Configuration file; without it `tidemark.toml` in the current folder, if there is one
    #[arg(id = "config", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// What is logged: a level, or directives such as `info,feed=debug`
    #[arg(
        id = "log",
        value_name = "FILTER",
        global = true,
        default_value = "info"
    )]
    pub log: String,

    /// How log lines look on stderr
    #[arg(
        id = "log_format",
        value_name = "FORMAT",
        global = true,
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}
