//! Usage by user, now and in the middle of the year, as a client asks for it.

use crate::growth;
use crate::outcome::Outcome;
use crate::watch::Stopwatch;
use crate::{books, memory};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use timestore::Timestore;

/// A statement that takes seconds is asked less often.
pub(crate) const RAW_QUESTIONS: u32 = 3;
/// The time in the past that is asked for.
const THEN: &str = "2025-07-02T12:00:00";

/// Which time is asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Now,
    Then,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Now, Self::Then];

    pub(crate) const fn shown(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Then => "half a year ago",
        }
    }

    /// What holds for the rows up to then.
    pub(crate) fn until(self) -> String {
        match self {
            Self::Now => "TRUE".to_owned(),
            Self::Then => format!("observed_at <= TIMESTAMP '{THEN}'"),
        }
    }
}

/// Makes the sums, which a thread makes by itself at the head.
pub(crate) fn sum(data: &Path, entries: u64) -> anyhow::Result<Outcome> {
    let timestore = Timestore::open(books::timestore_options(data))?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    timestore.sum_usage()?;
    let outcome = Outcome::of(entries, watch.stop()).with_peak()?;
    timestore.close();
    Ok(outcome)
}

/// Asks the REST API over loopback.
pub(crate) fn measure(data: &Path, entries: u64, kind: Kind) -> anyhow::Result<Outcome> {
    let question = match kind {
        Kind::Now => "usage?by=user".to_owned(),
        Kind::Then => format!("usage?by=user&at={THEN}Z"),
    };
    growth::over_http(data, entries, &question, |answer| {
        check(answer.get("rows").and_then(Value::as_array).map(Vec::len))
    })
}

/// Twenty users share the made-up files.
pub(crate) fn check(groups: Option<usize>) -> anyhow::Result<()> {
    let groups = groups.context("usage told no groups")?;
    anyhow::ensure!(
        (1..=20).contains(&groups),
        "usage told {groups} users of 20"
    );
    Ok(())
}
