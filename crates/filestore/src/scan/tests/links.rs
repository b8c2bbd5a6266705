//! Where symlinks point.

use super::facts::changed;
use super::*;
use journal::Fact;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;

impl Bench {
    fn link(&self, path: &str, target: impl AsRef<OsStr>) {
        symlink(target.as_ref(), self.path(path)).unwrap();
    }

    fn target(&self, path: &str) -> Option<String> {
        self.node(path).link_target
    }
}

#[test]
fn a_symlink_tells_where_it_points_and_a_new_target_is_an_entry_of_the_same_node() {
    let bench = Bench::new();
    bench.write("d/file", "text");
    bench.link("d/link", "file");
    bench.link("d/odd", OsStr::from_bytes(b"a\xff"));
    bench.link("d/same", "file");
    bench.scan();
    assert_eq!(bench.target("d/link").as_deref(), Some("file"));
    assert_eq!(bench.target("d/same").as_deref(), Some("file"));
    assert_eq!(
        bench.target("d/odd"),
        Some(::node::name::from_bytes(b"a\xff"))
    );
    assert_eq!((bench.target("d/file"), bench.target("d")), (None, None));

    let (before, id) = (bench.catalogue.head().id, bench.node("d/link").id);
    bench.remove("d/link");
    bench.link("d/link", "/etc/passwd");
    bench.scan();
    assert_eq!(bench.node("d/link").id, id);
    assert_eq!(bench.target("d/link").as_deref(), Some("/etc/passwd"));
    let told = bench.told(before);
    let [(EventType::NodeUpdated, path, facts)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(path == "d/link" && facts.has(Fact::LinkTarget), "{told:?}");

    // A look at one name tells it too, and a rename leaves it.
    bench.remove("d/same");
    bench.link("d/same", "elsewhere");
    bench.look(bench.node("d").id, &["same"]);
    assert_eq!(bench.target("d/same").as_deref(), Some("elsewhere"));
    bench.rename("d/same", "renamed");
    assert_eq!(bench.scan().changes.moved, 1);
    assert_eq!(bench.target("renamed").as_deref(), Some("elsewhere"));

    // What is no symlink any more points nowhere.
    bench.remove("d/link");
    bench.write("d/link", "text");
    bench.scan();
    assert_eq!(bench.target("d/link"), None);
    assert_eq!(bench.catalogue.check().unwrap(), []);
}

#[test]
fn where_a_symlink_points_that_an_earlier_version_knew_is_told_once() {
    let bench = Bench::new();
    bench.write("d/file", "text");
    bench.link("d/link", "file");
    bench.scan();
    let forget = "UPDATE nodes SET link_target = NULL; DELETE FROM listings;";
    bench.database().execute_batch(forget).unwrap();
    let before = bench.catalogue.head().id;
    bench.scan();
    let facts = changed(&[Fact::LinkTarget]);
    assert_eq!(
        bench.told(before),
        [(EventType::NodeUpdated, "d/link".to_owned(), facts)]
    );
}
