//! The real thing, with everything between its parts made breakable.
//!
//! ```text
//! filestore ──▶ proxy ──▶ Redis ──▶ proxy ──▶ metastore, timestore
//!     ▲                                          │
//!     └───────── proxy ◀── GET /v1/journal ──────┘
//! ```
//!
//! Times are short, through the services' own settings, so that a fault that outlasts every
//! time-out takes a second or two.

use crate::damaged::{Damage, Noticed};
use crate::deployment::{Deployment, SERVICES};
use crate::people::People;
use crate::shared::Shared;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::{RedisServer, SmallDisk, TcpProxy};

/// The channel of the events.
pub const CHANNEL: &str = "apphub:filestore";
/// The bytes of a disk that is to be filled: room for the book of one schedule.
const DISK_BYTES: u64 = 48 << 20;
/// The database on such a disk.
const DISK_FILE: &str = "book.db";
/// Redis cuts a subscriber that is this far behind.
const OUTPUT_LIMIT: &str = "pubsub 1mb 512kb 1";

/// Longer than every time-out and every back-off of the services in a [`Rig`].
pub const LONGER_THAN_TIMEOUTS: Duration = Duration::from_millis(1_000);
/// After how long without progress health must not be green.
pub const STALL_THRESHOLD: Duration = Duration::from_secs(1);

const SETTINGS: [(&str, &str); 10] = [
    ("FEED_POLL_INTERVAL", "50ms"),
    ("FEED_IDLE_INTERVAL", "300ms"),
    ("FEED_RETRY_LONGEST", "300ms"),
    ("FEED_HEARTBEAT_INTERVAL", "100ms"),
    ("FEED_SILENT_AFTER", "400ms"),
    ("FEED_BUS_TIMEOUT", "400ms"),
    ("FEED_REQUIRE_BUS_AT_START", "false"),
    ("TIMESTORE_FILESTORE_RETRY_MS", "20"),
    ("METASTORE_FILESTORE_STALL_THRESHOLD_SECONDS", "1"),
    ("TIMESTORE_FILESTORE_STALL_THRESHOLD_SECONDS", "1"),
];

/// The three services as processes, Redis, the proxies between them, and disks that fill up.
#[derive(Debug)]
pub struct Rig {
    /// The services.
    pub deployment: Deployment,
    /// The bus.
    pub redis: RedisServer,
    /// Between filestore and Redis.
    pub publisher: TcpProxy,
    /// Between Redis and the consumers.
    pub subscriber: TcpProxy,
    /// Between the consumers and the journal.
    pub journal: TcpProxy,
    /// The disks of the metastore's and the timestore's databases, where they are to fill up.
    pub disks: [Option<SmallDisk>; 3],
    /// What its threads tell each other.
    pub shared: Arc<Shared>,
    /// How many trees have been put onto the disk behind filestore's back.
    pub bursts: u64,
    /// Damage that nobody has looked at yet.
    pub damage: Option<Damage>,
    /// What was done to files so far.
    pub damaged: Vec<String>,
    /// How each damage was noticed and healed.
    pub noticed: Vec<(&'static str, Noticed)>,
    /// What people wrote.
    pub people: People,
}

impl Rig {
    /// Starts everything; `small` says which services' databases lie on a small disk.
    ///
    /// # Panics
    /// Something does not start.
    #[must_use]
    pub fn start(small: [bool; 3]) -> Self {
        let limit = ["--client-output-buffer-limit", OUTPUT_LIMIT];
        let memory_only = ["--save", "", "--appendonly", "no"];
        let redis = RedisServer::start_with(&[&memory_only[..], &limit].concat());
        let publisher = TcpProxy::start(redis.address());
        let subscriber = TcpProxy::start(redis.address());
        let mut deployment = Deployment::new(&format!("redis://{}", subscriber.address()));
        let journal = TcpProxy::start(([127, 0, 0, 1], deployment.ports[0]).into());
        let disks = small.map(|is_small| is_small.then(|| SmallDisk::mount(DISK_BYTES)));
        for (name, value) in SETTINGS {
            deployment
                .settings
                .insert(name.to_owned(), value.to_owned());
        }
        let mut set = |service: &'static str, name: &str, value: String| {
            let settings = deployment.settings_of.entry(service).or_default();
            settings.insert(name.to_owned(), value);
        };
        let publisher_url = format!("redis://{}", publisher.address());
        set(SERVICES[0], "FILESTORE_REDIS_URL", publisher_url);
        for service in &SERVICES[1..] {
            let url = format!("http://{}", journal.address());
            set(service, "FILESTORE_JOURNAL_URL", url);
        }
        let names = [
            ("FILESTORE_DATABASE_URL", "sqlite:"),
            ("METASTORE_DATABASE_URL", "sqlite:"),
            ("TIMESTORE_DATABASE_URL", "duckdb:"),
        ];
        for (service, (name, scheme)) in names.into_iter().enumerate() {
            if let Some(disk) = &disks[service] {
                let path = disk.path().join(DISK_FILE);
                let url = format!("{scheme}{}", path.display());
                set(SERVICES[service], name, url);
            }
        }
        deployment.start_apart();
        let shared = Shared::default();
        shared
            .starts
            .iter()
            .for_each(|starts| starts.store(1, Ordering::SeqCst));
        Self {
            deployment,
            redis,
            publisher,
            subscriber,
            journal,
            disks,
            shared: Arc::new(shared),
            bursts: 0,
            damage: None,
            damaged: Vec::new(),
            noticed: Vec::new(),
            people: People::default(),
        }
    }

    /// kill -9.
    pub fn kill(&mut self, service: usize) {
        self.deployment.kill(SERVICES[service]);
    }

    /// Starts a service again.
    pub fn start_again(&mut self, service: usize) {
        // First, so that nobody takes the new process's health for the old one's.
        self.shared.starts[service].fetch_add(1, Ordering::SeqCst);
        self.deployment.start(SERVICES[service]);
    }

    /// Starts a service again, if it starts.
    ///
    /// # Errors
    /// What it said instead.
    pub fn try_start_again(&mut self, service: usize) -> Result<(), String> {
        self.shared.starts[service].fetch_add(1, Ordering::SeqCst);
        self.deployment.try_start(SERVICES[service])
    }

    /// A service's database.
    #[must_use]
    pub fn store(&self, service: usize) -> PathBuf {
        const FILES: [&str; 3] = ["filestore.db", "metastore.db", "timestore.duckdb"];
        match &self.disks[service] {
            Some(disk) => disk.path().join(DISK_FILE),
            None => self.deployment.data_dir().join(FILES[service]),
        }
    }

    /// The disk of a service's database.
    ///
    /// # Panics
    /// It is none that can be filled.
    #[must_use]
    pub fn disk(&self, service: usize) -> &SmallDisk {
        self.disks[service]
            .as_ref()
            .expect("the schedule was started with a small disk")
    }
}
