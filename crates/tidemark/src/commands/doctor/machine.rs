//! What can be seen without asking a service: files, disks, Redis, the system's limits.

use super::Finding;
use crate::config::{Config, bus_server};
use crate::output::bytes;
use crate::services::VOCABULARY;
use anyhow::Context as _;
use feed::bus::redis::SessionError;
use process::Chain;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long Redis may take to answer.
const REDIS_TIMEOUT: Duration = Duration::from_secs(3);
/// Less room than this is too little for a log to grow.
const ROOM_LEAST_BYTES: u64 = 64 << 20;
/// Less room than this is worth a look.
const ROOM_LITTLE_BYTES: u64 = 1 << 30;

/// The token file can be read, and no service listens for everybody without one.
pub(super) fn tokens(config: &Config) -> Finding {
    let hosts = [
        &config.filestore.host,
        &config.metastore.host,
        &config.timestore.host,
    ];
    let is_open = hosts.iter().any(|host| !is_loopback(host));
    let finding = |detail: String| Finding::ok("configuration", "access", detail);
    match &config.common.tokens_file {
        Some(path) => match httpkit::Tokens::load(path, VOCABULARY) {
            Ok(_) => finding(format!("tokens of {}", path.display())),
            Err(error) => finding(format!(
                "{}: {:#}",
                path.display(),
                anyhow::Error::new(error)
            ))
            .fail("correct the file that TIDEMARK_TOKENS_FILE names"),
        },
        None if is_open => {
            let hosts = hosts.map(String::as_str).join(", ");
            finding(format!("no tokens, and listening on {hosts}")).fail(
                "set TIDEMARK_TOKENS_FILE, or listen on 127.0.0.1 only; the services do not \
                 start otherwise",
            )
        }
        None => finding("no tokens: loopback only".to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// The data directory is there and can be written.
pub(super) fn data_dir(config: &Config) -> Finding {
    let dir = &config.common.data_dir;
    let finding = |detail: &str| Finding::ok("data directory", dir.display().to_string(), detail);
    let about = match dir.metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return finding("it is not there; the first start makes it")
                .warn("if there should be one, set TIDEMARK_DATA_DIR as the services have it");
        }
        Err(error) => {
            return finding(&error.to_string())
                .fail("let this user read it, or set TIDEMARK_DATA_DIR");
        }
    };
    let fix = format!(
        "it belongs to user {}; run the services as that user, or change its owner",
        about.uid()
    );
    if !about.is_dir() {
        return finding("it is no directory").fail("set TIDEMARK_DATA_DIR to a directory");
    }
    match rustix::fs::access(
        dir,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    ) {
        Ok(()) => finding("it can be written"),
        Err(error) => finding(&format!("it cannot be written: {error}")).fail(fix),
    }
}

/// The databases of filestore, metastore and timestore.
pub(super) fn databases(config: &Config) -> [(&'static str, &Path); 3] {
    [
        ("filestore", &config.filestore.database),
        ("metastore", &config.metastore.database),
        ("timestore", &config.timestore.database),
    ]
}

/// The process that holds a service's lock file on this machine.
pub(super) fn holder(config: &Config, service: &str) -> Option<u32> {
    process::holder(&lock_file(config, service)?)
}

fn lock_file(config: &Config, service: &str) -> Option<PathBuf> {
    let (_, database) = databases(config)
        .into_iter()
        .find(|(name, _)| *name == service)?;
    Some(match service {
        "filestore" => config.common.data_dir.join("filestore.lock"),
        _ => database.with_extension("lock"),
    })
}

/// The room on the disks of the databases. A rebuild needs as much again as the book has.
pub(super) fn disks(config: &Config) -> Vec<Finding> {
    let room = |(service, database): (&'static str, &Path)| {
        let folder = database.ancestors().skip(1).find(|path| path.is_dir());
        let subject = database.display().to_string();
        // With the log beside it.
        let size = ["", "-wal", ".wal"].into_iter().map(|suffix| {
            let mut file = database.as_os_str().to_owned();
            file.push(suffix);
            Path::new(&file).metadata().map_or(0, |about| about.len())
        });
        let size = size.sum();
        let Some(Ok(about)) = folder.map(rustix::fs::statvfs) else {
            return Finding::ok("disk", subject, "the room on its disk cannot be told")
                .warn("check that its folder is there");
        };
        judge_room(
            service,
            subject,
            size,
            about.f_bavail.saturating_mul(about.f_frsize),
        )
    };
    databases(config).map(room).to_vec()
}

fn judge_room(service: &str, subject: String, size: u64, free: u64) -> Finding {
    let shown = |count: u64| bytes(i64::try_from(count).unwrap_or(i64::MAX));
    let detail = format!("{} free, the database has {}", shown(free), shown(size));
    let finding = Finding::ok("disk", subject, detail);
    if free < ROOM_LEAST_BYTES {
        finding.fail(format!("make room: {service} waits while its disk is full"))
    } else if free < ROOM_LITTLE_BYTES {
        finding.warn("make room before it is full")
    } else if service != "filestore" && free < size {
        finding.warn(format!(
            "a rebuild of {service} needs as much room again as it has"
        ))
    } else {
        finding
    }
}

/// Redis does what a consumer needs of it, where it is the bus.
pub(super) fn redis(config: &Config) -> anyhow::Result<Finding> {
    const FIX: &str = "correct it, or FILESTORE_REDIS_URL; until then the consumers look at the \
                       journal every FEED_POLL_INTERVAL, and lose nothing";
    let shown = config.filestore.redis_url.to_string();
    let failed =
        |error: &dyn std::error::Error| Finding::ok("bus", shown.clone(), Chain(error).to_string());
    let server = match bus_server(config) {
        Ok(None) => return Ok(Finding::ok("bus", shown, "within the process")),
        Ok(Some(server)) => server,
        Err(error) => return Ok(failed(&error).fail(FIX)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime to reach Redis with")?;
    let channel = &config.filestore.events_channel;
    let checked = feed::bus::redis::check(&server, channel, true, REDIS_TIMEOUT);
    Ok(match runtime.block_on(checked) {
        Ok(()) => Finding::ok("bus", shown, "a heartbeat came back through Redis"),
        Err(error @ SessionError::Unreachable { .. }) => {
            failed(&error).fail(format!("start Redis, or {FIX}"))
        }
        Err(error) => failed(&error).fail(FIX),
    })
}

/// The system lets this user watch as many directories as there are.
pub(super) fn watches(config: &Config, directories: Option<u64>, findings: &mut Vec<Finding>) {
    let Some(directories) = directories.filter(|_| config.filestore.watch) else {
        return;
    };
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    let limit = limit.ok().and_then(|text| text.trim().parse().ok());
    let own = u64::from(config.filestore.watch_max_directories);
    let own = Some(own).filter(|most| *most > 0);
    findings.push(judge_watches(directories, limit, own));
}

fn judge_watches(directories: u64, limit: Option<u64>, own: Option<u64>) -> Finding {
    let shown = limit.map_or_else(|| "unknown".to_owned(), |limit| limit.to_string());
    let detail = format!("{directories} directories, the system's limit is {shown}");
    let finding = Finding::ok("watching", "inotify", detail);
    if own.is_some_and(|own| own < directories) {
        return finding.warn(
            "raise FILESTORE_WATCH_MAX_DIRECTORIES; what is not watched is rescanned every \
             FILESTORE_RESCAN_INTERVAL",
        );
    }
    match limit {
        // Other programs of this user watch too.
        Some(limit) if directories > limit / 10 * 9 => finding.warn(format!(
            "sysctl fs.inotify.max_user_watches={}; what is not watched is rescanned every \
             FILESTORE_RESCAN_INTERVAL",
            directories.saturating_mul(2)
        )),
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn room_is_judged_by_what_a_service_needs() {
        let status = |service, size, free| judge_room(service, String::new(), size, free).status;
        assert_eq!(status("filestore", 0, 1 << 20), Status::Fail);
        assert_eq!(status("filestore", 0, 500 << 20), Status::Warn);
        assert_eq!(status("filestore", 3 << 30, 2 << 30), Status::Ok);
        assert_eq!(status("timestore", 3 << 30, 2 << 30), Status::Warn);
        assert_eq!(status("timestore", 1 << 30, 2 << 30), Status::Ok);
    }

    #[test]
    fn directories_are_held_against_the_limits_on_watches() {
        let status = |limit, own| judge_watches(1_000, limit, own).status;
        assert_eq!(status(Some(8_000), None), Status::Ok);
        assert_eq!(status(Some(1_050), None), Status::Warn);
        assert_eq!(status(Some(8_000), Some(10)), Status::Warn);
        assert_eq!(status(None, None), Status::Ok);
    }

    #[test]
    fn only_loopback_addresses_need_no_tokens() {
        assert!(
            ["localhost", "127.0.0.1", "::1", "[::1]"]
                .into_iter()
                .all(is_loopback)
        );
        assert!(
            !["0.0.0.0", "10.0.0.1", "files.example"]
                .into_iter()
                .any(is_loopback)
        );
    }
}
