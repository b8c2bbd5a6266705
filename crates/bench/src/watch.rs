//! A stopwatch for the wall and for the processor.
//!
//! On a machine that is busy with something else the wall says little, and the time on the
//! processor still much: so both are told.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Time that ran while the watch ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    /// By the clock on the wall.
    pub(crate) wall: Duration,
    /// On the processors, by all threads of this process.
    pub(crate) processor: Duration,
}

/// Runs from its making on.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    processor: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            wall: Instant::now(),
            processor: processor(),
        }
    }

    pub(crate) fn stop(&self) -> Watched {
        Watched {
            wall: self.wall.elapsed(),
            processor: processor().saturating_sub(self.processor),
        }
    }
}

impl std::ops::AddAssign for Watched {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.processor += other.processor;
    }
}

/// What this process has used so far.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_on_both_clocks() {
        let watch = Stopwatch::start();
        let sum: u64 = (0..10_000_000_u64).map(std::hint::black_box).sum();
        let watched = watch.stop();
        assert!(sum > 0 && watched.wall > Duration::ZERO && watched.processor > Duration::ZERO);
    }
}
