//! `mounts purge`

use super::{Outcome, find, object};
use crate::client::Services;
use crate::output::{Column, Rows};
use crate::reading::Reading;
use clap::Args;
use serde_json::json;
use std::ffi::OsString;

/// `tidemark mounts purge`
#[derive(Args, Debug)]
pub struct MountsPurgeArgs {
    /// The mount's key or id
    pub mount: OsString,
    /// Files that have been missing for so many days; 0 takes all that are missing
    #[arg(long, value_name = "DAYS")]
    pub missing_for_days: u32,
    /// Count them, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

pub(super) fn run(services: &Services, args: &MountsPurgeArgs) -> anyhow::Result<Outcome> {
    let filestore = &services.filestore;
    let (_, id) = find(filestore, &args.mount)?;
    let path = format!("/v1/backend-mounts/{id}/purge-missing");
    let body = json!({ "missingForDays": args.missing_for_days, "dryRun": args.dry_run });
    let request = filestore.request(reqwest::Method::POST, &path).json(&body);
    let purged = object(filestore, filestore.data(request)?)?;
    let columns = vec![Column::number("nodes"), Column::number("journalEntryId")];
    let mut out = Rows::stdout(args.reading.output, columns);
    out.push(&purged)?;
    out.finish()?;
    Ok(Outcome::Good)
}
