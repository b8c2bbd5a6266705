//! Who is who when names are looked at one after another while they change, as watching does.

use super::*;
use ::node::Identity;

impl Bench {
    /// Compares these names in the root.
    fn look_at(&self, names: &[&str]) -> ScanReport {
        self.look(self.id(""), names)
    }

    fn formers(&self) -> i64 {
        let sql = "SELECT count(*) FROM former_identities";
        let count = self.database().query_row(sql, [], |row| row.get(0));
        count.unwrap()
    }
}

#[test]
fn a_moved_file_takes_its_node_back_from_the_newcomer_that_was_seen_first() {
    let bench = Bench::new();
    bench.write("log", "old lines");
    bench.write("d/other", "1");
    bench.scan();
    let (log, d) = (bench.id("log"), bench.id("d"));
    bench.rename("log", "d/log.1");
    bench.write("log", "fresh");
    assert_eq!(bench.look_at(&["log"]).changes, changes(0, 1, 0, 0, 0));
    assert_eq!(bench.id("log"), log, "it looks like a file that was saved");
    let report = bench.look(d, &["log.1"]);
    assert_eq!(report.changes, changes(1, 0, 1, 0, 0));
    assert_eq!(report.files, 2, "both names were looked at");
    assert_eq!(bench.id("d/log.1"), log);
    assert_ne!(bench.id("log"), log);
    assert_eq!(bench.formers(), 0);
    bench.check();
    assert_eq!(bench.scan().changes, ScanChanges::default());
}

#[test]
fn a_swap_that_is_seen_name_by_name_keeps_both_nodes() {
    let bench = Bench::new();
    bench.write("a", "1");
    bench.write("b", "22");
    bench.scan();
    let (a, b) = (bench.id("a"), bench.id("b"));
    bench.rename("a", "swap");
    bench.write("a", "not for long");
    bench.look_at(&["a"]);
    bench.remove("a");
    bench.rename("b", "a");
    bench.look_at(&["a"]);
    bench.rename("swap", "b");
    bench.look_at(&["b"]);
    assert_eq!((bench.id("b"), bench.id("a")), (a, b));
    bench.look_at(&["swap"]);
    bench.check();
    bench.scan();
    assert_eq!((bench.id("b"), bench.id("a")), (a, b));
}

#[test]
fn rotated_logs_keep_their_nodes_in_whatever_order_they_are_seen() {
    let names = ["log", "log.1", "log.2", "log.3"];
    for turn in 0..24_usize {
        let bench = Bench::new();
        for name in ["log", "log.1", "log.2"] {
            bench.write(name, name);
        }
        bench.scan();
        let ids = ["log", "log.1", "log.2"].map(|name| bench.id(name));
        // Two rotations with a look at one name after each step.
        let mut order: Vec<_> = names.to_vec();
        order.rotate_left(turn % 4);
        if turn >= 12 {
            order.reverse();
        }
        let mut looks = order.iter().cycle().skip(turn % 3);
        for _ in 0..2 {
            for step in [("log.2", "log.3"), ("log.1", "log.2"), ("log", "log.1")] {
                bench.rename(step.0, step.1);
                bench.look_at(&[looks.next().unwrap()]);
            }
            bench.write("log", "fresh");
            bench.look_at(&[looks.next().unwrap()]);
        }
        bench.look_at(&names);
        bench.check();
        // Twice: what was `log` is `log.2`, what was `log.1` is `log.3`, `log.2` is overwritten.
        assert_eq!(
            (bench.id("log.2"), bench.id("log.3")),
            (ids[0], ids[1]),
            "turn {turn}"
        );
    }
}

#[test]
fn a_directory_whose_name_is_taken_at_once_takes_its_nodes_back() {
    let bench = Bench::new();
    for path in ["p/c", "p/sub/deep", "p/gone", "q/other"] {
        bench.write(path, path);
    }
    bench.scan();
    let paths = ["p", "p/c", "p/sub", "p/sub/deep"];
    let ids = paths.map(|path| bench.id(path));
    bench.rename("p", "q/moved");
    bench.remove("q/moved/gone");
    for path in ["p/c", "p/sub/deep", "p/new"] {
        bench.write(path, "made anew");
    }
    bench.look_at(&["p"]);
    assert_eq!(paths.map(|path| bench.id(path)), ids);
    bench.write("p/late", "came under the wrong node");
    bench.look(bench.id("p"), &["late"]);
    bench.look(bench.id("q"), &["moved"]);
    bench.check();
    let moved = ["q/moved", "q/moved/c", "q/moved/sub", "q/moved/sub/deep"];
    assert_eq!(moved.map(|path| bench.id(path)), ids);
    assert!(paths.iter().all(|path| !ids.contains(&bench.id(path))));
    bench.scan();
}

#[test]
fn what_is_saved_by_renaming_keeps_the_paths_node_for_good() {
    let bench = Bench::new();
    bench.write("notes", "first");
    bench.scan();
    let id = bench.id("notes");
    for save in 0..5 {
        bench.write("notes.tmp", &format!("saved {save}"));
        bench.rename("notes.tmp", "notes");
        bench.look_at(&["notes", "notes.tmp"]);
        bench.write(&format!("another{save}"), "x");
        bench.look_at(&[&format!("another{save}")]);
        assert_eq!(bench.id("notes"), id);
    }
    assert_eq!(bench.formers(), 5);
    bench.scan();
    assert_eq!(bench.id("notes"), id);
}

#[test]
fn the_first_file_that_a_node_was_takes_it_back_and_the_later_ones_are_new() {
    let bench = Bench::new();
    bench.write("log", "first");
    bench.scan();
    let log = bench.id("log");
    bench.rename("log", "log.2");
    bench.write("log", "second");
    bench.look_at(&["log"]);
    bench.rename("log", "log.1");
    bench.write("log", "third");
    bench.look_at(&["log"]);
    bench.look_at(&["log.1", "log.2"]);
    assert_eq!(bench.id("log.2"), log);
    bench.check();
    bench.scan();
    assert_eq!(bench.id("log.2"), log);
}

#[test]
fn a_file_that_was_lost_before_its_name_was_taken_takes_its_node_back() {
    let bench = Bench::new();
    bench.write("a", "12345");
    bench.scan();
    let a = bench.id("a");
    bench.rename("a", "b");
    bench.look_at(&["a"]);
    assert_eq!(bench.state(a).1, NodeState::Missing);
    bench.write("a", "another");
    bench.look_at(&["a"]);
    assert_eq!(bench.id("a"), a, "what comes back is what was missing");
    bench.look_at(&["b"]);
    assert_eq!(bench.id("b"), a);
    bench.check();
}

#[test]
fn what_was_given_back_stays_so_if_the_scan_is_cut_off_then() {
    let bench = Bench::new();
    bench.write("a", "12345");
    bench.scan();
    let a = bench.id("a");
    bench.rename("a", "b");
    bench.write("a", "another");
    bench.look_at(&["a"]);
    let identity = bench.path("b").symlink_metadata().unwrap();
    let (ino, id) = (identity.ino().cast_signed(), a);
    let sql = "SELECT id, dev, ino, born_ns FROM former_identities";
    let former = bench.database().query_row(sql, [], |row| {
        Ok(catalogue::formers::Former {
            id: row.get(0)?,
            node: id,
            identity: Identity {
                dev: row.get(1)?,
                ino: row.get(2)?,
                born_ns: row
                    .get::<_, Option<i64>>(3)?
                    .map(::node::Moment::from_nanos),
            },
        })
    });
    let former = former.unwrap();
    assert_eq!(former.identity.ino, ino);
    let given = bench.catalogue.write(move |tx| tx.give_back(&former));
    assert_eq!(given.unwrap().unwrap().id, a);
    // The scan never came to its end; the next one sees both names.
    assert_eq!(bench.scan().changes, changes(1, 0, 1, 0, 0));
    assert_eq!(bench.id("b"), a);
}

#[test]
fn a_second_name_does_not_take_the_node_of_a_file_that_was_saved() {
    let bench = Bench::new();
    bench.write("a", "12345");
    std::fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    bench.scan();
    let (a, b) = (bench.id("a"), bench.id("b"));
    bench.write("a.tmp", "another");
    bench.rename("a.tmp", "a");
    bench.look_at(&["a"]);
    bench.rename("b", "c");
    bench.look_at(&["b", "c"]);
    assert_eq!((bench.id("a"), bench.id("c")), (a, b));
    bench.scan();
}

#[test]
fn a_file_that_lost_a_name_long_ago_is_the_node_of_the_name_that_it_lost_last() {
    let bench = Bench::new();
    bench.write("d/other", "1");
    bench.write("x", "12345");
    std::fs::hard_link(bench.path("x"), bench.path("y")).unwrap();
    bench.scan();
    let y = bench.id("y");
    bench.remove("x");
    bench.scan();
    let earlier = "UPDATE nodes SET last_drift_detected_at = last_drift_detected_at - 1000
        WHERE path = 'x'";
    assert_eq!(bench.database().execute(earlier, []).unwrap(), 1);
    // The old name is seen to be gone before the new one is found, which the other name had.
    bench.rename("y", "d/x");
    assert_eq!(bench.look_at(&["y"]).changes, changes(0, 0, 0, 1, 0));
    bench.scan();
    assert_eq!(bench.id("d/x"), y);
    bench.check();
}

#[test]
fn a_whole_scan_forgets_what_nodes_were_long_ago() {
    let bench = Bench::new();
    bench.write("notes", "first");
    bench.scan();
    for save in 0..3 {
        bench.write("notes.tmp", &format!("saved {save}"));
        bench.rename("notes.tmp", "notes");
        bench.look_at(&["notes"]);
    }
    bench.scan();
    assert_eq!(bench.formers(), 3, "they are kept for a while");
    let earlier = "UPDATE former_identities SET replaced_at = replaced_at - 3600000 WHERE id < 3";
    bench.database().execute(earlier, []).unwrap();
    bench.scan();
    assert_eq!(bench.formers(), 1);
}

#[test]
fn a_file_with_two_names_changes_under_both_when_one_is_looked_at() {
    let bench = Bench::new();
    bench.write("a", "12345");
    bench.write("d/other", "1");
    std::fs::hard_link(bench.path("a"), bench.path("d/b")).unwrap();
    bench.scan();
    bench.write("a", "1234567");
    assert_eq!(bench.look_at(&["a"]).changes, changes(0, 2, 0, 0, 0));
    bench.check();
    bench.rename("a", "c");
    bench.write("c", "longer than before");
    assert_eq!(bench.look_at(&["a", "c"]).changes, changes(0, 1, 1, 0, 0));
    bench.check();
    std::fs::hard_link(bench.path("c"), bench.path("e")).unwrap();
    bench.write("e", "by its third name");
    assert_eq!(bench.look_at(&["e"]).changes, changes(1, 2, 0, 0, 0));
    bench.check();
    bench.scan();
}

#[test]
fn what_was_written_by_a_name_that_is_gone_is_seen_under_the_others() {
    let bench = Bench::new();
    bench.write("a", "12345");
    bench.write("d/other", "1");
    for name in ["d/b", "d/c"] {
        std::fs::hard_link(bench.path("a"), bench.path(name)).unwrap();
    }
    bench.scan();
    // The name is removed before anybody looks.
    bench.write("a", "1234567");
    bench.remove("a");
    assert_eq!(bench.look_at(&["a"]).changes, changes(0, 2, 0, 1, 0));
    bench.check();
    // Another file has it.
    bench.rename("d/c", "c");
    bench.scan();
    bench.write("c", "longer than before");
    bench.write("c.tmp", "another file");
    bench.rename("c.tmp", "c");
    assert_eq!(bench.look_at(&["c"]).changes, changes(0, 2, 0, 0, 0));
    bench.check();
    // Its whole directory is gone.
    bench.write("e/f", "text");
    std::fs::hard_link(bench.path("e/f"), bench.path("f")).unwrap();
    bench.scan();
    bench.write("e/f", "longer text");
    bench.remove("e");
    assert_eq!(bench.look_at(&["e"]).changes, changes(0, 1, 0, 2, 0));
    bench.check();
    bench.scan();
}

#[test]
fn a_copy_by_hard_links_that_is_seen_before_its_original_moved_is_not_taken_for_it() {
    let bench = Bench::new();
    for path in ["m/a", "m/sub/b"] {
        bench.write(path, path);
    }
    bench.scan();
    let was = ["m", "m/a", "m/sub", "m/sub/b"].map(|path| bench.id(path));
    std::fs::create_dir_all(bench.path("copy/sub")).unwrap();
    for path in ["a", "sub/b"] {
        let (from, to) = (format!("m/{path}"), format!("copy/{path}"));
        std::fs::hard_link(bench.path(&from), bench.path(&to)).unwrap();
    }
    bench.rename("m", "z");
    // The copy is told of already, and the move is not yet.
    let (report, leftover) = bench.look_as(bench.id(""), &["copy"], true);
    assert_eq!((report.changes.total(), leftover.is_undecided), (0, true));
    let (report, leftover) = bench.look_as(bench.id(""), &["copy", "m", "z"], true);
    assert_eq!(report.changes, changes(4, 0, 4, 0, 0));
    assert!(!leftover.is_undecided);
    let now = ["z", "z/a", "z/sub", "z/sub/b"].map(|path| bench.id(path));
    assert_eq!(now, was);
    bench.check();
}

#[test]
fn a_file_that_left_a_directory_which_is_gone_since_keeps_its_node_after_a_second_look() {
    let bench = Bench::new();
    bench.write("m/a", "12345");
    bench.write("m/b", "1");
    bench.scan();
    let (a, b) = (bench.id("m/a"), bench.id("m/b"));
    bench.rename("m/b", "b");
    let (report, _) = bench.look_as(bench.id(""), &["b"], true);
    assert_eq!(report.changes.moved, 1, "its directory is where it was");
    bench.rename("m/a", "a");
    bench.remove("m");
    assert!(bench.look_as(bench.id(""), &["a"], true).1.is_undecided);
    // Nothing else came.
    assert_eq!(bench.look_at(&["a"]).changes, changes(0, 0, 1, 0, 0));
    assert_eq!((bench.id("a"), bench.id("b")), (a, b));
    bench.look_at(&["m"]);
    bench.check();
}
