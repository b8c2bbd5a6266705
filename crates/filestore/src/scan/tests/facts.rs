//! Whose files are, who may do what with them, and what they take on disk.

use super::*;
use journal::{ChangedFacts, Fact, JournalReader};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};

impl Bench {
    /// What was told of nodes since then: type, path, changed facts.
    pub(super) fn told(&self, after: JournalId) -> Vec<(EventType, String, ChangedFacts)> {
        let page = JournalReader::read(&self.catalogue, after, 1_000).unwrap();
        let entries = page.entries.iter().filter_map(|entry| {
            let event = Event::decode(&entry.event_type, &entry.data).unwrap();
            let node = event.node()?;
            Some((entry.event_type.clone(), node.path.to_owned(), node.changed))
        });
        entries.collect()
    }

    pub(super) fn set_mode(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
    }
}

pub(super) fn changed(facts: &[Fact]) -> ChangedFacts {
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

/// An access control list as the kernel takes it (`linux/posix_acl_xattr.h`): tag, permissions, id.
fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(tag, permissions, id)| {
        let entry = [tag.to_le_bytes(), permissions.to_le_bytes()].concat();
        entry.into_iter().chain(id.to_le_bytes())
    });
    2_u32.to_le_bytes().into_iter().chain(entries).collect()
}

#[test]
fn attributes_that_change_are_told_where_the_mount_has_them_asked_for() {
    const NOBODY: u32 = u32::MAX;
    const ACCESS: &str = "system.posix_acl_access";
    let mut bench = Bench::new();
    bench.write("a/file", "text");
    bench.write("a/other", "text");
    bench.set_mode("a/file", 0o644);
    let set = |bench: &Bench, path: &str, name: &str, value: &[u8]| {
        rustix::fs::setxattr(
            bench.path(path),
            name,
            value,
            rustix::fs::XattrFlags::empty(),
        )
    };
    if set(&bench, "a/file", "user.project", b"apollo") == Err(rustix::io::Errno::NOTSUP) {
        return;
    }
    bench.scan();
    assert!(
        bench.node("a/file").attributes.is_none(),
        "nobody has asked"
    );

    let told_by = |bench: &Bench| {
        let before = bench.catalogue.head().id;
        bench.scan();
        let told = bench.told(before).into_iter();
        told.map(|(event_type, path, facts)| {
            assert_eq!(event_type, EventType::NodeUpdated, "{path}");
            assert_eq!(facts, changed(&[Fact::Attributes]), "{path}");
            path
        })
        .collect::<Vec<_>>()
    };
    let shown = |bench: &Bench, path: &str| {
        let attributes = bench.node(path).attributes;
        attributes.map(|attributes| attributes.get().to_owned())
    };
    let asks = ("extendedAttributes".to_owned(), true.into());
    bench.mount.config.extend([asks]);
    assert_eq!(told_by(&bench), ["a/file"], "what is there is told once");
    let project = r#"{"xattrs":{"user.project":"apollo"}}"#;
    assert_eq!(shown(&bench, "a/file").as_deref(), Some(project));

    // The permission bits stay as they are.
    let access = list(&[
        (0x01, 6, NOBODY),
        (0x02, 4, 1234),
        (0x04, 4, NOBODY),
        (0x10, 4, NOBODY),
        (0x20, 4, NOBODY),
    ]);
    set(&bench, "a/file", ACCESS, &access).unwrap();
    assert_eq!(told_by(&bench), ["a/file"]);
    let text = shown(&bench, "a/file").unwrap();
    let acl = r#"{"acl":"user::rw-,user:1234:r--,group::r--,mask::r--,other::r--","xattrs""#;
    assert!(text.starts_with(acl), "{text}");

    for directory in ["a", ""] {
        let default = list(&[(0x01, 7, NOBODY), (0x04, 5, NOBODY), (0x20, 0, NOBODY)]);
        set(&bench, directory, "system.posix_acl_default", &default).unwrap();
        assert_eq!(told_by(&bench), [directory]);
        let default = r#"{"defaultAcl":"user::rwx,group::r-x,other::---"}"#;
        assert_eq!(shown(&bench, directory).as_deref(), Some(default));
    }

    // A look at one name asks too.
    set(&bench, "a/other", "user.project", b"apollo").unwrap();
    bench.look(bench.node("a").id, &["other"]);
    assert_eq!(shown(&bench, "a/other").as_deref(), Some(project));

    let id = bench.node("a/other").id;
    bench.rename("a/other", "a/renamed");
    assert_eq!(bench.scan().changes.moved, 1);
    assert_eq!(bench.node("a/renamed").id, id);
    assert_eq!(shown(&bench, "a/renamed").as_deref(), Some(project));

    rustix::fs::removexattr(bench.path("a/renamed"), "user.project").unwrap();
    assert_eq!(told_by(&bench), ["a/renamed"]);
    assert_eq!(shown(&bench, "a/renamed"), None);

    bench.mount.config.clear();
    assert_eq!(told_by(&bench), [""; 0], "what nobody asks stays as it was");
    assert_eq!(shown(&bench, "a/file"), Some(text));
}
