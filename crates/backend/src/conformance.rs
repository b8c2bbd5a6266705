//! The suite that every [`Backend`] passes. It panics where a promise does not hold, so it is for
//! tests only.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a conformance suite reports by panicking, like the tests it is called from"
)]

use crate::hash::content::{self, HashConditions, Hashed};
use crate::walk::{self, Entry, Failure, Options, Start, Visitor};
use crate::{Backend, Directory, Error, Kind, ListingCache, PathFacts, Reason};
use node::{Facts, NodePath};
use std::collections::BTreeMap;
use std::io::Write as _;

/// Checks a backend that holds nothing, and that nobody else changes.
pub fn check(backend: &dyn Backend) {
    backend.probe().expect("it answers");
    an_empty_root(backend);
    contents(backend);
    what_is_there_stays(backend);
    directories(backend);
    listings(backend);
    removals(backend);
    removals_of_some(backend);
    hashes(backend);
    walks(backend);
}

fn path(text: &str) -> NodePath {
    NodePath::parse(text).expect("a path")
}

fn names(lines: &PathFacts) -> Vec<&str> {
    lines.iter().map(|(path, _)| path.as_str()).collect()
}

fn listed(backend: &dyn Backend, directory: &str) -> Result<Vec<Entry>, Failure> {
    let directory = Directory {
        path: directory,
        identity: None,
    };
    backend.list(
        directory,
        &Options::default(),
        &mut Vec::with_capacity(4_096),
    )
}

/// Puts contents as commands do: whole, in a place of which the way is made.
fn put(backend: &dyn Backend, at: &str, text: &str, overwrite: bool) -> Result<Facts, Error> {
    let target = path(at);
    match backend.kind() {
        Kind::Disk(disk) => {
            let mut staged = disk.stage()?;
            staged.file.write_all(text.as_bytes()).expect("written");
            staged.sync()?;
            let (name, _) = disk.name_staged(&mut staged)?;
            let put =
                disk.in_directories(&target.parent(), || disk.rename(&name, disk, at, overwrite));
            if put.is_err() {
                disk.remove_trash(&name).expect("the staged file goes");
            }
            put.map(|_| ())?;
        }
        Kind::Bucket(bucket) => {
            let size = u64::try_from(text.len()).expect("a size");
            let incoming = bucket.send(at, "token", &mut text.as_bytes(), size)?;
            bucket.make_parents(&target.parent())?;
            bucket.settle(at, "token", incoming, overwrite)?;
        }
    }
    Ok(backend.facts(at)?.expect("what was put is there"))
}

fn read(backend: &dyn Backend, at: &str) -> (String, Facts) {
    let mut opened = backend.open(at).expect("it opens");
    let mut text = String::new();
    opened.reader.read_to_string(&mut text).expect("it is read");
    (text, opened.facts)
}

fn an_empty_root(backend: &dyn Backend) {
    let root = backend.facts("").expect("the root is seen");
    assert!(root.expect("the root is there").is_directory());
    assert_eq!(backend.facts("none").expect("it is asked for"), None);
    let deep = backend.facts("none/deeper").expect("it is asked for");
    assert_eq!(deep, None, "below what is not there is nothing");
    let lineage = backend.lineage(&path("none/deeper")).expect("the way");
    assert_eq!(names(&lineage), Vec::<&str>::new());
    let absent = backend.tree_facts("none").expect_err("it has no facts");
    assert!(absent.reason.is_absence(), "{absent:?}");
    assert_eq!(names_in(backend, ""), Vec::<String>::new());
    let gone = listed(backend, "none").expect_err("it cannot be listed");
    assert_eq!(gone, Failure::Gone);
}

fn names_in(backend: &dyn Backend, directory: &str) -> Vec<String> {
    let entries = listed(backend, directory).expect("it is listed");
    entries.into_iter().map(|entry| entry.name).collect()
}

fn contents(backend: &dyn Backend) {
    let facts = put(backend, "a/b/file", "hello", false).expect("it is put");
    assert_eq!((facts.size_bytes, facts.is_symlink), (5, false));
    assert_eq!(read(backend, "a/b/file"), ("hello".to_owned(), facts));
    let way = backend.lineage(&path("a/b/file")).expect("the way");
    assert_eq!(names(&way), ["a", "a/b", "a/b/file"]);
    assert!(way[0].1.is_directory() && way[1].1.is_directory());
    assert_eq!(way[2].1, facts, "by its way it is the same");
    let tree = backend.tree_facts("a").expect("the tree");
    assert_eq!(names(&tree), ["a", "a/b", "a/b/file"], "parents first");
    assert!(facts.is_as(&tree[2].1), "in its tree it is the same");
    let alone = backend.tree_facts("a/b/file").expect("itself");
    assert_eq!(names(&alone), ["a/b/file"]);
    assert!(facts.is_as(&alone[0].1), "and by itself");
    for no_file in ["none", "a/b"] {
        let refused = backend.open(no_file).expect_err("it has no contents");
        assert!(refused.reason.is_no_file(), "{no_file}: {refused:?}");
    }
}

fn what_is_there_stays(backend: &dyn Backend) {
    let before = put(backend, "stays", "old", false).expect("it is put");
    let refused = put(backend, "stays", "new!", false).expect_err("it stays");
    assert_eq!(refused.reason, Reason::Exists, "{refused}");
    assert_eq!(read(backend, "stays"), ("old".to_owned(), before));
    let after = put(backend, "stays", "new!", true).expect("it is replaced");
    assert_eq!(after.size_bytes, 4);
    assert_ne!(after.identity, before.identity, "another file is there");
    let below = put(backend, "stays/below", "x", false).expect_err("a file is on the way");
    assert_eq!(below.reason, Reason::NotADirectory, "{below}");
    let below = backend.make_directory(&path("stays/below"));
    let below = below.expect_err("a file is on the way");
    assert_eq!(below.reason, Reason::NotADirectory, "{below}");
}

fn directories(backend: &dyn Backend) {
    let made = backend.make_directory(&path("d/e")).expect("it is made");
    assert_eq!(names(&made), ["d", "d/e"]);
    assert!(made.iter().all(|(_, facts)| facts.is_directory()));
    let again = backend.make_directory(&path("d/e")).expect("it is there");
    assert_eq!(again, made, "doing it again does no harm");
    assert_eq!(names_in(backend, "d"), ["e"]);
    assert_eq!(names_in(backend, "d/e"), Vec::<String>::new());
}

fn listings(backend: &dyn Backend) {
    let odd = ["B", "a b", "long".repeat(50).as_str(), "ü"].map(|name| format!("l/{name}"));
    for at in &odd {
        put(backend, at, at, false).expect("it is put");
    }
    let entries = listed(backend, "l").expect("it is listed");
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert!(names.is_sorted() && names.len() == odd.len(), "{names:?}");
    let (mut cache, mut seen) = (ListingCache::default(), BTreeMap::new());
    for entry in &entries {
        let at = node::join("l", &entry.name);
        let facts = entry.facts.expect("it is seen");
        let alone = backend.facts(&at).expect("it is seen");
        assert!(alone.is_some_and(|alone| alone.is_as(&facts)), "{at}");
        let again = backend.facts_again(&mut cache, &at).expect("it is seen");
        let is_same = again.is_some_and(|again| again.is_as(&facts));
        assert!(is_same, "{at} asked for with others");
        seen.insert(entry.name.clone(), facts);
    }
    let none = backend.facts_again(&mut cache, "l/zzz").expect("asked for");
    assert_eq!(none, None, "with others too, what is not there is not");
    let wanted = ["B", "none", "ü"];
    let directory = Directory {
        path: "l",
        identity: None,
    };
    let some = backend
        .named(directory, &Options::default(), &mut wanted.into_iter())
        .expect("some are asked for");
    let some: Vec<_> = some
        .into_iter()
        .map(|entry| (entry.name, entry.facts.expect("it is seen")))
        .collect();
    let told: Vec<_> = some.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(told, ["B", "ü"], "those that are there");
    for (name, facts) in &some {
        assert!(facts.is_as(&seen[name]), "{name}: as the listing tells it");
    }
    let file = listed(backend, "l/B").expect_err("a file is no directory");
    assert_eq!(file, Failure::Gone);
}

fn removals(backend: &dyn Backend) {
    backend.make_directory(&path("r")).expect("it is made");
    put(backend, "r/file", "x", false).expect("it is put");
    let refused = backend.remove("r", true).expect_err("something is in it");
    assert_eq!(refused.reason, Reason::NotEmpty, "{refused}");
    for _ in 0..2 {
        let removed = backend.remove("r/file", false);
        removed.expect("it is no error if nothing stands there");
        assert_eq!(backend.facts("r/file").expect("it is asked for"), None);
    }
    for _ in 0..2 {
        backend.remove("r", true).expect("nothing is in it");
        assert_eq!(backend.facts("r").expect("it is asked for"), None);
    }
}

fn removals_of_some(backend: &dyn Backend) {
    for at in ["s/a", "s/b/c", "s/b/d", "other/file"] {
        put(backend, at, at, false).expect("it is put");
    }
    let told = |keep: Option<&str>| {
        let is_meant = |at: &str, facts: &Facts| {
            assert!(!facts.is_directory(), "{at}: files are picked");
            keep != Some(at)
        };
        let removed = backend.remove_where("s", &is_meant);
        removed.expect("they are removed");
        let left = backend.tree_facts("s").map(|tree| {
            let names = tree.into_iter().map(|(at, _)| at);
            names.collect::<Vec<_>>()
        });
        left.unwrap_or_default()
    };
    assert_eq!(told(Some("s/b/d")), ["s", "s/b", "s/b/d"]);
    assert_eq!(told(None), Vec::<String>::new(), "with its directories");
    assert_eq!(told(None), Vec::<String>::new(), "nothing is there");
    backend
        .remove_where("other/file", &|_, _| true)
        .expect("a file goes");
    assert_eq!(names_in(backend, "other"), Vec::<String>::new(), "it stays");
    backend.sweep(&[]).expect("it is swept");
    assert!(backend.facts("stays").expect("it is seen").is_some());
}

fn hashes(backend: &dyn Backend) {
    let facts = put(backend, "hashed", "contents", false).expect("it is put");
    let hash = format!("blake3:{}", blake3::hash(b"contents"));
    let found = content::hash(backend, "hashed", &mut |_| true).expect("it is read");
    assert_eq!(found, Hashed::Hash(hash.clone(), Box::new(facts)));
    let hashed = |conditions: &HashConditions, path: &str, goes_on: bool| {
        let hashed = backend.hash(path, conditions, &mut |_| goes_on);
        hashed.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    };
    let mut conditions = HashConditions {
        facts: Some(facts),
        read_bytes: 3,
        ..HashConditions::default()
    };
    assert_eq!(
        hashed(&conditions, "hashed", true),
        Hashed::Hash(hash, Box::new(facts)),
        "in small reads"
    );
    assert_eq!(hashed(&conditions, "hashed", false), Hashed::Stopped);
    conditions.facts = Some(Facts {
        size_bytes: 1,
        ..facts
    });
    assert_eq!(hashed(&conditions, "hashed", true), Hashed::Other);
    let anything = HashConditions::default();
    assert_eq!(hashed(&anything, "none", true), Hashed::Gone);
}

/// Notes every name that the walk tells.
#[derive(Default)]
struct Notes(BTreeMap<String, Facts>);

impl Visitor for Notes {
    type Context = ();
    type Error = ();

    fn listed(
        &mut self,
        path: &str,
        (): (),
        entries: &[Entry],
        descend: &mut Vec<(usize, ())>,
    ) -> Result<(), ()> {
        for (index, entry) in entries.iter().enumerate() {
            let facts = entry.facts.expect("it is seen");
            let before = self.0.insert(node::join(path, &entry.name), facts);
            assert_eq!(before, None, "{path}/{} is told once", entry.name);
            descend.push((index, ()));
        }
        Ok(())
    }

    fn failed(&mut self, path: &str, (): (), failure: Failure) -> Result<(), ()> {
        panic!("{path}: {failure:?}");
    }
}

fn walks(backend: &dyn Backend) {
    let root = Start {
        path: String::new(),
        identity: None,
        context: (),
    };
    let notes = vec![Notes::default()];
    let notes = walk::walk_from(backend, &Options::default(), vec![root], notes);
    let told = &notes.expect("it goes to its end")[0].0;
    for at in ["a", "a/b", "a/b/file", "d/e", "stays", "l/ü", "hashed"] {
        let facts = backend.facts(at).expect("it is seen").expect("it is there");
        let is_same = told.get(at).is_some_and(|told| facts.is_as(told));
        assert!(is_same, "{at}: {:?}", told.get(at));
    }
    assert!(!told.contains_key("r"), "what was removed is not told");
}
