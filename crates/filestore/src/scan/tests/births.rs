//! Filesystems without birth times, and those that take names in any case of their letters.

use super::odd::Odd;
use super::*;

/// How a filesystem is.
#[derive(Clone, Copy, Debug)]
struct Filesystem {
    ignores_case: bool,
    has_births: bool,
}

/// Without birth times.
const WEAK: Filesystem = Filesystem {
    ignores_case: false,
    has_births: false,
};

impl Bench {
    /// Scans the tree as if it lay on such a filesystem; directories were seen to be renamed.
    fn scan_as(&self, filesystem: Filesystem, renames: &[Rename]) -> ScanChanges {
        let options = ScanOptions::default();
        let mut scan = Scan::open(&self.catalogue, &self.mount, &[], &options).unwrap();
        scan.backend = Arc::new(Odd {
            backend: scan.backend,
            refused: Vec::new(),
            ignores_case: filesystem.ignores_case,
            has_births: filesystem.has_births,
        });
        scan.renames = Arc::new(Renames::of(&self.catalogue, self.mount.id, renames).unwrap());
        let changes = scan.run().unwrap().0.changes;
        self.check();
        changes
    }

    /// A rename that was seen, from a name in a directory to one in another one.
    fn seen(&self, from: (&str, &str), to: (&str, &str)) -> Rename {
        let name = |(directory, name): (&str, &str)| {
            let identity = self.live()[directory].facts.identity;
            (identity, name.to_owned())
        };
        Rename {
            from: name(from),
            to: name(to),
        }
    }

    fn ids<const N: usize>(&self, paths: [&str; N]) -> [i64; N] {
        paths.map(|path| self.id(path))
    }

    /// The node gets the inode number of another directory, as if the number had been given out again.
    fn reuse(&self, id: i64, other: &str) {
        let facts = self.live()[other].facts;
        let learn = move |tx: &mut WriteTx<'_>| tx.learn_identity(id, facts.identity);
        self.catalogue.write(learn).unwrap();
    }
}

#[test]
fn a_rename_that_only_changes_the_case_of_letters_keeps_the_node_where_case_is_ignored() {
    for has_births in [true, false] {
        let filesystem = Filesystem {
            ignores_case: true,
            has_births,
        };
        let bench = Bench::new();
        bench.write("photo.jpg", "jpg");
        bench.write("Docs/note", "x");
        bench.write("Docs/Sub/deep", "x");
        bench.scan_as(filesystem, &[]);
        let was = bench.ids([
            "photo.jpg",
            "Docs",
            "Docs/note",
            "Docs/Sub",
            "Docs/Sub/deep",
        ]);
        bench.rename("photo.jpg", "PHOTO.JPG");
        bench.rename("Docs", "docs");
        bench.rename("docs/Sub", "docs/SUB");
        assert_eq!(bench.scan_as(filesystem, &[]), changes(0, 0, 5, 0, 0));
        let now = bench.ids([
            "PHOTO.JPG",
            "docs",
            "docs/note",
            "docs/SUB",
            "docs/SUB/deep",
        ]);
        assert_eq!(now, was, "with birth times: {has_births}");
        assert_eq!(bench.scan_as(filesystem, &[]).total(), 0);
    }
}

#[test]
fn a_directory_that_was_seen_to_be_renamed_keeps_its_nodes_without_birth_times() {
    let bench = Bench::new();
    bench.write("a/sub/deep/file", "12345");
    bench.write("b/other", "1");
    bench.scan_as(WEAK, &[]);
    let was = bench.ids(["a", "a/sub", "a/sub/deep", "a/sub/deep/file"]);
    bench.rename("a", "b/z");
    // Another directory has the name at once, and one within it too.
    bench.write("a/sub/new", "x");
    let seen = bench.seen(("", "a"), ("b", "z"));
    assert_eq!(bench.scan_as(WEAK, &[seen]), changes(3, 0, 4, 0, 0));
    let now = bench.ids(["b/z", "b/z/sub", "b/z/sub/deep", "b/z/sub/deep/file"]);
    assert_eq!(now, was);
    assert_eq!(bench.scan_as(WEAK, &[]).total(), 0);
}

#[test]
fn directories_that_were_seen_to_change_places_keep_their_nodes_without_birth_times() {
    let bench = Bench::new();
    bench.write("a/one", "1");
    bench.write("b/two", "22");
    bench.scan_as(WEAK, &[]);
    let was = bench.ids(["a", "a/one", "b", "b/two"]);
    bench.rename("a", "swap");
    bench.rename("b", "a");
    bench.rename("swap", "b");
    let seen = [
        bench.seen(("", "a"), ("", "b")),
        bench.seen(("", "b"), ("", "a")),
    ];
    assert_eq!(bench.scan_as(WEAK, &seen), changes(0, 0, 4, 0, 0));
    assert_eq!(bench.ids(["b", "b/one", "a", "a/two"]), was);
}

#[test]
fn a_directory_that_nobody_saw_being_renamed_is_a_new_one_without_birth_times() {
    let bench = Bench::new();
    bench.write("a/file", "12345");
    bench.scan_as(WEAK, &[]);
    let was = bench.ids(["a", "a/file"]);
    bench.rename("a", "b");
    assert_eq!(bench.scan_as(WEAK, &[]), changes(1, 0, 1, 1, 0));
    assert_eq!(bench.id("b/file"), was[1], "the file is known by its time");
    assert_eq!(bench.state(was[0]), ("a".to_owned(), NodeState::Missing));
}

#[test]
fn a_directory_made_anew_with_the_number_of_another_one_does_not_take_its_node() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("Docs")).unwrap();
    std::fs::create_dir(bench.path("next")).unwrap();
    bench.scan_as(WEAK, &[]);
    let [docs, next] = bench.ids(["Docs", "next"]);
    // `Docs` is gone, and the directory that is called `docs` now has its number.
    bench.reuse(docs, "next");
    bench.reuse(next, "");
    bench.remove("Docs");
    bench.rename("next", "docs");
    assert_eq!(bench.scan_as(WEAK, &[]), changes(1, 0, 0, 2, 0));
    assert!(![docs, next].contains(&bench.id("docs")));
    assert_eq!(bench.state(docs).1, NodeState::Missing);
}
