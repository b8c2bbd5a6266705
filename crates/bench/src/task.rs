//! One measurement, in a process of its own.

use crate::outcome::Outcome;
use crate::source::Source;
use crate::{catch_up, growth, listing, live, raw, renamed, scan, search, usage};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// The rename of a directory of so many files, until both books have it.
    Renamed {
        tree: PathBuf,
        data: PathBuf,
        files: u64,
    },
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
    /// Small files, made by threads that do nothing else.
    MakeFiles { data: PathBuf, files: u64 },
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
    /// The sums of usage of the timestore in `data`.
    SumUsage { data: PathBuf, entries: u64 },
    /// Usage through the REST API of the timestore in `data`.
    Usage {
        data: PathBuf,
        entries: u64,
        kind: usage::Kind,
    },
    /// Usage by a statement on a bare connection.
    UsageSql {
        data: PathBuf,
        entries: u64,
        kind: usage::Kind,
    },
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
            Self::Renamed { tree, data, files } => renamed::measure(&tree, &data, files),
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
            Self::MakeFiles { data, files } => raw::upload::measure(&data, files),
            Self::FillNodes { data, files } => listing::fill(&data, files),
            Self::Listing { data, files } => listing::measure(&data, files),
            Self::ListingSql { data, files } => raw::list::measure(&data, files),
            Self::FillNames { data, nodes } => search::fill(&data, nodes),
            Self::Search { data, nodes, kind } => search::measure(&data, nodes, kind),
            Self::Growth { data, entries } => growth::measure(&data, entries),
            Self::GrowthSql { data, entries } => raw::growth::measure(&data, entries),
            Self::SumUsage { data, entries } => usage::sum(&data, entries),
            Self::Usage {
                data,
                entries,
                kind,
            } => usage::measure(&data, entries, kind),
            Self::UsageSql {
                data,
                entries,
                kind,
            } => raw::usage::measure(&data, entries, kind),
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
            | Self::Renamed { data, .. }
            | Self::Live { data, .. }
            | Self::Commands { data, .. }
            | Self::MakeFiles { data, .. }
            | Self::FillNodes { data, .. }
            | Self::Listing { data, .. }
            | Self::ListingSql { data, .. }
            | Self::FillNames { data, .. }
            | Self::Search { data, .. }
            | Self::Growth { data, .. }
            | Self::GrowthSql { data, .. }
            | Self::SumUsage { data, .. }
            | Self::Usage { data, .. }
            | Self::UsageSql { data, .. } => Some(data),
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
