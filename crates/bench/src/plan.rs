//! Which measurements are made, and in which order.

mod commands;

use crate::args::{Args, Path};
use crate::outcome::Outcome;
use crate::report::{self, Measure, say};
use crate::search;
use crate::source::Source;
use crate::task::Task;
use crate::tree;
use crate::usage;
use anyhow::Context as _;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;

/// A journal longer than this is followed once: it takes minutes, and varies little.
const ONCE: u64 = 2_000_000;
/// A path may have 4,095 bytes, and the mount is somewhere.
const LONG_PATH: usize = 3_800;

/// Measures what is asked for and prints it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    fs::create_dir_all(&parent)?;
    let dir = tempfile::Builder::new()
        .prefix("tidemark-bench-")
        .tempdir_in(&parent)
        .with_context(|| format!("{} cannot be used", parent.display()))?;
    let mut bench = Bench {
        args,
        dir,
        measures: Vec::new(),
        books: 0,
    };
    bench.over_a_tree()?;
    if args.wants(Path::Wide) {
        bench.wide()?;
    }
    if args.wants(Path::Renamed) {
        bench.renamed()?;
    }
    if args.wants(Path::Listing) {
        bench.listing(args.entries.saturating_mul(10))?;
    }
    if args.wants(Path::Search) {
        let factor = if args.full { 100 } else { 1 };
        bench.search(args.entries.saturating_mul(factor))?;
    }
    if args.wants(Path::Growth) || args.wants(Path::Usage) {
        let factor = if args.full { 100 } else { 1 };
        bench.activity(args.entries.saturating_mul(factor))?;
    }
    if args.wants(Path::Slope) {
        let steps: &[u64] = if args.full { &[1, 10, 100] } else { &[1, 10] };
        for step in steps {
            let entries = args.entries.saturating_mul(*step);
            let label = format!(", {entries} mixed entries");
            bench.catch_up(&Source::Synthetic(entries), &label, entries, |_| true)?;
        }
    }
    report::print(&bench.measures, args.json)
}

struct Bench<'a> {
    args: &'a Args,
    dir: TempDir,
    measures: Vec<Measure>,
    /// How many directories for books were given out.
    books: u32,
}

impl Bench<'_> {
    /// The paths that need a tree, and the journal that a scan of it leaves.
    fn over_a_tree(&mut self) -> anyhow::Result<()> {
        const FROM_A_JOURNAL: [Path; 4] = [
            Path::Read,
            Path::CatchUpMetastore,
            Path::CatchUpTimestore,
            Path::CatchUpBoth,
        ];
        let args = self.args;
        let needs_journal = FROM_A_JOURNAL.iter().any(|path| args.wants(*path));
        let others = [
            Path::Live,
            Path::Commands,
            Path::Uploads,
            Path::Scan,
            Path::Follow,
        ];
        if !needs_journal && !others.iter().any(|path| args.wants(*path)) {
            return Ok(());
        }
        let tree = self.tree()?;
        self.commands(&tree)?;
        let journal = self.scan(&tree, needs_journal)?;
        if let Some(journal) = journal {
            let source = Source::Filestore(journal);
            self.catch_up(&source, "", args.entries, |path| args.wants(path))?;
        }
        if args.wants(Path::Follow) {
            let task = |data| Task::Follow {
                tree: tree.clone(),
                data,
            };
            self.alone("follow: scan → both books", task)?;
        }
        Ok(())
    }

    fn tree(&self) -> anyhow::Result<PathBuf> {
        if let Some(tree) = &self.args.tree {
            return Ok(tree.clone());
        }
        let started = Instant::now();
        let root = self.dir.path().join("tree");
        tree::make(&root, self.args.entries)?;
        say(&format!(
            "made a tree of {} files in {:.1?}",
            self.args.entries,
            started.elapsed()
        ));
        Ok(root)
    }

    /// Scans by turns with the raw walk and inserts; keeps the last catalogue, if it is needed.
    fn scan(&mut self, tree: &std::path::Path, keeps: bool) -> anyhow::Result<Option<PathBuf>> {
        if !keeps && !self.args.wants(Path::Scan) {
            return Ok(None);
        }
        let rounds = if self.args.wants(Path::Scan) {
            self.args.rounds
        } else {
            1
        };
        let (mut real, mut raw, mut again, mut walks) = (vec![], vec![], vec![], vec![]);
        let mut kept = None;
        for _ in 0..rounds {
            let data = self.new_data();
            let task = Task::Scan {
                tree: tree.to_owned(),
                data: data.clone(),
            };
            real.push(told("scan", &task)?);
            if self.args.wants(Path::Scan) {
                again.push(told("scan again", &task)?);
                let walk = told(
                    "bare walk",
                    &Task::Walk {
                        tree: tree.to_owned(),
                    },
                )?;
                let copy = self.new_data();
                let task = Task::InsertNodes {
                    from: data.clone(),
                    data: copy.clone(),
                };
                raw.push(walk.clone().and_then(&told("bare inserts", &task)?));
                walks.push(walk);
                fs::remove_dir_all(copy)?;
            }
            if let Some(earlier) = kept.replace(data) {
                fs::remove_dir_all(earlier)?;
            }
        }
        if self.args.wants(Path::Scan) {
            self.add("scan", real, raw)?;
            self.add("scan again, unchanged", again, walks)?;
        }
        if !keeps && let Some(data) = kept.take() {
            fs::remove_dir_all(data)?;
        }
        Ok(kept)
    }

    /// One directory of long paths: what it takes in memory is what counts.
    fn wide(&mut self) -> anyhow::Result<()> {
        let root = self.dir.path().join("wide");
        tree::make_one_directory(&root, self.args.entries, LONG_PATH)?;
        let paths = "one directory, paths of 3,800 bytes";
        let scan = |data| Task::Scan {
            tree: root.clone(),
            data,
        };
        self.repeated(&format!("scan, {paths}"), 1, scan)?;
        let follow = |data| Task::Follow {
            tree: root.clone(),
            data,
        };
        self.repeated(&format!("follow: scan → both books, {paths}"), 1, follow)?;
        Ok(fs::remove_dir_all(&root)?)
    }

    /// One directory, renamed while its mount is watched.
    fn renamed(&mut self) -> anyhow::Result<()> {
        let root = self.dir.path().join("renamed");
        let files = self.args.entries;
        tree::make_one_directory(&root, files, 0)?;
        let task = |data| Task::Renamed {
            tree: root.clone(),
            data,
            files,
        };
        let path = format!("a directory of {files} files renamed → both books");
        self.alone(&path, task)?;
        Ok(fs::remove_dir_all(&root)?)
    }

    /// A journal into nothing, into each book by turns with its raw engine, and into both.
    fn catch_up(
        &mut self,
        source: &Source,
        label: &str,
        entries: u64,
        wants: impl Fn(Path) -> bool,
    ) -> anyhow::Result<()> {
        let rounds = if entries > ONCE { 1 } else { self.args.rounds };
        if wants(Path::Read) {
            let mut read = Vec::new();
            for _ in 0..rounds {
                read.push(told(
                    "read",
                    &Task::Read {
                        source: source.clone(),
                    },
                )?);
            }
            self.add(&format!("read the journal{label}"), read, Vec::new())?;
        }
        if wants(Path::CatchUpMetastore) {
            let (mut real, mut raw) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let (source, data) = (source.clone(), self.new_data());
                let task = Task::Metastore {
                    source: source.clone(),
                    data: data.clone(),
                };
                real.push(told("catch-up metastore", &task)?);
                fs::remove_dir_all(&data)?;
                let task = Task::Upsert {
                    source,
                    data: data.clone(),
                };
                raw.push(told("bare upserts", &task)?);
                fs::remove_dir_all(data)?;
            }
            self.add(&format!("catch-up metastore{label}"), real, raw)?;
        }
        if wants(Path::CatchUpTimestore) {
            let (mut real, mut raw) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let (data, copy) = (self.new_data(), self.new_data());
                let task = Task::Timestore {
                    source: source.clone(),
                    data: data.clone(),
                };
                real.push(told("catch-up timestore", &task)?);
                let task = Task::AppendRows {
                    from: data.clone(),
                    data: copy.clone(),
                };
                raw.push(told("bare appends", &task)?);
                fs::remove_dir_all(data)?;
                fs::remove_dir_all(copy)?;
            }
            self.add(&format!("catch-up timestore{label}"), real, raw)?;
        }
        if wants(Path::CatchUpBoth) {
            let task = |data| Task::Both {
                source: source.clone(),
                data,
            };
            self.repeated(&format!("catch-up both{label}"), rounds, task)?;
        }
        Ok(())
    }

    /// Pages of a catalogue, by turns with a statement written by hand.
    fn listing(&mut self, files: u64) -> anyhow::Result<()> {
        let data = self.new_data();
        let fill = Task::FillNodes {
            data: data.clone(),
            files,
        };
        told("filling a catalogue", &fill)?;
        let (mut real, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..self.args.rounds {
            let listing = Task::Listing {
                data: data.clone(),
                files,
            };
            real.push(told("listing", &listing)?);
            let bare = Task::ListingSql {
                data: data.clone(),
                files,
            };
            raw.push(told("bare listing", &bare)?);
        }
        fs::remove_dir_all(data)?;
        let path = format!("listing a page of 100 under a prefix, {files} files");
        self.add(&path, real, raw)
    }

    /// The index of names made over so many paths, and first pages that it finds.
    fn search(&mut self, nodes: u64) -> anyhow::Result<()> {
        let data = self.new_data();
        let fill = Task::FillNames {
            data: data.clone(),
            nodes,
        };
        let index = told("index of names", &fill)?;
        self.add(
            &format!("index of names, {nodes} paths"),
            vec![index],
            Vec::new(),
        )?;
        for kind in search::Kind::ALL {
            let task = Task::Search {
                data: data.clone(),
                nodes,
                kind,
            };
            let path = format!("search for {}, first page of 100", kind.shown());
            let asked = told(&path, &task)?;
            self.add(&path, vec![asked], Vec::new())?;
        }
        Ok(fs::remove_dir_all(data)?)
    }

    /// Questions about a year's activity.
    fn activity(&mut self, entries: u64) -> anyhow::Result<()> {
        let data = self.new_data();
        let source = Source::Synthetic(entries);
        told(
            "filling the activity",
            &Task::Timestore {
                source,
                data: data.clone(),
            },
        )?;
        if self.args.wants(Path::Growth) {
            self.growth(&data, entries)?;
        }
        if self.args.wants(Path::Usage) {
            self.usage(&data, entries)?;
        }
        Ok(fs::remove_dir_all(data)?)
    }

    /// Growth, by turns with a statement written by hand.
    fn growth(&mut self, data: &std::path::Path, entries: u64) -> anyhow::Result<()> {
        let (mut real, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..self.args.rounds {
            real.push(told(
                "growth",
                &Task::Growth {
                    data: data.to_owned(),
                    entries,
                },
            )?);
            raw.push(told(
                "bare growth",
                &Task::GrowthSql {
                    data: data.to_owned(),
                    entries,
                },
            )?);
        }
        self.add(
            &format!("growth of a year by day, {entries} rows"),
            real,
            raw,
        )
    }

    /// Usage, after its sums were made, by turns with a statement written by hand.
    fn usage(&mut self, data: &std::path::Path, entries: u64) -> anyhow::Result<()> {
        let sum = Task::SumUsage {
            data: data.to_owned(),
            entries,
        };
        let summed = told("sums of usage", &sum)?;
        self.add(
            &format!("sums of usage, {entries} rows"),
            vec![summed],
            Vec::new(),
        )?;
        for kind in usage::Kind::ALL {
            let path = format!("usage by user, {}, {entries} rows", kind.shown());
            let (mut real, mut raw) = (Vec::new(), Vec::new());
            for _ in 0..self.args.rounds {
                let data = data.to_owned();
                let asked = Task::Usage {
                    data: data.clone(),
                    entries,
                    kind,
                };
                real.push(told(&path, &asked)?);
                let bare = Task::UsageSql {
                    data,
                    entries,
                    kind,
                };
                raw.push(told("bare usage", &bare)?);
            }
            self.add(&path, real, raw)?;
        }
        Ok(())
    }

    /// A path that has no raw engine.
    fn alone(&mut self, path: &str, task: impl Fn(PathBuf) -> Task) -> anyhow::Result<()> {
        self.repeated(path, self.args.rounds, task)
    }

    fn repeated(
        &mut self,
        path: &str,
        rounds: u32,
        task: impl Fn(PathBuf) -> Task,
    ) -> anyhow::Result<()> {
        let mut real = Vec::new();
        for _ in 0..rounds {
            let data = self.new_data();
            real.push(told(path, &task(data.clone()))?);
            self.discard(&data)?;
        }
        self.add(path, real, Vec::new())
    }

    fn add(&mut self, path: &str, real: Vec<Outcome>, raw: Vec<Outcome>) -> anyhow::Result<()> {
        let real = median(real).context("every path is measured at least once")?;
        let raw = median(raw);
        self.measures
            .push(Measure::new(path.to_owned(), &real, raw.as_ref()));
        Ok(())
    }

    fn new_data(&mut self) -> PathBuf {
        self.books += 1;
        self.dir.path().join(format!("data-{}", self.books))
    }
}

/// Runs a task and says how fast it was.
fn told(name: &str, task: &Task) -> anyhow::Result<Outcome> {
    let outcome = task.run_apart()?;
    let entries = outcome.entries;
    match outcome.processor_micros() {
        Some(processor) => say(&format!(
            "{name}: {entries} in {:.3} s, {:.0}/s, {processor:.2} µs CPU each",
            outcome.seconds,
            outcome.rate()
        )),
        None => say(&format!(
            "{name}: over {entries}, p50 {:.2} ms, p99 {:.2} ms",
            outcome.p50_ms.unwrap_or_default(),
            outcome.p99_ms.unwrap_or_default()
        )),
    }
    Ok(outcome)
}

/// The outcome with the median rate; the slower of the middle two.
fn median(mut outcomes: Vec<Outcome>) -> Option<Outcome> {
    outcomes.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let middle = outcomes.len().saturating_sub(1) / 2;
    outcomes.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Watched;
    use std::time::Duration;

    #[test]
    fn the_median_of_an_even_number_is_the_slower_one() {
        let outcomes = [4, 1, 3, 2].map(|seconds| {
            Outcome::of(
                12,
                Watched {
                    wall: Duration::from_secs(seconds),
                    ..Watched::default()
                },
            )
        });
        assert!((median(outcomes.to_vec()).unwrap().rate() - 4.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_none());
    }
}
