//! What no command shows: filesystems without nameless files, and sweeping.

use super::{Disk, stage_named};
use crate::{Backend as _, Reason};
use node::{Facts, NodePath};
use std::io::Write;
use tempfile::TempDir;

fn disk() -> (TempDir, Disk) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path(), "abc").unwrap();
    (dir, disk)
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_staged_file_with_a_name_vanishes_unless_it_is_put_in_place() {
    let (dir, disk) = disk();
    let staged = stage_named(&disk.root, disk.own_name("part")).unwrap();
    assert_eq!(names(&dir).len(), 1);
    drop(staged);
    assert!(names(&dir).is_empty());

    let mut staged = stage_named(&disk.root, disk.own_name("part")).unwrap();
    staged.file.write_all(b"abc").unwrap();
    let (name, facts) = disk.name_staged(&mut staged).unwrap();
    drop(staged);
    assert_eq!((names(&dir), facts.size_bytes), (vec![name.clone()], 3));
    disk.rename(&name, &disk, "f", false).unwrap();
    assert_eq!(names(&dir), ["f"]);
    let now = disk.facts("f").unwrap().unwrap();
    let renamed = Facts {
        changed_ns: now.changed_ns,
        ..facts
    };
    assert_eq!(now, renamed, "the same file under its name");
}

#[test]
fn a_staged_file_without_a_name_gets_one() {
    let (dir, disk) = disk();
    let mut staged = disk.stage().unwrap();
    staged.file.write_all(b"abc").unwrap();
    let (name, facts) = disk.name_staged(&mut staged).unwrap();
    assert_eq!((names(&dir), facts.size_bytes), (vec![name], 3));
}

#[test]
fn sweeping_removes_what_this_store_left_and_nothing_else() {
    let (dir, disk) = disk();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("f"), "precious").unwrap();
    for name in [
        ".tidemark-abc-1.part",
        ".tidemark-abc-2.part",
        ".tidemark-other-1.part",
        "f.part",
    ] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let trash = dir.path().join(".tidemark-abc-3.trash");
    std::fs::create_dir_all(trash.join("deep/er")).unwrap();
    std::os::unix::fs::symlink(outside.path(), trash.join("deep/link")).unwrap();
    std::fs::write(trash.join("deep/er/f"), "x").unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join(".tidemark-abc-4.trash")).unwrap();
    disk.sweep(&[".tidemark-abc-2.part".to_owned()]).unwrap();
    assert_eq!(
        names(&dir),
        [".tidemark-abc-2.part", ".tidemark-other-1.part", "f.part"]
    );
    assert_eq!(
        std::fs::read_to_string(outside.path().join("f")).unwrap(),
        "precious"
    );
}

#[test]
fn a_rename_replaces_only_what_it_may() {
    let (dir, disk) = disk();
    std::fs::write(dir.path().join("a"), "a").unwrap();
    std::fs::write(dir.path().join("b"), "b").unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let rename = |to, overwrite| {
        disk.rename("a", &disk, to, overwrite)
            .map_err(|error| error.reason)
    };
    assert_eq!(rename("b", false), Err(Reason::Exists));
    assert_eq!(rename("d", true), Err(Reason::IsADirectory));
    assert_eq!(rename("x/y", true), Err(Reason::NotFound));
    assert_eq!(rename("b", true), Ok(()));
    assert_eq!(std::fs::read_to_string(dir.path().join("b")).unwrap(), "a");
}

#[test]
fn directories_are_made_where_they_are_missing() {
    let (dir, disk) = disk();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("f"), "x").unwrap();
    let path = |text| NodePath::parse(text).unwrap();
    let made = disk.make_directory(&path("a/b/c")).unwrap();
    let paths: Vec<_> = made.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["a", "a/b", "a/b/c"]);
    let error = disk.make_directory(&path("f/g")).unwrap_err();
    assert_eq!(error.reason, Reason::NotADirectory);
    assert!(disk.make_directory(&path("")).unwrap().is_empty());
}
