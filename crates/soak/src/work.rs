//! Many schedules, side by side, for as long as it is told.

use crate::attempt;
use crate::model;
use crate::report::Totals;
use crate::schedule::{self, Plan};
use parking_lot::Mutex;
use std::time::Instant;

/// Seeds of the model that are taken at a time: about a tenth of a second.
const CHUNK: u64 = 50;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds of the model.
    pub seeds: u64,
    /// How many schedules of the real processes.
    pub schedules: u64,
    /// When no more is begun, done or not.
    pub until: Option<Instant>,
    /// How many go on side by side.
    pub jobs: usize,
}

/// How far it is.
struct Progress {
    seeds: u64,
    schedules: u64,
}

enum Piece {
    Seeds(std::ops::Range<u64>),
    Schedule(u64),
}

/// Does it; what came of it. `said` is told of each difference and of the progress.
#[must_use]
pub fn work(order: Order, said: &(dyn Fn(&str) + Sync)) -> Totals {
    let progress = Mutex::new(Progress {
        seeds: 0,
        schedules: 0,
    });
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..order.jobs {
            scope.spawn(|| {
                while let Some(piece) = progress.lock().next(&order) {
                    match piece {
                        Piece::Seeds(seeds) => seeds.for_each(|seed| model_of(seed, &totals, said)),
                        Piece::Schedule(seed) => processes_of(seed, &totals, said),
                    }
                }
            });
        }
    });
    totals.into_inner()
}

impl Progress {
    /// The kind that is less far goes first.
    fn next(&mut self, order: &Order) -> Option<Piece> {
        if order.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let (seeds_left, schedules_left) = (
            order.seeds.saturating_sub(self.seeds),
            order.schedules.saturating_sub(self.schedules),
        );
        let is_schedules_turn = self.schedules.saturating_mul(CHUNK) <= self.seeds;
        if schedules_left > 0 && (is_schedules_turn || seeds_left == 0) {
            self.schedules += 1;
            return Some(Piece::Schedule(order.first_seed + self.schedules - 1));
        }
        if seeds_left == 0 {
            return None;
        }
        let first = order.first_seed + self.seeds;
        let count = CHUNK.min(seeds_left);
        self.seeds += count;
        Some(Piece::Seeds(first..first + count))
    }
}

/// One seed of the model.
pub fn model_of(seed: u64, totals: &Mutex<Totals>, said: &(dyn Fn(&str) + Sync)) {
    match attempt(|| model::run(seed)) {
        Ok(outcome) => totals.lock().add_model(&outcome),
        Err(difference) => {
            totals.lock().differences += 1;
            said(&format!("model seed {seed}: {difference}"));
        }
    }
}

/// One schedule of the real processes.
pub fn processes_of(seed: u64, totals: &Mutex<Totals>, said: &(dyn Fn(&str) + Sync)) {
    match schedule::run(&Plan::of_seed(seed)) {
        Ok(outcome) => {
            let mut totals = totals.lock();
            totals.add_schedule(&outcome);
            let done = totals.process_schedules;
            if done.is_multiple_of(10) {
                let (seeds, faults) = (totals.model_seeds, totals.faults());
                said(&format!(
                    "{done} process schedules and {seeds} model seeds, {faults} faults so far"
                ));
            }
        }
        Err(difference) => {
            totals.lock().differences += 1;
            said(&format!("process schedule, seed {seed}: {difference}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_and_schedule_is_handed_out_once() {
        let order = Order {
            first_seed: 7,
            seeds: 120,
            schedules: 5,
            until: None,
            jobs: 1,
        };
        let mut progress = Progress {
            seeds: 0,
            schedules: 0,
        };
        let (mut seeds, mut schedules) = (Vec::new(), Vec::new());
        while let Some(piece) = progress.next(&order) {
            match piece {
                Piece::Seeds(range) => seeds.extend(range),
                Piece::Schedule(seed) => schedules.push(seed),
            }
        }
        assert_eq!(seeds, (7..127).collect::<Vec<_>>());
        assert_eq!(schedules, (7..12).collect::<Vec<_>>());
    }
}
