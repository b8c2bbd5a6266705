//! Whose files are, who may do what with them, and what they take on disk.

use super::*;
use journal::{ChangedFacts, Fact, JournalReader};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};

impl Bench {
    /// What was told of nodes since then: type, path, changed facts.
    fn told(&self, after: JournalId) -> Vec<(EventType, String, ChangedFacts)> {
        let page = JournalReader::read(&self.catalogue, after, 1_000).unwrap();
        let entries = page.entries.iter().filter_map(|entry| {
            let event = Event::decode(&entry.event_type, &entry.data).unwrap();
            let node = event.node()?;
            Some((entry.event_type.clone(), node.path.to_owned(), node.changed))
        });
        entries.collect()
    }

    fn set_mode(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
    }
}

fn changed(facts: &[Fact]) -> ChangedFacts {
    let with = |changed: ChangedFacts, fact: &Fact| changed.with(*fact, true);
    facts.iter().fold(ChangedFacts::default(), with)
}

#[test]
fn a_node_has_the_facts_that_stat_tells() {
    let bench = Bench::new();
    bench.write("a/report.PDF", &"x".repeat(10_000));
    std::os::unix::fs::symlink("report.PDF", bench.path("a/link")).unwrap();
    bench.set_mode("a/report.PDF", 0o4751);
    bench.scan();
    for path in ["a", "a/report.PDF", "a/link"] {
        let node = bench.node(path);
        let stat = bench.path(path).symlink_metadata().unwrap();
        let inode = node.facts.inode.unwrap();
        assert_eq!((inode.uid, inode.gid), (stat.uid(), stat.gid()), "{path}");
        assert_eq!(u32::from(inode.mode), stat.mode() & 0o7777, "{path}");
        let is_file = !stat.is_dir();
        let allocated = is_file.then(|| stat.blocks().cast_signed() * 512);
        assert_eq!(inode.allocated_bytes, allocated, "{path}");
        let links = is_file.then(|| u32::try_from(stat.nlink()).unwrap());
        assert_eq!(inode.links, links, "{path}");
    }
    let extension = bench.node("a/report.PDF");
    assert_eq!(extension.extension().as_deref(), Some("pdf"));
    assert_eq!(bench.node("a").extension(), None);
}

#[test]
fn permissions_and_owners_that_change_are_told_once_by_name() {
    let bench = Bench::new();
    bench.write("a/file", "text");
    bench.write("a/other", "text");
    bench.scan();
    let before = bench.catalogue.head().id;
    bench.set_mode("a/file", 0o600);
    bench.set_mode("a", 0o700);
    assert_eq!(bench.scan().changes.updated, 2);
    let of = |path: &str| {
        (
            EventType::NodeUpdated,
            path.to_owned(),
            changed(&[Fact::Mode]),
        )
    };
    let mut told = bench.told(before);
    told.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(told, [of("a"), of("a/file")]);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let before = bench.catalogue.head().id;
    chown(bench.path("a/other"), Some(1234), Some(4321)).unwrap();
    bench.scan();
    let facts = changed(&[Fact::Uid, Fact::Gid]);
    let told = bench.told(before);
    assert_eq!(
        told,
        [(EventType::NodeUpdated, "a/other".to_owned(), facts)]
    );
}

#[test]
fn the_root_of_a_mount_has_facts_too() {
    let bench = Bench::new();
    bench.write("file", "text");
    bench.scan();
    let before = bench.catalogue.head().id;
    bench.set_mode("", 0o711);
    bench.scan();
    let facts = changed(&[Fact::Mode]);
    assert_eq!(
        bench.told(before),
        [(EventType::NodeUpdated, String::new(), facts)]
    );
    assert_eq!(bench.node("").facts.inode.unwrap().mode, 0o711);
}

#[test]
fn a_further_name_of_a_file_tells_nothing_of_the_first_one_and_is_counted() {
    let bench = Bench::new();
    bench.write("a", "text");
    bench.scan();
    let before = bench.catalogue.head().id;
    std::fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    bench.scan();
    let told: Vec<_> = bench
        .told(before)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(told, ["b"]);
    for name in ["a", "b"] {
        assert_eq!(
            bench.node(name).facts.inode.unwrap().links,
            Some(2),
            "{name}"
        );
    }
}

#[test]
fn what_an_earlier_version_did_not_ask_is_told_once() {
    let bench = Bench::new();
    bench.write("d/file", "text");
    bench.scan();
    let forget = "UPDATE nodes SET mode = NULL, uid = NULL, gid = NULL, links = NULL,
        allocated_bytes = NULL; DELETE FROM listings;";
    bench.database().execute_batch(forget).unwrap();
    let before = bench.catalogue.head().id;
    bench.scan();
    let told = bench.told(before);
    let file = told.iter().find(|(_, path, _)| path == "d/file").unwrap();
    let facts = [
        Fact::FileType,
        Fact::Uid,
        Fact::Gid,
        Fact::Mode,
        Fact::Links,
        Fact::AllocatedBytes,
    ];
    assert_eq!(file.2, changed(&facts));
    let directory = told.iter().find(|(_, path, _)| path == "d").unwrap();
    assert_eq!(directory.2, changed(&[Fact::Uid, Fact::Gid, Fact::Mode]));
}
