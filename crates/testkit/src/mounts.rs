//! Filesystems of every kind, mounted for a test.
//!
//! What a filesystem keeps of a file's identity differs: ext4 made with small inodes has no birth
//! times, overlayfs changes them, btrfs gives each subvolume a device number of its own. So what is
//! tested on the filesystem of the temporary directory only is not tested.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A filesystem that is mounted somewhere, and unmounted when this is dropped.
///
/// Mounting takes root. Run by anybody else a test that needs it fails and says so, rather than
/// pass without having shown anything.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts with these arguments of `mount`, at a directory that is made if it is missing.
    ///
    /// # Panics
    /// It cannot be mounted.
    #[must_use]
    #[track_caller]
    pub fn new(at: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        std::fs::create_dir_all(at).expect("a directory to mount at");
        let mut mount = Command::new("mount");
        mount.args(arguments).arg(at);
        run(
            &mut mount,
            "mounting takes root: run the tests in a container with CAP_SYS_ADMIN",
        );
        Self { at: at.to_owned() }
    }

    /// A tmpfs.
    #[must_use]
    #[track_caller]
    pub fn tmpfs(at: &Path) -> Self {
        Self::new(at, &["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
    }

    /// The directory `source` at another place too.
    #[must_use]
    #[track_caller]
    pub fn bind(source: &Path, at: &Path) -> Self {
        Self::new(at, &[OsStr::new("--bind"), source.as_os_str()])
    }

    /// An overlay over the directory `lower` of `base`; what changes goes to `upper` there.
    #[must_use]
    #[track_caller]
    pub fn overlay(base: &Path, at: &Path) -> Self {
        for name in ["lower", "upper", "work"] {
            std::fs::create_dir_all(base.join(name)).expect("a layer of the overlay");
        }
        let layer = |name: &str| base.join(name).display().to_string();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            layer("lower"),
            layer("upper"),
            layer("work")
        );
        Self::new(at, &["-t", "overlay", "overlay", "-o", &options])
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts it, although files of it may be open.
    pub fn unmount(self) {
        drop(self);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Detached, so that it goes even if a process of the test still stands in it.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        if !unmounted.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            panic!("{} cannot be unmounted", self.at.display());
        }
    }
}

/// A disk in a file, with a filesystem on it. It can be mounted again and again.
#[derive(Debug)]
pub struct DiskImage {
    file: PathBuf,
}

impl DiskImage {
    /// Makes a disk `name` in `directory` with `mkfs.KIND` and these options.
    ///
    /// # Panics
    /// It cannot be made; `scripts/setup --test` installs what is needed.
    #[must_use]
    #[track_caller]
    pub fn make(directory: &Path, name: &str, kind: &str, options: &[&str]) -> Self {
        let file = directory.join(format!("{name}.img"));
        let image = std::fs::File::create(&file).expect("a file for the disk");
        // What the largest of them takes at least; it is sparse.
        image.set_len(512 << 20).expect("room for the disk");
        let mut make = Command::new(format!("mkfs.{kind}"));
        // All disks are made in the same second, so that none is known by that.
        make.env("E2FSPROGS_FAKE_TIME", "1700000000");
        make.arg("-q").args(options).arg(&file);
        run(&mut make, "run scripts/setup --test");
        Self { file }
    }

    /// Mounts it.
    #[must_use]
    #[track_caller]
    pub fn mount(&self, at: &Path) -> Mounted {
        let arguments = [OsStr::new("-o"), OsStr::new("loop"), self.file.as_os_str()];
        Mounted::new(at, &arguments)
    }
}

/// Runs a command that must succeed.
#[track_caller]
fn run(command: &mut Command, advice: &str) {
    let why = match command.output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!("{command:?}: {}: {advice}", why.trim());
}
