//! Listings and nodes, side by side.

use super::*;
use ::node::{Identity, Moment};
use backend::Reason;
use journal::NodeKind;

fn at(nanos: i64) -> Moment {
    Moment::from_nanos(nanos)
}

fn file(ino: i64, size_bytes: i64) -> Facts {
    Facts {
        kind: NodeKind::File,
        is_symlink: false,
        size_bytes,
        modified_ns: Some(at(1)),
        changed_ns: Some(at(1)),
        identity: Identity {
            dev: 0,
            ino,
            born_ns: Some(at(ino * 10)),
        },
        inode: None,
        object: ::node::ObjectFacts::NONE,
    }
}

fn directory(ino: i64) -> Facts {
    Facts {
        kind: NodeKind::Directory,
        modified_ns: None,
        changed_ns: None,
        ..file(ino, 0)
    }
}

fn entry(name: &str, facts: Facts) -> Entry {
    Entry::new(name.to_owned(), Ok(facts))
}

fn node(id: i64, name: &str, facts: Facts) -> Known<'_> {
    Known {
        id,
        name,
        version: 1,
        is_active: true,
        facts,
    }
}

fn compare(entries: &[Entry], known: &[Known<'_>]) -> Differences {
    compare_without(None, entries, known)
}

fn compare_without(
    left: Option<&HashSet<String>>,
    entries: &[Entry],
    known: &[Known<'_>],
) -> Differences {
    let mut merge = Merge::new(entries, left, true);
    known.iter().for_each(|node| merge.known(node));
    merge.finish()
}

/// On a filesystem without birth times.
fn weak(ino: i64, size: i64) -> Facts {
    let identity = Identity {
        dev: 0,
        ino,
        born_ns: None,
    };
    Facts {
        identity,
        ..file(ino, size)
    }
}

fn weak_directory(ino: i64) -> Facts {
    Facts {
        identity: weak(ino, 0).identity,
        ..directory(ino)
    }
}

#[test]
fn equal_sides_differ_in_nothing() {
    let entries = [entry("a", file(1, 5)), entry("d", directory(2))];
    let known = [node(10, "a", file(1, 5)), node(11, "d", directory(2))];
    let differences = compare(&entries, &known);
    assert!(differences.is_empty());
    assert_eq!(differences.descend, [(1, 11)]);
}

#[test]
fn names_of_one_side_are_found_or_lost_wherever_they_sort() {
    let entries = [
        entry("a", file(1, 5)),
        entry("c", file(3, 5)),
        entry("e", file(5, 5)),
    ];
    let known = [
        node(10, "b", file(2, 5)),
        node(11, "c", file(3, 5)),
        node(12, "f", file(6, 5)),
    ];
    let differences = compare(&entries, &known);
    assert_eq!(
        (differences.found, differences.lost),
        (vec![0, 2], vec![10, 12])
    );
    assert_eq!(compare(&[], &known).lost, [10, 11, 12]);
    assert_eq!(compare(&entries, &[]).found, [0, 1, 2]);
}

#[test]
fn a_name_of_another_file_is_found_and_lost_and_a_changed_one_is_changed() {
    let entries = [entry("a", file(2, 5)), entry("b", file(3, 6))];
    let known = [node(10, "a", file(1, 5)), node(11, "b", file(3, 5))];
    let differences = compare(&entries, &known);
    assert_eq!((differences.found, differences.lost), (vec![0], vec![10]));
    let changed = Changed {
        node: 11,
        version: 1,
        facts: file(3, 6),
        is_only_read: false,
    };
    assert_eq!(differences.changed, [changed]);
}

#[test]
fn changed_nodes_can_be_taken_while_the_merge_goes_on() {
    let entries: Vec<_> = (1..=5)
        .map(|ino| entry(&ino.to_string(), file(ino, 6)))
        .collect();
    let names: Vec<_> = (1..=5).map(|ino: i64| ino.to_string()).collect();
    let mut merge = Merge::new(&entries, None, true);
    let mut taken = Vec::new();
    for (ino, name) in (1..=4).zip(&names) {
        merge.known(&node(ino, name, file(ino, 5)));
        taken.extend(merge.take_changed(2).map(|changed| changed.len()));
    }
    merge.known(&node(5, "5", file(5, 6)));
    assert_eq!(taken, [2, 2], "never more than so many");
    let rest = merge.finish();
    assert_eq!(rest.changed, []);
    assert!(!rest.is_empty(), "it does not agree with its listing");
}

#[test]
fn a_directory_made_anew_where_one_was_seen_to_leave_is_another_one() {
    let entries = [entry("d", weak_directory(2)), entry("e", weak_directory(4))];
    let known = [
        node(10, "d", weak_directory(1)),
        node(11, "e", weak_directory(3)),
    ];
    let seen = compare(&entries, &known);
    assert_eq!(
        (seen.descend.len(), seen.found.len()),
        (2, 0),
        "a path tells"
    );
    let left = HashSet::from(["d".to_owned()]);
    let seen = compare_without(Some(&left), &entries, &known);
    assert_eq!((seen.found, seen.lost), (vec![0], vec![10]));
    assert_eq!(seen.descend, [(1, 11)]);
    let back = [entry("d", weak_directory(1))];
    let seen = compare_without(Some(&left), &back, &known[..1]);
    assert!(seen.is_empty(), "it is there again");
    let (now, before) = ([entry("d", weak(2, 5))], [node(12, "d", weak(1, 5))]);
    let seen = compare_without(Some(&left), &now, &before);
    assert!(seen.is_empty(), "only directories were seen to leave");
}

#[test]
fn a_name_that_cannot_be_asked_about_is_neither_found_nor_lost() {
    let entries = [Entry::new("a".to_owned(), Err(Reason::Denied))];
    assert!(compare(&entries, &[node(10, "a", file(1, 5))]).is_empty());
    assert!(compare(&entries, &[]).is_empty());
}

#[test]
fn every_fact_of_a_listing_shows_in_its_digest() {
    let listing = [entry("a", file(1, 5)), entry("b", file(2, 5))];
    let digest_of = |name: &str, facts| digest(&[entry(name, facts), entry("b", file(2, 5))], true);
    assert_eq!(digest_of("a", file(1, 5)), digest(&listing, true));
    let identity = |change: fn(&mut Identity)| {
        let mut facts = file(1, 5);
        change(&mut facts.identity);
        facts
    };
    let others = [
        file(1, 6),
        directory(1),
        Facts {
            is_symlink: true,
            ..file(1, 5)
        },
        Facts {
            modified_ns: Some(at(2)),
            ..file(1, 5)
        },
        Facts {
            modified_ns: None,
            ..file(1, 5)
        },
        Facts {
            changed_ns: Some(at(2)),
            ..file(1, 5)
        },
        identity(|identity| identity.dev = 1),
        identity(|identity| identity.ino = 3),
        identity(|identity| identity.born_ns = Some(at(1))),
    ];
    for other in others {
        assert_ne!(digest_of("a", other), digest(&listing, true), "{other:?}");
    }
    assert_ne!(digest_of("aa", file(1, 5)), digest(&listing, true));
    assert_ne!(digest(&listing[..1], true), digest(&listing, true));
    let unseen = Entry::new("a".to_owned(), Err(Reason::Denied));
    assert_eq!(
        digest(&[unseen], true),
        None,
        "what was not seen cannot be remembered"
    );
    let made_up = |ino| Facts {
        identity: Identity {
            dev: 0,
            ino,
            born_ns: None,
        },
        ..file(1, 5)
    };
    assert_eq!(digest_of("a", made_up(1)), digest_of("a", made_up(2)));
}

#[test]
fn a_file_that_was_only_read_differs_for_those_who_tell_it() {
    let read = |accessed_ms| Facts {
        inode: Some(::node::InodeFacts {
            file_type: journal::FileType::Regular,
            uid: 0,
            gid: 0,
            mode: 0o644,
            links: Some(1),
            allocated_bytes: Some(0),
            attributes: None,
            link_target: Some(0),
            accessed_ms,
        }),
        ..file(1, 5)
    };
    const DAY: i64 = 86_400_000;
    let known = node(10, "a", read(Some(1)));
    let entries = [entry("a", read(Some(1 + DAY)))];
    assert_eq!(relate(&known, &read(Some(DAY))), Relation::Unchanged);
    assert_eq!(relate(&known, &read(Some(1 + DAY))), Relation::Read);
    let told = compare(&entries, &[node(10, "a", read(Some(1)))]).changed;
    assert!(matches!(&told[..], [only] if only.is_only_read), "{told:?}");
    let mut merge = Merge::new(&entries, None, false);
    merge.known(&known);
    assert!(merge.finish().is_empty());

    let digest_of = |accessed, tells| digest(&[entry("a", read(accessed))], tells);
    assert_ne!(digest_of(Some(1), true), digest_of(Some(2), true));
    assert_eq!(digest_of(Some(1), false), digest_of(Some(2), false));
    assert_ne!(digest_of(Some(1), false), digest_of(Some(1), true));
    assert_ne!(digest_of(Some(1), false), digest_of(None, true));
}

#[test]
fn a_name_relates_to_its_node_by_identity_first() {
    let cases = [
        ("the same", file(1, 5), file(1, 5), Relation::Unchanged),
        ("written to", file(1, 5), file(1, 6), Relation::Changed),
        (
            "replaced by one just like it",
            file(1, 5),
            file(2, 5),
            Relation::Another,
        ),
        (
            "a directory made anew",
            directory(1),
            directory(2),
            Relation::Another,
        ),
        (
            "a directory for a file",
            file(1, 0),
            directory(1),
            Relation::Another,
        ),
        (
            "a symlink for a file",
            file(1, 0),
            Facts {
                is_symlink: true,
                ..file(1, 0)
            },
            Relation::Another,
        ),
        (
            "identity not known yet",
            weak(0, 5),
            file(1, 5),
            Relation::Changed,
        ),
        (
            "birth time not known yet",
            weak(1, 5),
            file(1, 5),
            Relation::Changed,
        ),
        (
            "no birth times, the same",
            weak(1, 5),
            weak(1, 5),
            Relation::Unchanged,
        ),
        (
            "no birth times, inode made up",
            weak(1, 5),
            weak(2, 5),
            Relation::Unchanged,
        ),
        (
            "no birth times, inode and size",
            weak(1, 5),
            weak(2, 6),
            Relation::Another,
        ),
        (
            "no birth times, written to",
            weak(1, 5),
            weak(1, 6),
            Relation::Changed,
        ),
        (
            "only its change time differs",
            file(1, 5),
            Facts {
                changed_ns: Some(at(2)),
                ..file(1, 5)
            },
            Relation::Changed,
        ),
        (
            "no birth times, a directory",
            weak_directory(1),
            weak_directory(2),
            Relation::Changed,
        ),
    ];
    for (what, before, now, expected) in cases {
        assert_eq!(relate(&node(1, "x", before), &now), expected, "{what}");
    }
    let stale = Known {
        is_active: false,
        ..node(1, "x", file(1, 5))
    };
    assert_eq!(
        relate(&stale, &file(1, 5)),
        Relation::Changed,
        "it is active again"
    );
}
