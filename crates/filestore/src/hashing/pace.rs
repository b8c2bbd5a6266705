//! How fast a mount's files are read: an account that fills by time and is drawn on by what was
//! read. It may be overdrawn by one read of each reader, which then waits until it is settled; so
//! in any time `t` no more is read than `rate × (t + 0.1 s)` and one read a reader.
//!
//! The time comes from a clock that may go back or jump. Then at most what may be saved up is too
//! much.

use journal::Time;
use parking_lot::Mutex;
use std::time::Duration;

/// What may be saved up: a tenth of a second, for a timer that wakes late.
const SAVED_MS: i64 = 100;

#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: i64,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    at_ms: i64,
    /// In thousandths of a byte, so that a rate times milliseconds is exact; negative while it is
    /// overdrawn.
    balance: i64,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64, now: Time) -> Self {
        Self {
            bytes_per_second: i64::try_from(bytes_per_second).unwrap_or(i64::MAX),
            account: Mutex::new(Account {
                at_ms: now.as_millis(),
                balance: 0,
            }),
        }
    }

    /// So much was read.
    pub(super) fn spend(&self, bytes: usize) {
        let spent = i64::try_from(bytes)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        let mut account = self.account.lock();
        account.balance = account.balance.saturating_sub(spent);
    }

    /// How long until the next read; zero: it may be now.
    pub(super) fn wait(&self, now: Time) -> Duration {
        let mut account = self.account.lock();
        let passed = now.as_millis().saturating_sub(account.at_ms).max(0);
        account.at_ms = now.as_millis();
        let most = self.bytes_per_second.saturating_mul(SAVED_MS);
        let earned = self.bytes_per_second.saturating_mul(passed);
        account.balance = account.balance.saturating_add(earned).min(most);
        if account.balance >= 0 {
            return Duration::ZERO;
        }
        let millis = account.balance.saturating_neg().unsigned_abs();
        let rate = self.bytes_per_second.max(1).unsigned_abs();
        Duration::from_millis(millis.div_ceil(rate))
    }

    /// The bytes of one read: a tenth of a second's, so that a slow pace is an even one.
    pub(super) fn read_bytes(&self) -> usize {
        let bytes = usize::try_from(self.bytes_per_second / 10).unwrap_or(usize::MAX);
        bytes.clamp(1_024, backend::hash::content::READ_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whoever reads whenever it may, and however the clock ticks, keeps to the limit.
        #[test]
        fn no_more_is_read_than_the_limit_allows(
            rate in 4_096_u64..200_000_000,
            ticks in prop::collection::vec((0_i64..2_000, 1_usize..300_000), 1..200),
        ) {
            let mut now = 1_000_000;
            let pace = Pace::new(rate, Time::from_millis(now));
            let (began, mut read, mut largest) = (now, 0_u128, 0_u128);
            for (passed, bytes) in ticks {
                now += passed;
                // As long as it may.
                for _ in 0..10_000 {
                    if !pace.wait(Time::from_millis(now)).is_zero() {
                        break;
                    }
                    pace.spend(bytes);
                    read += bytes as u128;
                    largest = largest.max(bytes as u128);
                }
                let passed = u128::try_from(now - began + SAVED_MS).unwrap();
                let most = u128::from(rate) * passed / 1_000;
                prop_assert!(read <= most + largest, "{read} of {most}");
            }
        }

        /// After the time that it names, and not before, the next read may be.
        #[test]
        fn the_wait_it_names_is_enough_and_needed(rate in 4_096_u64..1_000_000_000, bytes in 1_usize..1_000_000) {
            let pace = Pace::new(rate, Time::from_millis(0));
            pace.spend(bytes);
            let wait = i64::try_from(pace.wait(Time::from_millis(0)).as_millis()).unwrap();
            prop_assert!(wait > 0);
            prop_assert!(!pace.wait(Time::from_millis(wait - 1)).is_zero());
            prop_assert!(pace.wait(Time::from_millis(wait)).is_zero());
        }
    }

    #[test]
    fn a_clock_that_goes_back_neither_gives_nor_takes() {
        let pace = Pace::new(10_000, Time::from_millis(5_000));
        pace.spend(10_000);
        assert_eq!(pace.wait(Time::from_millis(5_000)), Duration::from_secs(1));
        assert_eq!(pace.wait(Time::from_millis(0)), Duration::from_secs(1));
        assert_eq!(
            pace.wait(Time::from_millis(500)),
            Duration::from_millis(500)
        );
    }
}
