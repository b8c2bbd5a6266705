//! Growth of a year by day, as a client asks for it.

use crate::books;
use crate::outcome::Outcome;
use anyhow::Context as _;
use httpkit::App;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use timestore::Timestore;
use tokio_util::sync::CancellationToken;

/// How often the question is asked before it counts, and then.
pub(crate) const WARM_UPS: u32 = 3;
pub(crate) const QUESTIONS: u32 = 20;

/// Asks the REST API over loopback.
pub(crate) fn measure(data: &Path, entries: u64) -> anyhow::Result<Outcome> {
    let year = "growth?bucket=day&from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z";
    over_http(data, entries, year, |answer| {
        let days = answer.get("series").and_then(Value::as_array);
        check(days.map_or(0, Vec::len))
    })
}

/// Asks the timestore in `data` a question again and again.
pub(crate) fn over_http(
    data: &Path,
    entries: u64,
    question: &str,
    check: impl Fn(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Runtime::new()?;
    let timestore = Timestore::open(books::timestore_options(data))?;
    crate::memory::reset_peak()?;
    let mut times = runtime.block_on(ask(&timestore, question, check))?;
    let outcome = outcome(entries, &mut times)?.with_peak()?;
    timestore.close();
    Ok(outcome)
}

/// The median decides how many rows are looked at in a second.
pub(crate) fn outcome(entries: u64, times: &mut [Duration]) -> anyhow::Result<Outcome> {
    let outcome = Outcome::default().with_times(times);
    let p50 = outcome.p50_ms.context("no question was asked")?;
    Ok(Outcome {
        entries,
        seconds: p50 / 1_000.0,
        ..outcome
    })
}

/// A short journal leaves days on which nothing changed.
pub(crate) fn check(days: usize) -> anyhow::Result<()> {
    anyhow::ensure!(
        (1..=365).contains(&days),
        "growth told {days} days of a year"
    );
    Ok(())
}

async fn ask(
    timestore: &Timestore,
    question: &str,
    check: impl Fn(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Duration>> {
    let listener = httpkit::bind("127.0.0.1", 0, false).await?;
    let url = format!("http://{}/filestore/{question}", listener.local_addr()?);
    let app = App::new("timestore", "Tidemark timestore", timestore.router());
    let stop = CancellationToken::new();
    let served = tokio::spawn(httpkit::serve(listener, app.into_router(), stop.clone()));
    let client = reqwest::Client::new();
    let mut times = Vec::new();
    for number in 0..WARM_UPS + QUESTIONS {
        let started = Instant::now();
        let answer = client
            .get(&url)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        let elapsed = started.elapsed();
        let answer: Value = serde_json::from_slice(&answer)?;
        check(&answer)?;
        if number >= WARM_UPS {
            times.push(elapsed);
        }
    }
    drop(client);
    stop.cancel();
    served.await??;
    Ok(times)
}
