//! Trees of files from text.

use std::fs;
use std::io::Write;
use std::path::Path;

/// Makes the tree that `text` describes below `directory`, one entry a line:
///
/// ```text
/// a/b.txt 12          a file of 12 bytes, with the directories above it
/// a/note "two words"  a file with that text
/// c/                  a directory
/// link -> a/b.txt     a symbolic link
/// ```
///
/// The bytes of a sized file depend on its path alone. Empty lines and lines that begin with `#`
/// are skipped.
///
/// # Panics
/// A line cannot be read, or its entry not made.
#[track_caller]
pub fn tree(directory: impl AsRef<Path>, text: &str) {
    let directory = directory.as_ref();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            continue;
        }
        if let Err(error) = make(directory, line) {
            panic!(
                "cannot make {line:?} below {}: {error}",
                directory.display()
            );
        }
    }
}

fn make(directory: &Path, line: &str) -> std::io::Result<()> {
    if let Some(path) = line.strip_suffix('/') {
        return fs::create_dir_all(directory.join(path));
    }
    if let Some((path, target)) = line.split_once(" -> ") {
        let path = with_parent(directory, path)?;
        return std::os::unix::fs::symlink(target, path);
    }
    if let Some((path, content)) = line.strip_suffix('"').and_then(|it| it.split_once(" \"")) {
        return fs::write(with_parent(directory, path)?, content);
    }
    let (path, size) = line.rsplit_once(' ').unwrap_or((line, ""));
    let size = size.parse::<usize>().map_err(|_| {
        std::io::Error::other("a line is `path size`, `path \"text\"`, `path/` or `path -> target`")
    })?;
    let mut file = fs::File::create(with_parent(directory, path)?)?;
    let pattern: Vec<u8> = path.bytes().cycle().take(size.min(64 << 10)).collect();
    let mut left = size;
    while left > 0 {
        let piece = pattern.get(..left.min(pattern.len())).unwrap_or(&pattern);
        file.write_all(piece)?;
        left -= piece.len();
    }
    Ok(())
}

fn with_parent(directory: &Path, path: &str) -> std::io::Result<std::path::PathBuf> {
    let path = directory.join(path.trim());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(path)
}
