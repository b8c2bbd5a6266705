//! A tree to be scanned: as many files as asked for, 64 in a directory, 256 directories in one.
//!
//! Or all of them in one directory, at the end of a path as long as is asked for.
//!
//! Files have lengths and no contents: a scan looks at facts only.

use anyhow::Context as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const FILES: u64 = 64;
const DIRECTORIES: u64 = 256;
const LONGEST_BYTES: u64 = 1 << 20;

/// Makes a tree of `files` files at `root`.
pub(crate) fn make(root: &Path, files: u64) -> anyhow::Result<()> {
    fs::create_dir_all(root)?;
    let mut directory = root.to_owned();
    for number in 0..files {
        if number.is_multiple_of(FILES) {
            let run = number / FILES;
            directory = root.join(format!("project-{:03}/run-{run:06}", run / DIRECTORIES));
            fs::create_dir_all(&directory)?;
        }
        let path = directory.join(format!("measurement-{number:08}.parquet"));
        File::create(&path)
            .and_then(|file| file.set_len(scramble(number) % LONGEST_BYTES))
            .with_context(|| format!("{} cannot be made", path.display()))?;
    }
    Ok(())
}

/// A name of a directory on the way to a long path.
const LONG_NAME: usize = 250;

/// Makes `files` files in one directory below `root`, which it gives. Below `root` their paths have
/// `path_bytes` bytes, or somewhat more if that is too few.
pub(crate) fn make_one_directory(
    root: &Path,
    files: u64,
    path_bytes: usize,
) -> anyhow::Result<PathBuf> {
    let name = |number: u64| format!("measurement-{number:08}.parquet");
    let mut rest = path_bytes.saturating_sub(name(0).len() + 1).max(1);
    let mut directory = root.to_owned();
    while rest > 0 {
        // What would be left of the path then is a slash and a name, or nothing.
        let length = if rest <= LONG_NAME {
            rest
        } else {
            LONG_NAME.min(rest - 2)
        };
        directory.push("d".repeat(length));
        rest = rest.saturating_sub(length + 1);
    }
    fs::create_dir_all(&directory)?;
    for number in 0..files {
        let path = directory.join(name(number));
        File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    }
    Ok(directory)
}

/// A number that looks random and is the same each time (the finaliser of SplitMix64).
pub(crate) const fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_the_files_at_paths_of_the_length_asked_for() {
        for path_bytes in [30, 281, 282, 283, 3_800] {
            let dir = tempfile::tempdir().unwrap();
            let directory = make_one_directory(dir.path(), 3, path_bytes).unwrap();
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
            let file = directory.join("measurement-00000002.parquet");
            let path = file.strip_prefix(dir.path()).unwrap();
            assert!(file.is_file());
            assert_eq!(path.as_os_str().len(), path_bytes);
        }
    }

    #[test]
    fn a_tree_has_the_files_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), 130).unwrap();
        let project = dir.path().join("project-000");
        let runs: Vec<_> = fs::read_dir(project).unwrap().collect();
        assert_eq!(runs.len(), 3, "64 + 64 + 2");
        assert_eq!(crate::raw::walk::walk(dir.path()).unwrap(), 130 + 3 + 1 + 1);
    }
}
