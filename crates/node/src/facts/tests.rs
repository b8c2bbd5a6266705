//! When facts are the same, told, or of another file.

use super::*;
use crate::StorageClass;

fn file(ino: i64, born: Option<i64>, modified: i64) -> Facts {
    Facts {
        kind: NodeKind::File,
        is_symlink: false,
        size_bytes: 5,
        modified_ns: Some(Moment::from_nanos(modified)),
        changed_ns: Some(Moment::from_nanos(modified)),
        identity: Identity {
            dev: 0,
            ino,
            born_ns: born.map(Moment::from_nanos),
        },
        inode: Some(InodeFacts {
            file_type: FileType::Regular,
            uid: 1000,
            gid: 100,
            mode: 0o644,
            links: Some(1),
            allocated_bytes: Some(4096),
            attributes: None,
            link_target: Some(0),
            accessed_ms: None,
        }),
        object: ObjectFacts::NONE,
    }
}

#[test]
fn owners_permissions_and_allocation_are_told_and_a_number_of_names_is_not() {
    let before = file(7, Some(100), 1);
    let with = |change: fn(&mut InodeFacts)| {
        let mut after = before;
        change(after.inode.as_mut().unwrap());
        after
    };
    for told in [
        with(|inode| inode.uid = 0),
        with(|inode| inode.gid = 0),
        with(|inode| inode.mode = 0o4755),
        with(|inode| inode.allocated_bytes = Some(0)),
        with(|inode| inode.file_type = FileType::Fifo),
        with(|inode| inode.attributes = Some(7)),
    ] {
        assert!(told.is_told_after(&before) && told.is_news_after(&before));
        assert_eq!(told.contents_since(&before), Contents::Kept);
    }
    let linked = with(|inode| inode.links = Some(2));
    assert!(!linked.is_told_after(&before) && linked.is_news_after(&before));
    let bare = with(|inode| inode.attributes = Some(0));
    assert!(!bare.is_told_after(&before) && !bare.is_news_after(&before));
    let listed = with(|inode| inode.attributes = Some(7));
    assert!(bare.is_told_after(&listed), "they were removed");
    assert!(!before.is_told_after(&listed), "nobody asked");
    assert!(!before.is_news_after(&listed));
    let moved = Facts {
        object: ObjectFacts {
            storage_class: StorageClass::named("GLACIER"),
            ..ObjectFacts::NONE
        },
        ..before
    };
    assert!(moved.is_told_after(&before) && moved.is_news_after(&before));
    assert!(!before.is_told_after(&moved), "nobody asked");
    assert_eq!(before.settled(Some(&moved)), moved);
    assert!(before.is_as(&moved) && before.is_as(&listed) && bare.is_as(&before));
    assert!(!moved.is_as(&before) && !listed.is_as(&before) && !bare.is_as(&listed));
    let unasked = Facts {
        inode: None,
        ..before
    };
    assert!(before.is_told_after(&unasked), "told once");
    assert!(!unasked.is_told_after(&before));
}

#[test]
fn that_a_file_was_read_is_told_once_a_day_and_never_a_difference() {
    const DAY: i64 = 86_400_000;
    let with = |accessed_ms| {
        let mut facts = file(7, Some(100), 1);
        facts.inode.as_mut().unwrap().accessed_ms = accessed_ms;
        facts
    };
    let known = with(Some(5));
    for (accessed, is_told) in [
        (None, false),
        (Some(5), false),
        (Some(4 + DAY), false),
        (Some(5 + DAY), true),
        (Some(5 - DAY), true),
    ] {
        let now = with(accessed);
        assert_eq!(now.is_told_after(&known), is_told, "{accessed:?}");
        assert_eq!(now.is_news_after(&known), is_told, "{accessed:?}");
        assert!(now.is_as(&known), "{accessed:?}");
        assert_eq!(now.accessed_as(&known), known);
    }
    assert!(known.is_told_after(&with(None)), "told for the first time");
    assert_eq!(with(None).settled(Some(&known)), known);
}

#[test]
fn where_a_link_points_is_news_until_it_was_read_and_told_when_it_differs() {
    let link = |target| {
        let mut facts = file(7, Some(100), 1);
        facts.is_symlink = true;
        facts.set_long(LongFact::LinkTarget, target);
        facts
    };
    assert!(link(None).is_news_after(&link(None)));
    assert!(!link(None).is_told_after(&link(None)));
    assert!(link(Some(3)).is_told_after(&link(None)));
    assert!(link(Some(4)).is_told_after(&link(Some(3))));
    assert!(!link(None).is_news_after(&link(Some(3))), "a listing");
    assert!(link(None).is_as(&link(Some(3))) && !link(Some(4)).is_as(&link(Some(3))));
}

#[test]
fn with_a_birth_time_the_identity_alone_decides() {
    assert!(
        file(7, Some(100), 1).is_same_file(&file(7, Some(100), 2)),
        "it was written to"
    );
    assert!(
        !file(7, Some(100), 1).is_same_file(&file(7, Some(200), 1)),
        "a reused inode"
    );
    assert!(
        !file(7, Some(100), 1).is_same_file(&file(8, Some(100), 1)),
        "another inode"
    );
}

#[test]
fn without_a_birth_time_a_reused_inode_shows_by_size_or_time() {
    assert!(file(7, None, 1).is_same_file(&file(7, None, 1)));
    assert!(!file(7, None, 1).is_same_file(&file(7, None, 2)));
    let directory = Facts {
        kind: NodeKind::Directory,
        ..file(7, None, 1)
    };
    assert!(
        !directory.is_same_file(&directory),
        "nothing tells a reused directory inode"
    );
}

#[test]
fn only_a_directory_of_the_same_number_without_a_birth_time_may_be_one() {
    let directory = |ino, born| Facts {
        kind: NodeKind::Directory,
        ..file(ino, born, 1)
    };
    let may_be = |now: Facts, seen| now.may_be_directory(&seen);
    assert!(may_be(directory(7, None), directory(7, None)));
    assert!(!may_be(directory(7, None), directory(8, None)));
    assert!(!may_be(directory(0, None), directory(0, None)), "not asked");
    assert!(!may_be(file(7, None, 1), file(7, None, 1)));
    assert!(!may_be(directory(7, None), file(7, None, 1)));
    let certain = directory(7, Some(1));
    assert!(!may_be(certain, certain), "its identity decides");
    let object = |mut facts: Facts| {
        facts.identity.dev = OBJECT_DEVICE;
        facts
    };
    let prefix = object(directory(7, None));
    assert!(!may_be(prefix, prefix));
}

#[test]
fn a_change_time_that_moved_alone_leaves_the_contents_in_doubt() {
    let before = file(7, Some(100), 1);
    let touched = Facts {
        changed_ns: Some(Moment::from_nanos(2)),
        ..before
    };
    assert_eq!(before.contents_since(&before), Contents::Kept);
    assert_eq!(touched.contents_since(&before), Contents::InDoubt);
    assert_eq!(
        file(7, Some(100), 2).contents_since(&before),
        Contents::Changed
    );
    assert_eq!(
        file(8, Some(200), 1).contents_since(&before),
        Contents::Changed
    );
    let unasked = Facts {
        changed_ns: None,
        ..before
    };
    assert_eq!(before.contents_since(&unasked), Contents::Kept);
    assert!(before.is_news_after(&unasked) && touched.is_news_after(&before));
    assert!(!before.is_news_after(&before));
}

#[test]
fn a_root_is_another_one_if_the_filesystem_is_or_the_birth_differs() {
    let root = |ino, born, volume| Root {
        identity: file(ino, born, 1).identity,
        volume,
    };
    let known = root(2, Some(100), Some(5));
    assert!(!root(2, Some(100), Some(5)).is_another_than(&known));
    assert!(
        root(2, Some(100), Some(6)).is_another_than(&known),
        "formatted in the same second"
    );
    assert!(
        root(2, Some(101), Some(5)).is_another_than(&known),
        "made anew"
    );
    assert!(root(2, Some(101), None).is_another_than(&known));
    assert!(
        !root(2, Some(100), Some(6)).is_another_than(&root(2, Some(100), None)),
        "not asked yet"
    );
    let weak = root(1, None, Some(5));
    assert!(
        root(2, Some(100), Some(6)).is_another_than(&weak),
        "it is not mounted"
    );
    assert!(
        !root(7, None, Some(5)).is_another_than(&weak),
        "numbers are made up"
    );
}

#[test]
fn a_filesystem_with_another_number_has_the_same_files_at_the_same_paths() {
    let before = file(7, Some(100), 1);
    let mut after = before;
    after.identity.dev = 9;
    assert!(!after.is_another_than(&before));
    assert_eq!(after.contents_since(&before), Contents::Kept);
    assert!(after.is_news_after(&before), "the number is learnt");
    assert!(!after.is_same_file(&before), "elsewhere it proves nothing");
}

#[test]
fn a_directory_without_a_birth_time_is_the_one_of_its_path_and_its_number_is_learnt() {
    let directory = |ino| Facts {
        kind: NodeKind::Directory,
        modified_ns: None,
        changed_ns: None,
        ..file(ino, None, 1)
    };
    assert!(!directory(8).is_another_than(&directory(7)));
    assert!(directory(8).is_news_after(&directory(7)));
    assert!(!file(8, None, 1).is_news_after(&file(7, None, 1)));
    assert!(!file(8, None, 1).is_another_than(&file(7, None, 1)));
    assert!(file(8, None, 2).is_another_than(&file(7, None, 1)));
}
