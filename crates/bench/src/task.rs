//! One measurement, in a process of its own.

use crate::source::Source;
use crate::watch::Watched;
use crate::{catch_up, growth, listing, live, raw, scan, search};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What to measure. `data` is a directory for the books, made by whoever runs the task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// A first scan of a tree, or a second one of an unchanged tree.
    Scan { tree: PathBuf, data: PathBuf },
    /// The bare walk over it.
    Walk { tree: PathBuf },
    /// The bare inserts of the rows that a scan left in `from`.
    InsertNodes { from: PathBuf, data: PathBuf },
    /// A journal, read and checked as the consumer does it, and nothing else.
    Read { source: Source },
    /// A journal into the metastore.
    Metastore { source: Source, data: PathBuf },
    /// The bare upserts of the same rows.
    Upsert { source: Source, data: PathBuf },
    /// A journal into the timestore.
    Timestore { source: Source, data: PathBuf },
    /// The bare appends of the rows that the timestore in `from` has.
    AppendRows { from: PathBuf, data: PathBuf },
    /// A journal into both.
    Both { source: Source, data: PathBuf },
    /// A scan with both books following.
    Follow { tree: PathBuf, data: PathBuf },
    /// Commands at a rate, and when both books show them.
    Live {
        tree: PathBuf,
        data: PathBuf,
        commands: u64,
    },
    /// As many commands as there can be.
    Commands {
        tree: PathBuf,
        data: PathBuf,
        commands: u64,
        kind: live::Kind,
    },
    /// A catalogue of so many files, without the files.
    FillNodes { data: PathBuf, files: u64 },
    /// Pages of it through the REST API.
    Listing { data: PathBuf, files: u64 },
    /// Pages of it by a statement on a bare connection.
    ListingSql { data: PathBuf, files: u64 },
    /// A book of so many nodes, and the index of their names.
    FillNames { data: PathBuf, nodes: u64 },
    /// First pages of searches in it.
    Search {
        data: PathBuf,
        nodes: u64,
        kind: search::Kind,
    },
    /// Growth through the REST API of the timestore in `data`.
    Growth { data: PathBuf, entries: u64 },
    /// Growth by a statement on a bare connection.
    GrowthSql { data: PathBuf, entries: u64 },
}

/// What was measured. Entries are whatever the path counts: journal entries, names in a tree,
/// commands, rows looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) entries: u64,
    pub(crate) seconds: f64,
    /// On the processors; none for questions that are timed one by one.
    pub(crate) processor_seconds: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
    /// On disk, after the books were closed.
    pub(crate) bytes: Option<u64>,
}

impl Outcome {
    /// So many entries in so much time.
    pub(crate) fn of(entries: u64, watched: Watched) -> Self {
        Self {
            entries,
            seconds: watched.wall.as_secs_f64(),
            processor_seconds: Some(watched.processor.as_secs_f64()),
            ..Self::default()
        }
    }

    /// With the peak of memory up to now.
    pub(crate) fn with_peak(mut self) -> anyhow::Result<Self> {
        self.peak_mib = Some(crate::memory::peak_mib()?);
        Ok(self)
    }

    /// With the median and the 99th percentile of these times.
    pub(crate) fn with_times(mut self, times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let millis = |percent| Some(percentile(times, percent)?.as_secs_f64() * 1_000.0);
        (self.p50_ms, self.p99_ms) = (millis(50), millis(99));
        self
    }

    /// Entries a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let entries = self.entries as f64;
        entries / self.seconds
    }

    /// One after the other: the same entries, and the time of both.
    pub(crate) fn and_then(mut self, next: &Self) -> Self {
        self.seconds += next.seconds;
        self.processor_seconds = self
            .processor_seconds
            .zip(next.processor_seconds)
            .map(|(first, second)| first + second);
        self
    }

    /// Microseconds on the processors an entry.
    pub(crate) fn processor_micros(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "an average for people to read")]
        let entries = self.entries as f64;
        Some(self.processor_seconds? * 1_000_000.0 / entries)
    }
}

/// The smallest of the sorted values that at least `percent` of them do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

impl Task {
    /// Runs it in a fresh process and waits for what it found.
    pub(crate) fn run_apart(&self) -> anyhow::Result<Outcome> {
        if let Some(data) = self.data() {
            std::fs::create_dir_all(data)?;
        }
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let output = Command::new(program)
            .arg("--worker")
            .arg(serde_json::to_string(self)?)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "{self:?} failed: {}",
            output.status
        );
        serde_json::from_slice(&output.stdout).with_context(|| format!("{self:?} told no outcome"))
    }

    /// Runs it here.
    fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Scan { tree, data } => scan::scan(&tree, &data),
            Self::Walk { tree } => raw::walk::measure(&tree),
            Self::InsertNodes { from, data } => raw::insert::measure(&from, &data),
            Self::Read { source } => catch_up::read(&source),
            Self::Metastore { source, data } => catch_up::metastore(&source, &data),
            Self::Upsert { source, data } => raw::upsert::measure(&source, &data),
            Self::Timestore { source, data } => catch_up::timestore(&source, &data),
            Self::AppendRows { from, data } => raw::append::measure(&from, &data),
            Self::Both { source, data } => catch_up::both(&source, &data),
            Self::Follow { tree, data } => scan::follow(&tree, &data),
            Self::Live {
                tree,
                data,
                commands,
            } => live::live(&tree, &data, commands),
            Self::Commands {
                tree,
                data,
                commands,
                kind,
            } => live::commands(&tree, &data, commands, kind),
            Self::FillNodes { data, files } => listing::fill(&data, files),
            Self::Listing { data, files } => listing::measure(&data, files),
            Self::ListingSql { data, files } => raw::list::measure(&data, files),
            Self::FillNames { data, nodes } => search::fill(&data, nodes),
            Self::Search { data, nodes, kind } => search::measure(&data, nodes, kind),
            Self::Growth { data, entries } => growth::measure(&data, entries),
            Self::GrowthSql { data, entries } => raw::growth::measure(&data, entries),
        }
    }

    fn data(&self) -> Option<&Path> {
        match self {
            Self::Walk { .. } | Self::Read { .. } => None,
            Self::Scan { data, .. }
            | Self::InsertNodes { data, .. }
            | Self::Metastore { data, .. }
            | Self::Upsert { data, .. }
            | Self::Timestore { data, .. }
            | Self::AppendRows { data, .. }
            | Self::Both { data, .. }
            | Self::Follow { data, .. }
            | Self::Live { data, .. }
            | Self::Commands { data, .. }
            | Self::FillNodes { data, .. }
            | Self::Listing { data, .. }
            | Self::ListingSql { data, .. }
            | Self::FillNames { data, .. }
            | Self::Search { data, .. }
            | Self::Growth { data, .. }
            | Self::GrowthSql { data, .. } => Some(data),
        }
    }
}

/// What the fresh process does: the task comes as JSON, and its outcome goes to stdout.
pub(crate) fn work(task: &str) -> anyhow::Result<()> {
    let task: Task = serde_json::from_str(task).context("the task is not known")?;
    let outcome = task.run()?;
    let mut out = std::io::stdout();
    serde_json::to_writer(&mut out, &outcome)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
