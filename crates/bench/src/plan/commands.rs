//! Commands through the REST API, and what they leave.

use super::{Bench, told};
use crate::args::Path;
use crate::live::{self, Kind};
use crate::task::Task;
use std::fs;

/// Seventy seconds at a thousand entries a second: long enough for DuckDB to fold its log once.
const LIVE_COMMANDS: u64 = 35_000;
const MOST_COMMANDS: u64 = 20_000;

impl Bench<'_> {
    /// Commands through the REST API. Before anything is deleted: see [`Self::discard`].
    pub(super) fn commands(&mut self, tree: &std::path::Path) -> anyhow::Result<()> {
        let args = self.args;
        if args.wants(Path::Live) {
            let commands = (args.entries / 2).min(LIVE_COMMANDS);
            let task = |data| Task::Live {
                tree: tree.to_owned(),
                data,
                commands,
            };
            self.alone("live: commit → both books, 1,000 entries/s", task)?;
        }
        if args.wants(Path::Commands) {
            let commands = (args.entries / 2).min(MOST_COMMANDS);
            for kind in [Kind::Metadata, Kind::Directory] {
                let task = |data| Task::Commands {
                    tree: tree.to_owned(),
                    data,
                    commands,
                    kind,
                };
                self.alone(kind.shown(), task)?;
            }
        }
        if args.wants(Path::Uploads) {
            self.uploads(tree)?;
        }
        Ok(())
    }

    /// Uploads, by turns with as many threads that make, sync, rename and record files.
    fn uploads(&mut self, tree: &std::path::Path) -> anyhow::Result<()> {
        let files = (self.args.entries / 2).min(MOST_COMMANDS);
        let (mut real, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..self.args.rounds {
            let data = self.new_data();
            let task = Task::Commands {
                tree: tree.to_owned(),
                data: data.clone(),
                commands: files,
                kind: Kind::Upload,
            };
            real.push(told("uploads", &task)?);
            self.discard(&data)?;
            let data = self.new_data();
            let task = Task::MakeFiles {
                data: data.clone(),
                files,
            };
            raw.push(told("bare files", &task)?);
            self.discard(&data)?;
        }
        self.add(Kind::Upload.shown(), real, raw)
    }

    /// Removes what a path left, but for the files that its commands made: ext4 passes over the
    /// inodes deleted in the last minutes one by one whenever it makes a file or a directory
    /// (`recently_deleted`), and the next round would be measured with that.
    pub(super) fn discard(&self, data: &std::path::Path) -> anyhow::Result<()> {
        let made = data.join(live::MADE);
        if made.try_exists()? {
            let name = data.file_name().unwrap_or_default().to_owned();
            let kept = self.dir.path().join(live::MADE);
            fs::create_dir_all(&kept)?;
            fs::rename(made, kept.join(name))?;
        }
        Ok(fs::remove_dir_all(data)?)
    }
}
