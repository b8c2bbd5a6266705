//! `scan`: asks filestore to catalogue a mount, and follows the job.

use super::{Outcome, rows_in};
use crate::client::{Error, Services};
use crate::output::{Column, Row, Rows, bytes, say};
use crate::reading::Reading;
use crate::target::{self, Mount};
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// `tidemark scan`
#[derive(Args, Debug)]
pub struct ScanArgs {
    /// A mount's key or id, or a path in it; without one, every mount
    #[arg(value_name = "MOUNT|PATH")]
    pub target: Option<OsString>,
    /// The directory that is now at the mount's root is meant, though it is another one than before
    #[arg(long, requires = "target")]
    pub accept_root: bool,
    /// Do not wait for the scan to end
    #[arg(long)]
    pub no_wait: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

pub(crate) fn run(services: &Services, args: &ScanArgs) -> anyhow::Result<Outcome> {
    let mounts = target::mounts(&services.filestore)?;
    let chosen = match &args.target {
        Some(text) => vec![target::mount(&mounts, text)?],
        None => mounts,
    };
    if chosen.is_empty() {
        say("there is no mount; add one with `tidemark mounts add DIR`");
        return Ok(Outcome::Bad);
    }
    let columns = vec![
        Column::text("mount"),
        Column::text("status"),
        Column::number("directories"),
        Column::number("files"),
        Column::bytes("bytes").titled("SIZE"),
        Column::number("created"),
        Column::number("updated"),
        Column::number("moved"),
        Column::number("missing"),
        Column::number("reconciled"),
        Column::number("problemCount").titled("PROBLEMS"),
        Column::millis("durationMs").titled("TOOK"),
    ];
    let mut out = Rows::stdout(args.reading.output, columns);
    let mut outcome = Outcome::Good;
    for mount in &chosen {
        let mut job = start(services, mount, args.accept_root)?;
        if !args.no_wait {
            job = follow(services, mount, job)?;
        }
        out.push(&row(mount, &job))?;
        out.flush()?;
        if let Some(reason) = failure(&job) {
            say(format_args!(
                "the scan of {} failed: {reason}",
                mount.mount_key
            ));
        }
        if !matches!(status(&job), "succeeded" | "running") {
            outcome = Outcome::Bad;
        }
        problems(mount, &job);
    }
    out.finish()?;
    Ok(outcome)
}

/// Scans a mount and waits for the end; the job as it then is.
pub(crate) fn catalogue(services: &Services, mount: &Mount) -> anyhow::Result<Value> {
    let job = follow(services, mount, start(services, mount, false)?)?;
    problems(mount, &job);
    Ok(job)
}

fn start(services: &Services, mount: &Mount, accept_root: bool) -> Result<Value, Error> {
    let filestore = &services.filestore;
    let path = format!("/v1/backend-mounts/{}/scan", mount.id);
    let request = filestore
        .request(reqwest::Method::POST, &path)
        .query(&accept_root.then_some([("acceptRoot", true)]))
        .json(&json!({}));
    filestore.data(request)
}

/// Why the scan failed, if it did.
pub(crate) fn failure(job: &Value) -> Option<&str> {
    job.get("error").and_then(Value::as_str)
}

fn status(job: &Value) -> &str {
    job.get("status")
        .and_then(Value::as_str)
        .unwrap_or("unknown")
}

/// Asks how the job is until it has ended, with a bar on a terminal.
fn follow(services: &Services, mount: &Mount, mut job: Value) -> anyhow::Result<Value> {
    let filestore = &services.filestore;
    let id = job
        .get("id")
        .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let id = id.context("filestore's scan job has no id")?;
    let bar = bar(&mount.mount_key);
    let mut wait = FIRST_LOOK;
    // Nobody sends: the channel is a timer.
    let (_never, timer) = mpsc::channel::<()>();
    while status(&job) == "running" {
        show(&bar, job.get("progress"));
        if timer.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        job = filestore.data(filestore.get(&format!("/v1/scans/{id}")))?;
    }
    bar.finish_and_clear();
    Ok(job)
}

fn bar(mount: &str) -> ProgressBar {
    // Hidden by itself where stderr is no terminal.
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg} [{elapsed}]") {
        bar.set_style(style);
    }
    bar.set_prefix(crate::output::escape(mount));
    bar
}

fn show(bar: &ProgressBar, progress: Option<&Value>) {
    let Some(progress) = progress else {
        return;
    };
    let count = |key: &str| {
        progress
            .get(key)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    if bar.length().is_none()
        && count("expectedChanges") > 0
        && let Ok(style) = ProgressStyle::with_template(
            "{spinner} {prefix} {wide_bar} {pos}/{len} {msg} [{elapsed}, {eta} left]",
        )
    {
        bar.set_style(style);
        bar.set_length(count("expectedChanges"));
    }
    bar.set_position(count("changes"));
    let phase = progress
        .get("phase")
        .and_then(Value::as_str)
        .unwrap_or("walking");
    let size = bytes(i64::try_from(count("bytes")).unwrap_or(i64::MAX));
    bar.set_message(format!(
        "{phase}: {} directories, {} files, {size}",
        count("directories"),
        count("files"),
    ));
    bar.tick();
}

/// The mount, the status, and what the report (while there is none, the progress) counts.
fn row(mount: &Mount, job: &Value) -> Row {
    let counts = job.get("report").filter(|report| !report.is_null());
    let counts = counts
        .or_else(|| job.get("progress"))
        .and_then(Value::as_object);
    let mut row = counts.cloned().unwrap_or_default();
    row.insert("mount".to_owned(), json!(mount.mount_key));
    row.insert("status".to_owned(), json!(status(job)));
    row.insert(
        "jobId".to_owned(),
        job.get("id").cloned().unwrap_or_default(),
    );
    row
}

/// What could not be seen, one line each.
fn problems(mount: &Mount, job: &Value) {
    let report = job.get("report").cloned().unwrap_or_default();
    let problems = rows_in(report, &["problems"]);
    for problem in &problems {
        let line = format!(
            "{}: {}",
            super::text(problem, "path"),
            super::text(problem, "reason")
        );
        say(format_args!(
            "{}: {}",
            mount.mount_key,
            crate::output::escape(&line)
        ));
    }
}
