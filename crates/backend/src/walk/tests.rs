use super::*;
use crate::Disk;
use node::name;
use parking_lot::Mutex as PlainMutex;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

type Seen = Arc<PlainMutex<BTreeMap<String, Result<Facts, Failure>>>>;

/// Notes every entry, and does `before` when a directory's turn has come to be descended into.
struct Notes<'t> {
    seen: Seen,
    before: &'t (dyn Fn(&str) + Sync),
}

impl Visitor for Notes<'_> {
    type Context = ();
    type Error = String;

    fn listed(
        &mut self,
        path: &str,
        (): (),
        entries: &[Entry],
        descend: &mut Vec<(usize, ())>,
    ) -> Result<(), String> {
        if path == "stop" {
            return Err("told to".to_owned());
        }
        (self.before)(path);
        let mut seen = self.seen.lock();
        for (index, entry) in entries.iter().enumerate() {
            let facts = entry.facts.map_err(Failure::Unreadable);
            let before = seen.insert(join(path, &entry.name), facts);
            assert_eq!(before, None, "{path}/{} is told once", entry.name);
            descend.push((index, ()));
        }
        assert!(
            entries.is_sorted_by(|a, b| a.name < b.name),
            "{path} is sorted"
        );
        Ok(())
    }

    fn failed(&mut self, path: &str, (): (), failure: Failure) -> Result<(), String> {
        self.seen.lock().insert(path.to_owned(), Err(failure));
        Ok(())
    }
}

fn disk(root: &Path) -> Disk {
    Disk::open(root, "test").unwrap()
}

fn walk_all(
    tree: &Disk,
    before: &(dyn Fn(&str) + Sync),
) -> BTreeMap<String, Result<Facts, Failure>> {
    let seen = Seen::default();
    let visitors = (0..3)
        .map(|_| Notes {
            seen: Arc::clone(&seen),
            before,
        })
        .collect();
    walk(tree, &Options::default(), (), visitors).unwrap();
    std::mem::take(&mut *seen.lock())
}

fn paths(root: &Path) -> Vec<String> {
    walk_all(&disk(root), &|_| ()).into_keys().collect()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn tells_every_name_once_with_its_facts() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a/b/c.txt"), "hello");
    write(&dir.path().join(".tidemark-1.part"), "staged");
    write(&dir.path().join(".tidemark-1.trash/file"), "deleted");
    write(&dir.path().join("a/.tidemark-1.part"), "somebody's own");
    symlink("/etc", dir.path().join("a/out")).unwrap();
    symlink("..", dir.path().join("a/loop")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), 0o600.into()).unwrap();
    let tree = disk(dir.path());
    let seen = walk_all(&tree, &|_| ());
    let keys: Vec<_> = seen.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "a",
            "a/.tidemark-1.part",
            "a/b",
            "a/b/c.txt",
            "a/loop",
            "a/out",
            "pipe"
        ]
    );
    let file = seen["a/b/c.txt"].unwrap();
    assert_eq!(
        (file.size_bytes, file.is_symlink, file.is_directory()),
        (5, false, false)
    );
    let link = seen["a/out"].unwrap();
    assert_eq!(
        (link.size_bytes, link.is_symlink, link.is_directory()),
        (0, true, false)
    );
    assert_eq!(seen["pipe"].unwrap().size_bytes, 0);
    assert!(seen["a"].unwrap().is_directory());
    for (path, facts) in &seen {
        let found = tree.facts(path).unwrap().unwrap();
        // A listing does not ask where links point.
        let listed = facts.unwrap().settled(Some(&found));
        assert_eq!(found, listed, "{path} asked for by itself");
    }
    assert_eq!(walk_all(&tree.without_openat2(), &|_| ()), seen);
}

#[test]
fn spells_hostile_names_and_finds_them_again() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 6] = [
        b"new\nline",
        b"bad\xff\xfe",
        "\u{ef41}".as_bytes(),
        b"\xc3",
        b" ",
        &[b'n'; 255],
    ];
    for name in names {
        write(
            &dir.path().join(OsStr::from_bytes(name)).join("inside"),
            "x",
        );
    }
    let tree = disk(dir.path());
    let seen = walk_all(&tree, &|_| ());
    assert_eq!(seen.len(), 2 * names.len());
    for name in names {
        let path = join(&name::from_bytes(name), "inside");
        assert!(seen.contains_key(&path), "{path:?}");
        assert!(tree.facts(&path).unwrap().is_some(), "{path:?}");
    }
}

#[test]
fn walks_a_thousand_levels_deep_and_past_path_max() {
    let dir = tempfile::tempdir().unwrap();
    let name = "n".repeat(50);
    let deep = testkit::Deep::new(dir.path(), &name, 1_000);
    std::fs::write(dir.path().join("beside"), "x").unwrap();
    for tree in [disk(dir.path()), disk(dir.path()).without_openat2()] {
        let seen = walk_all(&tree, &|_| ());
        assert_eq!(seen.len(), 1_001);
        let deepest = vec![&*name; 1_000].join("/");
        assert!(deepest.len() > 50_000 && seen.contains_key(&deepest));
        assert!(tree.facts(&deepest).unwrap().unwrap().is_directory());
        assert_eq!(tree.facts(&join(&deepest, "none")).unwrap(), None);
    }
    drop(deep);
    assert_eq!(paths(dir.path()), ["beside"]);
}

#[test]
fn never_follows_a_directory_that_is_swapped_for_a_symlink() {
    let outside = tempfile::tempdir().unwrap();
    write(&outside.path().join("secret/deep/file"), "x");
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a/deep/file"), "x");
    for use_openat2 in [true, false] {
        let tree = disk(dir.path());
        let tree = if use_openat2 {
            tree
        } else {
            tree.without_openat2()
        };
        let root = dir.path();
        let seen = walk_all(&tree, &|path| {
            // After the listing of the root, before the walk enters `a`.
            if path.is_empty() {
                std::fs::rename(root.join("a"), root.join("b")).unwrap();
                symlink(outside.path().join("secret"), root.join("a")).unwrap();
            }
        });
        assert_eq!(seen, BTreeMap::from([("a".to_owned(), Err(Failure::Gone))]));
        // A symlink in the middle of a path does not lead out of it either.
        assert_eq!(tree.facts("a/deep").unwrap(), None);
        assert!(tree.facts("a").unwrap().unwrap().is_symlink);
        for upwards in ["..", "../x", "../x/y"] {
            let refused = tree.facts(upwards).unwrap_err();
            assert_eq!(refused.reason, Reason::OtherFilesystem, "{upwards}");
        }
        std::fs::remove_file(root.join("a")).unwrap();
        std::fs::rename(root.join("b"), root.join("a")).unwrap();
    }
}

#[test]
fn a_directory_that_vanishes_or_is_replaced_before_its_turn_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("vanishes/file"), "x");
    write(&dir.path().join("replaced/file"), "x");
    let root = dir.path();
    let seen = walk_all(&disk(root), &|path| {
        if path.is_empty() {
            std::fs::remove_dir_all(root.join("vanishes")).unwrap();
            std::fs::rename(root.join("replaced"), root.join("kept")).unwrap();
            std::fs::create_dir(root.join("replaced")).unwrap();
        }
    });
    assert_eq!(seen["vanishes"], Err(Failure::Gone));
    assert_eq!(seen["replaced"], Err(Failure::Gone));
    assert_eq!(seen.len(), 2);
}

#[test]
fn hidden_directories_are_not_there_and_others_filesystems_are_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("own/data"), "x");
    write(&dir.path().join("other/data"), "x");
    let tree = disk(dir.path());
    let own = tree.facts("own").unwrap().unwrap().identity;
    let options = Options {
        hidden: vec![(own.dev, own.ino)],
        ..Options::default()
    };
    let seen = Seen::default();
    let visitor = Notes {
        seen: Arc::clone(&seen),
        before: &|_| (),
    };
    walk(&tree, &options, (), vec![visitor]).unwrap();
    assert_eq!(
        seen.lock().keys().collect::<Vec<_>>(),
        ["other", "other/data"]
    );
    // `/proc` and `/sys` are mounted below `/` wherever this runs.
    let tree = disk(Path::new("/"));
    assert_ne!(tree.facts("proc").unwrap().unwrap().identity.dev, 0);
}

#[test]
fn stops_all_threads_when_a_visitor_says_so() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("stop/file"), "x");
    for other in 0..50 {
        write(&dir.path().join(format!("{other}/file")), "x");
    }
    let seen = Seen::default();
    let visitors = (0..3)
        .map(|_| Notes {
            seen: Arc::clone(&seen),
            before: &|_| (),
        })
        .collect();
    let result = walk(&disk(dir.path()), &Options::default(), (), visitors);
    assert_eq!(result.map(|_| ()), Err("told to".to_owned()));
}
