//! Faults do what they say, and the same seed does the same.

use testkit::file_fault::{self, Kind};

#[test]
fn one_bit_is_flipped_and_the_same_seed_flips_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let whole: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    for seed in 0..200 {
        std::fs::write(&path, &whole).unwrap();
        let fault = file_fault::flip_bit(&path, seed);
        let now = std::fs::read(&path).unwrap();
        let bits: u32 = whole
            .iter()
            .zip(&now)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!((bits, now.len()), (1, whole.len()), "{fault}");
        assert_eq!(file_fault::flip_bit(&path, seed), fault);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
    let fault = file_fault::flip_bit_within(&path, 4096..4097, 1);
    assert!(matches!(fault.kind, Kind::BitFlipped { at: 4096, .. }));
    assert!(fault.to_string().ends_with("of byte 4096 of store.db"));
}

#[test]
fn a_tail_is_cut_by_at_least_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    for seed in 0..100 {
        std::fs::write(&path, [1; 50]).unwrap();
        let fault = file_fault::cut_tail(&path, seed);
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(
            fault.kind,
            Kind::TailCut {
                from: 50,
                to: length
            }
        );
        assert!(length < 50);
    }
}

#[test]
fn written_sectors_are_dropped_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let (path, earlier) = (dir.path().join("a"), dir.path().join("b"));
    let before = vec![1_u8; 3 * 4096];
    let mut after = vec![1_u8; 6 * 4096 + 10];
    after[4096..].fill(2);
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..200 {
        std::fs::write(&earlier, &before).unwrap();
        std::fs::write(&path, &after).unwrap();
        let fault = file_fault::drop_writes(&path, &earlier, seed);
        let Kind::WritesDropped { written, dropped } = fault.kind else {
            panic!("{fault}");
        };
        assert_eq!(written, 6);
        assert!((1..=6).contains(&dropped), "{fault}");
        let now = std::fs::read(&path).unwrap();
        assert_eq!(now[..4096], before[..4096], "what was not written stays");
        assert_ne!(now, after);
        lengths.insert(now.len());
    }
    assert!(lengths.len() > 2, "the growth is dropped, too: {lengths:?}");
}

#[test]
fn a_store_is_its_file_and_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("s.db");
    std::fs::write(&store, "a").unwrap();
    std::fs::write(dir.path().join("s.db-wal"), "b").unwrap();
    std::fs::write(dir.path().join("s.db.wal"), "").unwrap();
    assert_eq!(
        file_fault::files_of(&store),
        [store.clone(), dir.path().join("s.db-wal")]
    );
    let copy = file_fault::copy_store(&store, &dir.path().join("copy"));
    assert_eq!(file_fault::files_of(&copy).len(), 2);
    std::fs::remove_file(dir.path().join("s.db-wal")).unwrap();
    file_fault::copy_store(&store, &dir.path().join("copy"));
    assert_eq!(file_fault::files_of(&copy), [copy]);
}
