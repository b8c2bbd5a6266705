//! `reconcile`: compares a node with the disk and sets the catalogue right.

use super::super::{Outcome, text};
use super::bar::Bar;
use super::{Place, number, object};
use crate::client::Services;
use crate::output::{Column, Row, Rows, escape, say};
use crate::reading::Reading;
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::sync::mpsc;
use std::time::Duration;

const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// `tidemark reconcile`
#[derive(Args, Debug)]
pub struct ReconcileArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH", default_value = ".")]
    pub target: OsString,
    /// Also everything below it
    #[arg(long, short)]
    pub recursive: bool,
    /// Compute the digests of contents too
    #[arg(long)]
    pub hash: bool,
    /// The reason that the journal shows
    #[arg(long, value_enum, default_value = "manual")]
    pub reason: Reason,
    /// Do not wait for the end
    #[arg(long)]
    pub no_wait: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// Why a node is compared with the disk.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody asks
    Manual,
    /// A check by plan
    Audit,
    /// A difference was seen
    Drift,
}

pub(crate) fn run(services: &Services, args: &ReconcileArgs) -> anyhow::Result<Outcome> {
    let filestore = &services.filestore;
    let place = Place::find(services, &args.target)?;
    let reason = match args.reason {
        Reason::Manual => "manual",
        Reason::Audit => "audit",
        Reason::Drift => "drift",
    };
    let body = json!({"backendMountId": place.mount_id, "path": place.path, "reason": reason,
        "detectChildren": args.recursive, "requestedHash": args.hash});
    let request = filestore
        .request(Method::POST, "/v1/reconciliation")
        .json(&body);
    let mut data = object(filestore, filestore.data(request)?)?;
    let job = data.remove("job").unwrap_or_default();
    let mut job = object(filestore, job)?;
    if !args.no_wait {
        job = follow(services, &args.target, job)?;
    }
    let columns = vec![
        Column::text("path"),
        Column::text("status"),
        Column::text("reason"),
        Column::millis("durationMs").titled("TOOK"),
        Column::text("result").for_programs(),
        Column::number("id"),
    ];
    let mut out = Rows::stdout(args.reading.output, columns);
    out.push(&job)?;
    out.finish()?;
    let is_well = matches!(
        text(&job, "status"),
        "queued" | "running" | "succeeded" | "skipped"
    );
    if let Some(error) = job.get("error").filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str);
        let message = message.map_or_else(|| error.to_string(), str::to_owned);
        say(format_args!(
            "the reconciliation failed: {}",
            escape(&message)
        ));
    }
    Ok(if is_well { Outcome::Good } else { Outcome::Bad })
}

/// Asks how the job is until it has ended.
fn follow(services: &Services, target: &OsString, mut job: Row) -> anyhow::Result<Row> {
    let filestore = &services.filestore;
    let Some(id) = number(&job, "id") else {
        return Err(filestore.garbled("the job has no id").into());
    };
    let bar = Bar::waiting(&node::name::spelled(target));
    let mut wait = FIRST_LOOK;
    // Nobody sends: the channel is a timer.
    let (_never, timer) = mpsc::channel::<()>();
    while matches!(text(&job, "status"), "queued" | "running") {
        bar.about(text(&job, "status"));
        if timer.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Disconnected) {
            break;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        let request = filestore.get(&format!("/v1/reconciliation/jobs/{id}"));
        job = object(filestore, filestore.data(request)?)?;
    }
    bar.end();
    Ok(job)
}
