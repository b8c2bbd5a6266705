//! Scans of what cannot be seen, of what changes meanwhile, and scans that are cut off.

use super::odd::Odd;
use super::*;
use backend::Reason;
use catalogue::Verb;

/// Runs the walk's side by hand, so that the listing of a directory can fail.
fn scan_with_failures(bench: &Bench, failures: &[&str]) -> ScanReport {
    let options = ScanOptions::default();
    let mut scan = Scan::open(&bench.catalogue, &bench.mount, &[], &options).unwrap();
    scan.backend = Arc::new(Odd {
        backend: scan.backend,
        refused: failures.iter().map(|path| (*path).to_owned()).collect(),
        ignores_case: false,
        has_births: true,
    });
    scan.run().unwrap().0
}

#[test]
fn what_is_known_below_a_directory_that_cannot_be_read_stays() {
    let bench = Bench::new();
    for path in ["locked/sub/file", "locked/other", "open/file"] {
        bench.write(path, "12345");
    }
    bench.scan();
    let before = bench.live();
    bench.remove("open/file");
    let report = scan_with_failures(&bench, &["locked"]);
    assert_eq!(report.changes, changes(0, 0, 0, 1, 0));
    assert_eq!(
        (report.problem_count, &*report.problems[0].path),
        (1, "locked")
    );
    assert_eq!(report.problems[0].reason, Reason::Denied.to_string());
    assert_eq!(bench.live().len(), before.len() - 1);
    bench.check();
}

#[test]
fn a_moved_directory_that_cannot_be_read_takes_what_is_known_along() {
    let bench = Bench::new();
    bench.write("d/locked/sub/file", "12345");
    bench.write("d/locked/gone", "1");
    bench.scan();
    let ids = ["d/locked", "d/locked/sub", "d/locked/sub/file"].map(|path| bench.id(path));
    bench.remove("d/locked/gone");
    bench.rename("d", "e");
    let report = scan_with_failures(&bench, &["e/locked"]);
    assert_eq!(report.changes, changes(0, 0, 4, 1, 0));
    assert_eq!(
        ["e/locked", "e/locked/sub", "e/locked/sub/file"].map(|path| bench.id(path)),
        ids
    );
    bench.check();
}

#[test]
fn a_scan_that_is_stopped_leaves_what_the_next_one_completes() {
    let bench = Bench::new();
    for file in 0..12_000 {
        bench.write(&format!("d{}/f{file}", file % 40), "x");
    }
    let options = ScanOptions::default();
    let stopped = std::thread::scope(|scope| {
        let scan = scope.spawn(|| run(&bench.catalogue, &bench.mount, &[], &options));
        let mut heads = bench.catalogue.head();
        while heads.id < JournalId::from_i64(3_000) && !scan.is_finished() {
            bench
                .catalogue
                .wait_for_head(heads.id, std::time::Duration::from_secs(1));
            heads = bench.catalogue.head();
        }
        options.cancel.cancel();
        scan.join().unwrap()
    });
    let written = bench.live().len();
    if stopped.is_err() {
        assert!(matches!(stopped, Err(ScanError::Cancelled)));
        assert!(written < 12_041, "it was stopped half way");
    }
    let report = bench.scan();
    assert_eq!(
        usize::try_from(report.changes.created).unwrap() + written,
        12_041
    );
}

/// Does what a scan does until it writes.
fn walked<'s>(bench: &'s Bench, options: &'s ScanOptions) -> (Scan<'s>, Box<Writing>) {
    let scan = Scan::open(&bench.catalogue, &bench.mount, &[], options).unwrap();
    let writing = scan.writing(Scratch::open().unwrap());
    let (writing, _) = scan.walk(Box::new(writing), &Scope::Mount).unwrap();
    scan.match_moved(&writing.scratch).unwrap();
    (scan, writing)
}

#[test]
fn a_scan_that_dies_after_a_directory_went_missing_is_made_good_by_the_next() {
    let bench = Bench::new();
    for path in ["d/e/f/g", "d/h", "kept"] {
        bench.write(path, "12345");
    }
    bench.scan();
    bench.remove("d");
    let options = ScanOptions::default();
    let (scan, writing) = walked(&bench, &options);
    let (_, step) = scan.write(writing, Writing::write_lost).unwrap();
    assert_eq!(step, Step::More, "what is below it comes next");
    assert!(!bench.live().contains_key("d") && bench.live().contains_key("d/e"));
    assert_eq!(bench.try_scan().unwrap().changes, changes(0, 0, 0, 4, 0));
    bench.check();
    bench.scan();
}

#[test]
fn a_scan_that_dies_while_a_directory_moves_is_made_good_by_the_next() {
    let bench = Bench::new();
    for file in 0..5_500 {
        bench.write(&format!("d/f{file}"), "x");
    }
    bench.scan();
    let (d, last) = (bench.id("d"), bench.id("d/f999"));
    bench.rename("d", "e");
    let options = ScanOptions::default();
    let (scan, writing) = walked(&bench, &options);
    let (_, step) = scan.write(writing, Writing::write_found).unwrap();
    assert_eq!(step, Step::More);
    assert!(bench.live().contains_key("e") && bench.live().contains_key("d/f999"));
    // By a look at something else, too: it sees that the one before did not come to its end.
    bench.write("other", "1");
    bench.look(bench.id(""), &["other"]);
    bench.check();
    assert_eq!((bench.id("e"), bench.id("e/f999")), (d, last));
    bench.scan();
}

#[test]
fn what_commands_did_while_the_scan_ran_is_not_undone() {
    let bench = Bench::new();
    for path in ["a/old", "a/kept", "b/x"] {
        bench.write(path, "12345");
    }
    bench.scan();
    // The walk has seen a tree in which `b/new` was not there yet and `a/kept` was as it was.
    let options = ScanOptions::default();
    let scan = Scan::open(&bench.catalogue, &bench.mount, &[], &options).unwrap();
    bench.write("c/found", "123");
    bench.rename("a/old", "c/old");
    bench.write("a/kept", "1234567");
    let writing = scan.writing(Scratch::open().unwrap());
    let (writing, unclear) = scan.walk(Box::new(writing), &Scope::Mount).unwrap();
    // Now commands come: one uploads to a path that the scan has found, one rewrites a file that
    // the scan has seen changed, one moves the directory of a found file away.
    let (kept, old) = (
        bench.live()["a/kept"].clone(),
        bench.live()["a/old"].clone(),
    );
    bench.write("c/found", "by command");
    let backend = Arc::clone(&scan.backend);
    bench
        .catalogue
        .write(move |tx| {
            let cause = Cause {
                command: "upload",
                ..Cause::default()
            };
            let facts = |path: &str| backend.facts(path).unwrap().unwrap();
            let root = nodes::root(tx, kept.mount_id)?.id;
            let mut c = Node::new(kept.mount_id, Some(root), "c".to_owned(), facts("c"));
            tx.change(&cause, Verb::Created, None, &mut c)?;
            let mut found = Node::new(
                kept.mount_id,
                Some(c.id),
                "c/found".to_owned(),
                facts("c/found"),
            );
            tx.change(&cause, Verb::Uploaded, None, &mut found)?;
            let mut after = kept.clone();
            after.facts = facts("a/kept");
            after.checksum = Some("sha256:00".to_owned());
            tx.change(&cause, Verb::Uploaded, Some(&kept), &mut after)?;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let (report, _) = scan.finish(writing, unclear).unwrap();
    assert_eq!(report.changes.moved, 1);
    bench.check();
    assert_eq!(bench.id("c/old"), old.id);
    assert_eq!(
        bench.live()["a/kept"].checksum.as_deref(),
        Some("sha256:00")
    );
    assert_eq!(bench.try_scan().unwrap().changes, ScanChanges::default());
}

#[test]
fn files_that_come_and_go_during_scans_leave_the_next_quiet_scan_exact() {
    let bench = Bench::new();
    for file in 0..300 {
        bench.write(&format!("d{}/e{}/f{file}", file % 7, file % 3), "x");
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0_u32;
            while !stop.load(Relaxed) {
                let (from, to) = (round % 7, (round + 3) % 7);
                let _ = std::fs::rename(
                    bench.path(&format!("d{from}/e1")),
                    bench.path(&format!("d{to}/x")),
                );
                let _ = std::fs::rename(
                    bench.path(&format!("d{to}/x")),
                    bench.path(&format!("d{from}/e1")),
                );
                let _ = std::fs::write(bench.path(&format!("d{from}/e0/come{}", round % 50)), "y");
                let _ = std::fs::remove_file(bench.path(&format!("d{to}/e0/come{}", round % 40)));
                round += 1;
            }
        });
        for _ in 0..40 {
            bench.try_scan().unwrap();
        }
        stop.store(true, Relaxed);
    });
    bench.scan();
}

#[test]
fn a_scan_is_followed_by_its_progress() {
    let bench = Bench::new();
    bench.write("d/file", "12345");
    let options = ScanOptions::default();
    run(&bench.catalogue, &bench.mount, &[], &options).unwrap();
    let counts = options.progress.counts();
    assert_eq!(
        (
            counts.directories,
            counts.files,
            counts.bytes,
            counts.changes
        ),
        (2, 1, 5, 2)
    );
    assert_eq!(counts.phase, ScanPhase::Done);
}

#[test]
fn another_root_is_refused_until_it_is_accepted() {
    let bench = Bench::new();
    bench.write("d/file", "12345");
    bench.scan();
    let file = bench.id("d/file");
    // The disk is away, and its mount point is an empty directory.
    let away = bench.tree.path().with_extension("away");
    std::fs::rename(bench.tree.path(), &away).unwrap();
    std::fs::create_dir(bench.tree.path()).unwrap();
    assert!(matches!(bench.try_scan(), Err(ScanError::OtherRoot(_))));
    assert_eq!(bench.id("d/file"), file, "nothing went missing");
    let accepting = ScanOptions {
        accept_root: true,
        ..ScanOptions::default()
    };
    let report = run(&bench.catalogue, &bench.mount, &[], &accepting).unwrap();
    assert_eq!(report.changes.missing, 2);
    assert_eq!(
        bench.scan().changes.total(),
        0,
        "the new root is the root now"
    );
    std::fs::remove_dir(bench.tree.path()).unwrap();
    std::fs::rename(&away, bench.tree.path()).unwrap();
    assert!(matches!(bench.try_scan(), Err(ScanError::OtherRoot(_))));
    let accepting = ScanOptions {
        accept_root: true,
        ..ScanOptions::default()
    };
    let report = run(&bench.catalogue, &bench.mount, &[], &accepting).unwrap();
    assert_eq!((report.changes.reconciled, bench.id("d/file")), (2, file));
}
