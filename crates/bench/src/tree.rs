//! A tree to be scanned: as many files as asked for, 64 in a directory, 256 directories in one.
//!
//! Files have lengths and no contents: a scan looks at facts only.

use anyhow::Context as _;
use std::fs::{self, File};
use std::path::Path;

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
    fn a_tree_has_the_files_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), 130).unwrap();
        let project = dir.path().join("project-000");
        let runs: Vec<_> = fs::read_dir(project).unwrap().collect();
        assert_eq!(runs.len(), 3, "64 + 64 + 2");
        assert_eq!(crate::raw::walk::walk(dir.path()).unwrap(), 130 + 3 + 1 + 1);
    }
}
