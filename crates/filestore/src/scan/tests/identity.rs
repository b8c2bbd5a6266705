//! Who is who after renames behind Tidemark's back.

use super::*;
use ::node::Identity;
use std::os::unix::fs::symlink;

#[test]
fn a_renamed_file_and_one_moved_across_directories_keep_their_nodes() {
    let bench = Bench::new();
    for path in ["a/one", "a/two", "b/three"] {
        bench.write(path, path);
    }
    bench.scan();
    let (one, two) = (bench.id("a/one"), bench.id("a/two"));
    bench.rename("a/one", "a/renamed");
    bench.rename("a/two", "b/two");
    assert_eq!(bench.scan().changes, changes(0, 0, 2, 0, 0));
    assert_eq!((bench.id("a/renamed"), bench.id("b/two")), (one, two));
}

#[test]
fn a_renamed_directory_keeps_its_nodes_whichever_place_is_met_first() {
    for (from, to) in [("a", "z"), ("z", "a")] {
        let bench = Bench::new();
        bench.write(&format!("{from}/sub/deep/file"), "12345");
        bench.write(&format!("{from}/gone"), "1");
        bench.write("m/other", "1");
        bench.scan();
        let all = ["", "/sub", "/sub/deep", "/sub/deep/file"];
        let ids = all.map(|path| bench.id(&format!("{from}{path}")));
        let gone = bench.id(&format!("{from}/gone"));
        let head = bench.catalogue.head().id;
        bench.rename(from, to);
        bench.write(&format!("{to}/sub/deep/file"), "1234567");
        bench.write(&format!("{to}/new"), "1");
        bench.remove(&format!("{to}/gone"));
        assert_eq!(
            bench.scan().changes,
            changes(1, 0, 4, 1, 0),
            "{from} to {to}"
        );
        assert_eq!(all.map(|path| bench.id(&format!("{to}{path}"))), ids);
        assert_eq!(bench.state(gone).1, NodeState::Missing);
        let delta: i64 = bench.entries(head).iter().map(|entry| entry.3).sum();
        assert_eq!(delta, 2, "the moved file grew by two, one came, one went");
    }
}

#[test]
fn swaps_and_rotations_keep_their_nodes() {
    let bench = Bench::new();
    for path in ["a", "b", "d1/x", "d2/x", "log", "log.1", "log.2"] {
        bench.write(path, path);
    }
    bench.scan();
    let before = [
        "a", "b", "d1", "d2", "d1/x", "d2/x", "log", "log.1", "log.2",
    ];
    let ids = before.map(|path| bench.id(path));
    for (one, other) in [("a", "b"), ("d1", "d2")] {
        bench.rename(one, "swap");
        bench.rename(other, one);
        bench.rename("swap", other);
    }
    bench.rename("log.2", "log.3");
    bench.rename("log.1", "log.2");
    bench.rename("log", "log.1");
    bench.write("log", "fresh");
    assert_eq!(bench.scan().changes, changes(1, 0, 9, 0, 0));
    let after = [
        "b", "a", "d2", "d1", "d2/x", "d1/x", "log.1", "log.2", "log.3",
    ];
    assert_eq!(after.map(|path| bench.id(path)), ids);
    assert!(!ids.contains(&bench.id("log")));
}

#[test]
fn directories_that_change_places_with_their_own_children_keep_their_nodes() {
    let bench = Bench::new();
    bench.write("d/e/f", "12345");
    bench.write("d/g", "1");
    bench.scan();
    let ids = ["d", "d/e", "d/e/f", "d/g"].map(|path| bench.id(path));
    bench.rename("d/e", "x");
    bench.rename("d", "x/d");
    bench.rename("x", "d");
    assert_eq!(bench.scan().changes, changes(0, 0, 4, 0, 0));
    assert_eq!(["d/d", "d", "d/f", "d/d/g"].map(|path| bench.id(path)), ids);
}

#[test]
fn files_that_left_a_removed_directory_keep_their_nodes() {
    let bench = Bench::new();
    bench.write("old/sub/kept", "12345");
    bench.write("old/sub/lost", "123");
    bench.write("new/other", "1");
    bench.scan();
    let (kept, lost) = (bench.id("old/sub/kept"), bench.id("old/sub/lost"));
    bench.rename("old/sub/kept", "new/kept");
    bench.remove("old");
    assert_eq!(bench.scan().changes, changes(0, 0, 1, 3, 0));
    assert_eq!(bench.id("new/kept"), kept);
    assert_eq!(
        bench.state(lost),
        ("old/sub/lost".to_owned(), NodeState::Missing)
    );
}

#[test]
fn a_directory_made_anew_around_its_files_keeps_them_all() {
    let bench = Bench::new();
    bench.write("d/sub/file", "12345");
    bench.write("d/beside", "1");
    bench.scan();
    let paths = ["d", "d/sub", "d/sub/file", "d/beside"];
    let ids = paths.map(|path| bench.id(path));
    bench.rename("d", "old");
    std::fs::create_dir(bench.path("d")).unwrap();
    bench.rename("old/sub", "d/sub");
    bench.remove("old");
    bench.write("d/beside", "written anew");
    // `beside` is another file at the same path: the node stays and is updated. The directories
    // say nothing new of themselves.
    assert_eq!(bench.scan().changes, changes(0, 1, 0, 0, 0));
    assert_eq!(paths.map(|path| bench.id(path)), ids);
}

#[test]
fn a_directory_that_moves_below_another_that_takes_its_name_keeps_its_node() {
    let bench = Bench::new();
    bench.write("d/file", "12345");
    bench.scan();
    let ids = ["d", "d/file"].map(|path| bench.id(path));
    bench.rename("d", "e");
    bench.write("d/file", "another");
    std::fs::create_dir(bench.path("d/inner")).unwrap();
    bench.rename("e", "d/inner/e");
    assert_eq!(bench.scan().changes, changes(3, 0, 2, 0, 0));
    assert_eq!(
        ["d/inner/e", "d/inner/e/file"].map(|path| bench.id(path)),
        ids
    );
}

#[test]
fn a_file_that_is_saved_by_renaming_over_it_stays_its_node() {
    let bench = Bench::new();
    bench.write("notes", "first");
    bench.scan();
    let id = bench.id("notes");
    bench.write("notes.tmp", "second");
    bench.rename("notes.tmp", "notes");
    assert_eq!(bench.scan().changes, changes(0, 1, 0, 0, 0));
    assert_eq!(bench.id("notes"), id);
}

#[test]
fn a_known_file_moved_over_another_stays_itself_and_the_other_is_missing() {
    let bench = Bench::new();
    bench.write("a", "12345");
    bench.write("b", "123");
    bench.scan();
    let (a, b) = (bench.id("a"), bench.id("b"));
    bench.rename("a", "b");
    assert_eq!(bench.scan().changes, changes(0, 0, 1, 1, 0));
    assert_eq!(
        (bench.id("b"), bench.state(b)),
        (a, ("b".to_owned(), NodeState::Missing))
    );
}

#[test]
fn directory_and_file_at_one_path_are_two_nodes_and_each_comes_back() {
    let bench = Bench::new();
    bench.write("x/inside", "12345");
    bench.scan();
    let (directory, inside) = (bench.id("x"), bench.id("x/inside"));
    bench.remove("x");
    bench.write("x", "a file");
    assert_eq!(bench.scan().changes, changes(1, 0, 0, 2, 0));
    let file = bench.id("x");
    bench.remove("x");
    bench.write("x/inside", "12345");
    assert_eq!(bench.scan().changes, changes(0, 0, 0, 1, 2));
    assert_eq!((bench.id("x"), bench.id("x/inside")), (directory, inside));
    bench.remove("x");
    symlink("nowhere", bench.path("x")).unwrap();
    assert_eq!(bench.scan().changes, changes(0, 0, 0, 2, 1));
    assert_eq!(bench.id("x"), file, "a symlink is a file");
}

#[test]
fn a_reused_inode_number_does_not_inherit() {
    let bench = Bench::new();
    bench.write("first", "12345");
    bench.scan();
    let first = bench.live()["first"].clone();
    bench.remove("first");
    // The filesystem gives the number out again sooner or later; most do at once.
    let reused = (0..2_000)
        .map(|attempt| format!("next{attempt}"))
        .find(|path| {
            bench.write(path, "12345");
            bench.path(path).metadata().unwrap().ino() == first.facts.identity.ino.cast_unsigned()
        });
    // This one does not within reason, so the catalogue is told that it had.
    let path = reused.unwrap_or_else(|| {
        let ino = bench.path("next0").metadata().unwrap().ino().cast_signed();
        let identity = Identity {
            ino,
            ..first.facts.identity
        };
        bench
            .catalogue
            .write(move |tx| tx.learn_identity(first.id, identity))
            .unwrap();
        "next0".to_owned()
    });
    let report = bench.scan();
    assert_eq!((report.changes.moved, report.changes.missing), (0, 1));
    assert_ne!(bench.id(&path), first.id);
}

#[test]
fn hard_links_are_nodes_of_their_own_and_keep_them_through_moves() {
    let bench = Bench::new();
    bench.write("d/a", "12345");
    std::fs::hard_link(bench.path("d/a"), bench.path("d/b")).unwrap();
    assert_eq!(bench.scan().bytes, 10, "as find counts");
    let (a, b) = (bench.id("d/a"), bench.id("d/b"));
    std::fs::hard_link(bench.path("d/a"), bench.path("c")).unwrap();
    assert_eq!(
        bench.scan().changes,
        changes(1, 0, 0, 0, 0),
        "the other names still stand"
    );
    let c = bench.id("c");
    bench.rename("d", "e");
    assert_eq!(bench.scan().changes, changes(0, 0, 3, 0, 0));
    assert_eq!((bench.id("e/a"), bench.id("e/b"), bench.id("c")), (a, b, c));
    bench.write("c", "1234567");
    assert_eq!(
        bench.scan().changes,
        changes(0, 3, 0, 0, 0),
        "all names of the file grew"
    );
}

#[test]
fn a_symlink_is_a_file_of_no_size_and_is_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "x").unwrap();
    let bench = Bench::new();
    bench.write("d/file", "12345");
    symlink(outside.path(), bench.path("out")).unwrap();
    symlink(".", bench.path("d/loop")).unwrap();
    assert_eq!(bench.scan().changes.created, 4);
    let node = bench.live()["out"].clone();
    assert!(node.facts.is_symlink && !node.is_directory() && node.facts.size_bytes == 0);
    let ids = ["d", "d/file"].map(|path| bench.id(path));
    bench.rename("d", "kept");
    symlink(outside.path(), bench.path("d")).unwrap();
    bench.scan();
    assert_eq!(["kept", "kept/file"].map(|path| bench.id(path)), ids);
    assert!(!bench.live().contains_key("d/secret"));
}

#[test]
fn a_name_that_went_missing_does_not_take_the_file_from_the_name_that_stayed() {
    let bench = Bench::new();
    bench.write("a", "12345");
    std::fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    bench.scan();
    let b = bench.id("b");
    bench.remove("a");
    bench.scan();
    bench.rename("b", "a");
    assert_eq!(bench.scan().changes, changes(0, 0, 1, 0, 0));
    assert_eq!(bench.id("a"), b);
}

#[test]
fn a_chain_of_renames_between_scans_is_one_move() {
    let bench = Bench::new();
    bench.write("a/one", "12345");
    bench.write("b/two", "1");
    bench.scan();
    let (one, two) = (bench.id("a/one"), bench.id("b/two"));
    for (from, to) in [
        ("a/one", "a/x"),
        ("a/x", "b/y"),
        ("b/two", "a/one"),
        ("b/y", "b/two"),
    ] {
        bench.rename(from, to);
    }
    assert_eq!(bench.scan().changes, changes(0, 0, 2, 0, 0));
    assert_eq!((bench.id("b/two"), bench.id("a/one")), (one, two));
}

#[test]
fn a_sparse_file_is_as_long_as_it_says() {
    let bench = Bench::new();
    std::fs::File::create(bench.path("sparse"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    assert_eq!(bench.scan().bytes, 1 << 30, "as du --apparent-size counts");
    let blocks = bench.path("sparse").metadata().unwrap().blocks();
    assert_eq!(blocks, 0, "it takes no place");
    assert_eq!(bench.live()["sparse"].facts.size_bytes, 1 << 30);
}

#[test]
fn what_sed_saves_keeps_the_paths_node() {
    let bench = Bench::new();
    bench.write("d/notes", "first\n");
    bench.scan();
    let (id, ino) = (
        bench.id("d/notes"),
        bench.path("d/notes").metadata().unwrap().ino(),
    );
    let sed = std::process::Command::new("sed")
        .args(["-i", "s/first/second/"])
        .arg(bench.path("d/notes"))
        .status();
    assert!(sed.unwrap().success());
    assert_ne!(
        bench.path("d/notes").metadata().unwrap().ino(),
        ino,
        "it is another file"
    );
    assert_eq!(bench.scan().changes, changes(0, 1, 0, 0, 0));
    assert_eq!(bench.id("d/notes"), id);
}
