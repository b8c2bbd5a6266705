//! `tidemark dev`: everything in one process, a tree catalogued, and a first answer.

use super::Running;
use crate::client::Services;
use crate::commands::scan;
use crate::config::{Client, Config, Service};
use crate::output::{Row, bytes, escape, stdout};
use crate::target::{Mount, shown};
use anyhow::Context as _;
use node::name::spelled;
use process::Task;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How many directories the first answer names.
const BIGGEST: usize = 10;
/// How long the first answer waits for the other two books before it says how far they are.
const SETTLE: Duration = Duration::from_secs(600);

/// Runs the three services in this process, mounts and catalogues the directories (or the mounts
/// that are known, if none is named), says what there is, and follows changes until the process is
/// told to stop.
///
/// # Errors
/// A service cannot start, or a directory cannot be mounted.
pub fn dev(config: &Config, directories: &[PathBuf]) -> anyhow::Result<()> {
    let runtime = super::runtime()?;
    let running = Running::start(config, &BTreeSet::from(Service::ALL), &runtime)?;
    let filestore = running.filestore.clone().context("filestore is not open")?;
    let mut mounts = Vec::new();
    for directory in directories {
        let mount = filestore
            .ensure_local_mount(directory)
            .with_context(|| format!("{} cannot be mounted", shown(directory)))?;
        mounts.push(Mount {
            id: mount.id,
            mount_key: mount.mount_key,
            root_path: Some(spelled(directory)),
        });
    }
    announce(&running)?;
    let services = client(config, &running)?;
    let consumers = running.consumers.clone();
    let stop = running.stop.clone();
    let handle = runtime.handle().clone();
    let cataloguing = Task::spawn("catalogue", move |_| {
        let first = First {
            services: &services,
            mounts,
        };
        let outcome = first.catalogue().and_then(|()| {
            let started = Instant::now();
            for consumer in &consumers {
                let head = filestore.reader().position()?.head;
                let waits = stop.run_until_cancelled(consumer.wait_for(head, SETTLE));
                if handle.block_on(waits).is_none() {
                    return Ok(());
                }
            }
            settled(&consumers, started)
        });
        match outcome {
            Err(error) if !stop.is_cancelled() => {
                tracing::error!(error = format!("{error:#}"), "cataloguing failed");
            }
            _ => {}
        }
    })?;
    let outcome = running.run(&runtime);
    // With the services its requests have ended, and with the stop its waits.
    drop(cataloguing);
    super::end(outcome, runtime)
}

/// Where to look, before anything takes long.
fn announce(running: &Running) -> std::io::Result<()> {
    let mut out = stdout();
    for (service, address) in running.addresses() {
        let about = match service {
            Service::Filestore => "files, and every change to them",
            Service::Metastore => "what people say about them",
            Service::Timestore => "how it all changed",
        };
        let name = format!("{service:?}").to_lowercase();
        writeln!(out, "{name:<10} http://{address}/docs  {about}")?;
    }
    out.flush()
}

/// A client of the services of this process.
fn client(config: &Config, running: &Running) -> anyhow::Result<Services> {
    let mut client = Client {
        filestore_url: None,
        metastore_url: None,
        timestore_url: None,
        token: config.common.token.clone(),
    };
    for (service, address) in running.addresses() {
        let url = Some(format!("http://{address}"));
        match service {
            Service::Filestore => client.filestore_url = url,
            Service::Metastore => client.metastore_url = url,
            Service::Timestore => client.timestore_url = url,
        }
    }
    Services::new(&client, config.clone())
}

struct First<'a> {
    services: &'a Services,
    mounts: Vec<Mount>,
}

impl First<'_> {
    fn catalogue(&self) -> anyhow::Result<()> {
        let known;
        let mounts = if self.mounts.is_empty() {
            known = crate::target::mounts(&self.services.filestore)?;
            &known
        } else {
            &self.mounts
        };
        for mount in mounts {
            let job = scan::catalogue(self.services, mount)?;
            self.answer(mount, &job)?;
        }
        Ok(())
    }

    /// The biggest directories in a mount's root, the biggest first.
    fn biggest(&self, mount_id: &str) -> anyhow::Result<Vec<Row>> {
        let filestore = &self.services.filestore;
        let (mut biggest, mut after) = (Vec::new(), None::<i64>);
        loop {
            let query = [
                ("backendMountId", mount_id),
                ("path", ""),
                ("depth", "1"),
                ("kinds", "directory"),
                ("limit", "500"),
            ];
            let request = filestore.get("/v1/nodes").query(&query);
            let request = request.query(&after.map(|after| [("after", after)]));
            let page = filestore.data(request)?;
            let next = page
                .pointer("/pagination/nextAfter")
                .and_then(Value::as_i64);
            biggest.extend(crate::commands::rows_in(page, &["nodes"]));
            biggest.sort_by_key(|row| std::cmp::Reverse(size(row)));
            biggest.truncate(BIGGEST);
            after = next;
            if after.is_none() {
                return Ok(biggest);
            }
        }
    }

    /// Files, bytes and the biggest directories.
    fn answer(&self, mount: &Mount, job: &Value) -> anyhow::Result<()> {
        let filestore = &self.services.filestore;
        let mount_id = mount.id.to_string();
        let query = [("backendMountId", mount_id.as_str()), ("path", "")];
        let root = filestore.data(filestore.get("/v1/nodes/by-path").query(&query))?;
        let count = |value: &Value, key: &str| {
            value
                .get("rollup")
                .and_then(|rollup| rollup.get(key))
                .and_then(Value::as_i64)
        };
        let number = |key: &str| count(&root, key).unwrap_or_default();
        let report = |key: &str| {
            job.get("report")
                .and_then(|report| report.get(key))
                .and_then(Value::as_i64)
        };
        let mut out = stdout();
        writeln!(
            out,
            "\n{} ({}): {} files, {} directories, {} ({} bytes)",
            escape(&mount.mount_key),
            escape(mount.root_path.as_deref().unwrap_or_default()),
            number("fileCount"),
            number("directoryCount"),
            bytes(number("sizeBytes")),
            number("sizeBytes"),
        )?;
        let changed: i64 = ["created", "updated", "moved", "missing", "reconciled"]
            .iter()
            .filter_map(|key| report(key))
            .sum();
        let millis = Duration::from_millis(
            report("durationMs")
                .and_then(|millis| u64::try_from(millis).ok())
                .unwrap_or_default(),
        );
        match scan::failure(job) {
            Some(reason) => writeln!(out, "the scan failed: {}", escape(reason))?,
            None => writeln!(out, "scanned in {millis:.1?}, {changed} changes journalled")?,
        }
        for row in self.biggest(&mount_id)? {
            let path = row.get("path").and_then(Value::as_str).unwrap_or_default();
            writeln!(
                out,
                "{:>10}  {}",
                bytes(size(&row).unwrap_or_default()),
                escape(path)
            )?;
        }
        out.flush()?;
        Ok(())
    }
}

/// Says that the other two books have followed, or how far they are.
fn settled(consumers: &[feed::consumer::ConsumerHandle], started: Instant) -> anyhow::Result<()> {
    let mut out = stdout();
    writeln!(out)?;
    for consumer in consumers {
        let status = consumer.status();
        let (name, checkpoint) = (consumer.name(), status.checkpoint);
        if status.lag_entries == 0 {
            let waited = started.elapsed();
            writeln!(
                out,
                "{name} has followed to journal entry {checkpoint} (+{waited:.1?})"
            )?;
        } else {
            writeln!(out, "{name} is at entry {checkpoint} of {}", status.head)?;
        }
    }
    writeln!(
        out,
        "following changes; try `tidemark growth`, `tidemark verify`; Ctrl-C stops"
    )?;
    out.flush()?;
    Ok(())
}

/// What lies below a directory, in bytes.
fn size(row: &Row) -> Option<i64> {
    row.get("rollup")
        .and_then(|rollup| rollup.get("sizeBytes"))
        .and_then(Value::as_i64)
}
