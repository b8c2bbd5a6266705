//! The components and their options.
//!
//! An argument's id is its TOML key; flag and environment spell the same words, and a test holds
//! them to it.

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
    /// Folder that holds the databases. `~` and `$XDG_DATA_HOME` (else `~/.local/share`) are
    /// filled in
    #[arg(
        id = "data_dir",
        long = "data-dir",
        env = "TIDEMARK_DATA_DIR",
        value_name = "DIR"
    )]
    #[arg(default_value = "$XDG_DATA_HOME/tidemark")]
    pub data_dir: PathBuf,

    /// JSON file of bearer tokens. Without one, services listen on loopback only and ask for no
    /// token
    #[arg(id = "tokens_file", long = "tokens-file", env = "TIDEMARK_TOKENS_FILE")]
    #[arg(value_name = "FILE")]
    pub tokens_file: Option<PathBuf>,

    /// Bearer token to show to a service in another process that asks for one
    #[arg(
        id = "token",
        long = "token",
        env = "TIDEMARK_TOKEN",
        value_name = "TOKEN"
    )]
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
    #[arg(id = "filestore.host", long = "filestore-host", env = "FILESTORE_HOST")]
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,

    /// Port to listen on
    #[arg(id = "filestore.port", long = "filestore-port", env = "FILESTORE_PORT")]
    #[arg(value_name = "PORT", default_value_t = 4200)]
    pub port: u16,

    /// Database of nodes and journal
    #[arg(id = "filestore.database_url", long = "filestore-database-url")]
    #[arg(env = "FILESTORE_DATABASE_URL", value_name = "sqlite:PATH", value_parser = sqlite_url)]
    #[arg(default_value = "sqlite:{data_dir}/filestore.db")]
    pub database: PathBuf,

    /// Bus on which signals travel: `inline` within one process, a Redis server between several
    #[arg(
        id = "filestore.redis_url",
        long = "filestore-redis-url",
        env = "FILESTORE_REDIS_URL"
    )]
    #[arg(value_name = "inline|redis[s]://HOST:PORT", value_parser = bus_url)]
    #[arg(default_value = "inline")]
    pub redis_url: BusUrl,

    /// Certificate authority of a Redis server with TLS (`rediss://`), in PEM, where the system does
    /// not know it
    #[arg(id = "filestore.redis_ca_file", long = "filestore-redis-ca-file")]
    #[arg(env = "FILESTORE_REDIS_CA_FILE", value_name = "FILE")]
    pub redis_ca_file: Option<PathBuf>,

    /// Certificate that a Redis server with TLS wants of its clients, in PEM
    #[arg(id = "filestore.redis_cert_file", long = "filestore-redis-cert-file")]
    #[arg(env = "FILESTORE_REDIS_CERT_FILE", value_name = "FILE")]
    pub redis_cert_file: Option<PathBuf>,

    /// Key of that certificate, in PEM
    #[arg(id = "filestore.redis_key_file", long = "filestore-redis-key-file")]
    #[arg(env = "FILESTORE_REDIS_KEY_FILE", value_name = "FILE")]
    pub redis_key_file: Option<PathBuf>,

    /// Redis channel of the events
    #[arg(id = "filestore.events_channel", long = "filestore-events-channel")]
    #[arg(env = "FILESTORE_EVENTS_CHANNEL", value_name = "NAME")]
    #[arg(default_value = "apphub:filestore")]
    pub events_channel: String,

    /// Days that journal entries are kept once every known consumer has applied them; 0 keeps them
    /// for ever
    #[arg(
        id = "filestore.journal_retention_days",
        long = "filestore-journal-retention-days"
    )]
    #[arg(
        env = "FILESTORE_JOURNAL_RETENTION_DAYS",
        value_name = "DAYS",
        default_value_t = 0
    )]
    pub journal_retention_days: u32,

    /// How long a consumer in another process is remembered after its last read. Until then the
    /// journal is kept for it
    #[arg(
        id = "filestore.journal_consumer_expiry",
        long = "filestore-journal-consumer-expiry"
    )]
    #[arg(env = "FILESTORE_JOURNAL_CONSUMER_EXPIRY", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration, default_value = "168h")]
    pub journal_consumer_expiry: Duration,

    /// Entries that are kept for a consumer that is behind, at most; one further behind starts again
    /// from a snapshot
    #[arg(
        id = "filestore.journal_hold_max_entries",
        long = "filestore-journal-hold-max-entries"
    )]
    #[arg(
        env = "FILESTORE_JOURNAL_HOLD_MAX_ENTRIES",
        value_name = "ENTRIES",
        default_value_t = 10_000_000
    )]
    pub journal_hold_max_entries: u64,

    /// Where consumers in this process read the journal of a filestore in another process
    #[arg(id = "filestore.journal_url", long = "filestore-journal-url")]
    #[arg(env = "FILESTORE_JOURNAL_URL", value_name = "http://HOST:PORT", value_parser = base_url)]
    pub journal_url: Option<String>,

    /// Whether local mounts are watched, so that changes made behind Tidemark's back are seen at
    /// once
    #[arg(
        id = "filestore.watch",
        long = "filestore-watch",
        env = "FILESTORE_WATCH"
    )]
    #[arg(value_name = "BOOL", default_value = "true")]
    #[arg(action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub watch: bool,

    /// Directories that are watched, at most; `0`: as many as the system allows
    /// (`fs.inotify.max_user_watches`). What is not watched is rescanned
    #[arg(
        id = "filestore.watch_max_directories",
        long = "filestore-watch-max-directories"
    )]
    #[arg(env = "FILESTORE_WATCH_MAX_DIRECTORIES", value_name = "DIRECTORIES")]
    #[arg(default_value_t = 0)]
    pub watch_max_directories: u32,

    /// How long it must be quiet before changes that watching saw are looked at
    #[arg(id = "filestore.watch_settle", long = "filestore-watch-settle")]
    #[arg(env = "FILESTORE_WATCH_SETTLE", value_name = "DURATION")]
    #[arg(value_parser = values::positive_duration, default_value = "100ms")]
    pub watch_settle: Duration,

    /// How often local mounts that are watched throughout are scanned again all the same; `0s`
    /// as often as the others
    #[arg(id = "filestore.watched_rescan_interval")]
    #[arg(
        long = "filestore-watched-rescan-interval",
        env = "FILESTORE_WATCHED_RESCAN_INTERVAL"
    )]
    #[arg(value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub watched_rescan_interval: Duration,

    /// How often local mounts that are not watched throughout are scanned again for changes made
    /// behind Tidemark's back; `0s`: no mount ever is
    #[arg(id = "filestore.rescan_interval", long = "filestore-rescan-interval")]
    #[arg(env = "FILESTORE_RESCAN_INTERVAL", value_name = "DURATION", value_parser = duration)]
    #[arg(default_value = "60s")]
    pub rescan_interval: Duration,
}

/// The book of what people say: its listener, its database and its consumer of the journal.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "metastore")]
pub struct Metastore {
    /// Address to listen on
    #[arg(id = "metastore.host", long = "metastore-host", env = "METASTORE_HOST")]
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,

    /// Port to listen on
    #[arg(id = "metastore.port", long = "metastore-port", env = "METASTORE_PORT")]
    #[arg(value_name = "PORT", default_value_t = 4100)]
    pub port: u16,

    /// Database of records
    #[arg(id = "metastore.database_url", long = "metastore-database-url")]
    #[arg(env = "METASTORE_DATABASE_URL", value_name = "sqlite:PATH", value_parser = sqlite_url)]
    #[arg(default_value = "sqlite:{data_dir}/metastore.db")]
    pub database: PathBuf,

    /// Whether a record is kept for every node
    #[arg(
        id = "metastore.filestore_sync_enabled",
        long = "metastore-filestore-sync-enabled"
    )]
    #[arg(
        env = "METASTORE_FILESTORE_SYNC_ENABLED",
        value_name = "BOOL",
        default_value = "true"
    )]
    #[arg(action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub filestore_sync_enabled: bool,

    /// Namespace of the records of nodes that no namespace rule matches
    #[arg(
        id = "metastore.filestore_namespace",
        long = "metastore-filestore-namespace"
    )]
    #[arg(env = "METASTORE_FILESTORE_NAMESPACE", value_name = "NAME")]
    #[arg(default_value = "filestore")]
    pub filestore_namespace: String,

    /// Namespace of the records that namespace rules put into quarantine
    #[arg(
        id = "metastore.quarantine_namespace",
        long = "metastore-quarantine-namespace"
    )]
    #[arg(env = "METASTORE_QUARANTINE_NAMESPACE", value_name = "NAME")]
    #[arg(default_value = "quarantine")]
    pub quarantine_namespace: String,

    /// Seconds without progress below the journal's head after which health says stalled
    #[arg(id = "metastore.filestore_stall_threshold_seconds")]
    #[arg(
        long = "metastore-filestore-stall-threshold-seconds",
        value_name = "SECONDS"
    )]
    #[arg(
        env = "METASTORE_FILESTORE_STALL_THRESHOLD_SECONDS",
        default_value_t = 60
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub filestore_stall_threshold_seconds: u32,

    /// Fields of the metadata to index, such as `project,cost.centre`, so that a search for their
    /// values reads few records. Indexes are made and removed at the start
    #[arg(id = "metastore.indexed_fields", long = "metastore-indexed-fields")]
    #[arg(env = "METASTORE_INDEXED_FIELDS", value_name = "FIELDS")]
    #[arg(value_parser = values::names)]
    pub indexed_fields: Option<values::Names>,

    /// Searches that a search may ask for by name (`preset`), as a JSON list of `{name, q}` or
    /// `{name, filter}`
    #[arg(id = "metastore.search_presets", long = "metastore-search-presets")]
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
    #[arg(id = "timestore.host", long = "timestore-host", env = "TIMESTORE_HOST")]
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,

    /// Port to listen on
    #[arg(id = "timestore.port", long = "timestore-port", env = "TIMESTORE_PORT")]
    #[arg(value_name = "PORT", default_value_t = 4300)]
    pub port: u16,

    /// Database of datasets
    #[arg(id = "timestore.database_url", long = "timestore-database-url")]
    #[arg(env = "TIMESTORE_DATABASE_URL", value_name = "duckdb:PATH", value_parser = duckdb_url)]
    #[arg(default_value = "duckdb:{data_dir}/timestore.duckdb")]
    pub database: PathBuf,

    /// Whether a row is kept for every journal entry
    #[arg(
        id = "timestore.filestore_sync_enabled",
        long = "timestore-filestore-sync-enabled"
    )]
    #[arg(
        env = "TIMESTORE_FILESTORE_SYNC_ENABLED",
        value_name = "BOOL",
        default_value = "true"
    )]
    #[arg(action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub filestore_sync_enabled: bool,

    /// Slug of the dataset of journal entries
    #[arg(
        id = "timestore.filestore_dataset_slug",
        long = "timestore-filestore-dataset-slug"
    )]
    #[arg(env = "TIMESTORE_FILESTORE_DATASET_SLUG", value_name = "SLUG", value_parser = slug)]
    #[arg(default_value = "filestore_activity")]
    pub filestore_dataset_slug: String,

    /// Name of the dataset of journal entries
    #[arg(
        id = "timestore.filestore_dataset_name",
        long = "timestore-filestore-dataset-name"
    )]
    #[arg(env = "TIMESTORE_FILESTORE_DATASET_NAME", value_name = "NAME")]
    #[arg(default_value = "Filestore activity")]
    pub filestore_dataset_name: String,

    /// Table of the dataset of journal entries, as SQL names it
    #[arg(
        id = "timestore.filestore_table_name",
        long = "timestore-filestore-table-name"
    )]
    #[arg(env = "TIMESTORE_FILESTORE_TABLE_NAME", value_name = "TABLE", value_parser = slug)]
    #[arg(default_value = "filestore_activity")]
    pub filestore_table_name: String,

    /// Memory that DuckDB may use, in MiB; what does not fit goes to disk
    #[arg(id = "timestore.memory_limit_mib", long = "timestore-memory-limit-mib")]
    #[arg(
        env = "TIMESTORE_MEMORY_LIMIT_MIB",
        value_name = "MIB",
        default_value_t = 256
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(48..))]
    pub memory_limit_mib: u32,

    /// Threads that DuckDB works with; each has memory of its own beside the limit
    #[arg(id = "timestore.threads", long = "timestore-threads")]
    #[arg(env = "TIMESTORE_THREADS", value_name = "THREADS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,

    /// How long a statement may run
    #[arg(id = "timestore.sql_timeout", long = "timestore-sql-timeout")]
    #[arg(
        env = "TIMESTORE_SQL_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = values::positive_duration)]
    pub sql_timeout: Duration,

    /// Rows that a statement may give, at most
    #[arg(id = "timestore.sql_max_rows", long = "timestore-sql-max-rows")]
    #[arg(
        env = "TIMESTORE_SQL_MAX_ROWS",
        value_name = "ROWS",
        default_value_t = 10_000
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub sql_max_rows: u32,

    /// Milliseconds before a failed read or batch is first tried again; the wait doubles from
    /// there
    #[arg(
        id = "timestore.filestore_retry_ms",
        long = "timestore-filestore-retry-ms"
    )]
    #[arg(
        env = "TIMESTORE_FILESTORE_RETRY_MS",
        value_name = "MS",
        default_value_t = 100
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub filestore_retry_ms: u32,

    /// Seconds without progress below the journal's head after which health says stalled
    #[arg(id = "timestore.filestore_stall_threshold_seconds")]
    #[arg(
        long = "timestore-filestore-stall-threshold-seconds",
        value_name = "SECONDS"
    )]
    #[arg(
        env = "TIMESTORE_FILESTORE_STALL_THRESHOLD_SECONDS",
        default_value_t = 60
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub filestore_stall_threshold_seconds: u32,
}

/// How both consumers follow the journal.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "feed")]
pub struct Feed {
    /// Entries that a consumer applies in one transaction, at most
    #[arg(id = "feed.batch_max_entries", long = "feed-batch-max-entries")]
    #[arg(
        env = "FEED_BATCH_MAX_ENTRIES",
        value_name = "ENTRIES",
        default_value_t = 4_000
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_max_entries: u32,

    /// How often a consumer looks at the journal while the bus is not live
    #[arg(
        id = "feed.poll_interval",
        long = "feed-poll-interval",
        env = "FEED_POLL_INTERVAL"
    )]
    #[arg(value_name = "DURATION", value_parser = values::positive_duration)]
    #[arg(default_value = "1s")]
    pub poll_interval: Duration,

    /// How often a consumer looks at the journal while the bus is live, in case a signal was lost
    #[arg(
        id = "feed.idle_interval",
        long = "feed-idle-interval",
        env = "FEED_IDLE_INTERVAL"
    )]
    #[arg(value_name = "DURATION", value_parser = values::positive_duration)]
    #[arg(default_value = "5s")]
    pub idle_interval: Duration,

    /// Longest wait before a failed read, batch or connection is tried again
    #[arg(
        id = "feed.retry_longest",
        long = "feed-retry-longest",
        env = "FEED_RETRY_LONGEST"
    )]
    #[arg(value_name = "DURATION", value_parser = values::positive_duration)]
    #[arg(default_value = "5s")]
    pub retry_longest: Duration,

    /// How often a consumer sends itself a heartbeat through Redis
    #[arg(
        id = "feed.heartbeat_interval",
        long = "feed-heartbeat-interval",
        env = "FEED_HEARTBEAT_INTERVAL"
    )]
    #[arg(value_name = "DURATION", value_parser = values::positive_duration)]
    #[arg(default_value = "1s")]
    pub heartbeat_interval: Duration,

    /// After how long without a heartbeat the bus is silent and subscribed to again; longer than
    /// the interval of the heartbeats
    #[arg(
        id = "feed.silent_after",
        long = "feed-silent-after",
        env = "FEED_SILENT_AFTER"
    )]
    #[arg(value_name = "DURATION", value_parser = values::positive_duration)]
    #[arg(default_value = "4s")]
    pub silent_after: Duration,

    /// How long Redis may take to connect or to answer
    #[arg(
        id = "feed.bus_timeout",
        long = "feed-bus-timeout",
        env = "FEED_BUS_TIMEOUT"
    )]
    #[arg(value_name = "DURATION", value_parser = values::positive_duration)]
    #[arg(default_value = "2s")]
    pub bus_timeout: Duration,

    /// Whether a start is refused while the bus does not answer
    #[arg(id = "feed.require_bus_at_start", long = "feed-require-bus-at-start")]
    #[arg(
        env = "FEED_REQUIRE_BUS_AT_START",
        value_name = "BOOL",
        default_value = "true"
    )]
    #[arg(action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub require_bus_at_start: bool,

    /// Entries that a consumer parks as dead letters, at most; when they are full it pauses
    #[arg(id = "feed.dead_letters_max", long = "feed-dead-letters-max")]
    #[arg(
        env = "FEED_DEAD_LETTERS_MAX",
        value_name = "ENTRIES",
        default_value_t = 10_000
    )]
    pub dead_letters_max: u32,
}

/// Where commands that talk REST find the services.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Services")]
pub struct Client {
    /// Base URL of filestore; without it the configured host and port
    #[arg(
        id = "client.filestore_url",
        long = "filestore-url",
        env = "FILESTORE_URL"
    )]
    #[arg(value_name = "http://HOST:PORT", value_parser = base_url)]
    pub filestore_url: Option<String>,

    /// Base URL of metastore; without it the configured host and port
    #[arg(
        id = "client.metastore_url",
        long = "metastore-url",
        env = "METASTORE_URL"
    )]
    #[arg(value_name = "http://HOST:PORT", value_parser = base_url)]
    pub metastore_url: Option<String>,

    /// Base URL of timestore; without it the configured host and port
    #[arg(
        id = "client.timestore_url",
        long = "timestore-url",
        env = "TIMESTORE_URL"
    )]
    #[arg(value_name = "http://HOST:PORT", value_parser = base_url)]
    pub timestore_url: Option<String>,

    /// Bearer token to show to a service that asks for one
    #[arg(
        id = "token",
        long = "token",
        env = "TIDEMARK_TOKEN",
        value_name = "TOKEN"
    )]
    pub token: Option<Secret>,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Configuration file; without it `tidemark.toml` in the current folder, if there is one
    #[arg(
        id = "config",
        long,
        env = "TIDEMARK_CONFIG",
        value_name = "FILE",
        global = true
    )]
    pub config: Option<PathBuf>,

    /// What is logged: a level, or directives such as `info,feed=debug`
    #[arg(
        id = "log",
        long,
        env = "TIDEMARK_LOG",
        value_name = "FILTER",
        global = true
    )]
    #[arg(default_value = "info")]
    pub log: String,

    /// How log lines look on stderr
    #[arg(
        id = "log_format",
        long = "log-format",
        env = "TIDEMARK_LOG_FORMAT",
        value_name = "FORMAT"
    )]
    #[arg(global = true, value_enum, default_value = "text")]
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
