//! The gauges of mounts that an operator alerts on: what is in each, and the room on its disk.
//!
//! They are read from the rollups, so that a look costs a few rows and no walk. Labels are bounded:
//! `mount` is a mount's key, `directory` one of the largest directories in a mount's root, as many
//! as the options say. A directory that is no longer one of them is told as `NaN`, which a chart
//! shows as no value.

use catalogue::mounts::{self, Mount};
use catalogue::rollups::{self, Rollup};
use catalogue::{Catalogue, StoreError, nodes};
use metrics::{Unit, describe_gauge, gauge};
use node::name::os_path;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Bytes of all files in a mount.
const BYTES: &str = "filestore_mount_bytes";
/// Files in a mount.
const FILES: &str = "filestore_mount_files";
/// Directories in a mount, its root not counted.
const DIRECTORIES: &str = "filestore_mount_directories";
/// Room on the disk behind a mount that this process may still use.
const FREE: &str = "filestore_mount_disk_free_bytes";
/// The size of the disk behind a mount.
const SIZE: &str = "filestore_mount_disk_size_bytes";
/// Bytes of all files below a directory in a mount's root.
const DIRECTORY_BYTES: &str = "filestore_directory_bytes";
/// Files below a directory in a mount's root.
const DIRECTORY_FILES: &str = "filestore_directory_files";

/// How often they are read.
const EVERY: Duration = Duration::from_secs(5);

/// Directories that ever had a series, for each one that may have one now. A mount whose largest
/// directories change all the time must not fill the memory of Prometheus.
const EVER: usize = 10;

/// The gauges that have a value.
#[derive(Debug)]
pub(crate) struct MountGauges {
    /// Directories a mount, at most.
    directories: usize,
    shown: BTreeSet<(String, String)>,
    /// When they were published last.
    last: Option<Instant>,
}

impl MountGauges {
    pub(crate) fn new(directories: usize) -> Self {
        describe_gauge!(BYTES, Unit::Bytes, "Length of all files in the mount.");
        describe_gauge!(FILES, Unit::Count, "Files in the mount.");
        describe_gauge!(DIRECTORIES, Unit::Count, "Directories in the mount.");
        describe_gauge!(
            FREE,
            Unit::Bytes,
            "Room that is left on the disk behind the mount."
        );
        describe_gauge!(SIZE, Unit::Bytes, "Size of the disk behind the mount.");
        describe_gauge!(
            DIRECTORY_BYTES,
            Unit::Bytes,
            "Length of all files below one of the largest directories in the mount's root."
        );
        describe_gauge!(
            DIRECTORY_FILES,
            Unit::Count,
            "Files below one of the largest directories in the mount's root."
        );
        Self {
            directories,
            shown: BTreeSet::new(),
            last: None,
        }
    }

    /// Publishes the gauges of every mount, unless that was done a moment ago.
    pub(crate) fn publish_if_due(
        &mut self,
        catalogue: &Catalogue,
        is_reachable: impl Fn(i64) -> bool,
    ) -> Result<(), StoreError> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        for mount in catalogue.read(mounts::all)? {
            self.publish(catalogue, &mount, is_reachable(mount.id))?;
        }
        Ok(())
    }

    /// Publishes what is in a mount, and the room on its disk if it can be reached.
    fn publish(
        &mut self,
        catalogue: &Catalogue,
        mount: &Mount,
        is_reachable: bool,
    ) -> Result<(), StoreError> {
        let key = || mount.mount_key.clone();
        let limit = self.directories;
        let (total, largest) = catalogue.read(|tx| {
            let root = nodes::root(tx, mount.id)?.id;
            let total = rollups::of(tx, root)?.unwrap_or_default();
            Ok::<_, StoreError>((total, rollups::largest_in(tx, root, limit)?))
        })?;
        gauge!(BYTES, "mount" => key()).set(float(total.size_bytes));
        gauge!(FILES, "mount" => key()).set(float(total.file_count));
        gauge!(DIRECTORIES, "mount" => key()).set(float(total.directory_count));
        let (free, size) = match mount.root_path.as_deref() {
            Some(root) if is_reachable => room(root),
            Some(_) => (f64::NAN, f64::NAN),
            // A bucket has no end.
            None => return self.publish_directories(&mount.mount_key, largest),
        };
        gauge!(FREE, "mount" => key()).set(free);
        gauge!(SIZE, "mount" => key()).set(size);
        self.publish_directories(&mount.mount_key, largest)
    }

    fn publish_directories(
        &mut self,
        mount: &str,
        largest: Vec<(String, Rollup)>,
    ) -> Result<(), StoreError> {
        let set = |directory: &str, bytes: f64, files: f64| {
            let labels = [
                ("mount", mount.to_owned()),
                ("directory", directory.to_owned()),
            ];
            gauge!(DIRECTORY_BYTES, &labels).set(bytes);
            gauge!(DIRECTORY_FILES, &labels).set(files);
        };
        let of_mount = self.shown.iter().filter(|(of, _)| of == mount);
        let before: BTreeSet<_> = of_mount.map(|(_, name)| name.clone()).collect();
        let room = (self.directories * EVER).saturating_sub(before.len());
        let (known, new): (Vec<_>, Vec<_>) = largest
            .into_iter()
            .partition(|(name, _)| before.contains(name));
        let mut gone = before;
        for (name, rollup) in known.into_iter().chain(new.into_iter().take(room)) {
            set(&name, float(rollup.size_bytes), float(rollup.file_count));
            gone.remove(&name);
            self.shown.insert((mount.to_owned(), name));
        }
        for name in gone {
            set(&name, f64::NAN, f64::NAN);
        }
        Ok(())
    }
}

/// The room that is left on the disk of this directory, and the disk's size.
fn room(root: &str) -> (f64, f64) {
    let Ok(about) = rustix::fs::statvfs(os_path(root)) else {
        return (f64::NAN, f64::NAN);
    };
    let bytes = |blocks: u64| float(blocks.saturating_mul(about.f_frsize));
    (bytes(about.f_bavail), bytes(about.f_blocks))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a double; beyond 2^53 bytes the last ones do not matter"
)]
fn float(count: impl Into<i128>) -> f64 {
    count.into() as f64
}
