//! Opening, serving and closing.

use super::{VOCABULARY, follow, signals};
use crate::config::{Config, Service};
use anyhow::Context as _;
use axum::Router;
use feed::DeadLetter;
use feed::consumer::ConsumerHandle;
use feed::rest::{self, ConsumerView};
use filestore::{
    Filestore, Hashing, MountHealthChecks, Rescan, RescanOptions, RetentionOptions, Watch,
    WatchOptions,
};
use httpkit::json::Strict;
use httpkit::metric::{REQUEST_DURATION_BUCKETS_SECONDS, REQUEST_DURATION_SECONDS};
use httpkit::{App, Caller, Tokens};
use journal::SystemClock;
use metastore::{Metastore, RuleSet, RulesConfig};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use process::Task;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use timestore::Timestore;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

/// How long a consumer may take to finish the batch in hand.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often filestore checks that each mount can be reached.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
/// How often the gauges of the consumers (the lag) are published.
const METRICS_INTERVAL: Duration = Duration::from_secs(2);

/// Services that are open and bound, and not yet serving.
#[derive(Debug)]
pub struct Running {
    pub(super) filestore: Option<Arc<Filestore>>,
    metastore: Option<Metastore>,
    timestore: Option<Timestore>,
    pub(super) consumers: Vec<ConsumerHandle>,
    /// What wakes the consumers.
    bus: Vec<Task>,
    served: Vec<Served>,
    rescan: Option<RescanOptions>,
    watch: Option<WatchOptions>,
    retention: Option<RetentionOptions>,
    metrics_directories: u32,
    /// After which missing nodes are purged.
    purge_after: Option<Duration>,
    pub(super) stop: CancellationToken,
}

#[derive(Debug)]
struct Served {
    service: Service,
    address: SocketAddr,
    listener: TcpListener,
    router: Router,
}

impl Running {
    /// Opens the stores, checks the bus, binds the listeners, and starts the consumers.
    ///
    /// # Errors
    /// Whatever keeps a service from starting, with the setting and the fix.
    pub fn start(
        config: &Config,
        services: &BTreeSet<Service>,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let _in_runtime = runtime.enter();
        let tokens = load_tokens(config)?;
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(
                Matcher::Full(REQUEST_DURATION_SECONDS.to_owned()),
                REQUEST_DURATION_BUCKETS_SECONDS,
            )?
            .install_recorder()
            .context("the metrics recorder is installed already")?;
        // Ports first: they are the cheapest thing to find taken.
        let mut listeners = Vec::new();
        for service in services {
            listeners.push((*service, bind(config, *service, tokens.is_some(), runtime)?));
        }
        let bus = crate::config::bus_server(config)?;
        if let Some(server) = &bus {
            let listens = listens(config, services);
            follow::check_bus(config, server, listens, runtime)?;
        }
        std::fs::create_dir_all(&config.common.data_dir).with_context(|| {
            format!(
                "TIDEMARK_DATA_DIR: {} cannot be made",
                config.common.data_dir.display()
            )
        })?;
        let mut running = Self {
            filestore: None,
            metastore: None,
            timestore: None,
            consumers: Vec::new(),
            bus: Vec::new(),
            served: Vec::new(),
            rescan: rescan_options(config),
            watch: watch_options(config),
            retention: retention(config),
            metrics_directories: config.filestore.metrics_directories,
            purge_after: purge_after(config),
            stop: CancellationToken::new(),
        };
        running.open(config, services)?;
        let journal = match &running.filestore {
            Some(filestore) => follow::Journal::here(filestore),
            None => follow::Journal::Elsewhere(follow::remote_reader(config, runtime)?),
        };
        if let Some(tokens) = &tokens {
            runtime.spawn(Arc::clone(tokens).follow(running.stop.clone()));
        }
        for (service, listener) in listeners {
            let app = running.app(config, service, &journal)?;
            let router = app
                .tokens(tokens.clone())
                .metrics(metrics.clone())
                .into_router();
            let address = listener.local_addr()?;
            running.served.push(Served {
                service,
                address,
                listener,
                router,
            });
        }
        running.bus = follow::connect(
            config,
            bus.as_ref(),
            &journal,
            &running.consumers,
            runtime,
            &running.stop,
        )?;
        runtime.spawn(publish_metrics(
            metrics,
            running.consumers.clone(),
            running.stop.clone(),
        ));
        signals::watch(running.stop.clone()).context("signals cannot be caught")?;
        Ok(running)
    }

    fn open(&mut self, config: &Config, services: &BTreeSet<Service>) -> anyhow::Result<()> {
        if services.contains(&Service::Filestore) {
            let mut options = filestore::Options::new(&config.common.data_dir);
            options.database_path = Some(config.filestore.database.clone());
            options.hold = filestore::HoldOptions {
                forget_after: config.filestore.journal_consumer_expiry,
                max_entries: config.filestore.journal_hold_max_entries,
            };
            self.filestore = Some(Filestore::open(options).context("filestore cannot start")?);
        }
        if services.contains(&Service::Metastore) {
            let options = metastore_options(config)?;
            self.metastore = Some(Metastore::open(options).context("metastore cannot start")?);
        }
        if services.contains(&Service::Timestore) {
            let options = timestore_options(config);
            self.timestore = Some(Timestore::open(options).context("timestore cannot start")?);
        }
        Ok(())
    }

    /// The service's routes, with its consumer's where it has one.
    fn app(
        &mut self,
        config: &Config,
        service: Service,
        journal: &follow::Journal,
    ) -> anyhow::Result<App> {
        let app = match service {
            Service::Filestore => {
                let filestore = self.filestore.as_ref().context("filestore is not open")?;
                let probe = Arc::clone(filestore);
                App::new("filestore", "Tidemark filestore", filestore.router())
                    .ready(move || probe.ready())
            }
            Service::Metastore => {
                let metastore = self.metastore.as_ref().context("metastore is not open")?;
                let router = metastore.router();
                let sink = metastore
                    .sink()
                    .context("metastore cannot follow the journal")?;
                let threshold = config.metastore.filestore_stall_threshold_seconds;
                let threshold = Duration::from_secs(u64::from(threshold));
                let consumer = config
                    .metastore
                    .filestore_sync_enabled
                    .then(|| follow::spawn(config, sink, journal, threshold))
                    .transpose()?;
                let view = view(config, consumer.clone(), threshold, |caller, _| {
                    caller.require_unlimited().map(|()| true)
                });
                self.consumers.extend(consumer);
                let (probe, follows) = (metastore.clone(), view.clone());
                let router = with_consumer(router, view);
                App::new("metastore", "Tidemark metastore", router)
                    .ready(move || probe.ready().and_then(|()| follows.ready()))
            }
            Service::Timestore => {
                let timestore = self.timestore.as_ref().context("timestore is not open")?;
                let (router, sink) = (timestore.router(), timestore.sink());
                let threshold = config.timestore.filestore_stall_threshold_seconds;
                let threshold = Duration::from_secs(u64::from(threshold));
                let consumer = config
                    .timestore
                    .filestore_sync_enabled
                    .then(|| follow::spawn(config, sink, journal, threshold))
                    .transpose()?;
                let sees = |caller: &Caller, letter: &DeadLetter| {
                    Ok(timestore::may_see(caller, &letter.data))
                };
                let view = view(config, consumer.clone(), threshold, sees);
                self.consumers.extend(consumer);
                let (probe, follows) = (timestore.clone(), view.clone());
                let router = with_consumer(router, view);
                App::new("timestore", "Tidemark timestore", router)
                    .ready(move || probe.ready().and_then(|()| follows.ready()))
            }
        };
        Ok(app)
    }

    /// Says where the services listen.
    pub fn announce(&self) {
        for served in &self.served {
            tracing::info!(service = ?served.service, address = %served.address, "listening");
        }
    }

    /// The addresses, in the order of the services.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (Service, SocketAddr)> {
        self.served
            .iter()
            .map(|served| (served.service, served.address))
    }

    /// Serves until the process is told to stop, then drains and closes.
    ///
    /// # Errors
    /// A listener failed, or a store could not be closed well.
    pub fn run(mut self, runtime: &Runtime) -> anyhow::Result<()> {
        let watch = self.watch();
        let rescan = self.rescan()?;
        let hashing = self.hash()?;
        let health = self.look_after_mounts()?;
        self.retain(runtime);
        self.purge(runtime);
        let served = std::mem::take(&mut self.served);
        let outcome = runtime.block_on(async {
            let serving = served.into_iter().map(|served| {
                let stop = self.stop.clone();
                async move {
                    let result = httpkit::serve(served.listener, served.router, stop.clone()).await;
                    // One service that cannot go on takes the process down, rather than leave
                    // half of it running.
                    stop.cancel();
                    result.with_context(|| format!("{:?} stopped serving", served.service))
                }
            });
            futures::future::try_join_all(serving).await
        });
        drop(watch);
        drop(rescan);
        drop(hashing);
        drop(health);
        self.close()?;
        outcome.map(drop)
    }

    /// Starts to watch the mounts, so that changes by other programs are seen at once. Without
    /// inotify they are rescanned only.
    fn watch(&mut self) -> Option<Watch> {
        let (filestore, options) = (self.filestore.as_ref()?, self.watch.take()?);
        match Watch::start(Arc::clone(filestore), options) {
            Ok(watch) => Some(watch),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "mounts cannot be watched, they are rescanned by period; if \
                     fs.inotify.max_user_instances is reached, raise it"
                );
                None
            }
        }
    }

    /// Starts the rescans; the first are due at once.
    fn rescan(&self) -> anyhow::Result<Option<Rescan>> {
        let (Some(filestore), Some(options)) = (&self.filestore, self.rescan) else {
            return Ok(None);
        };
        let rescan = Rescan::start(Arc::clone(filestore), options)
            .context("the thread that scans again cannot be started")?;
        Ok(Some(rescan))
    }

    /// Starts the checks of the mounts and their gauges.
    fn look_after_mounts(&self) -> anyhow::Result<Option<MountHealthChecks>> {
        let Some(filestore) = &self.filestore else {
            return Ok(None);
        };
        let directories = usize::try_from(self.metrics_directories)?;
        let checks = MountHealthChecks::start(Arc::clone(filestore), HEALTH_INTERVAL, directories)
            .context("the thread that looks after mounts cannot be started")?;
        Ok(Some(checks))
    }

    /// Starts to hash the files of mounts whose configuration asks for it.
    fn hash(&self) -> anyhow::Result<Option<Hashing>> {
        let Some(filestore) = &self.filestore else {
            return Ok(None);
        };
        let hashing = Hashing::start(Arc::clone(filestore))
            .context("the thread that hashes files cannot be started")?;
        Ok(Some(hashing))
    }

    /// Starts to remove journal entries that every known consumer has applied and that are old.
    fn retain(&self, runtime: &Runtime) {
        let (Some(filestore), Some(options)) = (&self.filestore, self.retention) else {
            return;
        };
        let retaining = Arc::clone(filestore).keep_retaining(options, self.stop.clone());
        runtime.spawn(retaining);
    }

    /// Nodes that have been missing for long go, if that is asked for.
    fn purge(&self, runtime: &Runtime) {
        if let (Some(filestore), Some(after)) = (&self.filestore, self.purge_after) {
            runtime.spawn(Arc::clone(filestore).keep_purging(after, self.stop.clone()));
        }
    }

    fn close(&mut self) -> anyhow::Result<()> {
        self.bus.iter().for_each(|task| task.stopper().set());
        self.consumers.iter().for_each(ConsumerHandle::stop);
        for consumer in &self.consumers {
            anyhow::ensure!(
                consumer.stopped(STOP_LIMIT),
                "the consumer of {} did not finish its batch within {STOP_LIMIT:?}; the next \
                 start goes on from its checkpoint",
                consumer.name()
            );
        }
        self.bus.clear();
        if let Some(filestore) = &self.filestore {
            filestore.close();
        }
        if let Some(metastore) = &self.metastore {
            metastore.close();
        }
        if let Some(timestore) = &self.timestore {
            timestore.close();
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Whether a consumer is to run here.
fn listens(config: &Config, services: &BTreeSet<Service>) -> bool {
    services.iter().any(|service| match service {
        Service::Filestore => false,
        Service::Metastore => config.metastore.filestore_sync_enabled,
        Service::Timestore => config.timestore.filestore_sync_enabled,
    })
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn purge_after(config: &Config) -> Option<Duration> {
    let days = config.filestore.purge_missing_days;
    (days > 0).then(|| DAY.saturating_mul(days))
}

fn retention(config: &Config) -> Option<RetentionOptions> {
    let days = config.filestore.journal_retention_days;
    (days > 0).then(|| RetentionOptions {
        keep: DAY.saturating_mul(days),
    })
}

fn rescan_options(config: &Config) -> Option<RescanOptions> {
    let interval = config.filestore.rescan_interval;
    (!interval.is_zero()).then(|| RescanOptions {
        interval,
        watched_interval: config.filestore.watched_rescan_interval.max(interval),
    })
}

fn watch_options(config: &Config) -> Option<WatchOptions> {
    let most = usize::try_from(config.filestore.watch_max_directories);
    let most = most.ok().filter(|most| *most > 0);
    config.filestore.watch.then(|| WatchOptions {
        most_directories: most.unwrap_or(usize::MAX),
        settle: config.filestore.watch_settle,
        // Otherwise the rescan begins with it.
        scans_first: config.filestore.rescan_interval.is_zero(),
        ..WatchOptions::default()
    })
}

fn bind(
    config: &Config,
    service: Service,
    has_tokens: bool,
    runtime: &Runtime,
) -> anyhow::Result<TcpListener> {
    let (name, host, port) = match service {
        Service::Filestore => ("filestore", &config.filestore.host, config.filestore.port),
        Service::Metastore => ("metastore", &config.metastore.host, config.metastore.port),
        Service::Timestore => ("timestore", &config.timestore.host, config.timestore.port),
    };
    runtime
        .block_on(httpkit::bind(host, port, has_tokens))
        .map_err(|error| error.of_service(name))
        .with_context(|| format!("{name} cannot listen"))
}

fn load_tokens(config: &Config) -> anyhow::Result<Option<Arc<Tokens>>> {
    let Some(path) = &config.common.tokens_file else {
        return Ok(None);
    };
    let tokens = Tokens::load(path, VOCABULARY)
        .with_context(|| format!("TIDEMARK_TOKENS_FILE: {} cannot be used", path.display()))?;
    Ok(Some(Arc::new(tokens)))
}

fn metastore_options(config: &Config) -> anyhow::Result<metastore::Options> {
    let rules = config
        .metastore
        .namespace_rules
        .iter()
        .enumerate()
        .map(|(at, rule)| {
            let rule = metastore::Rule::deserialize(Strict(rule.clone()));
            rule.with_context(|| format!("metastore.namespace_rules[{at}] is not a rule"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let rules = RuleSet::new(RulesConfig {
        default_namespace: config.metastore.filestore_namespace.clone(),
        quarantine_namespace: config.metastore.quarantine_namespace.clone(),
        rules,
    })
    .context("metastore.namespace_rules cannot be used")?;
    let mut options = metastore::Options::in_data_dir(&config.common.data_dir);
    options.database_path.clone_from(&config.metastore.database);
    options.rules = metastore::Rules::Configured(rules);
    let presets = config.metastore.search_presets.clone();
    options.search_presets = presets.unwrap_or_default().0;
    let fields = config.metastore.indexed_fields.clone();
    options.indexed_fields = fields.unwrap_or_default().0;
    Ok(options)
}

fn timestore_options(config: &Config) -> timestore::Options {
    let mut options = timestore::Options::new(&config.common.data_dir, Arc::new(SystemClock));
    options.database_path.clone_from(&config.timestore.database);
    options
        .dataset_slug
        .clone_from(&config.timestore.filestore_dataset_slug);
    options
        .dataset_name
        .clone_from(&config.timestore.filestore_dataset_name);
    options
        .table_name
        .clone_from(&config.timestore.filestore_table_name);
    options.memory_limit_bytes = u64::from(config.timestore.memory_limit_mib) << 20;
    options.threads = config.timestore.threads;
    options.sql_timeout = config.timestore.sql_timeout;
    options.sql_max_rows =
        usize::try_from(config.timestore.sql_max_rows).unwrap_or(options.sql_max_rows);
    options
}

fn view(
    config: &Config,
    consumer: Option<ConsumerHandle>,
    stall_threshold: Duration,
    visible: fn(&Caller, &DeadLetter) -> httpkit::Result<bool>,
) -> ConsumerView {
    ConsumerView {
        consumer,
        visible,
        is_inline: config.filestore.redis_url == feed::bus::BusUrl::Inline,
        stall_threshold,
    }
}

fn with_consumer(router: OpenApiRouter, view: ConsumerView) -> OpenApiRouter {
    let layer = view.clone();
    router
        .merge(rest::router(view))
        .layer(axum::middleware::from_fn(move |request, next| {
            rest::completeness(layer.clone(), request, next)
        }))
}

/// Publishes the gauges of the consumers, and lets the recorder tidy its histograms.
async fn publish_metrics(
    metrics: PrometheusHandle,
    consumers: Vec<ConsumerHandle>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(METRICS_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {
                for consumer in &consumers {
                    consumer.look_at_head().await;
                    consumer.record_metrics();
                }
                metrics.run_upkeep();
            }
        }
    }
}
