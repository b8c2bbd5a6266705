//! The model of the consumer, some thousand seeds of it.

use soak::model::{self, Counts};

/// Seeds in one run of the test suite.
const SEEDS: u64 = 3_000;

#[test]
fn every_schedule_of_faults_ends_where_the_journal_says() {
    let mut thousand = Counts::new();
    for seed in model::FIXED_SEEDS.iter().copied().chain(0..SEEDS) {
        let outcome = soak::attempt(|| model::run(seed));
        let outcome = outcome.unwrap_or_else(|said| {
            panic!("seed {seed}, to be added to FIXED_SEEDS: {said}");
        });
        for (fault, times) in outcome.faults {
            *thousand.entry(fault).or_default() += times;
        }
        if seed % 1_000 == 999 {
            let missing: Vec<_> = model::FAULTS
                .iter()
                .filter(|fault| !thousand.contains_key(*fault))
                .collect();
            assert!(missing.is_empty(), "faults that never fired: {missing:?}");
            thousand.clear();
        }
    }
}
