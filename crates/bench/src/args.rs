//! The command line.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// What is measured.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Args {
    /// Print a JSON array on stdout, and nothing else
    #[arg(long)]
    pub(crate) json: bool,

    /// How many entries, files or rows each path handles
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) entries: u64,

    /// The slope goes on to a hundred times as many entries, and growth, usage and searches are asked
    /// over them
    #[arg(long)]
    pub(crate) full: bool,

    /// Only these paths
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) only: Vec<Path>,

    /// Where temporary data goes: a disk to be measured, not a RAM disk [default: the system's]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Scan this tree instead of one made for the purpose
    #[arg(long, value_name = "DIR")]
    pub(crate) tree: Option<PathBuf>,

    /// How often each path and its raw engine take turns; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Run one measurement and print its outcome: how this program calls itself
    #[arg(long, hide = true, value_name = "JSON")]
    pub(crate) worker: Option<String>,
}

/// A path through the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Path {
    /// Catalogue a tree, and again unchanged
    Scan,
    /// Read a journal and check its digests, without a book
    Read,
    /// Follow a journal into the metastore
    CatchUpMetastore,
    /// Follow a journal into the timestore
    CatchUpTimestore,
    /// Follow a journal into both at once
    CatchUpBoth,
    /// Catalogue a tree while both books follow
    Follow,
    /// The same for one directory whose paths have 3,800 bytes
    Wide,
    /// A directory that is renamed behind its back, until both books have it
    Renamed,
    /// Commit → visible in both books, at 1,000 events a second
    Live,
    /// Small commands through the REST API
    Commands,
    /// Small uploads through the REST API
    Uploads,
    /// A page of 100 nodes under a prefix
    Listing,
    /// First pages of searches by words, and the index of names
    Search,
    /// Growth of a year by day
    Growth,
    /// Usage by user, now and at a time
    Usage,
    /// The cost an entry as the journal grows
    Slope,
}

impl Args {
    /// Whether the path is asked for.
    pub(crate) fn wants(&self, path: Path) -> bool {
        self.only.is_empty() || self.only.contains(&path)
    }
}
